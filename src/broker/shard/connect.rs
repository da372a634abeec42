//! CONNECT: which clients are accepted, and which session they get (3.1, 3.2).

use crate::access::Identity;
use crate::limits::{CLIENT_ID_BYTES_MAX, CLIENT_PACKET_BYTES_MIN, SESSIONS_MAX};
use crate::mqtt::{Connack, Connect, ConnectProperties, ConnectReturn, Version};
use crate::store::SessionKey;

use super::super::admission::Admittance;
use super::super::connection::{Connecting, Open, Terms, Will};
use super::super::names::{
    ClientAddress, ClientLimit, CloseReason, ConnId, Context, Flow, RefusalReason, Takeover,
    TraceSet, TransportKind, VhostId, placement,
};
use super::super::read_gate::Pause;
use super::super::replies::{Reply, Wait};
use super::super::trace::Decision;
use super::Shard;
use super::connect_v5::refusal_v5;
use super::publish_v5::is_as_it_says;

impl Shard {
    pub(super) fn handle_connect(
        &mut self,
        conn: ConnId,
        connect: &Connect<'_>,
        context: &mut Context<'_>,
    ) -> Flow {
        let asked = ConnectProperties::of(connect.properties);
        let has_method = asked.authentication_method.is_some();
        let Some(connecting) = self.connections.connecting_mut(conn) else { return Flow::Stop };
        connecting.note_version(connect.version);
        connecting.note_packet_bytes_max(asked.packet_bytes_max);
        if self.traces.is_on() {
            self.trace_connect(conn, connect, context.now_ms);
        }
        if has_method {
            self.introduce_client(conn, connect, context);
            return Flow::Continue;
        }
        self.decide_connect(conn, connect, context)
    }

    /// Decides about a CONNECT, or makes it wait for an answer that the decision needs.
    pub(super) fn decide_connect(
        &mut self,
        conn: ConnId,
        connect: &Connect<'_>,
        context: &mut Context<'_>,
    ) -> Flow {
        let client_address = self.connections.client_address(conn);
        let Some(connecting) = self.connections.connecting_mut(conn) else { return Flow::Stop };
        let terms = Terms::of(connect, &self.options);
        match self.admission.decide(conn, connecting, connect) {
            Admittance::In(identity)
                if self.waits_to_begin(conn, connect, &terms, &identity, context) =>
            {
                if let Some(connecting) = self.connections.connecting_mut(conn) {
                    connecting.keep(identity);
                }
                return Flow::Wait;
            }
            Admittance::In(identity) => self.enter(conn, connect, &terms, &identity, context),
            Admittance::Out(code, why) => {
                self.client_log.refused_for(why);
                self.refuse(conn, code, context);
            }
            Admittance::Wait => {
                self.gates.pause(conn, Pause::Password);
                if self.traces.is_on() {
                    self.trace_decision(conn, Decision::VerifiesPassword, context.now_ms);
                }
                return Flow::Wait;
            }
        }
        self.client_log.refused(client_address, Some(connect), context.now_ms);
        if self.connections.is_closed(conn) {
            self.closed.name_last(connect.client_id, connect.username);
        }
        Flow::Continue
    }

    /// Whether a client begins a durable session and has to wait for the log.
    fn waits_to_begin(
        &mut self,
        conn: ConnId,
        connect: &Connect<'_>,
        terms: &Terms,
        identity: &Identity,
        context: &Context<'_>,
    ) -> bool {
        let found = self.find_session(VhostId(identity.vhost), connect.client_id, context);
        let is_clean = |key| self.catalog.session(key).clean;
        let begins = !terms.is_volatile() && (terms.clean_start || found.is_none_or(is_clean));
        begins && self.waits_for_log(conn)
    }

