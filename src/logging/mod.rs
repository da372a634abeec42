//! The log: lines on standard error, written by one thread.
//!
//! ```text
//!  any thread ── filter, format ──► bounded queue ──► thread `log` ──► standard error
//!                                        └── no room: counted, and said later
//! ```
//! Standard error may be a pipe that nobody reads, and a write to it may block for ever. So only
//! one thread writes to it, and that thread does nothing else. However the process ends, the queued
//! lines have [`limits::LOG_FLUSH_MS_MAX`] to be written.
//!
//! Invariant: [`log::Log::log`] never waits for standard error, except at `trace`. There a line is
//! written before its thread continues, so that the log of a killed broker shows its last action.

mod format;
mod queue;
mod recent;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io;
use std::panic::{self, PanicHookInfo};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{OnceLock, PoisonError, RwLock, RwLockReadGuard};
use std::thread;
use std::time::Duration;

use env_filter::Filter;
use log::{Level, LevelFilter, Metadata, Record};

use crate::limits;

pub use format::{Format, is_journal};

use format::line_of;
use queue::Queue;
use recent::Recent;

/// The modules for which SIGUSR2 enables debug lines: the broker's own.
const OWN: &str = "ringmq";

static LOGGER: OnceLock<Logger> = OnceLock::new();

struct Logger {
    /// Read for each line that passes the level of `log` itself; written when an operator changes
    /// it.
    filter: RwLock<Filter>,
    format: Format,
    /// Whether debug lines pass in addition to the filter. It does not matter when a thread sees
    /// the change.
    debug: AtomicBool,
    queue: Queue,
    recent: Recent,
}

/// Starts the log with the filter of `--log`. Panics are logged too.
///
/// # Errors
/// If the system cannot start a thread.
///
/// # Panics
/// If the log was started before.
pub fn start(filter: &str, format: Format) -> io::Result<()> {
    let filter = env_filter::Builder::new().parse(filter).build();
    let recent = Recent::default();
    let queue = Queue::start(recent.clone(), move |lost| {
        let says = format_args!("{lost} lines were lost: standard error was not read");
        let record = Record::builder().level(Level::Warn).target(OWN).args(says).build();
        line_of(format, &record, None)
    })?;
    let level = filter.filter();
    let logger = Logger {
        filter: RwLock::new(filter),
        format,
        debug: AtomicBool::new(false),
        queue,
        recent,
    };
    assert!(LOGGER.set(logger).is_ok(), "logging begins once");
    let logger = LOGGER.get().expect("it was just set");
    log::set_logger(logger).expect("logging begins once");
    log::set_max_level(level);
    panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// Waits until the queued lines are written, but only for a bounded time.
pub fn flush() {
    if let Some(logger) = LOGGER.get() {
        logger.queue.flush(Duration::from_millis(limits::LOG_FLUSH_MS_MAX));
    }
}

/// Lines that were lost since the start because standard error was not read.
pub fn lost_lines() -> u64 {
    LOGGER.get().map_or(0, |logger| logger.queue.lost_lines())
}

/// The last written lines, at most this many, from the line with this number on; and the number of
/// the first.
pub fn recent_lines(from: u64, most: usize) -> (u64, Vec<String>) {
    LOGGER.get().map(|logger| logger.recent.from(from, most)).unwrap_or_default()
}

/// Turns debug lines on or off; returns whether they are now on.
pub fn toggle_debug() -> bool {
    let Some(logger) = LOGGER.get() else { return false };
    let was_on = logger.debug.fetch_xor(true, Ordering::Relaxed);
    logger.set_max_level();
    !was_on
}

/// Replaces the filter, in the syntax of `--log`.
pub fn set_filter(filter: &str) {
    let Some(logger) = LOGGER.get() else { return };
    let filter = env_filter::Builder::new().parse(filter).build();
    *logger.filter.write().unwrap_or_else(PoisonError::into_inner) = filter;
    logger.set_max_level();
}

impl log::Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.filter().enabled(metadata) || self.adds(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if self.filter().matches(record) || self.adds(record.metadata()) {
            self.say(record);
        }
    }

    fn flush(&self) {
        flush();
    }
}

impl Logger {
    /// The lock is not poisoned: no code panics while it holds it.
    fn filter(&self) -> RwLockReadGuard<'_, Filter> {
        self.filter.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the highest level of `log` that the filter may pass.
    fn set_max_level(&self) {
        let level = self.filter().filter();
        let adds = self.debug.load(Ordering::Relaxed);
        log::set_max_level(if adds { level.max(LevelFilter::Debug) } else { level });
    }

    fn adds(&self, metadata: &Metadata<'_>) -> bool {
        self.debug.load(Ordering::Relaxed)
            && metadata.level() <= Level::Debug
            && metadata.target().starts_with(OWN)
    }

    fn say(&self, record: &Record<'_>) {
        let line = line_of(self.format, record, thread::current().name());
        self.queue.push(line);
        if record.level() == Level::Trace && !self.queue.is_losing() {
            self.queue.flush(Duration::from_millis(limits::LOG_FLUSH_MS_MAX));
        }
    }
}

/// A panic ends the broker, so its message is written first, whatever the filter.
fn log_panic(info: &PanicHookInfo<'_>) {
    let Some(logger) = LOGGER.get() else { return };
    let thread = thread::current();
    let name = thread.name().unwrap_or("without a name").to_owned();
    let say = |says: std::fmt::Arguments<'_>| {
        logger.say(&Record::builder().level(Level::Error).target(OWN).args(says).build());
    };
    let what = info.payload_as_str().unwrap_or("no message");
    match info.location() {
        Some(at) => say(format_args!("thread {name} panicked at {at}: {what}")),
        None => say(format_args!("thread {name} panicked: {what}")),
    }
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured {
        backtrace.to_string().lines().for_each(|line| say(format_args!("{line}")));
    }
    flush();
}
