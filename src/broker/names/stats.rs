//! Counters of one shard, from its start.
//!
//! Each room has its own counters for its own decisions; the shard's counters are their sum.

use std::ops::AddAssign;

use crate::mqtt::{PacketKind, Version};

use super::{CloseReason, RefusalReason};

macro_rules! stats {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// The counters of one shard since its start.
        #[derive(Clone, Copy, Default, Debug)]
        pub struct Stats {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl Stats {
            /// Each counter, in the same order.
            pub fn each_mut(&mut self) -> impl Iterator<Item = &mut u64> {
                [$(&mut self.$name,)*].into_iter()
            }

            /// Each counter with its name.
            pub fn each(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name),)*].into_iter()
            }
        }

        impl AddAssign<&Self> for Stats {
            fn add_assign(&mut self, more: &Self) {
                $(self.$name += more.$name;)*
            }
        }
    };
}

stats! {
    /// Accepted clients.
    clients_accepted,
    /// CONNECTs that were answered with a refusal.
    clients_refused,
    /// Clients that were refused without verifying a password: no user name, or one without access.
    logins_refused,
    /// Clients whose user name or password was wrong.
    passwords_wrong,
    /// Clients that were refused because their address had sent too many wrong passwords.
    logins_throttled,
    /// Clients that were refused because too many passwords waited for verification.
    logins_unheard,
    /// Clients that were refused because their client id is another user's.
    takeovers_refused,
    /// Clients that were refused because their vhost had its largest number of clients.
    refused_vhost_connections,
    /// Clients that were refused because their vhost had its largest number of sessions.
    refused_vhost_sessions,
    /// Clients that were disconnected because a new policy no longer admits them.
    clients_revoked,
    /// PUBLISHes and wills that their client may not send, are to `$SYS`, or to a topic that is too
    /// deep.
    publishes_denied,
    /// The wills among them.
    wills_denied,
    /// Filters that their client may not subscribe to.
    subscriptions_denied,
    /// Subscriptions of sessions that new rules deny, or those found at start.
    subscriptions_suspended,
    /// Denied subscriptions that new rules allow again.
    subscriptions_resumed,
    /// Waiting messages that were dropped because the client may no longer read them.
    queued_denied,
    /// Clients that were refused because of their MQTT version.
    refused_version,
    /// Clients that were refused because of their client id.
    refused_identifier,
    /// Clients that were refused because the largest number was connected.
    refused_connections,
    /// Clients that were refused because their shard had its largest number of sessions.
    refused_sessions,
    /// Clients that were refused because the rules changed while their password was verified.
    refused_revoked,
    /// Connections closed by a DISCONNECT.
    closed_by_client,
    /// Connections that their peer closed without a DISCONNECT.
    closed_by_peer,
    /// Connections that ended before their peer had sent a byte.
    closed_no_data,
    /// Connections that the network has ended.
    closed_network,
    /// Connections of accepted clients that were closed because no whole packet came in time.
    closed_keep_alive,
    /// Connections closed because their client published to a denied topic.
    closed_denied,
    /// Connections closed because an operator asked for it.
    closed_kicked,
    /// Connections closed because the broker shut down.
    closed_stopping,
    /// Connections closed because their bytes were not MQTT.
    closed_malformed,
    /// Connections closed because their bytes were not TLS, or TLS refused the peer.
    closed_tls,
    /// Connections closed because they began with an HTTP request that opened no WebSocket.
    closed_http,
    /// Connections closed because they broke a rule of WebSocket.
    closed_websocket,
    /// Accepted clients over WebSocket.
    clients_websocket,
    /// Accepted clients of MQTT 3.1.
    clients_v31,
    /// Accepted clients of MQTT 5.
    clients_v5,
    /// Accepted clients that found their session.
    sessions_resumed,
    /// Connections closed because they broke the protocol.
    closed_violation,
    /// Connections closed because no whole packet came in time.
    closed_timeout,
    /// Connections refused because too many were open that had not sent CONNECT, or were closing.
    refused_crowded,
    /// Successful TLS handshakes with a new session.
    tls_handshakes_full,
    /// Successful TLS handshakes with the session of an earlier one.
    tls_handshakes_resumed,
    /// TLS handshakes that failed.
    tls_handshakes_failed,
    /// Connections refused because they came to a listener behind a proxy from elsewhere.
    refused_untrusted_proxy,
    /// Connections refused because their address had its largest number of connections.
    refused_address_connections,
    /// Connections refused because their address opened too many in a second.
    refused_address_rate,
    /// Connections whose address was not counted because too many addresses are counted.
    addresses_uncounted,
    /// Connections closed because they did not begin with a PROXY header.
    closed_proxy_header,
    /// Connections closed because another client took over their client id.
    taken_over,
    /// Packets received and handled, of any type.
    packets_in,
    /// CONNECTs received.
    connects_in,
    /// PUBACKs received.
    pubacks_in,
    /// PUBRECs received.
    pubrecs_in,
    /// PUBRELs received.
    pubrels_in,
    /// PUBCOMPs received.
    pubcomps_in,
    /// SUBSCRIBEs received.
    subscribes_in,
    /// UNSUBSCRIBEs received.
    unsubscribes_in,
    /// PINGREQs received.
    pingreqs_in,
    /// DISCONNECTs received.
    disconnects_in,
    /// AUTHs received.
    auths_in,
    /// Packets other than PUBLISH written for clients.
    answers_out,
    /// CONNACKs sent to clients.
    connacks_out,
    /// PUBACKs sent to clients.
    pubacks_out,
    /// PUBRECs sent to clients.
    pubrecs_out,
    /// PUBRELs sent to clients.
    pubrels_out,
    /// PUBCOMPs sent to clients.
    pubcomps_out,
    /// SUBACKs sent to clients.
    subacks_out,
    /// UNSUBACKs sent to clients.
    unsubacks_out,
    /// PINGRESPs sent to clients.
    pingresps_out,
    /// DISCONNECTs sent to clients.
    disconnects_out,
    /// AUTHs sent to clients.
    auths_out,
    /// PUBLISHes received.
    publishes_in,
    /// PUBLISHes received at QoS 1.
    publishes_in_qos1,
    /// PUBLISHes received at QoS 2.
    publishes_in_qos2,
    /// PUBLISHes written for clients.
    publishes_out,
    /// PUBLISHes sent to clients at QoS 1.
    publishes_out_qos1,
    /// PUBLISHes sent to clients at QoS 2.
    publishes_out_qos2,
    /// PUBLISHes sent to clients with DUP.
    publishes_redelivered,
    /// PUBLISHes that were refused because no session had room; the client was told.
    publishes_refused,
    /// PUBLISHes whose payload is not UTF-8 although they declare it (`--check-payload-format`).
    payloads_refused,
    /// PUBLISHes that were larger than their receivers accept (MQTT 5, 3.1.2.11.4).
    publishes_too_large,
    /// Bytes of the payloads of PUBLISHes received.
    payload_bytes_in,
    /// Bytes of the payloads of PUBLISHes written for clients.
    payload_bytes_out,
    /// QoS 0 messages for sessions whose client was away.
    qos0_dropped_absent,
    /// QoS 0 messages for clients that stayed full beyond the patience.
    qos0_dropped_slow,
    /// QoS 1 and 2 messages dropped because their session was full and a newer one came.
    queued_dropped_oldest,
    /// Messages that waited in sessions and were dropped because an operator asked for it.
    queued_purged,
    /// QoS 1 and 2 messages dropped because their session was full.
    queued_dropped_newest,
    /// Messages that waited in a session and expired before they were sent.
    queued_expired,
    /// Messages that were sent to members of groups.
    group_delivered,
    /// Messages of groups that their member has acknowledged.
    group_acknowledged,
    /// Messages of groups that were sent again, to the same member or another.
    group_redelivered,
    /// Messages of groups that their member has refused (PUBACK 0x80 or more).
    group_refused,
    /// Retained messages that expired.
    retained_expired,
    /// Messages lost because the disk could not read them.
    stored_lost,
    /// Sessions that ended because their client stayed away.
    sessions_expired,
    /// Sessions that ended because an operator asked for it.
    sessions_deleted,
    /// Times a publisher waited for a full session.
    publishers_blocked,
    /// Times a publisher waited for the disk.
    publishers_waited_disk,
    /// Times a client waited for the disk with something else that its session must know.
    requests_waited_disk,
    /// Writes to the disk that failed.
    disk_write_failures,
    /// The failed writes whose bytes were written, but not synced.
    disk_sync_failures,
    /// Reads from the disk that failed.
    disk_read_failures,
    /// Files that the disk had no room for.
    disk_supply_failures,
    /// Times free space was found too low.
    disk_low,
    /// Messages that were not retained because the retain store was full.
    retained_refused_full,
    /// Times a client was marked slow.
    marked_slow,
    /// Times a publisher was held back.
    publishers_held,
    /// Times a publisher was not read from because it was faster than it may be.
    publishers_throttled,
    /// Filters that were refused because the session had as many as it may, for their depth, or
    /// because they ask for a share.
    subscriptions_refused,
    /// Filters that were refused for their depth.
    subscriptions_too_deep,
    /// Messages that had no subscriber.
    unrouted,
}

