//! Packets in the file format of Wireshark: pcapng with link type 252. Packets received over TLS
//! are in plain text (draft-ietf-opsawg-pcapng; Wireshark's `epan/exported_pdu.h`).
//!
//! A packet that was cut has an original length above its captured length.

use std::net::IpAddr;

use crate::broker::inspect::{Direction, Happening, TraceEvent};

/// LINKTYPE_WIRESHARK_UPPER_PDU.
const LINK_TYPE: u16 = 252;

/// The broker's port in the file.
const OWN_PORT: u32 = 1883;

/// Tags of a packet's head, which describes its bytes.
mod tag {
    pub(super) const END: u16 = 0;
    pub(super) const DISSECTOR: u16 = 12;
    pub(super) const IPV4_SOURCE: u16 = 20;
    pub(super) const IPV4_DESTINATION: u16 = 21;
    pub(super) const IPV6_SOURCE: u16 = 22;
    pub(super) const IPV6_DESTINATION: u16 = 23;
    pub(super) const PORT_TYPE: u16 = 24;
    pub(super) const SOURCE_PORT: u16 = 25;
    pub(super) const DESTINATION_PORT: u16 = 26;
}

/// The port type of TCP.
const TCP: u32 = 2;

/// The comment of a packet.
const COMMENT: u16 = 1;

/// The start of a file: a section, and the interface of all packets.
pub(super) fn head() -> Vec<u8> {
    let mut out = Vec::new();
    let mut section = Vec::new();
    section.extend(0x1a2b_3c4d_u32.to_le_bytes());
    section.extend([1_u16, 0].map(u16::to_le_bytes).concat());
    // The length of the section is not known.
    section.extend((-1_i64).to_le_bytes());
    block(0x0a0d_0d0a, &section, &mut out);
    let mut interface = Vec::new();
    interface.extend([LINK_TYPE, 0].map(u16::to_le_bytes).concat());
    interface.extend(0_u32.to_le_bytes());
    block(1, &interface, &mut out);
    out
}

/// Appends a packet with at most `payload_max` bytes of its payload; other events are left out.
pub(super) fn write(event: &TraceEvent, time_us: u64, payload_max: usize, out: &mut Vec<u8>) {
    let Happening::Packet(packet) = &event.what else { return };
    // Another trace may have captured more of the packet.
    let missing = packet.total_bytes - packet.bytes.len();
    let cut = packet.payload_bytes.saturating_sub(missing).saturating_sub(payload_max);
    let bytes = &packet.bytes[..packet.bytes.len() - cut];
    let mut data = Vec::new();
    put_head(event, packet.direction, &mut data);
    let head_bytes = data.len();
    data.extend_from_slice(bytes);
    let mut body = Vec::new();
    let captured = u32::try_from(data.len()).expect("events are bounded");
    let whole = u32::try_from(head_bytes + packet.total_bytes).unwrap_or(u32::MAX);
    let [high, low] = [time_us >> 32, time_us & u64::from(u32::MAX)]
        .map(|half| u32::try_from(half).expect("it is half"));
    for number in [0, high, low, captured, whole] {
        body.extend(number.to_le_bytes());
    }
    body.extend_from_slice(&data);
    pad(&mut body);
    if !event.client.is_empty() {
        let comment = event.client.as_bytes();
        let bytes = u16::try_from(comment.len()).expect("client ids are bounded");
        body.extend([COMMENT, bytes].map(u16::to_le_bytes).concat());
        body.extend_from_slice(comment);
        pad(&mut body);
        body.extend([0; 4]);
    }
    block(6, &body, out);
}

/// Writes the head: the dissector, the addresses and the ports.
fn put_head(event: &TraceEvent, direction: Direction, out: &mut Vec<u8>) {
    let mut put = |tag: u16, value: &[u8]| {
        let bytes = u16::try_from(value.len().next_multiple_of(4)).expect("values are short");
        out.extend([tag, bytes].map(u16::to_be_bytes).concat());
        out.extend_from_slice(value);
        out.extend(&[0; 3][..usize::from(bytes) - value.len()]);
    };
    put(tag::DISSECTOR, b"mqtt");
    let is_sent = direction == Direction::Sent;
    match event.address.address {
        Some(IpAddr::V6(address)) => {
            let (own, peer) = match is_sent {
                true => (tag::IPV6_SOURCE, tag::IPV6_DESTINATION),
                false => (tag::IPV6_DESTINATION, tag::IPV6_SOURCE),
            };
            put(peer, &address.octets());
            put(own, &[0; 16]);
        }
        address => {
            let octets = match address {
                Some(IpAddr::V4(address)) => address.octets(),
                _ => [0; 4],
            };
            let (own, peer) = match is_sent {
                true => (tag::IPV4_SOURCE, tag::IPV4_DESTINATION),
                false => (tag::IPV4_DESTINATION, tag::IPV4_SOURCE),
            };
            put(peer, &octets);
            put(own, &[0; 4]);
        }
    }
    put(tag::PORT_TYPE, &TCP.to_be_bytes());
    let (own, peer) = match is_sent {
        true => (tag::SOURCE_PORT, tag::DESTINATION_PORT),
        false => (tag::DESTINATION_PORT, tag::SOURCE_PORT),
    };
    put(peer, &u32::from(event.address.port).to_be_bytes());
    put(own, &OWN_PORT.to_be_bytes());
    put(tag::END, &[]);
}

/// Writes a block: its type, and its length before and after the body.
fn block(kind: u32, body: &[u8], out: &mut Vec<u8>) {
    let bytes = body.len().next_multiple_of(4) + 12;
    let bytes = u32::try_from(bytes).expect("blocks are bounded").to_le_bytes();
    out.extend(kind.to_le_bytes());
    out.extend(bytes);
    out.extend_from_slice(body);
    pad(out);
    out.extend(bytes);
}

/// Pads a block or its part to a multiple of four bytes.
fn pad(out: &mut Vec<u8>) {
    out.resize(out.len().next_multiple_of(4), 0);
}
