//! Tells a service manager periodically that the broker is well, while every shard answers.
//!
//! Shards are asked three times within the manager's timeout, and each time all have answered, the
//! manager is told. So a shard that is stuck for good is noticed within that time, and one that is
//! delayed by a third of it does not end the broker.

use std::rc::Rc;
use std::time::Duration;

use log::{info, warn};
use tokio::time::{self, MissedTickBehavior};

use crate::broker::inspect::Question;

use super::shards::{Asker, NoAnswer};
use super::state::Admin;

/// The service manager.
pub struct Watchdog {
    /// Its timeout.
    pub patience: Duration,
    /// Tells it that the broker is well.
    pub ping: Box<dyn Fn() + Send>,
}

/// Runs until it is aborted.
pub(super) async fn serve(admin: Rc<Admin>, watchdog: Watchdog) {
    run(&admin.asker, &watchdog).await;
}

async fn run(asker: &Asker, watchdog: &Watchdog) {
    let period = watchdog.patience / 3;
    let mut ticks = time::interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut silent_before = None;
    loop {
        ticks.tick().await;
        let silent = first_silent(asker, period).await;
        match silent {
            None => (watchdog.ping)(),
            Some(shard) if silent_before.is_none() => warn!(
                "shard {shard} does not answer: the service manager is not told that all is well, \
                 and ends the broker if it stays so"
            ),
            Some(_) => {}
        }
        if silent.is_none() && silent_before.is_some() {
            info!("every shard answers again, and the service manager is told so");
        }
        silent_before = silent;
    }
}

/// The first shard that does not answer.
async fn first_silent(asker: &Asker, period: Duration) -> Option<u16> {
    for shard in 0..asker.shards() {
        let is_well = match asker.ask(shard, Question::Alive).await {
            Ok(_) => true,
            Err(NoAnswer::Silent(_)) => false,
            // Other asks occupy the shard; their answers show as much.
            Err(NoAnswer::Busy(_)) => asker.answered_within(shard, period),
        };
        if !is_well {
            return Some(shard);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;
    use std::sync::mpsc;

    use super::super::shards::fake::in_virtual_time;
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    /// While all shards answer, the manager is told three times within its timeout; never while one
    /// is silent; and again when that one answers.
    #[test]
    fn silent_shards_are_not_vouched_for() {
        in_virtual_time(async |asker, fake| {
            let (sender, pings) = mpsc::channel();
            let ping = Box::new(move || sender.send(()).expect("the test is not over"));
            let watchdog = Watchdog { patience: PATIENCE, ping };
            let set = |answers| fake.lock().expect("nobody panics").answers = answers;
            let mut watch = pin!(async {
                set(true);
                // Between two rounds of asks.
                time::sleep(PATIENCE / 6).await;
                assert_eq!(pings.try_iter().count(), 1);
                for (answers, count) in [(true, 3), (false, 0), (false, 0), (true, 3)] {
                    set(answers);
                    time::sleep(PATIENCE).await;
                    assert_eq!(pings.try_iter().count(), count, "shard 1 answers: {answers}");
                }
            });
            let mut serving = pin!(run(asker, &watchdog));
            poll_fn(|context| {
                assert!(serving.as_mut().poll(context).is_pending(), "it never ends");
                watch.as_mut().poll(context)
            })
            .await;
        });
    }

    /// A shard that is busy with other asks is well while it answers them.
    #[test]
    fn busy_shards_are_well() {
        in_virtual_time(async |asker, fake| {
            let period = PATIENCE / 3;
            for _ in 0..crate::limits::ASKS_OPEN_MAX {
                let _silent = asker.ask(1, Question::Alive).await;
            }
            assert_eq!(first_silent(asker, period).await, Some(1));
            fake.lock().expect("nobody panics").answers_once = true;
            time::sleep(Duration::from_secs(1)).await;
            let _silent = asker.ask(1, Question::Alive).await;
            assert_eq!(first_silent(asker, period).await, None, "one was answered just now");
            time::sleep(period).await;
            assert_eq!(first_silent(asker, period).await, Some(1));
        });
    }
}
