//! A packet of an event, parsed from its captured bytes.

use crate::broker::inspect::TracedPacket;
use crate::mqtt::{Packet, PacketKind, decode, peek_frame};

/// The type of a packet, and the packet. Of a packet that was cut only the type is known, except
/// for a PUBLISH whose payload was cut.
pub(super) fn read(traced: &TracedPacket) -> Option<(PacketKind, Option<Packet<'_>>)> {
    let mut frame = peek_frame(traced.version, &traced.bytes, usize::MAX).ok()??;
    let kind = frame.kind().ok()?;
    if kind == PacketKind::Publish {
        // Decoded as if the packet ended here.
        frame.total_bytes = frame.total_bytes.min(traced.bytes.len());
    }
    Some((kind, decode(traced.version, frame, &traced.bytes).ok()))
}

/// The packet identifier, if it has one.
pub(super) fn id_of(packet: &Packet<'_>) -> Option<u16> {
    Some(match packet {
        Packet::Publish(publish) => publish.packet_id?.get(),
        Packet::Puback(ack) | Packet::Pubrec(ack) | Packet::Pubrel(ack) | Packet::Pubcomp(ack) => {
            ack.packet_id.get()
        }
        Packet::Subscribe(subscribe) => subscribe.packet_id.get(),
        Packet::Suback(suback) => suback.packet_id.get(),
        Packet::Unsubscribe(unsubscribe) => unsubscribe.packet_id.get(),
        Packet::Unsuback(unsuback) => unsuback.packet_id.get(),
        _ => return None,
    })
}
