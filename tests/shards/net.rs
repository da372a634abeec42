//! Shards with a disk each, and the rings between them.

use std::collections::VecDeque;

use ringmq::broker::{
    ClientAddress, ClientLimit, ConnId, Context, Flow, Options, Peers, Shard, ShardId, ShardSet,
};
use ringmq::chunk::Batch;
use ringmq::mqtt::{Packet, Version, decode, peek_frame};

use super::disk::{Disk, open_store};

/// A shard's ways to the others, by shard.
#[derive(Default)]
pub(crate) struct Rings {
    pub(crate) records: Vec<VecDeque<Vec<u8>>>,
    awaited: Vec<u64>,
    sent: Vec<u64>,
    settled: Vec<u64>,
    refused: Vec<u64>,
}

impl Rings {
    pub(crate) fn new(shards: u16) -> Self {
        let zeros = vec![0; usize::from(shards)];
        let records = zeros.iter().map(|_: &u64| VecDeque::new()).collect();
        Self {
            records,
            awaited: zeros.clone(),
            sent: zeros.clone(),
            settled: zeros.clone(),
            refused: zeros,
        }
    }
}

impl Rings {
    /// Notes that one more message to a shard was handled, and its records are durable.
    pub(crate) fn settle_one(&mut self, to: usize) {
        self.settled[to] += 1;
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

    fn settled(&self, shard: ShardId) -> u64 {
        self.settled[usize::from(shard.0)]
    }

    fn refused(&self, shard: ShardId) -> u64 {
        self.refused[usize::from(shard.0)]
    }

    fn admit(&mut self, _: u16, _: u64) -> Result<(), ClientLimit> {
        Ok(())
    }

    fn leave(&mut self, _: u16) {}
}

pub(crate) struct Node {
    pub(crate) shard: Shard,
    pub(crate) out: Rings,
    pub(crate) disk: Disk,
    pub(crate) now_ms: u64,
    /// The version of its clients.
    pub(crate) version: Version,
}

impl Node {
    fn new(shard: Shard, shards: u16, disk: Disk) -> Self {
        Self { shard, out: Rings::new(shards), disk, now_ms: 0, version: Version::V311 }
    }

    /// Ends a turn, and serves the disk.
    pub(crate) fn end_turn(&mut self) {
        let mut context = Context { now_ms: self.now_ms, peers: &mut self.out };
        self.shard.end_turn(&mut context);
        self.shard.seal_promises(&self.out);
        self.disk.serve(&mut self.shard, self.now_ms);
    }
}

pub(crate) struct Net(pub(crate) Vec<Node>);

pub(crate) const CONN: ConnId = ConnId { slot: 0, generation: 0 };

impl Net {
    pub(crate) fn new(shards: u16) -> Self {
        Self::with(shards, &Options { system_topics: true, ..Options::single() })
    }
    /// The same with these options.
    pub(crate) fn with(shards: u16, own: &Options) -> Self {
        let node = |shard| {
            let own = own.clone();
            let options = Options { shard: ShardId(shard), shards, ..own };
            let disk = Disk::default();
            let shard = Shard::new(options, open_store(shard, &disk));
            let mut node = Node::new(shard, shards, disk);
            // It has files.
            node.end_turn();
            node
        };
        Self((0..shards).map(node).collect())
    }

