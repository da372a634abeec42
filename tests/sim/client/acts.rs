//! A client's own actions, as the seed chooses.

use ringmq::mqtt::{Connect, PacketId, Properties, QoS};

use super::{Client, Mode, Outgoing, Presence, Scene, draft, draw_terms, pick_qos};
use crate::dialect::Dialect;
use crate::kernel::lock;
use crate::ledger::{Draft, MessageId, pick_filter};
use crate::link::{Leaving, Link, Reply};
use crate::proof::{Proof, USER};
use crate::session::Change;
use crate::wish::Wish;

/// Messages a client has unacknowledged before it waits.
const OUTGOING_MAX: usize = 20;

impl Client {
    pub(super) fn act(&mut self, scene: &mut Scene<'_>) {
        self.acts = self.acts.saturating_sub(1);
        self.next_ms = scene.now_ms + scene.random.pick(&[0, 0, 0, 0, 1, 3, 20]);
        if scene.mode == Mode::Live && scene.random.one_in(50) {
            self.next_ms = scene.now_ms + scene.random.pick(&[500, 9_000]);
        }
        let Some(link) = &mut self.link else { return self.connect(scene) };
        match scene.mode {
            Mode::Live if link.leaving != Leaving::No => match scene.random.below(8) {
                0 => self.reset(scene),
                1 if link.accepted => self.take_over(scene),
                _ => self.next_ms = scene.now_ms + 50,
            },
            Mode::Live if link.accepted || link.pipelines => self.act_online(scene),
            Mode::Live if scene.random.one_in(20) => self.reset(scene),
            Mode::Live | Mode::Drain => {}
            Mode::Settle if link.leaving == Leaving::Silently => self.reset(scene),
            Mode::Settle => {
                link.settled = true;
                link.ping(scene.now_ms);
            }
            Mode::Leave if scene.random.one_in(4) => self.reset(scene),
            Mode::Leave => self.leave(Leaving::Politely, scene),
        }
    }

    /// Does nothing of its own accord for a while.
    pub(crate) fn rest_until(&mut self, until_ms: u64) {
        self.next_ms = self.next_ms.max(until_ms);
    }

    /// Subscribes to all there is.
    pub(crate) fn subscribe_to_all(&mut self, scene: &mut Scene<'_>) {
        let all = [("#", QoS::ExactlyOnce), ("$s/#", QoS::AtLeastOnce)];
        self.send_subscribe(&all.map(|(filter, qos)| Wish::plain(filter, qos)), scene);
    }

    /// Resets its connection; bytes on their way may be lost.
    pub(crate) fn reset(&mut self, scene: &mut Scene<'_>) {
        if let Some(link) = &self.link {
            lock(scene.kernel).reset(link.conn);
        }
        self.lose(scene);
    }

    /// Ends the abandoned connections.
    pub(crate) fn bury_zombies(&self, scene: &Scene<'_>) {
        for conn in &self.zombies {
            lock(scene.kernel).reset(*conn);
        }
    }

    pub(crate) fn connect(&mut self, scene: &mut Scene<'_>) {
        let random = &mut *scene.random;
        let shard = random.below(usize::from(scene.plan.shards));
        let keep_alive_s = random.pick(&[0, 0, 5, 60]);
        let clean = match scene.mode {
            Mode::Live => self.persistent == random.one_in(8),
            Mode::Settle | Mode::Leave | Mode::Drain => self.presence == Presence::No,
        };
        let mut dialect = match scene.random.one_in(scene.plan.v5_one_in) {
            true => {
                let dialect = Dialect::new(scene.plan, !clean, scene.random);
                let proves = scene.random.one_in(scene.plan.proofs_one_in);
                if proves { dialect.with_proof() } else { dialect }
            }
            false => Dialect::old(scene.plan),
        };
        if self.is_probe {
            dialect.asked.packet_bytes_max = u32::MAX;
        }
        // In MQTT 5 the start of a session does not determine its end.
        let is_free = dialect.is_v5() && scene.mode == Mode::Live;
        let clean = if is_free { scene.random.one_in(5) } else { clean };
        let clean = clean || self.unclear;
        self.look_at_wills(clean, scene);
        let will = scene.random.one_in(2).then(|| self.draw_will(&dialect, scene));
        let (mut will_list, mut list) = (Vec::new(), Vec::new());
        let payload = will.map(|id| scene.ledger.payload(id)).unwrap_or_default();
        let is_v5 = dialect.is_v5();
        let has_proof = dialect.asked.authentication_method.is_some();
        let has_password = scene.plan.proofs_one_in > 0 && !has_proof;
        let connect = Connect {
            version: dialect.version,
            clean_session: clean,
            keep_alive_s,
            client_id: &self.name,
            will: will.map(|id| {
                let random = &mut *scene.random;
                scene.ledger.will(id, is_v5, &payload, &mut will_list, random)
            }),
            username: has_password.then_some(USER.user),
            password: has_password.then_some(USER.password.as_bytes()),
            properties: match is_v5 {
                true => {
                    let user = [("a", "1"), ("a", ""), crate::position::ASKING];
                    let count = if dialect.wants_positions { 3 } else { 2 };
                    dialect.asked.lay_out(&user[..count], &mut list)
                }
                false => Properties::EMPTY,
            },
        };
        let conn = lock(scene.kernel).connect(shard);
        let mut link = Link::new(conn, &connect, dialect, scene.now_ms);
        link.will = will;
        link.down_ms = scene.ledger.down_ms;
        link.bytes_per_s = scene.plan.publish_bytes_per_s;
        link.pipelines = self.outgoing.is_empty() && scene.random.one_in(3) && !has_proof;
        let name = &self.name;
        scene.ledger.tell(|| format!("{name} on {conn}, shard {shard}: {connect:?}, {will:?}"));
        self.link = Some(link);
        self.waits_for = None;
    }

