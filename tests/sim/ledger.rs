//! The published messages, and their outcome as far as clients can know: the oracle's only clock.
//!
//! A *tick* counts the events of all clients in the order in which they happen in the one thread,
//! so "before" is `<`. Invariant: a message's number grows with its tick, and `sent <= acked`.

use ringmq::mqtt::{
    Carrier, Properties, Property, PropertyId, QoS, TopicFilter, TopicName, Value, Will,
    WillProperties,
};

use crate::random::Random;
use crate::session::Session;
use crate::terms::Terms;

/// Bytes at the start of a payload that hold the message's number.
const NUMBER_BYTES: usize = 4;

/// Index of a message in the ledger.
pub(crate) type MessageId = usize;

/// Index of a session in the ledger.
pub(crate) type SessionId = usize;

/// An application message.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) topic: &'static str,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    /// Bytes of the payload; an empty one has no room for its number.
    pub(crate) bytes: usize,
    pub(crate) publisher: usize,
    /// The earliest time of its publication; for a will that of its CONNECT.
    pub(crate) sent: u64,
    /// When it is sure to be published or in flight; of a will, when its connection ended.
    pub(crate) sure_from: Option<u64>,
    /// When its publisher had the broker's promise.
    pub(crate) acked: Option<u64>,
    /// The same as times in milliseconds: see `lifetime`.
    pub(crate) sent_ms: u64,
    pub(crate) acked_ms: Option<u64>,
    /// Its properties; and whether it was sent with them, and without, as in MQTT 3.1.1.
    pub(crate) terms: Terms,
    pub(crate) is_rich: bool,
    pub(crate) is_bare: bool,
    /// For a will the earliest time of its publication; `None` while its connection exists.
    pub(crate) not_before_ms: Option<u64>,
    /// The delay of a will.
    pub(crate) delay_ms: u64,
    /// Whether the broker has certainly handled it.
    pub(crate) handled: bool,
    /// How often it was sent: a QoS 1 message may be delivered as often.
    pub(crate) sends: u32,
    /// A will that must not be published, after a DISCONNECT.
    pub(crate) void: bool,
    pub(crate) will: bool,
    /// It was on its way when the broker died: it may be delivered once for each time it is sent.
    pub(crate) undone: bool,
    /// A will that was due before the broker died: it may be lost.
    pub(crate) excused: bool,
    /// A will that was stored with its session in the log.
    pub(crate) is_logged: bool,
    /// Its publisher, of MQTT 5, was told that nobody has it; that somebody has it.
    pub(crate) refused: bool,
    pub(crate) taken: bool,
}

/// The broker died.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Crash {
    pub(crate) tick: u64,
    /// Connections with a lower number ended then or before.
    pub(crate) conns: usize,
    /// The scheduler's time.
    pub(crate) now_ms: u64,
}

/// A message to be published.
#[derive(Clone, Copy)]
pub(crate) struct Draft {
    pub(crate) topic: &'static str,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    pub(crate) bytes: usize,
    pub(crate) will: bool,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Ledger {
    tick: u64,
    pub(crate) now_ms: u64,
    /// How long the broker was down.
    pub(crate) down_ms: u64,
    pub(crate) messages: Vec<Message>,
    pub(crate) sessions: Vec<Session>,
    pub(crate) crashes: Vec<Crash>,
    /// The last time that the power went.
    pub(crate) powerless: Option<u64>,
    /// Sessions can be full.
    pub(crate) overflows: bool,
    /// Whether events are printed.
    tells: bool,
}

impl Ledger {
    pub(crate) fn new(overflows: bool, tells: bool) -> Self {
        Self { overflows, tells, ..Self::default() }
    }

    /// The next moment.
    pub(crate) fn tick(&mut self) -> u64 {
        self.tick += 1;
        self.tick
    }

    /// Prints an event, if the run's story was requested.
    pub(crate) fn tell(&self, story: impl FnOnce() -> String) {
        if self.tells {
            println!("{:>7} ms {:>5} {}", self.now_ms, self.tick, story());
        }
    }

    /// Adds a message; a will is not published yet.
    pub(crate) fn add(&mut self, publisher: usize, draft: Draft) -> MessageId {
        let Draft { topic, qos, retain, bytes, will } = draft;
        let sent = self.tick();
        self.messages.push(Message {
            topic,
            qos,
            retain,
            bytes,
            publisher,
            sent,
            sure_from: (!will).then_some(sent),
            acked: None,
            sent_ms: self.age_ms(),
            acked_ms: None,
            terms: Terms::default(),
            is_rich: false,
            is_bare: false,
            not_before_ms: None,
            delay_ms: 0,
            handled: false,
            sends: 1,
            void: false,
            will,
            undone: false,
            excused: false,
            is_logged: false,
            refused: false,
            taken: false,
        });
        self.messages.len() - 1
    }

    /// Notes the broker's promise for a message.
    pub(crate) fn acknowledge(&mut self, id: MessageId) {
        let (tick, age_ms) = (self.tick(), self.age_ms());
        let message = &mut self.messages[id];
        message.acked.get_or_insert(tick);
        message.acked_ms.get_or_insert(age_ms);
        message.handled = true;
    }

    /// Notes a crash after `conns` connections in all; `power`: a power cut.
    pub(crate) fn on_crash(&mut self, conns: usize, power: bool) {
        let tick = self.tick();
        self.powerless = if power { Some(tick) } else { self.powerless };
        self.crashes.push(Crash { tick, conns, now_ms: self.now_ms });
        self.sessions.iter_mut().for_each(|session| session.has_left = true);
        for message in &mut self.messages {
            // The log may not have got that a will was published.
            message.sends += u32::from(message.will);
            message.excused |= message.will && message.sure_from.is_some();
            // Nor that DISCONNECT has dropped it.
            message.void &= !message.is_logged;
            message.undone |= !message.will && message.acked.is_none();
        }
    }

