//! A reload reads the configuration and all files that it names again, and applies all of it or
//! none.
//!
//! ```text
//!  read the configuration ──► certificates ──► users and rules ──► do they guard the listeners?
//!          └───────────────────────┴─── wrong: ReloadError ───┴───────────────────┘  │
//!                                                          every shard gets all of it ▼
//! ```
//! Invariant: nothing changes until no step can fail any more. The last step that can fail stores
//! the numbers of new vhosts.
//!
//! Settings that need a restart keep their values, and the result names them. The result is data,
//! so that each recipient can show it in its own form.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use log::{info, warn};

use crate::admin::Facts;
use crate::broker::{self, ShardId};
use crate::config::{Change, ConfigError, Configuration, Fault, Options, Reload};
use crate::limits::CHANGES_LOGGED_MAX;
use crate::logging;
use crate::reactor::{ControlMessage, Settings};

use super::access::Access;
use super::admin::{self, Admin};
use super::control::Control;
use super::facts;
use super::listeners::OpenListener;
use super::open_files::clients_max;
use super::places::{ListenAddress, refuse_unguarded};
use super::shard::broker_options;
use super::start::{address_limits, trusted};
use super::storage::{self, catalog_limits};
use super::{StartError, tls, websocket};

/// The prefix of the names of TLS flags.
const TLS: &str = "tls-";

/// The state between reloads.
pub(super) struct Reloader {
    /// The configuration of the start.
    started: Configuration,
    /// The configuration of the last successful reload.
    current: Configuration,
    /// The options in force: those of the last reload, except for settings that wait for a restart.
    in_force: Options,
    sites: Vec<ListenAddress>,
    /// Bytes of the data directory's file system; 0 if that is not known.
    disk_bytes: u64,
    /// The facts that operators see.
    facts: Arc<Facts>,
}

/// The result of a reload.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Reloaded {
    /// The changes that were applied.
    pub(super) taken: Vec<Change>,
    /// The differences from the start that wait for a restart.
    pub(super) waiting: Vec<Change>,
}

/// Why a reload was refused.
#[derive(Debug)]
pub(super) enum ReloadError {
    /// The configuration is wrong.
    Config(ConfigError),
    /// A file that the configuration names is faulty.
    File(StartError),
}

impl fmt::Display for ReloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::File(error) => error.fmt(f),
        }
    }
}

impl ReloadError {
    /// Each fault with its file and line.
    pub(super) fn faults(&self) -> Vec<Fault> {
        match self {
            Self::Config(error) => error.faults(),
            Self::File(error) => vec![error.fault()],
        }
    }
}

impl Reloader {
    pub(super) fn new(
        started: &Configuration,
        sites: Vec<ListenAddress>,
        disk_bytes: u64,
        opened: &[OpenListener],
    ) -> Self {
        let facts = facts::of(started, opened);
        let (started, in_force) = (started.clone(), started.options().clone());
        Self { current: started.clone(), started, in_force, sites, disk_bytes, facts }
    }

    /// Reads everything again, and sends it to every shard.
    ///
    /// # Errors
    /// All faults; then nothing has changed.
    pub(super) fn reload(
        &mut self,
        access: &mut Access,
        controls: &mut [Control],
        admin: Option<&Admin>,
    ) -> Result<Reloaded, ReloadError> {
        let next = self.current.reread().map_err(ReloadError::Config)?;
        let (options, kept) = to_be_in_force(&self.in_force, next.options());
        let failed = |error: StartError| ReloadError::File(error.with_user());
        // Settings that wait for a restart are checked as well, so that a fault is reported now.
        let read = tls::load(&next.options().tls);
        let read = read.map_err(|error| failed(StartError::Tls(error)))?;
        let tls = read.filter(|_| !kept.contains(&TLS));
        let tokens =
            admin.map(|_| admin::load_credentials(&options)).transpose().map_err(failed)?;
        let sources = options.access.sources(tls::names_clients(&options.tls));
        let read = access.read(&sources);
        let (policy, vhosts) = read.map_err(|error| failed(StartError::Access(error)))?;
        refuse_unguarded(&options, &self.sites, &policy)
            .map_err(|error| failed(StartError::Listen(error)))?;
        access.keep_numbers(vhosts).map_err(|error| failed(StartError::Data(error)))?;
        // From here on nothing can fail.
        access.replace(policy, options.access.auth_failures_max);
        self.facts = facts::renewed(&self.facts, &next);
        let told = admin.zip(tokens);
        told.into_iter().for_each(|(admin, tokens)| {
            admin.note_reload(access, tokens, self.facts.clone(), &options);
        });
        if options.logging.filter != self.in_force.logging.filter {
            logging::set_filter(&options.logging.filter);
        }
        let shards = u16::try_from(controls.len()).expect("at most SHARDS_MAX");
        for (shard, control) in (0..shards).zip(controls) {
            let settings = self.settings(&options, ShardId(shard), shards);
            control.send(ControlMessage::Settings(Box::new(settings)));
            control.send(ControlMessage::Policy(access.policy().clone()));
            tls.iter().for_each(|tls| control.send(ControlMessage::Tls(tls.clone())));
        }
        let waits = |change: &Change| {
            change.reload == Reload::No || kept.iter().any(|it| change.name.starts_with(it))
        };
        let mut taken = self.current.changes(&next);
        taken.retain(|change| !waits(change));
        let mut waiting = self.started.changes(&next);
        waiting.retain(waits);
        self.current = next;
        self.in_force = options;
        Ok(Reloaded { taken, waiting })
    }

