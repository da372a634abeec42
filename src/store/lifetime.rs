//! How long a message may still be delivered (MQTT 5, 3.3.2.3.3): its properties tell for how long
//! from when it came, the time line how much of that has passed.
//!
//! The clock of a message is the time at which it came to the broker, wherever it has been since:
//! in a queue, among the retained messages, in a record that cleaning moved, on another shard.

use std::num::NonZero;

use super::timeline::Timeline;

/// The identifier of the property Message Expiry Interval.
const MESSAGE_EXPIRY_INTERVAL: u8 = 2;

/// The time that a message may still be delivered in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lifetime {
    /// It does not expire.
    Unlimited,
    /// Seconds, more than 0: the value that the receiver is sent [MQTT-3.3.2-6].
    Left(NonZero<u32>),
    /// It has expired: a session that was not sent it yet does not get it [MQTT-3.3.2-5].
    Over,
}

impl Lifetime {
    /// Of a message with these properties that came at `time_ms`, at the time `now_ms`; both are of
    /// this time line.
    ///
    /// A gap of the time line counts in full, also if only the wall clock vouches for it: a message
    /// that is dropped is worse than a stale one only for those who set no expiry.
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

/// For how many seconds a message with these properties may be delivered; `None`: for ever.
#[inline]
pub fn expiry_interval_s(properties: &[u8]) -> Option<u32> {
    match properties {
        [MESSAGE_EXPIRY_INTERVAL, rest @ ..] => rest.first_chunk().map(|s| u32::from_be_bytes(*s)),
        _ => None,
    }
}

/// The second of the time line in which a message with these properties that came at `time_ms` has
/// expired at the latest; `None` if it does not expire, or so late that no one needs to know.
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

    /// Whole seconds that were waited are taken off; at 0 it is over; the interval 0 is over at
    /// once; the largest does not overflow; only the first property is looked at.
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
        // A clock that goes back takes nothing off.
        assert_eq!(Lifetime::of(&ten, 5_000, &timeline, 1_000), left(10));
    }

    /// A deadline is never before a message has expired, and there is none where none is needed.
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
