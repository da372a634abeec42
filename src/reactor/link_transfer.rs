//! Links that move into a shard.

use crate::broker::ClientAddress;
use crate::mesh::AddressPermit;
use crate::transport::Transport;

use super::unread::UnreadBytes;

/// A link that was accepted or moves to its home shard, with its received bytes.
#[derive(Debug)]
pub struct LinkTransfer<S> {
    pub(super) socket: S,
    pub(super) transport: Transport,
    pub(super) client_address: ClientAddress,
    pub(super) permit: Option<AddressPermit>,
    pub(super) unread: UnreadBytes,
}
