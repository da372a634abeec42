//! Random actions of clients and of the broker. Each step changes store and model alike, and the
//! store must answer what the model says.

use ringmq::store::{
    NewMessage, OwnIdentifiers, QueueAnswer, QueueTerms, SessionKey, Store, SubscriptionOptions,
    Target,
};

use super::model::{Change, Next};
use super::texts::{topic, will, will_of};
use super::verify::{HOLDER, ORIGIN_SHARDS, RECEIVED_MAX, origins};
use super::world::World;

impl World {
    /// Some steps, and the end of a turn.
    pub(crate) fn turn(&mut self) {
        self.unfolded_turn();
        self.fold();
    }

    /// The same, but the changes are kept one by one.
    pub(crate) fn unfolded_turn(&mut self) {
        self.time_ms += 1;
        for _ in 0..self.random.below(8) {
            self.step();
        }
        self.end_turn();
        self.work_disk();
    }

    fn step(&mut self) {
        match self.random.below(60) {
            0 => self.connect(),
            1 if self.random.one_in(2) => self.disconnect(),
            2 => self.expire(),
            3 => self.subscribe(),
            4 => self.unsubscribe(),
            5..28 => self.publish(),
            28..36 => self.pump(),
            36..44 => self.answer(),
            44..52 => self.consume(),
            52 => self.drop_oldest(),
            53..55 => self.queue_retained(),
            55 => self.clear_retained(),
            56 => self.receive(),
            57 => self.free(),
            58 => self.free_origin(),
            _ => {}
        }
    }

    fn appended(&self) -> u64 {
        self.store.logs.disk.appended()
    }

    /// An existing session.
    pub(crate) fn any(&mut self, attached: Option<bool>) -> Option<SessionKey> {
        let of_kind = |left_ms: u64| attached.is_none_or(|attached| attached == (left_ms == 0));
        let sessions = self.live.sessions.iter();
        let keys: Vec<SessionKey> =
            sessions.filter(|(_, s)| of_kind(s.left_ms)).map(|(key, _)| *key).collect();
        (!keys.is_empty()).then(|| self.random.pick(&keys))
    }

    fn connect(&mut self) {
        let client = self.random.below(self.plan.clients);
        let vhost = u16::from(client % 3 == 2);
        let clean = self.random.one_in(12);
        self.connect_as(vhost, &format!("client-{client}"), clean);
    }

    /// Does what `broker::connect` does.
    pub(crate) fn connect_as(&mut self, vhost: u16, client: &str, clean: bool) -> SessionKey {
        let mut found = self.store.catalog.sessions().find(vhost, client);
        if let Some(key) = found
            && self.store.catalog.sessions().get(key).holder.is_some()
        {
            self.detach(key);
            found = self.store.catalog.sessions().find(vhost, client);
        }
        if let Some(key) = found
            && clean
        {
            self.end(key);
            found = None;
        }
        let time_ms = self.time_ms;
        let key = found.unwrap_or_else(|| {
            let at = self.appended();
            let logs = &mut self.store.logs;
            let key = self.store.catalog.open_session(vhost, client, clean, time_ms, logs);
            if !clean {
                let client = client.to_owned();
                let serial = self.store.catalog.sessions().get(key).serial;
                assert!(self.serials.insert(serial), "{serial} was there before");
                self.note(at, Change::Opened { key, vhost, client, serial, time_ms });
            }
            key
        });
        // The same client connects as different users, or without one.
        let user = ["", "anna", "a user name that is too long to be kept beside the rest"];
        let user = Some(user[self.random.below(3)]).filter(|user| !user.is_empty());
        let at = self.appended();
        let changes = self.store.catalog.sessions().get(key).owner() != user;
        self.store.catalog.set_owner(key, user, &mut self.store.logs);
        if changes && !clean {
            self.note(at, Change::Owned { key, user: user.map(str::to_owned) });
        }
        if !clean {
            self.set_end(key);
        }
        let at = self.appended();
        self.store.catalog.attach(key, HOLDER, &mut self.store.logs);
        if !clean {
            self.note(at, Change::Attached { key });
        }
        key
    }

