//! The log lines of a start, with the facts that an operator needs first.

use log::{info, warn};

use crate::advice::files_max;
use crate::config::{Configuration, DiskShare, Durability, Options};
use crate::cpus::Cpus;
use crate::limits::{
    CONNECTIONS_DEFAULT, SEGMENT_BYTES_FIRST, SESSION_QUOTA_BYTES_MAX, SPARE_FILES,
};

use super::listeners::OpenListener;
use super::open_files::room_for_clients;
use super::tls;

/// Number of connections below which the limit of open files causes a warning, whatever the flags.
const CONNECTIONS_FEW: usize = 1_000;

/// The facts of a start.
pub(super) struct Announcement<'a> {
    pub(super) options: &'a Options,
    pub(super) shards: usize,
    /// The kernel interface of the shards.
    pub(super) ring: &'static str,
    pub(super) pinned: bool,
    pub(super) cpus: &'a Cpus,
    pub(super) opened: &'a [OpenListener],
    /// Bytes of messages that may wait for one session.
    pub(super) session_bytes_max: u64,
    /// Bytes of the file system.
    pub(super) disk_bytes: u64,
}

/// Logs the version first, because it also helps to find out why a start has failed.
pub(super) fn log_version() {
    let kernel = rustix::system::uname();
    let release = kernel.release().to_string_lossy();
    info!("ringmq {} on Linux {release}", env!("CARGO_PKG_VERSION"));
}

/// Logs the settings' origins that are not flags, and names that look like settings but are not.
pub(super) fn log_sources(configuration: &Configuration) {
    if let Some(file) = configuration.file() {
        info!("configuration file {}", file.display());
    }
    let variables = configuration.variables();
    if !variables.is_empty() {
        info!("set by the environment: {}", variables.join(", "));
    }
    configuration.warnings().iter().for_each(|warning| warn!("{warning}"));
}

impl Announcement<'_> {
    pub(super) fn log(&self) {
        self.log_storage();
        self.log_users();
        self.log_shards();
        self.log_descriptors();
        self.log_listeners();
    }

    fn log_storage(&self) {
        let Options { data_dir, durability, segment_bytes, .. } = self.options;
        let durability = match durability {
            Durability::Disk => "disk: what is acknowledged survives a power loss",
            Durability::Os => "os: what is acknowledged survives a killed broker, not a power loss",
        };
        let data_dir = data_dir.canonicalize().unwrap_or_else(|_| data_dir.clone());
        info!("data directory {}, durability {durability}", data_dir.display());
        let (files, first) = (SPARE_FILES * self.shards, SEGMENT_BYTES_FIRST.min(*segment_bytes));
        let low = match self.options.disk_low {
            None => "less than 1 GiB or 5 %".to_owned(),
            Some(DiskShare::Bytes(0) | DiskShare::Percent(0)) => "nothing".to_owned(),
            Some(DiskShare::Bytes(bytes)) => format!("less than {}", Size(bytes)),
            Some(DiskShare::Percent(percent)) => format!("less than {percent} %"),
        };
        info!(
            "disk: {files} files allocated ahead, {} each at first, up to {} when much is written \
             (--segment-bytes); publishers wait when {low} is free (--disk-low)",
            Size(first),
            Size(*segment_bytes)
        );
        let waiting = match self.session_bytes_max {
            SESSION_QUOTA_BYTES_MAX => "any number of bytes".to_owned(),
            bytes => Size(bytes).to_string(),
        };
        let total = Size(self.disk_bytes);
        info!(
            "messages that may wait for one session: {waiting} (--session-max-bytes); the file \
             system has {total}"
        );
    }

    fn log_users(&self) {
        let access = &self.options.access;
        let files = [("--passwords", &access.passwords), ("--vhosts", &access.vhosts)];
        let files: Vec<String> = files
            .into_iter()
            .filter_map(|(flag, file)| Some(format!("{flag} {}", file.as_ref()?.display())))
            .collect();
        match (files.is_empty(), access.allow_anonymous) {
            (true, true) => info!("no users: everybody may connect (--allow-anonymous)"),
            (true, false) if tls::requires_certificates(&self.options.tls) => info!(
                "no users: clients of this host may connect, and by TLS those with a certificate \
                 (--tls-client-ca)"
            ),
            (true, false) => info!("no users: clients of this host may connect"),
            (false, true) => {
                info!("users: {}; others too (--allow-anonymous)", files.join(", "));
            }
            (false, false) => info!("users: {}", files.join(", ")),
        }
    }

    fn log_shards(&self) {
        let Self { shards, cpus, ring, .. } = *self;
        let s = if shards == 1 { "" } else { "s" };
        let pinned = if self.pinned { "pinned" } else { "not pinned" };
        info!("{shards} shard{s} on {ring}, {pinned}");
        let usable = cpus.default_shards();
        if self.options.shards.is_none() && usable > shards {
            info!(
                "{usable} CPUs could be used, and the data directory was made for {shards} \
                 shard{s}, which cannot be changed: a new one would have {usable}"
            );
        }
    }

    /// Logs how many connections the limit of open files allows.
    fn log_descriptors(&self) {
        let room = room_for_clients(self.options, self.shards, self.opened.len());
        let (Some(limit), Some(room)) = (files_max(), room) else {
            return info!("any number of connections by the limit of open files");
        };
        let asked = self.options.connections_max;
        let is_asked_for = asked != CONNECTIONS_DEFAULT && asked > room;
        if is_asked_for || room < CONNECTIONS_FEW {
            warn!(
                "room for {room} clients only, by the limit of {limit} open files, and \
                 --max-connections is {asked}: raise the limit (ulimit -Hn, LimitNOFILE=)"
            );
        } else {
            info!("room for {room} clients, by the limit of {limit} open files");
        }
    }

    /// Logs the addresses of the listeners.
    fn log_listeners(&self) {
        let open = self.opened.iter().filter(|open| !open.listen.is_local());
        for OpenListener { listen, .. } in open.filter(|_| self.options.access.allow_anonymous) {
            let at = &listen.at;
            warn!("{at} is reachable from other hosts, and --allow-anonymous lets all in");
        }
        for open in self.opened {
            info!("listening on {open}");
        }
    }
}

/// Bytes for people, rounded down to tenths of a unit.
struct Size(u64);

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let units = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
        match units.into_iter().find(|(bits, _)| self.0 >> bits > 0) {
            Some((bits, unit)) if self.0.is_multiple_of(1 << bits) => {
                write!(f, "{} {unit}", self.0 >> bits)
            }
            Some((bits, unit)) => {
                let tenths = (u128::from(self.0) * 10) >> bits;
                write!(f, "{}.{} {unit}", tenths / 10, tenths % 10)
            }
            None => write!(f, "{} bytes", self.0),
        }
    }
}
