//! The protocol state of connections.
//!
//! ```text
//!  Connecting ──CONNECT──► Open ──DISCONNECT, end, fault, takeover──► Closed
//!      └──────────────── fault, time-out, refusal ───────────────────▲
//! ```
//! `Closed` stays until the link is gone: its output and its promised replies are still sent.
//!
//! Invariant: `clients` connections are open.
//!
//! Verbs: [`Connections::enter`] and [`Connections::close`] change the phase, the others return it.
//!
//! It uses `names`.

mod authentication;
mod connecting;
mod terms;

use crate::mqtt::{QoS, Version, Will as ConnectWill};
use crate::store::{SessionKey, Will as StoredWill};

use super::names::{ClientAddress, ConnId, ConnTable, TraceSet, TransportKind, VhostId};

pub use connecting::{Answer, TlsInfo};

pub(crate) use authentication::{AuthStep, Authentication, Introduction};
pub(crate) use connecting::Connecting;
pub(crate) use terms::{Terms, capped_s};

/// A will, kept from CONNECT (3.1.2.5).
#[derive(Debug)]
pub(crate) struct Will {
    pub(crate) topic: Box<str>,
    pub(crate) payload: Box<[u8]>,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    /// Properties that receivers get as well.
    pub(crate) properties: Box<[u8]>,
    /// Seconds between the end of the connection and the will (MQTT 5, 3.1.3.2.2).
    pub(crate) delay_s: u32,
}

impl Will {
    pub(crate) fn of(will: &ConnectWill<'_>) -> Self {
        Self {
            topic: will.topic.as_str().into(),
            payload: will.payload.into(),
            qos: will.qos,
            retain: will.retain,
            properties: will.properties.forwarded(&mut Vec::new()).into(),
            delay_s: will.properties.delay_s(),
        }
    }

    /// One that was kept with a session.
    pub(crate) fn kept(will: &StoredWill<'_>) -> Self {
        Self {
            topic: will.topic.into(),
            payload: will.payload.into(),
            qos: QoS::try_from(will.qos).expect("it was checked at CONNECT"),
            retain: will.retain,
            properties: will.properties.into(),
            delay_s: will.delay_s,
        }
    }

    /// As it is kept with a session.
    pub(crate) fn stored(&self) -> StoredWill<'_> {
        StoredWill {
            topic: &self.topic,
            payload: &self.payload,
            properties: &self.properties,
            qos: self.qos as u8,
            retain: self.retain,
            delay_s: self.delay_s,
        }
    }
}

/// See the room.
#[derive(Debug)]
pub(crate) enum Phase {
    /// Without a CONNECT, or with one that waits.
    Connecting(Box<Connecting>),
    Open(Open),
    Closed,
}

/// A connection with a client.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) version: Version,
    pub(crate) vhost: VhostId,
    pub(crate) session: SessionKey,
    pub(crate) client_address: ClientAddress,
    /// The time at which it was accepted.
    pub(crate) since_ms: u64,
    /// Its transport.
    pub(crate) transport: TransportKind,
    /// Whether a certificate identifies its client.
    pub(crate) certified: bool,
    /// The traces that may select it.
    pub(crate) traces: TraceSet,
    /// Milliseconds without a packet after which the client counts as gone; 0: never.
    pub(crate) silence_ms_max: u32,
    pub(crate) will: Option<Box<Will>>,
    /// The additional state of an MQTT 5 client.
    pub(crate) v5: Option<Box<OpenV5>>,
}

/// The additional state of a connection with an MQTT 5 client.
#[derive(Debug)]
pub(crate) struct OpenV5 {
    pub(crate) terms: Terms,
    /// Whether the client sent no client id.
    pub(crate) is_id_assigned: bool,
    /// It came with an authentication method.
    pub(crate) authentication: Option<Box<Authentication>>,
}

/// All connections. See the room.
#[derive(Default, Debug)]
pub(crate) struct Connections {
    table: ConnTable<Phase>,
    clients: usize,
}

impl Connections {
    pub(crate) fn open(&mut self, conn: ConnId, client_address: ClientAddress) {
        self.table.open(conn, Phase::Connecting(Box::new(Connecting::new(client_address))));
    }

    pub(crate) fn remove(&mut self, conn: ConnId) {
        self.table.remove(conn);
    }

    #[inline]
    pub(crate) fn phase(&self, conn: ConnId) -> Option<&Phase> {
        self.table.get(conn)
    }

