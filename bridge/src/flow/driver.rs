//! The driver of a flow: it gathers batches, has the sink write them, and handles errors.
//!
//! ```text
//! gather ─► write ─ ok ──────────────► dead letters ─► confirm ─┐
//!   ▲         ▲ └── again ─► pause ─┐                           │
//!   │         └─────────────────────┘                           │
//!   │         └── never ─► stopped (until the process ends)     │
//!   └───────────────────────────────────────────────────────────┘
//! ```

use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use log::{error, info, warn};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::backoff::Backoff;
use super::budget::Budget;
use super::letters::Letters;
use super::message::{Batch, Chunk};
use super::progress::Progress;
use crate::config::{BatchLimits, Dead};
use crate::limits::STOP_TIMEOUT;
use crate::metrics::{FlowMetrics, State};
use crate::shown::shortened;
use crate::sinks::{Refused, Sink, Trouble, Written};

/// Drives one flow.
pub(crate) struct Driver {
    pub(crate) name: String,
    pub(crate) sink: Sink,
    pub(crate) chunks: UnboundedReceiver<Chunk>,
    pub(crate) progress: Rc<Progress>,
    pub(crate) budget: Rc<Budget>,
    pub(crate) metrics: FlowMetrics,
    pub(crate) limits: BatchLimits,
    pub(crate) letters: Letters,
    pub(crate) stop: watch::Receiver<bool>,
    /// The rest of a chunk that did not fit into the last batch.
    pub(crate) rest: Option<Chunk>,
}

/// The reason for the driver's end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The process is to end.
    Stopping,
    /// The target refuses everything.
    Refused,
}

impl Driver {
    /// Runs until the process is to end, or the target refuses everything.
    pub(crate) async fn run(&mut self) -> End {
        loop {
            let Some(batch) = self.gather().await else {
                self.sink.close().await;
                return End::Stopping;
            };
            if let Err(end) = self.deliver(batch).await {
                self.sink.close().await;
                return end;
            }
        }
    }

    /// The next batch; `None` when the process is to end.
    async fn gather(&mut self) -> Option<Batch> {
        let mut batch = Batch::default();
        if let Some(rest) = self.rest.take() {
            self.add(&mut batch, rest);
        }
        let mut deadline = Instant::now() + self.limits.linger;
        while !self.is_full(&batch) {
            let chunk = tokio::select! {
                biased;
                _ = self.stop.wait_for(|stop| *stop) => return None,
                chunk = self.chunks.recv() => chunk?,
                () = sleep_until(deadline), if !batch.is_empty() => break,
                () = self.sink.idle() => continue,
            };
            if batch.is_empty() {
                deadline = Instant::now() + self.limits.linger;
            }
            self.add(&mut batch, chunk);
        }
        Some(batch)
    }

    fn is_full(&self, batch: &Batch) -> bool {
        // The reader pauses when the flow's budget is used up: then no more messages follow.
        let nothing_comes = !self.budget.has_room(1) && self.chunks.is_empty();
        let is_large = batch.len() >= self.limits.messages || batch.bytes() >= self.limits.bytes;
        !batch.is_empty() && (is_large || nothing_comes || self.rest.is_some())
    }

    /// Adds the messages of a chunk that fit, at least one.
    fn add(&mut self, batch: &mut Batch, mut chunk: Chunk) {
        let room = self.limits.messages - batch.len();
        let bytes = self.limits.bytes.saturating_sub(batch.bytes());
        let fits = chunk.fitting(room, bytes).max(1);
        if fits < chunk.len() {
            let front = chunk.split_to(fits);
            self.rest = Some(chunk);
            batch.push(front);
        } else {
            batch.push(chunk);
        }
        self.letters.skip_own(batch);
    }