    /// A client says how long its session is to be kept, and with which will.
    fn set_end(&mut self, key: SessionKey) {
        let interval_s = self.random.pick(&[None, None, Some(0), Some(60), Some(u32::MAX)]);
        let at = self.appended();
        self.store.catalog.set_expiry(key, interval_s, &mut self.store.logs);
        if self.live.session(key).expiry_s != interval_s {
            self.note(at, Change::Expiry { key, interval_s });
        }
        let at = self.appended();
        if self.random.one_in(3) {
            let number = self.random.below(1000) as u64;
            let text = will(number);
            self.store.catalog.set_will(key, &will_of(&text), &mut self.store.logs);
            self.note(at, Change::Will { key, will: Some(number) });
        } else {
            let had_any = self.store.catalog.clear_will(key, &mut self.store.logs);
            assert_eq!(had_any, self.live.session(key).will.is_some());
            if had_any {
                self.note(at, Change::Will { key, will: None });
            }
        }
    }

    /// Does what `broker::shard::close` does.
    pub(crate) fn detach(&mut self, key: SessionKey) {
        self.write_acks();
        let at = self.appended();
        let clean = self.store.catalog.sessions().get(key).clean;
        let time_ms = self.time_ms;
        self.store.catalog.detach(key, time_ms, &mut self.store.logs);
        if clean {
            drop(self.store.catalog.end_session(key, &mut self.store.logs));
            return;
        }
        let sent = self.live.session(key).sent;
        self.note(at, Change::Detached { key, sent, time_ms });
    }

    fn disconnect(&mut self) {
        if let Some(key) = self.any(Some(true)) {
            self.detach(key);
        }
    }

    pub(crate) fn end(&mut self, key: SessionKey) {
        let at = self.appended();
        self.store.catalog.end_session(key, &mut self.store.logs);
        self.noted.retain(|(noted, ..)| *noted != key);
        self.note(at, Change::Ended { key });
    }

    fn expire(&mut self) {
        if self.random.one_in(3)
            && let Some(key) = self.any(Some(false))
        {
            self.end(key);
        }
    }

    fn subscribe(&mut self) {
        let Some(key) = self.any(Some(true)) else { return };
        let filter = format!("plant/{}/#", self.random.below(5));
        let options = SubscriptionOptions {
            qos: self.random.pick(&[0, 1, 2]),
            no_local: self.random.one_in(4),
            retain_as_published: self.random.one_in(4),
            identifier: self.random.pick(&[0, 0, 0, 1, 200, 268_435_455]),
        };
        let at = self.appended();
        let logs = &mut self.store.logs;
        assert!(self.store.catalog.subscribe(key, &filter, options, logs).is_some());
        self.note(at, Change::Subscribed { key, filter, options });
    }

    fn unsubscribe(&mut self) {
        let Some(key) = self.any(Some(true)) else { return };
        let filter = format!("plant/{}/#", self.random.below(5));
        let at = self.appended();
        let found = self.store.catalog.unsubscribe(key, &filter, &mut self.store.logs);
        assert_eq!(found, self.live.session(key).filters.contains_key(&filter));
        if found {
            self.note(at, Change::Unsubscribed { key, filter });
        }
    }

    pub(crate) fn publish(&mut self) {
        let mut targets = Vec::new();
        for (key, session) in &self.live.sessions {
            let rate = if session.left_ms == 0 { 2 } else { self.plan.away };
            if self.random.one_in(rate) {
                targets.push(*key);
            }
        }
        let retain = self.random.one_in(self.plan.retain);
        if retain || !targets.is_empty() {
            self.store_message(&targets, retain);
        }
    }

