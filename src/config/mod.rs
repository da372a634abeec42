//! Flags, environment and configuration file as validated options.
//!
//! [`Options`] is plain data: each value is within its bound in [`crate::limits`]. A
//! [`Configuration`] is options with the origin of each; it can be read again while the broker
//! runs. Nothing below the server reads a flag. From the environment it reads only the variables of
//! a service manager.

mod abuse;
mod access;
mod account_verbs;
mod admin;
mod admin_address;
mod command;
mod configuration;
mod ctl;
mod environment;
mod fault;
mod file;
mod flags;
mod group_verbs;
mod groups;
mod ignored;
mod listen;
mod listeners;
mod logging;
mod lookup_verbs;
mod mqtt5;
mod operating_verbs;
mod origin;
mod session_limit;
mod table;
mod tls;
mod trace_verbs;
mod values;
mod verb;
mod verbs;
mod watch;
mod websocket;

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::num::NonZero;
use std::path::PathBuf;

use clap::{ArgAction, ArgMatches, CommandFactory, FromArgMatches, Parser, ValueEnum, ValueHint};

use crate::limits;

pub use abuse::AbuseOptions;
pub use access::{Access, OnDenied, Takeover};
pub use admin::{AdminOptions, HttpIdentity, HttpListen, SystemInterval};
pub use admin_address::AdminAddress;
pub use command::{Command, DataAct, Passwd, SessionAct, VhostAct};
pub use configuration::{ConfigError, Configuration, Given};
pub use ctl::{Ctl, parse_interval_ms};
pub use fault::Fault;
pub use groups::{GroupOptions, GroupOrder};
pub use listen::{Endpoint, Listen, ListenRequest, Place};
pub use listeners::{Cidr, ListenerOptions, Owner};
pub use logging::{LogFormat, LogOptions, Switch};
pub use mqtt5::V5Options;
pub use origin::Origin;
pub use session_limit::{SessionLimit, SessionOverflow};
pub use table::{Change, Reload, Row};
pub use tls::{ServerName, TlsClients, TlsIdentity, TlsMin, TlsOptions};
pub use values::{DiskShare, SessionExpiry, parse_log_filter};
pub use verb::{Columns, Kind, Parameter, Verb, View};
pub use verbs::verbs;
pub use watch::WatchedSessions;
pub use websocket::{Accepts, PageOrigin, WebSocketOptions};

use fault::Misfit;
use listen::parse_listen;
use session_limit::parse_session_limit;
use values::{
    parse_connections, parse_disk_low, parse_gather_us, parse_inflight, parse_outgoing_bytes,
    parse_packet_bytes, parse_patience_ms, parse_retained_bytes, parse_retained_count,
    parse_segment_bytes, parse_session_bytes, parse_session_expiry, parse_shards,
};

