//! Consumer groups over several shards: whatever rings, members and the process do, each
//! acknowledged message is delivered until a member has acknowledged it, in order, and not again.
//!
//! Steps are random, or all sequences of a few steps are tried. Each delivery is checked: see
//! [`World::came`].

use std::collections::{BTreeMap, BTreeSet};

use ringmq::broker::{ClientAddress, CloseReason, ConnId, Context, ShardId};
use ringmq::mqtt::{Packet, QoS, Version, decode, peek_frame};

use super::net::{Net, connect};

/// A message: its publisher, its topic and its number.
type Message = (u8, u8, u8);

/// A present or former member.
#[derive(Default)]
struct Member {
    shard: usize,
    id: u8,
    durable: bool,
    conn: Option<ConnId>,
    /// Unacknowledged messages by identifier, in order of receipt.
    open: Vec<(u16, Message)>,
    /// Unacknowledged messages of its earlier connections.
    before: BTreeMap<u16, Message>,
    /// Messages received on this connection.
    seen: BTreeSet<Message>,
}

struct World {
    net: Option<Net>,
    shards: usize,
    members: Vec<Member>,
    /// Connections there were, by shard.
    conns: Vec<u32>,
    publishers: Vec<ConnId>,
    published: u8,
    /// Acknowledged to their publishers.
    promised: BTreeSet<Message>,
    waiting: BTreeMap<(usize, u16), Message>,
    /// Answered by a member.
    answered: BTreeSet<Message>,
    /// Acknowledged, perhaps not in the log: they may be delivered again after a crash.
    unsure: BTreeSet<Message>,
    /// The same, and all shards know it: the log has it after a short time.
    lazy: BTreeSet<Message>,
    /// Messages that may, because there was a crash.
    forgiven: BTreeSet<Message>,
    log: Vec<String>,
}

fn publish_bytes((publisher, topic, number): Message, id: u16) -> Vec<u8> {
    let [high, low] = id.to_be_bytes();
    vec![0x32, 9, 0, 3, b't', b'/', topic, high, low, publisher, number]
}

fn subscribe_bytes(first: u8) -> Vec<u8> {
    let filter = b"$share/g/t/#";
    let mut bytes = vec![first, 0, 0, 7, 0, 12];
    bytes.extend_from_slice(filter);
    if first == 0x82 {
        bytes.push(1);
    }
    bytes[1] = u8::try_from(bytes.len() - 2).expect("short");
    bytes
}

impl World {
    /// Shards with a publisher each, and members: the first is durable and away.
    fn new(shards: usize, members: usize) -> Self {
        let count = u16::try_from(shards).expect("a few");
        let mut world = Self {
            net: Some(Net::new(count)),
            shards,
            members: Vec::new(),
            conns: vec![0; shards],
            publishers: Vec::new(),
            published: 0,
            promised: BTreeSet::new(),
            waiting: BTreeMap::new(),
            answered: BTreeSet::new(),
            unsure: BTreeSet::new(),
            lazy: BTreeSet::new(),
            forgiven: BTreeSet::new(),
            log: Vec::new(),
        };
        world.open_publishers();
        for at in 0..members {
            let id = b'a' + u8::try_from(at).expect("a few");
            let (shard, durable) = (at % shards, at % 3 != 2);
            world.members.push(Member { shard, id, durable, ..Member::default() });
        }
        // So that the group does not end.
        world.members.push(Member { shard: 0, id: b'z', durable: true, ..Member::default() });
        let keeper = world.members.len() - 1;
        world.arrive(keeper);
        world.settle();
        world.leave(keeper);
        world.settle();
        world
    }

    fn net(&mut self) -> &mut Net {
        self.net.as_mut().expect("it is put back at once")
    }

    fn open_publishers(&mut self) {
        self.publishers.clear();
        for shard in 0..self.shards {
            let conn = self.next_conn(shard);
            let id = b'P' + u8::try_from(shard).expect("a few");
            self.net().client(shard, conn, id);
            self.publishers.push(conn);
        }
    }

    fn next_conn(&mut self, shard: usize) -> ConnId {
        self.conns[shard] += 1;
        ConnId { slot: self.conns[shard], generation: 1 }
    }

    fn say(&mut self, what: String) {
        self.log.push(what);
    }

    /// A client connects, and subscribes.
    fn arrive(&mut self, at: usize) {
        let (shard, id, durable) =
            (self.members[at].shard, self.members[at].id, self.members[at].durable);
        if self.members[at].conn.is_some() {
            return;
        }
        self.say(format!("{} arrives", char::from(id)));
        let conn = self.next_conn(shard);
        let net = self.net();
        net.0[shard].shard.open(conn, ClientAddress { local: true, ..ClientAddress::default() }, 0);
        net.give(shard, conn, &connect(!durable, id));
        net.give(shard, conn, &subscribe_bytes(0x82));
        let member = &mut self.members[at];
        member.conn = Some(conn);
        member.seen.clear();
        self.read(at);
    }

