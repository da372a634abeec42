//! Several shards of the broker, side by side, with the rings between them moved by hand: what must
//! hold whichever ring is slow.

#[path = "common/disk.rs"]
mod disk;

use std::collections::VecDeque;

use disk::{Disk, open_store};
use ringmq::broker::{
    Caller, ConnId, Context, Crowd, Event, Flow, Options, Peers, Shard, ShardId, ShardSet,
};
use ringmq::chunk::Batch;
use ringmq::mqtt::{Packet, Version, decode, peek_frame};
use ringmq::store::Origin;

/// A shard's ways to the others, by shard.
#[derive(Default)]
struct Rings {
    records: Vec<VecDeque<Vec<u8>>>,
    awaited: Vec<u64>,
    sent: Vec<u64>,
    committed: Vec<u64>,
}

impl Rings {
    fn new(shards: u16) -> Self {
        let zeros = vec![0; usize::from(shards)];
        let records = zeros.iter().map(|_: &u64| VecDeque::new()).collect();
        Self { records, awaited: zeros.clone(), sent: zeros.clone(), committed: zeros }
    }
}

impl Peers for Rings {
    fn send(&mut self, to: ShardSet, parts: &[&[u8]], awaited: bool) {
        for at in to.iter().map(|shard| usize::from(shard.0)) {
            self.records[at].push_back(parts.concat());
            self.sent[at] += 1;
            if awaited {
                self.awaited[at] = self.sent[at];
            }
        }
    }

    fn awaited(&self, shard: ShardId) -> u64 {
        self.awaited[usize::from(shard.0)]
    }

    fn committed(&self, shard: ShardId) -> u64 {
        self.committed[usize::from(shard.0)]
    }

    fn admit(&mut self, _: u16, _: u64) -> Result<(), Crowd> {
        Ok(())
    }

    fn leave(&mut self, _: u16) {}
}

struct Node {
    shard: Shard,
    out: Rings,
    disk: Disk,
}

impl Node {
    /// Ends a turn, and has the disk done with what it left.
    fn end_turn(&mut self) {
        let mut context = Context { now_ms: 0, peers: &mut self.out };
        self.shard.end_turn(&mut context);
        self.shard.seal_promises(&self.out);
        self.disk.serve(&mut self.shard, 0);
    }
}

struct Net(Vec<Node>);

const CONN: ConnId = ConnId { slot: 0, generation: 0 };

impl Net {
    fn new(shards: u16) -> Self {
        let node = |shard| {
            let options = Options { shard: ShardId(shard), shards, ..Options::single() };
            let disk = Disk::default();
            let shard = Shard::new(options, open_store(shard, &disk));
            let mut node = Node { shard, out: Rings::new(shards), disk };
            // It has files.
            node.end_turn();
            node
        };
        Self((0..shards).map(node).collect())
    }

