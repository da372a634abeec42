//! Clients that return to a session for which something is due in their absence: its end or a will.
//!
//! A client that has its CONNACK relies on neither of them happening. If the broker were killed
//! before the log had the client's return, the next start would continue the time from the client's
//! last leave. So the CONNACK and all later packets are sent when the log has the return.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use crate::store::SessionKey;

use super::super::connection::Terms;
use super::super::names::{ConnId, Context};
use super::super::replies::{Reply, Wait};
use super::Shard;

impl Shard {
    /// Whether something is due for a session that must not happen after its client returns with
    /// these terms. The session's end counts if the client was away for long or sets another
    /// interval: see [`EXPIRY_LOST_SHARE`](crate::limits::EXPIRY_LOST_SHARE).
    pub(super) fn awaits_client(
        &self,
        key: SessionKey,
        terms: &Terms,
        context: &Context<'_>,
    ) -> bool {
        let (session, time_ms) = (self.catalog.session(key), self.time_ms(context.now_ms));
        let ends = self.expiry.is_long_away(session, &self.catalog, time_ms)
            || session.expiry_s() != terms.expiry_s && self.expiry.may_expire(session);
        !session.clean && (session.will().is_some() || ends)
    }

    /// Holds all output to a client that has resumed its session until the log has its return. That
    /// is done if the session `is_awaited`, if a will is kept with it now, or if an earlier return
    /// is not committed yet.
    pub(super) fn cork_if_must(&mut self, conn: ConnId, key: SessionKey, is_awaited: bool) {
        let name = self.name_of(key);
        if is_awaited || self.catalog.session(key).will().is_some() {
            self.returns.note(name, &self.logs.disk);
        }
        if self.returns.has(name, &self.logs.disk) {
            self.outputs.cork(conn);
            self.promise(conn, Reply::Uncork, Wait::disk_if(true));
        }
    }

    /// Whether a session of this client has ended and its end is not committed yet.
    pub(super) fn has_just_ended(&self, key: SessionKey) -> bool {
        self.ends.has(self.name_of(key), &self.logs.disk)
    }

    /// The hash of a client's name for [`Uncommitted`](super::super::expiry::Uncommitted).
    pub(super) fn name_of(&self, key: SessionKey) -> u64 {
        let session = self.catalog.session(key);
        let hasher = BuildHasherDefault::<DefaultHasher>::default();
        hasher.hash_one((session.vhost, &*session.client_id))
    }
}
