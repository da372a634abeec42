//! A histogram of durations with 8 buckets for each power of two.
//!
//! The buckets of the h2 histogram with a grouping power of 3: each is at most an eighth of its
//! values wide. Recording is some arithmetic and two additions; nothing is allocated.

/// Number of bits that select the bucket within a power of two.
const GROUP_BITS: u32 = 3;

/// Number of buckets for values below 2³².
const BUCKETS: usize = ((32 - GROUP_BITS as usize) << GROUP_BITS) + (1 << GROUP_BITS);

/// Durations in microseconds; those beyond 2³² − 1 (71 minutes) count as that.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Histogram {
    counts: [u64; BUCKETS],
    /// The sum of all recorded durations.
    sum_us: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: [0; BUCKETS], sum_us: 0 }
    }
}

impl Histogram {
    /// Records the same duration `count` times.
    #[inline]
    pub fn record_n(&mut self, us: u64, count: u64) {
        let us = u32::try_from(us).unwrap_or(u32::MAX);
        self.counts[bucket_of(us)] += count;
        self.sum_us += u64::from(us) * count;
    }

    /// Adds the records of another histogram.
    pub fn add(&mut self, other: &Self) {
        let counts = self.counts.iter_mut().zip(&other.counts);
        counts.for_each(|(sum, more)| *sum += more);
        self.sum_us += other.sum_us;
    }

    /// The records since an earlier copy was made.
    pub fn since(&self, earlier: &Self) -> Self {
        let mut since = self.clone();
        let counts = since.counts.iter_mut().zip(&earlier.counts);
        counts.for_each(|(count, earlier)| *count = count.saturating_sub(*earlier));
        since.sum_us = since.sum_us.saturating_sub(earlier.sum_us);
        since
    }

    /// The number of records.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The sum of all durations in microseconds.
    pub fn sum_us(&self) -> u64 {
        self.sum_us
    }

    /// The number of records below 2 to the power of `exponent` microseconds; `exponent` is 3 to
    /// 32.
    pub fn count_below(&self, exponent: u32) -> u64 {
        let end = if exponent < 32 { bucket_of(1 << exponent) } else { BUCKETS };
        self.counts[..end].iter().sum()
    }

    /// The quantile in microseconds, as the upper end of its bucket: at most the fraction `1 -
    /// quantile` of the records exceeds it. 0 without records.
    pub fn quantile_us(&self, quantile: f64) -> u64 {
        let count = self.count();
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a rank is within the count, give or take its last bits"
        )]
        let rank = ((count as f64 * quantile).ceil() as u64).clamp(1, count.max(1));
        let mut seen = 0;
        for (bucket, counted) in self.counts.iter().enumerate() {
            seen += counted;
            if seen >= rank {
                return end_of(bucket);
            }
        }
        0
    }
}

/// The bucket of a value.
#[inline]
fn bucket_of(value: u32) -> usize {
    let small = 1 << GROUP_BITS;
    if value < small {
        return value as usize;
    }
    let exponent = 31 - value.leading_zeros();
    let within = (value >> (exponent - GROUP_BITS)) & (small - 1);
    (((exponent - GROUP_BITS + 1) as usize) << GROUP_BITS) + within as usize
}

/// The highest value of a bucket.
fn end_of(bucket: usize) -> u64 {
    let (group, within) = (bucket >> GROUP_BITS, bucket as u64 & ((1 << GROUP_BITS) - 1));
    match group {
        0 => within,
        _ => (((1 << GROUP_BITS) + within + 1) << (group - 1)) - 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Buckets follow each other without a gap, and each value is in the bucket that ends with it
    /// or above; none is wider than an eighth of its values.
    #[test]
    fn buckets_follow_each_other() {
        let mut begin = 0;
        for bucket in 0..BUCKETS {
            let end = end_of(bucket);
            let of = |value: u64| bucket_of(u32::try_from(value).expect("it is below 2³²"));
            assert_eq!((of(begin), of(end)), (bucket, bucket), "{begin} to {end}");
            assert!(end - begin <= begin / 8, "{begin} to {end}");
            begin = end + 1;
        }
        assert_eq!(begin, 1 << 32);
    }

    /// Exactly the values below a power of two are counted for it; a quantile is the end of its
    /// bucket.
    #[test]
    fn counts_and_quantiles() {
        let mut histogram = Histogram::default();
        assert_eq!((histogram.quantile_us(0.5), histogram.count_below(32)), (0, 0));
        for (us, count) in [(15, 90), (16, 9), (u64::MAX, 1)] {
            histogram.record_n(us, count);
        }
        assert_eq!(histogram.count(), 100);
        assert_eq!([4, 5, 32].map(|exponent| histogram.count_below(exponent)), [90, 99, 100]);
        let quantiles = [0.5, 0.9, 0.95, 1.0].map(|quantile| histogram.quantile_us(quantile));
        assert_eq!(quantiles, [15, 15, 17, u64::from(u32::MAX)]);
        let mut sum = histogram.clone();
        sum.add(&histogram);
        assert_eq!((sum.count(), sum.sum_us()), (200, 2 * histogram.sum_us()));
    }
}
