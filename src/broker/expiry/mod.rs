//! Sessions whose clients are away: how long ago they left, and which have expired.
//!
//! A session expires when its client has been away for `--session-expiry`, or for the interval that
//! the client has set itself (MQTT 5, 3.1.2.11.2). The first is found out by a look at all of them,
//! in bounded steps, the second at a deadline; or when the client comes back before. How long it
//! was away is for the log's time line to say (see [`crate::store::Timeline`]), which is told now
//! and then what the machine's clocks show.
//!
//! Invariant: while a session's client may be away, a look is due, or its deadline is set.
//!
//! Verbs: [`Expiry::expect`], [`Expiry::begin_step`]; [`Expiry::set_deadline`],
//! [`Expiry::take_due`]. The hub ends the sessions, and publishes wills that were delayed.
//!
//! May use `names`.

mod deadlines;

use log::{debug, info};

use crate::limits::CLOCK_LOOK_MS;
use crate::mqtt::SESSION_NEVER_EXPIRES;
use crate::store::{Catalog, ClockReading, Gap, Logs, Request, Session, SessionKey};

use super::names::{Options, Stats};

use deadlines::Deadlines;

/// Sessions that one step of a look visits.
const STEP: usize = 1024;

/// Longest time between two looks, milliseconds; a quarter of the expiry if that is less.
const PERIOD_MS_MAX: u64 = 60_000;

/// See the room.
#[derive(Debug)]
pub(crate) struct Expiry {
    /// `--session-expiry`; 0: never.
    expiry_ms: u64,
    /// When the next step of a look is due, and from which session on.
    due_ms: Option<u64>,
    from: Option<SessionKey>,
    deadlines: Deadlines,
    /// They wait, however late it is.
    holds_deadlines: bool,
    /// When to look at the clocks.
    clocks_due_ms: Option<u64>,
    wants_clocks: bool,
    /// Sessions that have expired and are not in the log yet.
    unlogged: u64,
    /// Sessions that have expired since memory was last asked about.
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

    /// Has expiry looked at in a while: a session may have expired then.
    pub(crate) fn expect(&mut self, now_ms: u64) {
        if self.expiry_ms > 0 && self.due_ms.is_none() {
            let period_ms = (self.expiry_ms / 4).clamp(1, PERIOD_MS_MAX);
            self.due_ms = Some(now_ms + period_ms);
        }
        self.clocks_due_ms.get_or_insert(now_ms + CLOCK_LOOK_MS);
    }

    /// Something is due for a session at this time, if its client is still away.
    pub(crate) fn set_deadline(&mut self, key: SessionKey, due_ms: u64) {
        self.deadlines.set(key, due_ms);
    }

    /// A session's client is back, or the session has ended.
    pub(crate) fn clear_deadline(&mut self, key: SessionKey) {
        self.deadlines.clear(key);
    }

    /// Has deadlines wait, or wait no longer.
    pub(crate) fn hold_deadlines(&mut self, holds: bool) {
        self.holds_deadlines = holds;
    }

    /// Whether they wait.
    pub(crate) fn are_deadlines_held(&self) -> bool {
        self.holds_deadlines
    }

    /// Takes a session whose deadline has come.
    pub(crate) fn take_due(&mut self, now_ms: u64) -> Option<SessionKey> {
        self.deadlines.take_due(now_ms)
    }

    /// Gives memory back.
    pub(crate) fn reclaim(&mut self) {
        self.deadlines.reclaim();
    }

    /// When a look at the clocks or at the sessions is due.
    pub(crate) fn due_ms(&self) -> Option<u64> {
        let deadline_ms = self.deadlines.first_ms().filter(|_| !self.holds_deadlines);
        self.due_ms.into_iter().chain(self.clocks_due_ms).chain(deadline_ms).min()
    }

    /// Asks for the clocks, if that is due. `has_sessions`: there are any; `has_room`: a mark of
    /// what they show may take room in the log.
    pub(crate) fn look_at_clocks(&mut self, has_sessions: bool, has_room: bool, now_ms: u64) {
        if is_due(self.clocks_due_ms, now_ms) {
            self.clocks_due_ms = has_sessions.then_some(now_ms + CLOCK_LOOK_MS);
            self.wants_clocks = has_sessions && has_room;
        }
    }

    /// Asks what the clocks show, if it is time to.
    pub(crate) fn next_clock_request(&mut self) -> Option<Request> {
        std::mem::take(&mut self.wants_clocks).then_some(Request::Clocks)
    }

    /// The clocks show this, or did a moment ago, at this time of the time line.
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

    /// The longest time that the wall clock alone may add to an absence: wrong by more, it would
    /// end sessions at one blow.
    fn claimed_ms_max(&self) -> u64 {
        self.expiry_ms / 2
    }

    /// Whether a session's client has been away too long at this time of the time line.
    pub(crate) fn has_expired(&self, session: &Session, sessions: &Catalog, time_ms: u64) -> bool {
        let is_away = session.holder.is_none() && !session.clean;
        is_away
            && self.expiry_ms_of(session).is_some_and(|expiry_ms| {
                let claimed_ms_max = expiry_ms / 2;
                sessions.timeline.age_ms(session.left_ms, time_ms, claimed_ms_max) >= expiry_ms
            })
    }

    /// In how many milliseconds a session that is away expires by an interval of its own; `None`:
    /// never, or it has none.
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

    /// After how many milliseconds of absence a session expires: its own interval, and
    /// `--session-expiry` at most; `None`: never.
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

    /// Counts a session that is about to end because it has expired.
    pub(crate) fn count_expired(&mut self, session: &Session) {
        debug!("{:?}: session expired", session.client_id);
        self.stats.sessions_expired += 1;
        self.unlogged += 1;
        self.ended += 1;
    }

    /// The sessions that the next step of a look has found to have expired, if a step is due. They
    /// are to be ended, and [`Expiry::end_step`] follows.
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

    /// Ends a step of a look; `has_sessions`: there are any left.
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

    /// How many sessions have expired since the last call.
    pub(crate) fn take_ended(&mut self) -> usize {
        std::mem::take(&mut self.ended)
    }
}

fn is_due(due_ms: Option<u64>, now_ms: u64) -> bool {
    due_ms.is_some_and(|due_ms| due_ms <= now_ms)
}
