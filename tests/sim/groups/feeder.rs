//! A client that publishes for the group. What had no PUBACK when its connection was lost is not
//! sent again: it may have been published or not.

use std::collections::VecDeque;

use ringmq::mqtt::{
    Connect, Packet, PacketId, Properties, Publish, PublishProperties, QoS, TopicName, Version,
};

use super::book::MessageId;
use super::stage::{Mode, Scene};
use crate::dialect::Dialect;
use crate::kernel::{Kernel, lock};
use crate::link::{self, Link};

/// Messages of QoS 1 that it has on their way at most.
const OUTGOING_MAX: usize = 40;

/// See the module.
pub(super) struct Feeder {
    name: String,
    /// The numbers of its topics' streams.
    streams: Vec<usize>,
    link: Option<Link>,
    outgoing: VecDeque<(u16, MessageId)>,
    last_packet_id: u16,
    /// Things it still does.
    pub(super) acts: usize,
    next_ms: u64,
}

impl Feeder {
    pub(super) fn new(at: usize, streams: Vec<usize>, acts: usize) -> Self {
        Self {
            name: format!("feeder{at}"),
            streams,
            link: None,
            outgoing: VecDeque::new(),
            last_packet_id: 0,
            acts,
            next_ms: 0,
        }
    }

    /// Whether nothing is on its way to the broker.
    pub(super) fn is_settled(&self) -> bool {
        self.outgoing.is_empty() && self.link.as_ref().is_none_or(|link| link.out.is_empty())
    }

    pub(super) fn next_ms(&self, mode: Mode, now_ms: u64) -> Option<u64> {
        (mode == Mode::Live && self.acts > 0 && self.next_ms > now_ms).then_some(self.next_ms)
    }

    fn can_act(&self, mode: Mode, now_ms: u64) -> bool {
        let is_busy = self.link.as_ref().is_some_and(|link| !link.accepted)
            || self.outgoing.len() >= OUTGOING_MAX;
        mode == Mode::Live && self.acts > 0 && self.next_ms <= now_ms && !is_busy
    }

    pub(super) fn can_step(&self, kernel: &Kernel, mode: Mode, now_ms: u64) -> bool {
        let link = self.link.as_ref();
        let can = |able: fn(&Link, &Kernel) -> bool| link.is_some_and(|link| able(link, kernel));
        self.can_act(mode, now_ms) || can(Link::can_write) || can(can_read)
    }

    pub(super) fn step(&mut self, scene: &mut Scene<'_>) {
        let can_act = self.can_act(scene.mode, scene.now_ms);
        let Some(link) = &mut self.link else { return self.act(scene) };
        let (can_write, can_read) = {
            let kernel = lock(scene.kernel);
            (link.can_write(&kernel), can_read(link, &kernel))
        };
        let moves = [can_act, can_write, can_read];
        let able: Vec<usize> = (0..moves.len()).filter(|at| moves[*at]).collect();
        match scene.random.pick(&able) {
            0 => self.act(scene),
            1 => link.write(&mut lock(scene.kernel), scene.random, scene.plan.trickle),
            _ => self.read(scene),
        }
    }

    /// Loses its connection, and what was on its way may be lost with it.
    pub(super) fn lose(&mut self, scene: &Scene<'_>) {
        if let Some(link) = self.link.take() {
            lock(scene.kernel).reset(link.conn);
        }
        self.outgoing.clear();
    }

    fn act(&mut self, scene: &mut Scene<'_>) {
        self.acts = self.acts.saturating_sub(1);
        self.next_ms = scene.now_ms + scene.random.pick(&[0, 0, 0, 0, 1, 3, 20, 700]);
        match &self.link {
            None => self.connect(scene),
            Some(_) if scene.random.one_in(40) => self.lose(scene),
            Some(_) => {
                for _ in 0..scene.random.pick(&[1, 1, 1, 3, 10]) {
                    self.publish(scene);
                }
            }
        }
    }

    fn connect(&mut self, scene: &mut Scene<'_>) {
        let shard = scene.random.below(usize::from(scene.plan.shards));
        let conn = lock(scene.kernel).connect(shard);
        let connect = Connect {
            version: Version::V311,
            clean_session: true,
            keep_alive_s: 0,
            client_id: &self.name,
            will: None,
            username: None,
            password: None,
            properties: Properties::EMPTY,
        };
        self.link = Some(Link::new(conn, &connect, Dialect::old(scene.plan), scene.now_ms));
    }

    fn publish(&mut self, scene: &mut Scene<'_>) {
        let Some(link) = &mut self.link else { return };
        let stream = scene.random.pick(&self.streams);
        let qos = scene.random.pick(&[QoS::AtMostOnce, QoS::AtLeastOnce, QoS::AtLeastOnce]);
        let id = scene.book.add(stream, qos, link.conn, scene.random.below(40));
        let packet_id = (qos > QoS::AtMostOnce).then(|| {
            self.last_packet_id = self.last_packet_id % 1000 + 1;
            self.outgoing.push_back((self.last_packet_id, id));
            PacketId::new(self.last_packet_id).expect("1 to 1000")
        });
        let name = &self.name;
        scene.book.tell(|| format!("{name} publishes {id} of {stream} as {packet_id:?}"));
        let publish = Publish {
            dup: false,
            qos,
            retain: false,
            topic: Some(TopicName::parse(scene.book.topic(stream)).expect("a topic")),
            packet_id,
            properties: PublishProperties::default(),
            payload: &scene.book.payload(id),
        };
        link.put(&Packet::Publish(publish), scene.now_ms);
    }

    fn read(&mut self, scene: &mut Scene<'_>) {
        let Some(link) = &mut self.link else { return };
        link.read(&mut lock(scene.kernel), scene.random);
        while let Some(bytes) = link.next_packet() {
            match link::parse(Version::V311, &bytes) {
                Packet::Connack(connack) => {
                    assert_eq!(connack.reason, 0, "{connack:?}");
                    link.accepted = true;
                }
                Packet::Puback(ack) => {
                    let (packet_id, id) = self.outgoing.pop_front().expect("it was asked for");
                    assert_eq!(packet_id, ack.packet_id.get(), "PUBACKs are in order");
                    scene.book.note_puback(id);
                }
                packet => panic!("a publisher gets {packet:?}"),
            }
        }
        let is_over = lock(scene.kernel).conns[link.conn].is_over();
        assert!(!is_over || scene.mode == Mode::Drain, "the broker closes {}", self.name);
        if is_over {
            self.lose(scene);
        }
    }
}

/// Whether there is something to read, or an end.
pub(super) fn can_read(link: &Link, kernel: &Kernel) -> bool {
    let conn = &kernel.conns[link.conn];
    conn.to_client.len() > 0 || conn.is_over()
}
