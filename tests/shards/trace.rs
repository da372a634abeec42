//! Traces: their events about packets and decisions, their bounds, and that no state is left after
//! their end.

use ringmq::broker::inspect::{
    AddressRange, Ask, Decision, Direction, Happening, Outcome, Question, Reply, Step, TraceBatch,
    TraceEvent, TraceKind, TraceKinds, TraceOrder, TraceSpec, TracedId,
};
use ringmq::broker::{ClientAddress, CloseReason, ConnId, Context};
use ringmq::limits::{
    ASK_SLOTS_MAX, TRACE_BYTES_MAX, TRACE_EVENTS_MAX, TRACE_TARGETS_MAX, TRACES_MAX,
};
use ringmq::mqtt::QoS;

use super::net::{Net, connect, publish, subscribe};

fn conn(slot: u32) -> ConnId {
    ConnId { slot, generation: 0 }
}

/// A client whose name is a letter connects to a shard, from an address.
fn enter(net: &mut Net, at: usize, slot: u32, name: u8, clean: bool, address: &str) {
    let address = address.parse().ok();
    let from = ClientAddress { address, port: 1000, local: true, ..ClientAddress::default() };
    net.0[at].shard.open(conn(slot), from, 0);
    net.give(at, conn(slot), &connect(clean, name));
    net.keep(at);
}

/// Puts a question to a shard and steps until it has its answer; none: it waits for one.
fn ask(net: &mut Net, at: usize, question: Question) -> (Option<Box<TraceBatch>>, u32) {
    let mut ask = Ask { id: 0, question, reply: Reply::None };
    for steps in 1.. {
        let node = &mut net.0[at];
        let mut context = Context { now_ms: 0, peers: &mut node.out };
        match (node.shard.answer(&mut ask, &mut context), ask.reply) {
            (Step::Done, Reply::Traced(batch)) => return (Some(batch), steps),
            (Step::Done, reply) => panic!("{reply:?} is no answer"),
            (Step::Wait, _) => return (None, steps),
            (Step::More, reply) => ask.reply = reply,
        }
    }
    unreachable!("an answer ends")
}

fn begin(net: &mut Net, number: usize, spec: &TraceSpec) {
    for at in 0..net.0.len() {
        let order = TraceOrder::begin(number, 1 + number as u64, spec.clone(), 1000);
        assert!(ask(net, at, Question::Trace(order)).0.is_some());
    }
}

fn end(net: &mut Net, number: usize) {
    for at in 0..net.0.len() {
        let order = TraceOrder::end(number, 1 + number as u64);
        assert!(ask(net, at, Question::Trace(order)).0.is_some());
    }
}

/// The events that a shard has gathered.
fn fetch(net: &mut Net, at: usize) -> Vec<TraceEvent> {
    ask(net, at, Question::TraceEvents).0.map_or(Vec::new(), |batch| batch.events)
}

fn of_id(id: &str) -> TraceSpec {
    TraceSpec { id: Some(TracedId::Exactly(id.into())), payload_bytes: 64, ..TraceSpec::default() }
}

fn of_topic(filter: &str) -> TraceSpec {
    TraceSpec { topic: Some(filter.into()), payload_bytes: 64, ..TraceSpec::default() }
}

/// Events in short form: client and event.
fn told(events: &[TraceEvent]) -> Vec<String> {
    events.iter().map(|event| format!("{} {}", event.client, what(&event.what))).collect()
}

