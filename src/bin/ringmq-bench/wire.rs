//! The packets of MQTT 3.1.1 and 5 that a load generator needs: it encodes the sent ones and parses
//! the received ones.
//!
//! Pure: no sockets, no state. Invariant: [`split`] never reads past the given bytes; it returns
//! `Ok(None)` if it needs more.

use std::fmt;

/// Largest remaining length the protocol can express. [MQTT-2.2.3]
pub(crate) const REMAINING_BYTES_MAX: usize = 268_435_455;

/// Bytes of a user property's name and value together, see [`publish_properties`].
const USER_PROPERTY_BYTES: usize = 20;

/// Version of MQTT.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Version {
    /// MQTT 3.1.1.
    #[default]
    V311,
    /// MQTT 5.
    V5,
}

/// A complete DISCONNECT packet, in both versions.
pub(crate) const DISCONNECT: [u8; 2] = [0xe0, 0];

/// One received packet, borrowed from the receive buffer.
#[derive(Debug, PartialEq)]
pub(crate) enum Packet<'a> {
    /// The answer to CONNECT; 0 means accepted.
    Connack { code: u8 },
    /// A message; it has a packet identifier at QoS 1 only.
    Publish { packet_id: Option<u16>, payload: &'a [u8] },
    /// The broker has accepted the message with this identifier.
    Puback { packet_id: u16 },
    /// The answer to a SUBSCRIBE with one filter; 0x80 and above mean refused.
    Suback { code: u8 },
    /// MQTT 5: the broker closes the connection, for this reason.
    Disconnect { reason: u8 },
    /// PINGRESP, UNSUBACK and others that a load generator ignores.
    Other,
}

/// The broker's bytes are not MQTT; the text names the broken rule.
#[derive(Debug, PartialEq)]
pub(crate) struct Malformed(pub(crate) &'static str);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the broker sent a malformed packet: {}", self.0)
    }
}

/// Parses the first packet of `bytes` and returns its length; `None` if it is incomplete.
#[inline]
pub(crate) fn split(
    bytes: &[u8],
    version: Version,
) -> Result<Option<(Packet<'_>, usize)>, Malformed> {
    let Some((length, header)) = remaining_length(bytes)? else {
        return Ok(None);
    };
    let Some(body) = bytes.get(header..header + length) else {
        return Ok(None);
    };
    let packet = match bytes[0] >> 4 {
        3 => publish_body(bytes[0], body, version)?,
        4 => Packet::Puback { packet_id: be16(body, 0, "PUBACK without an identifier")? },
        2 => Packet::Connack { code: *body.get(1).ok_or(Malformed("short CONNACK"))? },
        9 => {
            // The last byte: in MQTT 5 properties stand before it.
            let codes = body.get(2..).and_then(|codes| codes.last());
            Packet::Suback { code: *codes.ok_or(Malformed("short SUBACK"))? }
        }
        14 => Packet::Disconnect { reason: body.first().copied().unwrap_or(0) },
        _ => Packet::Other,
    };
    Ok(Some((packet, header + length)))
}

/// Bytes of the packet at the front of `bytes`, which are whole packets.
pub(crate) fn packet_bytes(bytes: &[u8]) -> usize {
    match remaining_length(bytes) {
        Ok(Some((length, header))) => bytes.len().min(header + length),
        _ => bytes.len(),
    }
}

/// The remaining length, and the size of the fixed header.
#[inline]
fn remaining_length(bytes: &[u8]) -> Result<Option<(usize, usize)>, Malformed> {
    // Small packets are the hot case: their length is the second byte.
    match bytes {
        [_, low, ..] if *low < 0x80 => return Ok(Some((usize::from(*low), 2))),
        _ => {}
    }
    let mut length = 0;
    for place in 0..4 {
        let Some(&byte) = bytes.get(1 + place) else {
            return Ok(None);
        };
        length |= usize::from(byte & 0x7f) << (7 * place);
        if byte < 0x80 {
            return Ok(Some((length, 2 + place)));
        }
    }
    Err(Malformed("remaining length of more than four bytes"))
}

