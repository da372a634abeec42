//! The few MQTT 3.1.1 packets of the load generator: encoding, and parsing of received bytes.
//!
//! Pure: no sockets, no state. Invariant: [`split`] never reads past the given bytes; it returns
//! `Ok(None)` if it needs more.

use std::fmt;

/// Largest remaining length the protocol can express. [MQTT-2.2.3]
pub(crate) const REMAINING_BYTES_MAX: usize = 268_435_455;

/// A complete DISCONNECT packet.
pub(crate) const DISCONNECT: [u8; 2] = [0xe0, 0];

/// One received packet, borrowed from the receive buffer.
#[derive(Debug, PartialEq)]
pub(crate) enum Packet<'a> {
    /// The answer to CONNECT; 0 is "accepted".
    Connack { code: u8 },
    /// A message; the packet identifier is there at QoS 1 only.
    Publish { packet_id: Option<u16>, payload: &'a [u8] },
    /// The broker has accepted the message with this identifier.
    Puback { packet_id: u16 },
    /// The answer to a SUBSCRIBE with one filter; 0x80 is "refused".
    Suback { code: u8 },
    /// Any other packet; the load generator ignores it.
    Other,
}

/// The broker has violated MQTT 3.1.1; the text names the rule.
#[derive(Debug, PartialEq)]
pub(crate) struct Malformed(pub(crate) &'static str);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the broker sent a malformed packet: {}", self.0)
    }
}

