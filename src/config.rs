//! The command line as validated options.
//!
//! [`Options`] is plain data: every value that exists is within its bound in [`crate::limits`].
//! `main` parses it once and lends it to the server; nothing below reads a flag or the environment.

use std::ffi::OsString;
use std::fmt::Display;
use std::net::SocketAddr;
use std::num::NonZero;
use std::path::PathBuf;

use clap::builder::RangedU64ValueParser;
use clap::{ArgAction, Parser, ValueEnum, value_parser};

use crate::limits;

/// What the broker was asked to do.
#[derive(Parser, Clone, Debug, PartialEq, Eq)]
#[command(
    name = "ringmq",
    version,
    about = "An MQTT 3.1.1 broker on io_uring",
    after_help = "BYTES is a number with KiB, MiB, GiB, TiB or nothing after it; \
                  DURATION is a number with ms, s, m, h or d after it, or 0."
)]
pub struct Options {
    /// Address to accept MQTT on; may be given several times. Port 0 lets the system pick a free
    /// one, which is logged
    #[arg(
        long,
        value_name = "ADDR:PORT",
        default_value = "127.0.0.1:1883",
        value_parser = parse_listen,
        help_heading = "Network"
    )]
    pub listen: Vec<SocketAddr>,

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

    /// What to log on standard error: off, error, warn, info, debug or trace, also for one part
    /// alone, as in info,ringmq::ring=debug. RUST_LOG is not read
    #[arg(
        long = "log",
        value_name = "FILTER",
        default_value = "info",
        value_parser = parse_log_filter,
        help_heading = "Logging"
    )]
    pub log: String,
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
    /// Options from the process's own arguments. On `--help`, `--version` or a bad value this
    /// prints and ends the process: 0 for the first two, 2 for the third.
    pub fn from_command_line() -> Self {
        Self::parse()
    }

    /// Options from `args`, the program's name first.
    ///
    /// # Errors
    /// Names the flag, the value and what the flag takes. `--help` and `--version` are errors too.
    pub fn from_args<I, T>(args: I) -> Result<Self, clap::Error>
    where
        I: IntoIterator<Item = T>,
        T: Into<OsString> + Clone,
    {
        Self::try_parse_from(args)
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

fn connections() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..=limits::CONNECTIONS_MAX as u64)
}

fn parse_listen(text: &str) -> Result<SocketAddr, String> {
    let takes = "takes an IP address and a port, as in 127.0.0.1:1883 or [::]:1883";
    text.parse().map_err(|_| takes.to_owned())
}

fn parse_shards(text: &str) -> Result<NonZero<usize>, String> {
    let shards = text.parse().ok().filter(|count| (1..=limits::SHARDS_MAX).contains(count));
    shards
        .and_then(NonZero::new)
        .ok_or_else(|| format!("takes a number from 1 to {}", limits::SHARDS_MAX))
}

fn parse_packet_bytes(text: &str) -> Result<usize, String> {
    bytes_within(text, limits::PACKET_BYTES_MIN, limits::PACKET_BYTES_MAX)
}

fn parse_outgoing_bytes(text: &str) -> Result<usize, String> {
    bytes_within(text, limits::OUTGOING_BYTES_MIN, limits::OUTGOING_BYTES_MAX)
}

fn parse_session_bytes(text: &str) -> Result<u64, String> {
    bytes_within(text, limits::SESSION_QUOTA_BYTES_MIN, limits::SESSION_QUOTA_BYTES_MAX)
}

fn parse_retained_bytes(text: &str) -> Result<u64, String> {
    bytes_within(text, limits::RETAINED_TOTAL_BYTES_MIN, limits::RETAINED_TOTAL_BYTES_MAX)
}

fn parse_segment_bytes(text: &str) -> Result<u64, String> {
    bytes_within(text, limits::SEGMENT_BYTES_MIN, limits::SEGMENT_BYTES_MAX)
}

