//! Traces: they show an operator the events of some clients or topics while they happen.
//!
//! ```text
//!  begin ──► on: bits in connections, outputs, gates and routes ──► events ──► a box
//!   end, or its time is over ──► off: the bits go
//! ```
//! The code that handles a packet or a message checks a bit of the connection, of the route or of
//! the route's target. It calls this room only if the bit is set.
//!
//! Invariant: the events that wait to be fetched are bounded for each trace: [`TRACE_BYTES_MAX`]
//! bytes, and [`TRACE_EVENTS_MAX`] events a second. Further events are only counted (`skipped`);
//! the data path never waits. Passwords are not kept.
//!
//! Verbs: [`Traces::begin`] and [`Traces::end`]; [`Traces::of_client`], [`Traces::of_topic`] and
//! [`Traces::of_message`] return the bits to set; [`Traces::record`] takes an event,
//! [`Traces::take`] returns the gathered events. [`Tap`] gathers packets where they are written.
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

/// The gathered events of all traces.
#[derive(Default, Debug)]
pub struct TraceBatch {
    /// In the order in which they happened.
    pub events: Vec<TraceEvent>,
    /// By trace: the number of events that were left out.
    pub skipped: [u64; TRACES_MAX],
    /// By number: the identifiers of the traces; 0: no trace.
    pub ids: [u64; TRACES_MAX],
    /// Whether a trace is on; without one no events follow.
    pub is_on: bool,
    /// The time of this answer, on the clock of the events.
    pub now_us: u64,
}

#[derive(Debug)]
struct Trace {
    id: u64,
    spec: TraceSpec,
    until_ms: u64,
    /// The second in which `events` were counted.
    second: u64,
    events: u32,
    /// Bytes of the events that wait to be fetched.
    bytes: usize,
    skipped: u64,
}

/// The client of an event.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    pub(crate) traces: TraceSet,
    pub(crate) vhost: u16,
    pub(crate) client: Box<str>,
    pub(crate) address: ClientAddress,
    pub(crate) version: Version,
}

/// A session that received a message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TracedTarget {
    pub(crate) traces: TraceSet,
    pub(crate) session: SessionKey,
    pub(crate) qos: QoS,
    /// The fate of the message there.
    pub(crate) is_kept: bool,
}

/// The traces of one shard; see the module.
#[derive(Default, Debug)]
pub(crate) struct Traces {
    list: [Option<Box<Trace>>; TRACES_MAX],
    on: TraceSet,
    /// The traces in `on` that select clients.
    of_clients: TraceSet,
    /// Whether one of them tells each packet.
    tells_packets: bool,
    events: Vec<TraceEvent>,
    /// Traced clients that are not accepted yet.
    connecting: BTreeMap<ConnId, Subject>,
    /// Sessions that received the current message, and the number of further ones.
    targets: Vec<TracedTarget>,
    targets_more: usize,
}

impl Traces {
    /// Begins a trace, which runs until it is ended or its time is over. An older trace with this
    /// number ends first.
    pub(crate) fn begin(&mut self, number: usize, id: u64, spec: TraceSpec, until_ms: u64) {
        self.end(number);
        let (second, events, bytes, skipped) = (0, 0, 0, 0);
        let trace = Trace { id, spec, until_ms, second, events, bytes, skipped };
        self.list[number] = Some(Box::new(trace));
        self.note_changed();
    }

    /// Ends a trace and drops its events, so that none is attributed to a later trace.
    pub(crate) fn end(&mut self, number: usize) {
        self.list[number] = None;
        self.note_changed();
    }

    /// Ends the traces whose time is over; returns whether there was one.
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

    /// The time at which [`Traces::expire`] is due.
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
        self.tells_packets = self.select(|spec| spec.kinds.has(TraceKind::Packet)).is_any();
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

    /// Whether any trace is on that tells each packet.
    #[inline]
    pub(crate) fn tells_packets(&self) -> bool {
        self.tells_packets
    }