    fn give(&mut self, at: usize, conn: ConnId, bytes: &[u8]) {
        self.hand(at, conn, bytes);
        self.0[at].end_turn();
    }
    /// The same, and the turn goes on.
    fn hand(&mut self, at: usize, conn: ConnId, bytes: &[u8]) -> Flow {
        let node = &mut self.0[at];
        let frame = peek_frame(bytes, 1 << 20).expect("tests send packets").expect("whole ones");
        let packet: Packet<'_> = decode(Version::V311, frame, bytes).expect("tests send packets");
        let mut context = Context { now_ms: 0, peers: &mut node.out };
        node.shard.handle_packet(conn, &packet, &mut context)
    }
    fn client(&mut self, at: usize, conn: ConnId, id: u8) {
        self.0[at].shard.open(conn, Caller { address: None, local: true }, 0);
        self.give(at, conn, &connect(true, id));
        self.output(at, conn);
    }
    /// The same with a session that stays.
    fn resident(&mut self, at: usize, conn: ConnId, id: u8) {
        self.0[at].shard.open(conn, Caller { address: None, local: true }, 0);
        self.give(at, conn, &connect(false, id));
    }
    /// The process ends at once, and another begins with what is on the disks.
    fn crash(self) -> Self {
        let shards = u16::try_from(self.0.len()).expect("a few");
        let nodes = (0..shards).zip(self.0).map(|(number, Node { disk, .. })| {
            let options = Options { shard: ShardId(number), shards, ..Options::single() };
            let shard = Shard::new(options, open_store(number, &disk));
            let mut node = Node { shard, out: Rings::new(shards), disk };
            let mut context = Context { now_ms: 0, peers: &mut node.out };
            node.shard.restore_bindings(&mut context);
            node.end_turn();
            node
        });
        let mut net = Self(nodes.collect());
        net.settle();
        net
    }
    /// Moves all records of one ring over.
    fn pass(&mut self, from: usize, to: usize) {
        while let Some(record) = self.0[from].out.records[to].pop_front() {
            let node = &mut self.0[to];
            let mut context = Context { now_ms: 0, peers: &mut node.out };
            node.shard.handle_peer(
                ShardId(u16::try_from(from).expect("small")),
                &record,
                &mut context,
            );
            node.end_turn();
            self.0[from].out.committed[to] += 1;
        }
        self.keep(from);
    }
    /// Has a shard keep what promises it can.
    fn keep(&mut self, at: usize) {
        let node = &mut self.0[at];
        let mut context = Context { now_ms: 0, peers: &mut node.out };
        node.shard.keep_promises(&mut context);
        node.shard.continue_replays(&mut context);
        node.end_turn();
    }
    fn settle(&mut self) {
        for _ in 0..50 {
            for a in 0..self.0.len() {
                for b in 0..self.0.len() {
                    if a != b {
                        self.pass(a, b);
                    }
                }
            }
        }
    }
    fn output(&mut self, at: usize, conn: ConnId) -> Vec<u8> {
        let mut batch = self.0[at].shard.take_output(conn, Batch::default());
        let bytes: Vec<u8> = batch.slices().collect::<Vec<_>>().concat();
        let node = &mut self.0[at];
        batch.clear(node.shard.pool());
        if !bytes.is_empty() {
            let mut context = Context { now_ms: 0, peers: &mut node.out };
            node.shard.on_sent(conn, bytes.len(), &mut context);
        }
        bytes
    }
}

fn connect(clean: bool, id: u8) -> Vec<u8> {
    let flags = if clean { 2 } else { 0 };
    vec![0x10, 13, 0, 4, b'M', b'Q', b'T', b'T', 4, flags, 0, 0, 0, 1, id]
}
fn publish(topic: u8, value: u8) -> Vec<u8> {
    vec![0x31, 4, 0, 1, topic, value]
}
fn subscribe(topic: u8) -> Vec<u8> {
    vec![0x82, 6, 0, 1, 0, 1, topic, 0]
}

/// A topic kept by shard 2 of 3: found by trying.
fn topic_of_shard_2() -> u8 {
    (b'a'..=b'z')
        .find(|topic| {
            let mut net = Net::new(3);
            net.client(0, CONN, b'p');
            net.give(0, CONN, &publish(*topic, b'x'));
            !net.0[0].out.records[2].is_empty()
        })
        .expect("one of them")
}

/// A subscriber ends with a topic's last retained value, however rings progress.
#[test]
fn last_retained_value_arrives() {
    let topic = topic_of_shard_2();
    let mut net = Net::new(3);
    net.client(0, CONN, b'p');
    net.client(1, CONN, b's');
    net.give(0, CONN, &publish(topic, b'1'));
    net.settle();
    // 2 is on its way to the keeper, whose ring is slow, when its shard hears of the subscriber.
    net.give(0, CONN, &publish(topic, b'2'));
    net.give(1, CONN, &subscribe(topic));
    for _ in 0..5 {
        net.pass(1, 0);
        net.pass(1, 2);
        net.pass(0, 1);
        net.pass(2, 1);
        net.pass(2, 0);
    }
    let first = net.output(1, CONN);
    net.settle();
    let rest = net.output(1, CONN);
    let all = [first, rest].concat();
    assert_eq!(all.last(), Some(&b'2'), "{all:?}");
}

/// The same, when the subscriber's shard had another subscriber of the filter before.
#[test]
fn last_retained_value_arrives_second_subscriber() {
    let topic = topic_of_shard_2();
    let mut net = Net::new(3);
    let other = ConnId { slot: 1, generation: 0 };
    net.client(0, CONN, b'p');
    net.client(1, other, b'o');
    net.give(1, other, &subscribe(topic));
    net.client(1, CONN, b's');
    net.give(0, CONN, &publish(topic, b'1'));
    net.settle();
    net.give(0, CONN, &publish(topic, b'2'));
    net.pass(0, 1);
    net.give(1, CONN, &subscribe(topic));
    for _ in 0..5 {
        net.pass(1, 0);
        net.pass(0, 1);
        net.pass(1, 2);
        net.pass(2, 1);
        net.pass(2, 0);
    }
    net.settle();
    let all = net.output(1, CONN);
    assert_eq!(all.last(), Some(&b'2'), "{all:?}");
}

