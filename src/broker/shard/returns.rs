//! Clients that come back to a session for which something is due while they are away: its end, a
//! will.
//!
//! A client that has read its CONNACK relies on it that neither happens. Had the log not got that
//! the client is back when the broker is killed, the next start would count on from when the client
//! left before. So the CONNACK, and all that follows it, is sent when the log has it.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use crate::store::SessionKey;

use super::super::connection::Terms;
use super::super::names::{ConnId, Context};
use super::super::replies::{Reply, Wait};
use super::Shard;

impl Shard {
    /// Whether something is due for a session that is not to be once its client is back, with these
    /// terms. The end of the session counts if the client was away for long, or sets another
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

    /// Sends nothing to a client that has resumed its session before what was appended is
    /// committed, if the session `is_awaited`, or a will is kept with it now; or if the log has not
    /// got an earlier return to it yet.
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

    /// Whether the client of a session had another, of which the log has not got yet that it has
    /// ended.
    pub(super) fn has_just_ended(&self, key: SessionKey) -> bool {
        self.ends.has(self.name_of(key), &self.logs.disk)
    }

    /// The name of a session's client for [`Uncommitted`](super::super::expiry::Uncommitted).
    pub(super) fn name_of(&self, key: SessionKey) -> u64 {
        let session = self.catalog.session(key);
        let hasher = BuildHasherDefault::<DefaultHasher>::default();
        hasher.hash_one((session.vhost, &*session.client_id))
    }
}