/// Parses the first packet of `bytes` and returns its length; `None` if it is incomplete.
#[inline]
pub(crate) fn split(bytes: &[u8]) -> Result<Option<(Packet<'_>, usize)>, Malformed> {
    let Some((length, header)) = remaining_length(bytes)? else {
        return Ok(None);
    };
    let Some(body) = bytes.get(header..header + length) else {
        return Ok(None);
    };
    let packet = match bytes[0] >> 4 {
        3 => publish_body(bytes[0], body)?,
        4 => Packet::Puback { packet_id: be16(body, 0, "PUBACK without an identifier")? },
        2 => Packet::Connack { code: *body.get(1).ok_or(Malformed("short CONNACK"))? },
        9 => Packet::Suback { code: *body.get(2).ok_or(Malformed("short SUBACK"))? },
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
fn publish_body(first: u8, body: &[u8]) -> Result<Packet<'_>, Malformed> {
    let topic_end = 2 + usize::from(be16(body, 0, "PUBLISH without a topic")?);
    let (packet_id, payload_at) = match first & 0b110 {
        0 => (None, topic_end),
        2 => (Some(be16(body, topic_end, "PUBLISH without an identifier")?), topic_end + 2),
        // No subscription requests more than QoS 1. [MQTT-3.8.4-6]
        _ => return Err(Malformed("PUBLISH above the granted QoS")),
    };
    let payload = body.get(payload_at..).ok_or(Malformed("PUBLISH shorter than its topic"))?;
    Ok(Packet::Publish { packet_id, payload })
}

#[inline]
fn be16(bytes: &[u8], at: usize, otherwise: &'static str) -> Result<u16, Malformed> {
    match bytes.get(at..at + 2) {
        Some(&[high, low]) => Ok(u16::from_be_bytes([high, low])),
        _ => Err(Malformed(otherwise)),
    }
}

/// Appends a CONNECT with keep alive 0, so that no timer disturbs an idle connection.
pub(crate) fn push_connect(
    out: &mut Vec<u8>,
    client_id: &str,
    clean_session: bool,
    login: Option<&Login>,
) {
    let login_bytes = login.map_or(0, |login| 4 + login.user.len() + login.password.len());
    let flags = u8::from(clean_session) << 1 | if login.is_some() { 0xc0 } else { 0 };
    out.push(0x10);
    push_length(out, 10 + 2 + client_id.len() + login_bytes);
    out.extend_from_slice(&[0, 4, b'M', b'Q', b'T', b'T', 4, flags, 0, 0]);
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
pub(crate) fn push_subscribe(out: &mut Vec<u8>, packet_id: u16, filter: &str, qos: u8) {
    out.push(0x82);
    push_length(out, 2 + 2 + filter.len() + 1);
    out.extend_from_slice(&packet_id.to_be_bytes());
    push_text(out, filter);
    out.push(qos);
}

/// Appends a PUBLISH with a zeroed payload; at QoS 1 with the identifier 0, which the caller
/// overwrites. Returns the offset of the payload; the identifier is the two bytes before it.
pub(crate) fn push_publish(out: &mut Vec<u8>, topic: &str, qos: u8, payload_bytes: usize) -> usize {
    let id_bytes = if qos == 0 { 0 } else { 2 };
    out.push(0x30 | qos << 1);
    push_length(out, 2 + topic.len() + id_bytes + payload_bytes);
    push_text(out, topic);
    out.resize(out.len() + id_bytes, 0);
    let payload_at = out.len();
    out.resize(payload_at + payload_bytes, 0);
    payload_at
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
        for qos in [0, 1] {
            for payload_bytes in [0, 1, 16, 100, 119, 120, 121, 122, 123, 16_380, 2_097_152] {
                let mut bytes = Vec::new();
                let payload_at = push_publish(&mut bytes, "a/b", qos, payload_bytes);
                assert_eq!(bytes.len() - payload_at, payload_bytes);
                if qos == 1 {
                    bytes[payload_at - 2..payload_at].copy_from_slice(&[1, 2]);
                }
                let whole = bytes.len();
                bytes.push(0xd0);
                let packet_id = (qos == 1).then_some(0x0102);
                let payload = &bytes[payload_at..whole];
                let expected = Packet::Publish { packet_id, payload };
                assert_eq!(split(&bytes), Ok(Some((expected, whole))), "{qos} {payload_bytes}");
            }
        }
    }

    /// Every truncation of every packet asks for more instead of guessing.
    #[test]
    fn truncation_asks_for_more() {
        let mut publish = Vec::new();
        push_publish(&mut publish, "topic", 1, 200);
        let packets: [&[u8]; 4] =
            [&[0x20, 2, 0, 5], &[0x40, 2, 0, 7], &[0x90, 3, 0, 1, 0x80], &publish];
        for packet in packets {
            for length in 0..packet.len() {
                assert_eq!(split(&packet[..length]), Ok(None), "{length} of {packet:?}");
            }
            assert!(matches!(split(packet), Ok(Some((_, size))) if size == packet.len()));
        }
    }

    /// Control packets return the one field that is used.
    #[test]
    fn control_packets_are_read() {
        for (bytes, expected) in [
            (&[0x20, 2, 0, 5][..], Packet::Connack { code: 5 }),
            (&[0x40, 2, 1, 0], Packet::Puback { packet_id: 256 }),
            (&[0x90, 3, 0, 1, 0x80], Packet::Suback { code: 0x80 }),
            (&[0xd0, 0], Packet::Other),
        ] {
            assert_eq!(split(bytes), Ok(Some((expected, bytes.len()))));
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
            assert!(split(bytes).is_err(), "{bytes:?}");
        }
    }

    /// CONNECT and SUBSCRIBE byte for byte, against the standard's tables 3.1 and 3.8.
    #[test]
    fn greetings_are_golden() {
        let mut out = Vec::new();
        push_connect(&mut out, "ab", true, None);
        assert_eq!(out, b"\x10\x0e\x00\x04MQTT\x04\x02\x00\x00\x00\x02ab");
        out.clear();
        let login = Login { user: "u".to_owned(), password: "pw".to_owned() };
        push_connect(&mut out, "a", false, Some(&login));
        assert_eq!(out, b"\x10\x14\x00\x04MQTT\x04\xc0\x00\x00\x00\x01a\x00\x01u\x00\x02pw");
        out.clear();
        push_subscribe(&mut out, 1, "f/#", 1);
        assert_eq!(out, b"\x82\x08\x00\x01\x00\x03f/#\x01");
        out.clear();
        push_puback(&mut out, 0x1234);
        assert_eq!(out, b"\x40\x02\x12\x34");
    }
}
