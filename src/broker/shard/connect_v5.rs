//! The additions of MQTT 5 to CONNECT, CONNACK and DISCONNECT (v5 3.1, 3.2, 3.14).

use crate::limits::PACKET_BYTES_MAX;
use crate::mqtt::{
    Connack, ConnackProperties, Connect, ConnectReturn, DecodeError, Disconnect,
    DisconnectProperties, Properties, ReasonCode, UserProperties, Version,
};

use super::super::connection::{Connecting, Open, OpenV5, Terms, capped_s};
use super::super::names::{CloseReason, ConnId, Context, EPOCH_PROPERTY, Options, RefusalReason};
use super::super::output::FormatOptions;
use super::super::read_gate::Pause;
use super::Shard;

impl Shard {
    /// The additional state of a connection whose client speaks MQTT 5; its packets have that form
    /// from now on.
    pub(super) fn open_v5(
        &mut self,
        conn: ConnId,
        connect: &Connect<'_>,
        terms: &Terms,
    ) -> Option<Box<OpenV5>> {
        if connect.version != Version::V5 {
            return None;
        }
        let packet_bytes_max = usize::try_from(terms.packet_bytes_max).unwrap_or(usize::MAX);
        let format = FormatOptions {
            packet_bytes_max,
            topic_alias_max: terms.topic_alias_max,
            problem_information: terms.problem_information,
        };
        self.outputs.set_format(conn, format);
        let is_id_assigned = connect.client_id.is_empty();
        let connecting = self.connections.connecting_mut(conn);
        let introduction = connecting.and_then(Connecting::take_introduction);
        let authentication = introduction.map(|introduction| introduction.authentication);
        Some(Box::new(OpenV5 { terms: *terms, is_id_assigned, authentication }))
    }

    /// Tells a client that it was accepted, and which of its wishes or the standard's defaults do
    /// not hold (v5 3.2.2.3).
    pub(super) fn write_connack_v5(&mut self, conn: ConnId, present: bool) {
        let Some(Open { v5: Some(own), session, .. }) = self.connections.client(conn) else {
            return;
        };
        let OpenV5 { terms, is_id_assigned, authentication } = &**own;
        let Options { packet_bytes_max, .. } = self.options;
        let id = &*self.catalog.session(*session).client_id;
        let is_bounded = packet_bytes_max < PACKET_BYTES_MAX;
        let told = ConnackProperties {
            session_expiry_s: terms.expiry_s.filter(|expiry_s| *expiry_s != terms.asked_expiry_s),
            packet_bytes_max: if is_bounded { in_u32(packet_bytes_max) } else { u32::MAX },
            assigned_client_id: is_id_assigned.then_some(id),
            topic_alias_max: terms.own_alias_max,
            keep_alive_s: terms.keeps_other_alive.then_some(terms.keep_alive_s),
            authentication_method: authentication.as_ref().map(|it| it.mechanism.name()),
            authentication_data: authentication
                .as_ref()
                .and_then(|it| it.server_final().map(str::as_bytes)),
            ..ConnackProperties::default()
        };
        let session = self.catalog.session(*session);
        let epoch = format!("{:016x}", session.epoch());
        let user = [(EPOCH_PROPERTY, epoch.as_str())];
        let user: &UserProperties<'_> =
            if terms.wants_positions && !session.clean { &user } else { &[] };
        let packet_bytes_max = usize::try_from(terms.packet_bytes_max).unwrap_or(usize::MAX);
        let (mut scratch, mut bytes) = (Vec::new(), Vec::new());
        for user in [user, &[]] {
            let properties = told.lay_out(user, &mut scratch);
            let connack = Connack { session_present: present, reason: 0, properties };
            bytes.clear();
            connack.encode(Version::V5, &mut bytes);
            // [MQTT-3.2.2-20] v5
            if bytes.len() <= packet_bytes_max {
                break;
            }
        }
        self.outputs.reply(conn, &bytes);
    }

    /// Answers a malformed CONNECT of MQTT 5 and closes (v5 4.13.1). The client's Maximum Packet
    /// Size is not known, so the answer is as short as possible.
    #[cold]
    pub fn refuse_malformed_v5(
        &mut self,
        conn: ConnId,
        error: DecodeError,
        context: &mut Context<'_>,
    ) {
        self.outputs.reply(conn, &Connack::refusal_v5(error.reason()));
        self.close(conn, CloseReason::Malformed(error), context);
    }

    /// Handles a client's DISCONNECT: its will is discarded only with success [MQTT-3.14.4-3], and
    /// it may set the session expiry interval again (v5 3.14.2.2.2).
    pub(super) fn handle_disconnect(
        &mut self,
        conn: ConnId,
        disconnect: &Disconnect<'_>,
        context: &mut Context<'_>,
    ) {
        let asked_s = DisconnectProperties::of(disconnect.properties).session_expiry_s;
        if let Some(asked_s) = asked_s
            && let Some(Open { v5: Some(own), session, .. }) = self.connections.client(conn)
        {
            if own.terms.asked_expiry_s == 0 && asked_s > 0 {
                return self.close(conn, CloseReason::LateExpiry, context);
            }
            let expiry_s = Some(capped_s(asked_s, &self.options));
            self.catalog.set_expiry(*session, expiry_s, &mut self.logs);
        }
        let reason = match disconnect.reason {
            ReasonCode::Success => CloseReason::Disconnected,
            other => CloseReason::LeftWithWill(other),
        };
        self.close(conn, reason, context);
    }

    /// Tells an MQTT 5 client why its connection ends [MQTT-3.14.4-1].
    pub(super) fn write_disconnect(&mut self, conn: ConnId, reason: CloseReason) {
        let Some(code) = reason.disconnect_code() else { return };
        // [MQTT-3.14.0-1] v5 The client has not received its CONNACK.
        if self.gates.is_paused_by(conn, Pause::Connack) {
            return;
        }
        let Some(&FormatOptions { packet_bytes_max, .. }) = self.outputs.format(conn) else {
            return;
        };
        let words = reason.to_string();
        let (mut scratch, mut bytes) = (Vec::new(), Vec::new());
        let said = DisconnectProperties { reason_string: Some(&words), ..Default::default() };
        let properties = said.lay_out(&[], &mut scratch);
        Disconnect { reason: code, properties }.encode(Version::V5, &mut bytes);
        if bytes.len() > packet_bytes_max {
            bytes.clear();
            let properties = Properties::EMPTY;
            Disconnect { reason: code, properties }.encode(Version::V5, &mut bytes);
        }
        self.outputs.reply(conn, &bytes);
    }
}

/// The CONNACK that refuses an MQTT 5 client; `code` is the code of 3.1.1. The reason string is
/// left out if the packet would exceed the client's maximum [MQTT-3.2.2-19] v5.
pub(super) fn refusal_v5(
    why: RefusalReason,
    code: ConnectReturn,
    packet_bytes_max: usize,
) -> Vec<u8> {
    let bare = Connack::refusal_v5(why.reason_code(code));
    // The format that another version has after the code is not known.
    if why == RefusalReason::Version || !why.may_be_told() {
        return bare.into();
    }
    let words = why.to_string();
    let told = ConnackProperties { reason_string: Some(&words), ..ConnackProperties::default() };
    let (mut scratch, mut bytes) = (Vec::new(), Vec::new());
    let properties = told.lay_out(&[], &mut scratch);
    let reason = why.reason_code(code) as u8;
    let connack = Connack { session_present: false, reason, properties };
    connack.encode(Version::V5, &mut bytes);
    if bytes.len() > packet_bytes_max { bare.into() } else { bytes }
}

fn in_u32(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}
