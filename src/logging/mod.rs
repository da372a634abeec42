//! The log: lines on standard error, written by one thread.
//!
//! ```text
//!  any thread ── filter, format ──► bounded queue ──► thread `log` ──► standard error
//!                                        └── no room: counted, and said later
//! ```
//! Standard error may be a pipe that nobody reads: whoever writes to it can wait for ever. So
//! nobody does but one thread that has nothing else to do. At the end, however the process ends,
//! what is queued has [`limits::LOG_FLUSH_MS_MAX`] to be written.
//!
//! Invariant: [`log::Log::log`] never waits for standard error, but at `trace`: there a line is
//! written before its thread goes on, so that a broker that is killed has said what it did.

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

/// What SIGUSR2 adds lines of: the broker's own.
const OWN: &str = "ringmq";

static LOGGER: OnceLock<Logger> = OnceLock::new();

struct Logger {
    /// Read for each line that passes `log`'s own level; written when an operator changes it.
    filter: RwLock<Filter>,
    format: Format,
    /// Debug lines are let through beside what the filter does. Nothing hangs on when a thread
    /// sees it change.
    debug: AtomicBool,
    queue: Queue,
    recent: Recent,
}

/// Begins logging what `filter` lets through, as `--log` has it. Panics are logged too.
///
/// # Errors
/// If the system gives no thread.
///
/// # Panics
/// If it was begun before.
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

/// Waits until what is queued is written, or for a bounded time.
pub fn flush() {
    if let Some(logger) = LOGGER.get() {
        logger.queue.flush(Duration::from_millis(limits::LOG_FLUSH_MS_MAX));
    }
}

/// The last lines that were written, from the one with this number on, so many at most; the number
/// of the first of them.
pub fn recent_lines(from: u64, most: usize) -> (u64, Vec<String>) {
    LOGGER.get().map(|logger| logger.recent.from(from, most)).unwrap_or_default()
}

/// Turns debug lines on, or off again; whether they are on now.
pub fn toggle_debug() -> bool {
    let Some(logger) = LOGGER.get() else { return false };
    let was_on = logger.debug.fetch_xor(true, Ordering::Relaxed);
    logger.set_max_level();
    !was_on
}

/// Lets through what another filter does from now on, as `--log` has it.
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
    /// Nothing panics while it is written.
    fn filter(&self) -> RwLockReadGuard<'_, Filter> {
        self.filter.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells `log` which lines need no look at the filter.
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

/// A panic ends the broker: what it says is written first, whatever the filter.
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
