//! AUTH: a client proves its identity in several steps, before it is accepted or again later (v5
//! 4.12).
//!
//! The CONNECT is kept meanwhile. The client's last AUTH then stands for it and may have to wait
//! like a CONNECT.

use crate::access::{Exchange, Malformed, Mechanism, scram_user_of};
use crate::limits::{CONNECT_TIMEOUT_MS, SCRAM_PACKET_BYTES_MIN};
use crate::mqtt::{
    Auth, AuthProperties, Connect, ConnectProperties, ConnectReturn, Packet, ReasonCode, Version,
    decode_from_client, peek_frame,
};

use super::super::connection::{AuthStep, Authentication, Introduction, Open};
use super::super::names::{CloseReason, ConnId, Context, Flow, RefusalReason};
use super::super::read_gate::Pause;
use super::Shard;

impl Shard {
    /// Whether a client has sent CONNECT and has to prove its identity.
    pub fn is_authenticating(&self, conn: ConnId) -> bool {
        self.connections.connecting(conn).is_some_and(|it| it.introduction().is_some())
    }

    /// The user name of a CONNECT, from the first message of its authentication if it has one.
    pub(super) fn login_in(connect: &Connect<'_>) -> Option<String> {
        let asked = ConnectProperties::of(connect.properties);
        Mechanism::named(asked.authentication_method?)?;
        scram_user_of(asked.authentication_data?)
    }

    /// Begins the authentication that a CONNECT asks for.
    #[cold]
    pub(super) fn introduce_client(
        &mut self,
        conn: ConnId,
        connect: &Connect<'_>,
        context: &mut Context<'_>,
    ) {
        if let Err(why) = self.challenge(conn, connect, context.now_ms) {
            self.refuse_client(conn, connect, why, context);
        }
    }

    fn challenge(
        &mut self,
        conn: ConnId,
        connect: &Connect<'_>,
        now_ms: u64,
    ) -> Result<(), RefusalReason> {
        let asked = ConnectProperties::of(connect.properties);
        let policy = self.admission.policy().clone();
        let mechanism = asked.authentication_method.and_then(Mechanism::named);
        // [MQTT-4.12.0-1] v5
        let mechanism = mechanism.filter(|mechanism| policy.offers(*mechanism));
        let mechanism = mechanism.ok_or(RefusalReason::Method)?;
        if asked.packet_bytes_max < SCRAM_PACKET_BYTES_MIN {
            return Err(RefusalReason::SmallForAuth);
        }
        let message = asked.authentication_data.ok_or(RefusalReason::Authentication(NO_DATA))?;
        let nonce = self.admission.next_nonce();
        let exchange = Exchange::begin(&policy, mechanism, message, &nonce);
        let exchange = exchange.map_err(RefusalReason::Authentication)?;
        let Some(connecting) = self.connections.connecting_mut(conn) else { return Ok(()) };
        let named = connecting.user_name(connect);
        if named.is_some_and(|name| policy.login(Some(name)) != policy.login(Some(exchange.user())))
        {
            return Err(RefusalReason::OtherUser);
        }
        let mut kept = Vec::new();
        let connect = Connect { username: Some(exchange.user()), password: None, ..*connect };
        connect.encode(Version::V5, &mut kept);
        let packet =
            auth_packet(ReasonCode::ContinueAuthentication, mechanism, exchange.server_first());
        let step = AuthStep::Challenged { exchange, since_ms: now_ms };
        let authentication = Box::new(Authentication { mechanism, step });
        connecting.introduce(Introduction { authentication, connect: kept.into() });
        self.outputs.reply(conn, &packet);
        Ok(())
    }

    /// Handles a packet of a client that has to prove its identity: AUTH or DISCONNECT
    /// [MQTT-3.1.2-30] v5.
    #[cold]
    pub(super) fn handle_introduction(
        &mut self,
        conn: ConnId,
        packet: &Packet<'_>,
        context: &mut Context<'_>,
    ) -> Flow {
        let Some(connecting) = self.connections.connecting_mut(conn) else { return Flow::Stop };
        if connecting.is_waiting() {
            return Flow::Wait;
        }
        if connecting.has_answer() {
            return self.handle_kept_connect(conn, context);
        }
        let finished = match packet {
            Packet::Auth(auth) => self.check_last(conn, auth),
            Packet::Disconnect(_) => {
                self.close(conn, CloseReason::Disconnected, context);
                return Flow::Stop;
            }
            _ => Err(Malformed("only AUTH and DISCONNECT may come before CONNACK")),
        };
        match finished {
            Ok(()) => {
                self.gates.pause(conn, Pause::Password);
                Flow::Wait
            }
            Err(broken) => {
                self.refuse_introduction(conn, broken, context);
                Flow::Stop
            }
        }
    }

    /// Handles the client's last message: its proof has to be verified.
    fn check_last(&mut self, conn: ConnId, auth: &Auth<'_>) -> Result<(), Malformed> {
        let Some(connecting) = self.connections.connecting_mut(conn) else { return Ok(()) };
        let Some(introduction) = connecting.introduction_mut() else { return Ok(()) };
        let authentication = &mut introduction.authentication;
        let message = message_of(auth, ReasonCode::ContinueAuthentication, authentication)?;
        let (exchange, _) = authentication.take_exchange().ok_or(NOTHING_ASKED)?;
        let finish = exchange.finish(message)?;
        authentication.step = AuthStep::Proved { server_final: finish.server_final.into() };
        self.admission.check_proof(conn, connecting, finish.question);
        Ok(())
    }

    /// The proof was verified: decides about the CONNECT.
    fn handle_kept_connect(&mut self, conn: ConnId, context: &mut Context<'_>) -> Flow {
        let bytes = self.kept_connect(conn);
        self.decide_connect(conn, &connect_in(&bytes), context)
    }

