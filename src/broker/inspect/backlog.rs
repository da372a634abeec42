//! How many messages are in durable sessions: counted when somebody asks, in steps, so that a
//! message costs nothing for it.

use crate::store::SessionKey;

/// See the module.
#[derive(Clone, Copy, Default, Debug)]
pub struct Backlog {
    /// Where the next step begins.
    pub(crate) from: SessionKey,
    /// Messages found so far.
    pub(crate) messages: u64,
}
