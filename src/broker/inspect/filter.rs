//! Which sessions and clients are wanted. All of it holds exactly: a part of a name, or a pattern,
//! would be a look at every byte of every name.

use super::super::names::AddressRange;
use super::client::{ClientFacts, Pace};

/// See the module. What is none, or 0, is not asked for.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Filter {
    /// The number of a vhost.
    pub vhost: Option<u16>,
    /// The user that the session belongs to; empty: nobody.
    pub user: Option<Box<str>>,
    /// What the client id begins with.
    pub id_prefix: Box<str>,
    /// Where the client connected from.
    pub address: Option<AddressRange>,
    /// How it takes what is sent to it.
    pub pace: Option<Pace>,
    /// Whether its client is connected.
    pub connected: Option<bool>,
    /// The number of the listener that the client came in through.
    pub listener: Option<u16>,
    /// The client was let in at this uptime at the earliest, milliseconds.
    pub since_ms_min: Option<u64>,
    /// Messages that wait for it, at least.
    pub backlog_min: u64,
    /// Messages that were dropped because it was full, at least.
    pub dropped_min: u32,
}

impl Filter {
    /// Whether it is about clients and not about sessions alone.
    pub(crate) fn is_of_clients(&self) -> bool {
        self.address.is_some()
            || self.pace.is_some()
            || self.connected.is_some()
            || self.listener.is_some()
            || self.since_ms_min.is_some()
    }

    /// Whether a client is wanted, as far as it is about clients.
    pub(crate) fn has_client(&self, client: Option<&ClientFacts>) -> bool {
        let address = self.address.is_none_or(|range| {
            client.and_then(|client| client.address).is_some_and(|address| range.has(address))
        });
        let pace = self.pace.is_none_or(|pace| client.is_some_and(|client| client.pace == pace));
        let connected = self.connected.is_none_or(|connected| connected == client.is_some());
        let listener = self
            .listener
            .is_none_or(|listener| client.is_some_and(|client| client.listener == listener));
        let since = self
            .since_ms_min
            .is_none_or(|least| client.is_some_and(|client| client.since_ms >= least));
        address && pace && connected && listener && since
    }
}