fn what(happening: &Happening) -> String {
    match happening {
        Happening::Packet(packet) => {
            let way = match packet.direction {
                Direction::Received => '>',
                Direction::Sent => '<',
                Direction::Own => '=',
            };
            format!("{way}{:x}", packet.bytes[0])
        }
        Happening::Decision(decision) => match decision {
            Decision::VerifiesPassword => "verifies".to_owned(),
            Decision::LetIn { .. } => "in".to_owned(),
            Decision::Refused { why } => format!("refused: {why}"),
            Decision::Publish { topic, denied } => format!("may publish {topic}: {denied:?}"),
            Decision::Subscription { filter, granted } => format!("{filter}: {granted:?}"),
            Decision::Route { topic, sessions, shards, .. } => {
                format!("{topic}: {sessions} here, {shards:?}")
            }
            Decision::Target { topic, outcome, .. } => format!("{topic}: {outcome:?}"),
            Decision::Targets { topic, more } => format!("{topic}: {more} more"),
            Decision::DroppedOldest { messages } => format!("{messages} oldest dropped"),
            Decision::ReplyWaits { reply, peers, disk, .. } => {
                format!("{reply} waits: {peers} {disk}")
            }
            Decision::Paused(why) => format!("paused: {why}"),
            Decision::Resumed(why) => format!("resumed: {why}"),
            Decision::Closed { why } => format!("closed: {why}"),
        },
    }
}

/// Packets from and to a traced client and decisions about it are recorded in order, from CONNECT
/// to its end; those of another client are not.
#[test]
fn a_client_is_traced() {
    let mut net = Net::new(1);
    begin(&mut net, 0, &of_id("a"));
    enter(&mut net, 0, 0, b'a', true, "10.0.0.1");
    enter(&mut net, 0, 1, b'b', true, "10.0.0.1");
    net.give(0, conn(0), &subscribe(b't'));
    net.give(0, conn(1), &publish(b't', b'x'));
    net.give(0, conn(1), &publish(b'u', b'x'));
    net.give(0, conn(0), &[0x30, 4, 0, 1, b'u', b'x']);
    net.give(0, conn(0), &[0xc0, 0]);
    net.give(0, conn(0), &[0xe0, 0]);
    let events = fetch(&mut net, 0);
    let wanted = [
        "a >10",
        "a in",
        "a <20",
        "a >82",
        "a t: Ok(AtMostOnce)",
        "a <90",
        "a <30",
        "a t: Sent",
        "a >30",
        "a u: 0 here, []",
        "a >c0",
        "a <d0",
        "a >e0",
        "a closed: DISCONNECT from the client",
    ];
    assert_eq!(told(&events), wanted);
    let kinds: Vec<TraceKind> = events.iter().map(|event| event.kind).collect();
    assert_eq!(kinds[..3], [TraceKind::Connect, TraceKind::Auth, TraceKind::Connect]);
    assert_eq!(kinds[13], TraceKind::Close);
    assert!(events.iter().all(|event| event.address.port == 1000));
}

/// Connected clients are traced from now on, by any criterion; later ones as well.
#[test]
fn clients_are_found() {
    let range = AddressRange { address: "10.1.0.0".parse().expect("an address"), bits: 16 };
    let any = TraceSpec::default();
    for spec in [
        TraceSpec { id: Some(TracedId::Prefix("a".into())), ..any.clone() },
        TraceSpec { address: Some(range), ..any.clone() },
        TraceSpec { address: Some(range), user: Some("".into()), vhost: Some(0), ..any },
    ] {
        let mut net = Net::new(1);
        enter(&mut net, 0, 0, b'a', true, "10.1.0.7");
        enter(&mut net, 0, 1, b'b', true, "10.2.0.7");
        begin(&mut net, 0, &spec);
        for slot in [0, 1] {
            net.give(0, conn(slot), &[0xc0, 0]);
        }
        assert_eq!(told(&fetch(&mut net, 0)), ["a >c0", "a <d0"], "{spec:?}");
        net.give(0, conn(0), &[0xe0, 0]);
        net.0[0].shard.remove(conn(0));
        fetch(&mut net, 0);
        enter(&mut net, 0, 0, b'a', true, "10.1.0.9");
        assert_eq!(told(&fetch(&mut net, 0)), ["a >10", "a in", "a <20"], "{spec:?}");
    }
}

