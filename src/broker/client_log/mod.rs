//! The log lines about clients: connects, disconnects with their reasons, refusals, slow clients.
//!
//! Invariant: no code here is on the path of a message. The number of lines is bounded by kind
//! (`line_limit`) or by session (`repeated_events`). A line that `--log`, `--log-connections` or
//! its bound leaves out is not formatted either.
//!
//! It uses `names` and `connection`.

mod closed;
mod line_limit;
mod repeated_events;
mod takeovers;

use std::fmt;

use log::Level::{Info, Warn};
use log::{debug, info, log, log_enabled, warn};

use crate::limits::{DROPS_NAMED_MAX, PRE_CONNECT_BYTES_MAX};
use crate::mqtt::{Connect, DecodeError, Foreign, TopicFilter, TopicName, Version};
use crate::shown::Shown;
use crate::store::SessionKey;

use super::connection::Connecting;
use super::names::{ClientAddress, CloseReason, RefusalReason, VhostId};

use repeated_events::{FULL, RepeatedEvents, SessionEvent, TELL_MS};
use takeovers::Takeovers;

pub use line_limit::LineLimit;

pub(crate) use closed::{ClosedClient, ClosedConnection, ClosedConnections};
pub(crate) use repeated_events::DropReason;

/// The kinds of lines, each with its own bound.
#[derive(Clone, Copy)]
enum Kind {
    Connected,
    Disconnected,
    Refused,
    Strange,
    Slow,
}

/// The words for the count of each kind.
const MORE: [&str; 5] = [
    "more clients connected",
    "more clients disconnected",
    "more clients refused",
    "more connections closed that were no client's",
    "more slow clients disconnected",
];

const SLOW_MORE: &str = "more messages at QoS 0 dropped in the last minute";

/// See the module.
#[derive(Debug)]
pub(crate) struct ClientLog {
    /// `--log-connections`.
    names_connections: bool,
    limits: [LineLimit; MORE.len()],
    /// The events of sessions that are not logged yet.
    repeated_events: RepeatedEvents,
    /// The reason for refusing the current CONNECT.
    why: Option<RefusalReason>,
    takeovers: Takeovers,
    /// The time at which drops for slow clients were last logged.
    slow_told_ms: u64,
}

impl ClientLog {
    pub(crate) fn new(names_connections: bool) -> Self {
        Self {
            names_connections,
            limits: Default::default(),
            repeated_events: RepeatedEvents::default(),
            why: None,
            takeovers: Takeovers::default(),
            slow_told_ms: 0,
        }
    }

    /// Whether clients that connect and disconnect are logged.
    pub(crate) fn set_names_connections(&mut self, names_connections: bool) {
        self.names_connections = names_connections;
    }

    /// Notes why the current CONNECT is refused; the first, more exact reason stays.
    pub(crate) fn refused_for(&mut self, why: RefusalReason) {
        self.why.get_or_insert(why);
    }

    /// Takes the noted reason.
    pub(crate) fn why(&self) -> Option<RefusalReason> {
        self.why
    }

    fn names(&mut self, kind: Kind, now_ms: u64) -> bool {
        self.limits[kind as usize].names(now_ms)
    }
}

/// The user of a client in words.
struct User<'a>(Option<&'a str>);

impl fmt::Display for User<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(user) => write!(f, "user {}", Shown(user)),
            None => f.write_str("anonymous"),
        }
    }
}

fn version_of(version: Version) -> &'static str {
    match version {
        Version::V31 => "3.1",
        Version::V311 => "3.1.1",
        Version::V5 => "5",
    }
}

