//! The arguments of the reactor's calls, and the events that tell it what to do.

use super::{ConnId, Peers};

/// The arguments of every call.
pub struct Context<'a> {
    /// Milliseconds since a fixed point; it never goes back.
    pub now_ms: u64,
    /// The other shards.
    pub peers: &'a mut dyn Peers,
}

/// A task for the reactor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// Hand over the connection's packets again.
    Resume(ConnId),
    /// Send the connection's remaining output, then close its link. If replies are owed to it (see
    /// [`super::super::Shard::is_owed`]), wait for them first: the event comes again then.
    Close(ConnId),
}

/// Whether the caller goes on handing a connection's packets over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flow {
    /// The next packet may follow.
    Continue,
    /// Keep the rest until [`Event::Resume`]: a receiver is full.
    Pause,
    /// Keep this packet as well until [`Event::Resume`]: it was not handled.
    Wait,
    /// The connection has ended; the rest is dropped.
    Stop,
}
