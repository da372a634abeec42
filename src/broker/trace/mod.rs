//! Traces: what an operator wants to see happen to some clients or topics, while it happens.
//!
//! ```text
//!  begin ──► on: bits in connections, outputs, gates and routes ──► events ──► a box
//!   end, or its time is over ──► off: the bits go
//! ```
//! Whoever handles a message or a packet looks at a bit that it has at hand: of the connection, of
//! the route, of the route's target. Only if one is set it comes here.
//!
//! Invariant: what waits to be fetched is bounded, for each trace by itself:
//! [`TRACE_BYTES_MAX`] bytes, and [`TRACE_EVENTS_MAX`] events a second. What is beyond is counted
//! (`skipped`), and nothing waits for it. Passwords are not kept.
//!
//! Verbs: [`Traces::begin`] and [`Traces::end`]; [`Traces::of_client`], [`Traces::of_topic`] and
//! [`Traces::of_message`] tell which bits to set; [`Traces::record`] takes an event,
//! [`Traces::take`] gives what has gathered. [`Tap`] gathers packets where they are written.
//!
//! May use `names`.

mod event;
mod spec;
mod tap;

use std::collections::BTreeMap;

use crate::limits::{
    TRACE_BYTES_MAX, TRACE_CONNECTING_MAX, TRACE_EVENTS_MAX, TRACE_TARGETS_MAX, TRACES_MAX,
};
use crate::mqtt::{Packet, Publish, QoS, TopicName, Version};
use crate::store::SessionKey;

use super::names::{ClientAddress, ConnId, TraceSet};

pub use event::{Decision, Direction, Happening, Outcome, TraceEvent, TracedPacket};
pub use spec::{TraceKind, TraceKinds, TraceSpec, TracedId};

pub(crate) use spec::Candidate;
pub(crate) use tap::Tap;

/// What has gathered of all traces.
#[derive(Default, Debug)]
pub struct TraceBatch {
    /// In the order in which they happened.
    pub events: Vec<TraceEvent>,
    /// By trace: events that were left out.
    pub skipped: [u64; TRACES_MAX],
    /// By number: the traces that they are of; 0: none.
    pub ids: [u64; TRACES_MAX],
    /// A trace is on here; else nothing follows.
    pub is_on: bool,
    /// When it was given, as events have their time.
    pub now_us: u64,
}

#[derive(Debug)]
struct Trace {
    id: u64,
    spec: TraceSpec,
    until_ms: u64,
    /// The second that `events` were counted in.
    second: u64,
    events: u32,
    /// Bytes that wait to be fetched.
    bytes: usize,
    skipped: u64,
}

/// A client that events are about.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    pub(crate) traces: TraceSet,
    pub(crate) vhost: u16,
    pub(crate) client: Box<str>,
    pub(crate) address: ClientAddress,
    pub(crate) version: Version,
}

/// A session that was handed a message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TracedTarget {
    pub(crate) traces: TraceSet,
    pub(crate) session: SessionKey,
    pub(crate) qos: QoS,
    /// The session has it.
    pub(crate) is_kept: bool,
}

/// See the module.
#[derive(Default, Debug)]
pub(crate) struct Traces {
    list: [Option<Box<Trace>>; TRACES_MAX],
    on: TraceSet,
    /// Those of `on` that are of clients.
    of_clients: TraceSet,
    events: Vec<TraceEvent>,
    /// Traced clients that are not let in yet.
    connecting: BTreeMap<ConnId, Subject>,
    /// Sessions that the message at hand was handed to, and how many more there were.
    targets: Vec<TracedTarget>,
    targets_more: usize,
}

impl Traces {
    /// Begins a trace, until it ends or its time is over. One with this number ends before.
    pub(crate) fn begin(&mut self, number: usize, id: u64, spec: TraceSpec, until_ms: u64) {
        self.end(number);
        let (second, events, bytes, skipped) = (0, 0, 0, 0);
        let trace = Trace { id, spec, until_ms, second, events, bytes, skipped };
        self.list[number] = Some(Box::new(trace));
        self.note_changed();
    }

    /// Ends a trace. What has gathered of it goes, so that it is taken for no other's.
    pub(crate) fn end(&mut self, number: usize) {
        self.list[number] = None;
        self.note_changed();
    }

