//! What an operator may set of a shard while it runs.

use crate::broker;
use crate::mesh::AddressLimits;
use crate::ring::Ring;
use crate::store::{CatalogLimits, Medium};

use super::accept_filter::Subnet;
use super::turn::{Clock, Reactor};

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
}

impl<R: Ring, C: Clock, M: Medium<File = R::File>> Reactor<R, C, M> {
    pub(super) fn set(&mut self, settings: Settings) {
        let Settings { broker, retained, clients_max, packet_bytes_max, addresses, trusted } =
            settings;
        self.outboxes.set_clients_max(clients_max);
        self.packet_bytes_max = packet_bytes_max;
        self.accept_filter.set(addresses, trusted);
        self.with_broker(|shard, context| shard.set_options(&broker, retained, context));
    }
}
