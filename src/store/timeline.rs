//! The time line of a log: ages of events that do not depend on the setting of the machine's
//! clocks.
//!
//! Times in the log are milliseconds of its time line. The line begins with the wall time at which
//! the log was made. From then on it counts time that has certainly passed: by the monotonic clock
//! while the broker runs, and by the clock that counts from the machine's start while the broker is
//! down, if the machine was not restarted. So it never goes back, and setting a clock changes no
//! age.
//!
//! ```text
//!   a run         down, same start        a run        machine off           a run
//!  ────────mark─┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄mark────mark─┤          ├─mark───────────────►
//!                counted, exactly                       a gap: maybe, later
//! ```
//! If the machine itself was off, only the wall clock shows for how long, and a wall clock may be
//! wrong, above all right after the start. So the line continues as if no time had passed. A wall
//! clock is *settled* when it has run evenly for [`CLOCK_SETTLE_MS`] and is not before
//! [`CLOCK_PLAUSIBLE_MS`]. Time between two moments at which it was settled that is not in the line
//! becomes a *gap*: a client that left before the machine was off has been away longer by the gap.
//! If the wall clock went back meanwhile, there is no gap, and sessions stay a little longer. The
//! caller decides how long a gap may be that only a wall clock shows: see [`Timeline::age_ms`]. A
//! gap in which the machine was suspended is *proven*.
//!
//! A *mark* in the log has the time of the clocks at a time of the line, and when they were
//! settled. The times of later records advance it.
//!
//! Logs of format 1 have wall times and no mark. The last of these times is taken as the mark. A
//! departure that is later, or more than [`UNMARKED_AGE_MS_MAX`] before, is from a wrong clock, and
//! its age begins anew.

use super::cursor::{Cursor, put_varint};
use crate::limits::{
    CLOCK_JUMP_MS, CLOCK_PLAUSIBLE_MS, CLOCK_SETTLE_MS, TIME_GAPS_MAX, UNMARKED_AGE_MS_MAX,
};

/// The shortest gap that is recorded: clocks are not read at exactly the same moment.
const GAP_MS_MIN: u64 = 1_000;

/// The readings of the machine's clocks at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct ClockReading {
    /// The wall clock in milliseconds since 1970; 0 if it is before.
    pub wall_ms: u64,
    /// Milliseconds since the machine was started, including suspension.
    pub boot_ms: u64,
    /// The identifier of that start; 0: unknown.
    pub boot_id: u128,
}

/// The readings of the clocks at a time of the line.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Mark {
    pub(super) time_ms: u64,
    pub(super) clocks: ClockReading,
    /// The time at which the wall clock was last settled, and its reading then; 0: never.
    pub(super) settled_ms: u64,
    pub(super) settled_wall_ms: u64,
    /// The time just before which the machine was first off since; 0: it was not.
    pub(super) off_before_ms: u64,
}

/// Time that has passed and is not in the line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Gap {
    /// Events of an earlier time of the line are older by the gap.
    pub before_ms: u64,
    /// Its length.
    pub length_ms: u64,
    /// Whether another clock than the wall clock shows it.
    pub proven: bool,
}

/// See the file.
#[derive(Clone, Default, Debug)]
pub struct Timeline {
    /// The last mark in the log, or the next one.
    mark: Option<Mark>,
    /// The mark of the start.
    start: Mark,
    /// The last time in the log; before the first mark, the time of the last record, else the
    /// latest.
    newest_ms: u64,
    /// The latest time in a checkpoint; used without a mark and other times.
    hearsay_ms: u64,
    /// The gaps in order, at most [`TIME_GAPS_MAX`].
    gaps: Vec<Gap>,
    /// The time since which the wall clock runs evenly.
    even_from_ms: u64,
    /// The time for which the machine was suspended in this run.
    suspended_ms: u64,
}

/// While the log is read.
impl Timeline {
    pub(super) fn replay_mark(&mut self, mark: Mark) {
        let known = if self.mark.is_some() { self.newest_ms } else { 0 };
        self.newest_ms = known.max(mark.time_ms);
        self.mark = Some(mark);
    }

    pub(super) fn replay_gaps(&mut self, gaps: Vec<Gap>) {
        self.gaps = gaps;
    }

    /// Handles a record with this time.
    pub(super) fn replay_time(&mut self, time_ms: u64) {
        let known = if self.mark.is_some() { self.newest_ms } else { 0 };
        self.newest_ms = known.max(time_ms);
    }