impl ClientLog {
    /// Logs an accepted client; its connection is still connecting.
    #[cold]
    pub(crate) fn connected(
        &mut self,
        connecting: &Connecting,
        connect: &Connect<'_>,
        user: Option<&str>,
        vhost: &str,
        (client, session_present): (&str, bool),
        now_ms: u64,
    ) {
        let logs = self.names_connections && log_enabled!(Info);
        if !logs || !self.names(Kind::Connected, now_ms) {
            return;
        }
        let from = connecting.client_address();
        let (clean, keep_alive) = (connect.clean_session, connect.keep_alive_s);
        let session = match (clean, session_present) {
            (true, _) => "clean session",
            (false, true) => "session found",
            (false, false) => "new session",
        };
        let transport = connecting.transport();
        let secured = connecting.secured();
        let tls = secured.map_or("", |secured| secured.version);
        let certificate = secured.and_then(|secured| secured.certificate.as_deref());
        let version = version_of(connect.version);
        let mut sealed = String::new();
        if transport.is_websocket() {
            sealed += ", WebSocket";
        }
        if !tls.is_empty() {
            sealed += &format!(", {tls}");
        }
        if let Some(name) = certificate {
            sealed += &format!(", certificate {}", Shown(name));
        }
        info!(
            client, event = "connected", addr:% = from, version, user = user.unwrap_or_default(),
            vhost, clean, keep_alive, session_present, transport = transport.as_str(), tls,
            certificate = certificate.unwrap_or_default();
            "connected from {from} (MQTT {version}, {}, vhost {}, {session}, keep alive \
             {keep_alive} s{sealed})",
            User(user),
            Shown(vhost)
        );
    }

    /// Logs the end of a client's connection.
    #[cold]
    pub(crate) fn disconnected(
        &mut self,
        client: &str,
        from: ClientAddress,
        reason: CloseReason,
        now_ms: u64,
    ) {
        if self.names_connections && log_enabled!(Info) && self.names(Kind::Disconnected, now_ms) {
            info!(
                client, event = "disconnected", addr:% = from, reason:% = reason;
                "disconnected from {from}: {reason}"
            );
        }
    }

    /// Logs the end of a connection without an accepted client.
    #[cold]
    pub(crate) fn closed_early(&mut self, from: ClientAddress, reason: CloseReason, now_ms: u64) {
        match reason {
            // These reasons have their own lines.
            CloseReason::Refused(_)
            | CloseReason::AddressLimit
            | CloseReason::TlsFault
            | CloseReason::Http => {}
            // A port check without any bytes is not logged.
            CloseReason::Disconnected
            | CloseReason::PeerClosed
            | CloseReason::Failed(_)
            | CloseReason::Stopping => debug!("{from}: closed before CONNECT: {reason}"),
            CloseReason::Malformed(DecodeError::TooLarge { bytes, max })
                if max == PRE_CONNECT_BYTES_MAX =>
            {
                let reason = format_args!("a CONNECT of {bytes} bytes, {max} at most");
                self.strange(from, " before CONNECT", &reason, now_ms);
            }
            _ => self.strange(from, " before CONNECT", &reason, now_ms),
        }
    }

    /// Logs a link that TLS has ended; `foreign` is the protocol that it began with instead.
    #[cold]
    pub(crate) fn tls_fault(
        &mut self,
        from: ClientAddress,
        (fault, is_certificate): (&dyn fmt::Display, bool),
        foreign: Option<Foreign>,
        now_ms: u64,
    ) {
        match foreign {
            Some(foreign) => {
                self.strange(from, "", &format_args!("no TLS: {foreign}"), now_ms);
            }
            // A wrong certificate can be mended, so it is a warning.
            None if is_certificate => {
                if log_enabled!(Warn) && self.names(Kind::Refused, now_ms) {
                    warn!(
                        event = "refused", addr:% = from, reason:% = fault;
                        "refused a connection from {from}: {fault}"
                    );
                }
            }
            None => self.strange(from, "", &format_args!("TLS failed: {fault}"), now_ms),
        }
    }

    /// Logs a refused HTTP request; `refusal` is the reason.
    #[cold]
    pub(crate) fn refused_request(
        &mut self,
        from: ClientAddress,
        refusal: &dyn fmt::Display,
        now_ms: u64,
    ) {
        self.strange(from, "", refusal, now_ms);
    }

