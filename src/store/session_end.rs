//! Settings of a session for the time after its connection: its expiry interval and its will.
//!
//! Invariant: that of the catalog. A clean session has neither.

use super::catalog::Catalog;
use super::logs::Logs;
use super::record::{Record, SessionKey};
use super::will::Will;

impl Catalog {
    /// Sets the seconds for which a session is kept after its client has left; [`u32::MAX`]:
    /// forever; `None`: the broker's default. It must be called before [`Catalog::attach`], or
    /// before [`Catalog::detach`] if the client changes it then.
    pub fn set_expiry(&mut self, key: SessionKey, interval_s: Option<u32>, logs: &mut Logs) {
        let session = self.sessions.get_mut(key);
        if !session.clean && session.expiry_s() != interval_s {
            session.set_expiry(interval_s);
            logs.append_promised(&Record::Expiry { session: key, interval_s });
        }
    }

    /// Replaces the will that is kept with a session.
    ///
    /// # Panics
    /// If the session is clean.
    pub fn set_will(&mut self, key: SessionKey, will: &Will<'_>, logs: &mut Logs) {
        let session = self.sessions.get_mut(key);
        assert!(!session.clean, "what ends with its connection keeps no will");
        session.set_will(Some(will));
        logs.append_promised(&Record::Will { session: key, will: *will });
    }

    /// Removes a session's will; returns whether it had one.
    pub fn clear_will(&mut self, key: SessionKey, logs: &mut Logs) -> bool {
        let had_any = self.sessions.get_mut(key).set_will(None);
        if had_any {
            logs.append_promised(&Record::WillCleared { session: key });
        }
        had_any
    }

    /// The milliseconds of the time line from `now_ms` until the will of a session is due; 0 if it
    /// is due. `None` if there is none or its client is connected. The owner must know whether the
    /// session ends before.
    pub fn will_due_ms(&self, key: SessionKey, now_ms: u64) -> Option<u64> {
        let session = self.sessions.get(key);
        let delay_ms = u64::from(session.will()?.delay_s) * 1000;
        let away_ms = || self.timeline.age_ms(session.left_ms, now_ms, u64::MAX);
        session.holder.is_none().then(|| delay_ms.saturating_sub(away_ms()))
    }
}
