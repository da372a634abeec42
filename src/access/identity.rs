//! The identity of a client that was admitted.

use compact_str::CompactString;

/// See the module.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Identity {
    /// The number of the vhost.
    pub vhost: u16,
    /// The user, without the vhost; `None`: anonymous.
    pub user: Option<CompactString>,
    /// Whether a client certificate named the user, and no password was asked for.
    pub certified: bool,
}