#[inline]
fn publish_body(first: u8, body: &[u8], version: Version) -> Result<Packet<'_>, Malformed> {
    let topic_end = 2 + usize::from(be16(body, 0, "PUBLISH without a topic")?);
    let (packet_id, rest_at) = match first & 0b110 {
        0 => (None, topic_end),
        2 => (Some(be16(body, topic_end, "PUBLISH without an identifier")?), topic_end + 2),
        // No subscription requests more than QoS 1. [MQTT-3.8.4-6]
        _ => return Err(Malformed("PUBLISH above the granted QoS")),
    };
    let rest = body.get(rest_at..).ok_or(Malformed("PUBLISH shorter than its topic"))?;
    let payload = match version {
        Version::V311 => rest,
        Version::V5 => after_properties(rest)?,
    };
    Ok(Packet::Publish { packet_id, payload })
}

/// The bytes after the properties at the start of `bytes`.
#[inline]
fn after_properties(bytes: &[u8]) -> Result<&[u8], Malformed> {
    let (mut length, mut at) = (0, 0);
    loop {
        let byte = *bytes.get(at).ok_or(Malformed("PUBLISH without a property length"))?;
        length |= usize::from(byte & 0x7f) << (7 * at);
        at += 1;
        if byte < 0x80 {
            return bytes.get(at + length..).ok_or(Malformed("properties longer than PUBLISH"));
        }
        if at == 4 {
            return Err(Malformed("property length of more than four bytes"));
        }
    }
}

#[inline]
fn be16(bytes: &[u8], at: usize, otherwise: &'static str) -> Result<u16, Malformed> {
    match bytes.get(at..at + 2) {
        Some(&[high, low]) => Ok(u16::from_be_bytes([high, low])),
        _ => Err(Malformed(otherwise)),
    }
}

/// The parameters of a CONNECT.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Connect<'a> {
    pub(crate) version: Version,
    pub(crate) client_id: &'a str,
    /// MQTT 5: false is a session that never expires.
    pub(crate) clean_session: bool,
    /// MQTT 5: whether the broker may name topics by aliases, as many as it likes.
    pub(crate) takes_aliases: bool,
    pub(crate) login: Option<&'a Login>,
}

/// Appends a CONNECT with keep alive 0, so that no timer disturbs an idle connection.
pub(crate) fn push_connect(out: &mut Vec<u8>, connect: Connect<'_>) {
    let Connect { version, client_id, clean_session, takes_aliases, login } = connect;
    let mut properties = Vec::new();
    if version == Version::V5 {
        // Session Expiry Interval, Topic Alias Maximum.
        let expiry: &[u8] = if clean_session { &[] } else { &[0x11, 0xff, 0xff, 0xff, 0xff] };
        let aliases: &[u8] = if takes_aliases { &[0x22, 0xff, 0xff] } else { &[] };
        push_length(&mut properties, expiry.len() + aliases.len());
        properties.extend_from_slice(&[expiry, aliases].concat());
    }
    let level = if version == Version::V5 { 5 } else { 4 };
    let login_bytes = login.map_or(0, |login| 4 + login.user.len() + login.password.len());
    let flags = u8::from(clean_session) << 1 | if login.is_some() { 0xc0 } else { 0 };
    out.push(0x10);
    push_length(out, 10 + properties.len() + 2 + client_id.len() + login_bytes);
    out.extend_from_slice(&[0, 4, b'M', b'Q', b'T', b'T', level, flags, 0, 0]);
    out.extend_from_slice(&properties);
    push_text(out, client_id);
    if let Some(Login { user, password }) = login {
        push_text(out, user);
        push_text(out, password);
    }
}

/// User name and password.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Login {
    pub(crate) user: String,
    pub(crate) password: String,
}

/// Appends a SUBSCRIBE of one filter.
pub(crate) fn push_subscribe(
    out: &mut Vec<u8>,
    version: Version,
    packet_id: u16,
    filter: &str,
    qos: u8,
) {
    let properties: &[u8] = if version == Version::V5 { &[0] } else { &[] };
    out.push(0x82);
    push_length(out, 2 + properties.len() + 2 + filter.len() + 1);
    out.extend_from_slice(&packet_id.to_be_bytes());
    out.extend_from_slice(properties);
    push_text(out, filter);
    out.push(qos);
}

