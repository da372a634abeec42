//! Clients that come back to a session for which something is due while they are away: its end, a
//! will.
//!
//! A client that has read its CONNACK relies on it that neither happens. Had the log not got that
//! the client is back when the broker is killed, the next start would count on from when the client
//! left before. So the CONNACK, and all that follows it, is sent when the log has it.

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
    /// got another return yet, which may have been to the same session.
    pub(super) fn cork_if_must(&mut self, conn: ConnId, key: SessionKey, is_awaited: bool) {
        let is_awaited = is_awaited || self.catalog.session(key).will().is_some();
        if is_awaited {
            self.returns_until = self.logs.disk.appended();
        }
        if self.returns_until > self.logs.disk.committed() {
            self.outputs.cork(conn);
            self.promise(conn, Reply::Uncork, Wait::disk_if(true));
        }
    }
}