    fn draw_will(&self, dialect: &Dialect, scene: &mut Scene<'_>) -> MessageId {
        let draft = draft(self.at, scene, true);
        let id = scene.ledger.add(self.at, draft);
        if dialect.is_v5() {
            let will = &mut scene.ledger.messages[id];
            will.terms = draw_terms(draft, scene.random);
            will.delay_ms = scene.random.pick(&[0, 0, 1_000, 3_000, 30_000]);
        }
        id
    }

    fn act_online(&mut self, scene: &mut Scene<'_>) {
        let Some(link) = &mut self.link else { return };
        let now_ms = scene.now_ms;
        match scene.random.below(100) {
            0..50 if self.outgoing.len() < OUTGOING_MAX => {
                let draft = draft(self.at, scene, false);
                self.publish(draft, scene);
            }
            50..52 if self.outgoing.len() < OUTGOING_MAX => {
                self.publish_burst(scene);
            }
            52..70 if link.accepted => self.subscribe(scene),
            70..78 if link.accepted => self.unsubscribe(scene),
            78..84 if matches!(link.proof, Proof::Proved) => self.prove_anew(scene),
            78..84 => link.ping(now_ms),
            84..90 if scene.plan.pauses => {
                link.paused_until_ms = now_ms + scene.random.pick(&[1, 10, 60, 300]);
            }
            90..93 => self.leave(Leaving::Politely, scene),
            93 => self.leave(Leaving::Rudely, scene),
            94 if link.keep_alive_ms > 0 && link.accepted => self.leave(Leaving::Silently, scene),
            95..97 => self.reset(scene),
            97..99 if link.accepted => self.take_over(scene),
            _ => self.next_ms = now_ms + scene.random.pick(&[1, 10, 100]),
        }
    }

    /// Abandons its connection and connects again: the broker detects it by the client id.
    fn take_over(&mut self, scene: &mut Scene<'_>) {
        self.zombies.extend(self.link.as_ref().map(|link| link.conn));
        self.lose(scene);
        self.connect(scene);
    }

    fn leave(&mut self, how: Leaving, scene: &mut Scene<'_>) {
        let Some(link) = &mut self.link else { return };
        if how == Leaving::Politely {
            link.put_disconnect(scene.mode == Mode::Live, (scene.now_ms, &mut *scene.random));
        }
        self.begin_leaving(how, scene);
    }

    /// The last packet of its connection is on its way.
    pub(super) fn begin_leaving(&mut self, how: Leaving, scene: &mut Scene<'_>) {
        let Some(link) = &mut self.link else { return };
        let name = &self.name;
        if !link.is_waiting() {
            link.waits_since_ms = scene.now_ms;
        }
        link.paused_until_ms = 0;
        link.leaving = how;
        link.left = Some(scene.ledger.tick());
        scene.ledger.tell(|| format!("{name} leaves {how:?}"));
        Self::expect_will(link, scene);
        if let Some(session) = self.session {
            scene.ledger.sessions[session].has_left = true;
        }
    }