    /// Handles a time in a checkpoint.
    pub(super) fn replay_hearsay(&mut self, time_ms: u64) {
        self.hearsay_ms = self.hearsay_ms.max(time_ms);
    }

    /// Continues the line after recovery, with the present readings of the clocks.
    pub(super) fn resume(&mut self, now: ClockReading) {
        let end = self.end();
        // 0 is not a time: it stands for a connected client.
        let first = Mark { time_ms: now.wall_ms.max(1), clocks: now, ..Mark::default() };
        self.start = end.map_or(first, |end| end.resumed(now));
        self.even_from_ms = self.start.time_ms;
    }

    /// The last moment in the log.
    fn end(&self) -> Option<Mark> {
        if let Some(mark) = self.mark {
            let ClockReading { wall_ms, boot_ms, boot_id } = mark.clocks;
            let later_ms = self.newest_ms - mark.time_ms;
            let boot_ms = boot_ms + later_ms;
            let clocks = ClockReading { wall_ms: wall_ms + later_ms, boot_ms, boot_id };
            return Some(Mark { time_ms: self.newest_ms, clocks, ..mark });
        }
        let time_ms = if self.newest_ms > 0 { self.newest_ms } else { self.hearsay_ms };
        let clocks = ClockReading { wall_ms: time_ms, ..ClockReading::default() };
        let settled_ms = if time_ms >= CLOCK_PLAUSIBLE_MS { time_ms } else { 0 };
        let settled_wall_ms = settled_ms;
        let end = Mark { time_ms, clocks, settled_ms, settled_wall_ms, off_before_ms: 0 };
        (time_ms > 0).then_some(end)
    }

    /// The departure of a session's client, which the log has as `left_ms`.
    pub(super) fn departure_ms(&self, left_ms: u64) -> u64 {
        let start_ms = self.start.time_ms;
        let age_ms = start_ms.checked_sub(left_ms);
        let is_right = age_ms.is_some_and(|age_ms| age_ms <= UNMARKED_AGE_MS_MAX);
        if self.mark.is_some() || is_right { left_ms } else { start_ms }
    }
}

impl Mark {
    /// The mark of a start with these readings.
    fn resumed(self, now: ClockReading) -> Self {
        let before = self.clocks;
        let is_same_start = before.boot_id == now.boot_id && now.boot_id != 0;
        if is_same_start && before.boot_ms <= now.boot_ms {
            let time_ms = self.time_ms + (now.boot_ms - before.boot_ms);
            return Self { time_ms, clocks: now, ..self };
        }
        // Clients that were connected until the end count as gone from this time on, after the
        // machine was off.
        let time_ms = self.time_ms + 1;
        let off_before_ms = if self.off_before_ms > 0 { self.off_before_ms } else { time_ms };
        Self { time_ms, clocks: now, off_before_ms, ..self }
    }
}

impl Timeline {
    /// The time of the line at the moment of the readings with which the store was opened.
    pub fn start_ms(&self) -> u64 {
        self.start.time_ms
    }

    /// The milliseconds from `since_ms` to `now_ms`, with gaps. A gap that only the wall clock
    /// shows counts if it is not longer than `claimed_max_ms`.
    pub fn age_ms(&self, since_ms: u64, now_ms: u64, claimed_max_ms: u64) -> u64 {
        let counts = |gap: &&Gap| gap.proven || gap.length_ms <= claimed_max_ms;
        let gaps = self.gaps.iter().filter(|gap| gap.before_ms > since_ms).filter(counts);
        let gaps_ms = gaps.fold(0_u64, |sum, gap| sum.saturating_add(gap.length_ms));
        now_ms.saturating_sub(since_ms).saturating_add(gaps_ms)
    }

    /// The wall time of a time of the line in milliseconds since 1970, for people to read. It uses
    /// the offset between both at the last reading.
    pub fn wall_ms(&self, time_ms: u64) -> u64 {
        let Some(Mark { time_ms: at_ms, clocks, .. }) = self.mark else { return time_ms };
        let later_ms = time_ms.saturating_sub(at_ms);
        (clocks.wall_ms + later_ms).saturating_sub(self.age_ms(time_ms, at_ms, u64::MAX))
    }

    /// The mark of the start.
    pub(super) fn mark_start(&mut self) -> Mark {
        self.mark = Some(self.start);
        self.start
    }

