//! From options to running shards and back: limits, listeners, threads, signals, the orderly end.

mod access;
mod admin;
mod announcement;
mod auth;
mod check;
mod control;
mod deletions;
mod error;
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

use std::io;
use std::thread::JoinHandle;

use log::{error, info, warn};
use signal_hook::iterator::Signals;

use crate::broker::Stats;
use crate::config::{Configuration, Fault, LogFormat, Options};
use crate::cpus;
use crate::disk::{ReloadNote, monotonic_us};
use crate::logging;
use crate::reactor::ControlMessage;

use access::Access;
use admin::{Admin, AdminSetup, HttpListener};
use announcement::{Announcement, log_sources, log_version};
use control::Control;
use listeners::Listeners;
use notify::Notifier;
use places::ListenAddress;
use privileges::Account;
use reload::Reloader;
use shard::ShardResult;
use signals::SignalAction;
use start::start;
use storage::Storage;

pub use check::{Finding, Severity, check};
pub use error::{SocketError, StartError};
pub use places::ListenError;
pub use privileges::PrivilegeError;
pub use signals::watch_signals;

/// Runs the broker until SIGTERM or SIGINT, and then until it has said what it had to say.
/// `signals`: from [`watch_signals`].
///
/// # Errors
/// If it cannot start.
pub fn run(configuration: &Configuration, signals: io::Result<Signals>) -> Result<(), StartError> {
    let options = configuration.options();
    heap::settle();
    // Threads begin with what the one has that starts them.
    let forbidden = privileges::forbid_new();
    logging::start(&options.logging.filter, log_format(options)).map_err(StartError::Log)?;
    let mut signals = signals::watch_all(signals)
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
    let mut access = access.map_err(StartError::with_user)?;
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
    let mut reloader = Reloader::new(configuration, sites, disk_bytes);
    let shared_cpus = pins.iter().flat_map(|pins| pins.iter().skip(shards).copied()).collect();
    let admin =
        setup.map(|it| Admin::start(it, &controls, options, &access, shared_cpus, &notifier));
    let admin = admin.transpose()?;
    notifier.ready();
    for signal in signals.forever() {
        match SignalAction::by(signal) {
            SignalAction::Stop => break,
            SignalAction::Reload => {
                reload(&mut reloader, &mut access, &mut controls, admin.as_ref(), &notifier);
                deletions::forward(&options.data_dir, &access, &mut controls);
            }
            SignalAction::Report => report::log_report(&mut controls),
            SignalAction::ToggleDebug => signals::toggle_debug(),
        }
    }
    info!("stopping");
    notifier.stopping();
    admin.iter().for_each(Admin::note_stopping);
    signals::watch_while_stopping(signals);
    stop(threads, controls);
    drop(admin);
    storage.finish();
    drop(files);
    info!("stopped");
    Ok(())
}

/// Stops the shards, and logs what they have counted.
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

/// Opens the data directory as the user that the broker is to run as. To become another user it
/// opens the listeners first, while it may.
fn open(
    options: &Options,
    sites: &[ListenAddress],
    default_shards: usize,
) -> Result<(Storage, Option<Listeners>), StartError> {
    let Some(user) = &options.listeners.user else {
        return Ok((Storage::open(options, default_shards)?, None));
    };
    // Root binds, and what is stored belongs to the user.
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

/// Reads configuration and files again, and says what came of it to whoever may want to know.
fn reload(
    reloader: &mut Reloader,
    access: &mut Access,
    controls: &mut [Control],
    admin: Option<&Admin>,
    notifier: &Notifier,
) {
    let began_us = monotonic_us();
    notifier.reloading(began_us);
    let reloaded = reloader.reload(access, controls, admin);
    let (faults, status) = match &reloaded {
        Ok(reloaded) => {
            reload::log_changes(reloaded);
            info!("reloaded");
            (Vec::new(), "serving; the last reload was taken".to_owned())
        }
        Err(error) => {
            admin.iter().for_each(|admin| admin.note_reload_failed());
            error!("not reloaded, everything stays as it was: {error}");
            let faults = error.faults().iter().map(Fault::to_string).collect();
            (faults, format!("serving; the last reload failed: {error:.200}"))
        }
    };
    // The manager hears of it before who waits for the note does, and may end a reload then.
    notifier.reloaded(&status);
    let note = ReloadNote { began_us, faults };
    if let Err(error) = note.write(reloader.data_dir()) {
        warn!("nobody can be told what became of the reload: {error}");
    }
}