/// All messages of a topic are recorded, of all publishers, wills as well, with their receivers on
/// each shard; other messages are not.
#[test]
fn a_topic_is_traced() {
    let mut net = Net::new(2);
    enter(&mut net, 0, 0, b'p', true, "10.0.0.1");
    enter(&mut net, 1, 0, b's', true, "10.0.0.1");
    net.give(1, conn(0), &subscribe(b't'));
    net.settle();
    // The topic was known before the trace began: the cached route is invalid then.
    net.give(0, conn(0), &[0x30, 4, 0, 1, b't', b'x']);
    net.settle();
    begin(&mut net, 3, &of_topic("t"));
    net.give(0, conn(0), &[0x30, 4, 0, 1, b't', b'x']);
    net.give(0, conn(0), &[0x30, 4, 0, 1, b'u', b'x']);
    net.give(0, conn(0), &[0xc0, 0]);
    net.settle();
    let events = fetch(&mut net, 0);
    assert_eq!(told(&events), ["p >30", "p t: 0 here, [1]"]);
    assert!(events.iter().all(|event| event.traces.numbers().eq([3])));
    assert_eq!(told(&fetch(&mut net, 1)), ["s t: Sent"]);
    let will =
        [0x10, 19, 0, 4, b'M', b'Q', b'T', b'T', 4, 6, 0, 0, 0, 1, b'w', 0, 1, b't', 0, 1, b'x'];
    net.0[0].shard.open(conn(1), ClientAddress { local: true, ..ClientAddress::default() }, 0);
    net.give(0, conn(1), &will);
    let node = &mut net.0[0];
    let mut context = Context { now_ms: 0, peers: &mut node.out };
    node.shard.close(conn(1), CloseReason::PeerClosed, &mut context);
    net.settle();
    assert_eq!(told(&fetch(&mut net, 0)), [" =30", " t: 0 here, [1]"]);
    assert_eq!(told(&fetch(&mut net, 1)), ["s t: Sent"]);
}

/// A message for a client is recorded wherever it was published, also while the client is absent;
/// and one that it does not get, with the reason.
#[test]
fn a_receiver_is_traced() {
    let mut net = Net::new(1);
    enter(&mut net, 0, 0, b'p', true, "10.0.0.1");
    enter(&mut net, 0, 1, b'r', false, "10.0.0.1");
    let mut packet = subscribe(b't');
    *packet.last_mut().expect("it has a QoS") = 1;
    net.give(0, conn(1), &packet);
    net.keep(0);
    net.give(0, conn(1), &[0xe0, 0]);
    net.0[0].shard.remove(conn(1));
    let spec = TraceSpec { topic: Some("t".into()), ..of_id("r") };
    begin(&mut net, 0, &spec);
    net.give(0, conn(0), &[0x30, 4, 0, 1, b't', b'0']);
    net.give(0, conn(0), &[0x32, 6, 0, 1, b't', 0, 7, b'1']);
    net.give(0, conn(0), &[0x30, 4, 0, 1, b'u', b'0']);
    let events = fetch(&mut net, 0);
    let dropped = "its client is away, and it is at QoS 0";
    let outcomes = [Outcome::Dropped(dropped), Outcome::Waits("its client is away")];
    let wanted = outcomes.map(|outcome| format!("r t: {outcome:?}"));
    assert_eq!(told(&events), wanted);
    enter(&mut net, 0, 1, b'r', false, "10.0.0.1");
    net.keep(0);
    assert_eq!(told(&fetch(&mut net, 0)), ["r <32"]);
}

/// The conditions of an acknowledgement are recorded, and the waits for a client's window.
#[test]
fn waits_are_told() {
    let mut net = Net::new(2);
    enter(&mut net, 0, 0, b'p', true, "10.0.0.1");
    enter(&mut net, 1, 0, b's', true, "10.0.0.1");
    let mut packet = subscribe(b't');
    *packet.last_mut().expect("it has a QoS") = 1;
    net.give(1, conn(0), &packet);
    net.settle();
    begin(&mut net, 0, &of_id("p"));
    net.give(0, conn(0), &[0x32, 6, 0, 1, b't', 0, 7, b'1']);
    let events = fetch(&mut net, 0);
    assert_eq!(told(&events), ["p >32", "p t: 0 here, [1]", "p PUBACK waits: true false"]);
    net.settle();
    assert_eq!(told(&fetch(&mut net, 0)), ["p <40"]);
}