    /// Ends those whose time is over; whether any was.
    pub(crate) fn expire(&mut self, now_ms: u64) -> bool {
        let mut any = false;
        for trace in &mut self.list {
            any |= trace.take_if(|trace| trace.until_ms <= now_ms).is_some();
        }
        if any {
            self.note_changed();
        }
        any
    }

    /// When [`Traces::expire`] is due.
    #[inline]
    pub(crate) fn due_ms(&self) -> Option<u64> {
        if !self.is_on() {
            return None;
        }
        self.list.iter().flatten().map(|trace| trace.until_ms).min()
    }

    fn note_changed(&mut self) {
        let (on, of_clients) = (self.select(|_| true), self.select(TraceSpec::is_of_clients));
        (self.on, self.of_clients) = (on, of_clients);
        self.events.retain_mut(|event| {
            event.traces = event.traces.and(on);
            event.traces.is_any()
        });
        if !self.on.is_any() {
            self.connecting = BTreeMap::new();
            self.targets = Vec::new();
        }
    }

    fn select(&self, is_wanted: impl Fn(&TraceSpec) -> bool) -> TraceSet {
        let numbered = self.list.iter().enumerate();
        numbered.fold(TraceSet::NONE, |set, (number, trace)| match trace {
            Some(trace) if is_wanted(&trace.spec) => set.or(TraceSet::of(number)),
            _ => set,
        })
    }

    /// Whether any trace is on.
    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.on.is_any()
    }

    /// Bytes of a payload that one of them wants.
    pub(crate) fn payload_max(&self) -> usize {
        self.list.iter().flatten().map(|trace| trace.spec.payload_bytes).max().unwrap_or(0)
    }

    /// The traces of a client.
    pub(crate) fn of_client(&self, client: &Candidate<'_>) -> TraceSet {
        if !self.of_clients.is_any() {
            return TraceSet::NONE;
        }
        self.select(|spec| spec.is_of_clients() && spec.has_client(client))
    }

    /// The traces of a topic, whoever publishes to it.
    pub(crate) fn of_topic(&self, vhost: u16, topic: TopicName<'_>) -> TraceSet {
        if self.on == self.of_clients {
            return TraceSet::NONE;
        }
        self.select(|spec| !spec.is_of_clients() && spec.has_vhost(vhost) && spec.has_topic(topic))
    }

    /// Those of some traces that want messages of a topic.
    pub(crate) fn of_message(&self, traces: TraceSet, topic: TopicName<'_>) -> TraceSet {
        traces.and(self.select(|spec| spec.has_topic(topic)))
    }

    /// Those of some traces that want what is about no message.
    pub(crate) fn of_others(&self, traces: TraceSet) -> TraceSet {
        traces.and(self.select(|spec| spec.topic.is_none()))
    }

    /// Notes a traced client that sends CONNECT; whether it is new.
    pub(crate) fn note_connecting(&mut self, conn: ConnId, subject: Subject) -> bool {
        if self.connecting.contains_key(&conn) {
            return false;
        }
        if self.connecting.len() >= TRACE_CONNECTING_MAX {
            self.skip(subject.traces, 1);
            return false;
        }
        self.connecting.insert(conn, subject);
        true
    }

    /// A traced client that is not let in yet.
    pub(crate) fn connecting(&self, conn: ConnId) -> Option<&Subject> {
        self.connecting.get(&conn)
    }

    /// It was let in, or is gone.
    pub(crate) fn end_connecting(&mut self, conn: ConnId) {
        self.connecting.remove(&conn);
    }

    /// Notes that the message at hand was handed to a session.
    #[cold]
    pub(crate) fn note_target(&mut self, target: TracedTarget) {
        if self.targets.len() < TRACE_TARGETS_MAX {
            self.targets.push(target);
        } else {
            self.targets_more += 1;
        }
    }

    /// Those that were noted, and how many there were beyond.
    pub(crate) fn take_targets(&mut self) -> (Vec<TracedTarget>, usize) {
        (std::mem::take(&mut self.targets), std::mem::take(&mut self.targets_more))
    }

    /// Whether there are any.
    #[inline]
    pub(crate) fn has_targets(&self) -> bool {
        !self.targets.is_empty()
    }

    /// A packet that a client has sent.
    pub(crate) fn received(&self, version: Version, packet: &Packet<'_>) -> TracedPacket {
        TracedPacket::of(Direction::Received, version, packet, self.payload_max())
    }

    /// A PUBLISH of a client, or of the broker itself.
    pub(crate) fn published(
        &self,
        direction: Direction,
        version: Version,
        publish: &Publish<'_>,
    ) -> TracedPacket {
        TracedPacket::of_publish(direction, version, publish, self.payload_max())
    }

    /// Takes an event for those traces of `event.traces` that want its kind and have room.
    pub(crate) fn record(&mut self, mut event: TraceEvent) {
        let bytes = event.bytes();
        let second = event.time_us / 1_000_000;
        let mut wanted = TraceSet::NONE;
        for number in event.traces.and(self.on).numbers() {
            let Some(trace) = &mut self.list[number] else { continue };
            if trace.spec.kinds.has(event.kind) && trace.admit(second, bytes) {
                wanted = wanted.or(TraceSet::of(number));
            }
        }
        event.traces = wanted;
        if wanted.is_any() {
            self.events.push(event);
        }
    }

    /// Counts events that were left out.
    pub(crate) fn skip(&mut self, traces: TraceSet, count: u64) {
        for number in traces.numbers() {
            if let Some(trace) = &mut self.list[number] {
                trace.skipped += count;
            }
        }
    }

    /// All that are on.
    pub(crate) fn on(&self) -> TraceSet {
        self.on
    }

    /// Whether there is something to fetch, or nothing will come any more.
    #[inline]
    pub(crate) fn has_news(&self) -> bool {
        !self.is_on()
            || !self.events.is_empty()
            || self.list.iter().flatten().any(|trace| trace.skipped > 0)
    }

    /// What has gathered.
    pub(crate) fn take(&mut self, now_us: u64) -> TraceBatch {
        let (events, is_on) = (std::mem::take(&mut self.events), self.is_on());
        let mut batch = TraceBatch { events, is_on, now_us, ..TraceBatch::default() };
        for (number, trace) in self.list.iter_mut().enumerate() {
            if let Some(trace) = trace {
                batch.ids[number] = trace.id;
                batch.skipped[number] = std::mem::take(&mut trace.skipped);
                trace.bytes = 0;
            }
        }
        batch
    }
}

