//! A simulated client: one client id, its successive connections, and its next actions.
//!
//! Over connections it keeps the state that the standard requires of a client: unacknowledged
//! messages (`outgoing`), and, in the ledger's session, the received identifiers.

mod acts;
mod end;
mod proofs;
mod replies;
mod wills;

use std::collections::VecDeque;

use ringmq::mqtt::{
    AckKind, Connack, ConnackProperties, Disconnect, Packet, Publish, QoS, ReasonCode,
};

use crate::kernel::{Kernel, Shared, lock};
use crate::ledger::{Draft, Ledger, MessageId, OWN, SessionId, TOPICS};
use crate::link::{self, Leaving, Link};
use crate::plan::Plan;
use crate::position::Position;
use crate::proof::Proof;
use crate::random::Random;
use crate::session::{Session, Via};
use crate::terms::Terms;
use end::{Absence, kept_ms};
use wills::KeptWill;

/// The phase of all clients.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mode {
    /// Random actions.
    Live,
    /// Clients with a session reconnect, and all wait for everything due.
    Settle,
    /// All disconnect.
    Leave,
    /// The broker stops.
    Drain,
}

/// The inputs of a step.
pub(crate) struct Scene<'a> {
    pub(crate) kernel: &'a Shared,
    pub(crate) ledger: &'a mut Ledger,
    pub(crate) random: &'a mut Random,
    pub(crate) plan: &'a Plan,
    pub(crate) mode: Mode,
    pub(crate) now_ms: u64,
}

/// Whether the broker has a session for a client id, as far as the client knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Presence {
    No,
    Yes,
    Unknown,
}

/// A message whose exchange is not complete.
struct Outgoing {
    packet_id: u16,
    id: MessageId,
    /// PUBREC was received: PUBREL is repeated instead.
    released: bool,
    /// The connection it was last sent on.
    conn: usize,
}

/// A step that a client can take.
#[derive(Clone, Copy)]
enum Move {
    Write,
    Read,
    Answer,
    Ping,
    Act,
}

/// See the module.
pub(crate) struct Client {
    at: usize,
    name: String,
    persistent: bool,
    pub(crate) link: Option<Link>,
    /// Connections that were taken over: the broker must close them.
    zombies: Vec<usize>,
    /// A connection without CONNACK that must end before the next: its CONNECT may still arrive.
    waits_for: Option<usize>,
    outgoing: VecDeque<Outgoing>,
    pub(crate) session: Option<SessionId>,
    presence: Presence,
    /// A clean CONNECT had no answer: only another one tells which session exists.
    unclear: bool,
    /// Its last connection but the present one, and the absence after it; also a will that may
    /// still be published.
    last_conn: Option<usize>,
    absence: Absence,
    kept_will: Option<KeptWill>,
    /// The number of actions that it still takes.
    pub(crate) acts: usize,
    next_ms: u64,
    last_packet_id: u16,
    /// It takes an identifier again as soon as it may.
    reuses: bool,
    /// It subscribes to all retained messages.
    is_probe: bool,
}

impl Client {
    pub(crate) fn new(at: usize, acts: usize, random: &mut Random) -> Self {
        Self {
            at,
            name: format!("c{at}"),
            persistent: random.one_in(2),
            link: None,
            zombies: Vec::new(),
            waits_for: None,
            outgoing: VecDeque::new(),
            session: None,
            presence: Presence::No,
            unclear: false,
            last_conn: None,
            absence: Absence::NEVER,
            kept_will: None,
            acts,
            next_ms: 0,
            last_packet_id: 0,
            reuses: random.one_in(2),
            is_probe: false,
        }
    }

    /// A client that subscribes to everything, for the retained messages.
    pub(crate) fn probe(at: usize, random: &mut Random) -> Self {
        Self { persistent: false, is_probe: true, ..Self::new(at, 0, random) }
    }

    pub(crate) fn can_step(&self, kernel: &Kernel, mode: Mode, now_ms: u64) -> bool {
        self.moves(kernel, mode, now_ms).next().is_some()
    }

    /// Takes a step, one of those it can.
    pub(crate) fn step(&mut self, scene: &mut Scene<'_>) {
        let moves: Vec<Move> = self.moves(&lock(scene.kernel), scene.mode, scene.now_ms).collect();
        let Some(link) = &mut self.link else { return self.act(scene) };
        match scene.random.pick(&moves) {
            Move::Write => {
                link.write(&mut lock(scene.kernel), scene.random, scene.plan.trickle);
            }
            Move::Read => self.read(scene),
            Move::Answer => self.answer(scene),
            Move::Ping => link.ping(scene.now_ms),
            Move::Act => self.act(scene),
        }
    }

