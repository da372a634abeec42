//! Bounds of the sessions of some clients: `bridge-*,bytes=40%,overflow=block`.

use clap::ValueEnum;

use crate::limits::CLIENT_ID_BYTES_MAX;

use super::values::{DiskShare, parse_session_bytes};

/// What happens to a message for a session that is full.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionOverflow {
    /// The oldest waiting messages are dropped
    DropOldest,
    /// The new message is dropped for this session
    DropNewest,
    /// The publisher waits until there is room
    Block,
}

/// A value of `--session-limit`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionLimit {
    /// A client id, or the beginning of one.
    pub id: String,
    /// Whether all client ids that begin with `id` are meant, instead of one.
    pub is_prefix: bool,
    /// Bytes that may wait for each of them; `None`: as for all sessions.
    pub bytes_max: Option<DiskShare>,
    /// What happens when one is full; `None`: as for all sessions.
    pub overflow: Option<SessionOverflow>,
}

/// Parses a limit. Commas before the first option belong to the client id.
pub(super) fn parse_session_limit(text: &str) -> Result<SessionLimit, String> {
    const TAKES: &str = "takes ID or BEGINNING*, then bytes=BYTES|P%, overflow=POLICY or both, as \
                         in bridge-*,bytes=40%,overflow=block";
    let mut limit =
        SessionLimit { id: String::new(), is_prefix: false, bytes_max: None, overflow: None };
    let mut id = text;
    while let Some((before, option)) = id.rsplit_once(',') {
        if let Some(value) = option.strip_prefix("bytes=") {
            if limit.bytes_max.replace(parse_session_bytes(value)?).is_some() {
                return Err("says bytes twice".to_owned());
            }
        } else if let Some(value) = option.strip_prefix("overflow=") {
            let policy = SessionOverflow::from_str(value, false).map_err(|_| {
                format!("{value:?} is no policy: drop-oldest, drop-newest or block")
            })?;
            if limit.overflow.replace(policy).is_some() {
                return Err("says overflow twice".to_owned());
            }
        } else {
            break;
        }
        id = before;
    }
    let (id, is_prefix) = id.strip_suffix('*').map_or((id, false), |beginning| (beginning, true));
    let says_nothing = limit.bytes_max.is_none() && limit.overflow.is_none();
    if says_nothing || id.is_empty() && !is_prefix {
        return Err(TAKES.to_owned());
    }
    if id.len() > CLIENT_ID_BYTES_MAX {
        return Err(format!("no client id has more than {CLIENT_ID_BYTES_MAX} bytes"));
    }
    Ok(SessionLimit { id: id.to_owned(), is_prefix, ..limit })
}

#[cfg(test)]
mod tests {
    use super::*;

    // Options may be in any order; other text belongs to the client id.
    #[test]
    fn limits_are_parsed() {
        let limit = |id: &str, is_prefix, bytes_max, overflow| {
            Ok(SessionLimit { id: id.to_owned(), is_prefix, bytes_max, overflow })
        };
        let (percent, block) = (Some(DiskShare::Percent(40)), Some(SessionOverflow::Block));
        for (text, is) in [
            ("bridge-*,bytes=40%,overflow=block", limit("bridge-", true, percent, block)),
            ("bridge-*,overflow=block,bytes=40%", limit("bridge-", true, percent, block)),
            ("a,b,bytes=40%", limit("a,b", false, percent, None)),
            ("*,overflow=block", limit("", true, None, block)),
        ] {
            assert_eq!(parse_session_limit(text), is, "{text}");
        }
        for text in [
            "",
            "a",
            "a*",
            ",bytes=40%",
            "a,bytes=40%,bytes=50%",
            "a,overflow=block,overflow=block",
            "a,overflow=wait",
            "a,bytes=x",
            "bytes=40%",
        ] {
            assert!(parse_session_limit(text).is_err(), "{text}");
        }
    }
}
