//! The control thread executes the requests of signals and operators that concern the whole broker,
//! one after the other, until a signal stops it.

use std::time::{Duration, Instant};

use log::{error, info, warn};

use crate::admin::{AccountTask, Done, FileFault, Job, Reloaded, Task, TaskError, TaskErrorKind};
use crate::config::{Change, Fault, parse_log_filter};
use crate::disk::{ReloadNote, monotonic_us};
use crate::limits::LOG_LEVEL_S_MAX;
use crate::logging;
use crate::reactor::ControlMessage;

use super::access::Access;
use super::accounts::{self, Work};
use super::admin::Admin;
use super::control::{self, Control};
use super::events::{ControlEvent, Events};
use super::notify::Notifier;
use super::reload::{self, Reloader};
use super::signals::SignalAction;
use super::{deletions, report, signals};

/// The control thread.
pub(super) struct ControlThread {
    pub(super) reloader: Reloader,
    pub(super) access: Access,
    pub(super) controls: Vec<Control>,
    /// `None`: there is no operators' interface and there are no $SYS topics.
    pub(super) admin: Option<Admin>,
    pub(super) notifier: Notifier,
    /// When a temporary log filter ends, if there is one.
    pub(super) log_until: Option<Instant>,
}

impl ControlThread {
    /// Runs until a signal says to stop.
    pub(super) fn run(&mut self, events: &Events) {
        loop {
            match events.next(self.log_until) {
                None => self.reset_log_level(),
                Some(ControlEvent::Signal(SignalAction::Stop)) => return,
                Some(ControlEvent::Signal(SignalAction::Reload)) => {
                    // The result is in the log and in the data directory.
                    let _told = self.reload();
                    let data_dir = self.reloader.data_dir().to_owned();
                    deletions::forward(&data_dir, &self.access, &mut self.controls);
                }
                Some(ControlEvent::Signal(SignalAction::Report)) => {
                    report::log_report(&mut self.controls);
                }
                Some(ControlEvent::Signal(SignalAction::ToggleDebug)) => signals::toggle_debug(),
                Some(ControlEvent::Job(job)) => self.work(job),
            }
        }
    }

    fn work(&mut self, job: Job) {
        let result = match &job.task {
            Task::Reload => self.reload().map(Done::Reloaded),
            Task::SetLogLevel { filter, time } => self.set_log_level(filter, *time),
            Task::Drain(drains) => self.drain(*drains),
            Task::Account(task) => self.work_on_accounts(task),
        };
        job.end(result);
    }

    /// Reads configuration and files again, and reports the result to all recipients.
    fn reload(&mut self) -> Result<Reloaded, TaskError> {
        let began_us = monotonic_us();
        self.notifier.reloading(began_us);
        let admin = self.admin.as_ref();
        let reloaded = self.reloader.reload(&mut self.access, &mut self.controls, admin);
        let (faults, status) = match &reloaded {
            Ok(reloaded) => {
                control::confirm(&mut self.controls);
                reload::log_changes(reloaded);
                info!("reloaded");
                (Vec::new(), "serving; the last reload was taken".to_owned())
            }
            Err(error) => {
                self.admin.iter().for_each(Admin::note_reload_failed);
                error!("not reloaded, everything stays as it was: {error}");
                (error.faults(), format!("serving; the last reload failed: {error:.200}"))
            }
        };
        // The service manager is informed first, since the process that waits for the result may
        // then end the reload.
        self.notifier.reloaded(&status);
        let note = ReloadNote { began_us, faults: faults.iter().map(Fault::to_string).collect() };
        if let Err(error) = note.write(self.reloader.data_dir()) {
            warn!("nobody can be told what became of the reload: {error}");
        }
        let reloaded = reloaded.map_err(|_| refused(faults))?;
        if self.log_until.is_some() {
            self.reset_log_level();
        }
        Ok(Reloaded { taken: told(reloaded.taken), waiting: told(reloaded.waiting) })
    }

    /// Lists or changes users, vhosts and limits. A change takes effect by a reload; if that is
    /// refused, the files are restored.
    fn work_on_accounts(&mut self, task: &AccountTask) -> Result<Done, TaskError> {
        let policy = self.access.policy().clone();
        match accounts::work(task, self.reloader.options(), &policy)? {
            Work::Told(told) => Ok(Done::Document(told)),
            Work::Change(steps, told) => {
                let undo = accounts::apply(steps)?;
                match self.reload() {
                    Ok(_) => {
                        undo.keep();
                        Ok(Done::Document(told))
                    }
                    Err(error) => {
                        undo.undo();
                        // The old files are restored, and they agree with the policy in force.
                        let _again = self.reload();
                        let message = "the broker does not take this; files are as they were";
                        Err(TaskError { message: message.to_owned(), hint: None, ..error })
                    }
                }
            }
        }
    }

    fn set_log_level(&mut self, filter: &str, time: Option<Duration>) -> Result<Done, TaskError> {
        let filter = parse_log_filter(filter).map_err(|says| {
            let hint = "as in info, or in info,ringmq::ring=debug";
            TaskError::of_field("filter", format!("filter {says}"), hint)
        })?;
        info!("what is logged is {filter} for now, as an operator asked");
        logging::set_filter(&filter);
        let time = time.unwrap_or(Duration::from_secs(LOG_LEVEL_S_MAX));
        self.log_until = Some(Instant::now() + time);
        Ok(Done::Plainly)
    }

    fn reset_log_level(&mut self) {
        self.log_until = None;
        let filter = self.reloader.log_filter();
        logging::set_filter(filter);
        info!("what is logged is {filter} again, as configured");
    }

    fn drain(&mut self, drains: bool) -> Result<Done, TaskError> {
        for control in &mut self.controls {
            control.send(ControlMessage::Admit(!drains));
        }
        control::confirm(&mut self.controls);
        self.admin.iter().for_each(|admin| admin.note_draining(drains));
        match drains {
            true => info!("draining: no client is let in any more"),
            false => info!("not draining: clients are let in"),
        }
        Ok(Done::Plainly)
    }
}

fn told(changes: Vec<Change>) -> Vec<crate::admin::Change> {
    let told =
        |Change { name, values: [before, after], .. }| crate::admin::Change { name, before, after };
    changes.into_iter().map(told).collect()
}

/// A reload was refused, with its faults.
fn refused(faults: Vec<Fault>) -> TaskError {
    let message = "not reloaded, everything stays as it was";
    let faults = faults.into_iter().map(|Fault { file, line, key, says }| FileFault {
        file,
        line,
        key,
        message: says,
    });
    let hint = "mend what `faults` names, and reload again; `ringmq check` looks at all of it";
    TaskError { faults: faults.collect(), ..TaskError::new(TaskErrorKind::Invalid, message, hint) }
}