/// PUBLISHes by QoS: 0, 1 and 2. The fourth is unused; it saves a check of the index.
pub(crate) type ByQos = [u64; 4];

/// Packets by their type.
pub(crate) type ByKind = [u64; 16];

impl Stats {
    /// Counts a packet of a client that is not a PUBLISH. PUBLISHes are the rest of `packets_in`.
    pub(crate) fn count_received(&mut self, kind: PacketKind) {
        match kind {
            PacketKind::Connect => self.connects_in += 1,
            PacketKind::Puback => self.pubacks_in += 1,
            PacketKind::Pubrec => self.pubrecs_in += 1,
            PacketKind::Pubrel => self.pubrels_in += 1,
            PacketKind::Pubcomp => self.pubcomps_in += 1,
            PacketKind::Subscribe => self.subscribes_in += 1,
            PacketKind::Unsubscribe => self.unsubscribes_in += 1,
            PacketKind::Pingreq => self.pingreqs_in += 1,
            PacketKind::Disconnect => self.disconnects_in += 1,
            PacketKind::Auth => self.auths_in += 1,
            // A client sends none of these: the decoder has refused it.
            PacketKind::Publish
            | PacketKind::Connack
            | PacketKind::Suback
            | PacketKind::Unsuback
            | PacketKind::Pingresp => {}
        }
    }