    /// Notes a crash of the broker: state that was not promised is kept or lost.
    pub(crate) fn on_crash(&mut self, scene: &mut Scene<'_>) {
        self.on_crash_wills(scene);
        self.on_crash_absence();
        let sessions = &scene.ledger.sessions;
        let durable = self.session.is_some_and(|session| sessions[session].durable);
        if self.presence == Presence::Yes && !durable {
            self.presence = Presence::Unknown;
        }
    }

    /// The time of its next action, if that is later.
    pub(crate) fn next_ms(&self, mode: Mode, now_ms: u64) -> Option<u64> {
        let acts = self.wants_to_act(mode).then_some(self.next_ms);
        let link = self.link.as_ref();
        let answer = link.and_then(|link| link.answers.front()).map(|(due_ms, ..)| *due_ms);
        let pause = link.map(|link| link.paused_until_ms);
        let ping = link.and_then(Link::ping_ms);
        let dues = [acts, answer, pause, ping];
        dues.into_iter().flatten().filter(|due_ms| *due_ms > now_ms).min()
    }

    /// Whether nothing is left to do or to wait for.
    pub(crate) fn is_settled(&self, kernel: &Kernel, mode: Mode) -> bool {
        let buried = self.zombies.iter().all(|conn| kernel.conns[*conn].closed);
        let at_rest = match &self.link {
            None => mode != Mode::Settle || !self.wants_to_act(mode),
            Some(link) => {
                !link.is_waiting()
                    && link.settled
                    && link.answers.is_empty()
                    && self.outgoing.is_empty()
            }
        };
        buried && at_rest
    }

    /// How long it has waited for the broker; `None` if it does not wait, or if its own publish
    /// rate is the cause, or a disk that works only from `well_ms` on.
    pub(crate) fn waited_ms(&self, now_ms: u64, well_ms: u64) -> Option<u64> {
        let link = self.link.as_ref().filter(|link| link.is_waiting())?;
        let excused_ms = if link.needs_disk { well_ms } else { 0 };
        let since_ms = link.waits_since_ms.max(link.paused_until_ms).max(excused_ms);
        let since_ms = since_ms.max(link.earned_ms);
        Some(now_ms.saturating_sub(since_ms))
    }

    /// A description for the story of a run that got stuck.
    pub(crate) fn describe(&self) -> String {
        let name = &self.name;
        let Some(link) = &self.link else {
            return format!("{name}: away, {:?}, waits for {:?}", self.presence, self.waits_for);
        };
        let (pings, replies, out) = (link.pings.len(), &link.replies, link.out.len());
        let Link { conn, accepted, leaving, answers, .. } = link;
        format!(
            "{name}: on {conn}, accepted {accepted}, leaving {leaving:?}, {pings} pings, \
             {out} to write, {} to answer, {} outgoing, owed {replies:?}, zombies {:?}",
            answers.len(),
            self.outgoing.len(),
            self.zombies,
        )
    }

    fn wants_to_act(&self, mode: Mode) -> bool {
        match (mode, &self.link) {
            (Mode::Live, _) => self.acts > 0,
            (Mode::Settle, None) => self.presence != Presence::No,
            (Mode::Settle, Some(link)) => {
                let resolved = link.accepted && self.outgoing.is_empty();
                link.leaving == Leaving::Silently
                    || resolved && !link.settled && link.leaving == Leaving::No
            }
            (Mode::Leave, Some(link)) => link.accepted && link.leaving == Leaving::No,
            (Mode::Leave, None) | (Mode::Drain, _) => false,
        }
    }

    fn moves(
        &self,
        kernel: &Kernel,
        mode: Mode,
        now_ms: u64,
    ) -> impl Iterator<Item = Move> + use<> {
        let free = self.waits_for.is_none_or(|conn| kernel.conns[conn].closed);
        let acts = self.wants_to_act(mode) && self.next_ms <= now_ms && free;
        let link = self.link.as_ref();
        let on_link = |able: fn(&Link, &Kernel, u64) -> bool| {
            link.is_some_and(|link| able(link, kernel, now_ms))
        };
        let writes = on_link(|link, kernel, _| link.can_write(kernel));
        let reads = on_link(|link, kernel, now_ms| {
            let conn = &kernel.conns[link.conn];
            link.paused_until_ms <= now_ms && (conn.to_client.len() > 0 || conn.is_over())
        });
        let answers = on_link(|link, _, now_ms| {
            link.answers.front().is_some_and(|(due_ms, ..)| *due_ms <= now_ms)
        });
        let pings =
            on_link(|link, _, now_ms| link.ping_ms().is_some_and(|due_ms| due_ms <= now_ms));
        let moves = [
            writes.then_some(Move::Write),
            reads.then_some(Move::Read),
            answers.then_some(Move::Answer),
            pings.then_some(Move::Ping),
            acts.then_some(Move::Act),
        ];
        moves.into_iter().flatten()
    }

