//! Listener addresses: as a flag names them, and as they are resolved.
//!
//! A flag may name a host, an interface or only a port. The broker asks the system for their
//! addresses when it starts: a [`ListenRequest`] becomes several [`Listen`]s. Only for a resolved
//! address is it known which hosts can reach it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use crate::limits;

use super::websocket::Accepts;

/// A listener as a flag names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenRequest {
    /// The address.
    pub place: Place,
    /// Each connection begins with a PROXY protocol header.
    pub proxy: bool,
    /// MQTT, WebSocket or both.
    pub accepts: Accepts,
}

/// The forms of an address in a flag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// An internet address and a port.
    Address(SocketAddr),
    /// This port on all addresses.
    Port(u16),
    /// This port on all addresses of the host or interface with this name.
    Name(String, u16),
    /// A Unix socket at this path.
    Unix(PathBuf),
}

/// A listener with a resolved address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// The address.
    pub at: Endpoint,
    /// Each connection begins with a PROXY protocol header.
    pub proxy: bool,
    /// MQTT, WebSocket or both.
    pub accepts: Accepts,
}

/// A resolved address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// An internet address and a port.
    Tcp(SocketAddr),
    /// A Unix socket at this path.
    Unix(PathBuf),
}

impl ListenRequest {
    /// Whether `--proxy-trust` must say which proxies may connect. For a Unix socket its mode
    /// decides.
    pub fn needs_trust(&self) -> bool {
        self.proxy && !self.is_unix()
    }

    /// Whether it is a Unix socket.
    pub fn is_unix(&self) -> bool {
        matches!(self.place, Place::Unix(_))
    }
}

impl Listen {
    /// Whether only this host can reach it and the peer's address is the client's own. Connections
    /// through a proxy may come from any host.
    pub fn is_local(&self) -> bool {
        !self.proxy
            && match &self.at {
                Endpoint::Tcp(address) => address.ip().is_loopback(),
                Endpoint::Unix(_) => true,
            }
    }
}

impl fmt::Display for ListenRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Address(address) => address.fmt(f)?,
            Place::Port(port) => write!(f, ":{port}")?,
            Place::Name(name, port) => write!(f, "{name}:{port}")?,
            Place::Unix(path) => write!(f, "unix:{}", path.display())?,
        }
        f.write_str(if self.proxy { ",proxy" } else { "" })?;
        self.accepts.fmt(f)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

pub(super) fn parse_listen(text: &str) -> Result<ListenRequest, String> {
    let takes = "it takes an address and a port, as in 127.0.0.1:1883, [::]:1883, localhost:1883, \
                 eth0:1883 or :1883 for all addresses, or unix:PATH; both with ,proxy behind it \
                 for a listener behind a proxy, and with ,mqtt or ,ws for one of the two alone";
    let (place, proxy, accepts) = split_ways(text);
    let place = match place.strip_prefix("unix:") {
        Some(path) => parse_socket_path(path).map(Place::Unix),
        None => parse_place(place),
    };
    match place {
        Ok(place) => Ok(ListenRequest { place, proxy, accepts }),
        Err(why) => Err(format!("{why}; {takes}")),
    }
}

/// As above for TLS, which does not accept Unix sockets.
pub(super) fn parse_tls_listen(text: &str) -> Result<ListenRequest, String> {
    let takes = "it takes an address and a port, as in 0.0.0.0:8883, [::]:8883, localhost:8883, \
                 eth0:8883 or :8883 for all addresses; with ,proxy behind it for a listener behind \
                 a proxy, and with ,mqtt or ,ws for one of the two alone";
    let (place, proxy, accepts) = split_ways(text);
    let place = if place.starts_with("unix:") {
        Err("a Unix socket needs no TLS, so give it to --listen".to_owned())
    } else {
        parse_place(place)
    };
    match place {
        Ok(place) => Ok(ListenRequest { place, proxy, accepts }),
        Err(why) => Err(format!("{why}; {takes}")),
    }
}

