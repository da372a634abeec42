//! Sessions that have metrics of their own: `VHOST/ID`, or `VHOST/BEGINNING*`.

use crate::limits::CLIENT_ID_BYTES_MAX;

/// A pattern for sessions of one vhost.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WatchedSessions {
    /// The name of the vhost.
    pub vhost: String,
    /// A client id, or the beginning of one.
    pub id: String,
    /// Whether the pattern matches all client ids that begin with `id`, instead of one.
    pub is_prefix: bool,
}

/// Parses a pattern. The vhost `/` has a slash in its name: `//ID` is a session of that vhost.
pub(super) fn parse_watched(text: &str) -> Result<WatchedSessions, String> {
    const TAKES: &str = "takes VHOST/ID, as in //backend for client backend of the vhost /, or \
                         VHOST/BEGINNING*, as in plant/line-*";
    let split = match text.strip_prefix("//") {
        Some(id) => Some(("/", id)),
        None => text.split_once('/').filter(|(vhost, _)| !vhost.is_empty()),
    };
    let (vhost, id) = split.ok_or(TAKES)?;
    let (id, is_prefix) = id.strip_suffix('*').map_or((id, false), |beginning| (beginning, true));
    if id.is_empty() && !is_prefix {
        return Err(TAKES.to_owned());
    }
    if id.len() > CLIENT_ID_BYTES_MAX {
        return Err(format!("no client id has more than {CLIENT_ID_BYTES_MAX} bytes"));
    }
    Ok(WatchedSessions { vhost: vhost.to_owned(), id: id.to_owned(), is_prefix })
}

#[cfg(test)]
mod tests {
    use super::*;

    // The vhost ends at the first slash, except in the vhost `/`; a star is a wildcard only at the
    // end.
    #[test]
    fn patterns() {
        for (text, vhost, id, is_prefix) in [
            ("//backend", "/", "backend", false),
            ("//*", "/", "", true),
            ("///a/b", "/", "/a/b", false),
            ("plant/line-*", "plant", "line-", true),
            ("plant/a/b", "plant", "a/b", false),
            ("plant/*", "plant", "", true),
            ("plant/a*b", "plant", "a*b", false),
        ] {
            let expected =
                WatchedSessions { vhost: vhost.to_owned(), id: id.to_owned(), is_prefix };
            assert_eq!(parse_watched(text), Ok(expected), "{text}");
        }
        let long = format!("//{}", "x".repeat(CLIENT_ID_BYTES_MAX + 1));
        for text in ["", "/", "//", "backend", "/backend", "plant/", &long] {
            assert!(parse_watched(text).is_err(), "{text:.40}");
        }
    }
}
