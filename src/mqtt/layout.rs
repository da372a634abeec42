//! The layout of small packets: a few bytes, properties, and a list.
//!
//! Reason strings and user properties may be left out, if the receiver does not accept a packet of
//! that size [MQTT-3.2.2-19] v5.

use super::fields::{PacketId, PacketKind, Version};
use super::properties::Properties;
use super::property::PropertyId;
use super::reason::ReasonCode;
use super::wire::{put_varint, varint_bytes};

/// The size of a packet with this remaining length.
#[inline]
pub(super) const fn total_bytes(remaining: usize) -> usize {
    1 + varint_bytes(remaining) + remaining
}

/// The size of properties with their length.
#[inline]
pub(super) const fn property_bytes(bytes: usize) -> usize {
    varint_bytes(bytes) + bytes
}

/// Appends the length of properties, and the properties.
#[expect(clippy::inline_always, reason = "each message passes here, most of them without any")]
#[inline(always)]
pub(super) fn put_properties(properties: &[u8], out: &mut Vec<u8>) {
    // Most packets have none, and the length is one byte.
    if properties.is_empty() {
        return out.push(0);
    }
    put_varint(properties.len(), out);
    out.extend_from_slice(properties);
}

/// A set of properties that a layout leaves out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct LeftOut(u64);

impl LeftOut {
    pub(super) const NOTHING: Self = Self(0);
    /// Properties that may be left out, the least valuable first.
    pub(super) const STEPS: [Self; 3] = [
        Self::NOTHING,
        Self(PropertyId::UserProperty.bit()),
        Self(PropertyId::UserProperty.bit() | PropertyId::ReasonString.bit()),
    ];
}

/// See the file.
pub(super) struct Layout<'a> {
    first: u8,
    /// The bytes before the properties, and their number.
    head: [u8; 3],
    head_bytes: usize,
    /// `None`: neither the properties nor their length are written.
    properties: Option<Kept<'a>>,
    rest: &'a [u8],
}

/// Properties, some of which are left out.
#[derive(Clone, Copy)]
struct Kept<'a> {
    list: Properties<'a>,
    left_out: LeftOut,
    bytes: usize,
}

impl<'a> Kept<'a> {
    fn new(list: Properties<'a>, left_out: LeftOut) -> Self {
        let mut kept = Self { list, left_out, bytes: list.as_bytes().len() };
        if left_out != LeftOut::NOTHING {
            kept.bytes = kept.spans().map(<[u8]>::len).sum();
        }
        kept
    }

    fn spans(self) -> impl Iterator<Item = &'a [u8]> {
        let is_kept = move |id: PropertyId| self.left_out.0 & id.bit() == 0;
        self.list.spans().filter(move |(property, _)| is_kept(property.id)).map(|(_, span)| span)
    }

    fn put(self, out: &mut Vec<u8>) {
        put_varint(self.bytes, out);
        if self.left_out == LeftOut::NOTHING {
            out.extend_from_slice(self.list.as_bytes());
        } else {
            self.spans().for_each(|span| out.extend_from_slice(span));
        }
    }
}

impl<'a> Layout<'a> {
    /// The layout with a packet identifier, properties in MQTT 5, and a list.
    pub(super) fn list(
        version: Version,
        kind: PacketKind,
        packet_id: PacketId,
        properties: (Properties<'a>, LeftOut),
        rest: &'a [u8],
    ) -> Self {
        let [high, low] = packet_id.get().to_be_bytes();
        let (list, left_out) = properties;
        let kept = (version == Version::V5).then(|| Kept::new(list, left_out));
        let first = kind.first_byte();
        Self { first, head: [high, low, 0], head_bytes: 2, properties: kept, rest }
    }

    /// The layout with two bytes, and properties in MQTT 5.
    pub(super) fn connack(
        version: Version,
        head: [u8; 2],
        properties: (Properties<'a>, LeftOut),
    ) -> Self {
        let (list, left_out) = properties;
        let kept = (version == Version::V5).then(|| Kept::new(list, left_out));
        let first = PacketKind::Connack.first_byte();
        Self { first, head: [head[0], head[1], 0], head_bytes: 2, properties: kept, rest: &[] }
    }

    /// The layout with an optional packet identifier and, in MQTT 5, a reason and properties.
    /// Success without properties is omitted, and so are empty properties.
    pub(super) fn answer(
        version: Version,
        kind: PacketKind,
        packet_id: Option<PacketId>,
        reason: ReasonCode,
        properties: (Properties<'a>, LeftOut),
    ) -> Self {
        let (list, left_out) = properties;
        let mut layout = Self {
            first: kind.first_byte(),
            head: [0; 3],
            head_bytes: 0,
            properties: None,
            rest: &[],
        };
        if let Some(packet_id) = packet_id {
            layout.head[..2].copy_from_slice(&packet_id.get().to_be_bytes());
            layout.head_bytes = 2;
        }
        let kept = Kept::new(list, left_out);
        if version != Version::V5 || kept.bytes == 0 && reason == ReasonCode::Success {
            return layout;
        }
        layout.head[layout.head_bytes] = reason as u8;
        layout.head_bytes += 1;
        // An AUTH with nothing but a reason is malformed (v5 3.15.2.1).
        layout.properties = (kept.bytes > 0 || kind == PacketKind::Auth).then_some(kept);
        layout
    }

    fn remaining(&self) -> usize {
        let properties = self.properties.map_or(0, |kept| property_bytes(kept.bytes));
        self.head_bytes + properties + self.rest.len()
    }

    /// Bytes that [`Layout::put`] appends.
    pub(super) fn encoded_bytes(&self) -> usize {
        total_bytes(self.remaining())
    }

    /// Appends the packet.
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        out.reserve(self.encoded_bytes());
        out.push(self.first);
        put_varint(self.remaining(), out);
        out.extend_from_slice(&self.head[..self.head_bytes]);
        if let Some(kept) = self.properties {
            kept.put(out);
        }
        out.extend_from_slice(self.rest);
    }
}
