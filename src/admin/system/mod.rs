//! The topics `$SYS/…`: computed from the shards' figures at every interval, while a shard has a
//! subscriber to them, and sent to the shards that have.
//!
//! ```text
//!  shard: somebody has subscribed ──► figures of all shards ──► values ──► shards that want them
//!                                           ▲      interval        │
//!                                           └──────────────────────┘
//! ```
//! Invariant: while no shard has a subscriber, this waits and asks nothing.

mod loads;
mod topics;
mod totals;

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use log::debug;
use tokio::sync::watch;
use tokio::time::{self, Instant};

use crate::broker::inspect::{Backlog, Question, Reply, SystemTopics, SystemUpdate};

use super::routes::Admin;
use topics::Values;
use totals::Totals;

/// While a shard has not told its figures yet, the time after which it is asked again.
const RETRY: Duration = Duration::from_secs(1);

/// Serves the topics until it is aborted.
pub(super) async fn serve(admin: Rc<Admin>, interval: Duration) {
    let wants = admin.asker.watch_system();
    Service { admin, interval, wants, values: Values::default(), served: Vec::new() }.run().await;
}

struct Service {
    admin: Rc<Admin>,
    interval: Duration,
    /// Changes when a shard begins or ceases to want them.
    wants: watch::Receiver<u64>,
    values: Values,
    /// Shards that have the current values.
    served: Vec<u16>,
}

impl Service {
    async fn run(mut self) {
        loop {
            let wanting = self.wanting();
            if wanting.is_empty() {
                self.served.clear();
                if self.wants.changed().await.is_err() {
                    return;
                }
                continue;
            }
            let Some(topics) = self.compute().await else {
                time::sleep(RETRY).await;
                continue;
            };
            self.served.clear();
            self.send(&topics).await;
            self.wait(&topics).await;
        }
    }

    /// Waits for the next interval. A shard that begins to want the values meanwhile gets those
    /// that there are.
    async fn wait(&mut self, topics: &Arc<SystemTopics>) {
        let until = Instant::now() + self.interval;
        while let Ok(Ok(())) = time::timeout_at(until, self.wants.changed()).await {
            let wanting = self.wanting();
            if wanting.is_empty() {
                return;
            }
            self.served.retain(|shard| wanting.contains(shard));
            self.send(topics).await;
        }
    }

    fn wanting(&self) -> Vec<u16> {
        let asker = &self.admin.asker;
        (0..asker.shards()).filter(|shard| asker.wants_system(*shard)).collect()
    }

    /// Sends the values to the shards that want them and have not got them.
    async fn send(&mut self, topics: &Arc<SystemTopics>) {
        for shard in self.wanting() {
            if self.served.contains(&shard) {
                continue;
            }
            let update = SystemUpdate::new(topics.clone());
            match self.admin.asker.ask(shard, Question::System(update)).await {
                // One that is silent has the box, and takes it when it comes to it.
                Ok(_) => self.served.push(shard),
                // It compares the next values with those it has: nothing is missed for good.
                Err(error) => debug!("$SYS: {error:?}"),
            }
        }
    }

    /// The values now; none if a shard has never told its figures.
    async fn compute(&mut self) -> Option<Arc<SystemTopics>> {
        let kept = self.admin.asker.figures().await;
        let mut totals = Totals::default();
        for figures in kept {
            totals.add(&figures?.snapshot);
        }
        for shard in 0..self.admin.asker.shards() {
            let answer = self.admin.asker.ask(shard, Question::Backlog(Backlog::default())).await;
            match answer {
                Ok(Reply::Backlog(messages)) => totals.backlog_messages += messages,
                _ => return None,
            }
        }
        Some(Arc::new(self.values.compute(&totals)))
    }
}