    fn strange(&mut self, from: ClientAddress, when: &str, reason: &dyn fmt::Display, now_ms: u64) {
        if log_enabled!(Info) && self.names(Kind::Strange, now_ms) {
            info!(
                event = "closed", addr:% = from, reason:% = reason;
                "closed a connection from {from}{when}: {reason}"
            );
        }
    }

    /// Logs the reason if a CONNECT was refused. It never logs the password.
    #[cold]
    pub(crate) fn refused(
        &mut self,
        from: ClientAddress,
        connect: Option<&Connect<'_>>,
        now_ms: u64,
    ) {
        let why = self.why.take().filter(|why| *why != RefusalReason::OthersSession);
        let Some(why) = why else { return };
        if !log_enabled!(Warn) || !self.names(Kind::Refused, now_ms) {
            return;
        }
        let user = connect.and_then(|connect| connect.username).filter(|user| !user.is_empty());
        match connect.map(|connect| connect.client_id).filter(|client| !client.is_empty()) {
            Some(client) => warn!(
                client, event = "refused", addr:% = from, user = user.unwrap_or_default(),
                reason:% = why;
                "refused from {from}, {}: {why}",
                User(user)
            ),
            None => warn!(
                event = "refused", addr:% = from, user = user.unwrap_or_default(), reason:% = why;
                "refused a client without a client id from {from}, {}: {why}",
                User(user)
            ),
        }
    }

    /// Logs a client that was refused because its client id belongs to another user, `owner`, whose
    /// client is connected if `is_there`. The line names the owner and the remedy.
    #[cold]
    pub(crate) fn lockout(
        &mut self,
        from: ClientAddress,
        (vhost, client): (&str, &str),
        user: Option<&str>,
        (owner, is_there): (Option<&str>, bool),
        now_ms: u64,
    ) {
        self.refused_for(RefusalReason::OthersSession);
        if !log_enabled!(Warn) || !self.names(Kind::Refused, now_ms) {
            return;
        }
        let state = if is_there { "is connected" } else { "is kept for it" };
        warn!(
            client, event = "refused", addr:% = from, user = user.unwrap_or_default(), vhost,
            owner = owner.unwrap_or_default();
            "refused from {from}, {}: the session of this client id in vhost {} belongs to \
             another, {}, and {state}; `ringmq session delete` and SIGHUP end it, --takeover any \
             lets every user of a vhost take over",
            User(user), Shown(vhost), User(owner)
        );
    }

    /// Logs a client that takes over the client id of another connection.
    #[cold]
    pub(crate) fn takeover(
        &mut self,
        vhost: VhostId,
        client: &str,
        [old, new]: [ClientAddress; 2],
        now_ms: u64,
    ) {
        if let Some(count) = self.takeovers.note(vhost, client, now_ms) {
            warn!(
                client, event = "takeovers", addr:% = new, count;
                "taken over {count} times within a minute, last from {old} by {new}: do two \
                 clients have this client id?"
            );
        }
    }

    /// Logs a publish to a denied topic.
    #[cold]
    pub(crate) fn denied_publish(
        &mut self,
        (key, client): (SessionKey, &str),
        topic: TopicName<'_>,
        levels_max: usize,
    ) {
        let level = self.repeated_events.level_of(key, client, SessionEvent::DeniedPublish);
        if log_enabled!(level) {
            let why = why_denied(topic, levels_max);
            let topic = topic.as_str();
            log!(
                level, client, event = "publish_denied", topic;
                "may not publish to {}: {why}", Shown(topic)
            );
        }
    }

    /// Logs a denied filter.
    #[cold]
    pub(crate) fn denied_subscription(
        &mut self,
        (key, client): (SessionKey, &str),
        filter: TopicFilter<'_>,
        why: &str,
    ) {
        let level = self.repeated_events.level_of(key, client, SessionEvent::DeniedSubscription);
        let filter = filter.as_str();
        log!(
            level, client, event = "subscription_denied", filter;
            "may not subscribe to {}: {why}", Shown(filter)
        );
    }

