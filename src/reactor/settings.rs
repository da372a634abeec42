//! What an operator may set of a shard while it runs.

use std::sync::Arc;

use crate::broker;
use crate::mesh::AddressLimits;
use crate::store::CatalogLimits;
use crate::transport::WebSocketSetup;

use super::accept_filter::Subnet;

/// All of it: each reload brings the whole, changed or not.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The broker's options; what they say of the shard itself is left alone.
    pub broker: broker::Options,
    /// This shard's share of what may be retained.
    pub retained: CatalogLimits,
    /// `--max-connections`.
    pub clients_max: usize,
    /// `--max-packet-size`.
    pub packet_bytes_max: usize,
    /// What an address may have.
    pub addresses: AddressLimits,
    /// `--proxy-trust`.
    pub trusted: Vec<Subnet>,
    /// What WebSockets are checked against.
    pub websocket: Arc<WebSocketSetup>,
}
