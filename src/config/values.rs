//! Parsers of flag values: sizes, durations, log filters. The error of each parser says what the
//! flag accepts.
//!
//! For any limit, 0 means no limit: the largest value that this program supports applies. A limit
//! that bounds memory does not accept 0.

use std::fmt::Display;
use std::num::NonZero;

use crate::limits;

/// How long the session of an absent client is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionExpiry {
    /// For ever.
    Never,
    /// This number of milliseconds, from 1 to [`limits::SESSION_EXPIRY_MS_MAX`].
    AfterMs(u64),
}

/// A share of the file system that holds the data directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskShare {
    /// Bytes, whatever the file system's size.
    Bytes(u64),
    /// Hundredths of the file system's size, 0 to 100.
    Percent(u8),
}

impl DiskShare {
    /// The share in bytes, on a file system of `total` bytes.
    pub fn bytes(self, total: u64) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Percent(percent) => total / 100 * u64::from(percent),
        }
    }
}

pub(super) fn parse_connections(text: &str) -> Result<usize, String> {
    count_or_none(text, limits::CONNECTIONS_MAX)
}

pub(super) fn parse_inflight(text: &str) -> Result<u16, String> {
    count_or_none(text, u16::MAX)
}

pub(super) fn parse_retained_count(text: &str) -> Result<u64, String> {
    count_or_none(text, limits::RETAINED_TOTAL_MAX)
}

pub(super) fn parse_subscriptions(text: &str) -> Result<usize, String> {
    count_or_none(text, limits::SUBSCRIPTIONS_MAX)
}

pub(super) fn parse_topic_levels(text: &str) -> Result<usize, String> {
    count_or_none(text, limits::TOPIC_LEVELS_MAX)
}

pub(super) fn parse_shards(text: &str) -> Result<NonZero<usize>, String> {
    let shards = text.parse().ok().filter(|count| (1..=limits::SHARDS_MAX).contains(count));
    shards
        .and_then(NonZero::new)
        .ok_or_else(|| format!("takes a number from 1 to {}", limits::SHARDS_MAX))
}

pub(super) fn parse_packet_bytes(text: &str) -> Result<usize, String> {
    bytes_or_none(text, limits::PACKET_BYTES_MIN, limits::PACKET_BYTES_MAX)
}

pub(super) fn parse_publish_bytes(text: &str) -> Result<u64, String> {
    bytes_within(text, 0, limits::PUBLISH_BYTES_PER_S_MAX)
}

pub(super) fn parse_outgoing_bytes(text: &str) -> Result<usize, String> {
    let within = bytes_within(text, limits::OUTGOING_BYTES_MIN, limits::OUTGOING_BYTES_MAX);
    within.map_err(|takes| format!("{takes}; it is in memory, so there must be a limit"))
}

pub(super) fn parse_session_bytes(text: &str) -> Result<DiskShare, String> {
    let (min, max) = (limits::SESSION_QUOTA_BYTES_MIN, limits::SESSION_QUOTA_BYTES_MAX);
    let share = match parse_percent(text) {
        Some(0) => Ok(DiskShare::Bytes(max)),
        Some(percent) if percent <= 100 => Ok(DiskShare::Percent(percent)),
        Some(_) => Err(String::new()),
        None => bytes_or_none(text, min, max).map(DiskShare::Bytes),
    };
    share.map_err(|_| {
        format!("takes {min} to {max} bytes or 1% to 100%, as in 20GiB or 10%, or 0 for no limit")
    })
}

pub(super) fn parse_retained_bytes(text: &str) -> Result<u64, String> {
    bytes_or_none(text, limits::RETAINED_TOTAL_BYTES_MIN, limits::RETAINED_TOTAL_BYTES_MAX)
}

pub(super) fn parse_segment_bytes(text: &str) -> Result<u64, String> {
    let (min, max) = (limits::SEGMENT_BYTES_MIN, limits::SEGMENT_BYTES_MAX);
    bytes_within(text, min, max)
        .map_err(|_| format!("takes {min} to {max} bytes, as in 16777216, 16MiB or 1GiB"))
}

pub(super) fn parse_disk_low(text: &str) -> Result<DiskShare, String> {
    let share = parse_percent(text).map(DiskShare::Percent);
    let low = share.or_else(|| parse_bytes(text).map(DiskShare::Bytes));
    low.filter(|low| match low {
        DiskShare::Bytes(bytes) => *bytes <= limits::DISK_LOW_BYTES_MAX,
        DiskShare::Percent(percent) => *percent < 100,
    })
    .ok_or_else(|| {
        let max = limits::DISK_LOW_BYTES_MAX;
        format!("takes 0 to {max} bytes or 0% to 99%, as in 512MiB or 5%")
    })
}

