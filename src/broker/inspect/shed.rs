//! Clients that have to leave because the broker is drained.

/// See the module.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Shed {
    /// So many may stay.
    pub keep: usize,
    /// The slot of the session that is looked at next.
    pub from: u32,
}
