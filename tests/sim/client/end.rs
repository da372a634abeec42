//! Ends of connections: what becomes of the will and of the session, as far as the client knows.

use super::{Client, Mode, Presence, Scene};
use crate::kernel::lock;
use crate::link::{Leaving, Link};

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

    /// Notes when its session was left at the earliest: also a connection that nobody knows to have
    /// been accepted may have left it, but not before the one it was accepted on.
    pub(super) fn note_left(&mut self, link: &Link, scene: &Scene<'_>) {
        let crash = scene.ledger.crashes.last().filter(|crash| link.conn < crash.conns);
        let ended_ms = crash.map_or(scene.now_ms, |crash| crash.now_ms);
        let left_ms = if link.leaving == Leaving::No { ended_ms } else { link.last_sent_ms };
        if link.accepted {
            self.left_ms = left_ms.min(ended_ms) + link.down_ms;
        }
        self.last_conn = Some(link.conn);
    }

    /// Whether the broker may have found its session expired by now.
    pub(super) fn may_have_expired(&self, scene: &Scene<'_>) -> bool {
        let expiry_ms = scene.plan.session_expiry_ms;
        let away_ms = scene.now_ms + scene.ledger.down_ms - self.left_ms;
        expiry_ms > 0 && away_ms >= expiry_ms
    }

    /// Whether it must have when it read the CONNECT of this link. What is sure to have passed is
    /// what the broker ran.
    pub(super) fn must_have_expired(&self, link: &Link, scene: &Scene<'_>) -> bool {
        let expiry_ms = scene.plan.session_expiry_ms;
        let kernel = lock(scene.kernel);
        // One that was taken over may have had it to its own end.
        let before = self.zombies.iter().copied().chain(self.last_conn);
        let before = before.map(|conn| &kernel.conns[conn]);
        let are_closed = before.clone().all(|conn| conn.closed);
        let closed_ms = before.map(|conn| conn.closed_ms).max().unwrap_or(u64::MAX);
        let started_ms = scene.ledger.crashes.last().map_or(0, |crash| crash.now_ms);
        let away_ms = link.began_ms.saturating_sub(closed_ms.max(started_ms));
        expiry_ms > 0 && are_closed && away_ms >= expiry_ms
    }

    /// Its connection is no more; what becomes of its will and its session.
    pub(super) fn lose(&mut self, scene: &mut Scene<'_>) {
        let Some(link) = self.link.take() else { return };
        let tick = scene.ledger.tick();
        let name = &self.name;
        scene.ledger.tell(|| format!("{name} is away from {}: {:?}", link.conn, link.leaving));
        if let Some(will) = link.will {
            let crashed = scene.ledger.is_past(link.conn);
            let will = &mut scene.ledger.messages[will];
            if crashed {
                // Nobody is left who could publish it; unless it ended before.
                will.void = matches!(link.leaving, Leaving::No | Leaving::Politely);
            } else if link.leaving == Leaving::Politely {
                // Only if DISCONNECT is sure to have been read.
                let over = lock(scene.kernel).conns[link.conn].is_over();
                will.void = over && scene.mode != Mode::Drain;
            } else if link.accepted {
                will.sure_from.get_or_insert(link.left.unwrap_or(tick));
            }
        }
        // Or one began in place of a session that had expired.
        let is_new = link.clean || self.may_have_expired(scene);
        self.unclear |= is_new && !link.accepted && self.presence != Presence::No;
        self.note_left(&link, scene);
        self.presence = match self.presence {
            Presence::No if link.clean => Presence::No,
            _ if link.clean && link.accepted => Presence::No,
            Presence::Yes if link.clean => Presence::Unknown,
            Presence::Yes => Presence::Yes,
            Presence::No | Presence::Unknown => Presence::Unknown,
        };
        if link.clean && link.accepted && scene.mode != Mode::Drain {
            if let Some(session) = self.session.take() {
                scene.ledger.sessions[session].alive = false;
            }
            self.outgoing.clear();
        }
        self.waits_for = (!link.accepted).then_some(link.conn);
        self.next_ms = scene.now_ms + scene.random.pick(&[0, 0, 1, 30]);
    }
}