fn parse_disk_low(text: &str) -> Result<DiskLow, String> {
    let low = match text.strip_suffix('%').and_then(split_number) {
        Some((percent, "")) => u8::try_from(percent).ok().map(DiskLow::Percent),
        _ => parse_bytes(text).map(DiskLow::Bytes),
    };
    low.filter(|low| match low {
        DiskLow::Bytes(bytes) => *bytes <= limits::DISK_LOW_BYTES_MAX,
        DiskLow::Percent(percent) => *percent < 100,
    })
    .ok_or_else(|| {
        let max = limits::DISK_LOW_BYTES_MAX;
        format!("takes 0 to {max} bytes or 0% to 99%, as in 512MiB or 5%")
    })
}

fn bytes_within<N>(text: &str, min: N, max: N) -> Result<N, String>
where
    N: TryFrom<u64> + PartialOrd + Display + Copy,
{
    parse_bytes(text)
        .and_then(|bytes| N::try_from(bytes).ok())
        .filter(|bytes| (min..=max).contains(bytes))
        .ok_or_else(|| format!("takes {min} to {max} bytes, as in 65536, 64KiB or 1MiB"))
}

/// A number of bytes: digits, then `KiB`, `MiB`, `GiB`, `TiB` or nothing. `None` for anything else
/// and for what does not fit.
fn parse_bytes(text: &str) -> Option<u64> {
    let (number, unit) = split_number(text)?;
    let factor: u64 = match unit {
        "" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return None,
    };
    number.checked_mul(factor)
}

fn parse_patience_ms(text: &str) -> Result<u64, String> {
    parse_duration_ms(text).filter(|&ms| ms <= limits::QOS0_PATIENCE_MS_MAX).ok_or_else(|| {
        let max_s = limits::QOS0_PATIENCE_MS_MAX / 1000;
        format!("takes 0 to {max_s}s, as in 20ms or 1s")
    })
}

fn parse_session_expiry(text: &str) -> Result<SessionExpiry, String> {
    match parse_duration_ms(text) {
        Some(0) => Ok(SessionExpiry::Never),
        Some(ms) if ms <= limits::SESSION_EXPIRY_MS_MAX => Ok(SessionExpiry::AfterMs(ms)),
        _ => {
            let max_d = limits::SESSION_EXPIRY_MS_MAX / DAY_MS;
            Err(format!("takes 0 to {max_d}d, as in 12h or 14d"))
        }
    }
}

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// A duration in milliseconds: digits, then `ms`, `s`, `m`, `h` or `d`; a bare `0` needs no unit.
/// `None` for anything else and for what does not fit.
fn parse_duration_ms(text: &str) -> Option<u64> {
    let (number, unit) = split_number(text)?;
    let factor = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60 * 1000,
        "h" => 60 * 60 * 1000,
        "d" => DAY_MS,
        "" if number == 0 => 1,
        _ => return None,
    };
    number.checked_mul(factor)
}

/// Leading digits as a number, and the rest. A sign is not a digit.
fn split_number(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    Some((digits.parse().ok()?, unit))
}

/// Checks a filter in `env_logger`'s syntax, because that crate only warns about what it cannot
/// read. A part without `=` must be a level: `env_logger` would take a mistyped one for a module
/// and log nothing.
fn parse_log_filter(text: &str) -> Result<String, String> {
    let well_formed = text.split(',').all(|part| match part.split_once('=') {
        Some((module, level)) => is_module_path(module) && is_level(level),
        None => is_level(part),
    });
    if well_formed {
        return Ok(text.to_owned());
    }
    Err("takes LEVEL or MODULE=LEVEL, several with commas between them; \
         LEVEL is off, error, warn, info, debug or trace"
        .to_owned())
}

fn is_level(text: &str) -> bool {
    text.parse::<log::LevelFilter>().is_ok()
}