    /// The facts that operators see.
    pub(super) fn facts(&self) -> &Arc<Facts> {
        &self.facts
    }

    /// The options in force.
    pub(super) fn options(&self) -> &Options {
        &self.in_force
    }

    /// The configured log filter.
    pub(super) fn log_filter(&self) -> &str {
        &self.in_force.logging.filter
    }

    /// The data directory.
    pub(super) fn data_dir(&self) -> &Path {
        &self.in_force.data_dir
    }

    fn settings(&self, options: &Options, shard: ShardId, shards: u16) -> Settings {
        let session_bytes_max = options.session_bytes_max(self.disk_bytes);
        Settings {
            broker: broker::Options {
                session_limits: storage::session_limits(options, self.disk_bytes),
                ..broker_options(options, shard, shards, session_bytes_max)
            },
            retained: catalog_limits(options, shards),
            clients_max: clients_max(options, shards.into(), self.sites.len()),
            packet_bytes_max: options.packet_bytes_max,
            gather_max: Duration::from_micros(options.gather_us_max),
            addresses: address_limits(options),
            trusted: trusted(options),
            websocket: websocket::setup(options),
        }
    }
}

/// The options in force after `before` when `read` was read. Also the prefixes of the names of
/// settings that must wait for a restart although a reload could change them, because their
/// listeners are added or removed by it.
fn to_be_in_force(before: &Options, read: &Options) -> (Options, Vec<&'static str>) {
    let mut options = read.clone();
    let mut kept = Vec::new();
    if before.tls.listen.is_empty() || options.tls.cert.is_none() {
        options.tls = before.tls.clone();
        kept.push(TLS);
    }
    if options.listeners.proxy_trust.is_empty() && !before.listeners.proxy_trust.is_empty() {
        options.listeners.proxy_trust.clone_from(&before.listeners.proxy_trust);
        kept.push("proxy-trust");
    }
    let Options {
        config,
        listen,
        listeners,
        admin,
        tls,
        shards,
        pin,
        ring,
        data_dir,
        durability,
        segment_bytes,
        ..
    } = before;
    options.config.clone_from(config);
    options.listen.clone_from(listen);
    options.tls.listen.clone_from(&tls.listen);
    options.listeners.unix_mode = listeners.unix_mode;
    options.listeners.unix_owner.clone_from(&listeners.unix_owner);
    options.listeners.user.clone_from(&listeners.user);
    options.data_dir.clone_from(data_dir);
    options.admin.http_listen.clone_from(&admin.http_listen);
    options.admin.system_interval = admin.system_interval;
    options.logging.format = before.logging.format;
    (options.shards, options.pin, options.ring) = (*shards, *pin, *ring);
    (options.durability, options.segment_bytes) = (*durability, *segment_bytes);
    (options, kept)
}

/// Logs the changes that were applied and those that wait.
pub(super) fn log_changes(reloaded: &Reloaded) {
    let Reloaded { taken, waiting } = reloaded;
    for Change { name, values: [before, after], .. } in taken.iter().take(CHANGES_LOGGED_MAX) {
        info!("--{name} is {after:.200} now (it was {before:.200})");
    }
    if !waiting.is_empty() {
        let named: Vec<String> = waiting
            .iter()
            .map(|Change { name, values: [before, after], .. }| {
                format!("--{name} (started with {before:.200}; configured: {after:.200})")
            })
            .collect();
        warn!("changed, and waits for a restart: {}", named.join(", "));
    }
}
