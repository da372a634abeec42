//! Disconnects the clients of a draining broker at an even rate: clients that leave all at once
//! connect to the next broker all at once.
//!
//! Invariant: after the end of a drain was answered, the drain disconnects no more clients.

use std::cell::Cell;
use std::time::Duration;

use log::info;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

use crate::broker::inspect::{Question, Reply, Shed};
use crate::limits::DRAIN_STEP_MS;

use super::shards::Asker;

/// The drain that may disconnect clients.
#[derive(Default)]
pub(super) struct Shedding {
    /// The number of the current drain; drains with other numbers are over.
    current: Cell<u64>,
    /// Held while shards are asked to disconnect clients.
    step: Mutex<()>,
}

impl Shedding {
    /// Begins a new drain, which ends every earlier one.
    fn begin(&self) -> u64 {
        self.current.set(self.current.get() + 1);
        self.current.get()
    }

    /// Ends the current drain, if any, and waits for its current step.
    pub(super) async fn end(&self) {
        self.begin();
        let _last = self.step.lock().await;
    }

    /// Disconnects the connected clients within `time`, while `drains` is true.
    pub(super) async fn run(&self, asker: &Asker, time: Duration, drains: impl Fn() -> bool) {
        let (begun, drain) = (Instant::now(), self.begin());
        let mut counts = Vec::new();
        for shard in 0..asker.shards() {
            counts.push(clients(asker, shard).await);
        }
        while drains() {
            let passed = begun.elapsed().min(time);
            {
                let _step = self.step.lock().await;
                if self.current.get() != drain {
                    return;
                }
                for (shard, count) in (0..).zip(&counts) {
                    let keep = match (passed == time, count) {
                        (true, _) => 0,
                        // The clients of a shard that was not counted are disconnected at the end.
                        (false, None) => usize::MAX,
                        (false, Some(count)) => share(*count, time.saturating_sub(passed), time),
                    };
                    let question = Question::Shed(Shed { keep, ..Shed::default() });
                    // A busy shard is asked again in the next step.
                    let _busy = asker.ask(shard, question).await;
                }
            }
            if passed == time && is_empty(asker).await {
                info!("drained: no client is connected");
                return;
            }
            sleep(Duration::from_millis(DRAIN_STEP_MS)).await;
        }
    }
}

/// As much of `count` as `left` is of `time`, rounded up.
fn share(count: u64, left: Duration, time: Duration) -> usize {
    let part = u128::from(count) * left.as_millis();
    usize::try_from(part.div_ceil(time.as_millis())).unwrap_or(usize::MAX)
}

/// The number of a shard's clients; `None` if it does not answer.
async fn clients(asker: &Asker, shard: u16) -> Option<u64> {
    let question = Question::Shed(Shed { keep: usize::MAX, ..Shed::default() });
    match asker.ask(shard, question).await {
        Ok(Reply::Shed(count)) => Some(count),
        _ => None,
    }
}

/// Whether every shard says that no client is connected.
async fn is_empty(asker: &Asker) -> bool {
    for shard in 0..asker.shards() {
        if clients(asker, shard).await != Some(0) {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;

    /// The end of a drain waits for the current step, and another drain does not revive the old
    /// one.
    #[test]
    fn the_end_waits_for_the_last_step() {
        let shedding = Shedding::default();
        let drain = shedding.begin();
        let step = shedding.step.try_lock().expect("no step is under way");
        let mut end = pin!(shedding.end());
        let mut context = Context::from_waker(Waker::noop());
        assert!(end.as_mut().poll(&mut context).is_pending());
        drop(step);
        assert!(end.as_mut().poll(&mut context).is_ready());
        assert!(shedding.current.get() != drain && shedding.begin() != drain);
    }

    /// Clients are disconnected at an even rate, the last ones when the time is over.
    #[test]
    fn shares_are_even() {
        let time = Duration::from_secs(10);
        for (count, left_ms, share) in
            [(0, 10_000, 0), (100, 10_000, 100), (100, 5_001, 51), (100, 1, 1), (1, 1, 1)]
        {
            let left = Duration::from_millis(left_ms);
            assert_eq!(super::share(count, left, time), share, "{count} {left_ms}");
        }
    }
}