/// Strips the suffixes of an address: each at most once, in any order.
fn split_ways(mut text: &str) -> (&str, bool, Accepts) {
    let (mut proxy, mut accepts) = (false, Accepts::Both);
    loop {
        text = match text.rsplit_once(',') {
            Some((place, "proxy")) if !proxy => {
                proxy = true;
                place
            }
            Some((place, "mqtt")) if accepts == Accepts::Both => {
                accepts = Accepts::Mqtt;
                place
            }
            Some((place, "ws")) if accepts == Accepts::Both => {
                accepts = Accepts::WebSocket;
                place
            }
            _ => return (text, proxy, accepts),
        };
    }
}

/// Parses an internet address.
fn parse_place(text: &str) -> Result<Place, String> {
    if let Ok(address) = text.parse() {
        return Ok(Place::Address(address));
    }
    if text.starts_with('/') {
        return Err(format!("a path has unix: before it, as in unix:{text}"));
    }
    if text.parse::<IpAddr>().is_ok_and(|address| address.is_ipv6()) {
        return Err(format!("an IPv6 address stands in brackets, as in [{text}]:1883"));
    }
    let (name, port) = match text.rsplit_once(':') {
        Some(parts) => parts,
        None if text.bytes().all(|byte| byte.is_ascii_digit()) => ("", text),
        None => return Err("the port is missing".to_owned()),
    };
    let is_number = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let Some(port) = port.parse().ok().filter(|_| is_number) else {
        return Err(format!("{port:?} is not a port from 0 to 65535"));
    };
    if matches!(name, "" | "*") {
        return Ok(Place::Port(port));
    }
    // Interface names may contain characters that host names may not.
    let may_be = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    let is_numbers = |name: &str| name.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if name.len() > limits::HOST_NAME_BYTES_MAX || !name.chars().all(may_be) || is_numbers(name) {
        return Err(format!("{name:.80?} is neither an address nor a name"));
    }
    Ok(Place::Name(name.to_owned(), port))
}

