//! The time line of a log with clocks that are wrong, and that are set.

use super::*;

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const DAY_MS: u64 = 24 * HOUR_MS;
const YEAR_MS: u64 = 365 * DAY_MS;

/// Some day in 2026.
const TODAY_MS: u64 = CLOCK_PLAUSIBLE_MS + YEAR_MS;

/// A machine whose clock shows the true time plus an error. A log is on its disk.
struct Machine {
    true_ms: u64,
    /// Added to the true time.
    wall_off_ms: i64,
    started_ms: u64,
    starts: u128,
    line: Timeline,
    /// Time that the monotonic clock has not counted in this run.
    run_from_ms: u64,
}

impl Machine {
    fn new(wall_off_ms: i64) -> Self {
        let line = Timeline::default();
        let mut machine = Self {
            true_ms: TODAY_MS,
            wall_off_ms,
            started_ms: TODAY_MS,
            starts: 1,
            line,
            run_from_ms: TODAY_MS,
        };
        machine.begin();
        machine
    }

    fn clocks(&self) -> ClockReading {
        let wall_ms = self.true_ms.checked_add_signed(self.wall_off_ms).expect("after 1970");
        ClockReading { wall_ms, boot_ms: self.true_ms - self.started_ms, boot_id: self.starts }
    }

    fn begin(&mut self) {
        self.line.resume(self.clocks());
        self.line.mark_start();
        self.run_from_ms = self.true_ms;
    }

    fn now_ms(&self) -> u64 {
        self.line.start_ms() + (self.true_ms - self.run_from_ms)
    }

    /// Advances the time, with a reading each minute.
    fn run(&mut self, ms: u64) {
        for _ in 0..ms / MINUTE_MS {
            self.true_ms += MINUTE_MS;
            let now_ms = self.now_ms();
            self.line.look(self.clocks(), now_ms);
        }
        self.true_ms += ms % MINUTE_MS;
    }

    /// Starts the broker again after a time, from its log.
    fn restart(&mut self, after_ms: u64, last_record_ms: u64) {
        let (mark, gaps) = self.line.captured();
        let mut line = Timeline::default();
        line.replay_mark(mark.expect("there is one from the start on"));
        line.replay_gaps(gaps.to_vec());
        line.replay_time(last_record_ms);
        self.line = line;
        self.true_ms += after_ms;
        self.begin();
    }

    /// As `restart`, and the machine was off meanwhile.
    fn reboot(&mut self, after_ms: u64, last_record_ms: u64) {
        self.starts += 1;
        self.started_ms = self.true_ms + after_ms;
        self.restart(after_ms, last_record_ms);
    }

    fn age_ms(&self, since_ms: u64) -> u64 {
        self.line.age_ms(since_ms, self.now_ms(), 7 * DAY_MS)
    }
}

// While the broker runs, an age is the time that has passed, however the wall clock is set.
#[test]
fn clocks_that_are_set_change_no_age() {
    for off_ms in [0, -i64::try_from(TODAY_MS).expect("small"), 10 * YEAR_MS.cast_signed()] {
        let mut machine = Machine::new(off_ms);
        let left_ms = machine.now_ms();
        for set_ms in [0, YEAR_MS.cast_signed(), -5000, 0] {
            machine.wall_off_ms = set_ms;
            machine.run(HOUR_MS + 7);
        }
        assert_eq!(machine.age_ms(left_ms), 4 * HOUR_MS + 28, "off by {off_ms} ms");
    }
}

// A broker that starts again in the same start of the machine knows how long it was down, with any
// clock, with or without a mark at its end.
#[test]
fn the_same_start_tells_exactly() {
    for (before_ms, after_ms) in [
        (0, 0),
        (0, 10 * YEAR_MS.cast_signed()),
        (-i64::try_from(TODAY_MS).expect("small"), 0),
        (10 * YEAR_MS.cast_signed(), 0),
    ] {
        for ran_ms in [0, 1, HOUR_MS + 1] {
            for (down_ms, record_ms) in [(0, 0), (20 * DAY_MS, 0), (20 * DAY_MS, 1)] {
                let mut machine = Machine::new(before_ms);
                let left_ms = machine.now_ms();
                machine.run(ran_ms);
                // The last record may be current, or none may follow the mark.
                let record_ms = machine.now_ms() * record_ms;
                machine.wall_off_ms = after_ms;
                machine.restart(down_ms, record_ms);
                assert_eq!(machine.age_ms(left_ms), ran_ms + down_ms, "{before_ms} {after_ms}");
                machine.run(HOUR_MS);
                assert_eq!(machine.age_ms(left_ms), ran_ms + down_ms + HOUR_MS);
            }
        }
    }
}