    /// Adds packets other than PUBLISH that were sent to clients.
    pub(crate) fn add_answers(&mut self, written: &ByKind) {
        let of = |kind: PacketKind| written[kind as usize];
        self.answers_out += written.iter().sum::<u64>();
        self.connacks_out += of(PacketKind::Connack);
        self.pubacks_out += of(PacketKind::Puback);
        self.pubrecs_out += of(PacketKind::Pubrec);
        self.pubrels_out += of(PacketKind::Pubrel);
        self.pubcomps_out += of(PacketKind::Pubcomp);
        self.subacks_out += of(PacketKind::Suback);
        self.unsubacks_out += of(PacketKind::Unsuback);
        self.pingresps_out += of(PacketKind::Pingresp);
        self.disconnects_out += of(PacketKind::Disconnect);
        self.auths_out += of(PacketKind::Auth);
    }

    /// Counts an accepted client; `resumes`: its session existed.
    pub(crate) fn count_client(&mut self, version: Version, resumes: bool) {
        self.clients_accepted += 1;
        self.sessions_resumed += u64::from(resumes);
        match version {
            Version::V31 => self.clients_v31 += 1,
            Version::V311 => {}
            Version::V5 => self.clients_v5 += 1,
        }
    }

    /// Counts the end of a connection whose peer never sent a byte. It does not count as an end by
    /// the peer or by the time limit of CONNECT: port scans would hide the others.
    pub(crate) fn count_close_without_data(&mut self, reason: CloseReason) {
        match reason {
            CloseReason::PeerClosed | CloseReason::ConnectTimeout | CloseReason::Failed(_) => {
                self.closed_no_data += 1;
            }
            reason => self.count_close(reason),
        }
    }

