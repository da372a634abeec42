//! The protocol of a connection that does not begin with CONNECT.

use std::fmt;

/// The first four bits of CONNECT's first byte.
const CONNECT_TYPE: u8 = 1;

/// A handshake record of any version (RFC 8446, 5.1). A first byte of 0x16 is not a CONNECT either,
/// because the flags of a CONNECT are 0.
const TLS_HANDSHAKE: &[u8] = b"\x16\x03";

/// The protocol that the first bytes belong to, as an explanation of an error.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Foreign {
    /// From a browser, a health check or a scanner.
    Http,
    /// From a client with TLS.
    Tls,
    /// From a client without TLS, at a listener with TLS.
    Mqtt,
    /// The header of a proxy, at a listener that expects none.
    ProxyHeader,
    /// Unknown, with the first byte.
    Unknown(u8),
}

/// Protocols that are recognised by their first bytes.
const BEGINNINGS: [(&[u8], Foreign); 13] = [
    (b"GET ", Foreign::Http),
    (b"HEAD ", Foreign::Http),
    (b"POST ", Foreign::Http),
    (b"PUT ", Foreign::Http),
    (b"DELETE ", Foreign::Http),
    (b"OPTIONS ", Foreign::Http),
    (b"CONNECT ", Foreign::Http),
    (b"PATCH ", Foreign::Http),
    (b"TRACE ", Foreign::Http),
    (b"PRI * HTTP/2", Foreign::Http),
    (TLS_HANDSHAKE, Foreign::Tls),
    (b"PROXY ", Foreign::ProxyHeader),
    (b"\r\n\r\n\0\r\nQUIT\n", Foreign::ProxyHeader),
];

impl Foreign {
    /// The protocol of bytes that cannot begin a CONNECT; `None` if they can, or if there are no
    /// bytes.
    pub fn before_connect(bytes: &[u8]) -> Option<Self> {
        let first = *bytes.first()?;
        if first >> 4 == CONNECT_TYPE && !bytes.starts_with(TLS_HANDSHAKE) {
            return None;
        }
        let known = BEGINNINGS.iter().find(|(beginning, _)| bytes.starts_with(beginning));
        Some(known.map_or(Self::Unknown(first), |(_, foreign)| *foreign))
    }

    /// The protocol of bytes that are not TLS.
    pub fn before_tls(bytes: &[u8]) -> Option<Self> {
        let first = *bytes.first()?;
        if first >> 4 == CONNECT_TYPE && first & 0xf == 0 {
            return Some(Self::Mqtt);
        }
        let is_record = (0x14..=0x17).contains(&first);
        if is_record { None } else { Self::before_connect(bytes) }
    }
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "looks like HTTP",
            Self::Tls => "looks like TLS; this listener is plain (--tls-listen opens one with TLS)",
            Self::Mqtt => "looks like MQTT without TLS",
            Self::ProxyHeader => {
                "looks like a PROXY header; this listener expects none (`,proxy` behind --listen)"
            }
            Self::Unknown(first) => return write!(f, "begins with byte {first:#04x}, no CONNECT"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Each protocol is recognised by its first bytes, and a CONNECT is not foreign, even if
    // malformed.
    #[test]
    fn first_bytes() {
        for (bytes, plain, sealed) in [
            (&b""[..], None, None),
            (b"\x10\x0c\0\x04MQTT", None, Some(Foreign::Mqtt)),
            (b"\x1f", None, None),
            (b"GET / HTTP/1.0\r\n\r\n", Some(Foreign::Http), Some(Foreign::Http)),
            (b"\x16\x03\x01\x02\0", Some(Foreign::Tls), None),
            (b"PROXY TCP4 ", Some(Foreign::ProxyHeader), Some(Foreign::ProxyHeader)),
            (b"\xc0\0", Some(Foreign::Unknown(0xc0)), Some(Foreign::Unknown(0xc0))),
            (b"G", Some(Foreign::Unknown(b'G')), Some(Foreign::Unknown(b'G'))),
        ] {
            assert_eq!(Foreign::before_connect(bytes), plain, "{bytes:?}");
            assert_eq!(Foreign::before_tls(bytes), sealed, "{bytes:?}");
        }
    }
}
