//! Running traces, and their events for readers.

mod asked;
mod running;

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hyper::StatusCode;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::broker::inspect::TraceBatch;
use crate::limits::TRACES_MAX;

use super::answer::Fault;

pub(super) use asked::Asked;
pub(super) use running::{Entry, Running};

/// The time between two tries to end a trace on a silent shard.
const END_AGAIN: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Default)]
pub(super) struct Traces {
    pub(super) running: RefCell<Vec<Rc<Running>>>,
    /// Ended traces, with the shards that may not have ended them.
    pub(super) ending: RefCell<Vec<(Rc<Running>, Vec<u16>)>>,
    pub(super) last_id: Cell<u64>,
    /// The directory of trace files.
    pub(super) directory: PathBuf,
    pub(super) readers: Cell<usize>,
    /// Events that shards dropped, of all traces.
    pub(super) dropped: Cell<u64>,
    /// Microseconds since 1970 at the beginning of the shards' clock.
    pub(super) epoch_us: Cell<u64>,
    /// Notified when a trace began, or must be ended later.
    pub(super) changed: Notify,
}

impl Traces {
    /// No traces yet.
    pub(super) fn new(data_dir: &Path) -> Self {
        Self { directory: data_dir.join("traces"), ..Self::default() }
    }

    pub(super) fn find(&self, id: &str) -> Result<Rc<Running>, Fault> {
        let running = self.running.borrow();
        let found = running.iter().find(|running| running.id.to_string() == id);
        found.cloned().ok_or_else(|| {
            Fault::new(StatusCode::NOT_FOUND, "not_found", format!("no trace {id:.64?}"))
                .hint("GET /api/v1/traces lists those that run; each ends when its time is over")
        })
    }

    /// A number that no shard uses.
    pub(super) fn free_number(&self) -> Option<usize> {
        let (running, ending) = (self.running.borrow(), self.ending.borrow());
        let taken = || running.iter().chain(ending.iter().map(|(running, _)| running));
        (0..TRACES_MAX).find(|number| taken().all(|running| running.number != *number))
    }

    /// Passes the events of a shard to their traces.
    pub(super) fn spread(&self, shard: u16, batch: TraceBatch) {
        if self.epoch_us.get() == 0 {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let now_us = u64::try_from(now.as_micros()).expect("until the year 586524");
            self.epoch_us.set(now_us.saturating_sub(batch.now_us));
        }
        let running = self.running.borrow();
        let of_number = |number: usize| {
            running.iter().find(|it| it.number == number && it.id == batch.ids[number])
        };
        for event in batch.events {
            let event = Rc::new(event);
            for number in event.traces.numbers() {
                if let Some(running) = of_number(number) {
                    running.keep(shard, event.clone());
                }
            }
        }
        for (number, skipped) in batch.skipped.into_iter().enumerate() {
            if let Some(running) = of_number(number).filter(|_| skipped > 0) {
                running.note_skipped(skipped);
                self.dropped.set(self.dropped.get() + skipped);
            }
        }
        running.iter().for_each(|running| running.tell());
    }

    pub(super) fn next_end(&self) -> Option<Instant> {
        let ends = self.running.borrow().iter().map(|running| running.ends).min();
        let again = (!self.ending.borrow().is_empty()).then(|| Instant::now() + END_AGAIN);
        ends.into_iter().chain(again).min()
    }
}
