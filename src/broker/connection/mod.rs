//! The protocol state of connections.
//!
//! ```text
//!  Connecting ──CONNECT──► Open ──DISCONNECT, end, fault, takeover──► Closed
//!      └──────────────── fault, time-out, refusal ───────────────────▲
//! ```
//! `Closed` stays until the link is gone: what is in the output still goes out, and so does what is
//! promised.
//!
//! Invariant: `clients` connections are open.
//!
//! Verbs: [`Connections::enter`] and [`Connections::close`] change the phase, the others tell it.
//!
//! May use `names`.

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
    /// Properties that receivers get too.
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
    /// No CONNECT yet, or one that waits to be let in.
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
    /// When it was let in.
    pub(crate) since_ms: u64,
    /// What carries it.
    pub(crate) transport: TransportKind,
    /// A certificate says who it is.
    pub(crate) certified: bool,
    /// Traces that it may be of.
    pub(crate) traces: TraceSet,
    /// Milliseconds without a packet after which the client is gone; 0: never.
    pub(crate) silence_ms_max: u32,
    pub(crate) will: Option<Box<Will>>,
    /// Of a client of MQTT 5.
    pub(crate) v5: Option<Box<OpenV5>>,
}

/// What a connection with a client of MQTT 5 has beside.
#[derive(Debug)]
pub(crate) struct OpenV5 {
    pub(crate) terms: Terms,
    /// The client came without a client id.
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

    /// Whether it is at its end.
    pub(crate) fn is_closed(&self, conn: ConnId) -> bool {
        matches!(self.table.get(conn), Some(Phase::Closed))
    }

    /// Who is at its other end.
    pub(crate) fn client_address(&self, conn: ConnId) -> ClientAddress {
        match self.table.get(conn) {
            Some(Phase::Connecting(connecting)) => connecting.client_address(),
            Some(Phase::Open(open)) => open.client_address,
            Some(Phase::Closed) | None => ClientAddress::default(),
        }
    }

    /// A client was let in.
    pub(crate) fn enter(&mut self, conn: ConnId, open: Open) {
        if let Some(phase) = self.table.get_mut(conn) {
            assert!(matches!(phase, Phase::Connecting(_)), "a client comes in once");
            *phase = Phase::Open(open);
            self.clients += 1;
        }
    }

    /// Ends a connection; gives what it was, if it was not at its end before.
    pub(crate) fn close(&mut self, conn: ConnId) -> Option<Phase> {
        let phase = std::mem::replace(self.table.get_mut(conn)?, Phase::Closed);
        if matches!(phase, Phase::Closed) {
            return None;
        }
        self.clients -= usize::from(matches!(phase, Phase::Open(_)));
        Some(phase)
    }

    /// Takes the will of a client, which is to be published, if it has no delay.
    pub(crate) fn take_prompt_will(
        &mut self,
        conn: ConnId,
    ) -> Option<(VhostId, SessionKey, Box<Will>)> {
        match self.table.get_mut(conn)? {
            Phase::Open(open) => {
                let will = open.will.take_if(|will| will.delay_s == 0);
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

    /// Sets the traces that a client may be of.
    pub(crate) fn set_traces(&mut self, conn: ConnId, traces: TraceSet) {
        if let Some(Phase::Open(open)) = self.table.get_mut(conn) {
            open.traces = traces;
        }
    }

    /// Names of the connections in so many slots from one on; none: there are no more slots.
    pub(crate) fn ids_from(&self, slot: usize, slots: usize) -> Option<Vec<ConnId>> {
        self.table.ids_from(slot, slots)
    }

    /// Clients that are connected.
    pub(crate) fn clients(&self) -> usize {
        self.clients
    }

    /// Names of all connections there are.
    pub(crate) fn ids(&self) -> Vec<ConnId> {
        self.table.iter().map(|(conn, _)| conn).collect()
    }

    /// As [`ConnTable::reclaim`].
    pub(crate) fn reclaim(&mut self, slots_max: usize) -> bool {
        self.table.reclaim(slots_max)
    }
}
