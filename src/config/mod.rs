//! The command line as validated options.
//!
//! [`Options`] is plain data: every value that exists is within its bound in [`crate::limits`].
//! `main` parses it once and lends it to the server; nothing below reads a flag, and of the
//! environment only what a service manager puts there.

mod abuse;
mod access;
mod command;
mod doors;
mod ignored;
mod listen;
mod logging;
mod tls;
mod values;

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::num::NonZero;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{
    ArgAction, ArgMatches, CommandFactory, FromArgMatches, Parser, ValueEnum, value_parser,
};

use crate::limits;

pub use abuse::AbuseOptions;
pub use access::{Access, OnDenied, Takeover};
pub use command::{Command, Passwd, SessionAct, VhostAct};
pub use doors::{Cidr, DoorOptions, Owner};
pub use listen::{Endpoint, Listen, ListenRequest, Place};
pub use logging::{LogFormat, LogOptions, Switch};
pub use tls::{ServerName, TlsClients, TlsIdentity, TlsMin, TlsOptions};

use listen::parse_listen;
use values::{
    connections, parse_disk_low, parse_outgoing_bytes, parse_packet_bytes, parse_patience_ms,
    parse_retained_bytes, parse_segment_bytes, parse_session_bytes, parse_session_expiry,
    parse_shards,
};

/// What the broker was asked to do.
#[derive(Parser, Clone, Debug, PartialEq, Eq)]
#[command(
    name = "ringmq",
    version,
    about = "An MQTT 3.1.1 broker for Linux, on io_uring or epoll",
    after_help = "BYTES is a number with KiB, MiB, GiB, TiB or nothing after it; \
                  DURATION is a number with ms, s, m, h or d after it, or 0."
)]
pub struct Options {
    /// Address to accept MQTT on, or the path of a Unix socket; may be given several times. A name
    /// is a host's or an interface's and stands for all its addresses, a port alone for all of this
    /// host. Port 0 lets the system pick a free one, which is logged. With ",proxy" behind it, as
    /// in 0.0.0.0:1883,proxy, each connection must begin with a PROXY protocol header, version 1
    /// or 2
    #[arg(
        long,
        value_name = "[ADDR|NAME]:PORT|unix:PATH",
        default_value = "127.0.0.1:1883",
        value_parser = parse_listen,
        help_heading = "Network"
    )]
    pub listen: Vec<ListenRequest>,

    /// More about them, and as whom to run.
    #[command(flatten)]
    pub doors: DoorOptions,

    /// Who may connect and what they may do.
    #[command(flatten)]
    pub access: Access,
    /// TLS.
    #[command(flatten)]
    pub tls: TlsOptions,

    /// Clients connected at once; one more is answered with CONNACK 3, server unavailable
    #[arg(
        long = "max-connections",
        value_name = "N",
        default_value_t = limits::CONNECTIONS_DEFAULT,
        value_parser = connections(),
        help_heading = "Limits"
    )]
    pub connections_max: usize,

    /// Largest packet a client may send, header included; a larger one closes its connection
    #[arg(
        long = "max-packet-size",
        value_name = "BYTES",
        default_value = "16MiB",
        value_parser = parse_packet_bytes,
        help_heading = "Limits"
    )]
    pub packet_bytes_max: usize,

    /// Output held for one client that reads too slowly; when it is full the clients that publish
    /// to it wait for --qos0-patience, then QoS 0 to it is dropped and QoS 1 waits in its session
    #[arg(
        long = "max-outgoing-bytes",
        value_name = "BYTES",
        default_value = "1MiB",
        value_parser = parse_outgoing_bytes,
        help_heading = "Limits"
    )]
    pub outgoing_bytes_max: usize,

    /// How long a client that reads too slowly may hold its publishers back; 0 drops at once
    #[arg(
        long = "qos0-patience",
        value_name = "DURATION",
        default_value = "20ms",
        value_parser = parse_patience_ms,
        help_heading = "Limits"
    )]
    pub qos0_patience_ms: u64,

    /// QoS 1 and 2 messages on the way to one client before it acknowledges the first of them
    #[arg(
        long = "max-inflight",
        value_name = "N",
        default_value_t = limits::INFLIGHT_DEFAULT,
        value_parser = value_parser!(u16).range(1..),
        help_heading = "Limits"
    )]
    pub inflight_max: u16,

    /// What one address or one client may ask.
    #[command(flatten)]
    pub abuse: AbuseOptions,

    /// Threads that serve clients, 1 to 64 [default: those --data-dir was made with, or the CPUs
    /// this process may use]
    #[arg(
        long,
        value_name = "N",
        value_parser = parse_shards,
        help_heading = "Shards"
    )]
    pub shards: Option<NonZero<usize>>,

    /// Let the system move the shards between CPUs. They are never pinned where a CPU quota is
    /// lower than the number of CPUs
    #[arg(long = "no-pin", action = ArgAction::SetFalse, help_heading = "Shards")]
    pub pin: bool,

    /// What the shards ask the kernel with
    #[arg(
        long,
        value_enum,
        value_name = "RING",
        default_value_t = RingKind::Auto,
        help_heading = "Shards"
    )]
    pub ring: RingKind,

    /// Directory of sessions, waiting messages and retained messages, made if it is missing. One
    /// ringmq may use it at a time, always with the number of shards it was made with
    #[arg(
        long = "data-dir",
        value_name = "DIR",
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

    /// How long the session of a client that stays away is kept; 0 keeps it for ever
    #[arg(
        long = "session-expiry",
        value_name = "DURATION",
        default_value = "14d",
        value_parser = parse_session_expiry,
        help_heading = "Storage"
    )]
    pub session_expiry: SessionExpiry,

    /// Messages that may wait for one session; --session-overflow says what comes then
    #[arg(
        long = "session-max-bytes",
        value_name = "BYTES",
        default_value = "1GiB",
        value_parser = parse_session_bytes,
        help_heading = "Storage"
    )]
    pub session_bytes_max: u64,

    /// What happens when a message comes for a session that is full
    #[arg(
        long = "session-overflow",
        value_enum,
        value_name = "POLICY",
        default_value_t = SessionOverflow::DropOldest,
        help_heading = "Storage"
    )]
    pub session_overflow: SessionOverflow,

    /// Topics with a retained message; one for a topic more is delivered and not retained
    #[arg(
        long = "retained-max-count",
        value_name = "N",
        default_value_t = limits::RETAINED_TOTAL_DEFAULT,
        value_parser = value_parser!(u64).range(..=limits::RETAINED_TOTAL_MAX),
        help_heading = "Storage"
    )]
    pub retained_max: u64,

    /// All retained messages with their topics; one more is delivered and not retained
    #[arg(
        long = "retained-max-bytes",
        value_name = "BYTES",
        default_value = "8GiB",
        value_parser = parse_retained_bytes,
        help_heading = "Storage"
    )]
    pub retained_bytes_max: u64,

    /// Free space of the file system, in BYTES or percent of its size (P%), below which publishers
    /// wait; 0 lets them fill it [default: 1GiB, or 5% if that is less]
    #[arg(
        long = "disk-low",
        value_name = "BYTES|P%",
        value_parser = parse_disk_low,
        help_heading = "Storage"
    )]
    pub disk_low: Option<DiskLow>,

    /// Size of the files that messages are stored in; a few of them are allocated ahead for each
    /// shard
    #[arg(
        long = "segment-bytes",
        value_name = "BYTES",
        default_value = "64MiB",
        value_parser = parse_segment_bytes,
        hide_short_help = true,
        help_heading = "Storage"
    )]
    pub segment_bytes: u64,

    /// What is logged, and how it looks.
    #[command(flatten)]
    pub logging: LogOptions,
}