    /// Checks a received will: it may have been published.
    pub(crate) fn judge_will(&self, id: MessageId) {
        let message = &self.messages[id];
        if !message.will {
            return;
        }
        assert!(!message.void, "a will that is not to be published: {id}");
        let not_before_ms = message.not_before_ms;
        let not_before_ms = not_before_ms.unwrap_or_else(|| panic!("its client is there: {id}"));
        let is_early = self.is_timed(message) && not_before_ms > self.age_ms();
        assert!(!is_early, "{id} came {} ms, not {not_before_ms} ms: {message:?}", self.age_ms());
    }

    /// Whether the broker that a connection was with has died.
    pub(crate) fn is_past(&self, conn: usize) -> bool {
        self.crashes.last().is_some_and(|crash| conn < crash.conns)
    }

    /// The payload of a message.
    pub(crate) fn payload(&self, id: MessageId) -> Vec<u8> {
        let number = u32::try_from(id).expect("few messages").to_le_bytes();
        let bytes = self.messages[id].bytes;
        (0..bytes).map(|at| if at < NUMBER_BYTES { number[at] } else { filler(id, at) }).collect()
    }

    /// A will as a CONNECT has it.
    pub(crate) fn will<'a>(
        &mut self,
        id: MessageId,
        is_v5: bool,
        payload: &'a [u8],
        scratch: &'a mut Vec<u8>,
        random: &mut Random,
    ) -> Will<'a> {
        let message = &mut self.messages[id];
        (message.is_rich, message.is_bare) = (is_v5, !is_v5);
        let delay_s = u32::try_from(message.delay_ms / 1000).expect("short");
        let delay = Property { id: PropertyId::WillDelay, value: Value::FourByteInteger(delay_s) };
        let delay = (delay_s > 0 || random.one_in(4)).then_some(delay);
        let list = is_v5.then(|| message.terms.listed(delay, random));
        let properties = Properties::lay_out(Carrier::Will, list.into_iter().flatten(), scratch);
        Will {
            topic: TopicName::parse(message.topic).expect("topics here are valid"),
            payload,
            qos: message.qos,
            retain: message.retain,
            properties: WillProperties::new(properties).expect("they are laid out so"),
        }
    }

    /// The message a payload belongs to; none if it is empty.
    pub(crate) fn identify(&self, topic: &str, payload: &[u8]) -> Option<MessageId> {
        let number = payload.first_chunk::<NUMBER_BYTES>()?;
        let id = u32::from_le_bytes(*number) as usize;
        assert!(id < self.messages.len(), "a payload that nobody sent: {payload:?}");
        assert_eq!(self.payload(id), payload, "message {id} has changed");
        assert_eq!(self.messages[id].topic, topic, "message {id} has changed its topic");
        Some(id)
    }

    /// Whether a message can have been its topic's retained one at `tick` or later, as far as is
    /// known now: no other was sent after it was acknowledged, and acknowledged by then.
    pub(crate) fn may_be_retained(&self, id: MessageId, tick: u64) -> bool {
        let message = &self.messages[id];
        let acked = message.acked.unwrap_or(u64::MAX);
        message.retain && !message.void && !self.was_replaced(message.topic, acked, tick)
    }

    /// Whether a topic can have had no retained message at `tick` or later.
    pub(crate) fn may_be_bare(&self, topic: &str, tick: u64) -> bool {
        let cleared = |id: MessageId| {
            let message = &self.messages[id];
            message.topic == topic && message.bytes == 0 && self.may_be_retained(id, tick)
        };
        !self.was_replaced(topic, 0, tick) || (0..self.messages.len()).any(cleared)
    }

    /// Messages that can be a topic's retained one from now on.
    pub(crate) fn candidates(&self, topic: &str) -> Vec<MessageId> {
        let is_one = |id: &MessageId| {
            let message = &self.messages[*id];
            message.topic == topic && message.bytes > 0 && self.may_be_retained(*id, u64::MAX)
        };
        (0..self.messages.len()).filter(is_one).collect()
    }

    fn was_replaced(&self, topic: &str, after: u64, by: u64) -> bool {
        let replaces = |message: &Message| {
            message.topic == topic
                && message.retain
                && message.sent > after
                && message.acked.is_some_and(|acked| acked <= by)
        };
        self.messages.iter().any(replaces)
    }
}

/// Topics that several clients publish to.
pub(crate) const TOPICS: &[&str] = &["a/b", "a", "a/c", "b/x", "b/y/z", "/", "$s/a"];

/// Topics that one client each publishes to.
pub(crate) const OWN: &[&str] = &["o/0", "o/1", "o/2", "o/3", "o/4", "o/5", "o/6", "o/7"];

/// The first few meet in all topics.
const FILTERS: &[&str] = &[
    "a/b", "#", "o/+", "+/b", "a", "a/#", "a/+", "+", "b/+/z", "o/#", "o/1", "+/+", "b/#", "$s/#",
    "/", "b/x", "o/0", "+/x",
];

/// One of the first `count` filters.
pub(crate) fn pick_filter(random: &mut Random, count: usize) -> &'static str {
    FILTERS[random.below(count.min(FILTERS.len()))]
}

/// Whether a topic matches a filter.
pub(crate) fn matches(filter: &str, topic: &str) -> bool {
    let filter = TopicFilter::parse(filter).expect("filters here are valid");
    filter.matches(TopicName::parse(topic).expect("topics here are valid"))
}

fn filler(id: MessageId, at: usize) -> u8 {
    (id * 31 + at).to_le_bytes()[0]
}