    /// Handles readings of the clocks that are not newer than `time_ms`; returns a new gap.
    pub(super) fn look(&mut self, now: ClockReading, time_ms: u64) -> Option<Gap> {
        let before = self.mark.unwrap_or(self.start);
        if clock_set_ms(before.clocks, now).unsigned_abs() >= CLOCK_JUMP_MS {
            self.even_from_ms = time_ms;
        }
        let since_start_ms = now.boot_ms.saturating_sub(self.start.clocks.boot_ms);
        let ran_ms = time_ms.saturating_sub(self.start.time_ms);
        let slept_ms = since_start_ms.saturating_sub(ran_ms + self.suspended_ms);
        let mut gap = None;
        if slept_ms >= GAP_MS_MIN {
            // The moment of the suspension is unknown, so clients that left since the last reading
            // are not made older.
            self.suspended_ms += slept_ms;
            gap = Some(Gap { before_ms: before.time_ms, length_ms: slept_ms, proven: true });
        }
        // The readings are of this time of the line, or of a little later.
        let read_ms = self.start.time_ms + since_start_ms.saturating_sub(self.suspended_ms);
        let mut mark = Mark { time_ms: read_ms.min(time_ms).max(before.time_ms), ..before };
        mark.clocks = now;
        let is_even = time_ms.saturating_sub(self.even_from_ms) >= CLOCK_SETTLE_MS;
        if is_even && now.wall_ms >= CLOCK_PLAUSIBLE_MS && gap.is_none() {
            gap = self.claim(&mark);
            (mark.settled_ms, mark.settled_wall_ms) = (mark.time_ms, now.wall_ms);
            mark.off_before_ms = 0;
        }
        self.mark = Some(mark);
        if let Some(gap) = gap {
            // Without the oldest gap, sessions of before it are kept longer.
            let surplus = (self.gaps.len() + 1).saturating_sub(TIME_GAPS_MAX);
            self.gaps.drain(..surplus);
            self.gaps.push(gap);
        }
        gap
    }

    /// The time since the wall clock was last settled that is not in the line, if the machine was
    /// off meanwhile.
    fn claim(&self, mark: &Mark) -> Option<Gap> {
        if mark.settled_ms == 0 || mark.off_before_ms == 0 {
            return None;
        }
        let counted_ms = self.age_ms(mark.settled_ms, mark.time_ms, u64::MAX);
        let passed_ms = mark.clocks.wall_ms.checked_sub(mark.settled_wall_ms)?;
        let length_ms = passed_ms.checked_sub(counted_ms).filter(|ms| *ms >= GAP_MS_MIN)?;
        Some(Gap { before_ms: mark.off_before_ms, length_ms, proven: false })
    }

    /// The mark and the gaps for a checkpoint.
    pub(super) fn captured(&self) -> (Option<Mark>, &[Gap]) {
        (self.mark, &self.gaps)
    }
}

/// The milliseconds by which the wall clock was set between two readings since one start of the
/// machine.
pub fn clock_set_ms(before: ClockReading, now: ClockReading) -> i64 {
    let wall_ms = now.wall_ms.cast_signed().saturating_sub(before.wall_ms.cast_signed());
    let passed_ms = now.boot_ms.cast_signed().saturating_sub(before.boot_ms.cast_signed());
    wall_ms.saturating_sub(passed_ms)
}

impl Mark {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let Self { time_ms, clocks, settled_ms, settled_wall_ms, off_before_ms } = self;
        let ClockReading { wall_ms, boot_ms, boot_id } = clocks;
        out.extend_from_slice(&boot_id.to_le_bytes());
        for ms in [time_ms, wall_ms, boot_ms, settled_ms, settled_wall_ms, off_before_ms] {
            out.extend_from_slice(&ms.to_le_bytes());
        }
    }

    pub(super) fn decode(body: &mut Cursor<'_>) -> Option<Self> {
        let boot_id = u128::from_le_bytes(body.array()?);
        let (time_ms, wall_ms, boot_ms) = (body.u64()?, body.u64()?, body.u64()?);
        let clocks = ClockReading { wall_ms, boot_ms, boot_id };
        let (settled_ms, settled_wall_ms) = (body.u64()?, body.u64()?);
        Some(Self { time_ms, clocks, settled_ms, settled_wall_ms, off_before_ms: body.u64()? })
    }
}

impl Gap {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.before_ms.to_le_bytes());
        put_varint(out, self.length_ms);
        out.push(self.proven.into());
    }

    pub(super) fn decode(body: &mut Cursor<'_>) -> Option<Self> {
        let (before_ms, length_ms) = (body.u64()?, body.varint()?);
        Some(Self { before_ms, length_ms, proven: body.u8()? != 0 })
    }
}

#[cfg(test)]
mod tests;
