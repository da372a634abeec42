//! Shards that answer as a test directs, in virtual time.

use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::runtime;
use tokio::time;

use crate::broker::inspect::{Ask, Page, Question, Reply};

use super::{Asker, Ways};

/// Shard 0 answers at once; shard 1 keeps its asks until the test lets it answer.
#[derive(Default)]
pub(in super::super) struct Fake {
    pub(in super::super) answered: Vec<Ask>,
    pub(in super::super) kept: Vec<Ask>,
    pub(in super::super) answers: bool,
    /// Answers only the next one.
    pub(in super::super) answers_once: bool,
}

struct FakeWays(Arc<Mutex<Fake>>);

impl Ways for FakeWays {
    fn shards(&self) -> u16 {
        2
    }

    fn send(&mut self, shard: u16, ask: Box<Ask>) -> Result<(), Box<Ask>> {
        let fake = &mut *self.0.lock().expect("nobody panics");
        let place = if shard == 0 { &mut fake.answered } else { &mut fake.kept };
        place.push(*ask);
        Ok(())
    }

    fn next_answer(&mut self, shard: u16) -> Option<Box<Ask>> {
        let mut fake = self.0.lock().expect("nobody panics");
        let mut ask = match shard {
            0 => fake.answered.pop()?,
            _ if fake.answers || std::mem::take(&mut fake.answers_once) => fake.kept.pop()?,
            _ => return None,
        };
        if matches!(ask.question, Question::Listing(_)) {
            ask.reply = Reply::Page(Page::default());
        }
        Some(Box::new(ask))
    }
}

/// Runs a test in virtual time: time advances when all tasks wait.
pub(in super::super) fn in_virtual_time(test: impl AsyncFnOnce(&Asker, &Mutex<Fake>)) {
    let fake = Arc::new(Mutex::new(Fake::default()));
    let asker = Rc::new(Asker::new(Box::new(FakeWays(fake.clone()))));
    let mut runtime = runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build();
    let runtime = runtime.expect("there are resources");
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let hears = asker.clone();
        let hearing = tokio::task::spawn_local(async move {
            loop {
                hears.take_answers();
                time::sleep(Duration::from_millis(10)).await;
            }
        });
        test(&asker, &fake).await;
        hearing.abort();
    });
}
