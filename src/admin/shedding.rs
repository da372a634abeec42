//! Disconnects the clients of a broker that is drained, at an even rate: a fleet that leaves at
//! once comes to the next broker at once.
//!
//! Invariant: once the end of a drain is answered, no client is disconnected by it any more.

use std::cell::Cell;
use std::time::Duration;

use log::info;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

use crate::broker::inspect::{Question, Reply, Shed};
use crate::limits::DRAIN_STEP_MS;

use super::shards::Asker;

/// Which drain may disconnect clients.
#[derive(Default)]
pub(super) struct Shedding {
    /// The drain that may; one that has another number is over.
    current: Cell<u64>,
    /// Held while the shards are asked to disconnect some.
    step: Mutex<()>,
}

impl Shedding {
    /// A new drain begins, and every earlier one is over.
    fn begin(&self) -> u64 {
        self.current.set(self.current.get() + 1);
        self.current.get()
    }

    /// Ends whatever drain there is, and waits for the step that it is in.
    pub(super) async fn end(&self) {
        self.begin();
        let _last = self.step.lock().await;
    }

    /// Disconnects the clients that are there within this time, as long as `drains` says so.
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
                        // Who was not counted goes at the end.
                        (false, None) => usize::MAX,
                        (false, Some(count)) => share(*count, time.saturating_sub(passed), time),
                    };
                    let question = Question::Shed(Shed { keep, ..Shed::default() });
                    // A shard that is busy is asked again in the next step.
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

/// Clients of a shard that are connected; none: it does not say.
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

    /// The end of a drain waits for the step that is under way, and another drain does not bring
    /// the old one back.
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

    /// Clients leave at an even rate, and the last when the time is over.
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