    /// The CONNECT that waits for the client's proof.
    fn kept_connect(&self, conn: ConnId) -> Box<[u8]> {
        let introduction = self.connections.connecting(conn).and_then(|it| it.introduction());
        introduction.expect("it has sent CONNECT, and has to prove itself").connect.clone()
    }

    fn refuse_introduction(&mut self, conn: ConnId, broken: Malformed, context: &mut Context<'_>) {
        let (bytes, why) = (self.kept_connect(conn), RefusalReason::Authentication(broken));
        self.refuse_client(conn, &connect_in(&bytes), why, context);
    }

    fn refuse_client(
        &mut self,
        conn: ConnId,
        connect: &Connect<'_>,
        why: RefusalReason,
        context: &mut Context<'_>,
    ) {
        let client_address = self.connections.client_address(conn);
        self.client_log.refused_for(why);
        self.refuse(conn, ConnectReturn::NotAuthorized, context);
        self.client_log.refused(client_address, Some(connect), context.now_ms);
        self.closed.name_last(connect.client_id, connect.username);
    }

    /// Handles AUTH from an accepted client: it proves its identity again, as the same user (v5
    /// 4.12.1).
    #[cold]
    pub(super) fn handle_auth(&mut self, conn: ConnId, auth: &Auth<'_>, context: &mut Context<'_>) {
        if let Err(reason) = self.authenticate_anew(conn, auth, context.now_ms) {
            self.close(conn, reason, context);
        }
    }

    fn authenticate_anew(
        &mut self,
        conn: ConnId,
        auth: &Auth<'_>,
        now_ms: u64,
    ) -> Result<(), CloseReason> {
        let broken = |Malformed(rule)| CloseReason::Authentication(rule);
        let policy = self.admission.policy().clone();
        let nonce = self.admission.next_nonce();
        let Some(Open { vhost, session, v5: Some(own), .. }) = self.connections.client_mut(conn)
        else {
            return Err(CloseReason::Unexpected);
        };
        // [MQTT-4.12.0-7] v5
        let authentication = own.authentication.as_mut().ok_or(CloseReason::Unexpected)?;
        let mechanism = authentication.mechanism;
        if auth.reason == ReasonCode::Reauthenticate {
            // [MQTT-4.12.1-1] v5
            let message = message_of(auth, ReasonCode::Reauthenticate, authentication);
            let message = message.map_err(broken)?;
            if matches!(authentication.step, AuthStep::Challenged { .. }) {
                return Err(CloseReason::Authentication(
                    "AUTH that begins anew within an exchange",
                ));
            }
            let exchange = Exchange::begin(&policy, mechanism, message, &nonce).map_err(broken)?;
            let who = exchange.identity();
            if who.vhost != vhost.0 || who.user.as_deref() != self.catalog.session(*session).owner()
            {
                return Err(CloseReason::OtherUser);
            }
            let packet =
                auth_packet(ReasonCode::ContinueAuthentication, mechanism, exchange.server_first());
            authentication.step = AuthStep::Challenged { exchange, since_ms: now_ms };
            self.outputs.reply(conn, &packet);
            return Ok(());
        }
        let message = message_of(auth, ReasonCode::ContinueAuthentication, authentication);
        let message = message.map_err(broken)?;
        let (exchange, since_ms) =
            authentication.take_exchange().ok_or(NOTHING_ASKED).map_err(broken)?;
        let finish = exchange.finish(message).map_err(broken)?;
        let is_late = now_ms.saturating_sub(since_ms) > CONNECT_TIMEOUT_MS;
        // An accepted client has one attempt only, so no helper thread verifies this proof.
        if is_late || !finish.question.verify() {
            return Err(CloseReason::NotProved);
        }
        let packet = auth_packet(ReasonCode::Success, mechanism, &finish.server_final);
        self.outputs.reply(conn, &packet);
        Ok(())
    }
}

/// Decodes a kept CONNECT.
fn connect_in(bytes: &[u8]) -> Connect<'_> {
    let frame = peek_frame(Version::V5, bytes, bytes.len());
    match frame.map(|frame| frame.map(|frame| decode_from_client(Version::V5, frame, bytes))) {
        Ok(Some(Ok(Packet::Connect(connect)))) => connect,
        _ => unreachable!("it was a CONNECT before"),
    }
}

const NO_DATA: Malformed = Malformed("an authentication method without authentication data");
const NOTHING_ASKED: Malformed = Malformed("AUTH that answers nothing");

/// The message in an AUTH, which must have this reason and the method of the CONNECT
/// [MQTT-4.12.0-3], [MQTT-4.12.0-5] v5.
fn message_of<'a>(
    auth: &Auth<'a>,
    reason: ReasonCode,
    authentication: &Authentication,
) -> Result<&'a [u8], Malformed> {
    let told = AuthProperties::of(auth.properties);
    if told.method != authentication.mechanism.name() {
        return Err(Malformed("AUTH with another method than CONNECT"));
    }
    if auth.reason != reason {
        return Err(Malformed("AUTH with a reason code that does not belong here"));
    }
    told.data.ok_or(NO_DATA)
}

/// An AUTH from the broker [MQTT-4.12.0-2], [MQTT-4.12.0-5] v5.
fn auth_packet(reason: ReasonCode, mechanism: Mechanism, message: &str) -> Vec<u8> {
    let (mut scratch, mut bytes) = (Vec::new(), Vec::new());
    let data = Some(message.as_bytes());
    let told = AuthProperties { method: mechanism.name(), data, reason_string: None };
    let properties = told.lay_out(&[], &mut scratch);
    Auth { reason, properties }.encode(Version::V5, &mut bytes);
    bytes
}
