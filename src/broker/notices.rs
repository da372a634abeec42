//! What the log says of clients: who came, who left and why, who was refused, who is slow.
//!
//! Nothing here is on the way of a message. A line that is not to be logged, for `--log`,
//! `--log-connections` or since there were too many of its kind, is not made either.

use std::fmt;

use log::Level::{Info, Warn};
use log::{debug, info, log, log_enabled, warn};

use crate::access::Identity;
use crate::limits::{DROPS_NAMED_MAX, PRE_CONNECT_BYTES_MAX};
use crate::mqtt::{Connect, DecodeError, Foreign, TopicFilter, TopicName, Version};
use crate::shown::Shown;
use crate::store::SessionKey;

use super::ConnId;
use super::accounts::{Matter, TELL_MS};
use super::admission::Caller;
use super::connection::{Open, Phase};
use super::line_limit::LineLimit;
use super::reason::CloseReason;
use super::refusal::Why;
use super::shard::Shard;
use super::takeovers::Takeovers;
use super::vhost::VhostId;

/// Lines that are bounded, each kind by itself.
#[derive(Clone, Copy)]
enum Kind {
    Connected,
    Disconnected,
    Refused,
    Strange,
    Slow,
}

/// What is told of each kind beyond its bound.
const MORE: [&str; 5] = [
    "more clients connected",
    "more clients disconnected",
    "more clients refused",
    "more connections closed that were no client's",
    "more slow clients disconnected",
];

const SLOW_MORE: &str = "more messages at QoS 0 dropped in the last minute";

/// See the module.
#[derive(Default, Debug)]
pub(super) struct Notices {
    limits: [LineLimit; MORE.len()],
    /// Why the CONNECT that is being handled is refused.
    why: Option<Why>,
    takeovers: Takeovers,
    /// When it was last told what was dropped for slow clients.
    slow_told_ms: u64,
}

impl Notices {
    /// Notes why the CONNECT that is being handled is refused; the more exact reason comes first.
    pub(super) fn refused_for(&mut self, why: Why) {
        self.why.get_or_insert(why);
    }

    /// The reason that came first.
    pub(super) fn why(&self) -> Option<Why> {
        self.why
    }

    fn names(&mut self, kind: Kind, now_ms: u64) -> bool {
        self.limits[kind as usize].names(now_ms)
    }

    /// When [`Notices::tell`] is due.
    fn due_ms(&self) -> Option<u64> {
        self.limits.iter().filter_map(LineLimit::due_ms).min()
    }

    /// Logs how many lines were left out.
    fn tell(&mut self, now_ms: u64) {
        for (limit, more) in self.limits.iter_mut().zip(MORE) {
            if let Some(count) = limit.take_due(now_ms) {
                info!(count; "{count} {more} in the last second than are named here");
            }
        }
    }
}

/// The user of a client, in words.
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

impl Shard {
    /// A client was let in; its connection is still greeting.
    #[cold]
    pub(super) fn tell_connected(
        &mut self,
        conn: ConnId,
        connect: &Connect<'_>,
        identity: &Identity,
        (client, session_present): (&str, bool),
        now_ms: u64,
    ) {
        let logs = self.out.options.log_connections && log_enabled!(Info);
        if !logs || !self.notices.names(Kind::Connected, now_ms) {
            return;
        }
        let Some(connection) = self.out.connections.get(conn) else { return };
        let Phase::Greeting(greeting) = &connection.phase else { return };
        let caller = greeting.caller;
        let vhost = &*self.vhosts[VhostId(identity.vhost)].name;
        let (clean, keep_alive) = (connect.clean_session, connect.keep_alive_s);
        let session = match (clean, session_present) {
            (true, _) => "clean session",
            (false, true) => "session found",
            (false, false) => "new session",
        };
        let secured = greeting.secured.as_ref();
        let tls = secured.map_or("", |secured| secured.version);
        let certificate = secured.and_then(|secured| secured.certificate.as_deref());
        let (version, user) = (version_of(connect.version), identity.user.as_deref());
        let mut sealed = String::new();
        if !tls.is_empty() {
            sealed = format!(", {tls}");
        }
        if let Some(name) = certificate {
            sealed += &format!(", certificate {}", Shown(name));
        }
        info!(
            client, event = "connected", addr:% = caller, version, user = user.unwrap_or_default(),
            vhost, clean, keep_alive, session_present, tls,
            certificate = certificate.unwrap_or_default();
            "connected from {caller} (MQTT {version}, {}, vhost {}, {session}, keep alive \
             {keep_alive} s{sealed})",
            User(user),
            Shown(vhost)
        );
    }