    /// A client takes and answers all there is.
    pub(crate) fn consume(&mut self) {
        let Some(key) = self.any(Some(true)) else { return };
        for _ in 0..100 {
            let taken = self.take(key);
            let session = self.live.session(key);
            let end = session.sent.min(session.end);
            let Some((number, _)) = session.messages.range(..end).next() else {
                if taken { continue } else { break }
            };
            let number = *number;
            self.answer_to(key, number);
        }
    }

    /// Does what `broker::shard::fan_out` does.
    pub(crate) fn store_message(&mut self, targets: &[SessionKey], retain: bool) {
        let message = self.messages;
        self.messages += 1;
        let text = self.plan.setting.text(message);
        let vhost = u16::from(self.random.one_in(3));
        let mut received = None;
        if self.random.one_in(6)
            && let Some(key) = self.any(Some(true))
        {
            let packet_id = self.packet_id();
            let known = self.live.session(key).received.contains(&packet_id);
            received = (!known).then_some((key, packet_id));
        }
        let mut origin = None;
        if self.random.one_in(10) {
            let any = self.random.below(usize::from(ORIGIN_SHARDS * RECEIVED_MAX));
            origin = origins().nth(any).filter(|origin| !self.live.origins.contains(origin));
        }
        let (mut stored_for, mut noted) = (Vec::new(), Vec::new());
        for key in targets {
            let exactly_once = text.qos == 2 && self.random.one_in(2);
            stored_for.push(Target { session: *key, retain: false, exactly_once });
            noted.push((*key, QueueTerms { retain: false, exactly_once }));
        }
        let new = NewMessage {
            vhost,
            qos: text.qos,
            retain,
            time_ms: text.time_ms,
            topic: &text.topic,
            payload: &text.payload,
            properties: &text.properties,
            received,
            origin,
            own: text
                .own
                .as_ref()
                .zip(targets.last())
                .map(|(own, to)| OwnIdentifiers::new(*to, own)),
        };
        let stored = self.store.catalog.store(&new, &stored_for, &mut self.store.logs);
        let bytes = text.bytes();
        let retained = retain.then(|| (vhost, text.topic.clone()));
        let targets = noted;
        let change = Change::Stored { message, bytes, targets, retained, received, origin };
        self.note(stored.position.offset(), change);
    }

    fn packet_id(&mut self) -> u16 {
        let below = self.random.below(usize::from(RECEIVED_MAX));
        u16::try_from(below + 1).expect("small")
    }

    fn pump(&mut self) {
        let Some(key) = self.any(Some(true)) else { return };
        for _ in 0..self.random.below(12) {
            if !self.take(key) {
                break;
            }
        }
    }

    /// Takes a session's next packet; whether there is one.
    pub(crate) fn take(&mut self, key: SessionKey) -> bool {
        let window = self.plan.window;
        let Store { catalog, logs, .. } = &mut self.store;
        let taken = catalog.session_mut(key).take_next(window, logs);
        self.note_passed(key);
        let next = self.live.session(key).take_next(window);
        let is_it = self.plan.setting.is_next(&self.store, taken, next.as_ref());
        assert!(is_it, "session {key}: {taken:?}, not {next:?}");
        if let Some(Next::Publish { .. }) = next {
            assert_eq!(
                self.store.catalog.sessions().get(key).queue.unacked(),
                self.live.session(key).unacked
            );
        }
        next.is_some()
    }

    fn answer(&mut self) {
        let Some(key) = self.any(Some(true)) else { return };
        if self.random.one_in(3) {
            return self.answer_run(key);
        }
        for _ in 0..self.random.below(8) {
            let session = self.live.session(key);
            let end = session.sent.min(session.end);
            let sent: Vec<u64> = session.messages.range(..end).map(|(n, _)| *n).collect();
            if sent.is_empty() || self.random.one_in(20) {
                let any = self.random.below(usize::try_from(end).expect("small") + 3) as u64;
                self.answer_to(key, any);
                continue;
            }
            // Mostly in order.
            let at = if self.random.one_in(3) { self.random.below(sent.len()) } else { 0 };
            self.answer_to(key, sent[at]);
        }
    }