    pub(crate) fn give(&mut self, at: usize, conn: ConnId, bytes: &[u8]) {
        self.hand(at, conn, bytes);
        self.0[at].end_turn();
    }
    /// The same without ending the turn.
    pub(crate) fn hand(&mut self, at: usize, conn: ConnId, bytes: &[u8]) -> Flow {
        let node = &mut self.0[at];
        let frame = peek_frame(node.version, bytes, 1 << 20)
            .expect("tests send packets")
            .expect("whole ones");
        let packet: Packet<'_> = decode(node.version, frame, bytes).expect("tests send packets");
        let mut context = Context { now_ms: node.now_ms, peers: &mut node.out };
        node.shard.handle_packet(conn, &packet, &mut context)
    }
    pub(crate) fn client(&mut self, at: usize, conn: ConnId, id: u8) {
        self.0[at].shard.open(conn, ClientAddress { local: true, ..ClientAddress::default() }, 0);
        self.give(at, conn, &connect(true, id));
        self.output(at, conn);
    }
    /// The same with a durable session.
    pub(crate) fn resident(&mut self, at: usize, conn: ConnId, id: u8) {
        self.0[at].shard.open(conn, ClientAddress { local: true, ..ClientAddress::default() }, 0);
        self.give(at, conn, &connect(false, id));
    }
    /// Ends the process at once; another begins with the contents of the disks.
    pub(crate) fn crash(self) -> Self {
        let shards = u16::try_from(self.0.len()).expect("a few");
        let nodes = (0..shards).zip(self.0).map(|(number, Node { disk, .. })| {
            let options = Options { shard: ShardId(number), shards, ..Options::single() };
            let shard = Shard::new(options, open_store(number, &disk));
            let mut node = Node::new(shard, shards, disk);
            let mut context = Context { now_ms: node.now_ms, peers: &mut node.out };
            node.shard.restore_bindings(&mut context);
            node.end_turn();
            node
        });
        let mut net = Self(nodes.collect());
        net.settle();
        net
    }
    /// Moves all records of one ring over.
    pub(crate) fn pass(&mut self, from: usize, to: usize) {
        while let Some(record) = self.0[from].out.records[to].pop_front() {
            let node = &mut self.0[to];
            let mut context = Context { now_ms: node.now_ms, peers: &mut node.out };
            node.shard.handle_peer(
                ShardId(u16::try_from(from).expect("small")),
                &record,
                &mut context,
            );
            let refused = node.shard.take_refused();
            node.end_turn();
            self.0[from].out.refused[to] += refused;
            self.0[from].out.settled[to] += 1;
        }
        self.keep(from);
    }
    /// A turn in which the disk does nothing.
    pub(crate) fn turn_without_disk(&mut self, at: usize) {
        let node = &mut self.0[at];
        let mut context = Context { now_ms: node.now_ms, peers: &mut node.out };
        node.shard.end_turn(&mut context);
        node.shard.seal_promises(&node.out);
        let mut context = Context { now_ms: node.now_ms, peers: &mut node.out };
        node.shard.keep_promises(&mut context);
    }
    /// Has a shard keep the promises that it can.
    pub(crate) fn keep(&mut self, at: usize) {
        let node = &mut self.0[at];
        let mut context = Context { now_ms: node.now_ms, peers: &mut node.out };
        node.shard.keep_promises(&mut context);
        node.shard.continue_replays(&mut context);
        node.end_turn();
    }
    pub(crate) fn settle(&mut self) {
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
    pub(crate) fn output(&mut self, at: usize, conn: ConnId) -> Vec<u8> {
        let mut batch = self.0[at].shard.take_output(conn, Batch::default());
        let bytes: Vec<u8> = batch.slices().collect::<Vec<_>>().concat();
        let node = &mut self.0[at];
        batch.clear(node.shard.pool());
        if !bytes.is_empty() {
            let mut context = Context { now_ms: node.now_ms, peers: &mut node.out };
            node.shard.on_sent(conn, bytes.len(), &mut context);
        }
        bytes
    }
}

pub(crate) fn connect(clean: bool, id: u8) -> Vec<u8> {
    let flags = if clean { 2 } else { 0 };
    vec![0x10, 13, 0, 4, b'M', b'Q', b'T', b'T', 4, flags, 0, 0, 0, 1, id]
}
pub(crate) fn publish(topic: u8, value: u8) -> Vec<u8> {
    vec![0x31, 4, 0, 1, topic, value]
}
pub(crate) fn subscribe(topic: u8) -> Vec<u8> {
    vec![0x82, 6, 0, 1, 0, 1, topic, 0]
}
