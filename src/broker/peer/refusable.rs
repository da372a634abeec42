//! Names a message to its publisher's shard, which may have to tell that it was refused.
//!
//! In a record it is one number: the packet identifier, and in the upper half the shards.

use crate::mqtt::PacketId;

use super::super::names::ConnId;
use super::layout::Layout;

/// The kind of the message that says that one was refused.
pub(super) const REFUSED: u8 = 15;

/// See the module.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Refusable {
    pub(crate) packet_id: PacketId,
    /// The message is refused if so many shards refuse it: all that it is for.
    pub(crate) shards: u16,
}

impl Refusable {
    /// The number of a message that may have an origin as well, with the same packet identifier.
    pub(super) fn put(refusable: Option<Self>, origin: Option<(u64, u16)>) -> u32 {
        match refusable {
            Some(Self { packet_id, shards }) => {
                u32::from(packet_id.get()) | u32::from(shards) << 16
            }
            None => origin.map_or(0, |(_, packet_id)| packet_id.into()),
        }
    }

    /// A message that says that it was refused.
    pub(super) fn layout(self, conn: ConnId, plain: Layout<'_>) -> Layout<'_> {
        Layout { kind: REFUSED, conn, number: Self::put(Some(self), None), ..plain }
    }

    pub(super) fn of(number: u32) -> Option<Self> {
        let [_, _, upper @ ..] = number.to_le_bytes();
        let packet_id = PacketId::new(Self::id_in(number))?;
        Some(Self { packet_id, shards: u16::from_le_bytes(upper) })
    }

    /// The packet identifier in the number.
    pub(super) fn id_in(number: u32) -> u16 {
        let [low, high, ..] = number.to_le_bytes();
        u16::from_le_bytes([low, high])
    }
}