/// The broker's options.
#[derive(Parser, Clone, Debug, PartialEq, Eq)]
#[command(
    name = "ringmq",
    version,
    about = "An MQTT 3.1, 3.1.1 and 5 broker for Linux, on io_uring or epoll",
    after_help = "BYTES is a number with KiB, MiB, GiB, TiB or nothing after it; \
                  DURATION is a number with ms, s, m, h or d after it, or 0. \
                  For a limit, 0 means: no limit."
)]
pub struct Options {
    /// Where to accept MQTT: ADDR:PORT, NAME:PORT, PORT or unix:PATH; may be given several times.
    ///
    /// NAME is a host or an interface and stands for all its addresses; PORT alone stands for all
    /// addresses of this host. Port 0 lets the system pick a free port, which is logged. With
    /// `,proxy` behind it, as in `0.0.0.0:1883,proxy`, each connection must begin with a PROXY
    /// protocol header of version 1 or 2. A listener accepts both MQTT and MQTT over WebSocket and
    /// recognises which by the client's first bytes; `,mqtt` or `,ws` after the address accepts
    /// only that one.
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value = "127.0.0.1:1883",
        value_parser = parse_listen,
        help_heading = "Network"
    )]
    pub listen: Vec<ListenRequest>,

    /// Flags of listeners, and the user to run as.
    #[command(flatten)]
    pub listeners: ListenerOptions,

    /// Flags of WebSocket.
    #[command(flatten)]
    pub websocket: WebSocketOptions,

    /// Flags of access control.
    #[command(flatten)]
    pub access: Access,
    /// Flags of TLS.
    #[command(flatten)]
    pub tls: TlsOptions,

    /// Clients connected at once; one more is answered with CONNACK 3, server unavailable
    #[arg(
        long = "max-connections",
        value_name = "N",
        default_value_t = limits::CONNECTIONS_DEFAULT,
        value_parser = parse_connections,
        help_heading = "Limits"
    )]
    pub connections_max: usize,

    /// Largest packet that a client may send, header included; the broker closes the connection of
    /// a client that sends a larger one
    #[arg(
        long = "max-packet-size",
        value_name = "BYTES",
        default_value = "16MiB",
        value_parser = parse_packet_bytes,
        help_heading = "Limits"
    )]
    pub packet_bytes_max: usize,

    /// Bytes of output that the broker holds for one client that reads too slowly.
    ///
    /// At this limit the clients that publish to it wait for --qos0-patience. After that, QoS 0
    /// messages to it are dropped, and QoS 1 and 2 messages wait in its session.
    #[arg(
        long = "max-outgoing-bytes",
        value_name = "BYTES",
        default_value = "1MiB",
        value_parser = parse_outgoing_bytes,
        help_heading = "Limits"
    )]
    pub outgoing_bytes_max: usize,

    /// How long a client that reads too slowly may delay its publishers before the broker drops
    /// QoS 0 messages to it; 0: no time
    #[arg(
        long = "qos0-patience",
        value_name = "DURATION",
        default_value = "20ms",
        value_parser = parse_patience_ms,
        help_heading = "Limits"
    )]
    pub qos0_patience_ms: u64,

    /// How much longer a shard may sleep, or hold back a write to the log, when messages come so
    /// often that it then handles several at once; 0: never longer
    #[arg(
        long = "gather-max",
        value_name = "DURATION",
        default_value = "500us",
        value_parser = parse_gather_us,
        help_heading = "Limits"
    )]
    pub gather_us_max: u64,

    /// QoS 1 and 2 messages that were sent to one client and are not yet acknowledged
    #[arg(
        long = "max-inflight",
        value_name = "N",
        default_value_t = limits::INFLIGHT_DEFAULT,
        value_parser = parse_inflight,
        help_heading = "Limits"
    )]
    pub inflight_max: u16,

    /// Limits for one address or one client.
    #[command(flatten)]
    pub abuse: AbuseOptions,

    /// Flags of MQTT 5.
    #[command(flatten)]
    pub v5: V5Options,

    /// Flags of consumer groups.
    #[command(flatten)]
    pub groups: GroupOptions,

    /// Threads that serve clients, 1 to 64 [default: CPUs].
    ///
    /// The default is the number that --data-dir was created with. For a new directory it is the
    /// number of CPUs that this process may use, by affinity and CPU quota.
    #[arg(
        long,
        value_name = "N",
        value_parser = parse_shards,
        help_heading = "Shards"
    )]
    pub shards: Option<NonZero<usize>>,

    /// Let the system move the shards' threads between CPUs.
    ///
    /// If a CPU quota is lower than the number of CPUs, the threads are never pinned.
    #[arg(long = "no-pin", action = ArgAction::SetFalse, help_heading = "Shards")]
    pub pin: bool,

    /// Kernel interface that the shards use
    #[arg(
        long,
        value_enum,
        value_name = "RING",
        default_value_t = RingKind::Auto,
        help_heading = "Shards"
    )]
    pub ring: RingKind,

    /// Directory for sessions, waiting messages and retained messages; created if it is missing.
    ///
    /// Only one ringmq may use it at a time, and always with the number of shards it was created
    /// with.
    #[arg(
        long = "data-dir",
        value_name = "DIR",
        value_hint = ValueHint::DirPath,
        default_value = "./ringmq-data",
        help_heading = "Storage"
    )]
    pub data_dir: PathBuf,

    /// When a QoS 1 or 2 message counts as stored and is acknowledged
    #[arg(
        long,
        value_enum,
        value_name = "WHEN",
        default_value_t = Durability::Disk,
        help_heading = "Storage"
    )]
    pub durability: Durability,

    /// How long the broker keeps the session of an absent client; 0: for ever
    #[arg(
        long = "session-expiry",
        value_name = "DURATION",
        default_value = "14d",
        value_parser = parse_session_expiry,
        help_heading = "Storage"
    )]
    pub session_expiry: SessionExpiry,

    /// Messages that may wait for one session, in BYTES or as a share of the file system (P%)
    /// [default: 10%, at least 1GiB].
    ///
    /// --session-overflow says what happens when the session is full.
    #[arg(
        long = "session-max-bytes",
        value_name = "BYTES|P%",
        value_parser = parse_session_bytes,
        help_heading = "Storage"
    )]
    pub session_bytes_max: Option<DiskShare>,

    /// What happens to a message for a session that is full
    #[arg(
        long = "session-overflow",
        value_enum,
        value_name = "POLICY",
        default_value_t = SessionOverflow::DropOldest,
        help_heading = "Storage"
    )]
    pub session_overflow: SessionOverflow,

    /// Bounds of the sessions of one client id, or of all that begin with BEGINNING; may be given
    /// 16 times, and the first that names a client holds.
    ///
    /// What a limit leaves out is as --session-max-bytes and --session-overflow say for all. A
    /// session that must not lose messages while its client is away needs a large share of the disk
    /// and `overflow=block`, as in bridge-*,bytes=40%,overflow=block for the sessions of
    /// ringmq-bridge. Clean sessions have no other bounds than all.
    #[arg(
        long = "session-limit",
        value_name = "ID|BEGINNING*,bytes=BYTES|P%,overflow=POLICY",
        value_parser = parse_session_limit,
        help_heading = "Storage"
    )]
    pub session_limits: Vec<SessionLimit>,

    /// Topics that may have a retained message; a message to a further topic is delivered but not
    /// retained
    #[arg(
        long = "retained-max-count",
        value_name = "N",
        default_value_t = limits::RETAINED_TOTAL_DEFAULT,
        value_parser = parse_retained_count,
        help_heading = "Storage"
    )]
    pub retained_max: u64,

    /// Bytes of all retained messages with their topics; a message above the limit is delivered but
    /// not retained
    #[arg(
        long = "retained-max-bytes",
        value_name = "BYTES",
        default_value = "8GiB",
        value_parser = parse_retained_bytes,
        help_heading = "Storage"
    )]
    pub retained_bytes_max: u64,

    /// Free space of the file system, in BYTES or as a share of its size (P%), below which
    /// publishers must wait; 0: none [default: 1GiB, or 5% if that is less]
    #[arg(
        long = "disk-low",
        value_name = "BYTES|P%",
        value_parser = parse_disk_low,
        help_heading = "Storage"
    )]
    pub disk_low: Option<DiskShare>,

    /// Size of the files that hold messages.
    ///
    /// A few files are allocated ahead for each shard. The first have 1 MiB; later files grow with
    /// the amount of data that is written.
    #[arg(
        long = "segment-bytes",
        value_name = "BYTES",
        default_value = "64MiB",
        value_parser = parse_segment_bytes,
        hide_short_help = true,
        help_heading = "Storage"
    )]
    pub segment_bytes: u64,

    /// Flags of the operators' HTTP interface.
    #[command(flatten)]
    pub admin: AdminOptions,

    /// Flags of logging.
    #[command(flatten)]
    pub logging: LogOptions,

    /// A configuration file in TOML: each key is the long name of a flag.
    ///
    /// Flags and variables RINGMQ_… take precedence over it. SIGHUP makes the broker read it again.
    #[arg(long, value_name = "FILE", help_heading = "Configuration")]
    pub config: Option<PathBuf>,
}

