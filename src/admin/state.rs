//! The state that routes answer from: channels to the shards, state of the control thread, access.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use hyper::StatusCode;
use jiff::Timestamp;
use tokio::sync::watch;

use crate::logging;

use super::answer::Fault;
use super::body::Bodies;
use super::condition::Condition;
use super::guard::Guard;
use super::metric::Whole;
use super::process::Process;
use super::shards::{Asker, Ways};
use super::shedding::Shedding;
use super::sign_ins::SignIns;
use super::task::ControlWay;
use super::traces::Traces;
use super::viewers::Viewers;

/// A larger difference of the machine's clock is no delay of an answer: the clock was set.
const CLOCK_SET_MS_MIN: u64 = 5_000;

/// The state that routes answer from.
pub(super) struct Admin {
    pub(super) asker: Asker,
    pub(super) viewers: Viewers,
    /// The address for browsers.
    pub(super) address: Option<SocketAddr>,
    pub(super) traces: Traces,
    pub(super) data_dir: PathBuf,
    pub(super) control: Box<dyn ControlWay>,
    pub(super) bodies: Bodies,
    pub(super) shedding: Shedding,
    guard: Guard,
    process: Process,
    condition: watch::Receiver<Condition>,
    /// By path and status: both are of a bounded number.
    requests: RefCell<BTreeMap<(&'static str, u16), u64>>,
    /// See [`Admin::epoch_ms`].
    epoch_ms: Cell<Option<i64>>,
    refused: Cell<u64>,
    auth_failures: Cell<u64>,
}

impl Admin {
    pub(super) fn new(
        ways: Box<dyn Ways>,
        process: Process,
        condition: watch::Receiver<Condition>,
        (control, address): (Box<dyn ControlWay>, Option<SocketAddr>),
        data_dir: &Path,
    ) -> Self {
        Self {
            asker: Asker::new(ways),
            viewers: Viewers::default(),
            address,
            traces: Traces::new(data_dir),
            data_dir: data_dir.to_owned(),
            control,
            bodies: Bodies::new(),
            shedding: Shedding::default(),
            guard: Guard::new(),
            process,
            condition,
            requests: RefCell::default(),
            epoch_ms: Cell::new(None),
            refused: Cell::new(0),
            auth_failures: Cell::new(0),
        }
    }

    /// Access control.
    pub(super) fn guard(&self) -> &Guard {
        &self.guard
    }

    /// The sign-ins to the page.
    pub(super) fn sign_ins(&self) -> &SignIns {
        &self.guard.sign_ins
    }

    /// Counts a request that was answered.
    pub(super) fn note_request(&self, route: &'static str, status: StatusCode) {
        *self.requests.borrow_mut().entry((route, status.as_u16())).or_default() += 1;
    }

    /// Counts a faulty request if it was refused for lack of rights.
    pub(super) fn note_fault(&self, fault: &Fault) {
        self.refused.set(self.refused.get() + u64::from(fault.is_refusal()));
        let is_unknown = fault.status() == StatusCode::UNAUTHORIZED;
        self.auth_failures.set(self.auth_failures.get() + u64::from(is_unknown));
    }

    /// The state that the control thread shares now.
    pub(super) fn condition(&self) -> Condition {
        self.condition.borrow().clone()
    }

    /// Values of the broker besides the shards' figures.
    pub(super) fn whole(&self) -> Whole {
        Whole {
            condition: self.condition(),
            process: self.process.figures(),
            requests: self.requests.borrow().iter().map(|(of, count)| (*of, *count)).collect(),
            refused_requests: self.refused.get(),
            auth_failures: self.auth_failures.get(),
            trace_events_dropped: self.traces.dropped.get(),
            log_lines_lost: logging::lost_lines(),
            now_s: Timestamp::now().as_duration().as_secs_f64(),
        }
    }

    /// Milliseconds from 1970 to the start of the shards' clock, which shows `uptime_ms` now. It
    /// stays the same, so that a time in an answer can be used in a later request, unless the
    /// machine's clock is set.
    pub(super) fn epoch_ms(&self, uptime_ms: u64) -> i64 {
        let uptime_ms = i64::try_from(uptime_ms).unwrap_or(i64::MAX);
        let found = Timestamp::now().as_millisecond().saturating_sub(uptime_ms);
        let known = self.epoch_ms.get().filter(|known| known.abs_diff(found) < CLOCK_SET_MS_MIN);
        let epoch_ms = known.unwrap_or(found);
        self.epoch_ms.set(Some(epoch_ms));
        epoch_ms
    }

    /// The name of a vhost.
    pub(super) fn vhost_name(&self, number: u16) -> Option<String> {
        let condition = self.condition.borrow();
        let found = condition.vhosts.iter().find(|(other, _)| *other == number);
        found.map(|(_, name)| name.clone())
    }

    /// The number of a vhost.
    pub(super) fn vhost(&self, name: &str) -> Result<u16, Fault> {
        let condition = self.condition.borrow();
        let found = condition.vhosts.iter().find(|(_, other)| other == name);
        found.map(|(number, _)| *number).ok_or_else(|| {
            Fault::new(StatusCode::NOT_FOUND, "not_found", format!("no vhost {name:.255?}"))
                .hint("vhosts are named by --vhosts; the one of clients that name none is \"/\"")
        })
    }
}
