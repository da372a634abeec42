//! The name of a connection.

use std::num::NonZero;

use crate::store::Holder;

/// Names a connection: the slot of its link in the reactor's table and the slot's generation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConnId {
    /// Index in the reactor's table.
    pub slot: u32,
    /// The number of owners that the slot had before.
    pub generation: u32,
}

impl ConnId {
    /// The connection as the holder of a session, for the store.
    pub(crate) fn holder(self) -> Holder {
        // One more: a holder is not 0. Generations have 24 bits.
        let bits = (u64::from(self.slot) << 32 | u64::from(self.generation)) + 1;
        Holder(NonZero::new(bits).expect("one was added"))
    }

    /// The connection that holds a session.
    pub(crate) fn of(holder: Holder) -> Self {
        let [s3, s2, s1, s0, g3, g2, g1, g0] = (holder.0.get() - 1).to_be_bytes();
        let slot = u32::from_be_bytes([s3, s2, s1, s0]);
        Self { slot, generation: u32::from_be_bytes([g3, g2, g1, g0]) }
    }
}