/// A SUBACK leaves only when other shards know the filter, also for its second subscriber.
#[test]
fn suback_waits_for_others() {
    let mut net = Net::new(2);
    let other = ConnId { slot: 1, generation: 0 };
    net.client(0, CONN, b'p');
    net.client(1, other, b'o');
    net.client(1, CONN, b's');
    net.give(1, other, &subscribe(b't'));
    net.give(1, CONN, &subscribe(b't'));
    let early = net.output(1, CONN);
    net.give(0, CONN, &[0x30, 4, 0, 1, b't', b'x']);
    net.settle();
    let late = net.output(1, CONN);
    assert!(early.is_empty() || late.ends_with(b"x"), "{early:?} then {late:?}");
}

/// A SUBSCRIBE gets the retained message again, whatever went out live before it [MQTT-3.8.4-3].
#[test]
fn resubscription_replays() {
    let mut net = Net::new(2);
    let many = ConnId { slot: 1, generation: 0 };
    net.client(0, many, b'p');
    net.client(0, CONN, b's');
    // Enough for a replay that is still going on when the rest happens.
    for n in 0..3000u32 {
        let text = format!("{n:06}");
        let mut packet = vec![0x31, 9, 0, 6];
        packet.extend_from_slice(text.as_bytes());
        packet.push(b'v');
        net.give(0, many, &packet);
        net.pass(0, 1);
        net.pass(1, 0);
    }
    net.give(0, CONN, &subscribe(b'#'));
    net.pass(0, 1);
    net.give(0, many, &publish(b'z', b'1'));
    net.pass(0, 1);
    net.give(0, CONN, &subscribe(b'z'));
    let mut all = Vec::new();
    for _ in 0..200 {
        net.settle();
        all.extend(net.output(0, CONN));
    }
    let retained = all.windows(6).filter(|w| *w == [0x31, 4, 0, 1, b'z', b'1']).count();
    assert!(retained >= 1, "{retained} of {} bytes", all.len());
}

/// Nothing new is added for a filter after its UNSUBACK [MQTT-3.10.4-2].
#[test]
fn unsubscribe_ends_the_replay() {
    let mut net = Net::new(1);
    let many = ConnId { slot: 1, generation: 0 };
    net.client(0, many, b'p');
    net.client(0, CONN, b's');
    for n in 0..3000u32 {
        let mut packet = vec![0x31, 9, 0, 6];
        packet.extend_from_slice(format!("{n:06}").as_bytes());
        packet.push(b'v');
        net.give(0, many, &packet);
    }
    net.give(0, CONN, &subscribe(b'#'));
    net.give(0, CONN, &[0xa2, 5, 0, 9, 0, 1, b'#']);
    let before = net.output(0, CONN);
    assert!(before.ends_with(&[0xb0, 2, 0, 9]));
    let node = &mut net.0[0];
    let mut context = Context { now_ms: 0, peers: &mut node.out };
    node.shard.continue_replays(&mut context);
    let after = net.output(0, CONN);
    assert!(after.is_empty(), "{} bytes after UNSUBACK", after.len());
}

/// What still comes for a replay that UNSUBSCRIBE has ended is not taken for the next one's.
#[test]
fn late_answers_are_void() {
    let mut net = Net::new(2);
    let publisher = ConnId { slot: 1, generation: 0 };
    net.client(0, publisher, b'p');
    net.client(0, CONN, b's');
    // So many that the other shard keeps some of them.
    for topic in b'a'..=b'y' {
        net.give(0, publisher, &publish(topic, b'v'));
    }
    net.settle();
    net.give(0, CONN, &subscribe(b'+'));
    while net.0[1].out.records[0].is_empty() {
        // The filter, then the ask; the answers stay in the ring.
        net.pass(0, 1);
    }
    net.give(0, CONN, &[0xa2, 5, 0, 9, 0, 1, b'+']);
    net.output(0, CONN);
    for topic in b'A'..=b'Z' {
        net.give(0, CONN, &subscribe(topic));
    }
    net.settle();
    let after = net.output(0, CONN);
    let retained = after.windows(2).filter(|pair| *pair == [0x31, 4]).count();
    assert_eq!(retained, 0, "of filters that nothing retained matches: {after:?}");
}