impl Trace {
    /// Whether an event of so many bytes finds room; counts it in any case.
    fn admit(&mut self, second: u64, bytes: usize) -> bool {
        if self.second != second {
            (self.second, self.events) = (second, 0);
        }
        if self.events >= TRACE_EVENTS_MAX || self.bytes + bytes > TRACE_BYTES_MAX {
            self.skipped += 1;
            return false;
        }
        self.events += 1;
        self.bytes += bytes;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traces(specs: &[TraceSpec]) -> Traces {
        let mut traces = Traces::default();
        for (number, spec) in specs.iter().enumerate() {
            traces.begin(number, number as u64 + 1, spec.clone(), 1000);
        }
        traces
    }

    fn event(traces: TraceSet, time_us: u64, payload: usize) -> TraceEvent {
        let bytes = vec![0; payload].into();
        let (direction, version) = (Direction::Sent, Version::V311);
        let (total_bytes, payload_bytes) = (payload, payload);
        let packet = TracedPacket { direction, version, bytes, total_bytes, payload_bytes };
        TraceEvent {
            traces,
            time_us,
            client: "c".into(),
            vhost: 0,
            address: ClientAddress::default(),
            kind: TraceKind::Packet,
            what: Happening::Packet(packet),
        }
    }

    fn of_id(id: &str) -> TraceSpec {
        TraceSpec { id: Some(TracedId::Exactly(id.into())), ..TraceSpec::default() }
    }

    // Each trace has so many events a second and so many bytes; another one beside it does not
    // notice, and what is left out is counted.
    #[test]
    fn each_trace_is_bounded() {
        let mut traces = traces(&[of_id("a"), of_id("b")]);
        let (a, b) = (TraceSet::of(0), TraceSet::of(1));
        for _ in 0..TRACE_EVENTS_MAX + 5 {
            traces.record(event(a, 7, 0));
        }
        traces.record(event(a.or(b), 7, 0));
        let batch = traces.take(0);
        assert_eq!(batch.events.len(), TRACE_EVENTS_MAX as usize + 1);
        assert_eq!((batch.skipped[0], batch.skipped[1]), (6, 0));
        assert_eq!(batch.events.last().map(|event| event.traces), Some(b));
        // The next second.
        let large = TRACE_BYTES_MAX / 4;
        for _ in 0..10 {
            traces.record(event(a.or(b), 1_000_000, large));
        }
        let batch = traces.take(0);
        assert_eq!((batch.events.len(), batch.skipped[0], batch.skipped[1]), (3, 7, 7));
        traces.record(event(a, 1_000_001, large));
        assert_eq!(traces.take(0).events.len(), 1, "what was fetched makes room");
    }

    // A trace ends when it is told to, or by itself; nothing of it is recorded any more.
    #[test]
    fn ends() {
        let mut traces = traces(&[of_id("a"), TraceSpec::default()]);
        let both = TraceSet::of(0).or(TraceSet::of(1));
        assert_eq!((traces.on(), traces.due_ms()), (both, Some(1000)));
        assert!(!traces.expire(999) && traces.is_on());
        traces.record(event(both, 0, 0));
        traces.end(0);
        traces.record(event(both, 0, 0));
        let batch = traces.take(0);
        let of: Vec<TraceSet> = batch.events.iter().map(|event| event.traces).collect();
        assert_eq!((of, &batch.ids[..2]), (vec![TraceSet::of(1); 2], &[0, 2][..]));
        traces.record(event(both, 0, 0));
        assert!(traces.expire(1000) && !traces.is_on() && traces.has_news());
        traces.record(event(both, 0, 0));
        let batch = traces.take(0);
        assert_eq!((batch.events.len(), batch.is_on), (0, false));
        assert_eq!(traces.due_ms(), None);
        // Another with that number is not given what was of the first.
        traces.begin(1, 9, of_id("x"), 2000);
        assert_eq!((traces.take(0).ids[1], traces.has_news()), (9, false));
    }

    // A trace of clients is no trace of a topic, and the other way round; with both both must hold.
    #[test]
    fn clients_and_topics() {
        let topic = |topic: &str| TraceSpec { topic: Some(topic.into()), ..TraceSpec::default() };
        let both = TraceSpec { topic: Some("a/#".into()), ..of_id("c") };
        let traces = traces(&[of_id("c"), topic("a/+"), both]);
        let name = |text| TopicName::parse(text).expect("a topic");
        let client = Candidate { vhost: 0, id: "c", user: None, address: None };
        let own = traces.of_client(&client);
        assert_eq!(own.numbers().collect::<Vec<_>>(), [0, 2]);
        assert_eq!(traces.of_client(&Candidate { id: "d", ..client }), TraceSet::NONE);
        assert_eq!(traces.of_topic(0, name("a/b")), TraceSet::of(1));
        assert_eq!(traces.of_topic(0, name("b")), TraceSet::NONE);
        assert_eq!(traces.of_message(own, name("b")), TraceSet::of(0));
        assert_eq!(traces.of_message(own, name("a/b")), own);
        assert_eq!(traces.of_others(own), TraceSet::of(0));
    }

    // A PUBLISH is kept with the beginning of its payload, a CONNECT without its password.
    #[test]
    fn packets_are_kept_in_part() {
        let traces = traces(&[TraceSpec { payload_bytes: 3, ..of_id("c") }]);
        let publish = Publish {
            dup: false,
            qos: QoS::AtMostOnce,
            retain: false,
            topic: Some(TopicName::parse("t").expect("a topic")),
            packet_id: None,
            properties: crate::mqtt::PublishProperties::EMPTY,
            payload: b"abcdef",
        };
        let kept = traces.received(Version::V311, &Packet::Publish(publish));
        assert_eq!(&*kept.bytes, b"\x30\x09\x00\x01tabc");
        assert_eq!((kept.total_bytes, kept.payload_bytes), (11, 6));
        let connect = crate::mqtt::Connect {
            version: Version::V311,
            clean_session: true,
            keep_alive_s: 0,
            client_id: "c",
            will: None,
            username: Some("ann"),
            password: Some(b"secret"),
            properties: crate::mqtt::Properties::EMPTY,
        };
        let kept = traces.received(Version::V311, &Packet::Connect(connect));
        let text = String::from_utf8_lossy(&kept.bytes).into_owned();
        assert!(text.contains("ann") && !text.contains("secret"), "{text}");
    }
}
