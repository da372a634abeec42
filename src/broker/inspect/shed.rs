//! An order to disconnect clients, because the broker is drained.

/// See the file.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Shed {
    /// The number of clients that may stay.
    pub keep: usize,
    /// The session slot at which the next step begins.
    pub from: u32,
}