    /// Accepts or refuses a client. All checks precede the end of the connection that has its
    /// client id, so that a refused client disturbs no other.
    fn enter(
        &mut self,
        conn: ConnId,
        connect: &Connect<'_>,
        terms: &Terms,
        identity: &Identity,
        context: &mut Context<'_>,
    ) {
        let (vhost, client_address) =
            (VhostId(identity.vhost), self.connections.client_address(conn));
        if terms.packet_bytes_max < CLIENT_PACKET_BYTES_MIN {
            self.client_log.refused_for(RefusalReason::SmallPackets);
            return self.refuse(conn, ConnectReturn::ServerUnavailable, context);
        }
        if self.options.checks_payload_format
            && let Some(will) = connect.will
            && !is_as_it_says(will.properties.list(), will.payload)
        {
            self.client_log.refused_for(RefusalReason::WillPayload);
            return self.refuse(conn, ConnectReturn::ServerUnavailable, context);
        }
        let made;
        let client_id = match connect.client_id {
            // [MQTT-3.1.3-8]. MQTT 3.1 demands 1 to 23 characters, but longer ids do no harm. MQTT
            // 5 tells the client its assigned id.
            "" if connect.version == Version::V31
                || connect.version == Version::V311 && !connect.clean_session =>
            {
                self.client_log.refused_for(RefusalReason::EmptyId);
                return self.refuse(conn, ConnectReturn::IdentifierRejected, context);
            }
            // [MQTT-3.1.3-6]
            "" => {
                made = self.make_client_id(vhost);
                &made
            }
            given if given.len() > CLIENT_ID_BYTES_MAX => {
                self.client_log.refused_for(RefusalReason::LongId);
                return self.refuse(conn, ConnectReturn::IdentifierRejected, context);
            }
            given => given,
        };
        self.end_if_expired(vhost, client_id, context);
        self.publish_overdue_will(vhost, client_id, context);
        if !self.may_take(vhost, client_id, identity.user.as_deref()) {
            self.note_lockout(
                client_address,
                vhost,
                client_id,
                identity.user.as_deref(),
                context.now_ms,
            );
            return self.refuse(conn, ConnectReturn::IdentifierRejected, context);
        }
        if !self.admit_to(vhost, client_id, context) {
            return self.refuse(conn, ConnectReturn::ServerUnavailable, context);
        }
        let will = self.take_over(vhost, client_id, client_address, context);
        self.open_client(conn, connect, terms, identity, client_id, context);
        if let Some(will) = will {
            // The new client gets the will as well, after its CONNACK and also at QoS 0.
            self.publish_will(vhost, self.connections.session(conn), &will, context);
        }
    }

    /// Gives an accepted client its session.
    fn open_client(
        &mut self,
        conn: ConnId,
        connect: &Connect<'_>,
        terms: &Terms,
        identity: &Identity,
        client_id: &str,
        context: &mut Context<'_>,
    ) {
        let (vhost, client_address) =
            (VhostId(identity.vhost), self.connections.client_address(conn));
        let sessions = self.catalog.sessions();
        let found = sessions.find(vhost.0, client_id);
        let is_awaited = found.is_some_and(|key| self.awaits_client(key, terms, context));
        let (session, present) = self.attach(identity, client_id, terms, conn, context);
        if let Some(connecting) = self.connections.connecting(conn) {
            let (name, user) = (self.exchanges.name(vhost), identity.user.as_deref());
            let client = (client_id, present);
            self.client_log.connected(connecting, connect, user, name, client, context.now_ms);
        }
        // After a power failure, messages that the client has acknowledged must not be sent again
        // without DUP. So the log has its return before waiting messages are sent.
        let kept = self.catalog.session(session);
        let resuming = !kept.clean && kept.queue.waiting() > 0;
        let is_durable = !kept.clean;
        // QoS 2 messages that arrive from now on are sent once they are committed.
        let qos2_below = if is_durable { kept.queue.end() } else { u64::MAX };
        self.delivery.begin(conn, qos2_below, terms.receive_max);
        if terms.wants_positions && is_durable {
            self.delivery.tell_positions(conn);
        }
        let transport = self
            .connections
            .connecting(conn)
            .map_or_else(TransportKind::default, |it| it.transport());
        self.stats.clients_websocket += u64::from(transport.is_websocket());
        let will = connect.will.map(|will| Box::new(Will::of(&will)));
        self.keep_will(session, will.as_deref());
        let open = Open {
            version: connect.version,
            vhost,
            session,
            client_address,
            since_ms: context.now_ms,
            transport,
            certified: identity.certified,
            traces: TraceSet::NONE,
            // [MQTT-3.1.2-24] One and a half times the keep alive.
            silence_ms_max: u32::from(terms.keep_alive_s) * 1500,
            will,
            v5: self.open_v5(conn, connect, terms),
        };
        self.connections.enter(conn, open);
        if self.traces.is_on() {
            self.trace_let_in(conn, present, context.now_ms);
        }
        self.stats.count_client(connect.version, present);
        let counts = self.quotas.counts_mut(vhost);
        counts.clients += 1;
        counts.clients_accepted += 1;
        if !present && (is_durable || self.has_just_ended(session)) {
            self.hold_connack(conn);
        } else {
            if is_durable {
                self.cork_if_must(conn, session, is_awaited);
            }
            self.write_connack(conn, present);
        }
        if resuming {
            self.pause_until_committed(conn);
        }
        self.begin_member(session, context);
        self.make_progress(conn, context);
    }

