//! The protocol state of one connection.
//!
//! ```text
//!  Greeting ──CONNECT──► Open ──DISCONNECT, end, fault, takeover──► Closed
//!      └──────────────── fault, time-out, refusal ───────────────────▲
//! ```
//! `Closed` stays until the link is gone: what is in the output still goes out, and so does what is
//! promised.

use crate::mqtt::{QoS, Version};
use crate::slots::{make_room, shorten};
use crate::store::SessionKey;

use super::ConnId;
use super::admission::{Caller, Greeting};
use super::congestion::Pace;
use super::meter::Meter;
use super::output::Output;
use super::promises::Reply;
use super::replay::Replays;
use super::routes::Ticket;
use super::vhost::VhostId;

/// A will, kept from CONNECT (3.1.2.5).
#[derive(Debug)]
pub(super) struct Will {
    pub(super) topic: Box<str>,
    pub(super) payload: Box<[u8]>,
    pub(super) qos: QoS,
    pub(super) retain: bool,
}

#[derive(Debug)]
pub(super) enum Phase {
    /// No CONNECT yet, or one that waits to be let in.
    Greeting(Box<Greeting>),
    Open(Open),
    Closed,
}

#[derive(Debug)]
pub(super) struct Open {
    pub(super) version: Version,
    pub(super) vhost: VhostId,
    pub(super) session: SessionKey,
    pub(super) caller: Caller,
    /// When it was let in.
    pub(super) since_ms: u64,
    /// A certificate says who it is.
    pub(super) certified: bool,
    /// Milliseconds without a packet after which the client is gone; 0: never.
    pub(super) silence_ms_max: u32,
    pub(super) will: Option<Box<Will>>,
}

/// The topic a connection published to last, and its route then.
#[derive(Debug)]
pub(super) struct LastTopic {
    pub(super) topic: String,
    pub(super) route: Ticket,
    /// The client may not publish to it.
    pub(super) denied: bool,
}

#[derive(Debug)]
pub(super) struct Connection {
    generation: u32,
    pub(super) phase: Phase,
    pub(super) output: Output,
    /// When it was opened, or the last whole packet came.
    pub(super) last_packet_ms: u64,
    pub(super) last_topic: LastTopic,
    /// Full outputs that its publishes wait for.
    pub(super) holds: u32,
    /// Full sessions that its publishes wait for.
    pub(super) blocks: u32,
    /// Acknowledgements that are due but for those.
    pub(super) withheld: Vec<Reply>,
    /// How fast it publishes, where that has a limit.
    pub(super) meter: Option<Box<Meter>>,
    /// Of the promised replies, the first so many are not withheld: they were promised before.
    pub(super) granted: u32,
    /// Its CONNACK does not wait for the disk (any more).
    pub(super) greeted: bool,
    /// Its next publish waits for the disk.
    pub(super) needs_disk: bool,
    /// What the log must know before what waits in its session is sent: that its client is back,
    /// and what it answered ahead of that.
    pub(super) resumes: u32,
    /// Messages of its session below this number are committed. A QoS 2 message goes out only then:
    /// one that a crash undoes comes again, under an identifier that would not tell so, and another
    /// would come under its own.
    pub(super) once_end: u64,
    /// It is among those of which that number is to be raised.
    pub(super) steadies: bool,
    /// Replies that wait for other shards or the disk; what follows must queue behind them
    /// [MQTT-4.6.0-2].
    pub(super) promised: u32,
    /// Its own output is so full, of answers too, that it is not read from.
    pub(super) choked: bool,
    /// How its own output gets along.
    pub(super) pace: Pace,
    /// Messages at QoS 0 that were dropped for it, from the first that was told on, until they are
    /// told; 0: none.
    pub(super) qos0_dropped: u32,
    /// Whether it is on the list of connections with output.
    pub(super) dirty: bool,
    pub(super) replays: Option<Box<Replays>>,
}

impl Connection {
    /// Whether it is not read from for the sake of others, of the disk or of its limits; or of
    /// sessions that are full, unless `answers`: its client has something to acknowledge.
    #[inline]
    pub(super) fn is_held(&self, answers: impl Fn() -> bool) -> bool {
        let for_others = self.holds > 0 || self.needs_disk || !self.greeted;
        let for_limits = self.throttled_until_ms().is_some();
        for_others || for_limits || self.blocks > 0 && !answers()
    }

    /// When it is read from again, if it published too fast.
    #[inline]
    pub(super) fn throttled_until_ms(&self) -> Option<u64> {
        self.meter.as_ref().and_then(|meter| meter.paused_until_ms)
    }

    /// Whether replies are still to come; that more of its session may be sent is none.
    pub(super) fn is_owed(&self) -> bool {
        self.promised > self.resumes || !self.withheld.is_empty()
    }

    /// Takes the next promised reply off the account; whether it is to be withheld.
    pub(super) fn withholds(&mut self, reply: &Reply) -> bool {
        self.promised -= 1;
        let was_granted = self.granted > 0;
        self.granted -= u32::from(was_granted);
        self.blocks > 0 && !was_granted && reply.acknowledges()
    }
}

/// Connections by slot.
#[derive(Default, Debug)]
pub(super) struct Connections {
    slots: Vec<Option<Connection>>,
}

impl Connections {
    /// # Panics
    /// If the slot is taken: the reactor frees a link before it gives its slot away.
    pub(super) fn open(&mut self, conn: ConnId, caller: Caller, now_ms: u64) {
        let slot = conn.slot as usize;
        while slot >= self.slots.len() {
            make_room(&mut self.slots);
            self.slots.push(None);
        }
        assert!(self.slots[slot].is_none(), "slot {slot} is free");
        self.slots[slot] = Some(Connection {
            generation: conn.generation,
            phase: Phase::Greeting(Box::new(Greeting::new(caller))),
            output: Output::default(),
            last_packet_ms: now_ms,
            last_topic: LastTopic { topic: String::new(), route: Ticket::VOID, denied: false },
            holds: 0,
            blocks: 0,
            withheld: Vec::new(),
            meter: None,
            granted: 0,
            greeted: true,
            needs_disk: false,
            resumes: 0,
            once_end: u64::MAX,
            steadies: false,
            promised: 0,
            choked: false,
            pace: Pace::Free,
            qos0_dropped: 0,
            dirty: false,
            replays: None,
        });
    }

    pub(super) fn remove(&mut self, conn: ConnId) -> Option<Connection> {
        self.get(conn)?;
        self.slots[conn.slot as usize].take()
    }

    /// The connection, if it is still the one that is meant.
    pub(super) fn get(&self, conn: ConnId) -> Option<&Connection> {
        let connection = self.slots.get(conn.slot as usize)?.as_ref()?;
        (connection.generation == conn.generation).then_some(connection)
    }

    /// As [`Connections::get`].
    #[inline]
    pub(super) fn get_mut(&mut self, conn: ConnId) -> Option<&mut Connection> {
        let connection = self.slots.get_mut(conn.slot as usize)?.as_mut()?;
        (connection.generation == conn.generation).then_some(connection)
    }

    /// Gives memory back that connections which are gone have had, of `slots_max` at most; whether
    /// there is more.
    pub(super) fn reclaim(&mut self, slots_max: usize) -> bool {
        shorten(&mut self.slots, slots_max, Option::is_none)
    }

    /// Names of all connections there are.
    pub(super) fn ids(&self) -> Vec<ConnId> {
        let named = self.slots.iter().zip(0..).filter_map(|(connection, slot)| {
            connection.as_ref().map(|c| ConnId { slot, generation: c.generation })
        });
        named.collect()
    }
}
