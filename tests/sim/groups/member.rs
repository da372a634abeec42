//! A member of the group: its connections one after the other, and what it does next.

use std::collections::VecDeque;

use ringmq::mqtt::{
    Ack, Connack, Connect, Disconnect, Packet, PacketId, Properties, Publish, QoS, ReasonCode,
    SESSION_NEVER_EXPIRES,
};

use super::book::Arrival;
use super::feeder::can_read;
use super::stage::{Mode, SHARE, Scene};
use crate::dialect::Dialect;
use crate::kernel::{Kernel, lock};
use crate::link::{self, Link};
use crate::wish::Wish;

/// Messages that a member takes which does not say (`limits::GROUP_WINDOW`).
const WINDOW: usize = 1_000;

/// Identifier of its SUBSCRIBEs and UNSUBSCRIBEs, of which one is under way.
const ASKS_AS: u16 = 1;

/// What it waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Asked {
    Nothing,
    Suback,
    Unsuback,
}

/// A step that it can take.
#[derive(Clone, Copy)]
enum Move {
    Write,
    Read,
    Answer,
    Act,
}

/// See the module.
pub(super) struct Member {
    at: usize,
    name: String,
    /// Its session outlives its connections.
    durable: bool,
    /// It never leaves the group, which lives as long.
    anchors: bool,
    qos: QoS,
    link: Option<Link>,
    /// Connections that were taken over.
    zombies: Vec<usize>,
    /// Its session may be there, and be of the group, as far as it knows.
    may_be_member: bool,
    asked: Asked,
    /// Identifiers to be answered, each with when.
    answers: VecDeque<(u64, u16)>,
    pub(super) acts: usize,
    next_ms: u64,
}

fn asks_as() -> PacketId {
    PacketId::new(ASKS_AS).expect("it is not 0")
}

impl Member {
    pub(super) fn new(at: usize, durable: bool, qos: QoS, acts: usize) -> Self {
        Self {
            at,
            name: format!("member{at}"),
            durable,
            anchors: at == 0,
            qos,
            link: None,
            zombies: Vec::new(),
            may_be_member: false,
            asked: Asked::Nothing,
            answers: VecDeque::new(),
            acts,
            next_ms: 0,
        }
    }

    /// Whether it does nothing more by itself.
    pub(super) fn is_settled(&self, mode: Mode) -> bool {
        let is_done = self.link.as_ref().is_none_or(|link| link.accepted && link.out.is_empty());
        let is_at_rest = is_done && self.answers.is_empty() && self.asked == Asked::Nothing;
        is_at_rest && !self.wants_to_act(mode)
    }

    pub(super) fn next_ms(&self, mode: Mode, now_ms: u64) -> Option<u64> {
        let acts = self.wants_to_act(mode).then_some(self.next_ms);
        let answer = self.answers.front().map(|(due_ms, _)| *due_ms);
        let pause = self.link.as_ref().map(|link| link.paused_until_ms);
        [acts, answer, pause].into_iter().flatten().filter(|due_ms| *due_ms > now_ms).min()
    }

    fn wants_to_act(&self, mode: Mode) -> bool {
        match (mode, &self.link) {
            (Mode::Live, _) => self.acts > 0,
            // Who is away stays so, unless nobody else is there.
            (Mode::Settle, None) => self.anchors,
            (Mode::End, None) => self.may_be_member,
            (Mode::End, Some(link)) => {
                link.accepted && self.may_be_member && self.asked == Asked::Nothing
            }
            (Mode::Settle, Some(_)) | (Mode::Drain, _) => false,
        }
    }

    fn moves(&self, kernel: &Kernel, mode: Mode, now_ms: u64) -> Vec<Move> {
        let link = self.link.as_ref();
        let is_busy = link.is_some_and(|link| !link.accepted);
        let acts = self.wants_to_act(mode) && self.next_ms <= now_ms && !is_busy;
        let reads =
            link.is_some_and(|link| link.paused_until_ms <= now_ms && can_read(link, kernel));
        let moves = [
            link.is_some_and(|link| link.can_write(kernel)).then_some(Move::Write),
            reads.then_some(Move::Read),
            self.answers.front().filter(|(due_ms, _)| *due_ms <= now_ms).map(|_| Move::Answer),
            acts.then_some(Move::Act),
        ];
        moves.into_iter().flatten().collect()
    }

    pub(super) fn can_step(&self, kernel: &Kernel, mode: Mode, now_ms: u64) -> bool {
        !self.moves(kernel, mode, now_ms).is_empty()
    }

    pub(super) fn step(&mut self, scene: &mut Scene<'_>) {
        let moves = self.moves(&lock(scene.kernel), scene.mode, scene.now_ms);
        match (scene.random.pick(&moves), &mut self.link) {
            (Move::Write, Some(link)) => {
                link.write(&mut lock(scene.kernel), scene.random, scene.plan.trickle);
            }
            (Move::Read, Some(_)) => self.read(scene),
            (Move::Answer, Some(_)) => self.answer(scene),
            _ => self.act(scene),
        }
    }