    /// Holds back the CONNACK of a session that begins, or that replaces one whose end is not
    /// committed. A client that was told that its session is gone must never see it again: its
    /// packet identifiers would hide other messages. A client that got a session must find it
    /// again, because other shards know its QoS 2 messages by that session. Until then no packet of
    /// the client is handled.
    fn hold_connack(&mut self, conn: ConnId) {
        self.gates.pause(conn, Pause::Connack);
        self.promise(conn, Reply::Connack, Wait::disk_if(true));
    }

    pub(super) fn write_connack(&mut self, conn: ConnId, present: bool) {
        match self.version(conn) {
            Some(Version::V5) => self.write_connack_v5(conn, present),
            version => {
                let (version, code) = (version.unwrap_or(Version::V311), ConnectReturn::Accepted);
                self.outputs.reply(conn, &Connack::bytes_v3(version, present, code));
            }
        }
    }

    /// Sends the CONNACK: the end of the client's old session or the start of its new one is
    /// committed.
    pub(super) fn send_held_connack(&mut self, conn: ConnId, context: &Context<'_>) {
        self.write_connack(conn, false);
        self.gates.resume(conn, Pause::Connack, context.now_ms);
    }

    /// Refuses a CONNECT of an unsupported version, in the form of a version that its client
    /// understands [MQTT-3.1.2-2].
    pub(super) fn refuse_version(
        &mut self,
        conn: ConnId,
        answer: Version,
        context: &mut Context<'_>,
    ) {
        let client_address = self.connections.client_address(conn);
        if let Some(connecting) = self.connections.connecting_mut(conn) {
            connecting.note_version(answer);
        }
        self.client_log.refused_for(RefusalReason::Version);
        self.refuse(conn, ConnectReturn::UnacceptableVersion, context);
        self.client_log.refused(client_address, None, context.now_ms);
    }

    /// Answers a CONNECT with a refusal and closes [MQTT-3.2.2-5].
    pub(super) fn refuse(&mut self, conn: ConnId, code: ConnectReturn, context: &mut Context<'_>) {
        self.stats.clients_refused += 1;
        self.client_log.refused_for(RefusalReason::Code(code));
        let why = self.client_log.why().unwrap_or(RefusalReason::Code(code));
        self.stats.count_refusal(why);
        if self.traces.is_on() {
            self.trace_refused(conn, context.now_ms);
        }
        match self.connections.connecting(conn).map(Connecting::form) {
            Some((Version::V5, packet_bytes_max)) => {
                self.outputs.reply(conn, &refusal_v5(why, code, packet_bytes_max));
            }
            _ => self.outputs.reply(conn, &Connack::bytes_v3(Version::V311, false, code)),
        }
        self.close(conn, CloseReason::Refused(code), context);
    }

    /// Whether a user may have this client id and the session under it.
    fn may_take(&self, vhost: VhostId, client_id: &str, user: Option<&str>) -> bool {
        let key = self.catalog.sessions().find(vhost.0, client_id);
        let owner = key.and_then(|key| self.catalog.session(key).owner());
        owner.is_none() || owner == user || self.options.takeover == Takeover::Any
    }

    /// Notes that a client is refused because its client id belongs to another user.
    fn note_lockout(
        &mut self,
        client_address: ClientAddress,
        vhost: VhostId,
        client_id: &str,
        user: Option<&str>,
        now_ms: u64,
    ) {
        self.stats.takeovers_refused += 1;
        let key = self.catalog.sessions().find(vhost.0, client_id);
        let session = key.map(|key| self.catalog.session(key));
        let owner = session.and_then(|session| session.owner());
        let is_there = session.is_some_and(|session| session.holder.is_some());
        let client = (self.exchanges.name(vhost), client_id);
        self.client_log.lockout(client_address, client, user, (owner, is_there), now_ms);
    }