// The time for which the machine was off counts when its clock has run evenly for a while: for
// clients that had left before, and for no others.
#[test]
fn an_even_clock_tells_how_long_the_machine_was_off() {
    let mut machine = Machine::new(0);
    let left_ms = machine.now_ms();
    machine.run(HOUR_MS);
    machine.reboot(2 * DAY_MS, left_ms);
    let there_ms = machine.now_ms();
    machine.run(CLOCK_SETTLE_MS - MINUTE_MS);
    assert!(machine.age_ms(left_ms) <= HOUR_MS + CLOCK_SETTLE_MS, "nobody knows yet");
    machine.run(2 * MINUTE_MS);
    let ran_ms = HOUR_MS + CLOCK_SETTLE_MS + MINUTE_MS;
    assert!((ran_ms + 2 * DAY_MS).abs_diff(machine.age_ms(left_ms)) <= 1);
    assert_eq!(machine.age_ms(there_ms), CLOCK_SETTLE_MS + MINUTE_MS);
    // It is found again, and is counted once.
    machine.restart(HOUR_MS, 0);
    machine.run(HOUR_MS);
    assert!((ran_ms + 2 * DAY_MS + 2 * HOUR_MS).abs_diff(machine.age_ms(left_ms)) <= 1);
}

// A board without its own clock shows 1970 until NTP has set it: that makes no age greater, and the
// time it was off counts once the clock is right.
#[test]
fn a_board_that_starts_in_1970() {
    let unset_ms = |machine: &Machine| -machine.true_ms.cast_signed();
    let mut machine = Machine::new(-TODAY_MS.cast_signed());
    let left_ms = machine.now_ms();
    machine.run(MINUTE_MS);
    machine.wall_off_ms = 0;
    machine.run(HOUR_MS);
    for day in 1..=3 {
        machine.wall_off_ms = unset_ms(&machine) - DAY_MS.cast_signed();
        machine.reboot(DAY_MS, 0);
        let before_ms = machine.age_ms(left_ms);
        machine.run(MINUTE_MS);
        assert!(machine.age_ms(left_ms) <= before_ms + 2 * MINUTE_MS);
        machine.wall_off_ms = 0;
        machine.run(HOUR_MS);
        let passed_ms = machine.true_ms - TODAY_MS;
        assert!(passed_ms.abs_diff(machine.age_ms(left_ms)) <= 3 * MINUTE_MS, "day {day}");
    }
}

// If the clock is never set, only time for which the board runs counts.
#[test]
fn a_clock_that_is_never_set() {
    let mut machine = Machine::new(-TODAY_MS.cast_signed());
    let left_ms = machine.now_ms();
    for start in 1..=5 {
        machine.run(HOUR_MS);
        assert!(machine.age_ms(left_ms).abs_diff(start * HOUR_MS) <= start);
        machine.reboot(DAY_MS, 0);
        machine.wall_off_ms = -machine.true_ms.cast_signed();
    }
}

// A clock is wrong at one start, by years or by hours, and set right after a minute or at the next
// start. No age is ever above the true one, and each is at least the time that the broker ran.
#[test]
fn a_clock_that_is_wrong_for_a_while() {
    let hours = [-24 * 365 * 20, -80, -14, -1, 1, 2, 14, 24 * 365 * 10];
    for wrong_ms in hours.map(|hours| hours * HOUR_MS.cast_signed()) {
        for reboots in [0, 1, 2] {
            let mut machine = Machine::new(0);
            let left_ms = machine.now_ms();
            machine.run(HOUR_MS);
            let (mut ran_ms, mut passed_ms) = (HOUR_MS, HOUR_MS);
            machine.wall_off_ms = wrong_ms;
            machine.reboot(HOUR_MS, 0);
            for _ in 0..reboots {
                machine.run(MINUTE_MS);
                machine.reboot(HOUR_MS, 0);
            }
            machine.run(MINUTE_MS);
            machine.wall_off_ms = 0;
            (ran_ms, passed_ms) = (ran_ms + MINUTE_MS, passed_ms + HOUR_MS + MINUTE_MS);
            ran_ms += reboots * MINUTE_MS;
            passed_ms += reboots * (HOUR_MS + MINUTE_MS);
            for minute in 0..20 {
                let age_ms = machine.age_ms(left_ms);
                assert!(age_ms <= passed_ms + 2 * (reboots + 1), "{wrong_ms} {minute}");
                assert!(age_ms >= ran_ms, "{wrong_ms} {minute}");
                machine.run(MINUTE_MS);
                (ran_ms, passed_ms) = (ran_ms + MINUTE_MS, passed_ms + MINUTE_MS);
            }
            assert!(machine.age_ms(left_ms) >= passed_ms, "{wrong_ms} {reboots}");
        }
    }
}