    /// A client's connection ends.
    fn leave(&mut self, at: usize) {
        let Some(conn) = self.members[at].conn else { return };
        self.read(at);
        self.say(format!("{} leaves", char::from(self.members[at].id)));
        let shard = self.members[at].shard;
        let node = &mut self.net().0[shard];
        let mut context = Context { now_ms: node.now_ms, peers: &mut node.out };
        node.shard.close(conn, CloseReason::PeerClosed, &mut context);
        node.end_turn();
        node.shard.remove(conn);
        self.lose(at);
    }

    fn lose(&mut self, at: usize) {
        let member = &mut self.members[at];
        member.conn = None;
        let open = std::mem::take(&mut member.open);
        if member.durable {
            member.before.extend(open);
        } else {
            member.before.clear();
        }
    }

    /// Lets the time pass in which lost members are waited for.
    fn wait(&mut self) {
        self.say("time passes".to_owned());
        for shard in 0..self.shards {
            let node = &mut self.net().0[shard];
            node.now_ms += 6000;
            let mut context = Context { now_ms: node.now_ms, peers: &mut node.out };
            node.shard.on_deadline(&mut context);
            node.end_turn();
            node.end_turn();
        }
        self.lazy.clear();
        self.read_all();
    }

    fn publish(&mut self, shard: usize, topic: u8) {
        let message = (u8::try_from(shard).expect("a few"), topic, self.published);
        self.published += 1;
        self.say(format!("publish {message:?}"));
        let id = u16::from(self.published);
        self.waiting.insert((shard, id), message);
        let conn = self.publishers[shard];
        self.net().give(shard, conn, &publish_bytes(message, id));
        self.read_all();
    }

    /// A member answers its oldest message, or one behind it.
    fn answer(&mut self, at: usize, nth: usize) {
        let Some(conn) = self.members[at].conn else { return };
        if nth >= self.members[at].open.len() {
            return;
        }
        let (id, message) = self.members[at].open.remove(nth);
        self.say(format!("{} answers {message:?}", char::from(self.members[at].id)));
        self.members[at].before.remove(&id);
        self.answered.insert(message);
        self.unsure.insert(message);
        let (shard, [high, low]) = (self.members[at].shard, id.to_be_bytes());
        self.net().give(shard, conn, &[0x40, 2, high, low]);
        self.read_all();
    }

    /// One record of one ring arrives.
    fn pass_one(&mut self, from: usize, to: usize) {
        let net = self.net();
        let Some(record) = net.0[from].out.records[to].pop_front() else { return };
        let node = &mut net.0[to];
        let mut context = Context { now_ms: node.now_ms, peers: &mut node.out };
        node.shard.handle_peer(ShardId(u16::try_from(from).expect("a few")), &record, &mut context);
        node.end_turn();
        net.0[from].out.settle_one(to);
        net.keep(to);
        net.keep(from);
        self.say(format!("{from} to {to}"));
        self.read_all();
    }

    /// Delivers everything on its way.
    fn settle(&mut self) {
        self.say("settle".to_owned());
        let mut quiet = 0;
        while quiet < 3 {
            quiet += 1;
            for from in 0..self.shards {
                self.net().keep(from);
                for to in (0..self.shards).filter(|to| *to != from) {
                    if !self.net().0[from].out.records[to].is_empty() {
                        quiet = 0;
                        self.net().pass(from, to);
                    }
                }
            }
            self.read_all();
        }
        self.lazy.append(&mut self.unsure);
    }

    fn crash(&mut self) {
        self.say("crash".to_owned());
        self.read_all();
        let net = self.net.take().expect("it is there");
        self.net = Some(net.crash());
        for at in 0..self.members.len() {
            self.lose(at);
            // Its earlier deliveries have other identifiers from now on.
            self.members[at].before.clear();
        }
        self.forgiven.append(&mut self.unsure);
        self.forgiven.append(&mut self.lazy);
        self.waiting.clear();
        self.open_publishers();
    }

    fn read_all(&mut self) {
        for at in 0..self.members.len() {
            self.read(at);
        }
        for shard in 0..self.shards {
            let conn = self.publishers[shard];
            let bytes = self.net().output(shard, conn);
            for packet in packets(&bytes) {
                if let Packet::Puback(ack) = packet {
                    let message = self.waiting.remove(&(shard, ack.packet_id.get()));
                    self.promised.extend(message);
                }
            }
        }
    }

    fn read(&mut self, at: usize) {
        let Some(conn) = self.members[at].conn else { return };
        let shard = self.members[at].shard;
        loop {
            let bytes = self.net().output(shard, conn);
            if bytes.is_empty() {
                return;
            }
            for packet in packets(&bytes) {
                if let Packet::Publish(publish) = packet {
                    assert_eq!((publish.qos, publish.retain), (QoS::AtLeastOnce, false));
                    let id = publish.packet_id.expect("QoS 1").get();
                    let topic = publish.topic.expect("it has one").as_str().as_bytes()[2];
                    let message = (publish.payload[0], topic, publish.payload[1]);
                    self.came(at, id, publish.dup, message);
                }
            }
        }
    }

