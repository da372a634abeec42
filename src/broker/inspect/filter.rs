//! The conditions on wanted sessions and clients. Each is an exact comparison: a search for a part
//! of a name, or for a pattern, would read every byte of every name.

use super::super::names::AddressRange;
use super::client::{ClientFacts, Pace};

/// See the file. A condition that is none, or 0, does not apply.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Filter {
    /// The number of a vhost.
    pub vhost: Option<u16>,
    /// The user that owns the session; empty: none.
    pub user: Option<Box<str>>,
    /// The prefix of the client id.
    pub id_prefix: Box<str>,
    /// The addresses of the client.
    pub address: Option<AddressRange>,
    /// The rate at which the client receives its messages.
    pub pace: Option<Pace>,
    /// Whether its client is connected.
    pub connected: Option<bool>,
    /// The number of the listener that accepted the client.
    pub listener: Option<u16>,
    /// The least uptime at which the client was accepted, in milliseconds.
    pub since_ms_min: Option<u64>,
    /// The least number of messages that wait for it.
    pub backlog_min: u64,
    /// The least number of messages dropped because it was full.
    pub dropped_min: u32,
}

impl Filter {
    /// Whether a condition concerns clients.
    pub(crate) fn is_of_clients(&self) -> bool {
        self.address.is_some()
            || self.pace.is_some()
            || self.connected.is_some()
            || self.listener.is_some()
            || self.since_ms_min.is_some()
    }

    /// Whether a client meets the conditions that concern clients.
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