    /// Writes a batch, with as many attempts as it takes.
    async fn deliver(&mut self, mut batch: Batch) -> Result<(), End> {
        let mut outage = Outage::default();
        while !batch.is_empty() {
            let begun = Instant::now();
            let written = match stopping(&mut self.stop, self.sink.write(&batch)).await {
                Some(written) => written,
                None => return Err(End::Stopping),
            };
            match written {
                Ok(Written { done, refused }) => {
                    self.metrics.set_state(State::Up);
                    self.metrics.wrote(done, begun.elapsed());
                    outage.end(&self.name);
                    self.settle(&mut batch, done, refused).await?;
                }
                Err(Trouble::Again { done, refused, says }) => {
                    self.metrics.set_state(State::Retrying);
                    self.metrics.retried();
                    self.settle(&mut batch, done, refused).await?;
                    let pause = outage.next(&self.name, &says, done > 0);
                    self.pause(pause).await?;
                }
                Err(Trouble::Never(says)) => {
                    self.refuse(&says);
                    return Err(End::Refused);
                }
            }
        }
        Ok(())
    }

    /// Confirms the first `count` messages, after dead letters were sent for the refused ones.
    async fn settle(
        &mut self,
        batch: &mut Batch,
        count: usize,
        refused: Vec<Refused>,
    ) -> Result<(), End> {
        let refusals = refused.len();
        if refusals > 0 {
            self.bury(batch, &refused).await?;
        }
        match self.letters.dead() {
            Dead::Drop => self.metrics.dropped(refusals),
            Dead::Topic(_) | Dead::Stop => self.metrics.dead(refusals),
        }
        self.metrics.delivered(count.saturating_sub(refusals));
        batch.advance(count);
        self.progress.confirm(self.progress.confirmed() + count as u64);
        self.metrics.confirmed(count, self.budget.used());
        Ok(())
    }

    /// Sends dead letters, with as many attempts as it takes.
    async fn bury(&mut self, batch: &Batch, refused: &[Refused]) -> Result<(), End> {
        if *self.letters.dead() == Dead::Stop {
            let Refused { at, reason } = &refused[0];
            let position = batch.get(*at).map(|message| message.position).unwrap_or_default();
            self.refuse(&format!("message {position} is refused: {reason}"));
            return Err(End::Refused);
        }
        let mut outage = Outage::default();
        loop {
            match stopping(&mut self.stop, self.letters.send(batch, refused)).await {
                None => return Err(End::Stopping),
                Some(Ok(())) => {
                    outage.end(&self.name);
                    return Ok(());
                }
                Some(Err(says)) => {
                    let pause = outage.next(&self.name, &format!("dead letters: {says}"), false);
                    self.pause(pause).await?;
                }
            }
        }
    }

    /// Waits, unless the process is to end.
    async fn pause(&mut self, pause: Duration) -> Result<(), End> {
        tokio::select! {
            _ = self.stop.wait_for(|stop| *stop) => Err(End::Stopping),
            () = sleep(pause) => Ok(()),
        }
    }

    fn refuse(&self, says: &str) {
        self.metrics.set_state(State::Stopped);
        self.metrics.retried();
        error!(
            "{}: stopped: {}; mend it and restart the bridge, messages wait in the broker",
            self.name,
            shortened(says)
        );
    }
}

/// The outcome of `work`; `None` if the process is to end and it takes too long.
async fn stopping<T>(stop: &mut watch::Receiver<bool>, work: impl Future<Output = T>) -> Option<T> {
    let mut work = std::pin::pin!(work);
    tokio::select! {
        biased;
        done = &mut work => return Some(done),
        _ = stop.wait_for(|stop| *stop) => {}
    }
    timeout(STOP_TIMEOUT, work).await.ok()
}

/// A period in which writes fail. Its begin and its end are logged once.
#[derive(Default)]
struct Outage {
    backoff: Backoff,
    begun: Option<Instant>,
}

impl Outage {
    /// The pause before the next attempt. Progress resets the pauses.
    fn next(&mut self, name: &str, says: &str, has_progress: bool) -> Duration {
        if self.begun.is_none() {
            self.begun = Some(Instant::now());
            warn!("{name}: {}; tries again until it succeeds", shortened(says));
        }
        if has_progress {
            self.backoff.reset();
        }
        self.backoff.pause()
    }

    fn end(&mut self, name: &str) {
        if let Some(begun) = self.begun.take() {
            let attempts = self.backoff.attempts() + 1;
            let seconds = begun.elapsed().as_secs_f32();
            info!("{name}: delivers again after {seconds:.1} s, at attempt {attempts}");
        }
        self.backoff.reset();
    }
}
