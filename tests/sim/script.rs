//! Scripted worlds: some shards, clients that send given packets, a disk that stops on request.

use ringmq::broker::inspect::{Question, Reply, Snapshot};
use ringmq::mqtt::{
    Connect, ConnectProperties, Packet, PacketId, Properties, Publish, PublishProperties, QoS,
    Subscribe, SubscribeEntry, TopicFilter, TopicName, Version, Will, peek_frame,
};

use crate::cluster::{Cluster, SimClock};
use crate::disk::Fault;
use crate::kernel::{Kernel, Operation, Shared, lock};
use crate::link;
use crate::plan::Plan;

/// Turns after which a world counts as going round in circles.
const TURNS_MAX: u32 = 100_000;

/// See the module.
pub(crate) struct Script {
    kernel: Shared,
    clock: SimClock,
    cluster: Cluster,
    now_ms: u64,
    /// Nothing is written.
    pub(crate) is_disk_still: bool,
    /// A shard that takes no step.
    pub(crate) frozen: Option<usize>,
}

impl Script {
    /// A world of one shard, without faults.
    pub(crate) fn new() -> Self {
        Self::of(1)
    }

    /// A world without faults; clients connect to shard 0, which passes them on.
    pub(crate) fn of(shards: u16) -> Self {
        let plan = Plan {
            shards,
            mesh_bytes: 4096,
            pipe_bytes: 128,
            buffers: 4,
            buffer_bytes: 4096,
            accept_fails_one_in: 0,
            outgoing_bytes_max: 512,
            inflight_max: 100,
            segment_bytes: 65_536,
            first_segment_bytes: 65_536,
            sync: true,
            disk_ms_max: 0,
            session_expiry_ms: 0,
            publishes_per_s: 0,
            publish_bytes_per_s: 0,
            session_bytes_max: 0,
            ..Plan::new(0)
        };
        let kernel: Shared = std::sync::Arc::new(std::sync::Mutex::new(Kernel::new(&plan)));
        let clock = SimClock::default();
        let cluster = Cluster::new(&plan, 0, &kernel, &clock);
        Self { kernel, clock, cluster, now_ms: 0, is_disk_still: false, frozen: None }
    }

    /// Runs the broker until it waits.
    pub(crate) fn run(&mut self) {
        let mut operations = Vec::new();
        for _ in 0..TURNS_MAX {
            operations.clear();
            let mut any = false;
            for shard in (0..self.cluster.len()).filter(|shard| self.frozen != Some(*shard)) {
                if self.cluster.is_runnable(shard) {
                    self.cluster.step(shard);
                    any = true;
                }
            }
            let mut kernel = lock(&self.kernel);
            (0..self.cluster.len()).for_each(|ring| kernel.ready(ring, &mut operations));
            for (ring, operation) in operations.drain(..) {
                if !matches!(operation, Operation::Write) || !self.is_disk_still {
                    any = true;
                    kernel.advance(ring, operation);
                    // Others that were ready may not be any more.
                    break;
                }
            }
            if !any {
                return;
            }
        }
        panic!("it goes round in circles");
    }

    /// Clients have sent these bytes, which the kernel has received all before the broker runs.
    pub(crate) fn arrive_together(&mut self, conns: &[usize], bytes: &[u8]) {
        let mut kernel = lock(&self.kernel);
        for conn in conns {
            assert_eq!(kernel.conns[*conn].to_broker.write(bytes), bytes.len());
        }
        let mut operations = Vec::new();
        kernel.ready(0, &mut operations);
        for (ring, operation) in operations {
            if matches!(operation, Operation::Recv(_)) {
                kernel.advance(ring, operation);
            }
        }
    }

    /// The disk of a shard has a fault until some time from now.
    pub(crate) fn begin_fault(&mut self, shard: usize, fault: Fault, ms: u64) {
        lock(&self.kernel).begin_fault(shard, fault, self.now_ms + ms);
    }

    /// The figures of a shard, as the admin thread gets them.
    pub(crate) fn figures(&mut self, shard: usize) -> Snapshot {
        self.cluster.ask(shard, Question::Figures);
        self.run();
        match self.cluster.answers(shard).pop() {
            Some(Reply::Figures(figures)) => *figures,
            answer => panic!("no figures: {answer:?}"),
        }
    }

    /// The figures of the next turns of a shard, of which each gets some of what the kernel has.
    pub(crate) fn figures_of_turns(&mut self, shard: usize, turns: usize) -> Vec<Snapshot> {
        let mut found = Vec::new();
        for _ in 0..turns {
            self.cluster.ask(shard, Question::Figures);
            // It may be asleep, or about to sleep.
            while found.len() < turns && self.cluster.is_runnable(shard) {
                self.cluster.step(shard);
                for answer in self.cluster.answers(shard) {
                    let Reply::Figures(figures) = answer else { panic!("no figures: {answer:?}") };
                    found.push(*figures);
                }
                if self.cluster.unanswered() == 0 {
                    break;
                }
            }
        }
        found
    }