/// What the shards ask the kernel with.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum RingKind {
    /// io_uring where it works for every shard, else epoll with a warning that says why
    Auto,
    /// io_uring, or the broker does not start
    #[value(name = "io_uring")]
    IoUring,
    /// epoll, which takes more CPU time for each message
    Epoll,
}

/// When a message counts as stored.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// When the disk has it (fdatasync): it survives a power loss
    Disk,
    /// When the system has it (write): it survives a killed broker, not a power loss
    Os,
}

/// How long the session of a client that stays away is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionExpiry {
    /// For ever.
    Never,
    /// So many milliseconds, from 1 to [`limits::SESSION_EXPIRY_MS_MAX`].
    AfterMs(u64),
}

/// What happens when a message comes for a session that is full.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionOverflow {
    /// The messages that wait longest in it are dropped
    DropOldest,
    /// The new one is dropped for this session
    DropNewest,
    /// Its publisher waits until there is room again
    Block,
}

/// The free space below which publishers wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskLow {
    /// Bytes; 0 is never reached.
    Bytes(u64),
    /// Hundredths of the file system, 0 to 99; 0 is never reached.
    Percent(u8),
}

impl DiskLow {
    /// The free bytes below which publishers wait, on a file system of `total` bytes.
    pub fn bytes(self, total: u64) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Percent(percent) => total / 100 * u64::from(percent),
        }
    }
}

impl Options {
    /// Options from `args`, the program's name first.
    ///
    /// # Errors
    /// Names the flag, the value and what the flag takes. `--help` and `--version` are errors too.
    pub fn from_args<I, T>(args: I) -> Result<Self, clap::Error>
    where
        I: IntoIterator<Item = T>,
        T: Into<OsString> + Clone,
    {
        let given = Self::command().try_get_matches_from(args)?;
        Self::from_arg_matches(&given)?.checked(&given)
    }

    /// What one flag alone cannot know.
    pub(super) fn checked(self, given: &ArgMatches) -> Result<Self, clap::Error> {
        let mut all = self.listen.iter().chain(&self.tls.listen);
        if let Some(listen) = all.find(|listen| listen.needs_trust())
            && self.doors.proxy_trust.is_empty()
        {
            let says = format!(
                "the listener {listen} needs --proxy-trust: the addresses of the proxies that may \
                 connect, as in --proxy-trust 10.0.0.0/8"
            );
            return Err(Self::command().error(ErrorKind::MissingRequiredArgument, says));
        }
        ignored::refuse(&self, given)?;
        Ok(self)
    }

    /// The free bytes below which publishers wait, on a file system of `total` bytes; 0: they never
    /// do.
    pub fn disk_low_bytes(&self, total: u64) -> u64 {
        let usual = || {
            let share = DiskLow::Percent(limits::DISK_LOW_PERCENT_DEFAULT).bytes(total);
            share.min(limits::DISK_LOW_BYTES_DEFAULT)
        };
        self.disk_low.map_or_else(usual, |low| low.bytes(total))
    }
}

impl Default for Options {
    /// What an empty command line gives.
    fn default() -> Self {
        Self::from_args(["ringmq"]).expect("no flag is required and the defaults are tested")
    }
}
