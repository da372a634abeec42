//! From options to running shards and back: limits, listeners, threads, signals, the orderly end.

mod access;
mod admin;
mod announcement;
mod auth;
mod control;
mod deletions;
mod doors;
mod error;
mod heap;
mod notify;
mod pem;
mod places;
mod privileges;
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

use log::{debug, error, info, warn};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use signal_hook::iterator::Signals;

use crate::broker::Stats;
use crate::config::{LogFormat, Options};
use crate::cpus;
use crate::logging;
use crate::reactor::Parcel;

use access::Access;
use admin::{Admin, AdminSetup, HttpDoor};
use announcement::{Announcement, log_version};
use control::Control;
use doors::Doors;
use notify::Notifier;
use places::Site;
use privileges::Account;
use shard::Told;
use signals::Asked;
use start::start;
use storage::Storage;

pub use doors::SocketError;
pub use error::StartError;
pub use places::ListenError;
pub use privileges::PrivilegeError;
pub use signals::watch_signals;

/// Runs the broker until SIGTERM or SIGINT, and then until it has said what it had to say.
/// `signals`: from [`watch_signals`].
///
/// # Errors
/// If it cannot start.
pub fn run(options: &Options, signals: io::Result<Signals>) -> Result<(), StartError> {
    heap::settle();
    // Threads begin with what the one has that starts them.
    let forbidden = privileges::forbid_new();
    logging::start(&options.logging.filter, log_format(options)).map_err(StartError::Log)?;
    let mut signals = signals::watch_all(signals)
        .map_err(|error| StartError::System("watch for signals", error))?;
    raise_open_files();
    log_version();
    let cpus = cpus::available();
    let notifier = Notifier::from_environment();
    if let Err(error) = forbidden {
        warn!("cannot forbid new privileges: {error}");
    }
    let http = HttpDoor::open(options)?;
    let sites = places::resolve(options).map_err(StartError::Listen)?;
    let shards = Storage::shards_to_be(options, cpus.default_shards())?;
    places::check_open_files(options, shards, &sites)?;
    let (mut storage, doors) = open(options, &sites, cpus.default_shards())?;
    let setup = http.map(|door| AdminSetup::new(door, options)).transpose();
    let mut setup = setup.map_err(StartError::with_user)?;
    let shards = usize::from(storage.shards());
    let pins = (options.pin && cpus.should_pin(shards)).then(|| cpus.ids.clone());
    let tls = tls::load(&options.tls).map_err(|error| StartError::Tls(error).with_user())?;
    let vhosts = storage.vhosts()?;
    let helpers = (cpus.ids.len() / 2).max(1);
    let failures_max = options.access.auth_failures_max;
    let sources = options.access.sources(tls::names_clients(&options.tls));
    let access = Access::open(sources, vhosts, helpers, failures_max);
    let mut access = access.map_err(StartError::with_user)?;
    let unguarded = places::refuse_unguarded(options, &sites, access.policy());
    unguarded.map_err(StartError::Listen)?;
    let doors = doors.map_or_else(|| Doors::open(options, &sites, shards), Ok)?;
    let Doors { shards: doors, opened, files } = doors;
    let asks = setup.as_mut().map(AdminSetup::rings);
    let started = start(options, doors, tls.as_ref(), pins.as_deref(), &mut storage, &access, asks);
    let (threads, mut controls, ring) = started?;
    deletions::forward(&options.data_dir, &access, &mut controls);
    let pinned = pins.is_some();
    let session_bytes_max = storage.session_bytes_max(options);
    let disk_bytes = storage.disk_bytes();
    let (cpus, opened) = (&cpus, &*opened);
    Announcement { options, shards, ring, pinned, cpus, opened, session_bytes_max, disk_bytes }
        .log();
    let shared_cpus = pins.iter().flat_map(|pins| pins.iter().skip(shards).copied()).collect();
    let admin = setup.map(|it| Admin::start(it, &controls, options, &access, shared_cpus));
    let admin = admin.transpose()?;
    notifier.ready();
    for signal in signals.forever() {
        match Asked::by(signal) {
            Asked::Stop => break,
            Asked::Reload => {
                reload(options, &mut access, &mut controls, admin.as_ref());
                deletions::forward(&options.data_dir, &access, &mut controls);
            }
            Asked::Report => report::log_report(&mut controls),
            Asked::ToggleDebug => signals::toggle_debug(),
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
fn stop(threads: Vec<JoinHandle<Told>>, controls: Vec<Control>) {
    for mut control in controls {
        control.send(Parcel::Drain);
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
/// opens the doors first, while it may.
fn open(
    options: &Options,
    sites: &[Site],
    default_shards: usize,
) -> Result<(Storage, Option<Doors>), StartError> {
    let Some(user) = &options.doors.user else {
        return Ok((Storage::open(options, default_shards)?, None));
    };
    // Root binds, and what is stored belongs to the user.
    let account = Account::find(user).map_err(StartError::Privileges)?;
    let shards = Storage::shards_to_be(options, default_shards)?;
    let doors = Doors::open(options, sites, shards)?;
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
    Ok((storage, Some(doors)))
}

/// Reads the files again that say who may come in and what they may do, for all shards: all of them
/// or, if one is faulty, none.
fn reload(options: &Options, access: &mut Access, controls: &mut [Control], admin: Option<&Admin>) {
    let reloaded = tls::load(&options.tls).map_err(StartError::Tls);
    let reloaded = reloaded.and_then(|tls| {
        let tokens = admin.map(|_| admin::load_tokens(options)).transpose()?;
        access.reload().map_err(StartError::Access)?;
        Ok((tls, tokens))
    });
    match reloaded.map_err(StartError::with_user) {
        Ok((tls, tokens)) => {
            let told = admin.zip(tokens);
            told.into_iter().for_each(|(admin, tokens)| admin.note_reload(access, tokens));
            for control in controls {
                control.send(Parcel::Policy(access.policy().clone()));
                tls.iter().for_each(|tls| control.send(Parcel::Tls(tls.clone())));
            }
            info!("reloaded");
        }
        Err(error) => {
            admin.iter().for_each(|admin| admin.note_reload_failed());
            error!("not reloaded, everything stays as it was: {error}");
        }
    }
}

/// Raises the number of files this process may open as far as it may.
fn raise_open_files() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum {
        let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
        debug!("open files: {current:?} raised to {maximum:?}: {raised:?}");
    }
}
