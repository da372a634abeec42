//! Finds the sessions that have expired while their clients were away.
//!
//! A session expires when its client has been away for `--session-expiry`, or for the interval that
//! the client has set itself (MQTT 5, 3.1.2.11.2). The first is detected by a scan of all sessions
//! in bounded steps, the second at a deadline; both also when the client returns. The length of an
//! absence comes from the log's time line (see [`crate::store::Timeline`]), which gets readings of
//! the machine's clocks now and then.
//!
//! Invariant: while a session's client may be away, a scan is due or its deadline is set.
//!
//! Verbs: [`Expiry::expect`], [`Expiry::begin_step`]; [`Expiry::set_deadline`],
//! [`Expiry::take_due`]. The shard ends the sessions and publishes delayed wills.
//!
//! It uses `names`.

mod deadlines;
mod uncommitted;

use log::{debug, info};

use crate::limits::{CLOCK_LOOK_MS, EXPIRY_LOST_SHARE};
use crate::mqtt::SESSION_NEVER_EXPIRES;
use crate::store::{Catalog, ClockReading, Gap, Logs, Request, Session, SessionKey};

use super::names::{Options, Stats};

use deadlines::Deadlines;

pub(crate) use uncommitted::Uncommitted;

/// Number of sessions that one step of a scan visits.
const STEP: usize = 1024;

/// Longest time between two scans in milliseconds; a quarter of the expiry if that is less.
const PERIOD_MS_MAX: u64 = 60_000;

/// See the room.
#[derive(Debug)]
pub(crate) struct Expiry {
    /// `--session-expiry`; 0: never.
    expiry_ms: u64,
    /// The time of the next step of a scan, and the session at which it begins.
    due_ms: Option<u64>,
    from: Option<SessionKey>,
    deadlines: Deadlines,
    /// Whether deadlines wait, however late it is.
    holds_deadlines: bool,
    /// The time of the next reading of the clocks.
    clocks_due_ms: Option<u64>,
    wants_clocks: bool,
    /// Expired sessions whose end is not in the log yet.
    unlogged: u64,
    /// Number of sessions that have expired since memory was last reclaimed.
    ended: usize,
    stats: Stats,
}

