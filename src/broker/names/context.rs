//! What the reactor brings along with each call, and what it is told to do.

use super::{ConnId, Peers};

/// What every call brings along.
pub struct Context<'a> {
    /// Milliseconds since some fixed point; never goes back.
    pub now_ms: u64,
    /// The other shards.
    pub peers: &'a mut dyn Peers,
}

/// What the reactor must do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// Hand over the connection's packets again.
    Resume(ConnId),
    /// Send what the connection still has to say, then close its link. If replies are owed to it
    /// (see [`super::super::Shard::is_owed`]), wait for them first: the event comes again then.
    Close(ConnId),
}

/// Whether the caller goes on handing a connection's packets over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flow {
    /// The next packet may follow.
    Continue,
    /// Keep the rest until [`Event::Resume`] (what it feeds is full).
    Pause,
    /// Keep this packet as well until [`Event::Resume`]: it was not handled.
    Wait,
    /// The connection is at its end; the rest is void.
    Stop,
}
