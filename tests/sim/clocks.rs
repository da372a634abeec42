//! The clocks of the simulated machine: time that passes also while the broker is down, a wall
//! clock that may be set at any time, and restarts of the machine.

use ringmq::store::ClockReading;

use crate::random::Random;

/// When a run begins: some day in 2027.
const BEGIN_MS: u64 = 1_800_000_000_000;

const HOUR_MS: i64 = 60 * 60 * 1000;

/// See the module.
#[derive(Default)]
pub(crate) struct Clocks {
    /// The scheduler's time, which stands while the broker is down.
    now_ms: u64,
    /// How long the broker was down.
    down_ms: u64,
    /// When the machine was started, and how often.
    started_ms: u64,
    starts: u128,
    /// The error of the wall clock.
    off_ms: i64,
}

impl Clocks {
    pub(crate) fn set_time(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
    }

    /// The broker is down for a while, or the machine.
    pub(crate) fn pass(&mut self, down_ms: u64, machine: bool) {
        self.down_ms += down_ms;
        if machine {
            self.started_ms = self.now_ms + self.down_ms;
            self.starts += 1;
        }
    }

    /// Sets the wall clock: right, or wrong by more than any session's lifetime.
    pub(crate) fn set(&mut self, random: &mut Random) {
        let years = 365 * 24 * HOUR_MS;
        let unset = -BEGIN_MS.cast_signed();
        self.off_ms = random.pick(&[0, 0, HOUR_MS, -3 * HOUR_MS, 10 * years, unset]);
    }

    pub(crate) fn read(&self) -> ClockReading {
        let true_ms = BEGIN_MS + self.now_ms + self.down_ms;
        ClockReading {
            wall_ms: true_ms.checked_add_signed(self.off_ms).expect("it is after 1970"),
            boot_ms: self.now_ms + self.down_ms - self.started_ms,
            boot_id: self.starts + 1,
        }
    }
}
