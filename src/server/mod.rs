//! Starts the broker from its options and stops it: limits, listeners, threads, signals.

mod access;
mod accounts;
mod admin;
mod announcement;
mod auth;
mod certificates;
mod check;
mod control;
mod control_thread;
mod deletions;
mod error;
mod events;
mod facts;
mod heap;
mod listeners;
mod notify;
mod open_files;
mod pem;
mod places;
mod privileges;
mod random;
mod reload;
mod report;
mod rings;
mod shard;
mod signals;
mod start;
mod storage;
mod summary;
pub mod tls;
mod websocket;

use std::io;
use std::thread::JoinHandle;

use log::{info, warn};
use signal_hook::iterator::Signals;

use crate::broker::Stats;
use crate::config::{Configuration, LogFormat, Options};
use crate::cpus;
use crate::logging;
use crate::reactor::ControlMessage;

use access::Access;
use admin::{Admin, AdminSetup, HttpListener};
use announcement::{Announcement, log_sources, log_version};
use control::Control;
use control_thread::ControlThread;
use events::Events;
use listeners::Listeners;
use notify::Notifier;
use places::ListenAddress;
use privileges::Account;
use reload::Reloader;
use shard::ShardResult;
use start::start;
use storage::Storage;

pub use check::{Finding, Severity, check};
pub use error::{SocketError, StartError};
pub use places::ListenError;
pub use privileges::PrivilegeError;
pub use signals::watch_signals;

/// Runs the broker until SIGTERM or SIGINT, and then until its log is written. `signals`: from
/// [`watch_signals`].
///
/// # Errors
/// If it cannot start.
pub fn run(configuration: &Configuration, signals: io::Result<Signals>) -> Result<(), StartError> {
    let options = configuration.options();
    heap::settle();
    // New threads inherit the attributes of the thread that starts them.
    let forbidden = privileges::forbid_new();
    logging::start(&options.logging.filter, log_format(options)).map_err(StartError::Log)?;
    let signals = signals::watch_all(signals)
        .map_err(|error| StartError::System("watch for signals", error))?;
    open_files::raise_open_files();
    log_version();
    log_sources(configuration);
    let cpus = cpus::available();
    let notifier = Notifier::from_environment();
    if let Err(error) = forbidden {
        warn!("cannot forbid new privileges: {error}");
    }
    let http = HttpListener::open(options)?;
    let sites = places::resolve(options).map_err(StartError::Listen)?;
    let shards = Storage::shards_to_be(options, cpus.default_shards())?;
    open_files::check_open_files(options, shards, sites.len())?;
    let (mut storage, listeners) = open(options, &sites, cpus.default_shards())?;
    let setup = http.map(|listener| AdminSetup::new(listener, options)).transpose();
    let mut setup = setup.map_err(StartError::with_user)?;
    let shards = usize::from(storage.shards());
    let pins = (options.pin && cpus.should_pin(shards)).then(|| cpus.ids.clone());
    let tls = tls::load(&options.tls).map_err(|error| StartError::Tls(error).with_user())?;
    let vhosts = storage.vhosts()?;
    let helpers = (cpus.ids.len() / 2).max(1);
    let failures_max = options.access.auth_failures_max;
    let sources = options.access.sources(tls::names_clients(&options.tls));
    let access = Access::open(&sources, vhosts, helpers, failures_max);
    let access = access.map_err(StartError::with_user)?;
    let unguarded = places::refuse_unguarded(options, &sites, access.policy());
    unguarded.map_err(StartError::Listen)?;
    let listeners = listeners.map_or_else(|| Listeners::open(options, &sites, shards), Ok)?;
    let Listeners { shards: listeners, opened, files } = listeners;
    let asks = setup.as_mut().map(AdminSetup::rings);
    let started =
        start(options, listeners, tls.as_ref(), pins.as_deref(), &mut storage, &access, asks);
    let (threads, mut controls, ring) = started?;
    deletions::forward(&options.data_dir, &access, &mut controls);
    let pinned = pins.is_some();
    let session_bytes_max = storage.session_bytes_max(options);
    let disk_bytes = storage.disk_bytes();
    let (cpus, opened) = (&cpus, &*opened);
    Announcement { options, shards, ring, pinned, cpus, opened, session_bytes_max, disk_bytes }
        .log();
    let reloader = Reloader::new(configuration, sites, disk_bytes, opened);
    let shared_cpus = pins.iter().flat_map(|pins| pins.iter().skip(shards).copied()).collect();
    let (way, events) = Events::new();
    let facts = reloader.facts().clone();
    let admin = setup.map(|it| {
        let known = (shared_cpus, way.clone(), facts);
        Admin::start(it, &controls, options, &access, known, &notifier)
    });
    let admin = admin.transpose()?;
    let watching = way.forward(signals);
    watching.map_err(|error| StartError::System("start a thread for signals", error))?;
    notifier.ready();
    let mut control =
        ControlThread { reloader, access, controls, admin, notifier, log_until: None };
    control.run(&events);
    let ControlThread { controls, admin, notifier, .. } = control;
    // The probes fail before the next line is logged.
    admin.iter().for_each(Admin::note_stopping);
    info!("stopping");
    notifier.stopping();
    events.watch_while_stopping();
    stop(threads, controls);
    drop(admin);
    storage.finish();
    drop(files);
    info!("stopped");
    Ok(())
}

/// Stops the shards, and logs their counters.
fn stop(threads: Vec<JoinHandle<ShardResult>>, controls: Vec<Control>) {
    for mut control in controls {
        control.send(ControlMessage::Drain);
    }
    let finished = threads.into_iter().map(|thread| thread.join().unwrap_or_default());
    let (stats, reports): (Vec<Stats>, Vec<_>) = finished.unzip();
    summary::log_stats(&stats);
    summary::log_vhosts(reports.into_iter().flatten());
}

fn log_format(options: &Options) -> logging::Format {
    match options.logging.format {
        Some(LogFormat::Text) => logging::Format::Text,
        Some(LogFormat::Json) => logging::Format::Json,
        Some(LogFormat::Journald) => logging::Format::Journald,
        None if logging::is_journal() => logging::Format::Journald,
        None => logging::Format::Text,
    }
}

/// Opens the data directory as the user that the broker runs as. To change to another user it first
/// opens the listeners, while the process is still allowed to.
fn open(
    options: &Options,
    sites: &[ListenAddress],
    default_shards: usize,
) -> Result<(Storage, Option<Listeners>), StartError> {
    let Some(user) = &options.listeners.user else {
        return Ok((Storage::open(options, default_shards)?, None));
    };
    // Root binds the addresses, and the user owns the stored files.
    let account = Account::find(user).map_err(StartError::Privileges)?;
    let shards = Storage::shards_to_be(options, default_shards)?;
    let listeners = Listeners::open(options, sites, shards)?;
    account.assume().map_err(StartError::Privileges)?;
    info!("running as {}", account.name);
    let storage = Storage::open(options, shards).map_err(|error| match error {
        StartError::Data(error) if error.is_permission() => {
            StartError::DataOf(account.name.clone(), error)
        }
        error => error,
    })?;
    let found = usize::from(storage.shards());
    assert_eq!(found, shards, "nobody exchanges the directory meanwhile");
    Ok((storage, Some(listeners)))
}
