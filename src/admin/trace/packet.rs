//! A packet of an event, read again from its bytes: as far as they go.

use crate::broker::inspect::TracedPacket;
use crate::mqtt::{Packet, PacketKind, decode, peek_frame};

/// A packet's type, and the packet. Of one that is not there to its end only the type is known,
/// but of a PUBLISH, of which the end of the payload may be missing.
pub(super) fn read(traced: &TracedPacket) -> Option<(PacketKind, Option<Packet<'_>>)> {
    let mut frame = peek_frame(traced.version, &traced.bytes, usize::MAX).ok()??;
    let kind = frame.kind().ok()?;
    if kind == PacketKind::Publish {
        // As if it ended here.
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