    /// From now on it reads and answers at once.
    pub(super) fn hurry(&mut self, scene: &Scene<'_>) {
        self.next_ms = self.next_ms.min(scene.now_ms);
        self.answers.iter_mut().for_each(|(due_ms, _)| *due_ms = 0);
        if let Some(link) = &mut self.link {
            link.paused_until_ms = 0;
        }
        self.zombies.drain(..).for_each(|conn| lock(scene.kernel).reset(conn));
    }

    /// Its connection is gone: it was lost, or is forgotten.
    pub(super) fn lose(&mut self, scene: &mut Scene<'_>) -> Option<usize> {
        let link = self.link.take()?;
        let name = &self.name;
        scene.book.tell(|| format!("{name} is away from {}", link.conn));
        scene.book.end(self.at);
        self.answers.clear();
        self.asked = Asked::Nothing;
        // A SUBSCRIBE or CONNECT may have been heard.
        self.may_be_member &= self.durable || !link.accepted;
        self.next_ms = scene.now_ms + scene.random.pick(&[0, 0, 30, 1_000, 7_000]);
        Some(link.conn)
    }

    fn reset(&mut self, scene: &mut Scene<'_>) {
        if let Some(conn) = self.lose(scene) {
            lock(scene.kernel).reset(conn);
        }
    }

    fn act(&mut self, scene: &mut Scene<'_>) {
        self.acts = self.acts.saturating_sub(1);
        self.next_ms = scene.now_ms + scene.random.pick(&[0, 1, 3, 20, 200]);
        if self.link.is_none() {
            return self.connect(scene);
        }
        if scene.mode == Mode::End {
            return self.unsubscribe(scene);
        }
        match scene.random.below(100) {
            0..40 => self.ping(scene),
            40..50 if scene.plan.pauses => {
                let until_ms = scene.now_ms + scene.random.pick(&[1, 60, 300, 8_000]);
                self.link.iter_mut().for_each(|link| link.paused_until_ms = until_ms);
            }
            // The group in memory ends with its last member.
            50..62 if self.durable || !self.anchors => self.reset(scene),
            62..68 if self.durable || !self.anchors => self.take_over(scene),
            68..72 if self.durable || !self.anchors => self.leave(scene),
            72..80 if !self.anchors => self.unsubscribe(scene),
            80..90 => self.subscribe(scene),
            _ => {}
        }
    }

    fn connect(&mut self, scene: &mut Scene<'_>) {
        let random = &mut *scene.random;
        let shard = random.below(usize::from(scene.plan.shards));
        let is_new = self.durable && !self.anchors && random.one_in(6);
        let mut dialect = match random.one_in(scene.plan.v5_one_in) {
            true => Dialect::new(scene.plan, self.durable, random),
            false => Dialect::old(scene.plan),
        };
        // What is too large for one is dropped: that is judged elsewhere.
        dialect.asked.packet_bytes_max = u32::MAX;
        if self.anchors && self.durable {
            dialect.asked.session_expiry_s = SESSION_NEVER_EXPIRES;
        }
        let mut list = Vec::new();
        let connect = Connect {
            version: dialect.version,
            clean_session: !self.durable || is_new && scene.mode == Mode::Live,
            keep_alive_s: 0,
            client_id: &self.name,
            will: None,
            username: None,
            password: None,
            properties: match dialect.is_v5() {
                true => dialect.asked.lay_out(&[], &mut list),
                false => Properties::EMPTY,
            },
        };
        let conn = lock(scene.kernel).connect(shard);
        let name = &self.name;
        scene.book.tell(|| format!("{name} on {conn}, shard {shard}: {connect:?}"));
        if connect.clean_session {
            scene.book.ask_for_new_session(self.at);
        }
        self.link = Some(Link::new(conn, &connect, dialect, scene.now_ms));
    }

    /// Forgets its connection and comes again.
    fn take_over(&mut self, scene: &mut Scene<'_>) {
        let lost = self.lose(scene);
        self.zombies.extend(lost);
        self.connect(scene);
    }

    fn leave(&mut self, scene: &mut Scene<'_>) {
        let Some(link) = &mut self.link else { return };
        link.put(&Packet::Disconnect(Disconnect::default()), scene.now_ms);
        link.write(&mut lock(scene.kernel), scene.random, false);
        if let Some(conn) = self.lose(scene) {
            lock(scene.kernel).conns[conn].to_broker.ended = true;
            // What does not read holds the broker's end up.
            self.zombies.push(conn);
        }
    }

    fn ping(&mut self, scene: &mut Scene<'_>) {
        let Some(link) = &mut self.link else { return };
        link.put(&Packet::Pingreq, scene.now_ms);
        scene.book.note_pingreq(self.at);
    }

    fn subscribe(&mut self, scene: &mut Scene<'_>) {
        let Some(link) = self.link.as_mut().filter(|_| self.asked == Asked::Nothing) else {
            return;
        };
        link.put_subscribe(asks_as(), &[Wish::plain(SHARE, self.qos)], scene.now_ms);
        (self.asked, self.may_be_member) = (Asked::Suback, true);
    }

