//! Parses the PROXY protocol header at the beginning of a link to the client's address.
//!
//! It knows both versions of the specification (`doc/proxy-protocol.txt` of HAProxy; section
//! numbers refer to it). The header precedes everything else, also TLS. Its content is trusted, so
//! the caller must accept one from trusted proxies only.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::limits::{PROXY_V1_BYTES_MAX, PROXY_V2_BYTES_MAX};

/// The beginning of each header of version 1 (2.1).
const V1_PREFIX: &[u8] = b"PROXY ";

/// The signature of each header of version 2 (2.2).
const V2_SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Bytes of a header of version 2 before its addresses: signature, version and command, family and
/// protocol, length.
const V2_FIXED_BYTES: usize = 16;

/// A parsed header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ProxyHeader {
    /// Its length in bytes; the client's own bytes follow it.
    pub bytes: usize,
    /// The client's address. `None` if the connection is the proxy's own or the proxy does not know
    /// the address: then the socket's address counts.
    pub client: Option<SocketAddr>,
}

/// Why bytes are not a header. The caller closes the link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProxyHeaderError {
    /// They do not begin with a signature.
    Missing,
    /// The line is longer than the longest valid one.
    V1TooLong,
    /// The line has a wrong form.
    V1Malformed,
    /// The version is not 2, or the command is unknown.
    V2Command,
    /// The address family or the protocol is unknown.
    V2Family,
    /// It is shorter than the addresses of its family.
    V2TooShort,
    /// It is longer than [`PROXY_V2_BYTES_MAX`].
    V2TooLong,
}

impl fmt::Display for ProxyHeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "does not begin with a PROXY header",
            Self::V1TooLong => "PROXY header without its end of line",
            Self::V1Malformed => "malformed PROXY header, version 1",
            Self::V2Command => "PROXY header of an unknown version or command",
            Self::V2Family => "PROXY header of an unknown address family or protocol",
            Self::V2TooShort => "PROXY header too short for its addresses",
            Self::V2TooLong => "PROXY header too long",
        })
    }
}

/// Reads the header at the beginning of `bytes`; `None` if more bytes are needed.
///
/// # Errors
/// If `bytes` cannot be the beginning of a header.
pub fn read_proxy_header(bytes: &[u8]) -> Result<Option<ProxyHeader>, ProxyHeaderError> {
    if begins_alike(bytes, V1_PREFIX) {
        read_v1(bytes)
    } else if begins_alike(bytes, V2_SIGNATURE) {
        read_v2(bytes)
    } else {
        Err(ProxyHeaderError::Missing)
    }
}

/// Whether one of the two is a prefix of the other.
fn begins_alike(bytes: &[u8], prefix: &[u8]) -> bool {
    bytes.iter().zip(prefix).all(|(byte, wanted)| byte == wanted)
}

fn read_v1(bytes: &[u8]) -> Result<Option<ProxyHeader>, ProxyHeaderError> {
    let line = &bytes[..bytes.len().min(PROXY_V1_BYTES_MAX)];
    let Some(end) = line.windows(2).position(|pair| pair == b"\r\n") else {
        // Only the pair ends a line; the received bytes may end between the two.
        let torn = line.strip_suffix(b"\r").unwrap_or(line);
        let broken = torn.iter().any(|byte| matches!(byte, b'\r' | b'\n'));
        return match line.len() {
            _ if broken => Err(ProxyHeaderError::V1Malformed),
            PROXY_V1_BYTES_MAX => Err(ProxyHeaderError::V1TooLong),
            _ => Ok(None),
        };
    };
    let line = &line[..end];
    if line.iter().any(|byte| matches!(byte, b'\r' | b'\n')) {
        return Err(ProxyHeaderError::V1Malformed);
    }
    let client = v1_client(line).ok_or(ProxyHeaderError::V1Malformed)?;
    Ok(Some(ProxyHeader { bytes: end + 2, client }))
}