    /// Admits one more client, and one more session if it has none, or returns false; the client
    /// counts from then on. A client that takes over a connection gets that connection's place,
    /// however many clients there are.
    fn admit_to(&mut self, vhost: VhostId, client_id: &str, context: &mut Context<'_>) -> bool {
        let sessions = self.catalog.sessions();
        let quota = self.quotas.get(vhost);
        match sessions.find(vhost.0, client_id) {
            Some(key) if sessions.get(key).holder.is_some() => return true,
            Some(_) => {}
            None if sessions.len() >= SESSIONS_MAX => {
                self.client_log.refused_for(RefusalReason::Sessions);
                return false;
            }
            None if self.catalog.totals(vhost.0).sessions >= quota.sessions_max => {
                self.stats.refused_vhost_sessions += 1;
                self.client_log.refused_for(RefusalReason::VhostSessions);
                return false;
            }
            None => {}
        }
        let admitted = context.peers.admit(vhost.0, quota.connections_max);
        self.stats.refused_vhost_connections += u64::from(admitted == Err(ClientLimit::Vhost));
        match admitted {
            Ok(()) => {}
            Err(ClientLimit::Vhost) => self.client_log.refused_for(RefusalReason::VhostClients),
            Err(ClientLimit::Broker) => self.client_log.refused_for(RefusalReason::Clients),
        }
        admitted.is_ok()
    }

    /// Sets the owner of a session. From then on its subscriptions receive what that user may read.
    fn set_owner(&mut self, key: SessionKey, user: Option<&str>, context: &mut Context<'_>) {
        let session = self.catalog.session(key);
        if session.owner() != user {
            if !session.subscriptions.is_empty() {
                self.exchanges.invalidate(VhostId(session.vhost));
            }
            self.catalog.set_owner(key, user, &mut self.logs);
            // Waiting messages must not reach the new user either if it may not read them.
            self.catalog.session_mut(key).screen_waiting();
            self.update_withheld(key, context);
            self.review_memberships(key, context);
        }
    }

    /// Ends the connection that has this client id now [MQTT-3.1.4-2]; returns its will, which is
    /// to be published.
    fn take_over(
        &mut self,
        vhost: VhostId,
        client_id: &str,
        client_address: ClientAddress,
        context: &mut Context<'_>,
    ) -> Option<Box<Will>> {
        let sessions = self.catalog.sessions();
        let holder = sessions.find(vhost.0, client_id).and_then(|key| sessions.get(key).holder)?;
        let holder = ConnId::of(holder);
        let addresses = [self.connections.client_address(holder), client_address];
        self.client_log.takeover(vhost, client_id, addresses, context.now_ms);
        self.end(holder, CloseReason::TakenOver(client_address), context).map(|ended| ended.1)
    }

    /// Finds or makes the session (3.1.2.4); returns whether it was present [MQTT-3.2.2-2].
    fn attach(
        &mut self,
        identity: &Identity,
        client_id: &str,
        terms: &Terms,
        conn: ConnId,
        context: &mut Context<'_>,
    ) -> (SessionKey, bool) {
        let vhost = identity.vhost;
        let mut found = self.catalog.sessions().find(vhost, client_id);
        if let Some(key) = found
            && terms.clean_start
        {
            // [MQTT-3.1.2-6]
            self.end_session(key, context);
            found = None;
        }
        let (time_ms, logs) = (self.time_ms(context.now_ms), &mut self.logs);
        let clean = terms.is_volatile();
        let key = found
            .unwrap_or_else(|| self.catalog.open_session(vhost, client_id, clean, time_ms, logs));
        self.catalog.set_expiry(key, terms.expiry_s, &mut self.logs);
        self.expiry.clear_deadline(key);
        self.introduce(VhostId(vhost));
        self.set_owner(key, identity.user.as_deref(), context);
        // [MQTT-4.4.0-1] Messages that are not acknowledged are sent again.
        self.catalog.attach(key, conn.holder(), &mut self.logs);
        (key, found.is_some())
    }

    /// Makes an unused client id whose session lives on this shard.
    fn make_client_id(&mut self, vhost: VhostId) -> String {
        let options = &self.options;
        let name = self.exchanges.name(vhost);
        loop {
            self.made_ids += 1;
            let id = format!("ringmq-{:016x}-{:x}", options.seed, self.made_ids);
            let home = placement::home_of(name, &id, options.shards);
            let known = self.catalog.sessions().find(vhost.0, &id);
            if home == options.shard && known.is_none() {
                return id;
            }
        }
    }
}
