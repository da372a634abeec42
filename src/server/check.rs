//! Reads everything that a start would read, without starting: it binds, creates and changes
//! nothing.
//!
//! Anything that would stop a start is an error; anything that it would warn about is a warning.
//! All findings are reported: each part is checked unless it needs a part that is faulty.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use log::{Level, LevelFilter, Metadata, Record};
use rustix::fs::{Access, access};

use crate::access::Policy;
use crate::admin::Tokens;
use crate::config::{Configuration, Endpoint, Fault, Given, Options};
use crate::cpus;
use crate::disk::{Directory, DirectoryError};
use crate::limits::VHOSTS_MAX;

use super::open_files::{self, raise_open_files, room_for_clients};
use super::places::{self, ListenAddress};
use super::privileges::{self, Account};
use super::storage::Storage;
use super::{StartError, listeners, tls};

/// The severity of a finding.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Severity {
    /// The broker would start.
    Warning,
    /// It would not.
    Error,
}

/// A finding.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// Its severity.
    pub severity: Severity,
    /// Its text, with the place.
    pub fault: Fault,
}

/// The findings so far.
#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, severity: Severity, fault: Fault) {
        self.0.push(Finding { severity, fault });
    }

    /// Returns the value, or adds the error.
    fn take<T>(&mut self, result: Result<T, StartError>) -> Option<T> {
        result.map_err(|error| self.add(Severity::Error, error.with_user().fault())).ok()
    }
}

/// Reads everything that a start would read; returns the findings in the order in which a start
/// would meet them. Warnings are captured from the log, so the process must have no other logger.
pub fn check(given: &Given) -> Vec<Finding> {
    // If there is another logger, it keeps its messages, and none is lost.
    let _taken = log::set_logger(&COLLECTOR).map(|()| log::set_max_level(LevelFilter::Warn));
    let mut findings = Findings::default();
    match given.read() {
        Ok(configuration) => check_all(&configuration, &mut findings),
        Err(error) => {
            error.faults().into_iter().for_each(|fault| findings.add(Severity::Error, fault));
        }
    }
    for (level, text) in COLLECTOR.take() {
        let severity = if level == Level::Error { Severity::Error } else { Severity::Warning };
        findings.add(severity, Fault::plain(text));
    }
    findings.0
}

fn check_all(configuration: &Configuration, findings: &mut Findings) {
    let options = configuration.options();
    let warnings = configuration.warnings().iter().cloned();
    warnings.for_each(|fault| findings.add(Severity::Warning, fault));
    raise_open_files();
    check_user(options, findings);
    let sites = findings.take(places::resolve(options).map_err(StartError::Listen));
    let sites = sites.as_deref().unwrap_or_default();
    check_sockets(options, sites, findings);
    let default_shards = cpus::available().default_shards();
    if let Some(shards) = findings.take(Storage::check(options, default_shards)) {
        check_files(options, shards, sites, findings);
    }
    findings.take(tls::load(&options.tls).map_err(StartError::Tls));
    findings.take(tls::load_http(options).map_err(StartError::Tls));
    if let Some(file) = options.admin.http_tokens.as_deref() {
        findings.take(Tokens::check(file).map_err(StartError::Tokens));
    }
    if let Some(policy) = findings.take(read_policy(options)) {
        let unguarded = places::refuse_unguarded(options, sites, &policy);
        findings.take(unguarded.map_err(StartError::Listen));
    }
}

/// Checks whether the broker could run as the requested user.
fn check_user(options: &Options, findings: &mut Findings) {
    let Some(user) = &options.listeners.user else {
        let data_dir = &options.data_dir;
        // A missing directory is created at the start; whether that works is known only then.
        if data_dir.is_dir()
            && let Err(error) = access(data_dir, Access::WRITE_OK | Access::EXEC_OK)
        {
            let (path, error) = (data_dir.clone(), error.into());
            let error = DirectoryError::System { doing: "write into", path, error };
            findings.take(Err::<(), _>(StartError::DataOf(privileges::own_name(), error)));
        }
        return;
    };
    let account = Account::find(user).and_then(|account| account.check());
    findings.take(account.map_err(StartError::Privileges));
}

/// Checks whether the Unix sockets could be created.
fn check_sockets(options: &Options, sites: &[ListenAddress], findings: &mut Findings) {
    let owner = options.listeners.unix_owner.as_ref();
    if let Some(owner) = owner {
        findings.take(privileges::resolve(owner).map_err(StartError::Privileges));
    }
    let paths = sites.iter().filter_map(|site| match &site.listen.at {
        Endpoint::Unix(path) => Some(path),
        Endpoint::Tcp(_) => None,
    });
    for path in paths {
        findings.take(listeners::check_unix(path));
    }
}

/// Checks whether the limit of open files suffices, for the broker and for the requested number of
/// clients.
fn check_files(options: &Options, shards: usize, sites: &[ListenAddress], findings: &mut Findings) {
    if findings.take(open_files::check_open_files(options, shards, sites.len())).is_none() {
        return;
    }
    let asked = options.connections_max;
    let is_default = asked == crate::limits::CONNECTIONS_DEFAULT;
    let room =
        room_for_clients(options, shards, sites.len()).filter(|room| !is_default && *room < asked);
    if let Some(room) = room {
        let says = format!(
            "is {asked}, and this process may have files for {room} clients only: raise the limit \
             (ulimit -Hn, LimitNOFILE=)"
        );
        let key = Some("--max-connections".to_owned());
        findings.add(Severity::Warning, Fault { key, says, ..Fault::default() });
    }
}

/// The policy that a start would have. A new vhost gets a temporary number.
fn read_policy(options: &Options) -> Result<Policy, StartError> {
    let known = known_vhosts(&options.data_dir)?;
    let mut next = known.iter().map(|(number, _)| number + 1).max().unwrap_or(1);
    let mut number = |name: &str| {
        let found = known.iter().find(|(_, known)| known == name).map(|(number, _)| *number);
        if found.is_none() && usize::from(next) >= VHOSTS_MAX {
            return Err(format!("there were {VHOSTS_MAX} vhosts in this data directory already"));
        }
        next += u16::from(found.is_none());
        Ok(found.unwrap_or(next - 1))
    };
    let sources = options.access.sources(tls::names_clients(&options.tls));
    Policy::load(&sources, &mut number).map_err(StartError::Access)
}

fn known_vhosts(data_dir: &Path) -> Result<Vec<(u16, String)>, StartError> {
    match Directory::vhosts_at(data_dir) {
        Ok(vhosts) => Ok(vhosts.iter().map(|(number, name)| (number, name.to_owned())).collect()),
        Err(error @ DirectoryError::MalformedVhosts(_)) => Err(StartError::Data(error)),
        // Other faults of the directory were found before.
        Err(_) => Ok(Vec::new()),
    }
}

/// A logger that keeps warnings instead of writing them.
struct Collector(Mutex<Vec<(Level, String)>>);

static COLLECTOR: Collector = Collector(Mutex::new(Vec::new()));

impl Collector {
    fn take(&self) -> Vec<(Level, String)> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl log::Log for Collector {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= Level::Warn
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let kept = (record.level(), record.args().to_string());
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(kept);
        }
    }

    fn flush(&self) {}
}
