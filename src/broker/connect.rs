//! CONNECT: who may come in, and what session it finds (3.1, 3.2).

use crate::access::Identity;
use crate::limits::CLIENT_ID_BYTES_MAX;
use crate::mqtt::{Connack, Connect, ConnectReturn, Version};
use crate::store::SessionKey;

use super::admission::{Admittance, Caller};
use super::connection::{Open, Phase, Will};
use super::promises::{Reply, Wait};
use super::reason::CloseReason;
use super::refusal::Why;
use super::shard::{Context, Event, Shard};
use super::vhost::VhostId;
use super::{ConnId, Flow, Takeover, placement};

fn will_of(connect: &Connect<'_>) -> Option<Box<Will>> {
    connect.will.map(|will| {
        Box::new(Will {
            topic: will.topic.as_str().into(),
            payload: will.payload.into(),
            qos: will.qos,
            retain: will.retain,
        })
    })
}

impl Shard {
    pub(super) fn handle_connect(
        &mut self,
        conn: ConnId,
        connect: &Connect<'_>,
        context: &mut Context<'_>,
    ) -> Flow {
        let caller = self.caller_of(conn);
        match self.admit(conn, connect) {
            Admittance::In(identity) if self.waits_to_begin(conn, connect, &identity, context) => {
                self.keep_admitted(conn, identity);
                return Flow::Wait;
            }
            Admittance::In(identity) => self.enter(conn, connect, &identity, context),
            Admittance::Out(code) => self.refuse(conn, code, context),
            Admittance::Wait => return Flow::Wait,
        }
        self.tell_refused(caller, Some(connect), context.now_ms);
        Flow::Continue
    }

    /// Whether a client begins a session that stays, and has to wait for the log.
    fn waits_to_begin(
        &mut self,
        conn: ConnId,
        connect: &Connect<'_>,
        identity: &Identity,
        context: &Context<'_>,
    ) -> bool {
        let found = self.finds_session(VhostId(identity.vhost), connect.client_id, context);
        let sessions = &self.catalog.sessions;
        let begins = !connect.clean_session && found.is_none_or(|key| sessions.get(key).clean);
        begins && self.waits_for_log(conn)
    }

    /// Lets a client in, or refuses it. All that may refuse it is asked before the connection that
    /// has its client id is ended: who is refused disturbs nobody.
    fn enter(
        &mut self,
        conn: ConnId,
        connect: &Connect<'_>,
        identity: &Identity,
        context: &mut Context<'_>,
    ) {
        let (vhost, caller) = (VhostId(identity.vhost), self.caller_of(conn));
        let made;
        let client_id = match connect.client_id {
            // [MQTT-3.1.3-8]; 3.1 wants 1 to 23 characters in any case, longer ones do no harm.
            "" if !connect.clean_session || connect.version == Version::V31 => {
                self.notices.refused_for(Why::EmptyId);
                return self.refuse(conn, ConnectReturn::IdentifierRejected, context);
            }
            // [MQTT-3.1.3-6]
            "" => {
                made = self.make_client_id(vhost);
                &made
            }
            given if given.len() > CLIENT_ID_BYTES_MAX => {
                self.notices.refused_for(Why::LongId);
                return self.refuse(conn, ConnectReturn::IdentifierRejected, context);
            }
            given => given,
        };
        self.end_if_expired(vhost, client_id, context);
        if !self.may_take(vhost, client_id, identity.user.as_deref()) {
            self.out.stats.takeovers_refused += 1;
            self.tell_lockout(caller, (vhost, client_id), identity.user.as_deref(), context.now_ms);
            return self.refuse(conn, ConnectReturn::IdentifierRejected, context);
        }
        if !self.admit_to(vhost, client_id, context) {
            return self.refuse(conn, ConnectReturn::ServerUnavailable, context);
        }
        let will = self.take_over(vhost, client_id, caller, context);
        self.welcome(conn, connect, identity, client_id, context);
        if let Some(will) = will {
            // Behind its CONNACK the newcomer gets it as well, at QoS 0 too.
            self.publish_will(vhost, &will, context);
        }
    }

    /// Gives a client that was let in its session.
    fn welcome(
        &mut self,
        conn: ConnId,
        connect: &Connect<'_>,
        identity: &Identity,
        client_id: &str,
        context: &mut Context<'_>,
    ) {
        let (vhost, caller) = (VhostId(identity.vhost), self.caller_of(conn));
        let sessions = &self.catalog.sessions;
        let found = sessions.find(vhost.0, client_id);
        let ends = connect.clean_session && found.is_some_and(|key| !sessions.get(key).clean);
        let (session, present) =
            self.attach(identity, client_id, connect.clean_session, conn, context);
        self.tell_connected(conn, connect, identity, (client_id, present), context.now_ms);
        // What a client acknowledges must not be sent again without DUP, even if the power goes:
        // so that it is back is written before what waits for it is sent.
        let kept = self.catalog.sessions.get(session);
        let resuming = !kept.clean && kept.queue.waiting() > 0;
        // What waits is sent when it is committed.
        let once_end = if kept.clean { u64::MAX } else { kept.queue.end() };
        let Some(connection) = self.out.connections.get_mut(conn) else { return };
        connection.once_end = once_end;
        connection.phase = Phase::Open(Open {
            version: connect.version,
            vhost,
            session,
            caller,
            since_ms: context.now_ms,
            certified: identity.certified,
            // [MQTT-3.1.2-24] One and a half times the keep alive.
            silence_ms_max: u32::from(connect.keep_alive_s) * 1500,
            will: will_of(connect),
        });
        self.clients += 1;
        self.out.stats.clients_accepted += 1;
        self.vhosts[vhost].counts.clients_accepted += 1;
        if ends || !connect.clean_session && !present {
            self.greet_once_kept(conn);
        } else {
            self.write_connack(conn, present);
        }
        if resuming {
            self.pause_until_committed(conn);
        }
        self.make_progress(conn, context);
    }