/// A message for very many clients records some of them, and the number of the others.
#[test]
fn large_fan_outs_are_told_in_part() {
    let mut net = Net::new(1);
    let many = u32::try_from(TRACE_TARGETS_MAX).expect("some") + 9;
    for slot in 0..many {
        let name = b'A' + u8::try_from(slot).expect("few");
        enter(&mut net, 0, slot, name, true, "10.0.0.1");
        net.give(0, conn(slot), &subscribe(b't'));
    }
    begin(&mut net, 0, &of_topic("#"));
    net.give(0, conn(0), &[0x30, 4, 0, 1, b't', b'x']);
    let events = told(&fetch(&mut net, 0));
    assert_eq!(events.len(), 2 + TRACE_TARGETS_MAX + 1);
    assert_eq!(events.last().map(|last| &**last), Some(" t: 9 more"));
}

/// A flood does not fill memory: events above the bounds are counted.
#[test]
fn floods_are_bounded() {
    let mut net = Net::new(1);
    enter(&mut net, 0, 0, b'p', true, "10.0.0.1");
    let kinds = [TraceKind::Packet].into_iter().collect();
    begin(&mut net, 0, &TraceSpec { kinds, payload_bytes: 4096, ..of_topic("#") });
    begin(&mut net, 1, &TraceSpec { kinds, ..of_id("nobody") });
    let mut packet = vec![0x30, 0xff, 1, 0, 1, b't'];
    packet.resize(3 + 255, b'x');
    let count = u64::from(TRACE_EVENTS_MAX) * 3;
    for _ in 0..count {
        net.hand(0, conn(0), &packet);
    }
    net.0[0].end_turn();
    let (batch, _) = ask(&mut net, 0, Question::TraceEvents);
    let batch = batch.expect("there are some");
    let bytes: usize = batch.events.iter().map(|event| size_of_val(event) + 258).sum();
    assert!(bytes <= TRACE_BYTES_MAX, "{bytes}");
    assert!(batch.events.len() <= TRACE_EVENTS_MAX as usize);
    assert_eq!(batch.events.len() as u64 + batch.skipped[0], count);
    assert_eq!(batch.skipped[1], 0);
}

/// After the end of a trace no state is left: nothing is recorded any more, and the next trace with
/// its number is another one.
#[test]
fn nothing_is_left() {
    let mut net = Net::new(1);
    enter(&mut net, 0, 0, b'a', true, "10.0.0.1");
    net.give(0, conn(0), &subscribe(b't'));
    for number in 0..TRACES_MAX {
        begin(&mut net, number, &of_id("a"));
    }
    net.give(0, conn(0), &[0xc0, 0]);
    let events = fetch(&mut net, 0);
    assert!(events.iter().all(|event| event.traces.numbers().eq(0..TRACES_MAX)));
    for number in 0..TRACES_MAX {
        end(&mut net, number);
    }
    let (batch, steps) = ask(&mut net, 0, Question::TraceEvents);
    let batch = batch.expect("that none is on is told");
    assert_eq!((batch.is_on, batch.events.len(), steps), (false, 0, 1));
    for packet in [&[0xc0, 0][..], &[0x30, 4, 0, 1, b't', b'x'], &subscribe(b'u')] {
        net.give(0, conn(0), packet);
    }
    // An event that was recorded nevertheless would be seen by this one.
    let kinds: TraceKinds = TraceKind::ALL.into_iter().collect();
    begin(&mut net, 0, &TraceSpec { kinds, ..of_id("nobody") });
    net.give(0, conn(0), &[0xc0, 0]);
    net.give(0, conn(0), &[0x30, 4, 0, 1, b't', b'x']);
    assert_eq!(told(&fetch(&mut net, 0)), [""; 0]);
}

