//! The events of the control thread: signals, and jobs of operators.
//!
//! A thread of its own reads the signals, so that one wait is enough for both.

use std::io;
use std::process;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender, TrySendError};
use std::thread;
use std::time::{Duration, Instant};

use log::{info, warn};
use signal_hook::iterator::Signals;

use crate::admin::{ControlWay, Job};
use crate::limits::TASKS_WAITING_MAX;
use crate::logging;

use super::signals::{self, SignalAction};

/// A second stop signal within this time of the first counts as the same one. It may have been sent
/// to the process and to its group, or by two senders that do not know of each other.
const SAME_STOP: Duration = Duration::from_secs(1);

/// An event.
pub(super) enum ControlEvent {
    /// A signal came.
    Signal(SignalAction),
    /// An operator has requested a job.
    Job(Job),
}

/// The queue of events.
pub(super) struct Events(Receiver<ControlEvent>);

/// The sender of jobs.
#[derive(Clone)]
pub(super) struct EventSender(SyncSender<ControlEvent>);

impl Events {
    /// No signal arrives before [`EventSender::forward`].
    pub(super) fn new() -> (EventSender, Self) {
        let (sender, receiver) = mpsc::sync_channel(TASKS_WAITING_MAX);
        (EventSender(sender), Self(receiver))
    }

    /// The next event; `None` when it is `until`.
    pub(super) fn next(&self, until: Option<Instant>) -> Option<ControlEvent> {
        let Some(until) = until else {
            return Some(self.0.recv().expect("the thread that reads signals does not end"));
        };
        match self.0.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(event) => Some(event),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => {
                unreachable!("the thread that reads signals does not end")
            }
        }
    }

    /// Waits while the broker stops: a further stop signal, if it comes later, ends the process at
    /// once.
    pub(super) fn watch_while_stopping(self) {
        let first = Instant::now();
        thread::spawn(move || {
            loop {
                // The job is dropped, which tells the operator that it failed.
                let Some(ControlEvent::Signal(action)) = self.next(None) else { continue };
                match action {
                    SignalAction::Stop if first.elapsed() >= SAME_STOP => {
                        warn!("stopped at once by a second signal");
                        logging::flush();
                        process::exit(1);
                    }
                    SignalAction::ToggleDebug => signals::toggle_debug(),
                    SignalAction::Report => {
                        info!("stopping, for {} s by now", first.elapsed().as_secs());
                    }
                    SignalAction::Stop | SignalAction::Reload => {}
                }
            }
        });
    }
}

impl EventSender {
    /// Delivers signals as events from now on.
    ///
    /// # Errors
    /// If the system cannot start a thread.
    pub(super) fn forward(self, mut signals: Signals) -> io::Result<()> {
        let run = move || {
            for signal in signals.forever() {
                if self.0.send(ControlEvent::Signal(SignalAction::by(signal))).is_err() {
                    return;
                }
            }
        };
        thread::Builder::new().name("signals".to_owned()).spawn(run).map(drop)
    }
}

impl ControlWay for EventSender {
    fn send(&self, job: Job) -> Result<(), Job> {
        self.0.try_send(ControlEvent::Job(job)).map_err(|refused| match refused {
            TrySendError::Full(ControlEvent::Job(job))
            | TrySendError::Disconnected(ControlEvent::Job(job)) => job,
            _ => unreachable!("what is refused is what was sent"),
        })
    }
}
