//! The time for which a message may still be delivered (MQTT 5, 3.3.2.3.3). Its properties have the
//! interval since its arrival, and the time line tells how much of it has passed.
//!
//! The interval begins when the message arrives at the broker, whether it then waits in a queue, is
//! retained, is moved by cleaning or goes to another shard.

use std::num::NonZero;

use super::timeline::Timeline;

/// The identifier of the property Message Expiry Interval.
const MESSAGE_EXPIRY_INTERVAL: u8 = 2;

/// The time in which a message may still be delivered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lifetime {
    /// It does not expire.
    Unlimited,
    /// More than 0 seconds: the value that the receiver gets [MQTT-3.3.2-6].
    Left(NonZero<u32>),
    /// It has expired: it is not sent to sessions that were not sent it before [MQTT-3.3.2-5].
    Over,
}

impl Lifetime {
    /// The lifetime at `now_ms` of a message with these properties that arrived at `time_ms`; both
    /// are times of this time line.
    ///
    /// A gap of the time line counts in full, even if only the wall clock shows it: a publisher
    /// that sets an expiry prefers a dropped message to a stale one.
    #[inline]
    pub fn of(properties: &[u8], time_ms: u64, timeline: &Timeline, now_ms: u64) -> Self {
        match expiry_interval_s(properties) {
            None => Self::Unlimited,
            Some(interval_s) => Self::limited(interval_s, time_ms, timeline, now_ms),
        }
    }

    fn limited(interval_s: u32, time_ms: u64, timeline: &Timeline, now_ms: u64) -> Self {
        let waited_s = timeline.age_ms(time_ms, now_ms, u64::MAX) / 1000;
        let left_s = u32::try_from(u64::from(interval_s).saturating_sub(waited_s));
        let left_s = left_s.expect("it is at most the interval");
        NonZero::new(left_s).map_or(Self::Over, Self::Left)
    }

    /// Whether it has expired.
    #[inline]
    pub fn is_over(self) -> bool {
        self == Self::Over
    }
}

/// The seconds for which a message with these properties may be delivered; `None`: without limit.
#[inline]
pub fn expiry_interval_s(properties: &[u8]) -> Option<u32> {
    match properties {
        [MESSAGE_EXPIRY_INTERVAL, rest @ ..] => rest.first_chunk().map(|s| u32::from_be_bytes(*s)),
        _ => None,
    }
}

/// A second of the time line by which a message with these properties that arrived at `time_ms` has
/// expired; `None` if it never expires, or so late that it does not matter.
pub(super) fn deadline_s(properties: &[u8], time_ms: u64) -> Option<NonZero<u32>> {
    let interval_s = expiry_interval_s(properties)?;
    let deadline_s = time_ms.div_ceil(1000) + u64::from(interval_s);
    u32::try_from(deadline_s).ok().and_then(NonZero::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(seconds: u32) -> Lifetime {
        Lifetime::Left(NonZero::new(seconds).expect("more than 0"))
    }

    /// Whole seconds of waiting are subtracted; at 0 the message has expired; the interval 0
    /// expires at once; the largest does not overflow; only the first property is read.
    #[test]
    fn what_is_left() {
        let timeline = Timeline::default();
        let ten = [2, 0, 0, 0, 10];
        for (properties, waited_ms, expected) in [
            (&[][..], u64::MAX, Lifetime::Unlimited),
            (&[1, 1], u64::MAX, Lifetime::Unlimited),
            (&[1, 1, 2, 0, 0, 0, 1], 1 << 40, Lifetime::Unlimited),
            (&[2, 0, 0, 1], 5, Lifetime::Unlimited),
            (&ten, 0, left(10)),
            (&ten, 999, left(10)),
            (&ten, 1000, left(9)),
            (&ten, 9_999, left(1)),
            (&ten, 10_000, Lifetime::Over),
            (&[2, 0, 0, 0, 10, 1, 1], 2_500, left(8)),
            (&[2, 0, 0, 0, 0], 0, Lifetime::Over),
            (&[2, 255, 255, 255, 255], 1000, left(u32::MAX - 1)),
            (&[2, 255, 255, 255, 255], u64::from(u32::MAX) * 1000 - 1, left(1)),
            (&[2, 255, 255, 255, 255], u64::from(u32::MAX) * 1000, Lifetime::Over),
        ] {
            let is = Lifetime::of(properties, 0, &timeline, waited_ms);
            assert_eq!(is, expected, "{properties:?} after {waited_ms} ms");
        }
        // A clock that goes back subtracts nothing.
        assert_eq!(Lifetime::of(&ten, 5_000, &timeline, 1_000), left(10));
    }

    /// A deadline is never before the expiry, and there is none for messages that need none.
    #[test]
    fn deadlines() {
        let seconds =
            |properties: &[u8], time_ms| deadline_s(properties, time_ms).map(NonZero::get);
        assert_eq!(seconds(&[2, 0, 0, 0, 10], 0), Some(10));
        assert_eq!(seconds(&[2, 0, 0, 0, 10], 1), Some(11));
        assert_eq!(seconds(&[2, 0, 0, 0, 0], 1_700_000_000_000), Some(1_700_000_000));
        assert_eq!(seconds(&[2, 255, 255, 255, 255], 1_700_000_000_000), None);
        assert_eq!(seconds(&[1, 1], 5), None);
    }
}
