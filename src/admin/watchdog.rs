//! Tells a service manager again and again that the broker is well: only while every shard answers.
//!
//! Shards are asked three times within the time that the manager waits, and each time that all have
//! answered the manager is told. So a shard that is stuck for good is noticed within that time, and
//! one that is held up for a third of it does not end the broker.

use std::rc::Rc;
use std::time::Duration;

use log::{info, warn};
use tokio::time::{self, MissedTickBehavior};

use crate::broker::inspect::Question;

use super::shards::{Asker, NoAnswer};
use super::state::Admin;

/// What the manager expects.
pub struct Watchdog {
    /// The time after which it gives the broker up.
    pub patience: Duration,
    /// Tells it that all is well.
    pub ping: Box<dyn Fn() + Send>,
}

/// Serves the manager until it is aborted.
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
            // Others ask it as much as they may: what they are answered shows as much.
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

    /// While all shards answer the manager is told three times within its patience; not once while
    /// one is silent, whatever the others do; and again when that one speaks.
    #[test]
    fn silent_shards_are_not_vouched_for() {
        in_virtual_time(async |asker, fake| {
            let (sender, pings) = mpsc::channel();
            let ping = Box::new(move || sender.send(()).expect("the test is not over"));
            let watchdog = Watchdog { patience: PATIENCE, ping };
            let set = |answers| fake.lock().expect("nobody panics").answers = answers;
            let mut watch = pin!(async {
                set(true);
                // Between two times that shards are asked.
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

    /// A shard that others keep busy is well as long as they are answered.
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
