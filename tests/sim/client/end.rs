//! Ends of connections: the outcome for will and session, as far as the client knows.

use ringmq::limits::EXPIRY_LOST_SHARE;

use super::{Client, Mode, Presence, Scene};
use crate::dialect::{Dialect, FOREVER_MS};
use crate::kernel::lock;
use crate::link::{Leaving, Link};
use crate::plan::Plan;

/// When its session was left, and how long it is kept since: as far as its client knows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Absence {
    /// A time before it was left, time that the broker was down included.
    left_ms: u64,
    /// The shortest and the longest interval that may hold.
    least_ms: u64,
    most_ms: u64,
    /// The interval of the CONNECT: one in its DISCONNECT may be lost if the broker dies.
    begun_ms: u64,
}

impl Absence {
    pub(super) const NEVER: Self =
        Self { left_ms: 0, least_ms: FOREVER_MS, most_ms: FOREVER_MS, begun_ms: FOREVER_MS };
}

impl Client {
    /// The broker has closed.
    pub(super) fn on_end(&mut self, scene: &mut Scene<'_>) {
        let Some(link) = &self.link else { return };
        let waited_ms = scene.now_ms - link.last_sent_ms;
        let patience_ms = link.keep_alive_ms * 3 / 2;
        let crashed = scene.ledger.is_past(link.conn);
        match link.leaving {
            _ if scene.mode == Mode::Drain || crashed => {}
            Leaving::Politely | Leaving::Rudely => {}
            Leaving::Silently => {
                assert!(waited_ms >= patience_ms, "{}: closed after {waited_ms} ms", self.name);
            }
            Leaving::No => panic!("the broker closes {}", self.describe()),
        }
        // All it has said was read before its end.
        let leaves = matches!(link.leaving, Leaving::Politely | Leaving::Rudely);
        if leaves && scene.mode != Mode::Drain && !crashed {
            for id in link.unconfirmed.iter().chain(link.pings.iter().flatten()) {
                scene.ledger.messages[*id].handled = true;
            }
        }
        self.lose(scene);
    }

    /// Notes the earliest start of its session's absence, and the interval. A connection that may
    /// not have been accepted counts too, but not before the one that was.
    fn note_left(&mut self, link: &Link, scene: &Scene<'_>) {
        let (least_ms, most_ms) = kept_ms(link, scene);
        let before = &mut self.absence;
        if link.accepted {
            let left_ms = left_ms(link, scene);
            // After a crash a longer earlier interval may apply again, and its time before the
            // crash.
            let crashed = scene.ledger.is_past(link.conn);
            let longest_ms = if crashed { before.most_ms } else { 0 };
            let lost_ms = if crashed && least_ms < FOREVER_MS {
                least_ms.min(before.least_ms) / EXPIRY_LOST_SHARE
            } else {
                0
            };
            let least_ms = least_ms - lost_ms;
            let most_ms = most_ms.max(longest_ms);
            *before = Absence { left_ms, least_ms, most_ms, begun_ms: asked_ms(link, scene.plan) };
        } else {
            before.least_ms = before.least_ms.min(least_ms);
            before.most_ms = before.most_ms.max(most_ms);
        }
        self.last_conn = Some(link.conn);
    }

    /// Whether the session of a connection outlives it.
    pub(crate) fn leaves_session(link: &Link, plan: &Plan) -> bool {
        asked_ms(link, plan) > 0
    }

    /// Notes a crash: the last interval may be lost.
    pub(super) fn on_crash_absence(&mut self) {
        self.absence.most_ms = self.absence.most_ms.max(self.absence.begun_ms);
    }

    /// Whether the broker may have found its session expired by now.
    pub(super) fn may_have_expired(&self, scene: &Scene<'_>) -> bool {
        let Absence { left_ms, least_ms, .. } = self.absence;
        let away_ms = scene.ledger.age_ms() - left_ms;
        least_ms < FOREVER_MS && away_ms >= least_ms
    }

    /// Whether the session must have expired when the broker read the CONNECT of this link. Only
    /// the broker's running time certainly counts.
    pub(super) fn must_have_expired(&self, link: &Link, scene: &Scene<'_>) -> bool {
        let most_ms = self.absence.most_ms;
        let away_ms =
            self.closed_ms(scene).map(|closed_ms| link.began_ms.saturating_sub(closed_ms));
        most_ms < FOREVER_MS && away_ms.is_some_and(|away_ms| away_ms >= most_ms)
    }