    /// Whether any trace is on.
    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.on.is_any()
    }

    /// The largest number of payload bytes that one of them keeps.
    pub(crate) fn payload_max(&self) -> usize {
        self.list.iter().flatten().map(|trace| trace.spec.payload_bytes).max().unwrap_or(0)
    }

    /// The traces that select a client.
    pub(crate) fn of_client(&self, client: &Candidate<'_>) -> TraceSet {
        if !self.of_clients.is_any() {
            return TraceSet::NONE;
        }
        self.select(|spec| spec.is_of_clients() && spec.has_client(client))
    }

    /// The traces that select a topic, for any publisher.
    pub(crate) fn of_topic(&self, vhost: u16, topic: TopicName<'_>) -> TraceSet {
        if self.on == self.of_clients {
            return TraceSet::NONE;
        }
        self.select(|spec| !spec.is_of_clients() && spec.has_vhost(vhost) && spec.has_topic(topic))
    }

    /// Those among `traces` that record messages of a topic.
    pub(crate) fn of_message(&self, traces: TraceSet, topic: TopicName<'_>) -> TraceSet {
        traces.and(self.select(|spec| spec.has_topic(topic)))
    }

    /// Those among `traces` that record events without a message.
    pub(crate) fn of_others(&self, traces: TraceSet) -> TraceSet {
        traces.and(self.select(|spec| spec.topic.is_none()))
    }

    /// Notes a traced client that sent CONNECT; returns whether it is new.
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

    /// A traced client that is not accepted yet.
    pub(crate) fn connecting(&self, conn: ConnId) -> Option<&Subject> {
        self.connecting.get(&conn)
    }

    /// Forgets a client that was accepted, or is gone.
    pub(crate) fn end_connecting(&mut self, conn: ConnId) {
        self.connecting.remove(&conn);
    }

    /// Whether none of `traces` takes another event in this second.
    pub(crate) fn are_full(&self, traces: TraceSet, time_us: u64) -> bool {
        traces.and(self.on).numbers().all(|number| match &self.list[number] {
            Some(trace) => trace.second == time_us / 1_000_000 && trace.events >= TRACE_EVENTS_MAX,
            None => true,
        })
    }

    /// Whether an event can be left out without a look at it, because none of `traces` takes
    /// another in this second; then it is counted.
    pub(crate) fn leave_out(&mut self, traces: TraceSet, time_us: u64) -> bool {
        let are_full = self.are_full(traces, time_us);
        if are_full {
            self.skip(traces.and(self.on), 1);
        }
        are_full
    }

    /// Notes that a session received the current message.
    #[cold]
    pub(crate) fn note_target(&mut self, target: TracedTarget, time_us: u64) {
        if self.leave_out(target.traces, time_us) {
            return;
        }
        if self.targets.len() < TRACE_TARGETS_MAX {
            self.targets.push(target);
        } else {
            self.targets_more += 1;
        }
    }

    /// Returns the noted sessions, and the number of further ones.
    pub(crate) fn take_targets(&mut self) -> (Vec<TracedTarget>, usize) {
        (std::mem::take(&mut self.targets), std::mem::take(&mut self.targets_more))
    }

    /// Whether a session was noted.
    #[inline]
    pub(crate) fn has_targets(&self) -> bool {
        !self.targets.is_empty()
    }

    /// Records a packet that a client has sent.
    pub(crate) fn received(&self, version: Version, packet: &Packet<'_>) -> TracedPacket {
        TracedPacket::of(Direction::Received, version, packet, self.payload_max())
    }

    /// Records a PUBLISH of a client, or of the broker itself.
    pub(crate) fn published(
        &self,
        direction: Direction,
        version: Version,
        publish: &Publish<'_>,
    ) -> TracedPacket {
        TracedPacket::of_publish(direction, version, publish, self.payload_max())
    }

    /// Records an event for those among `event.traces` that want its kind and have room.
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

    /// The set of running traces.
    pub(crate) fn on(&self) -> TraceSet {
        self.on
    }

    /// Whether there are events to fetch, or the trace has ended.
    #[inline]
    pub(crate) fn has_news(&self) -> bool {
        !self.is_on()
            || !self.events.is_empty()
            || self.list.iter().flatten().any(|trace| trace.skipped > 0)
    }

    /// Returns the gathered events.
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
    /// Whether there is room for an event of `bytes`; counts it either way.
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

    // Each trace has its own bounds of events a second and of bytes; another trace is not affected,
    // and events that are left out are counted.
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

    // While a trace has had its events of a second, further ones are counted and need not be made;
    // not if another trace wants them.
    #[test]
    fn full_traces_leave_events_out() {
        let mut traces = traces(&[of_id("a"), of_id("b")]);
        let (a, both) = (TraceSet::of(0), TraceSet::of(0).or(TraceSet::of(1)));
        assert!(!traces.leave_out(a, 7));
        for _ in 0..TRACE_EVENTS_MAX {
            traces.record(event(a, 7, 0));
        }
        assert!(traces.leave_out(a, 999_999) && !traces.leave_out(both, 7));
        let target = TracedTarget {
            traces: a,
            session: SessionKey::default(),
            qos: QoS::AtMostOnce,
            is_kept: true,
        };
        traces.note_target(target, 7);
        assert!(!traces.has_targets());
        assert_eq!(traces.take(0).skipped[..2], [2, 0]);
        assert!(!traces.leave_out(a, 1_000_000), "the next second");
    }

    // A trace ends on request or after its time; then it records no more events.
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
        // A new trace with that number does not get the events of the first.
        traces.begin(1, 9, of_id("x"), 2000);
        assert_eq!((traces.take(0).ids[1], traces.has_news()), (9, false));
    }

    // A trace of clients does not select topics, nor the other way round; a trace of both needs
    // both.
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
