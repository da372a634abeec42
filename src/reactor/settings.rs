//! Settings of a shard that an operator may change while it runs.

use std::sync::Arc;
use std::time::Duration;

use crate::broker;
use crate::mesh::AddressLimits;
use crate::store::CatalogLimits;
use crate::transport::WebSocketSetup;

use super::accept_filter::Subnet;

/// The complete settings: each reload sends all of them, changed or not.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The broker's options; those of the shard itself are ignored.
    pub broker: broker::Options,
    /// This shard's share of the limits on retained messages.
    pub retained: CatalogLimits,
    /// `--max-connections`.
    pub clients_max: usize,
    /// `--max-packet-size`.
    pub packet_bytes_max: usize,
    /// `--gather-max`.
    pub gather_max: Duration,
    /// The limits of an address.
    pub addresses: AddressLimits,
    /// `--proxy-trust`.
    pub trusted: Vec<Subnet>,
    /// The rules for WebSocket requests.
    pub websocket: Arc<WebSocketSetup>,
}