    /// When the broker was rid of all its connections of before, or was started since.
    pub(super) fn closed_ms(&self, scene: &Scene<'_>) -> Option<u64> {
        let kernel = lock(scene.kernel);
        // A connection that was taken over may have had the session until its own end.
        let before = self.zombies.iter().copied().chain(self.last_conn);
        let mut closed_ms = scene.ledger.crashes.last().map(|crash| crash.now_ms);
        for conn in before.map(|conn| &kernel.conns[conn]) {
            closed_ms = closed_ms.max(Some(conn.closed_ms).filter(|_| conn.closed));
            if !conn.closed {
                return None;
            }
        }
        closed_ms
    }

    /// Notes the end of its connection, and the outcome for its will and session.
    pub(super) fn lose(&mut self, scene: &mut Scene<'_>) {
        let Some(link) = self.link.take() else { return };
        let tick = scene.ledger.tick();
        let name = &self.name;
        scene.ledger.tell(|| format!("{name} is away from {}: {:?}", link.conn, link.leaving));
        self.lose_will(&link, tick, scene);
        // Or one began in place of a session that had expired.
        let is_new = link.clean_start || self.may_have_expired(scene);
        self.unclear |= is_new && !link.accepted && self.presence != Presence::No;
        self.note_left(&link, scene);
        let ends = self.absence_after(&link, scene);
        self.presence = match (self.presence, ends) {
            (Presence::No, _) if !link.accepted && kept_ms(&link, scene).1 == 0 => Presence::No,
            (_, Some(true)) if link.accepted => Presence::No,
            (Presence::Yes, Some(false)) => Presence::Yes,
            _ => Presence::Unknown,
        };
        if let Some(session) = self.session {
            scene.ledger.sessions[session].has_left = true;
        }
        if self.presence == Presence::No && link.accepted && scene.mode != Mode::Drain {
            if let Some(session) = self.session.take() {
                scene.ledger.sessions[session].alive = false;
            }
            self.outgoing.clear();
        }
        self.waits_for = (!link.accepted).then_some(link.conn);
        self.next_ms = scene.now_ms + scene.random.pick(&[0, 0, 1, 30]);
    }

    /// Whether its session ends with this connection; none: maybe.
    fn absence_after(&self, link: &Link, scene: &Scene<'_>) -> Option<bool> {
        let (least_ms, most_ms) = kept_ms(link, scene);
        let session = self.session.map(|session| &scene.ledger.sessions[session]);
        // The end of a session on disk may be forgotten.
        let is_kept = session.is_none_or(|it| !it.clean);
        match (link.accepted, link.clean_start) {
            (true, _) if most_ms == 0 && !is_kept => Some(true),
            (true, _) if least_ms > 0 => Some(false),
            (false, false) if least_ms > 0 => Some(false),
            _ => None,
        }
    }
}

/// When this connection left its session at the earliest, time that the broker was down included.
pub(super) fn left_ms(link: &Link, scene: &Scene<'_>) -> u64 {
    let crash = scene.ledger.crashes.iter().find(|crash| link.conn < crash.conns);
    let ended_ms = crash.map_or(scene.now_ms, |crash| crash.now_ms);
    let left_ms = if link.leaving == Leaving::No { ended_ms } else { link.last_sent_ms };
    left_ms.min(ended_ms) + link.down_ms
}

/// Whether the broker is sure to have read the DISCONNECT of a client that leaves.
pub(super) fn was_heard(link: &Link, scene: &Scene<'_>) -> bool {
    let over = lock(scene.kernel).conns[link.conn].is_over();
    let crashed = scene.ledger.is_past(link.conn);
    link.leaving == Leaving::Politely && over && scene.mode != Mode::Drain && !crashed
}

/// How long a session is kept after this connection, at least and at most.
pub(super) fn kept_ms(link: &Link, scene: &Scene<'_>) -> (u64, u64) {
    let asked_ms = asked_ms(link, scene.plan);
    match link.new_expiry_s.map(|seconds| Dialect::kept_ms(seconds, scene.plan)) {
        None => (asked_ms, asked_ms),
        Some(new_ms) if was_heard(link, scene) => (new_ms, new_ms),
        Some(new_ms) => (asked_ms.min(new_ms), asked_ms.max(new_ms)),
    }
}

/// How long a CONNECT asks to keep its session.
fn asked_ms(link: &Link, plan: &Plan) -> u64 {
    match link.dialect.is_v5() {
        true => Dialect::kept_ms(link.dialect.asked.session_expiry_s, plan),
        false if link.clean_start => 0,
        false => Dialect::kept_ms(u32::MAX, plan),
    }
}