/// A trace ends when its time is over.
#[test]
fn traces_end_by_themselves() {
    let mut net = Net::new(1);
    enter(&mut net, 0, 0, b'a', true, "10.0.0.1");
    begin(&mut net, 0, &of_id("a"));
    let node = &mut net.0[0];
    let waiting = Ask { id: 0, question: Question::TraceEvents, reply: Reply::None };
    let mut now_ms = 0;
    while now_ms < 1000 {
        assert!(!node.shard.may_answer(&waiting, &node.out), "{now_ms}");
        // Others are due as well, at times of their own.
        now_ms = node.shard.next_deadline_ms().expect("the trace has one").max(now_ms + 1);
        assert!(now_ms <= 1000);
        let mut context = Context { now_ms, peers: &mut node.out };
        node.shard.on_deadline(&mut context);
    }
    assert!(node.shard.may_answer(&waiting, &node.out));
    net.give(0, conn(0), &[0xc0, 0]);
    let (batch, _) = ask(&mut net, 0, Question::TraceEvents);
    assert!(batch.is_some_and(|batch| !batch.is_on && batch.events.is_empty()));
}

/// The connections of a large shard are recorded in bounded steps.
#[test]
fn steps_are_bounded() {
    let mut net = Net::new(1);
    let count = ASK_SLOTS_MAX * 2 + 1;
    for slot in 0..count {
        net.0[0].shard.open(conn(slot), ClientAddress::default(), 0);
    }
    let order = TraceOrder::begin(0, 1, of_id("a"), 1000);
    let (_, steps) = ask(&mut net, 0, Question::Trace(order));
    assert_eq!(steps, 4);
}

/// Refused clients are recorded with the reason, without their passwords.
#[test]
fn refusals_are_told() {
    let mut net = Net::new(1);
    begin(&mut net, 0, &of_id("a"));
    // A user without a user file, and not from this host.
    net.0[0].shard.open(conn(0), ClientAddress::default(), 0);
    let packet =
        [&[0x10, 24, 0, 4][..], b"MQTT", &[4, 0xc2, 0, 0, 0, 1, b'a', 0, 1, b'u', 0, 6], b"secret"]
            .concat();
    net.give(0, conn(0), &packet);
    let events = fetch(&mut net, 0);
    let told = told(&events);
    assert_eq!((&*told[0], &*told[2]), ("a >10", "a <20"), "{told:?}");
    assert!(told[1].starts_with("a refused: "), "{told:?}");
    assert!(told[3].starts_with("a closed: "), "{told:?}");
    let Happening::Packet(connect) = &events[0].what else { panic!("{told:?}") };
    assert!(!connect.bytes.windows(6).any(|part| part == b"secret"));
    assert!(connect.bytes.windows(8).any(|part| part == b"********"));
}

/// A message is recorded only if client and topic match; its QoS is the receiver's.
#[test]
fn both_must_hold() {
    let mut net = Net::new(1);
    enter(&mut net, 0, 0, b'a', true, "10.0.0.1");
    enter(&mut net, 0, 1, b'b', true, "10.0.0.1");
    net.give(0, conn(1), &subscribe(b't'));
    begin(&mut net, 0, &TraceSpec { topic: Some("t".into()), ..of_id("a") });
    for packet in [&[0xc0, 0][..], &[0x30, 4, 0, 1, b'u', b'x'], &[0x32, 6, 0, 1, b't', 0, 9, b'x']]
    {
        net.give(0, conn(0), packet);
    }
    net.give(0, conn(1), &[0x30, 4, 0, 1, b't', b'x']);
    let events = fetch(&mut net, 0);
    assert_eq!(told(&events), ["a >32", "a t: 1 here, []", "b t: Sent"]);
    let Happening::Decision(Decision::Target { qos, .. }) = &events[2].what else {
        panic!("{events:?}")
    };
    assert_eq!(*qos, QoS::AtMostOnce);
}