/// The client that a line names; the outer `None` if the line is malformed.
fn v1_client(line: &[u8]) -> Option<Option<SocketAddr>> {
    let line = line.strip_prefix(V1_PREFIX)?;
    // The rest of the line is to be ignored (2.1).
    if line == b"UNKNOWN" || line.starts_with(b"UNKNOWN ") {
        return Some(None);
    }
    let text = std::str::from_utf8(line).ok()?;
    let mut fields = text.split(' ');
    let family = fields.next()?;
    let (source, destination) = (fields.next()?, fields.next()?);
    let (source_port, _) = (port(fields.next()?)?, port(fields.next()?)?);
    if fields.next().is_some() {
        return None;
    }
    let client = match family {
        "TCP4" => {
            destination.parse::<Ipv4Addr>().ok()?;
            IpAddr::V4(source.parse().ok()?)
        }
        "TCP6" => {
            destination.parse::<Ipv6Addr>().ok()?;
            IpAddr::V6(source.parse().ok()?).to_canonical()
        }
        _ => return None,
    };
    Some(Some(SocketAddr::new(client, source_port)))
}

/// A port without leading zeros or a sign.
fn port(text: &str) -> Option<u16> {
    let canonical = text == "0" || !text.starts_with(['0', '+']);
    text.parse().ok().filter(|_| canonical)
}

