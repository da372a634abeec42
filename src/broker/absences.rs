//! Sessions whose clients are away: how long ago they left, and which have expired.
//!
//! A session expires when its client has been away for `--session-expiry`. That is found out by a
//! look at all of them, in bounded steps, or by its client that comes back before. How long it was
//! away is for the log's time line to say (see [`crate::store::Timeline`]), which is told now and
//! then what the machine's clocks show.

use log::{debug, info};

use crate::limits::CLOCK_LOOK_MS;
use crate::store::{ClockReading, Gap, Request, Session, SessionKey};

use super::shard::{Context, Shard};
use super::vhost::VhostId;

/// Sessions that one step of a look visits.
const STEP: usize = 1024;

/// Longest time between two looks, milliseconds; a quarter of the expiry if that is less.
const PERIOD_MS_MAX: u64 = 60_000;

/// See the module.
#[derive(Default, Debug)]
pub(super) struct Absences {
    /// When the next step of a look is due, and from which session on.
    due_ms: Option<u64>,
    from: Option<SessionKey>,
    /// When to look at the clocks.
    clocks_due_ms: Option<u64>,
    wants_clocks: bool,
    /// Sessions that have expired and were not told of.
    untold: u64,
    /// Sessions that have expired since memory was last asked about.
    ended: usize,
}

impl Absences {
    /// When [`Shard::look_at_absences`] is due.
    pub(super) fn due_ms(&self) -> Option<u64> {
        self.due_ms.into_iter().chain(self.clocks_due_ms).min()
    }
}

impl Shard {
    /// Has absences looked at in a while: a session may have expired then.
    pub(super) fn expect_absences(&mut self, now_ms: u64) {
        let expiry_ms = self.out.options.session_expiry_ms;
        let absences = &mut self.absences;
        if expiry_ms > 0 && absences.due_ms.is_none() {
            let period_ms = (expiry_ms / 4).clamp(1, PERIOD_MS_MAX);
            absences.due_ms = Some(now_ms + period_ms);
        }
        absences.clocks_due_ms.get_or_insert(now_ms + CLOCK_LOOK_MS);
    }

    /// Does what is due.
    pub(super) fn look_at_absences(&mut self, context: &mut Context<'_>) {
        let is_due = |due_ms: Option<u64>| due_ms.is_some_and(|due_ms| due_ms <= context.now_ms);
        if is_due(self.absences.clocks_due_ms) {
            self.absences.clocks_due_ms = None;
            let has_any = !self.catalog.sessions.is_empty();
            if has_any {
                self.absences.clocks_due_ms = Some(context.now_ms + CLOCK_LOOK_MS);
            }
            // A mark takes room in the log.
            self.absences.wants_clocks = has_any && !self.shortage.is_of_space();
        }
        if is_due(self.absences.due_ms) {
            self.expire_some(context);
        }
    }

    /// Asks what the clocks show, if it is time to.
    pub(super) fn next_clock_request(&mut self) -> Option<Request> {
        std::mem::take(&mut self.absences.wants_clocks).then_some(Request::Clocks)
    }

    /// The clocks show this, or did a moment ago.
    pub fn on_clocks(&mut self, clocks: ClockReading, now_ms: u64) {
        let time_ms = self.out.time_at(now_ms);
        let gap = self.catalog.look_at_clocks(clocks, time_ms, &mut self.out.logs);
        match gap {
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
        self.out.options.session_expiry_ms / 2
    }

    /// Whether a session's client has been away too long.
    fn has_expired(&self, session: &Session, time_ms: u64) -> bool {
        let expiry_ms = self.out.options.session_expiry_ms;
        let timeline = &self.catalog.timeline;
        let is_away = expiry_ms > 0 && session.holder.is_none() && !session.clean;
        is_away && timeline.age_ms(session.left_ms, time_ms, self.claimed_ms_max()) >= expiry_ms
    }

    /// Whether a client finds a session; one that has expired is none, seen or not.
    pub(super) fn finds_session(
        &self,
        vhost: VhostId,
        client_id: &str,
        context: &Context<'_>,
    ) -> Option<SessionKey> {
        let key = self.catalog.sessions.find(vhost.0, client_id)?;
        let session = self.catalog.sessions.get(key);
        (!self.has_expired(session, self.out.time_ms(context))).then_some(key)
    }

    /// Ends the session of a client that comes back too late.
    pub(super) fn end_if_expired(
        &mut self,
        vhost: VhostId,
        client_id: &str,
        context: &mut Context<'_>,
    ) {
        let key = self.catalog.sessions.find(vhost.0, client_id);
        if let Some(key) = key
            && self.finds_session(vhost, client_id, context).is_none()
        {
            self.expire(key, context);
        }
    }

    fn expire(&mut self, key: SessionKey, context: &mut Context<'_>) {
        debug!("{:?}: session expired", self.catalog.sessions.get(key).client_id);
        self.out.stats.sessions_expired += 1;
        self.absences.untold += 1;
        self.absences.ended += 1;
        self.end_session(key, context);
    }

    fn expire_some(&mut self, context: &mut Context<'_>) {
        let time_ms = self.out.time_ms(context);
        let from = self.absences.from.take().unwrap_or(0);
        let mut keys: Vec<SessionKey> =
            self.catalog.sessions.keys_from(from).take(STEP + 1).collect();
        self.absences.from = keys.get(STEP).copied();
        keys.truncate(STEP);
        for key in keys {
            if self.has_expired(self.catalog.sessions.get(key), time_ms) {
                self.expire(key, context);
            }
        }
        self.absences.due_ms = None;
        if self.absences.from.is_some() {
            self.absences.due_ms = Some(context.now_ms);
            return;
        }
        match std::mem::take(&mut self.absences.untold) {
            0 => {}
            1 => info!("1 session expired (--session-expiry)"),
            count => info!("{count} sessions expired (--session-expiry)"),
        }
        if !self.catalog.sessions.is_empty() {
            self.expect_absences(context.now_ms);
        }
    }

    /// How many sessions have expired since the last call, and how many there are.
    pub fn take_expired(&mut self) -> (usize, usize) {
        (std::mem::take(&mut self.absences.ended), self.catalog.sessions.len())
    }
}