    /// An open connection ends; its session is still there.
    #[cold]
    pub(super) fn tell_disconnected(&mut self, open: &Open, reason: CloseReason, now_ms: u64) {
        // How many there were is said when the broker stops.
        let logs = self.out.options.log_connections && reason != CloseReason::Stopping;
        if !logs || !log_enabled!(Info) || !self.notices.names(Kind::Disconnected, now_ms) {
            return;
        }
        let session = self.catalog.sessions.get(open.session);
        let (client, caller) = (&*session.client_id, open.caller);
        info!(
            client, event = "disconnected", addr:% = caller, reason:% = reason;
            "disconnected from {caller}: {reason}"
        );
    }

    /// A connection ends that never had a client.
    #[cold]
    pub(super) fn tell_closed_early(&mut self, caller: Caller, reason: CloseReason, now_ms: u64) {
        match reason {
            // These have a line of their own.
            CloseReason::Refused(_) | CloseReason::AddressLimit | CloseReason::TlsFault => {}
            // A look whether somebody listens is no event.
            CloseReason::Disconnected
            | CloseReason::PeerClosed
            | CloseReason::Failed(_)
            | CloseReason::Stopping => debug!("{caller}: closed before CONNECT: {reason}"),
            CloseReason::Malformed(DecodeError::TooLarge { bytes, max })
                if max == PRE_CONNECT_BYTES_MAX =>
            {
                let reason = format_args!("a CONNECT of {bytes} bytes, {max} at most");
                self.tell_strange(caller, " before CONNECT", &reason, now_ms);
            }
            _ => self.tell_strange(caller, " before CONNECT", &reason, now_ms),
        }
    }

    /// TLS has ended a link, for its certificate perhaps; `foreign`: what it began with instead.
    #[cold]
    pub fn tell_tls_fault(
        &mut self,
        caller: Caller,
        (fault, is_certificate): (&dyn fmt::Display, bool),
        foreign: Option<Foreign>,
        now_ms: u64,
    ) {
        match foreign {
            Some(foreign) => {
                self.tell_strange(caller, "", &format_args!("no TLS: {foreign}"), now_ms);
            }
            // Somebody can mend a certificate.
            None if is_certificate => {
                if log_enabled!(Warn) && self.notices.names(Kind::Refused, now_ms) {
                    warn!(
                        event = "refused", addr:% = caller, reason:% = fault;
                        "refused a connection from {caller}: {fault}"
                    );
                }
            }
            None => self.tell_strange(caller, "", &format_args!("TLS failed: {fault}"), now_ms),
        }
    }

    fn tell_strange(&mut self, caller: Caller, when: &str, reason: &dyn fmt::Display, now_ms: u64) {
        if log_enabled!(Info) && self.notices.names(Kind::Strange, now_ms) {
            info!(
                event = "closed", addr:% = caller, reason:% = reason;
                "closed a connection from {caller}{when}: {reason}"
            );
        }
    }

    /// A CONNECT was answered with a refusal, if it was: says why. Never the password.
    #[cold]
    pub(super) fn tell_refused(
        &mut self,
        caller: Caller,
        connect: Option<&Connect<'_>>,
        now_ms: u64,
    ) {
        let why = self.notices.why.take().filter(|why| *why != Why::OthersSession);
        let Some(why) = why else { return };
        if !log_enabled!(Warn) || !self.notices.names(Kind::Refused, now_ms) {
            return;
        }
        let user = connect.and_then(|connect| connect.username).filter(|user| !user.is_empty());
        match connect.map(|connect| connect.client_id).filter(|client| !client.is_empty()) {
            Some(client) => warn!(
                client, event = "refused", addr:% = caller, user = user.unwrap_or_default(),
                reason:% = why;
                "refused from {caller}, {}: {why}",
                User(user)
            ),
            None => warn!(
                event = "refused", addr:% = caller, user = user.unwrap_or_default(), reason:% = why;
                "refused a client without a client id from {caller}, {}: {why}",
                User(user)
            ),
        }
    }

    /// A client was refused because its client id is another user's: says whose, and the way out.
    #[cold]
    pub(super) fn tell_lockout(
        &mut self,
        caller: Caller,
        (vhost, client): (VhostId, &str),
        user: Option<&str>,
        now_ms: u64,
    ) {
        self.notices.refused_for(Why::OthersSession);
        if !log_enabled!(Warn) || !self.notices.names(Kind::Refused, now_ms) {
            return;
        }
        let key = self.catalog.sessions.find(vhost.0, client);
        let session = key.map(|key| self.catalog.sessions.get(key));
        let owner = session.and_then(|session| session.owner());
        let is_there = session.is_some_and(|session| session.holder.is_some());
        let state = if is_there { "is connected" } else { "is kept for it" };
        let vhost = &*self.vhosts[vhost].name;
        warn!(
            client, event = "refused", addr:% = caller, user = user.unwrap_or_default(), vhost,
            owner = owner.unwrap_or_default();
            "refused from {caller}, {}: the session of this client id in vhost {} belongs to \
             another, {}, and {state}; `ringmq session delete` and SIGHUP end it, --takeover any \
             lets every user of a vhost take over",
            User(user), Shown(vhost), User(owner)
        );
    }