    /// Holds the CONNACK of a session that begins or ends. A client that was told that its session
    /// is gone must never see it again: identifiers in it would hide other messages. One that got a
    /// session must find it again: by it other shards know its QoS 2 messages. Until then nothing
    /// of the client is read.
    fn greet_once_kept(&mut self, conn: ConnId) {
        if let Some(connection) = self.out.connections.get_mut(conn) {
            connection.greeted = false;
            self.promise(conn, Reply::Connack, Wait::disk_if(true));
        }
    }

    pub(super) fn write_connack(&mut self, conn: ConnId, present: bool) {
        let version = self.version(conn).unwrap_or(Version::V311);
        self.out.reply(conn, &Connack::bytes_v3(version, present, ConnectReturn::Accepted));
    }

    /// The session that a client has ended is gone for good, or its new one there to stay.
    pub(super) fn greet(&mut self, conn: ConnId, context: &mut Context<'_>) {
        let Some(connection) = self.out.connections.get_mut(conn) else { return };
        connection.greeted = true;
        connection.last_packet_ms = context.now_ms;
        self.write_connack(conn, false);
        self.out.events.push_back(Event::Resume(conn));
    }

    /// Answers a CONNECT with a refusal and closes [MQTT-3.2.2-5].
    pub(super) fn refuse(&mut self, conn: ConnId, code: ConnectReturn, context: &mut Context<'_>) {
        self.out.stats.clients_refused += 1;
        self.notices.refused_for(Why::Code(code));
        self.notices.why().into_iter().for_each(|why| self.out.stats.count_refusal(why));
        self.out.reply(conn, &Connack::bytes_v3(Version::V311, false, code));
        self.close(conn, CloseReason::Refused(code), context);
    }

    /// Whether a user may have this client id, and the session that is there under it.
    fn may_take(&self, vhost: VhostId, client_id: &str, user: Option<&str>) -> bool {
        let key = self.catalog.sessions.find(vhost.0, client_id);
        let owner = key.and_then(|key| self.catalog.sessions.get(key).owner());
        owner.is_none() || owner == user || self.out.options.takeover == Takeover::Any
    }

    /// Notes whose a session is. Its subscriptions bring what that user may read.
    fn set_owner(&mut self, key: SessionKey, user: Option<&str>, context: &mut Context<'_>) {
        let session = self.catalog.sessions.get(key);
        if session.owner() != user {
            if !session.subscriptions.is_empty() {
                self.vhosts[VhostId(session.vhost)].exchange.routes.invalidate();
            }
            self.catalog.set_owner(key, user, &mut self.out.logs);
            // Nor may it bring what only the user before may read.
            self.catalog.sessions.get_mut(key).screen_waiting();
            self.settle_withheld(key, context);
        }
    }

    /// Ends the connection that has this client id now [MQTT-3.1.4-2]; gives its will, which is to
    /// be published.
    fn take_over(
        &mut self,
        vhost: VhostId,
        client_id: &str,
        caller: Caller,
        context: &mut Context<'_>,
    ) -> Option<Box<Will>> {
        let sessions = &self.catalog.sessions;
        let holder = sessions.find(vhost.0, client_id).and_then(|key| sessions.get(key).holder)?;
        let holder = ConnId::of(holder);
        self.tell_takeover(vhost, client_id, [self.caller_of(holder), caller], context.now_ms);
        let (_, will) = self.end(holder, CloseReason::TakenOver(caller), context)?;
        Some(will)
    }

    /// Finds or makes the session (3.1.2.4); tells whether there was one [MQTT-3.2.2-2].
    fn attach(
        &mut self,
        identity: &Identity,
        client_id: &str,
        clean: bool,
        conn: ConnId,
        context: &mut Context<'_>,
    ) -> (SessionKey, bool) {
        let vhost = identity.vhost;
        let mut found = self.catalog.sessions.find(vhost, client_id);
        if let Some(key) = found
            && clean
        {
            // [MQTT-3.1.2-6]
            self.end_session(key, context);
            found = None;
        }
        let (time_ms, logs) = (self.out.time_ms(context), &mut self.out.logs);
        let key = found
            .unwrap_or_else(|| self.catalog.open_session(vhost, client_id, clean, time_ms, logs));
        if found.is_none() {
            self.count_session(key);
        }
        self.set_owner(key, identity.user.as_deref(), context);
        let logs = &mut self.out.logs;
        // [MQTT-4.4.0-1] What is not acknowledged comes again.
        self.catalog.attach(key, conn.holder(), logs);
        (key, found.is_some())
    }

    /// A client id that no other has, of a session that lives on this shard.
    fn make_client_id(&mut self, vhost: VhostId) -> String {
        let options = &self.out.options;
        let name = &self.vhosts[vhost].name;
        loop {
            self.made_ids += 1;
            let id = format!("ringmq-{:016x}-{:x}", options.seed, self.made_ids);
            let home = placement::home_of(name, &id, options.shards);
            let known = self.catalog.sessions.find(vhost.0, &id);
            if home == options.shard && known.is_none() {
                return id;
            }
        }
    }
}