/// The kernel interface of the shards.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum RingKind {
    /// io_uring if it works for every shard; otherwise epoll, with a warning that gives the reason
    Auto,
    /// io_uring; if it does not work, the broker does not start
    #[value(name = "io_uring")]
    IoUring,
    /// epoll, which needs more CPU time for each message
    Epoll,
}

/// When a message counts as stored.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// After fdatasync: the message survives a power loss
    Disk,
    /// After the write: the message survives a killed broker, but not a power loss
    Os,
}

impl Options {
    /// Parses options from `args`; the first of them is the program's name.
    ///
    /// # Errors
    /// The error names the flag, the value and what the flag accepts. `--help` and `--version` are
    /// also returned as errors.
    pub fn from_args<I, T>(args: I) -> Result<Self, clap::Error>
    where
        I: IntoIterator<Item = T>,
        T: Into<OsString> + Clone,
    {
        let given = Self::command().try_get_matches_from(args)?;
        let options = Self::from_arg_matches(&given)?;
        options.check(&given)?;
        Ok(options)
    }

    /// Checks what depends on several flags.
    fn check(&self, given: &ArgMatches) -> Result<(), Misfit> {
        let plain = self.listen.iter().map(|listen| ("listen", listen));
        let sealed = self.tls.listen.iter().map(|listen| ("tls-listen", listen));
        if let Some((flag, listen)) = plain.chain(sealed).find(|(_, listen)| listen.needs_trust())
            && self.listeners.proxy_trust.is_empty()
        {
            let says = format!(
                "the listener {listen} needs --proxy-trust: the addresses of the proxies that may \
                 connect, as in --proxy-trust 10.0.0.0/8"
            );
            return Err(Misfit { flag, says });
        }
        if self.session_limits.len() > limits::SESSION_LIMITS_MAX {
            let most = limits::SESSION_LIMITS_MAX;
            let says = format!(
                "--session-limit may be given {most} times; let one name more sessions, as in \
                 bridge-*"
            );
            return Err(Misfit { flag: "session-limit", says });
        }
        if self.admin.watch_sessions.len() > limits::WATCH_PATTERNS_MAX {
            let most = limits::WATCH_PATTERNS_MAX;
            let says = format!(
                "--watch-session may be given {most} times; let one name more sessions, as in \
                 plant/line-*"
            );
            return Err(Misfit { flag: "watch-session", says });
        }
        if let Some(HttpListen::Address(at)) = self.admin.http_listen
            && self.admin.is_reached_by_others()
            && self.admin.http_identity(&self.tls).is_none()
        {
            let says = format!(
                "other hosts would reach --http-listen {at}, and tokens would pass the network \
                 unencrypted: add --http-cert and --http-key, or listen on 127.0.0.1:{} and have \
                 an SSH tunnel there",
                at.port()
            );
            return Err(Misfit { flag: "http-listen", says });
        }
        self.refuse_ignored(given)
    }