/// The encoded properties of a PUBLISH, with their length: a topic alias, and `user_properties`
/// user properties of 20 bytes each. Empty in MQTT 3.1.1.
pub(crate) fn publish_properties(
    version: Version,
    alias: Option<u16>,
    user_properties: u16,
) -> Vec<u8> {
    if version == Version::V311 {
        return Vec::new();
    }
    let mut properties = Vec::new();
    if let Some(alias) = alias {
        properties.push(0x23);
        properties.extend_from_slice(&alias.to_be_bytes());
    }
    for number in 0..user_properties {
        let name = format!("name{number:05}");
        properties.push(0x26);
        push_text(&mut properties, &name);
        push_text(&mut properties, &"v".repeat(USER_PROPERTY_BYTES - name.len()));
    }
    let mut out = Vec::new();
    push_length(&mut out, properties.len());
    out.extend_from_slice(&properties);
    out
}

/// The offsets of the variable parts of a PUBLISH.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Places {
    /// The packet identifier, at QoS 1.
    pub(crate) id_at: usize,
    pub(crate) payload_at: usize,
}

/// Appends a PUBLISH with a zeroed payload and, at QoS 1, the identifier 0, which must be patched.
/// `properties` are those of [`publish_properties`].
pub(crate) fn push_publish(
    out: &mut Vec<u8>,
    topic: &str,
    qos: u8,
    properties: &[u8],
    payload_bytes: usize,
) -> Places {
    let id_bytes = if qos == 0 { 0 } else { 2 };
    out.push(0x30 | qos << 1);
    push_length(out, 2 + topic.len() + id_bytes + properties.len() + payload_bytes);
    push_text(out, topic);
    let id_at = out.len();
    out.resize(out.len() + id_bytes, 0);
    out.extend_from_slice(properties);
    let payload_at = out.len();
    out.resize(payload_at + payload_bytes, 0);
    Places { id_at, payload_at }
}

/// Appends a PUBACK.
#[inline]
pub(crate) fn push_puback(out: &mut Vec<u8>, packet_id: u16) {
    let [high, low] = packet_id.to_be_bytes();
    out.extend_from_slice(&[0x40, 2, high, low]);
}

fn push_length(out: &mut Vec<u8>, length: usize) {
    assert!(length <= REMAINING_BYTES_MAX, "options bound topic and payload");
    let mut rest = length;
    loop {
        let low = u8::try_from(rest & 0x7f).expect("seven bits fit");
        rest >>= 7;
        out.push(if rest == 0 { low } else { low | 0x80 });
        if rest == 0 {
            return;
        }
    }
}