const PUBLISH_2: [u8; 8] = [0x34, 6, 0, 1, b't', 0, 5, b'1'];
const PUBREL: [u8; 4] = [0x62, 2, 0, 5];
const PUBREC: [u8; 4] = [0x50, 2, 0, 5];
const PUBCOMP: [u8; 4] = [0x70, 2, 0, 5];

/// A publisher and a subscriber that stay on shard 0, and a subscriber on shard 1.
fn residents() -> Net {
    let mut net = Net::new(2);
    let other = ConnId { slot: 1, generation: 0 };
    net.resident(0, CONN, b'p');
    for (at, conn) in [(0, other), (1, other)] {
        net.resident(at, conn, b's');
        net.give(at, conn, &[0x82, 6, 0, 1, 0, 1, b't', 2]);
    }
    net.settle();
    for (at, conn) in [(0, other), (1, other), (0, CONN)] {
        net.output(at, conn);
    }
    net
}

/// Payloads of the messages that the subscribers of [`residents`] get when they are back.
fn received(net: &mut Net) -> [Vec<u8>; 2] {
    let other = ConnId { slot: 1, generation: 0 };
    [0, 1].map(|at| {
        net.resident(at, other, b's');
        net.settle();
        let output = net.output(at, other);
        let mut rest = output.as_slice();
        let mut payloads = Vec::new();
        while let [first, length, ..] = *rest {
            let (packet, next) = rest.split_at(2 + usize::from(length));
            if first >> 4 == 3 {
                payloads.extend(packet.last());
            }
            rest = next;
        }
        payloads
    })
}

/// [MQTT-4.3.3-2] A QoS 2 message comes once although the process ends when the publisher's shard
/// has it, and neither the other shard nor the note that it came.
#[test]
fn half_received_message_comes_once() {
    let mut net = residents();
    net.give(0, CONN, &PUBLISH_2);
    assert!(net.output(0, CONN).is_empty(), "the other shard does not have it");
    let mut net = net.crash();
    net.resident(0, CONN, b'p');
    net.output(0, CONN);
    let mut again = PUBLISH_2;
    again[0] |= 8;
    net.give(0, CONN, &again);
    net.settle();
    assert_eq!(net.output(0, CONN), PUBREC);
    assert_eq!(received(&mut net), [b"1", b"1"]);
}

/// A PUBREL that comes again after a crash frees the identifier also where the first one did not
/// arrive: the next message with it is another one.
#[test]
fn repeated_pubrel_frees_the_identifier_everywhere() {
    let mut net = residents();
    net.give(0, CONN, &PUBLISH_2);
    net.settle();
    assert_eq!(net.output(0, CONN), PUBREC);
    net.give(0, CONN, &PUBREL);
    assert!(net.output(0, CONN).is_empty(), "the other shard does not know");
    let mut net = net.crash();
    net.resident(0, CONN, b'p');
    net.output(0, CONN);
    net.give(0, CONN, &PUBREL);
    net.settle();
    assert_eq!(net.output(0, CONN), PUBCOMP);
    let mut next = PUBLISH_2;
    next[7] = b'2';
    net.give(0, CONN, &next);
    net.settle();
    assert_eq!(net.output(0, CONN), PUBREC);
    assert_eq!(received(&mut net), [b"12", b"12"]);
}

/// What shards know of the QoS 2 messages of a publisher elsewhere goes with its session, also if
/// it never sent PUBREL.
#[test]
fn origins_go_with_the_session() {
    let mut net = residents();
    net.give(0, CONN, &PUBLISH_2);
    net.settle();
    assert_eq!(net.output(0, CONN), PUBREC);
    let mut second = PUBLISH_2;
    second[6] = 6;
    // Of this one the other shard knows, and the publisher's session does not yet.
    net.give(0, CONN, &second);
    let store = open_store(0, &net.0[0].disk);
    let sessions = &store.catalog.sessions;
    let publisher = sessions.keys_from(0).map(|key| sessions.get(key)).find(|s| s.client_id == "p");
    let serial = publisher.expect("it stays").serial;
    let known = |net: &Net, shard: u16| {
        let store = open_store(shard, &net.0[usize::from(shard)].disk);
        let origin = |packet_id| Origin { shard: 0, serial, packet_id };
        [5, 6].map(|id| store.catalog.has_origin(&origin(id)))
    };
    assert_eq!((known(&net, 0), known(&net, 1)), ([true, true], [true, false]));
    let again = ConnId { slot: 2, generation: 0 };
    net.client(0, again, b'p');
    net.settle();
    assert_eq!((known(&net, 0), known(&net, 1)), ([false, false], [false, false]));
}