    /// Time passes.
    pub(crate) fn wait(&mut self, ms: u64) {
        let until_ms = self.now_ms + ms;
        while self.now_ms < until_ms {
            let next_ms = self.cluster.next_ms().unwrap_or(until_ms);
            self.now_ms = next_ms.clamp(self.now_ms + 1, until_ms);
            self.clock.set(self.now_ms);
            lock(&self.kernel).set_time(self.now_ms);
            self.run();
        }
    }

    /// Connects a client of MQTT 5 whose session is kept for a while; the connection.
    pub(crate) fn connect(
        &mut self,
        client_id: &str,
        expiry_s: u32,
        will: Option<Will<'_>>,
    ) -> usize {
        let conn = lock(&self.kernel).connect(0);
        let mut list = Vec::new();
        let asked = ConnectProperties { session_expiry_s: expiry_s, ..Default::default() };
        let connect = Connect {
            version: Version::V5,
            clean_session: false,
            keep_alive_s: 0,
            client_id,
            will,
            username: None,
            password: None,
            properties: asked.lay_out(&[], &mut list),
        };
        self.send(conn, &Packet::Connect(connect));
        conn
    }

    /// The same, until it is accepted.
    pub(crate) fn enter(
        &mut self,
        client_id: &str,
        expiry_s: u32,
        will: Option<Will<'_>>,
    ) -> usize {
        let conn = self.connect(client_id, expiry_s, will);
        assert_eq!(kinds(&self.read(conn)), ["Connack"]);
        conn
    }

    pub(crate) fn send(&mut self, conn: usize, packet: &Packet<'_>) {
        let mut bytes = Vec::new();
        packet.encode(Version::V5, &mut bytes);
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let taken = lock(&self.kernel).conns[conn].to_broker.write(rest);
            rest = &rest[taken..];
            self.run();
        }
    }

    pub(crate) fn subscribe(
        &mut self,
        conn: usize,
        properties: Properties<'_>,
        entry: SubscribeEntry<'_>,
    ) {
        let mut scratch = Vec::new();
        let packet_id = PacketId::new(1).expect("not 0");
        let packet = Subscribe::lay_out(packet_id, properties, [entry], &mut scratch);
        self.send(conn, &Packet::Subscribe(packet));
    }

    /// Publishes at QoS 0.
    pub(crate) fn publish(&mut self, conn: usize, topic: &str, retain: bool) {
        self.publish_as(conn, topic, retain, None);
    }

    /// Publishes at QoS 1.
    pub(crate) fn publish_qos1(&mut self, conn: usize, topic: &str, packet_id: u16) {
        self.publish_as(conn, topic, false, PacketId::new(packet_id));
    }

    fn publish_as(&mut self, conn: usize, topic: &str, retain: bool, packet_id: Option<PacketId>) {
        let publish = Publish {
            dup: false,
            qos: if packet_id.is_some() { QoS::AtLeastOnce } else { QoS::AtMostOnce },
            retain,
            topic: Some(TopicName::parse(topic).expect("a topic")),
            packet_id,
            properties: PublishProperties::EMPTY,
            payload: b"payload",
        };
        self.send(conn, &Packet::Publish(publish));
    }

    /// The connection breaks.
    pub(crate) fn reset(&mut self, conn: usize) {
        lock(&self.kernel).reset(conn);
        self.run();
    }

    /// All packets that can be read, as bytes.
    pub(crate) fn read(&mut self, conn: usize) -> Vec<Vec<u8>> {
        let (mut input, mut packets) = (Vec::new(), Vec::new());
        loop {
            self.run();
            let bytes = lock(&self.kernel).conns[conn].to_client.read(usize::MAX);
            if bytes.is_empty() {
                assert!(input.is_empty(), "half a packet");
                return packets;
            }
            input.extend(bytes);
            while let Some(frame) = peek_frame(Version::V5, &input, usize::MAX).expect("a packet")
                && frame.total_bytes <= input.len()
            {
                packets.push(input.drain(..frame.total_bytes).collect());
            }
        }
    }
}

/// The names of packets.
pub(crate) fn kinds(packets: &[Vec<u8>]) -> Vec<String> {
    let kind = |bytes: &Vec<u8>| format!("{:?}", link::parse(Version::V5, bytes).kind());
    packets.iter().map(kind).collect()
}

pub(crate) fn filter(text: &str) -> SubscribeEntry<'_> {
    SubscribeEntry::new(TopicFilter::parse(text).expect("a filter"), QoS::AtMostOnce)
}