    /// The number of free bytes below which publishers wait, on a file system of `total` bytes.
    /// With 0 they never wait.
    pub fn disk_low_bytes(&self, total: u64) -> u64 {
        let usual = || {
            let share = DiskShare::Percent(limits::DISK_LOW_PERCENT_DEFAULT).bytes(total);
            share.min(limits::DISK_LOW_BYTES_DEFAULT)
        };
        self.disk_low.map_or_else(usual, |low| low.bytes(total))
    }

    /// Bytes of messages that may wait for one session, on a file system of `total` bytes; 0 if the
    /// size is not known.
    pub fn session_bytes_max(&self, total: u64) -> u64 {
        let usual = || {
            let share = DiskShare::Percent(limits::SESSION_QUOTA_PERCENT_DEFAULT).bytes(total);
            share.max(limits::SESSION_QUOTA_BYTES_DEFAULT)
        };
        let bytes = self.session_bytes_max.map_or_else(usual, |share| share.bytes(total));
        bytes.clamp(limits::SESSION_QUOTA_BYTES_MIN, limits::SESSION_QUOTA_BYTES_MAX)
    }
}

impl Default for Options {
    /// The options of an empty command line.
    fn default() -> Self {
        Self::from_args(["ringmq"]).expect("no flag is required and the defaults are tested")
    }
}