    fn answer(&mut self, scene: &mut Scene<'_>) {
        let Some(link) = &mut self.link else { return };
        let Some((_, kind, packet_id)) = link.answers.pop_front() else { return };
        if link.leaving != Leaving::No {
            return;
        }
        link.put_ack(kind, packet_id, scene.now_ms);
        if matches!(kind, AckKind::Puback | AckKind::Pubcomp)
            && let Some(session) = self.session
        {
            scene.ledger.sessions[session].complete(packet_id.get());
        }
    }

    fn read(&mut self, scene: &mut Scene<'_>) {
        let Some(link) = &mut self.link else { return };
        link.paused_until_ms = 0;
        link.read(&mut lock(scene.kernel), scene.random);
        while let Some(bytes) = self.link.as_mut().and_then(Link::next_packet) {
            let version = self.link.as_ref().expect("it is read from").dialect.version;
            self.handle(&link::parse(version, &bytes), scene);
        }
        let conn = self.link.as_ref().map(|link| link.conn);
        if conn.is_some_and(|conn| lock(scene.kernel).conns[conn].is_over()) {
            self.on_end(scene);
        }
    }

    fn handle(&mut self, packet: &Packet<'_>, scene: &mut Scene<'_>) {
        let name = &self.name;
        scene.ledger.tell(|| format!("{name} gets {packet:?}"));
        let now_ms = scene.now_ms;
        if let Packet::Connack(connack) = packet {
            return self.on_connack(connack, scene);
        }
        if let Packet::Auth(auth) = packet {
            return self.on_auth(auth, scene);
        }
        let Some(link) = &mut self.link else { return };
        assert!(link.accepted, "{packet:?} before CONNACK");
        if !matches!(packet, Packet::Publish(_) | Packet::Pubrel(_)) {
            link.waits_since_ms = now_ms;
        }
        match packet {
            Packet::Publish(publish) => self.on_publish(publish, scene),
            Packet::Pubrel(ack) => {
                let session = self.session.expect("it is connected");
                let known = scene.ledger.sessions[session].is_known(ack.packet_id.get());
                assert!(known || link.resumed, "PUBREL for nothing: {ack:?}");
                link.answers.push_back((now_ms, AckKind::Pubcomp, ack.packet_id));
            }
            Packet::Pingresp => {
                let confirmed = link.pings.pop_front().expect("PINGRESP answers a PINGREQ");
                confirmed.iter().for_each(|id| scene.ledger.messages[*id].handled = true);
            }
            Packet::Puback(_)
            | Packet::Pubrec(_)
            | Packet::Pubcomp(_)
            | Packet::Suback(_)
            | Packet::Unsuback(_) => {
                let reply = link.take_reply(packet);
                let reply = reply.unwrap_or_else(|| panic!("nobody waits for {packet:?}"));
                self.on_reply(packet, reply, scene);
            }
            Packet::Disconnect(disconnect) => self.on_disconnect(disconnect, scene.mode),
            Packet::Connect(_)
            | Packet::Connack(_)
            | Packet::Subscribe(_)
            | Packet::Unsubscribe(_)
            | Packet::Pingreq
            | Packet::Auth(_) => panic!("a broker does not send {packet:?}"),
        }
    }

    fn on_publish(&mut self, publish: &Publish<'_>, scene: &mut Scene<'_>) {
        let Some(link) = &mut self.link else { return };
        let via = Via {
            conn: link.conn,
            resumed: link.resumed,
            began_ms: link.began_ms + link.down_ms,
            is_v5: link.dialect.is_v5(),
            has_positions: link.dialect.wants_positions,
        };
        let topic = link.dialect.topic_of(publish);
        if let Some(packet_id) = publish.packet_id {
            link.dialect.begin(packet_id.get());
        }
        scene.ledger.receive(self.session.expect("it is connected"), &topic, publish, via);
        let kind = match publish.qos {
            QoS::AtMostOnce => return,
            QoS::AtLeastOnce => AckKind::Puback,
            QoS::ExactlyOnce => AckKind::Pubrec,
        };
        let lazy = scene.mode == Mode::Live && scene.random.one_in(4);
        let delay_ms = if lazy { scene.random.pick(&[1, 10, 300]) } else { 0 };
        // In the order of the messages [MQTT-4.6.0-2].
        let due_ms = link.answers.back().map_or(0, |(due_ms, ..)| *due_ms);
        let packet_id = publish.packet_id.expect("the decoder wants one");
        link.answers.push_back((due_ms.max(scene.now_ms + delay_ms), kind, packet_id));
    }