impl Expiry {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            expiry_ms: options.session_expiry_ms,
            due_ms: None,
            from: None,
            deadlines: Deadlines::default(),
            holds_deadlines: false,
            clocks_due_ms: None,
            wants_clocks: false,
            unlogged: 0,
            ended: 0,
            stats: Stats::default(),
        }
    }

    /// Replaces the options; [`Expiry::expect`] is to follow.
    pub(crate) fn set_options(&mut self, options: &Options) {
        self.expiry_ms = options.session_expiry_ms;
    }

    pub(crate) fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Schedules a scan: a session may expire later.
    pub(crate) fn expect(&mut self, now_ms: u64) {
        if self.expiry_ms > 0 && self.due_ms.is_none() {
            let period_ms = (self.expiry_ms / 4).clamp(1, PERIOD_MS_MAX);
            self.due_ms = Some(now_ms + period_ms);
        }
        self.clocks_due_ms.get_or_insert(now_ms + CLOCK_LOOK_MS);
    }

    /// Sets the deadline of a session, for the case that its client is still away then.
    pub(crate) fn set_deadline(&mut self, key: SessionKey, due_ms: u64) {
        self.deadlines.set(key, due_ms);
    }

    /// Removes the deadline of a session whose client is back, or which has ended.
    pub(crate) fn clear_deadline(&mut self, key: SessionKey) {
        self.deadlines.clear(key);
    }

    /// Sets whether deadlines wait.
    pub(crate) fn hold_deadlines(&mut self, holds: bool) {
        self.holds_deadlines = holds;
    }

    /// Whether deadlines wait.
    pub(crate) fn are_deadlines_held(&self) -> bool {
        self.holds_deadlines
    }

    /// Takes a session whose deadline has passed.
    pub(crate) fn take_due(&mut self, now_ms: u64) -> Option<SessionKey> {
        self.deadlines.take_due(now_ms)
    }

    /// Frees memory.
    pub(crate) fn reclaim(&mut self) {
        self.deadlines.reclaim();
    }

    /// The time at which a reading of the clocks or a scan is due.
    pub(crate) fn due_ms(&self) -> Option<u64> {
        let deadline_ms = self.deadlines.first_ms().filter(|_| !self.holds_deadlines);
        self.due_ms.into_iter().chain(self.clocks_due_ms).chain(deadline_ms).min()
    }

    /// Asks for a reading of the clocks, if it is due. `has_sessions`: there are sessions;
    /// `has_room`: the log has room for a record of the reading.
    pub(crate) fn look_at_clocks(&mut self, has_sessions: bool, has_room: bool, now_ms: u64) {
        if is_due(self.clocks_due_ms, now_ms) {
            self.clocks_due_ms = has_sessions.then_some(now_ms + CLOCK_LOOK_MS);
            self.wants_clocks = has_sessions && has_room;
        }
    }

    /// Asks for a reading of the clocks, if it is due.
    pub(crate) fn next_clock_request(&mut self) -> Option<Request> {
        std::mem::take(&mut self.wants_clocks).then_some(Request::Clocks)
    }

    /// Takes a reading of the clocks, at this time of the time line.
    pub(crate) fn on_clocks(
        &self,
        clocks: ClockReading,
        time_ms: u64,
        sessions: &mut Catalog,
        logs: &mut Logs,
    ) {
        match sessions.look_at_clocks(clocks, time_ms, logs) {
            None => {}
            Some(Gap { length_ms, proven: true, .. }) => {
                info!("the machine was suspended for {} s", length_ms / 1000);
            }
            Some(Gap { length_ms, .. }) => {
                let counts = length_ms <= self.claimed_ms_max();
                let verdict = if counts { "it counts" } else { "as much as that does not count" };
                info!(
                    "by its clock the machine was off for {} s: {verdict} for \
                     --session-expiry",
                    length_ms / 1000
                );
            }
        }
    }

    /// The longest time that the wall clock alone may add to an absence: a clock that is wrong by
    /// more would end all sessions at once.
    fn claimed_ms_max(&self) -> u64 {
        self.expiry_ms / 2
    }

    /// Whether a session's client has been away too long at this time of the time line.
    pub(crate) fn has_expired(&self, session: &Session, sessions: &Catalog, time_ms: u64) -> bool {
        let is_away = session.holder.is_none() && !session.clean && !session.is_lane();
        is_away
            && self.expiry_ms_of(session).is_some_and(|expiry_ms| {
                let claimed_ms_max = expiry_ms / 2;
                sessions.timeline.age_ms(session.left_ms, time_ms, claimed_ms_max) >= expiry_ms
            })
    }

    /// Whether the absence of a client that is back now was longer than a share of the session's
    /// expiry: if a crash loses its return, the session would expire early by that much.
    pub(crate) fn is_long_away(&self, session: &Session, sessions: &Catalog, time_ms: u64) -> bool {
        self.expiry_ms_of(session).is_some_and(|expiry_ms| {
            let away_ms = sessions.timeline.age_ms(session.left_ms, time_ms, u64::MAX);
            session.holder.is_none() && away_ms > expiry_ms / EXPIRY_LOST_SHARE
        })
    }

    /// Whether a session ends when its client stays away.
    pub(crate) fn may_expire(&self, session: &Session) -> bool {
        self.expiry_ms_of(session).is_some()
    }

    /// The milliseconds after which an absent session expires by its own interval; `None`: never,
    /// or it has none.
    pub(crate) fn own_left_ms(
        &self,
        session: &Session,
        sessions: &Catalog,
        time_ms: u64,
    ) -> Option<u64> {
        session.expiry_s()?;
        let expiry_ms = self.expiry_ms_of(session)?;
        let away_ms = sessions.timeline.age_ms(session.left_ms, time_ms, expiry_ms / 2);
        Some(expiry_ms.saturating_sub(away_ms))
    }

    /// The milliseconds of absence after which a session expires: its own interval, at most
    /// `--session-expiry`; `None`: never.
    fn expiry_ms_of(&self, session: &Session) -> Option<u64> {
        let most_ms = (self.expiry_ms > 0).then_some(self.expiry_ms);
        match session.expiry_s() {
            None | Some(SESSION_NEVER_EXPIRES) => most_ms,
            Some(own_s) => {
                let own_ms = u64::from(own_s) * 1000;
                Some(most_ms.map_or(own_ms, |most_ms| own_ms.min(most_ms)))
            }
        }
    }

    /// Counts an expired session that is about to end.
    pub(crate) fn count_expired(&mut self, session: &Session) {
        debug!("{:?}: session expired", session.client_id);
        self.stats.sessions_expired += 1;
        self.unlogged += 1;
        self.ended += 1;
    }

    /// The expired sessions that the next step of a scan has found, if a step is due. The caller
    /// ends them; [`Expiry::end_step`] follows.
    pub(crate) fn begin_step(
        &mut self,
        sessions: &Catalog,
        time_ms: u64,
        now_ms: u64,
    ) -> Option<Vec<SessionKey>> {
        if !is_due(self.due_ms, now_ms) {
            return None;
        }
        let from = self.from.take().unwrap_or(0);
        let mut keys: Vec<SessionKey> =
            sessions.sessions().keys_from(from).take(STEP + 1).collect();
        self.from = keys.get(STEP).copied();
        keys.truncate(STEP);
        keys.retain(|key| self.has_expired(sessions.session(*key), sessions, time_ms));
        Some(keys)
    }

    /// Ends a step of a scan; `has_sessions`: there are sessions left.
    pub(crate) fn end_step(&mut self, has_sessions: bool, now_ms: u64) {
        self.due_ms = None;
        if self.from.is_some() {
            self.due_ms = Some(now_ms);
            return;
        }
        match std::mem::take(&mut self.unlogged) {
            0 => {}
            1 => info!("1 session expired (--session-expiry)"),
            count => info!("{count} sessions expired (--session-expiry)"),
        }
        if has_sessions {
            self.expect(now_ms);
        }
    }

    /// The number of sessions that have expired since the last call.
    pub(crate) fn take_ended(&mut self) -> usize {
        std::mem::take(&mut self.ended)
    }
}

fn is_due(due_ms: Option<u64>, now_ms: u64) -> bool {
    due_ms.is_some_and(|due_ms| due_ms <= now_ms)
}
