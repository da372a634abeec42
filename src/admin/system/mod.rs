//! The topics `$SYS/…`: computed from the shards' figures at every interval while a shard has a
//! subscriber of them, and sent to such shards.
//!
//! ```text
//!  shard: somebody has subscribed ──► figures of all shards ──► values ──► shards that want them
//!                                           ▲      interval        │
//!                                           └──────────────────────┘
//! ```
//! Invariant: while no shard has a subscriber, this task waits and asks no shard.

mod loads;
mod parts;
#[cfg(test)]
mod tests;
mod topics;

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use log::debug;
use tokio::sync::watch;
use tokio::time::{self, Instant};

use crate::broker::inspect::{Backlog, Question, Reply, SystemTopics, SystemUpdate, Waiting};

use super::metric::figures_of;
use super::state::Admin;

pub(super) use loads::SPANS;
use parts::Figures;
use topics::Values;

/// The time until the next try while a shard has never reported its figures.
const RETRY: Duration = Duration::from_secs(1);

/// Serves the topics until it is aborted.
pub(super) async fn serve(admin: Rc<Admin>, interval: Duration) {
    let wants = admin.asker.watch_system();
    let backlogs = vec![Waiting::default(); usize::from(admin.asker.shards())];
    Service { admin, interval, wants, values: Values::new(), backlogs }.run().await;
}

struct Service {
    admin: Rc<Admin>,
    interval: Duration,
    /// Changes when a shard begins or ceases to need the values.
    wants: watch::Receiver<u64>,
    values: Values,
    /// The backlogs of durable sessions, by shard, as last reported.
    backlogs: Vec<Waiting>,
}

impl Service {
    async fn run(mut self) {
        loop {
            if !self.admin.asker.wants_system() {
                if self.wants.changed().await.is_err() {
                    return;
                }
                continue;
            }
            let Some(topics) = self.compute().await else {
                time::sleep(RETRY).await;
                continue;
            };
            self.admin.asker.renew_system();
            self.send(&topics).await;
            self.wait(&topics).await;
        }
    }

    /// Waits for the next interval. A shard that begins to need the values meanwhile gets the
    /// current ones.
    async fn wait(&mut self, topics: &Arc<SystemTopics>) {
        let until = Instant::now() + self.interval;
        while let Ok(Ok(())) = time::timeout_at(until, self.wants.changed()).await {
            if !self.admin.asker.wants_system() {
                return;
            }
            self.send(topics).await;
        }
    }

    /// Sends the values to the shards that need them and were not sent them.
    async fn send(&self, topics: &Arc<SystemTopics>) {
        let asker = &self.admin.asker;
        for shard in (0..asker.shards()).filter(|shard| asker.lacks_system(*shard)) {
            asker.note_system_sent(shard);
            let update = SystemUpdate::new(topics.clone());
            if let Err(error) = asker.ask(shard, Question::System(update)).await {
                // A silent shard takes them later. A shard with too many open asks gets the next
                // values and compares them with those that it has: no change is missed.
                debug!("$SYS: {error:?}");
            }
        }
    }

    /// The current values; none if a shard has never reported its figures.
    async fn compute(&mut self) -> Option<Arc<SystemTopics>> {
        let asker = &self.admin.asker;
        let kept = asker.figures().await;
        let shards = figures_of(&kept);
        if shards.len() < kept.len() {
            return None;
        }
        for (shard, backlog) in (0..).zip(&mut self.backlogs) {
            let question = Question::Backlog(Backlog::default());
            if let Ok(Reply::Backlog(waiting)) = asker.ask(shard, question).await {
                *backlog = waiting;
            }
        }
        let mut waiting = Waiting::default();
        self.backlogs.iter().for_each(|of_shard| waiting.add(of_shard));
        let figures = Figures { shards: &shards, whole: &self.admin.whole(), waiting: &waiting };
        Some(Arc::new(self.values.compute(&figures)))
    }
}