    /// The broker says why it is about to close.
    fn on_disconnect(&self, disconnect: &Disconnect<'_>, mode: Mode) {
        let Some(link) = &self.link else { return };
        assert!(link.dialect.is_v5(), "{disconnect:?}");
        let expected = match link.leaving {
            _ if mode == Mode::Drain => return,
            Leaving::Silently => ReasonCode::KeepAliveTimeout,
            _ if matches!(link.proof, Proof::Refuted) => ReasonCode::NotAuthorized,
            _ if link.breaks_rules => ReasonCode::ProtocolError,
            _ => panic!("nobody expects {disconnect:?}"),
        };
        assert_eq!(disconnect.reason, expected, "{disconnect:?}");
    }

    fn on_connack(&mut self, connack: &Connack<'_>, scene: &mut Scene<'_>) {
        let Some(link) = &self.link else { return };
        assert!(!link.accepted && connack.reason == 0, "{connack:?}");
        let expected = match self.presence {
            _ if link.clean_start => Some(false),
            Presence::No => Some(false),
            Presence::Yes if self.may_have_expired(scene) => None,
            Presence::Yes => Some(true),
            Presence::Unknown => None,
        };
        let present = connack.session_present;
        assert!(!present || !self.must_have_expired(link, scene), "the session has expired");
        assert!(expected.is_none_or(|expected| expected == present), "session present: {present}");
        self.resolve_will(link.conn, present, scene);
        let Some(link) = &mut self.link else { return };
        let told = ConnackProperties::of(connack.properties);
        link.dialect.on_connack(&told, scene.plan);
        link.proof.end(told.authentication_method, told.authentication_data);
        (link.accepted, link.resumed, link.waits_since_ms) = (true, present, scene.now_ms);
        self.presence =
            if scene.ledger.is_past(link.conn) { Presence::Unknown } else { Presence::Yes };
        self.unclear = false;
        if let (Some(old), false) = (self.session, present) {
            scene.ledger.sessions[old].alive = false;
            self.session = None;
        }
        let ends = kept_ms(link, scene).1 == 0;
        let is_past = scene.ledger.is_past(link.conn);
        let connected = scene.ledger.tick();
        let sessions = &mut scene.ledger.sessions;
        let session = *self.session.get_or_insert_with(|| {
            sessions.push(Session::new(self.at));
            sessions.len() - 1
        });
        let conn = link.conn;
        let name = &self.name;
        (sessions[session].alive, sessions[session].conn) = (true, conn);
        let session_now = &mut sessions[session];
        session_now.has_left = is_past;
        if !present {
            session_now.clean = ends;
        }
        // The broker delays the CONNACK of a new session until the session is durable.
        session_now.durable |= !session_now.clean && self.presence == Presence::Yes;
        session_now.receive_max = link.dialect.asked.receive_max;
        let most = link.dialect.asked.packet_bytes_max as usize;
        session_now.packet_bytes_max = session_now.packet_bytes_max.min(most);
        sessions[session].connected = connected;
        let epoch = Position::epoch_in(connack.properties);
        assert_eq!(epoch.is_some(), link.dialect.wants_positions, "{connack:?}");
        sessions[session].has_positions |= epoch.is_some();
        epoch.into_iter().for_each(|epoch| scene.ledger.note_epoch(session, &epoch, !present));
        scene.ledger.tell(|| format!("{name} has session {session}"));
        if present {
            self.repeat(scene);
        } else {
            self.outgoing.retain(|outgoing| outgoing.conn == conn);
            if self.outgoing.is_empty() && scene.random.one_in(2) {
                self.last_packet_id = 0;
            }
        }
    }
}

/// Some terms for a message.
fn draft(at: usize, scene: &mut Scene<'_>, will: bool) -> Draft {
    let random = &mut *scene.random;
    let topics = scene.plan.topics.min(TOPICS.len());
    let own = random.one_in(3);
    let topic = if own { OWN[at % OWN.len()] } else { TOPICS[random.below(topics)] };
    let retain = own || random.one_in(4);
    let bytes = match () {
        () if retain && !will && random.one_in(6) => 0,
        () if !will && random.one_in(scene.plan.large_one_in) => 16_400 + random.below(4000),
        () => 4 + random.below(40),
    };
    Draft { topic, qos: pick_qos(random), retain, bytes, will }
}

/// The properties of a message that is published with MQTT 5. An empty one has no number, so it has
/// none.
fn draw_terms(draft: Draft, random: &mut Random) -> Terms {
    if draft.bytes == 0 { Terms::default() } else { Terms::draw(random) }
}

fn pick_qos(random: &mut Random) -> QoS {
    random.pick(&[QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce])
}