fn read_v2(bytes: &[u8]) -> Result<Option<ProxyHeader>, ProxyHeaderError> {
    let Some(&command) = bytes.get(12) else { return Ok(None) };
    // The high half is the version.
    let local = match command {
        0x20 => true,
        0x21 => false,
        _ => return Err(ProxyHeaderError::V2Command),
    };
    let Some(&family) = bytes.get(13) else { return Ok(None) };
    // For the proxy's own connection (LOCAL) the family is ignored.
    let known = local || matches!((family >> 4, family & 0xf), (0..=3, 0..=2));
    if !known {
        return Err(ProxyHeaderError::V2Family);
    }
    let Some(length) = bytes.get(14..V2_FIXED_BYTES) else { return Ok(None) };
    let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
    let total = V2_FIXED_BYTES + length;
    if total > PROXY_V2_BYTES_MAX {
        return Err(ProxyHeaderError::V2TooLong);
    }
    let addresses_bytes = match family {
        _ if local => 0,
        0x11 => 12,
        0x21 => 36,
        _ => 0,
    };
    if length < addresses_bytes {
        return Err(ProxyHeaderError::V2TooShort);
    }
    let Some(addresses) = bytes.get(V2_FIXED_BYTES..total) else { return Ok(None) };
    // UDP, Unix sockets and unknown kinds have no address that a TCP client could have. The
    // additional fields (2.2, TLV) are skipped.
    let port_at = |at: usize| {
        let bytes = addresses.get(at..)?.first_chunk::<2>()?;
        Some(u16::from_be_bytes(*bytes))
    };
    let address = match (local, family) {
        (false, 0x11) => {
            let octets = addresses.first_chunk::<4>();
            octets.map(|octets| IpAddr::V4(Ipv4Addr::from(*octets))).zip(port_at(8))
        }
        (false, 0x21) => {
            let octets = addresses.first_chunk::<16>();
            let address = octets.map(|octets| IpAddr::V6(Ipv6Addr::from(*octets)).to_canonical());
            address.zip(port_at(32))
        }
        _ => None,
    };
    let client = address.map(|(address, port)| SocketAddr::new(address, port));
    Ok(Some(ProxyHeader { bytes: total, client }))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Outcome = Result<Option<ProxyHeader>, ProxyHeaderError>;

    fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).expect("short").to_be_bytes();
        [V2_SIGNATURE, &[command, family], &length, rest].concat()
    }

    fn address(text: &str) -> Option<SocketAddr> {
        Some(text.parse().expect("an address"))
    }

    const V4: &[u8] = &[192, 168, 0, 1, 192, 168, 0, 11, 0xdc, 0x04, 0x01, 0xbb];

    fn v6() -> Vec<u8> {
        let source: Ipv6Addr = "2001:db8::7".parse().expect("an address");
        [&source.octets()[..], &Ipv6Addr::LOCALHOST.octets(), &[0xdc, 0x04, 0x01, 0xbb]].concat()
    }

    /// Whole headers, each with the client it names.
    fn headers() -> Vec<(Vec<u8>, Option<SocketAddr>)> {
        let most = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
        let six = v6();
        let mut mapped = six.clone();
        mapped[..16].copy_from_slice(&Ipv4Addr::new(10, 0, 0, 9).to_ipv6_mapped().octets());
        let text = |text: String| text.into_bytes();
        vec![
            // The specification's own lines (2.1).
            (
                text("PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n".into()),
                address("192.168.0.1:56324"),
            ),
            (
                text("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n".into()),
                address("255.255.255.255:65535"),
            ),
            (
                text(format!("PROXY TCP6 {most} {most} 65535 65535\r\n")),
                address(&format!("[{most}]:65535")),
            ),
            (text("PROXY UNKNOWN\r\n".into()), None),
            (text(format!("PROXY UNKNOWN {most} {most} 65535 65535\r\n")), None),
            (text("PROXY UNKNOWN \u{0} any\u{ff} thing\r\n".into()), None),
            (text("PROXY TCP6 2001:DB8::7 :: 0 1\r\n".into()), address("[2001:db8::7]:0")),
            (text("PROXY TCP6 ::ffff:a00:9 ::1 1 1\r\n".into()), address("10.0.0.9:1")),
            // 2.2: LOCAL with and without a family, PROXY of each kind, with additions.
            (v2(0x20, 0x00, &[]), None),
            (v2(0x20, 0x11, V4), None),
            (v2(0x20, 0xff, &[1, 2, 3]), None),
            (v2(0x21, 0x00, &[]), None),
            (v2(0x21, 0x00, &[9; 40]), None),
            (v2(0x21, 0x11, V4), address("192.168.0.1:56324")),
            (v2(0x21, 0x11, &[V4, &[4, 0, 2, 0, 0]].concat()), address("192.168.0.1:56324")),
            (v2(0x21, 0x12, V4), None),
            (v2(0x21, 0x21, &six), address("[2001:db8::7]:56324")),
            (v2(0x21, 0x21, &mapped), address("10.0.0.9:56324")),
            (v2(0x21, 0x22, &six), None),
            (v2(0x21, 0x31, &[b'/'; 216]), None),
            (v2(0x21, 0x10, V4), None),
            (
                v2(0x21, 0x11, &[V4, &[0; PROXY_V2_BYTES_MAX - 28]].concat()),
                address("192.168.0.1:56324"),
            ),
        ]
    }

    /// Every whole header is read, whatever follows it; every proper prefix of one asks for more.
    #[test]
    fn reads_headers_and_their_beginnings() {
        for (header, client) in headers() {
            let expected = Ok(Some(ProxyHeader { bytes: header.len(), client }));
            assert_eq!(read_proxy_header(&header), expected, "{header:02x?}");
            for more in [&[0x10][..], b"\r\n", &[0; 3000], b"PROXY UNKNOWN\r\n"] {
                assert_eq!(read_proxy_header(&[&header, more].concat()), expected);
            }
            for end in 0..header.len() {
                assert_eq!(read_proxy_header(&header[..end]), Ok(None), "{:02x?}", &header[..end]);
            }
        }
    }

    /// Bytes that are not a header are refused at the first wrong byte, or at the longest length.
    #[test]
    fn refuses_what_is_no_header() {
        use ProxyHeaderError::*;
        let line = |text: &str| text.as_bytes().to_vec();
        let long = |count: usize| [b"PROXY UNKNOWN ", &vec![b'x'; count][..]].concat();
        let cases: Vec<(Vec<u8>, ProxyHeaderError)> = vec![
            (vec![0x10, 0x0c], Missing),
            (vec![0x16, 3, 1], Missing),
            (line("PROXy"), Missing),
            (line("PROXY\t"), Missing),
            (line("proxy TCP4"), Missing),
            (line("\r\n\r\nX"), Missing),
            (long(PROXY_V1_BYTES_MAX - 14), V1TooLong),
            (long(3000), V1TooLong),
            (line("PROXY TCP4 1.1.1.1 2.2.2.2 1 1\n"), V1Malformed),
            (line("PROXY TCP4 1.1.1.1 2.2.2.2 1 1\rX"), V1Malformed),
            (line("PROXY UNKNOWN\n\r\n"), V1Malformed),
            (line("PROXY \r\n"), V1Malformed),
            (line("PROXY UNKNOWNS\r\n"), V1Malformed),
            (line("PROXY UDP4 1.1.1.1 2.2.2.2 1 1\r\n"), V1Malformed),
            (line("PROXY TCP4\r\n"), V1Malformed),
            (line("PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n"), V1Malformed),
            (line("PROXY TCP4 1.1.1.1 2.2.2.2 1 1 \r\n"), V1Malformed),
            (line("PROXY TCP4 1.1.1.1 2.2.2.2 1 1 1\r\n"), V1Malformed),
            (line("PROXY TCP4  1.1.1.1 2.2.2.2 1 1\r\n"), V1Malformed),
            (line("PROXY TCP4 01.1.1.1 2.2.2.2 1 1\r\n"), V1Malformed),
            (line("PROXY TCP4 1.1.1 2.2.2.2 1 1\r\n"), V1Malformed),
            (line("PROXY TCP4 1.1.1.256 2.2.2.2 1 1\r\n"), V1Malformed),
            (line("PROXY TCP4 ::1 2.2.2.2 1 1\r\n"), V1Malformed),
            (line("PROXY TCP4 1.1.1.1 ::1 1 1\r\n"), V1Malformed),
            (line("PROXY TCP6 1.1.1.1 ::1 1 1\r\n"), V1Malformed),
            (line("PROXY TCP6 ::1%lo ::1 1 1\r\n"), V1Malformed),
            (line("PROXY TCP4 1.1.1.1 2.2.2.2 65536 1\r\n"), V1Malformed),
            (line("PROXY TCP4 1.1.1.1 2.2.2.2 01 1\r\n"), V1Malformed),
            (line("PROXY TCP4 1.1.1.1 2.2.2.2 1 +1\r\n"), V1Malformed),
            (line("PROXY TCP4 1.1.1.1 2.2.2.2 1 -1\r\n"), V1Malformed),
            (v2(0x22, 0x11, V4), V2Command),
            (v2(0x11, 0x11, V4), V2Command),
            (v2(0x31, 0x11, V4), V2Command),
            (v2(0x21, 0x41, V4), V2Family),
            (v2(0x21, 0x13, V4), V2Family),
            (v2(0x21, 0x11, &V4[..11]), V2TooShort),
            (v2(0x21, 0x21, &v6()[..35]), V2TooShort),
            (v2(0x21, 0x11, &[0; PROXY_V2_BYTES_MAX - 15]), V2TooLong),
            (v2(0x20, 0x00, &[0; 65_535]), V2TooLong),
        ];
        for (bytes, error) in cases {
            assert_eq!(read_proxy_header(&bytes), Err(error), "{bytes:02x?}");
        }
    }

    /// For a mutated header the result lies within the bytes and does not change when more bytes
    /// come; refused bytes stay refused.
    #[test]
    fn mutants_are_read_the_same_in_pieces() {
        let mut state = 0x5eed_u64;
        let mut random = move |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            usize::try_from(state >> 33).expect("31 bits") % below
        };
        let headers = headers();
        for round in 0..20_000 {
            let mut bytes = headers[random(headers.len())].0.clone();
            bytes.truncate(300);
            for _ in 0..random(4) {
                let at = random(bytes.len());
                match random(3) {
                    0 => bytes[at] ^= 1 << random(8),
                    1 => bytes[at] = random(256).to_le_bytes()[0],
                    _ => drop(bytes.remove(at)),
                }
            }
            let mut before: Outcome = Ok(None);
            for end in 0..=bytes.len() {
                let now = read_proxy_header(&bytes[..end]);
                if before != Ok(None) {
                    assert_eq!(now, before, "round {round}: {bytes:02x?}");
                }
                if let Ok(Some(header)) = now {
                    assert!(header.bytes <= end, "round {round}: {bytes:02x?}");
                }
                before = now;
            }
        }
    }
}
