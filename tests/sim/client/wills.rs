//! Wills as their client sees them: when one may be published, must be, or must not any more.

use super::end::{kept_ms, left_ms, was_heard};
use super::{Client, Scene};
use crate::ledger::MessageId;
use crate::link::{Leaving, Link};

/// The time within which a due will is published: turns of a busy shard.
const SLACK_MS: u64 = 2_000;

/// A will that waits for its delay, and the tick at which its connection was left.
#[derive(Clone, Copy, Debug)]
pub(super) struct KeptWill {
    id: MessageId,
    tick: u64,
}

impl Client {
    /// A connection with a will ends: from some time on the will may be published.
    pub(super) fn expect_will(link: &Link, scene: &mut Scene<'_>) {
        let (least_ms, _) = kept_ms(link, scene);
        let left_ms = left_ms(link, scene);
        if let Some(id) = link.will {
            let will = &mut scene.ledger.messages[id];
            let not_before_ms = left_ms + will.delay_ms.min(least_ms);
            // Leaving as such comes first.
            let earlier_ms = will.not_before_ms.unwrap_or(not_before_ms);
            will.not_before_ms = Some(earlier_ms.min(not_before_ms));
        }
    }

    /// Notes the end of a connection, and the outcome for its will. `tick`: now.
    pub(super) fn lose_will(&mut self, link: &Link, tick: u64, scene: &mut Scene<'_>) {
        Self::expect_will(link, scene);
        if !link.accepted {
            // Its CONNECT may have been read, which ends an earlier will.
            self.kept_will = None;
        }
        let Some(id) = link.will else { return };
        let crashed = scene.ledger.is_past(link.conn);
        let (least_ms, most_ms) = kept_ms(link, scene);
        let was_heard = was_heard(link, scene);
        let session = self.session.map(|session| &scene.ledger.sessions[session]);
        let is_on_disk = session.is_none_or(|session| !session.clean);
        let will = &mut scene.ledger.messages[id];
        will.is_logged |= is_on_disk;
        // A session on disk that was to end with its connection ends at the next start.
        let ends = most_ms == 0 && !(crashed && is_on_disk);
        let is_delayed = will.delay_ms > 0 && !ends;
        let left = link.left.unwrap_or(tick);
        if link.leaving == Leaving::Politely && !link.leaves_will {
            // Only if DISCONNECT was certainly read, or no process is left that could publish it. A
            // crash may undo the reading: then the will is still in the log.
            will.void =
                if crashed && is_on_disk { false } else { was_heard || crashed && !is_delayed };
        } else if is_delayed {
            let is_kept = link.accepted && least_ms > 0;
            self.kept_will = is_kept.then_some(KeptWill { id, tick: left });
        } else if crashed {
            // The same, unless it ended before; that of a session on disk is published at the next
            // start.
            will.void = link.leaving == Leaving::No && !is_on_disk;
        } else if link.accepted {
            will.sure_from.get_or_insert(left);
        }
    }

    /// It is about to connect; a session that ends has its will published at once.
    pub(super) fn look_at_wills(&mut self, clean_start: bool, scene: &mut Scene<'_>) {
        if let Some(kept) = self.kept_will
            && let Some(closed_ms) = self.closed_ms(scene)
        {
            let will = &mut scene.ledger.messages[kept.id];
            if scene.now_ms.saturating_sub(closed_ms) >= will.delay_ms + SLACK_MS {
                will.sure_from.get_or_insert(kept.tick);
                self.kept_will = None;
            }
        }
        if clean_start {
            let own = scene.ledger.messages.iter_mut();
            for will in own.filter(|message| message.will && message.publisher == self.at) {
                will.not_before_ms = Some(0);
            }
        }
    }

    /// Notes an accepted connection: the kept will is published if the session has ended, else
    /// never.
    pub(super) fn resolve_will(&mut self, conn: usize, present: bool, scene: &mut Scene<'_>) {
        let Some(kept) = self.kept_will.take() else { return };
        let ledger = &mut *scene.ledger;
        let (age_ms, is_past) = (ledger.age_ms(), ledger.is_past(conn));
        let is_timed = ledger.is_timed(&ledger.messages[kept.id]);
        let will = &mut ledger.messages[kept.id];
        let is_early = will.not_before_ms.is_some_and(|ms| age_ms < ms) && is_timed;
        // [MQTT-3.1.3-9] v5
        will.void |= present && is_early;
        if !present && !is_past {
            will.sure_from.get_or_insert(kept.tick);
        }
    }

    /// The broker has died: a will that was due may be lost with it.
    pub(super) fn on_crash_wills(&mut self, scene: &mut Scene<'_>) {
        if let Some(link) = &self.link {
            Self::expect_will(link, scene);
        }
        let age_ms = scene.ledger.age_ms();
        let is_due = |kept: &KeptWill| {
            let will = &scene.ledger.messages[kept.id];
            will.not_before_ms.is_none_or(|ms| ms <= age_ms)
        };
        self.kept_will = self.kept_will.filter(|kept| !is_due(kept));
    }
}