    fn unsubscribe(&mut self, scene: &mut Scene<'_>) {
        let Some(link) = self.link.as_mut().filter(|_| self.asked == Asked::Nothing) else {
            return;
        };
        if scene.mode == Mode::End && self.anchors {
            scene.book.group_lives = false;
        }
        link.put_unsubscribe(asks_as(), &[SHARE], scene.now_ms);
        self.asked = Asked::Unsuback;
    }

    fn answer(&mut self, scene: &mut Scene<'_>) {
        let Some(link) = &mut self.link else { return };
        let Some((_, packet_id)) = self.answers.pop_front() else { return };
        let wire_id = PacketId::new(packet_id).expect("it came so");
        let mut ack = Ack::new(wire_id);
        if link.dialect.is_v5() && scene.random.one_in(10) {
            ack.reason = ReasonCode::UnspecifiedError;
        }
        link.put(&Packet::Puback(ack), scene.now_ms);
        scene.book.answer(self.at, packet_id);
        let name = &self.name;
        scene.book.tell(|| format!("{name} answers {packet_id}"));
    }

    fn read(&mut self, scene: &mut Scene<'_>) {
        let Some(link) = &mut self.link else { return };
        link.read(&mut lock(scene.kernel), scene.random);
        while let Some(bytes) = self.link.as_mut().and_then(Link::next_packet) {
            let version = self.link.as_ref().expect("it is read from").dialect.version;
            self.handle(&link::parse(version, &bytes), scene);
        }
        let conn = self.link.as_ref().map(|link| link.conn);
        if conn.is_some_and(|conn| lock(scene.kernel).conns[conn].is_over()) {
            assert_eq!(scene.mode, Mode::Drain, "the broker closes {}", self.name);
            self.lose(scene);
        }
    }

    fn handle(&mut self, packet: &Packet<'_>, scene: &mut Scene<'_>) {
        let name = &self.name;
        if !matches!(packet, Packet::Publish(_)) {
            scene.book.tell(|| format!("{name} gets {packet:?}"));
        }
        match packet {
            Packet::Connack(connack) => self.on_connack(connack, scene),
            Packet::Publish(publish) => self.on_publish(publish, scene),
            Packet::Pingresp => scene.book.note_pingresp(self.at),
            Packet::Suback(ack) => {
                assert_eq!(self.asked, Asked::Suback, "{ack:?}");
                let granted = self.qos.min(QoS::AtLeastOnce) as u8;
                assert_eq!(ack.codes, [granted], "{ack:?}");
                self.asked = Asked::Nothing;
                scene.book.group_lives |= self.anchors;
            }
            Packet::Unsuback(ack) => {
                assert_eq!(self.asked, Asked::Unsuback, "{ack:?}");
                (self.asked, self.may_be_member) = (Asked::Nothing, false);
            }
            Packet::Disconnect(_) if scene.mode == Mode::Drain => {}
            packet => panic!("a member gets {packet:?}"),
        }
    }

    fn on_connack(&mut self, connack: &Connack<'_>, scene: &mut Scene<'_>) {
        let Some(link) = &mut self.link else { return };
        assert!(connack.reason == 0 && !link.accepted, "{connack:?}");
        assert!(!link.clean_start || !connack.session_present, "{connack:?}");
        (link.accepted, link.resumed) = (true, connack.session_present);
        scene.book.begin(self.at, link.conn, link.resumed);
        self.may_be_member &= link.resumed;
        // As clients do that cannot know; or that trust in their session.
        if scene.mode != Mode::End && (!link.resumed || scene.random.one_in(2)) {
            self.subscribe(scene);
        }
    }

    fn on_publish(&mut self, publish: &Publish<'_>, scene: &mut Scene<'_>) {
        let Some(link) = &mut self.link else { return };
        let topic = link.dialect.topic_of(publish);
        if scene.mode == Mode::Drain {
            // What was with members whose connections are closed already goes to the others.
            return;
        }
        let window = match link.dialect.is_v5() {
            true => usize::from(link.dialect.asked.receive_max).min(WINDOW),
            false => WINDOW,
        };
        let name = &self.name;
        let (as_id, dup, bytes) = (publish.packet_id, publish.dup, &publish.payload[..4]);
        scene.book.tell(|| format!("{name} gets {bytes:?} of {topic} as {as_id:?}, DUP {dup}"));
        let arrival = Arrival { member: self.at, resumed: link.resumed, window };
        scene.book.receive(&topic, publish, arrival);
        let Some(packet_id) = publish.packet_id else { return };
        let is_lazy = scene.mode == Mode::Live && scene.random.one_in(6);
        let delay_ms = if is_lazy { scene.random.pick(&[1, 10, 300, 7_000]) } else { 0 };
        // In the order of the messages [MQTT-4.6.0-2].
        let due_ms = self.answers.back().map_or(0, |(due_ms, _)| *due_ms);
        self.answers.push_back((due_ms.max(scene.now_ms + delay_ms), packet_id.get()));
    }
}