    /// A member got a message.
    fn came(&mut self, at: usize, id: u16, dup: bool, message: Message) {
        let name = char::from(self.members[at].id);
        self.say(format!("{name} gets {message:?} as {id}{}", if dup { ", again" } else { "" }));
        let log = || self.log.join("\n");
        let again = self.answered.contains(&message) && !self.forgiven.contains(&message);
        assert!(!again, "it was answered\n{}", log());
        let member = &self.members[at];
        assert!(!member.seen.contains(&message), "twice on a connection\n{}", log());
        assert!(member.open.iter().all(|(known, _)| *known != id), "identifier\n{}", log());
        let had = member.before.get(&id).copied();
        assert_eq!(dup, had == Some(message), "DUP; it had {had:?}\n{}", log());
        let of = |other: &Message| (other.0, other.1) == (message.0, message.1);
        for (other, member) in self.members.iter().enumerate() {
            let has = member.open.iter().any(|(_, open)| of(open));
            assert!(other == at || member.conn.is_none() || !has, "two have a lane\n{}", log());
        }
        let last = self.members[at].open.iter().rev().find(|(_, open)| of(open));
        assert!(last.is_none_or(|(_, last)| last.2 < message.2), "order\n{}", log());
        let member = &mut self.members[at];
        member.before.remove(&id);
        member.seen.insert(message);
        member.open.push((id, message));
    }

    /// All members connect and acknowledge everything: then every promised message was
    /// acknowledged.
    fn end(&mut self) {
        self.settle();
        self.wait();
        self.settle();
        (0..self.members.len()).for_each(|at| self.arrive(at));
        self.settle();
        for _ in 0..1000 {
            let at = self.members.iter().position(|member| !member.open.is_empty());
            let Some(at) = at else { break };
            self.answer(at, 0);
            self.settle();
        }
        let missing: Vec<_> = self.promised.difference(&self.answered).collect();
        assert!(missing.is_empty(), "{missing:?} are missing\n{}", self.log.join("\n"));
        assert!(self.members.iter().all(|member| member.open.is_empty()));
    }
}

fn packets(mut bytes: &[u8]) -> Vec<Packet<'_>> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let frame = peek_frame(Version::V311, bytes, 1 << 20).expect("packets").expect("whole");
        let (packet, rest) = bytes.split_at(frame.total_bytes);
        found.push(decode(Version::V311, frame, packet).expect("a packet"));
        bytes = rest;
    }
    found
}

/// Numbers that look random.
struct Lots(u64);

impl Lots {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from((self.0 >> 16) % end as u64).expect("small")
    }
}

/// Random steps.
#[test]
fn whatever_happens() {
    for seed in 1..=120_u64 {
        let mut lots = Lots(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let shards = 1 + lots.below(3);
        let members = 2 + lots.below(3);
        let mut world = World::new(shards, members);
        world.say(format!("seed {seed}, {shards} shards"));
        let crashes = seed % 3 == 0;
        for _ in 0..120 {
            let at = lots.below(members);
            match lots.below(14) {
                0..=3 if world.published < 200 => {
                    world.publish(
                        lots.below(shards),
                        b'0' + u8::try_from(lots.below(3)).expect("3"),
                    );
                }
                4..=6 => {
                    let nth = if lots.below(4) == 0 { 1 } else { 0 };
                    world.answer(at, nth);
                }
                7 => world.arrive(at),
                8 => world.leave(at),
                9 if lots.below(3) == 0 => world.wait(),
                10 if crashes && lots.below(6) == 0 => world.crash(),
                11 if lots.below(4) == 0 => world.settle(),
                _ => world.pass_one(lots.below(shards), lots.below(shards)),
            }
        }
        world.end();
    }
}

/// All sequences of four steps with two shards, two members and three messages.
#[test]
fn all_short_sequences() {
    const STEPS: usize = 8;
    const LENGTH: u32 = 4;
    for sequence in 0..STEPS.pow(LENGTH) {
        let mut world = World::new(2, 2);
        world.arrive(0);
        world.arrive(1);
        world.settle();
        for (shard, topic) in [(0, b'0'), (0, b'0'), (1, b'0')] {
            world.publish(shard, topic);
        }
        let mut rest = sequence;
        for _ in 0..LENGTH {
            match rest % STEPS {
                0 => world.pass_one(0, 1),
                1 => world.pass_one(1, 0),
                2 => world.answer(0, 0),
                3 => world.answer(1, 0),
                4 => world.leave(0),
                5 => world.arrive(0),
                6 => world.wait(),
                _ => world.crash(),
            }
            rest /= STEPS;
        }
        world.end();
    }
}