/// A number followed by `%`.
fn parse_percent(text: &str) -> Option<u8> {
    let (percent, rest) = split_number(text.strip_suffix('%')?)?;
    u8::try_from(percent).ok().filter(|_| rest.is_empty())
}

/// A count from 1 to `max`; 0 also means `max`.
fn count_or_none<N>(text: &str, max: N) -> Result<N, String>
where
    N: TryFrom<u64> + PartialOrd + Display + Copy,
{
    match split_number(text) {
        Some((0, "")) => Some(max),
        Some((number, "")) => N::try_from(number).ok().filter(|number| *number <= max),
        _ => None,
    }
    .ok_or_else(|| format!("takes 1 to {max}, or 0 for no limit"))
}

/// Bytes from `min` to `max`; 0 also means `max`.
fn bytes_or_none<N>(text: &str, min: N, max: N) -> Result<N, String>
where
    N: TryFrom<u64> + PartialOrd + Display + Copy,
{
    if parse_bytes(text) == Some(0) {
        return Ok(max);
    }
    bytes_within(text, min, max).map_err(|takes| format!("{takes}, or 0 for no limit"))
}

pub(super) fn bytes_within<N>(text: &str, min: N, max: N) -> Result<N, String>
where
    N: TryFrom<u64> + PartialOrd + Display + Copy,
{
    parse_bytes(text)
        .and_then(|bytes| N::try_from(bytes).ok())
        .filter(|bytes| (min..=max).contains(bytes))
        .ok_or_else(|| format!("takes {min} to {max} bytes, as in 65536, 64KiB or 1MiB"))
}

/// A number of bytes: digits, then `KiB`, `MiB`, `GiB`, `TiB` or nothing. `None` for any other text
/// and for a number that overflows.
pub(super) fn parse_bytes(text: &str) -> Option<u64> {
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

pub(super) fn parse_patience_ms(text: &str) -> Result<u64, String> {
    parse_duration_ms(text).filter(|&ms| ms <= limits::QOS0_PATIENCE_MS_MAX).ok_or_else(|| {
        let max_s = limits::QOS0_PATIENCE_MS_MAX / 1000;
        format!("takes 0 to {max_s}s with a unit (ms or s), as in 20ms or 1s")
    })
}

pub(super) fn parse_gather_us(text: &str) -> Result<u64, String> {
    let us = match split_number(text) {
        Some((us, "us")) => Some(us),
        _ => parse_duration_ms(text).and_then(|ms| ms.checked_mul(1000)),
    };
    us.filter(|&us| us <= limits::GATHER_US_MAX).ok_or_else(|| {
        let max_ms = limits::GATHER_US_MAX / 1000;
        format!("takes 0 to {max_ms}ms with a unit (us or ms), as in 500us or 1ms")
    })
}

pub(super) fn parse_session_expiry(text: &str) -> Result<SessionExpiry, String> {
    match parse_duration_ms(text) {
        Some(0) => Ok(SessionExpiry::Never),
        Some(ms) if ms <= limits::SESSION_EXPIRY_MS_MAX => Ok(SessionExpiry::AfterMs(ms)),
        _ => {
            let max_d = limits::SESSION_EXPIRY_MS_MAX / DAY_MS;
            Err(format!("takes 0 to {max_d}d with a unit (ms, s, m, h or d), as in 12h or 14d"))
        }
    }
}

/// The expiry of a group in milliseconds; 0: an empty group is not kept.
pub(super) fn parse_group_expiry_ms(text: &str) -> Result<u64, String> {
    match parse_session_expiry(text)? {
        SessionExpiry::Never => Ok(0),
        SessionExpiry::AfterMs(ms) => Ok(ms),
    }
}

pub(super) fn parse_group_bytes(text: &str) -> Result<u64, String> {
    bytes_or_none(text, limits::SESSION_QUOTA_BYTES_MIN, limits::SESSION_QUOTA_BYTES_MAX)
}

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// A duration in milliseconds: digits, then `ms`, `s`, `m`, `h` or `d`; a bare `0` needs no unit.
/// `None` for any other text and for a number that overflows.
pub(super) fn parse_duration_ms(text: &str) -> Option<u64> {
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
pub(super) fn split_number(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    Some((digits.parse().ok()?, unit))
}

/// Checks a filter in `env_filter`'s syntax, because that crate only warns about errors. A part
/// without `=` must be a level: `env_filter` would treat a misspelt level as a module and log
/// nothing.
pub fn parse_log_filter(text: &str) -> Result<String, String> {
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

pub(super) fn is_level(text: &str) -> bool {
    text.parse::<log::LevelFilter>().is_ok()
}

pub(super) fn is_module_path(text: &str) -> bool {
    let is_name = |name: &str| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    text.split("::").all(is_name)
}