fn is_module_path(text: &str) -> bool {
    let is_name = |name: &str| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    text.split("::").all(is_name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;
    use clap::error::ErrorKind;

    /// The options that `flags` give, or the text a user would read.
    fn options(flags: &[&str]) -> Result<Options, String> {
        let args = ["ringmq"].iter().chain(flags);
        Options::from_args(args).map_err(|error| error.to_string())
    }

    // What the empty command line gives is what `limits.rs` says.
    #[test]
    fn defaults_are_the_limits() {
        Options::command().debug_assert();
        let expected = Options {
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 1883))],
            connections_max: limits::CONNECTIONS_DEFAULT,
            packet_bytes_max: limits::PACKET_BYTES_DEFAULT,
            outgoing_bytes_max: limits::OUTGOING_BYTES_DEFAULT,
            qos0_patience_ms: limits::QOS0_PATIENCE_MS_DEFAULT,
            inflight_max: limits::INFLIGHT_DEFAULT,
            shards: None,
            pin: true,
            data_dir: PathBuf::from("./ringmq-data"),
            durability: Durability::Disk,
            session_expiry: SessionExpiry::AfterMs(limits::SESSION_EXPIRY_MS_DEFAULT),
            session_bytes_max: limits::SESSION_QUOTA_BYTES_DEFAULT,
            session_overflow: SessionOverflow::DropOldest,
            retained_max: limits::RETAINED_TOTAL_DEFAULT,
            retained_bytes_max: limits::RETAINED_TOTAL_BYTES_DEFAULT,
            disk_low: None,
            segment_bytes: limits::SEGMENT_BYTES_DEFAULT,
            log: "info".to_owned(),
        };
        assert_eq!(Options::default(), expected);
    }

    // Each flag sets its own field; --listen gathers and replaces the default.
    #[test]
    fn flags_set_their_fields() {
        let given = options(&[
            "--listen=[::1]:0",
            "--listen=0.0.0.0:1884",
            "--max-connections=7",
            "--max-packet-size=1KiB",
            "--max-outgoing-bytes=64KiB",
            "--qos0-patience=1s",
            "--max-inflight=20",
            "--shards=3",
            "--no-pin",
            "--data-dir=/var/lib/ringmq",
            "--durability=os",
            "--session-expiry=0",
            "--session-max-bytes=3TiB",
            "--session-overflow=block",
            "--retained-max-count=5",
            "--retained-max-bytes=2MiB",
            "--disk-low=7%",
            "--segment-bytes=16MiB",
            "--log=warn,ringmq::ring=trace",
        ]);
        let expected = Options {
            listen: vec![
                "[::1]:0".parse().expect("an address"),
                "0.0.0.0:1884".parse().expect("an address"),
            ],
            connections_max: 7,
            packet_bytes_max: 1024,
            outgoing_bytes_max: 64 * 1024,
            qos0_patience_ms: 1000,
            inflight_max: 20,
            shards: NonZero::new(3),
            pin: false,
            data_dir: PathBuf::from("/var/lib/ringmq"),
            durability: Durability::Os,
            session_expiry: SessionExpiry::Never,
            session_bytes_max: 3 << 40,
            session_overflow: SessionOverflow::Block,
            retained_max: 5,
            retained_bytes_max: 2 << 20,
            disk_low: Some(DiskLow::Percent(7)),
            segment_bytes: 16 << 20,
            log: "warn,ringmq::ring=trace".to_owned(),
        };
        assert_eq!(given, Ok(expected));
    }

    // A value within its bound is taken.
    #[test]
    fn takes_the_edges() {
        for (flag, value) in [
            ("--shards", "1"),
            ("--shards", "64"),
            ("--max-inflight", "1"),
            ("--max-inflight", "65535"),
            ("--max-connections", "1"),
            ("--max-connections", "4294967295"),
            ("--max-packet-size", "64"),
            ("--max-packet-size", "268435460"),
            ("--max-outgoing-bytes", "512"),
            ("--max-outgoing-bytes", "1GiB"),
            ("--qos0-patience", "0"),
            ("--qos0-patience", "60s"),
            ("--qos0-patience", "1m"),
            ("--listen", "127.0.0.1:65535"),
            ("--durability", "disk"),
            ("--session-expiry", "1ms"),
            ("--session-expiry", "3650d"),
            ("--session-max-bytes", "64KiB"),
            ("--session-max-bytes", "1024TiB"),
            ("--session-overflow", "drop-oldest"),
            ("--session-overflow", "drop-newest"),
            ("--retained-max-count", "0"),
            ("--retained-max-count", "4294967295"),
            ("--retained-max-bytes", "1MiB"),
            ("--retained-max-bytes", "1024TiB"),
            ("--disk-low", "0"),
            ("--disk-low", "1024TiB"),
            ("--disk-low", "0%"),
            ("--disk-low", "99%"),
            ("--segment-bytes", "1MiB"),
            ("--segment-bytes", "1GiB"),
        ] {
            let given = options(&[flag, value]);
            assert!(given.is_ok(), "{flag} {value}: {given:?}");
        }
    }

    // A value out of its bound is refused, and the message names the flag and what it takes.
    #[test]
    fn refuses_what_is_out_of_bounds() {
        for (flag, value, takes) in [
            ("--shards", "0", "1 to 64"),
            ("--shards", "65", "1 to 64"),
            ("--shards", "two", "1 to 64"),
            ("--max-inflight", "0", "1..=65535"),
            ("--max-inflight", "65536", "1..=65535"),
            ("--max-connections", "0", "1..=4294967295"),
            ("--max-connections", "4294967296", "1..=4294967295"),
            ("--max-packet-size", "63", "64 to 268435460 bytes"),
            ("--max-packet-size", "268435461", "64 to 268435460 bytes"),
            ("--max-packet-size", "", "64 to 268435460 bytes"),
            ("--max-outgoing-bytes", "511", "512 to 1073741824 bytes"),
            ("--max-outgoing-bytes", "2GiB", "512 to 1073741824 bytes"),
            ("--qos0-patience", "60001ms", "0 to 60s"),
            ("--qos0-patience", "20", "as in 20ms"),
            ("--listen", "127.0.0.1", "as in 127.0.0.1:1883"),
            ("--listen", "127.0.0.1:65536", "as in 127.0.0.1:1883"),
            ("--listen", "localhost:1883", "takes an IP address"),
            ("--log", "inof", "LEVEL"),
            ("--durability", "none", "disk, os"),
            ("--durability", "", "disk, os"),
            ("--session-expiry", "3651d", "0 to 3650d"),
            ("--session-expiry", "315360000001ms", "0 to 3650d"),
            ("--session-expiry", "14", "as in 12h or 14d"),
            ("--session-expiry", "2w", "as in 12h or 14d"),
            ("--session-max-bytes", "65535", "65536 to 1125899906842624 bytes"),
            ("--session-max-bytes", "1025TiB", "65536 to 1125899906842624 bytes"),
            ("--session-overflow", "drop", "drop-oldest, drop-newest, block"),
            ("--retained-max-count", "4294967296", "0..=4294967295"),
            ("--retained-max-count", "many", "invalid digit"),
            ("--retained-max-bytes", "1048575", "1048576 to 1125899906842624 bytes"),
            ("--retained-max-bytes", "1025TiB", "1048576 to 1125899906842624 bytes"),
            ("--disk-low", "1025TiB", "0 to 1125899906842624 bytes or 0% to 99%"),
            ("--disk-low", "100%", "0% to 99%"),
            ("--disk-low", "256%", "0% to 99%"),
            ("--disk-low", "1GiB%", "as in 512MiB or 5%"),
            ("--disk-low", "%", "as in 512MiB or 5%"),
            ("--segment-bytes", "1048575", "1048576 to 1073741824 bytes"),
            ("--segment-bytes", "2GiB", "1048576 to 1073741824 bytes"),
        ] {
            let text = options(&[flag, value]).expect_err("the value is out of bounds");
            assert!(text.contains(flag) && text.contains(takes), "{flag} {value}: {text}");
        }
    }

    // A refused value is a usage error: exit code 2.
    #[test]
    fn usage_errors_exit_with_2() {
        for (flag, code) in [("--shards=0", 2), ("--nonsense", 2), ("--help", 0)] {
            let error = Options::from_args(["ringmq", flag]).expect_err("ends the process");
            assert_eq!(error.exit_code(), code, "{flag}");
        }
        let error = Options::from_args(["ringmq", "--log=a=b=c"]).expect_err("not a filter");
        assert_eq!(error.kind(), ErrorKind::ValueValidation);
    }

    // Sizes: every unit, nothing but digits before it, and no wrapping.
    #[test]
    fn sizes() {
        let max = u64::MAX.to_string();
        for (text, bytes) in [
            ("0", Some(0)),
            ("1", Some(1)),
            ("0KiB", Some(0)),
            ("1KiB", Some(1024)),
            ("64KiB", Some(65_536)),
            ("1MiB", Some(1_048_576)),
            ("2GiB", Some(2_147_483_648)),
            ("3TiB", Some(3_298_534_883_328)),
            (max.as_str(), Some(u64::MAX)),
            ("17179869183GiB", Some(u64::MAX - ((1 << 30) - 1))),
            ("17179869184GiB", None),
            ("16777215TiB", Some(u64::MAX - ((1 << 40) - 1))),
            ("16777216TiB", None),
            ("1PiB", None),
            ("18446744073709551616", None),
            ("", None),
            ("KiB", None),
            ("-1", None),
            ("+1", None),
            ("1.5MiB", None),
            ("1 MiB", None),
            ("1kb", None),
            ("1MiBs", None),
            ("٣", None),
        ] {
            assert_eq!(parse_bytes(text), bytes, "{text:?}");
        }
    }

    // The disk is low by the smaller default, or by what was asked for, whatever its size.
    #[test]
    fn disk_low() {
        const GIB: u64 = 1 << 30;
        for (flag, total, bytes) in [
            (None, 0, 0),
            (None, 2000, 100),
            (None, 10_000_000_000, 500_000_000),
            (None, 20 * GIB, GIB - 4),
            (None, 21 * GIB, GIB),
            (None, u64::MAX, GIB),
            (Some("--disk-low=0"), 100 * GIB, 0),
            (Some("--disk-low=0%"), 100 * GIB, 0),
            (Some("--disk-low=3GiB"), GIB, 3 * GIB),
            (Some("--disk-low=10%"), 100 * GIB, 10 * GIB),
            (Some("--disk-low=99%"), u64::MAX, u64::MAX / 100 * 99),
        ] {
            let options = options(flag.as_slice()).expect("the flag is fine");
            assert_eq!(options.disk_low_bytes(total), bytes, "{flag:?} of {total}");
        }
    }

    // Durations: milliseconds to days, a unit unless it is 0, and no wrapping.
    #[test]
    fn durations() {
        for (text, ms) in [
            ("0", Some(0)),
            ("0ms", Some(0)),
            ("0s", Some(0)),
            ("1ms", Some(1)),
            ("20ms", Some(20)),
            ("1s", Some(1000)),
            ("18446744073709551615ms", Some(u64::MAX)),
            ("18446744073709551s", Some(u64::MAX - 615)),
            ("18446744073709552s", None),
            ("18446744073709551616ms", None),
            ("1", None),
            ("", None),
            ("ms", None),
            ("-1ms", None),
            ("1.5s", None),
            ("1 s", None),
            ("2m", Some(120_000)),
            ("1h", Some(3_600_000)),
            ("14d", Some(1_209_600_000)),
            ("0d", Some(0)),
            ("213503982334d", Some(18_446_744_073_657_600_000)),
            ("213503982335d", None),
            ("1sec", None),
            ("1min", None),
            ("1w", None),
            ("1M", None),
        ] {
            assert_eq!(parse_duration_ms(text), ms, "{text:?}");
        }
    }

    // Log filters: what env_logger would only warn about, or take for a module, is refused.
    #[test]
    fn log_filters() {
        for (text, taken) in [
            ("info", true),
            ("OFF", true),
            ("warn,ringmq=debug", true),
            ("ringmq::ring=trace,ringmq::broker=debug", true),
            ("", false),
            ("inof", false),
            ("ringmq", false),
            ("info,", false),
            ("=info", false),
            ("ringmq=", false),
            ("ringmq=loud", false),
            ("a=b=info", false),
            ("ringmq::=info", false),
        ] {
            assert_eq!(parse_log_filter(text).is_ok(), taken, "{text:?}");
        }
    }

    // The help keeps its headings, and the long one says what each kind of storage survives.
    #[test]
    fn help_is_grouped_and_honest() {
        let help = Options::command().render_help().to_string();
        for part in ["Network:", "Limits:", "Shards:", "Storage:", "Logging:", "disk, os"] {
            assert!(help.contains(part), "{part} is missing in:\n{help}");
        }
        assert!(!help.contains("--segment-bytes"), "few need it:\n{help}");
        let help = Options::command().render_long_help().to_string();
        for part in ["survives a power loss", "survives a killed broker", "--segment-bytes"] {
            assert!(help.contains(part), "{part} is missing in:\n{help}");
        }
    }
}