/// SUBSCRIBE with one filter of 1,000 bytes, or UNSUBSCRIBE.
fn long(kind: u8, tail: &[u8]) -> Vec<u8> {
    let rest = 2 + 2 + 1000 + tail.len();
    let low = u8::try_from(rest & 127).expect("seven bits");
    let mut packet = vec![kind, low | 128, u8::try_from(rest >> 7).expect("small"), 0, 1];
    packet.extend(1000_u16.to_be_bytes());
    packet.extend([b'f'; 1000]);
    packet.extend(tail);
    packet
}

/// What a durable session must know waits when the log is not written, after a few megabytes; what
/// it need not know does not, and when the log is written who waited goes on.
#[test]
fn requests_wait_for_the_log() {
    let mut net = Net::new(1);
    let conn = |slot| ConnId { slot, generation: 0 };
    let requests = [
        subscribe(b'x'),
        vec![0xa2, 5, 0, 1, 0, 1, b'x'],
        vec![0x34, 5, 0, 1, b't', 0, 7],
        vec![0x62, 2, 0, 7],
    ];
    for (slot, id) in (0..).zip(b'a'..=b'e') {
        net.resident(0, conn(slot), id);
        net.keep(0);
    }
    let (begin, _) = net.0[0].shard.log_marks();
    let filling = [long(0x82, &[0]), long(0x82, &[1]), long(0xa2, &[])];
    let mut filling = filling.iter().cycle();
    while net.hand(0, CONN, filling.next().expect("they go round")) == Flow::Continue {
        assert!(net.0[0].shard.log_marks().0 < begin + (8 << 20), "nothing waits");
    }
    for (slot, request) in (1..).zip(&requests) {
        assert_eq!(net.hand(0, conn(slot), request), Flow::Wait, "{request:?}");
    }
    for slot in [5, 6] {
        net.0[0].shard.open(conn(slot), Caller { address: None, local: true }, 0);
    }
    assert_eq!(net.hand(0, conn(5), &connect(false, b'n')), Flow::Wait);
    for packet in [connect(true, b'o'), subscribe(b'x'), vec![0x30, 4, 0, 1, b'y', b'1']] {
        assert_eq!(net.hand(0, conn(6), &packet), Flow::Continue, "{packet:?}");
    }
    net.0[0].end_turn();
    let node = &mut net.0[0];
    let mut context = Context { now_ms: 0, peers: &mut node.out };
    let events: Vec<Event> = std::iter::from_fn(|| node.shard.next_event(&mut context)).collect();
    for slot in 0..=5 {
        assert!(events.contains(&Event::Resume(conn(slot))), "{slot}: {events:?}");
    }
    for (slot, request) in (1..).zip(&requests) {
        assert_eq!(net.hand(0, conn(slot), request), Flow::Continue, "{request:?}");
    }
    net.give(0, conn(5), &connect(false, b'n'));
    net.keep(0);
    assert_eq!(net.output(0, conn(5)), [0x20, 2, 0, 0]);
}

/// A client that goes on while its answers wait for the log is not read from in the end, and again
/// when it has got them.
#[test]
fn answers_that_wait_are_bounded() {
    let mut net = Net::new(1);
    net.resident(0, CONN, b'r');
    net.keep(0);
    net.hand(0, CONN, &subscribe(b'x'));
    let message = [0x32, 5, 0, 1, b't', 0, 7];
    let handed = (0..200_000).take_while(|_| net.hand(0, CONN, &message) == Flow::Continue);
    let handed = handed.count();
    assert!((2 * 65_535..200_000).contains(&handed), "{handed}");
    net.0[0].end_turn();
    net.keep(0);
    while !net.output(0, CONN).is_empty() {}
    assert_eq!(net.hand(0, CONN, &message), Flow::Continue);
}