    /// Publishes more at once than a ring between shards holds.
    fn publish_burst(&mut self, scene: &mut Scene<'_>) {
        let (count, unasked) = (scene.random.below(60), scene.random.one_in(2));
        for _ in 0..count {
            let mut draft = draft(self.at, scene, false);
            if unasked {
                draft.qos = QoS::AtMostOnce;
            }
            self.publish(draft, scene);
        }
        if let Some(link) = &mut self.link {
            link.ping(scene.now_ms);
        }
    }

    fn publish(&mut self, draft: Draft, scene: &mut Scene<'_>) {
        let id = scene.ledger.add(self.at, draft);
        let packet_id = (draft.qos > QoS::AtMostOnce).then(|| self.next_packet_id().get());
        let Some(link) = &mut self.link else { return };
        if link.dialect.is_v5() {
            scene.ledger.messages[id].terms = draw_terms(draft, scene.random);
        }
        let now = (scene.now_ms, &mut *scene.random);
        link.put_publish(scene.ledger, id, packet_id, false, now);
        let name = &self.name;
        scene.ledger.tell(|| {
            let message = &scene.ledger.messages[id];
            format!("{name} publishes {id} as {packet_id:?}: {message:?}")
        });
        let Some(packet_id) = packet_id else { return link.unconfirmed.push(id) };
        self.outgoing.push_back(Outgoing { packet_id, id, released: false, conn: link.conn });
        link.replies.push_back(match draft.qos {
            QoS::ExactlyOnce => Reply::Pubrec(packet_id, id),
            QoS::AtMostOnce | QoS::AtLeastOnce => Reply::Puback(packet_id, id),
        });
    }

    fn subscribe(&mut self, scene: &mut Scene<'_>) {
        let random = &mut *scene.random;
        let (filters, count) = (scene.plan.filters, 1 + random.below(3));
        let mut wishes: Vec<Wish> = (0..count)
            .map(|_| Wish::plain(pick_filter(random, filters), pick_qos(random)))
            .collect();
        wishes.sort_by_key(|wish| wish.filter);
        wishes.dedup_by_key(|wish| wish.filter);
        if self.link.as_ref().is_some_and(|link| link.dialect.is_v5()) {
            let identifier = Wish::draw_identifier(random);
            wishes.iter_mut().for_each(|wish| *wish = wish.with_options(identifier, random));
        }
        self.send_subscribe(&wishes, scene);
    }

    fn send_subscribe(&mut self, wishes: &[Wish], scene: &mut Scene<'_>) {
        let packet_id = self.next_packet_id();
        let (Some(link), Some(session)) = (&mut self.link, self.session) else { return };
        let sent = (scene.ledger.tick(), scene.ledger.age_ms());
        let name = &self.name;
        scene.ledger.tell(|| format!("{name} subscribes as {packet_id}: {wishes:?}"));
        let session = &mut scene.ledger.sessions[session];
        let change = |wish: &Wish| session.change(wish.filter, Some(*wish), link.conn, sent);
        let changes: Vec<Change> = wishes.iter().map(change).collect();
        link.put_subscribe(packet_id, wishes, scene.now_ms);
        link.replies.push_back(Reply::Suback(packet_id.get(), changes));
    }

    fn unsubscribe(&mut self, scene: &mut Scene<'_>) {
        let packet_id = self.next_packet_id();
        let (Some(link), Some(session)) = (&mut self.link, self.session) else { return };
        let sent = (scene.ledger.tick(), scene.ledger.age_ms());
        let subscriptions = &scene.ledger.sessions[session].subscriptions;
        let filter = match subscriptions.len() {
            0 => pick_filter(scene.random, scene.plan.filters),
            count => subscriptions[scene.random.below(count)].wish.filter,
        };
        let name = &self.name;
        scene.ledger.tell(|| format!("{name} unsubscribes as {packet_id}: {filter}"));
        let session = &mut scene.ledger.sessions[session];
        let change = session.change(filter, None, link.conn, sent);
        link.put_unsubscribe(packet_id, &[filter], scene.now_ms);
        link.replies.push_back(Reply::Unsuback(packet_id.get(), vec![change]));
    }

    /// An unused identifier: the lowest, or the next.
    fn next_packet_id(&mut self) -> PacketId {
        if self.reuses {
            self.last_packet_id = 0;
        }
        loop {
            self.last_packet_id = self.last_packet_id % 100 + 1;
            let id = self.last_packet_id;
            let publishes = self.outgoing.iter().any(|outgoing| outgoing.packet_id == id);
            if !publishes && !self.link.as_ref().is_some_and(|link| link.asks_as(id)) {
                return PacketId::new(id).expect("1 to 100");
            }
        }
    }
}