    /// Counts the end of a connection.
    pub(crate) fn count_close(&mut self, reason: CloseReason) {
        match reason {
            CloseReason::Malformed(_) => self.closed_malformed += 1,
            CloseReason::TlsFault => self.closed_tls += 1,
            CloseReason::Http => self.closed_http += 1,
            CloseReason::WebSocket(_) => self.closed_websocket += 1,
            CloseReason::NoConnect
            | CloseReason::Foreign(_)
            | CloseReason::SecondConnect
            | CloseReason::Unexpected
            | CloseReason::WrongAnswer
            | CloseReason::TopicAlias
            | CloseReason::UnknownAlias
            | CloseReason::AliasBytes
            | CloseReason::LateExpiry
            | CloseReason::Authentication(_)
            | CloseReason::OtherUser
            | CloseReason::NotProved
            | CloseReason::PayloadFormat
            | CloseReason::TooMuchBeforeConnect => self.closed_violation += 1,
            CloseReason::KeepAlive(_) => {
                self.closed_timeout += 1;
                self.closed_keep_alive += 1;
            }
            CloseReason::ConnectTimeout => self.closed_timeout += 1,
            CloseReason::ProxyHeader => self.closed_proxy_header += 1,
            CloseReason::TakenOver(_) => self.taken_over += 1,
            CloseReason::Revoked => self.clients_revoked += 1,
            CloseReason::Denied => self.closed_denied += 1,
            CloseReason::Deleted | CloseReason::Kicked => self.closed_kicked += 1,
            CloseReason::Disconnected | CloseReason::LeftWithWill(_) => self.closed_by_client += 1,
            CloseReason::PeerClosed => self.closed_by_peer += 1,
            CloseReason::Failed(_) => self.closed_network += 1,
            CloseReason::Stopping => self.closed_stopping += 1,
            // They are counted as refused.
            CloseReason::Refused(_) | CloseReason::AddressLimit => {}
        }
    }

    /// Counts the refusal of a CONNECT, but for those that are counted where they are decided.
    pub(crate) fn count_refusal(&mut self, why: RefusalReason) {
        match why {
            RefusalReason::Version => self.refused_version += 1,
            RefusalReason::EmptyId | RefusalReason::LongId => self.refused_identifier += 1,
            RefusalReason::Clients => self.refused_connections += 1,
            RefusalReason::Sessions => self.refused_sessions += 1,
            RefusalReason::Revoked => self.refused_revoked += 1,
            RefusalReason::NoUser
            | RefusalReason::NoPassword
            | RefusalReason::LoginTooLong
            | RefusalReason::WrongPassword
            | RefusalReason::ShutOut
            | RefusalReason::Busy
            | RefusalReason::OthersSession
            | RefusalReason::VhostClients
            | RefusalReason::VhostSessions
            | RefusalReason::SmallPackets
            | RefusalReason::WillPayload
            | RefusalReason::Method
            | RefusalReason::SmallForAuth
            | RefusalReason::Authentication(_)
            | RefusalReason::OtherUser
            | RefusalReason::WrongProof
            | RefusalReason::ProofShutOut
            | RefusalReason::Code(_) => {}
        }
    }
}
