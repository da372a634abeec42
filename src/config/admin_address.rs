//! The address for `ringmq ctl`: `unix:PATH`, `http://` on this host, or `https://` anywhere.
//!
//! Invariant: requests without TLS stay on this host, so that no token crosses a network in clear.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use super::listen::parse_socket_path;
use crate::limits::HTTP_PORT_DEFAULT;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdminAddress {
    /// A Unix socket at this path.
    Unix(PathBuf),
    /// A loopback address, without TLS.
    Http(SocketAddr),
    /// TLS; the certificate must be of this host.
    Https {
        /// A name, or an address without brackets.
        host: String,
        /// Its port.
        port: u16,
    },
}

const TAKES: &str = "it takes https://HOST:PORT, http://HOST:PORT or unix:PATH, as in \
                     http://127.0.0.1:9883 or unix:/var/lib/ringmq/admin.sock";

impl AdminAddress {
    /// Parses what `--at` and `RINGMQ_ADMIN` name.
    ///
    /// # Errors
    /// The error describes a valid address, and says what is not accepted.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            let path = parse_socket_path(path);
            return path.map(Self::Unix).map_err(|why| format!("{why}; {TAKES}"));
        }
        if let Some(rest) = text.strip_prefix("https://") {
            return Self::parse_https(rest);
        }
        let (name, port) = host_and_port(text.strip_prefix("http://").ok_or(TAKES)?)?;
        let address = match address_of(name) {
            None if name.eq_ignore_ascii_case("localhost") => Some(Ipv4Addr::LOCALHOST.into()),
            address => address,
        };
        match address {
            Some(address) if address.is_loopback() => {
                Ok(Self::Http(SocketAddr::new(address, port)))
            }
            _ => Err(format!(
                "the token would pass the network unencrypted to {name:.255}: ask \
                 https://{name:.255}:{port} if the broker has --http-cert, run this on the \
                 broker's host, or have an SSH tunnel (ssh -L {port}:127.0.0.1:{port} HOST) and \
                 ask http://127.0.0.1:{port}; {TAKES}"
            )),
        }
    }

    fn parse_https(rest: &str) -> Result<Self, String> {
        let (name, port) = host_and_port(rest)?;
        let host = match address_of(name) {
            Some(address) => address.to_string(),
            // The look-up and the certificate decide later whether it is a name.
            None if !name.is_empty() && name.bytes().all(is_of_name) => name.to_owned(),
            None => return Err(format!("{name:.255} is no name of a host; {TAKES}")),
        };
        Ok(Self::Https { host, port })
    }

    /// The host that a request names.
    pub fn host(&self) -> String {
        match self {
            Self::Unix(_) => "localhost".to_owned(),
            Self::Http(address) => address.to_string(),
            Self::Https { host, port } => match host.parse::<Ipv6Addr>() {
                Ok(address) => format!("[{address}]:{port}"),
                Err(_) => format!("{host}:{port}"),
            },
        }
    }
}

impl fmt::Display for AdminAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Http(_) => write!(f, "http://{}", self.host()),
            Self::Https { .. } => write!(f, "https://{}", self.host()),
        }
    }
}

/// Splits `HOST[:PORT][/]`; a host keeps its brackets.
fn host_and_port(text: &str) -> Result<(&str, u16), String> {
    let text = text.strip_suffix('/').unwrap_or(text);
    match text.rsplit_once(':').filter(|_| !text.ends_with(']')) {
        Some((name, port)) => Ok((name, port.parse().map_err(|_| TAKES)?)),
        None => Ok((text, HTTP_PORT_DEFAULT)),
    }
}

fn address_of(name: &str) -> Option<IpAddr> {
    match name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => address.parse::<Ipv6Addr>().ok().map(IpAddr::from),
        None => name.parse::<Ipv4Addr>().ok().map(IpAddr::from),
    }
}

fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    // Without TLS an address must be on this host; with TLS it may be anywhere.
    #[test]
    fn addresses() {
        let tcp = |text: &str| AdminAddress::Http(text.parse().expect("an address"));
        let tls = |host: &str, port| AdminAddress::Https { host: host.to_owned(), port };
        for (text, expected, host) in [
            ("http://127.0.0.1:1", tcp("127.0.0.1:1"), "127.0.0.1:1"),
            ("http://127.0.0.1:1/", tcp("127.0.0.1:1"), "127.0.0.1:1"),
            ("http://127.0.0.1", tcp("127.0.0.1:9883"), "127.0.0.1:9883"),
            ("http://LocalHost", tcp("127.0.0.1:9883"), "127.0.0.1:9883"),
            ("http://[::1]:7", tcp("[::1]:7"), "[::1]:7"),
            ("http://[::1]", tcp("[::1]:9883"), "[::1]:9883"),
            ("https://broker.example", tls("broker.example", 9883), "broker.example:9883"),
            ("https://broker.example:7/", tls("broker.example", 7), "broker.example:7"),
            ("https://10.0.0.7:7", tls("10.0.0.7", 7), "10.0.0.7:7"),
            ("https://[fd00::1]:7", tls("fd00::1", 7), "[fd00::1]:7"),
            ("unix:/a", AdminAddress::Unix("/a".into()), "localhost"),
            ("unix:a", AdminAddress::Unix("a".into()), "localhost"),
        ] {
            let parsed = AdminAddress::parse(text).expect(text);
            assert_eq!(parsed, expected, "{text}");
            assert_eq!(parsed.host(), host, "{text}");
            assert_eq!(AdminAddress::parse(&parsed.to_string()), Ok(parsed), "{text}");
        }
        for (text, says) in [
            ("", "it takes"),
            ("127.0.0.1:9883", "it takes"),
            ("/a", "unix:PATH"),
            ("unix:", "path is missing"),
            ("http://10.0.0.1:5", "ssh -L 5:127.0.0.1:5"),
            ("http://broker.example", "https://broker.example:9883"),
            ("http://127.0.0.1:x", "it takes"),
            ("http://127.0.0.1:1/api", "it takes"),
            ("http://ann@127.0.0.1", "ssh -L"),
            ("https://", "no name of a host"),
            ("https://ann@broker.example", "no name of a host"),
            ("https://broker.example:1/api", "it takes"),
            ("https://fd00::1x", "it takes"),
        ] {
            let error = AdminAddress::parse(text).expect_err(text);
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
