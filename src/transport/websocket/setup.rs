//! The settings for WebSocket clients: the paths of the broker, and the origins that may connect.

use std::net::IpAddr;

/// The protocols that a listener accepts; the first bytes of a link tell which it is.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Accepts {
    /// MQTT, and MQTT over WebSocket.
    #[default]
    Both,
    /// MQTT only.
    Mqtt,
    /// MQTT over WebSocket only.
    WebSocket,
}

/// See the module. All shards share it.
#[derive(PartialEq, Eq, Debug)]
pub struct WebSocketSetup {
    /// Paths that an upgrade request may name, each with its leading slash.
    pub paths: Vec<String>,
    /// Pages whose scripts may connect.
    pub origins: Origins,
}

/// Pages whose scripts may connect, by origin (RFC 6454). Programs that are no browsers send no
/// origin and may always connect.
#[derive(PartialEq, Eq, Debug)]
pub enum Origins {
    /// Any page; but at a listener that only this host reaches, only pages of this host. Clients
    /// need no password there, so any page in a browser on this host could act as a client.
    ByListener,
    /// Any page.
    Any,
    /// These origins, in lower case and without the default port of their scheme.
    Listed(Vec<String>),
}

impl Default for WebSocketSetup {
    fn default() -> Self {
        Self { paths: vec!["/".to_owned(), "/mqtt".to_owned()], origins: Origins::ByListener }
    }
}

impl Origins {
    /// Whether a page may connect; `is_local` says that only this host reaches the listener.
    pub(super) fn accept(&self, origin: &str, is_local: bool) -> bool {
        match self {
            Self::Any => true,
            Self::ByListener => !is_local || is_of_this_host(origin),
            Self::Listed(listed) => listed.iter().any(|it| it.eq_ignore_ascii_case(origin)),
        }
    }
}

/// Whether a page comes from the host whose browser shows it. `null` does not count: a page from
/// anywhere may contain a frame with that origin.
fn is_of_this_host(origin: &str) -> bool {
    if origin == "file://" {
        return true;
    }
    let Some((_, authority)) = origin.split_once("://") else { return false };
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next(),
        None => authority.split(':').next(),
    };
    let Some(host) = host else { return false };
    let is_loopback = |address: IpAddr| address.to_canonical().is_loopback();
    host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(is_loopback)
}

#[cfg(test)]
mod tests {
    use super::*;

    // A local listener accepts only pages of this host, unless other origins are named.
    #[test]
    fn origins() {
        let listed = || Origins::Listed(vec!["https://a.example".to_owned()]);
        for (origin, at_local, when_listed) in [
            ("http://localhost", true, false),
            ("http://LocalHost:8080", true, false),
            ("http://127.0.0.1:8080", true, false),
            ("https://127.9.9.9", true, false),
            ("http://[::1]:80", true, false),
            ("http://[::ffff:127.0.0.1]", true, false),
            ("file://", true, false),
            ("null", false, false),
            ("", false, false),
            ("http://", false, false),
            ("https://a.example", false, true),
            ("HTTPS://A.example", false, true),
            ("https://a.example:444", false, false),
            ("http://a.example", false, false),
            ("http://localhost.evil.example", false, false),
            ("http://127.0.0.1.evil.example", false, false),
            ("http://evil.example/localhost", false, false),
            ("http://10.0.0.1", false, false),
        ] {
            assert_eq!(Origins::ByListener.accept(origin, true), at_local, "{origin}");
            assert!(Origins::ByListener.accept(origin, false), "{origin}");
            assert!(Origins::Any.accept(origin, true), "{origin}");
            assert_eq!(listed().accept(origin, true), when_listed, "{origin}");
            assert_eq!(listed().accept(origin, false), when_listed, "{origin}");
        }
    }
}
