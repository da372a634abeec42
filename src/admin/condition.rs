//! What the control thread knows of the broker, and the admin thread needs or tells.

use std::sync::Arc;

use super::tokens::Tokens;

/// See the module.
#[derive(Clone, Debug)]
pub struct Condition {
    /// Clients are let in.
    pub is_ready: bool,
    /// The last reload succeeded; so did the start.
    pub reloaded: bool,
    /// When the last one did, seconds since 1970.
    pub reloaded_at_s: u64,
    /// Numbers and names of the vhosts.
    pub vhosts: Arc<[(u16, String)]>,
    /// Who may ask what.
    pub tokens: Arc<Tokens>,
    /// The thread is to end.
    pub is_over: bool,
}