/// Parses a path that fits into a socket address.
pub(super) fn parse_socket_path(path: &str) -> Result<PathBuf, String> {
    let (bytes, max) = (path.len(), limits::UNIX_PATH_BYTES_MAX);
    match bytes {
        0 => Err("the path is missing behind unix:".to_owned()),
        _ if path.contains('\0') => Err("a path has no NUL".to_owned()),
        _ if bytes > max => Err(format!(
            "this path has {bytes} bytes, and that of a Unix socket has {max} at most: choose a \
             shorter one, /run/ringmq/mqtt.sock say"
        )),
        _ => Ok(PathBuf::from(path)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Listeners: all kinds, with and without a proxy in front.
    #[test]
    fn listeners() {
        let address = |text: &str| Place::Address(text.parse().expect("an address"));
        let name = |name: &str, port| Place::Name(name.to_owned(), port);
        let longest = format!("unix:{}", "p".repeat(limits::UNIX_PATH_BYTES_MAX));
        for (text, place, proxy) in [
            ("127.0.0.1:1", address("127.0.0.1:1"), false),
            ("127.0.0.1:1,proxy", address("127.0.0.1:1"), true),
            ("[::1]:0", address("[::1]:0"), false),
            ("0.0.0.0:1883", address("0.0.0.0:1883"), false),
            ("[::]:1883,proxy", address("[::]:1883"), true),
            (":1883", Place::Port(1883), false),
            ("1883", Place::Port(1883), false),
            ("0,proxy", Place::Port(0), true),
            ("*:65535", Place::Port(65535), false),
            ("localhost:1883", name("localhost", 1883), false),
            ("eth0.7:1883", name("eth0.7", 1883), false),
            ("br-lan:1,proxy", name("br-lan", 1), true),
            ("mqtt.example.com:8883", name("mqtt.example.com", 8883), false),
            ("unix:a", Place::Unix("a".into()), false),
            ("unix:/run/a b,c", Place::Unix("/run/a b,c".into()), false),
            ("unix:/run/a,proxy", Place::Unix("/run/a".into()), true),
            (&longest, Place::Unix(longest.trim_start_matches("unix:").into()), false),
        ] {
            let listen = parse_listen(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!((&listen.place, listen.proxy), (&place, proxy), "{text}");
            assert_eq!(listen.needs_trust(), proxy && !text.starts_with("unix"), "{text}");
            assert_eq!(parse_listen(&listen.to_string()), Ok(listen), "{text}");
        }
    }

    // A listener may accept only one protocol, behind a proxy or not.
    #[test]
    fn listeners_of_one_protocol() {
        use Accepts::{Both, Mqtt, WebSocket};
        for (text, shown, proxy, accepts) in [
            (":1", ":1", false, Both),
            (":1,mqtt", ":1,mqtt", false, Mqtt),
            (":1,ws", ":1,ws", false, WebSocket),
            (":1,proxy,ws", ":1,proxy,ws", true, WebSocket),
            (":1,ws,proxy", ":1,proxy,ws", true, WebSocket),
            ("unix:/run/a,ws", "unix:/run/a,ws", false, WebSocket),
        ] {
            let listen = parse_listen(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!((listen.proxy, listen.accepts), (proxy, accepts), "{text}");
            assert_eq!(listen.to_string(), shown);
        }
        for text in [":1,ws,mqtt", ":1,mqtt,mqtt", ":1,ws,ws", ":1,WS", ":1,http"] {
            let error = parse_listen(text).expect_err(text);
            assert!(error.contains("with ,mqtt or ,ws"), "{text}: {error}");
        }
    }

    // The error for an invalid address says what is wrong and shows a valid one.
    #[test]
    fn no_listeners() {
        let too_long = format!("unix:{}", "p".repeat(limits::UNIX_PATH_BYTES_MAX + 1));
        for (text, why) in [
            ("", "is not a port"),
            (":", "is not a port"),
            ("65536", "\"65536\" is not a port from 0 to 65535"),
            (":+80", "\"+80\" is not a port"),
            ("localhost", "the port is missing"),
            ("127.0.0.1", "the port is missing"),
            ("::1", "in brackets, as in [::1]:1883"),
            ("fe80::1:1883", "in brackets"),
            ("1.2.3.4.5:1", "neither an address nor a name"),
            ("256.1.1.1:1", "neither an address nor a name"),
            ("[::1:1", "neither an address nor a name"),
            ("mqtt://localhost:1883", "neither an address nor a name"),
            ("a b:1", "neither an address nor a name"),
            ("unix:", "the path is missing"),
            ("unix:,proxy", "the path is missing"),
            ("unix:a\0b", "no NUL"),
            (",proxy", "is not a port"),
            ("127.0.0.1:1,proxy,proxy", "is not a port"),
            ("127.0.0.1:1, proxy", "is not a port"),
            ("127.0.0.1:1,tls", "is not a port"),
            ("/run/a", "as in unix:/run/a"),
            (&too_long, "has 108 bytes, and that of a Unix socket has 107 at most"),
        ] {
            let error = parse_listen(text).expect_err(text);
            assert!(error.contains(why) && error.contains("unix:PATH"), "{text:?}: {error}");
        }
        let error = parse_tls_listen("unix:/run/a").expect_err("needs no TLS");
        assert!(error.contains("give it to --listen"), "{error}");
    }

    // An address is local only if other hosts cannot reach it, directly or through a proxy.
    #[test]
    fn local_listeners() {
        let tcp = |text: &str| Endpoint::Tcp(text.parse().expect("an address"));
        for (at, proxy, local) in [
            (tcp("127.0.0.1:1"), false, true),
            (tcp("127.1.2.3:1"), false, true),
            (tcp("[::1]:0"), false, true),
            (tcp("127.0.0.1:1"), true, false),
            (tcp("0.0.0.0:1883"), false, false),
            (tcp("[::]:1883"), false, false),
            (Endpoint::Unix("a".into()), false, true),
            (Endpoint::Unix("a".into()), true, false),
        ] {
            let listen = Listen { at: at.clone(), proxy, accepts: Accepts::Both };
            assert_eq!(listen.is_local(), local, "{at}, {proxy}");
        }
    }
}
