//! Expired retained messages: their topics count as having none, and their space is freed.
//!
//! A reader calls [`super::StoredMessage::lifetime`] first, and may clear an expired message at
//! once ([`Catalog::clear_expired`]). A scan of all topics in bounded steps finds the others by
//! their deadlines, without reading them. The scan ignores gaps of the time line, so it finds some
//! late.

use std::ops::ControlFlow;

use super::catalog::Catalog;
use super::logs::Logs;
use super::position::Position;
use super::retained::ScanEnd;
use crate::limits::{RETAINED_EXPIRY_PERIOD_MS, RETAINED_EXPIRY_VISITS_MAX};

/// The scan of all topics.
#[derive(Debug)]
pub(super) struct RetainedExpiry {
    /// The time of the time line at which the next scan begins.
    due_ms: u64,
    /// The topic at which the current scan continues.
    at: Option<Place>,
}

/// A vhost, and the topic after which to continue.
#[derive(Default, Debug)]
struct Place {
    vhost: u16,
    after: Option<Box<str>>,
}

impl RetainedExpiry {
    /// The first scan begins with the first step, because most messages have expired before a
    /// start.
    pub(super) fn new() -> Self {
        Self { due_ms: 0, at: None }
    }

    /// Takes a step if one is due; returns how many messages were cleared.
    pub(super) fn step(&mut self, catalog: &mut Catalog, logs: &mut Logs, now_ms: u64) -> u64 {
        if self.at.is_none() {
            if now_ms < self.due_ms || !catalog.retained.iter().any(|store| store.has_expiring()) {
                return 0;
            }
            self.at = Some(Place::default());
        }
        let Some(Place { vhost, after }) = self.at.take() else { return 0 };
        let Some(store) = catalog.retained(vhost) else {
            self.due_ms = now_ms + RETAINED_EXPIRY_PERIOD_MS;
            return 0;
        };
        let mut expired = Vec::new();
        let mut end = ScanEnd::Done;
        if store.has_expiring() {
            end = store.scan("", after.as_deref(), RETAINED_EXPIRY_VISITS_MAX, |topic, kept| {
                let deadline_ms = kept.deadline_s.map(|s| u64::from(s.get()) * 1000);
                if deadline_ms.is_some_and(|deadline_ms| deadline_ms <= now_ms) {
                    expired.push(topic.to_owned());
                }
                ControlFlow::Continue(())
            });
        }
        self.at = Some(match end {
            ScanEnd::Done => Place { vhost: vhost + 1, after: None },
            ScanEnd::After(topic) => Place { vhost, after: Some(topic) },
        });
        for topic in &expired {
            catalog.clear_retained(vhost, topic, logs);
        }
        expired.len() as u64
    }
}

impl Catalog {
    /// Clears the expired retained message of a topic, if it is still the one at this position;
    /// returns whether it was.
    pub fn clear_expired(
        &mut self,
        vhost: u16,
        topic: &str,
        position: Position,
        logs: &mut Logs,
    ) -> bool {
        let kept = self.retained(vhost).and_then(|store| store.get(topic));
        kept.is_some_and(|kept| kept.position == position)
            && self.clear_retained(vhost, topic, logs)
    }
}
