//! Settings of a session for the time after its connection: how long it is kept, and its will.
//!
//! Invariant: that of the catalog. A session that is clean has neither; its owner keeps them.

use super::catalog::Catalog;
use super::logs::Logs;
use super::record::{Record, SessionKey};
use super::will::Will;

impl Catalog {
    /// Sets how long a session is kept when its client has left, seconds; [`u32::MAX`]: for ever;
    /// `None`: as the server has it for all. To be called before [`Catalog::attach`], or before
    /// [`Catalog::detach`] if the client changes it then.
    pub fn set_expiry(&mut self, key: SessionKey, interval_s: Option<u32>, logs: &mut Logs) {
        let session = self.sessions.get_mut(key);
        if !session.clean && session.expiry_s() != interval_s {
            session.set_expiry(interval_s);
            logs.append_promised(&Record::Expiry { session: key, interval_s });
        }
    }

    /// Has a session keep a will, in the place of any other.
    ///
    /// # Panics
    /// If the session is clean.
    pub fn set_will(&mut self, key: SessionKey, will: &Will<'_>, logs: &mut Logs) {
        let session = self.sessions.get_mut(key);
        assert!(!session.clean, "what ends with its connection keeps no will");
        session.set_will(Some(will));
        logs.append_promised(&Record::Will { session: key, will: *will });
    }

    /// A session's will is published, or is not to be; whether there was one.
    pub fn clear_will(&mut self, key: SessionKey, logs: &mut Logs) -> bool {
        let had_any = self.sessions.get_mut(key).set_will(None);
        if had_any {
            logs.append_promised(&Record::WillCleared { session: key });
        }
        had_any
    }

    /// In how many milliseconds of the time line, from `now_ms` on, the will of a session is due; 0
    /// if it is. `None` if there is none, or its client is there. That its session ends before is
    /// for the owner to know.
    pub fn will_due_ms(&self, key: SessionKey, now_ms: u64) -> Option<u64> {
        let session = self.sessions.get(key);
        let delay_ms = u64::from(session.will()?.delay_s) * 1000;
        let away_ms = || self.timeline.age_ms(session.left_ms, now_ms, u64::MAX);
        session.holder.is_none().then(|| delay_ms.saturating_sub(away_ms()))
    }
}