// A clock that is set while the broker runs in one start of the machine has no effect.
#[test]
fn a_clock_that_is_set_between_two_settled_times() {
    let mut machine = Machine::new(0);
    let left_ms = machine.now_ms();
    for hours in [0, -3, 0, 3, 0, 1000] {
        machine.wall_off_ms = hours * HOUR_MS.cast_signed();
        machine.run(HOUR_MS);
        machine.restart(0, 0);
    }
    assert_eq!(machine.age_ms(left_ms), 6 * HOUR_MS);
    assert_eq!(machine.line.captured().1, []);
}

// A clock that stays ahead by ten years makes no age greater than permitted; one that is set back
// lets no session live for ever.
#[test]
fn a_clock_that_stays_wrong() {
    for (before_ms, after_ms) in [(0, 10), (10, 0)] {
        let years = |years: i64| years * YEAR_MS.cast_signed();
        let mut machine = Machine::new(years(before_ms));
        let left_ms = machine.now_ms();
        machine.run(HOUR_MS);
        machine.wall_off_ms = years(after_ms);
        machine.reboot(HOUR_MS, 0);
        machine.run(13 * DAY_MS);
        let age_ms = machine.age_ms(left_ms);
        assert!((13 * DAY_MS..14 * DAY_MS).contains(&age_ms), "{age_ms}");
        machine.run(DAY_MS);
        assert!(machine.age_ms(left_ms) >= 14 * DAY_MS);
    }
}

// The time of a suspension counts for clients that had left before, and for no others.
#[test]
fn a_machine_that_is_suspended() {
    let mut machine = Machine::new(0);
    let left_ms = machine.now_ms();
    machine.run(HOUR_MS);
    // The monotonic clock stands still meanwhile.
    machine.true_ms += DAY_MS;
    machine.run_from_ms += DAY_MS;
    let there_ms = machine.now_ms();
    machine.run(HOUR_MS);
    assert_eq!(machine.age_ms(left_ms), DAY_MS + 2 * HOUR_MS);
    assert_eq!(machine.age_ms(there_ms), HOUR_MS);
    machine.restart(HOUR_MS, 0);
    assert_eq!(machine.age_ms(left_ms), DAY_MS + 3 * HOUR_MS);
}

// A log without marks has wall times: an impossible time comes from a wrong clock.
#[test]
fn a_log_without_marks() {
    let ended_ms = TODAY_MS;
    for (left_ms, age_ms) in [
        (ended_ms - DAY_MS, DAY_MS + 1),
        (ended_ms, 1),
        (ended_ms + 2, 0),
        (60_000, 0),
        (ended_ms - 10 * YEAR_MS, 0),
        (ended_ms + 10 * YEAR_MS, 0),
    ] {
        for is_hearsay in [false, true] {
            let mut line = Timeline::default();
            if is_hearsay {
                line.replay_hearsay(ended_ms);
            } else {
                line.replay_time(ended_ms + YEAR_MS);
                line.replay_time(ended_ms);
            }
            let clocks = ClockReading { wall_ms: ended_ms + HOUR_MS, boot_ms: 5, boot_id: 1 };
            line.resume(clocks);
            let start_ms = line.start_ms();
            let left_ms = line.departure_ms(left_ms);
            assert_eq!(line.age_ms(left_ms, start_ms, 0), age_ms, "{left_ms}");
        }
    }
}

// The number of gaps is bounded. The oldest are forgotten, and earlier events become younger.
#[test]
fn gaps_are_bounded() {
    let mut machine = Machine::new(0);
    let left_ms = machine.now_ms();
    for _ in 0..TIME_GAPS_MAX + 6 {
        machine.run(HOUR_MS);
        machine.reboot(DAY_MS, 0);
    }
    machine.run(HOUR_MS);
    let (_, gaps) = machine.line.captured();
    assert_eq!(gaps.len(), TIME_GAPS_MAX);
    let days = machine.age_ms(left_ms) / DAY_MS;
    assert!((TIME_GAPS_MAX as u64..TIME_GAPS_MAX as u64 + 6).contains(&days), "{days}");
}

// For people, a time of the line is a wall time according to the current clock.
#[test]
fn times_to_read() {
    let mut machine = Machine::new(-TODAY_MS.cast_signed());
    let left_ms = machine.now_ms();
    machine.wall_off_ms = 0;
    machine.run(HOUR_MS);
    assert_eq!(machine.line.wall_ms(left_ms), TODAY_MS);
    machine.reboot(DAY_MS, 0);
    machine.run(HOUR_MS);
    assert!(machine.line.wall_ms(left_ms).abs_diff(TODAY_MS) <= 1);
    assert_eq!(machine.line.wall_ms(machine.now_ms()), machine.true_ms);
}