    /// PUBACKs in a row, from the oldest message on: those at QoS 1 that were sent end.
    fn answer_run(&mut self, key: SessionKey) {
        let count = 1 + self.random.below(8);
        let session = self.live.session(key);
        let Some(first) = session.messages.keys().next().copied() else { return };
        let ends = (first..session.next).take(count).take_while(|number| {
            session.messages.get(number).is_some_and(|waiting| !waiting.terms.exactly_once)
        });
        let ends: Vec<u64> = ends.collect();
        let packet_id = u16::try_from(first % 65_535 + 1).expect("small");
        let Store { catalog, logs, .. } = &mut self.store;
        let count = u16::try_from(count).expect("small");
        let ended = catalog.session_mut(key).acknowledge_run(packet_id, count, logs);
        assert_eq!(usize::from(ended), ends.len(), "session {key}, from number {first}");
        for number in ends {
            self.live.session(key).end(number);
            self.note_acks(key, Some(number), None);
        }
    }

    /// A client's answer to a message in flight, or to another.
    pub(crate) fn answer_to(&mut self, key: SessionKey, number: u64) {
        let packet_id = u16::try_from(number % 65_535 + 1).expect("small");
        let session = self.live.session(key);
        let waiting = session.messages.get(&number).filter(|_| number < session.sent);
        let kind = match waiting.map(|waiting| (waiting.terms.exactly_once, waiting.released)) {
            _ if self.random.one_in(30) => self.random.below(4),
            None => self.random.below(4),
            Some((false, _)) => 0,
            Some((true, false)) => self.random.pick(&[1, 1, 1, 3]),
            Some((true, true)) => 2,
        };
        let session = self.live.session(key);
        let next = session.next;
        let waiting = session.messages.get_mut(&number).filter(|_| number < session.sent);
        let (mut done, mut released) = (false, false);
        let expected = match (waiting, kind) {
            (None, _) => QueueAnswer::Known,
            (Some(waiting), 0) if waiting.terms.exactly_once => QueueAnswer::Wrong,
            (Some(waiting), 1 | 3) if !waiting.terms.exactly_once => QueueAnswer::Wrong,
            (Some(waiting), 1 | 3) if waiting.released => QueueAnswer::Known,
            (Some(waiting), 2) if !waiting.released && number < next => QueueAnswer::Wrong,
            (Some(waiting), 2) if !waiting.released => QueueAnswer::Known,
            (Some(waiting), 1) => {
                (waiting.released, released) = (true, true);
                QueueAnswer::Done
            }
            _ => {
                done = true;
                session.end(number);
                QueueAnswer::Done
            }
        };
        let Store { catalog, logs, .. } = &mut self.store;
        let mut session = catalog.session_mut(key);
        let answer = match kind {
            0 => session.acknowledge(packet_id, logs),
            1 => session.release(packet_id, logs),
            3 => session.refuse(packet_id, logs),
            _ => session.complete(packet_id, logs),
        };
        drop(session);
        assert_eq!(answer, expected, "session {key}, number {number}, kind {kind}");
        if answer == QueueAnswer::Done {
            self.note_acks(key, done.then_some(number), released.then_some(number));
        }
    }

    /// A client takes all messages and answers all of them.
    pub(crate) fn take_all(&mut self, key: SessionKey) {
        while self.take(key) {}
        while !self.live.session(key).messages.is_empty() {
            self.answer_oldest(key);
        }
    }

    /// Answers the oldest message until the client is done with it.
    pub(crate) fn answer_oldest(&mut self, key: SessionKey) {
        let Some(number) = self.live.session(key).messages.keys().next().copied() else { return };
        while self.live.session(key).messages.contains_key(&number) {
            self.answer_to(key, number);
        }
    }