    /// The connection, if it has a client.
    #[inline]
    pub(crate) fn client(&self, conn: ConnId) -> Option<&Open> {
        match self.table.get(conn)? {
            Phase::Open(open) => Some(open),
            Phase::Connecting(_) | Phase::Closed => None,
        }
    }

    /// As [`Connections::client`].
    pub(crate) fn client_mut(&mut self, conn: ConnId) -> Option<&mut Open> {
        match self.table.get_mut(conn)? {
            Phase::Open(open) => Some(open),
            Phase::Connecting(_) | Phase::Closed => None,
        }
    }

    /// The session of its client.
    #[inline]
    pub(crate) fn session(&self, conn: ConnId) -> Option<SessionKey> {
        self.client(conn).map(|open| open.session)
    }

    /// The connection, if it has no client yet.
    pub(crate) fn connecting(&self, conn: ConnId) -> Option<&Connecting> {
        match self.table.get(conn)? {
            Phase::Connecting(connecting) => Some(connecting),
            Phase::Open(_) | Phase::Closed => None,
        }
    }

    /// As [`Connections::connecting`].
    pub(crate) fn connecting_mut(&mut self, conn: ConnId) -> Option<&mut Connecting> {
        match self.table.get_mut(conn)? {
            Phase::Connecting(connecting) => Some(connecting),
            Phase::Open(_) | Phase::Closed => None,
        }
    }

    /// Whether it is closed.
    pub(crate) fn is_closed(&self, conn: ConnId) -> bool {
        matches!(self.table.get(conn), Some(Phase::Closed))
    }

    /// Its peer.
    pub(crate) fn client_address(&self, conn: ConnId) -> ClientAddress {
        match self.table.get(conn) {
            Some(Phase::Connecting(connecting)) => connecting.client_address(),
            Some(Phase::Open(open)) => open.client_address,
            Some(Phase::Closed) | None => ClientAddress::default(),
        }
    }

    /// Notes an accepted client.
    pub(crate) fn enter(&mut self, conn: ConnId, open: Open) {
        if let Some(phase) = self.table.get_mut(conn) {
            assert!(matches!(phase, Phase::Connecting(_)), "a client comes in once");
            *phase = Phase::Open(open);
            self.clients += 1;
        }
    }

    /// Closes a connection; returns its former state, unless it was closed before.
    pub(crate) fn close(&mut self, conn: ConnId) -> Option<Phase> {
        let phase = std::mem::replace(self.table.get_mut(conn)?, Phase::Closed);
        if matches!(phase, Phase::Closed) {
            return None;
        }
        self.clients -= usize::from(matches!(phase, Phase::Open(_)));
        Some(phase)
    }

    /// Takes the will of a client for publication, if it has no delay or `ends` says that the
    /// session ends with the connection.
    pub(crate) fn take_prompt_will(
        &mut self,
        conn: ConnId,
        ends: impl Fn(SessionKey) -> bool,
    ) -> Option<(VhostId, SessionKey, Box<Will>)> {
        match self.table.get_mut(conn)? {
            Phase::Open(open) => {
                let ends = ends(open.session);
                let will = open.will.take_if(|will| will.delay_s == 0 || ends);
                will.map(|will| (open.vhost, open.session, will))
            }
            Phase::Connecting(_) | Phase::Closed => None,
        }
    }

    /// Drops the will of a client.
    pub(crate) fn discard_will(&mut self, conn: ConnId) {
        if let Some(Phase::Open(open)) = self.table.get_mut(conn) {
            open.will = None;
        }
    }

    /// Sets the traces that may select a client.
    pub(crate) fn set_traces(&mut self, conn: ConnId, traces: TraceSet) {
        if let Some(Phase::Open(open)) = self.table.get_mut(conn) {
            open.traces = traces;
        }
    }

    /// Names of the connections in `count` slots from `from` on; `None`: there are no more slots.
    pub(crate) fn ids_from(&self, slot: usize, slots: usize) -> Option<Vec<ConnId>> {
        self.table.ids_from(slot, slots)
    }

    /// Number of connected clients.
    pub(crate) fn clients(&self) -> usize {
        self.clients
    }

    /// The names of all connections.
    pub(crate) fn ids(&self) -> Vec<ConnId> {
        self.table.iter().map(|(conn, _)| conn).collect()
    }

    /// As [`ConnTable::reclaim`].
    pub(crate) fn reclaim(&mut self, slots_max: usize) -> bool {
        self.table.reclaim(slots_max)
    }
}