fn push_text(out: &mut Vec<u8>, text: &str) {
    let length = u16::try_from(text.len()).expect("options bound texts to 65,535 bytes");
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parsing returns the encoded packets, at every edge of the remaining length.
    #[test]
    fn publish_survives_the_walk() {
        let versions =
            [(Version::V311, 0), (Version::V5, 0), (Version::V5, 5), (Version::V5, 1000)];
        for ((version, users), qos) in versions.into_iter().flat_map(|v| [(v, 0), (v, 1)]) {
            for payload_bytes in [0, 1, 16, 100, 119, 120, 121, 122, 123, 16_380, 2_097_152] {
                let mut bytes = Vec::new();
                let properties = publish_properties(version, Some(7), users);
                let Places { id_at, payload_at } =
                    push_publish(&mut bytes, "a/b", qos, &properties, payload_bytes);
                assert_eq!(bytes.len() - payload_at, payload_bytes);
                if qos == 1 {
                    bytes[id_at..id_at + 2].copy_from_slice(&[1, 2]);
                }
                let whole = bytes.len();
                bytes.push(0xd0);
                let packet_id = (qos == 1).then_some(0x0102);
                let payload = &bytes[payload_at..whole];
                let expected = Packet::Publish { packet_id, payload };
                let came = split(&bytes, version);
                assert_eq!(came, Ok(Some((expected, whole))), "{version:?} {qos} {payload_bytes}");
            }
        }
    }

    /// Every truncation of every packet asks for more instead of guessing.
    #[test]
    fn truncation_asks_for_more() {
        let mut publish = Vec::new();
        push_publish(&mut publish, "topic", 1, &publish_properties(Version::V5, None, 2), 200);
        let packets: [&[u8]; 4] =
            [&[0x20, 2, 0, 5], &[0x40, 2, 0, 7], &[0x90, 3, 0, 1, 0x80], &publish];
        for packet in packets {
            for length in 0..packet.len() {
                let came = split(&packet[..length], Version::V5);
                assert_eq!(came, Ok(None), "{length} of {packet:?}");
            }
            assert!(
                matches!(split(packet, Version::V5), Ok(Some((_, size))) if size == packet.len())
            );
        }
    }

    /// Control packets return the one field that is used.
    #[test]
    fn control_packets_are_read() {
        for (bytes, expected) in [
            (&[0x20, 2, 0, 5][..], Packet::Connack { code: 5 }),
            (&[0x40, 2, 1, 0], Packet::Puback { packet_id: 256 }),
            (&[0x90, 3, 0, 1, 0x80], Packet::Suback { code: 0x80 }),
            (&[0x90, 4, 0, 1, 0, 0x87], Packet::Suback { code: 0x87 }),
            (&[0xe0, 2, 0x94, 0], Packet::Disconnect { reason: 0x94 }),
            (&[0xd0, 0], Packet::Other),
        ] {
            assert_eq!(split(bytes, Version::V5), Ok(Some((expected, bytes.len()))));
        }
    }

    /// A violation of the framing is reported.
    #[test]
    fn malformed_is_an_error() {
        for bytes in [
            &[0x30, 0xff, 0xff, 0xff, 0xff][..],
            &[0x30, 1, 0],
            &[0x30, 3, 0, 9, b'a'],
            &[0x32, 4, 0, 1, b'a', 1],
            &[0x34, 5, 0, 1, b'a', 0, 1],
            &[0x20, 1, 0],
            &[0x40, 1, 0],
            &[0x90, 2, 0, 1],
        ] {
            assert!(split(bytes, Version::V311).is_err(), "{bytes:?}");
        }
        for bytes in [&[0x30, 3, 0, 1, b'a'][..], &[0x30, 4, 0, 1, b'a', 1]] {
            assert!(split(bytes, Version::V5).is_err(), "{bytes:?}");
        }
    }

    /// CONNECT and SUBSCRIBE byte for byte, against the standard's tables 3.1 and 3.8.
    #[test]
    fn greetings_are_golden() {
        let mut out = Vec::new();
        let connect = Connect { client_id: "ab", clean_session: true, ..Connect::default() };
        push_connect(&mut out, connect);
        assert_eq!(out, b"\x10\x0e\x00\x04MQTT\x04\x02\x00\x00\x00\x02ab");
        out.clear();
        let login = Login { user: "u".to_owned(), password: "pw".to_owned() };
        let resumed = Connect { client_id: "a", login: Some(&login), ..Connect::default() };
        push_connect(&mut out, resumed);
        assert_eq!(out, b"\x10\x14\x00\x04MQTT\x04\xc0\x00\x00\x00\x01a\x00\x01u\x00\x02pw");
        out.clear();
        push_subscribe(&mut out, Version::V311, 1, "f/#", 1);
        assert_eq!(out, b"\x82\x08\x00\x01\x00\x03f/#\x01");
        out.clear();
        push_puback(&mut out, 0x1234);
        assert_eq!(out, b"\x40\x02\x12\x34");
        out.clear();
        push_connect(&mut out, Connect { version: Version::V5, ..connect });
        assert_eq!(out, b"\x10\x0f\x00\x04MQTT\x05\x02\x00\x00\x00\x00\x02ab");
        out.clear();
        let asks = Connect { clean_session: false, takes_aliases: true, ..connect };
        push_connect(&mut out, Connect { version: Version::V5, ..asks });
        let due =
            b"\x10\x17\x00\x04MQTT\x05\x00\x00\x00\x08\x11\xff\xff\xff\xff\x22\xff\xff\x00\x02ab";
        assert_eq!(out, due);
        out.clear();
        push_subscribe(&mut out, Version::V5, 1, "f/#", 1);
        assert_eq!(out, b"\x82\x09\x00\x01\x00\x00\x03f/#\x01");
        out.clear();
        push_publish(&mut out, "", 1, &publish_properties(Version::V5, Some(2), 1), 1);
        let user = b"\x26\x00\x09name00000\x00\x0bvvvvvvvvvvv";
        let head = b"\x32\x22\x00\x00\x00\x00\x1c\x23\x00\x02";
        assert_eq!(out, [&head[..], user, b"\0"].concat());
    }
}
