//! The clocks of the machine, read together, and a log line when a clock is set.

use std::fs;

use log::warn;
use nix::time::{ClockId, clock_gettime};

use crate::limits::{CLOCK_JUMP_MS, CLOCK_PLAUSIBLE_MS};
use crate::store::{ClockReading, clock_set_ms};

/// The id of this start of the machine, the same for all its processes.
const BOOT_ID_PATH: &str = "/proc/sys/kernel/random/boot_id";

/// See the module.
#[derive(Debug)]
pub struct Clocks {
    last: ClockReading,
}

impl Default for Clocks {
    fn default() -> Self {
        Self::new()
    }
}

impl Clocks {
    /// Reads the clocks.
    pub fn new() -> Self {
        let boot_id = fs::read_to_string(BOOT_ID_PATH).ok().and_then(|text| parse_boot_id(&text));
        // With id 0 the store's time line treats the start as unknown.
        Self { last: read(boot_id.unwrap_or(0)) }
    }

    /// The last reading.
    pub fn last(&self) -> ClockReading {
        self.last
    }

    /// Logs a warning if the wall clock cannot have been set since the machine was started.
    pub fn warn_if_implausible(&self) {
        if self.last.wall_ms < CLOCK_PLAUSIBLE_MS {
            warn!(
                "the machine's clock is not set: it shows a time before 2025; no session expires \
                 for it, and times in the log are wrong until it is set"
            );
        }
    }

    /// Reads the clocks again. Logs a warning if the wall clock was set meanwhile.
    pub(super) fn look(&mut self) -> ClockReading {
        let now = read(self.last.boot_id);
        let set_ms = clock_set_ms(self.last, now);
        if set_ms.unsigned_abs() >= CLOCK_JUMP_MS {
            let direction = if set_ms > 0 { "forward" } else { "back" };
            let time = words(set_ms.unsigned_abs());
            warn!(
                "the machine's clock was set {direction} by {time}; sessions expire as if it had \
                 not been"
            );
        }
        self.last = now;
        now
    }
}

fn read(boot_id: u128) -> ClockReading {
    let wall_ms = milliseconds(ClockId::CLOCK_REALTIME);
    let boot_ms = milliseconds(ClockId::CLOCK_BOOTTIME);
    ClockReading { wall_ms, boot_ms, boot_id }
}

/// The time of a clock. The C library is used: rustix would read files that the user of `--user`
/// may not read.
fn milliseconds(clock: ClockId) -> u64 {
    let time = clock_gettime(clock).expect("Linux has had these clocks since 2.6.39");
    since_zero(time.tv_sec(), time.tv_nsec())
}

/// Whole milliseconds; 0 if the time is negative.
fn since_zero(seconds: i64, nanoseconds: i64) -> u64 {
    let ms = i128::from(seconds) * 1000 + i128::from(nanoseconds / 1_000_000);
    u64::try_from(ms.max(0)).unwrap_or(u64::MAX)
}

/// Parses a UUID as the kernel writes it.
fn parse_boot_id(text: &str) -> Option<u128> {
    u128::from_str_radix(&text.trim().replace('-', ""), 16).ok()
}

/// A time for a log line: `3 s`, `2 h`, `14 d`.
fn words(ms: u64) -> String {
    let units = [("d", 86_400_000), ("h", 3_600_000), ("min", 60_000)];
    let unit = units.into_iter().find(|(_, unit_ms)| ms >= 2 * unit_ms);
    let (name, unit_ms) = unit.unwrap_or(("s", 1_000));
    format!("{} {name}", ms / unit_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    // A boot id is a number of 128 bits that is not 0; any other text is refused.
    #[test]
    fn boot_ids() {
        for (text, id) in [
            ("00000000-0000-0000-0000-0000000000ff\n", Some(255)),
            ("ffffffff-ffff-ffff-ffff-ffffffffffff\n", Some(u128::MAX)),
            ("fffffffff-ffff-ffff-ffff-ffffffffffff\n", None),
            ("", None),
            ("\n", None),
            ("none", None),
        ] {
            assert_eq!(parse_boot_id(text), id, "{text:?}");
        }
    }

    // A time is written in the largest unit of which it has at least two.
    #[test]
    fn times_in_words() {
        for (ms, text) in [
            (2_000, "2 s"),
            (119_999, "119 s"),
            (120_000, "2 min"),
            (7_199_999, "119 min"),
            (7_200_000, "2 h"),
            (172_800_000, "2 d"),
            (1_790_000_000_000, "20717 d"),
        ] {
            assert_eq!(words(ms), text);
        }
    }

    // The clocks advance, and the id of the machine's start stays the same.
    #[test]
    fn clocks_go_on() {
        let mut clocks = Clocks::new();
        let before = clocks.last();
        let after = clocks.look();
        assert_eq!((before.boot_id, clocks.last()), (after.boot_id, after));
        assert!(before.boot_ms <= after.boot_ms);
        assert_eq!(before.boot_id, Clocks::new().last().boot_id);
    }

    // A clock before 1970 reads as 0.
    #[test]
    fn before_1970() {
        let at = since_zero;
        assert_eq!((at(-1, 999_999_999), at(0, 0), at(2, 7_000_000)), (0, 0, 2007));
    }
}