    /// A client takes over the client id of another, or of itself.
    #[cold]
    pub(super) fn tell_takeover(
        &mut self,
        vhost: VhostId,
        client: &str,
        [old, new]: [Caller; 2],
        now_ms: u64,
    ) {
        if let Some(count) = self.notices.takeovers.note(vhost, client, now_ms) {
            warn!(
                client, event = "takeovers", addr:% = new, count;
                "taken over {count} times within a minute, last from {old} by {new}: do two \
                 clients have this client id?"
            );
        }
    }

    /// A client published where it may not.
    #[cold]
    pub(super) fn tell_denied_publish(&mut self, key: SessionKey, topic: TopicName<'_>) {
        let client = &*self.catalog.sessions.get(key).client_id;
        let level = self.out.accounts.level_of(key, client, Matter::DeniedPublish);
        if log_enabled!(level) {
            let why = if topic.is_system() {
                "nobody but the broker publishes to $SYS"
            } else if topic.level_count() > self.out.options.topic_levels_max {
                "it has more levels than --max-topic-levels"
            } else {
                "the access rules deny it"
            };
            let topic = topic.as_str();
            log!(
                level, client, event = "publish_denied", topic;
                "may not publish to {}: {why}", Shown(topic)
            );
        }
    }

    /// A client asked for what it may not subscribe to, or not here.
    #[cold]
    pub(super) fn tell_denied_subscription(
        &mut self,
        key: SessionKey,
        filter: TopicFilter<'_>,
        why: &str,
    ) {
        let client = &*self.catalog.sessions.get(key).client_id;
        let level = self.out.accounts.level_of(key, client, Matter::DeniedSubscription);
        let filter = filter.as_str();
        log!(
            level, client, event = "subscription_denied", filter;
            "may not subscribe to {}: {why}", Shown(filter)
        );
    }

    /// When [`Shard::tell_due`] is due.
    pub(super) fn notices_due_ms(&self) -> Option<u64> {
        let slow = (!self.out.slow.is_empty()).then_some(self.notices.slow_told_ms + TELL_MS);
        let dues = [self.notices.due_ms(), self.out.accounts.due_ms(), slow];
        dues.into_iter().flatten().min()
    }

    /// Logs what is to be told by now.
    pub(super) fn tell_due(&mut self, now_ms: u64) {
        self.notices.tell(now_ms);
        self.out.accounts.tell(now_ms);
        if !self.out.slow.is_empty() && self.notices.slow_told_ms + TELL_MS <= now_ms {
            self.notices.slow_told_ms = now_ms;
            self.tell_slow();
        }
    }

    /// Logs how many messages were dropped for each slow client since that was last told.
    fn tell_slow(&mut self) {
        let (mut named, mut others) = (0, 0);
        for conn in std::mem::take(&mut self.out.slow) {
            let count = self.take_slow(conn);
            if count == 0 {
                continue;
            }
            // It goes on, most likely.
            self.mark_slow(conn);
            if named < DROPS_NAMED_MAX {
                named += 1;
                self.log_slow(conn, count);
            } else {
                others += count;
            }
        }
        if others > 0 {
            let count = others;
            warn!(event = "slow", count; "other slow clients: {count} {SLOW_MORE}");
        }
    }

    /// A connection ends: logs what was dropped for it and is not told.
    #[cold]
    pub(super) fn tell_slow_at_end(&mut self, conn: ConnId, now_ms: u64) {
        let count = self.take_slow(conn);
        if count > 0 && self.notices.names(Kind::Slow, now_ms) {
            self.log_slow(conn, count);
        }
    }

    /// Messages dropped for a connection since it was last told, but for the first, which was told
    /// at once.
    fn take_slow(&mut self, conn: ConnId) -> u32 {
        let Some(connection) = self.out.connections.get_mut(conn) else { return 0 };
        std::mem::take(&mut connection.qos0_dropped).saturating_sub(1)
    }

    fn mark_slow(&mut self, conn: ConnId) {
        if let Some(connection) = self.out.connections.get_mut(conn) {
            connection.qos0_dropped = 1;
            self.out.slow.push(conn);
        }
    }

    fn log_slow(&self, conn: ConnId, count: u32) {
        let Some(key) = self.session_key(conn) else { return };
        let client = &*self.catalog.sessions.get(key).client_id;
        warn!(client, event = "slow", count; "reads too slowly: {count} {SLOW_MORE}");
    }
}

/// Notes the first message at QoS 0 that was dropped for a connection.
#[cold]
pub(super) fn note_first_slow(slow: &mut Vec<ConnId>, conn: ConnId, client: &str) {
    slow.push(conn);
    if slow.len() <= DROPS_NAMED_MAX {
        warn!(
            client, event = "slow";
            "reads too slowly: messages at QoS 0 are dropped for it (--max-outgoing-bytes, \
             --qos0-patience)"
        );
    }
}