    /// Logs a message that was dropped because its session is full.
    pub(crate) fn session_full(&mut self, (key, client): (SessionKey, &str), reason: DropReason) {
        if self.repeated_events.is_first(key, client, reason.kind()) {
            warn!(client, event = "session_full"; "session full ({FULL}), {reason}");
        }
    }

    /// The time at which [`ClientLog::tell`] is due; `has_slow`: there are slow clients.
    pub(crate) fn due_ms(&self, has_slow: bool) -> Option<u64> {
        let slow = has_slow.then_some(self.slow_told_ms + TELL_MS);
        let limits = self.limits.iter().filter_map(LineLimit::due_ms).min();
        [limits, self.repeated_events.due_ms(), slow].into_iter().flatten().min()
    }

    /// Logs the counts and sums that are due.
    pub(crate) fn tell(&mut self, now_ms: u64) {
        for (limit, more) in self.limits.iter_mut().zip(MORE) {
            if let Some(count) = limit.take_due(now_ms) {
                info!(count; "{count} {more} in the last second than are named here");
            }
        }
        self.repeated_events.tell(now_ms);
    }

    /// Logs the counts that are not due yet, before the broker ends.
    pub(crate) fn tell_at_end(&mut self, now_ms: u64) {
        for (limit, more) in self.limits.iter_mut().zip(MORE) {
            if let Some(count) = limit.take() {
                info!(count; "{count} {more} at the end than are named here");
            }
        }
        self.repeated_events.tell_all(now_ms);
    }

    /// Whether the sums of slow clients are due; if so, the next time is a minute later.
    pub(crate) fn is_slow_due(&mut self, now_ms: u64) -> bool {
        let is_due = self.slow_told_ms + TELL_MS <= now_ms;
        if is_due {
            self.slow_told_ms = now_ms;
        }
        is_due
    }

    /// Logs the QoS 0 messages that were dropped for a slow client whose connection ends.
    #[cold]
    pub(crate) fn slow_at_end(&mut self, client: &str, count: u32, now_ms: u64) {
        if self.names(Kind::Slow, now_ms) {
            log_slow(client, count);
        }
    }
}

/// The reason why a client may not publish to a topic that it is denied.
pub(crate) fn why_denied(topic: TopicName<'_>, levels_max: usize) -> &'static str {
    if topic.is_system() {
        "nobody but the broker publishes to $SYS"
    } else if topic.level_count() > levels_max {
        "it has more levels than --max-topic-levels"
    } else {
        "the access rules deny it"
    }
}

/// Logs QoS 0 messages that were dropped for slow clients: it names the first clients, and gives
/// the sum.
pub(crate) fn log_slow_clients<'a>(clients: impl Iterator<Item = (&'a str, u32)>) {
    let (mut named, mut count) = (0, 0);
    for (client, dropped) in clients {
        if named < DROPS_NAMED_MAX {
            named += 1;
            log_slow(client, dropped);
        } else {
            count += dropped;
        }
    }
    if count > 0 {
        warn!(event = "slow", count; "other slow clients: {count} {SLOW_MORE}");
    }
}

fn log_slow(client: &str, count: u32) {
    warn!(client, event = "slow", count; "reads too slowly: {count} {SLOW_MORE}");
}

/// Logs the first QoS 0 message that was dropped for a client; `slow` is the number of slow
/// clients.
#[cold]
pub(crate) fn log_first_slow(client: &str, slow: usize) {
    if slow <= DROPS_NAMED_MAX {
        warn!(
            client, event = "slow";
            "reads too slowly: messages at QoS 0 are dropped for it (--max-outgoing-bytes, \
             --qos0-patience)"
        );
    }
}
