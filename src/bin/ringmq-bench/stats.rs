//! The counters and latency histograms of one thread.
//!
//! Counters only grow; an interval is the difference of two copies. The thread owns them, hands
//! them over when it ends, and then they are merged.

use std::time::Instant;

use hdrhistogram::Histogram;

use crate::group::Outages;

/// Bytes at the head of a payload with stream, number and time; messages with shorter payloads are
/// only counted.
pub(crate) const STAMP_BYTES: usize = 16;

/// Latencies have a precision of three digits between 1 µs and one hour.
const LATENCY_NS_MIN: u64 = 1_000;
const LATENCY_NS_MAX: u64 = 3_600_000_000_000;

/// Nanoseconds since 1970 that never step back. A stamp of one process is valid in another process
/// on the same host.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    origin: Instant,
    origin_ns: u64,
}

impl Clock {
    /// A clock that starts at the current time of the system.
    pub(crate) fn start() -> Clock {
        let since_1970 = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
        Clock { origin: Instant::now(), origin_ns: nanoseconds(since_1970) }
    }

    /// The time now.
    #[inline]
    pub(crate) fn now_ns(&self) -> u64 {
        self.origin_ns + nanoseconds(self.origin.elapsed())
    }
}

/// Whole nanoseconds of a duration, saturating after 584 years.
#[inline]
pub(crate) fn nanoseconds(duration: std::time::Duration) -> u64 {
    duration.as_secs().saturating_mul(1_000_000_000).saturating_add(duration.subsec_nanos().into())
}

/// Message counters. `acked <= published` at QoS 1; at QoS 0 nothing is acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Tally {
    /// Messages that were written to the socket completely.
    pub(crate) published: u64,
    /// PUBACKs received for them.
    pub(crate) acked: u64,
    /// PUBLISH packets received.
    pub(crate) delivered: u64,
    /// Of these: stamped before this run began.
    pub(crate) earlier: u64,
    /// Of these: not from a stream of this run, or too short to tell.
    pub(crate) unknown: u64,
    /// PUBACKs without a message in flight.
    pub(crate) stray_acks: u64,
}

impl std::ops::Sub for Tally {
    type Output = Tally;

    fn sub(self, earlier: Tally) -> Tally {
        Tally {
            published: self.published - earlier.published,
            acked: self.acked - earlier.acked,
            delivered: self.delivered - earlier.delivered,
            earlier: self.earlier - earlier.earlier,
            unknown: self.unknown - earlier.unknown,
            stray_acks: self.stray_acks - earlier.stray_acks,
        }
    }
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Tally) {
        self.published += other.published;
        self.acked += other.acked;
        self.delivered += other.delivered;
        self.earlier += other.earlier;
        self.unknown += other.unknown;
        self.stray_acks += other.stray_acks;
    }
}

/// Latencies of the messages whose intended sending is within a span of time, whenever they arrive.
#[derive(Debug)]
pub(crate) struct Latency {
    from_ns: u64,
    until_ns: u64,
    histogram: Histogram<u64>,
}

impl Latency {
    /// Nothing is recorded before [`Latency::open`].
    pub(crate) fn new() -> Latency {
        let histogram = Histogram::new_with_bounds(LATENCY_NS_MIN, LATENCY_NS_MAX, 3)
            .expect("constant bounds are in range");
        Latency { from_ns: u64::MAX, until_ns: u64::MAX, histogram }
    }

    /// From now on stamps of `from_ns` and later count, until [`Latency::close`].
    pub(crate) fn open(&mut self, from_ns: u64) {
        self.from_ns = from_ns;
    }

    /// Stamps of `until_ns` and later do not count.
    pub(crate) fn close(&mut self, until_ns: u64) {
        self.until_ns = until_ns;
    }

    /// Records `count` messages of one stamp that arrived at `now_ns`.
    #[inline]
    pub(crate) fn note(&mut self, stamp_ns: u64, now_ns: u64, count: u64) {
        if count > 0 && self.from_ns <= stamp_ns && stamp_ns < self.until_ns {
            self.histogram.saturating_record_n(now_ns.saturating_sub(stamp_ns), count);
        }
    }

    /// Adds the latencies of another thread.
    pub(crate) fn merge(&mut self, other: &Latency) {
        self.histogram.add(&other.histogram).expect("both have the same constant bounds");
    }

    /// Number of recorded latencies.
    pub(crate) fn count(&self) -> u64 {
        self.histogram.len()
    }

    /// The latency in µs that the share `quantile` (0 to 1) of messages did not exceed.
    pub(crate) fn quantile_us(&self, quantile: f64) -> f64 {
        self.histogram.value_at_quantile(quantile) as f64 / 1e3
    }
}

/// All counters of one thread.
#[derive(Debug)]
pub(crate) struct Stats {
    /// Counters since the thread began.
    pub(crate) tally: Tally,
    /// Latency from the intended sending to the receipt by a subscriber.
    pub(crate) delivery: Latency,
    /// Latency from the intended sending to the PUBACK.
    pub(crate) ack: Latency,
    /// What kills of members held up.
    pub(crate) outages: Outages,
    /// When the last message or PUBACK was sent or received, for runs that end by count.
    pub(crate) published_ns: u64,
    /// When a message was last received.
    pub(crate) delivered_ns: u64,
}

impl Stats {
    /// All zero.
    pub(crate) fn new() -> Stats {
        Stats {
            tally: Tally::default(),
            delivery: Latency::new(),
            ack: Latency::new(),
            outages: Outages::default(),
            published_ns: 0,
            delivered_ns: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Only messages intended for the measured span count, including late ones.
    #[test]
    fn latency_counts_by_stamp() {
        let mut latency = Latency::new();
        latency.note(10, 20_000, 1);
        assert_eq!(latency.count(), 0, "not open");
        latency.open(1_000_000);
        latency.close(2_000_000);
        for stamp_ns in [999_999, 1_000_000, 1_999_999, 2_000_000] {
            latency.note(stamp_ns, 9_000_000, 2);
        }
        assert_eq!(latency.count(), 4);
        assert!((latency.quantile_us(1.0) - 8_000.0).abs() < 10.0);
        assert!((latency.quantile_us(0.5) - 7_000.0).abs() < 10.0);
    }

    /// The threads' counters add up to the total.
    #[test]
    fn merging_adds() {
        let (mut one, mut other) = (Latency::new(), Latency::new());
        for latency in [&mut one, &mut other] {
            latency.open(0);
        }
        one.note(0, 10_000, 3);
        other.note(0, 90_000, 1);
        one.merge(&other);
        assert_eq!(one.count(), 4);
        assert!(one.quantile_us(0.75) < 11.0 && one.quantile_us(1.0) > 89.0);
    }
}