    fn note_acks(&mut self, key: SessionKey, done: Option<u64>, released: Option<u64>) {
        if self.noted.iter().all(|(noted, ..)| *noted != key) {
            self.noted.push((key, Vec::new(), Vec::new()));
        }
        let noted = self.noted.iter_mut().find(|(noted, ..)| *noted == key);
        let (_, dones, releases) = noted.expect("it was added");
        dones.extend(done);
        releases.extend(released);
    }

    /// Writes to the log that the queue has passed expired messages.
    fn note_passed(&mut self, key: SessionKey) {
        if self.store.catalog.sessions().get(key).queue.has_acks() {
            self.note_acks(key, None, None);
        }
    }

    /// Does what `broker::full_sessions` does for a full session.
    fn drop_oldest(&mut self) {
        let Some(key) = self.any(None) else { return };
        for _ in 0..self.random.below(4) {
            let Store { catalog, logs, .. } = &mut self.store;
            let dropped = catalog.session_mut(key).drop_oldest_waiting(logs);
            self.note_passed(key);
            let session = self.live.session(key);
            let expected = session.oldest_waiting();
            assert_eq!(dropped, expected.is_some(), "session {key}: {expected:?}");
            let Some(number) = expected else { break };
            session.end(number);
            self.note_acks(key, Some(number), None);
        }
    }

    fn queue_retained(&mut self) {
        let Some(key) = self.any(Some(true)) else { return };
        for _ in 0..self.random.below(4) {
            let place = (u16::from(self.random.one_in(3)), topic(self.random.below(24)));
            let kept = self.store.catalog.retained(place.0).and_then(|store| store.get(&place.1));
            let message = self.live.retained.get(&place).copied();
            assert_eq!(kept.is_some(), message.is_some(), "{place:?}");
            let Some((kept, message)) = kept.zip(message) else { continue };
            let exactly_once = self.random.one_in(3);
            let terms = QueueTerms { retain: true, exactly_once };
            let target = Target { session: key, retain: true, exactly_once };
            let at = self.appended();
            self.store.catalog.queue_retained(target, kept, &mut self.store.logs);
            self.note(at, Change::Queued { key, message, terms, bytes: kept.bytes });
        }
    }

    fn clear_retained(&mut self) {
        let place = (u16::from(self.random.one_in(3)), topic(self.random.below(24)));
        let at = self.appended();
        let logs = &mut self.store.logs;
        let cleared = self.store.catalog.clear_retained(place.0, &place.1, logs);
        assert_eq!(cleared, self.live.retained.contains_key(&place));
        if cleared {
            self.note(at, Change::Cleared(place));
        }
    }

    fn receive(&mut self) {
        let Some(key) = self.any(Some(true)) else { return };
        let packet_id = self.packet_id();
        let at = self.appended();
        let new = self.store.catalog.receive(key, packet_id, &mut self.store.logs);
        assert_eq!(new, !self.live.session(key).received.contains(&packet_id));
        if new {
            self.note(at, Change::Received { key, packet_id });
        }
    }

    fn free(&mut self) {
        let Some(key) = self.any(Some(true)) else { return };
        let packet_id = self.packet_id();
        let at = self.appended();
        let was = self.store.catalog.free(key, packet_id, &mut self.store.logs);
        assert_eq!(was, self.live.session(key).received.contains(&packet_id));
        if was {
            self.note(at, Change::Freed { key, packet_id });
        }
    }

    fn free_origin(&mut self) {
        let any = self.random.below(usize::from(ORIGIN_SHARDS * RECEIVED_MAX));
        let Some(origin) = origins().nth(any) else { return };
        let at = self.appended();
        self.store.catalog.free_origin(origin, &mut self.store.logs);
        if self.live.origins.contains(&origin) {
            self.note(at, Change::FreedElsewhere(origin));
        }
    }
}
