//! The number that a row of the catalogue adds to a topic.

use crate::broker::inspect::{Snapshot, Waiting};

use super::super::catalogue::Part;
use super::super::metric::{Metric, ShardFigures, Source, Whole};

/// What the values are computed from.
pub(super) struct Figures<'a> {
    pub(super) shards: &'a [ShardFigures<'a>],
    pub(super) whole: &'a Whole,
    /// The backlogs of durable sessions and groups.
    pub(super) waiting: &'a Waiting,
}

impl Figures<'_> {
    /// The uptime in milliseconds.
    pub(super) fn uptime_ms(&self) -> u64 {
        self.snapshots().map(|snapshot| snapshot.now_ms).max().unwrap_or(0)
    }

    pub(super) fn number(&self, part: &Part) -> u64 {
        match part {
            Part::Broker(metric, topic) => self.of_metric(metric, topic.only),
            Part::Waiting(metric, _) => whole_number((metric.source)(self.waiting)),
        }
    }

    /// The values of each shard.
    pub(super) fn by_shard(&self, part: &Part) -> Vec<u64> {
        match part {
            Part::Broker(Metric { source: Source::Each(of), .. }, _) => {
                self.snapshots().map(of).collect()
            }
            _ => unreachable!("a row with such a topic has a value of each shard"),
        }
    }

    fn of_metric(&self, metric: &Metric, only: &[&str]) -> u64 {
        let counts =
            |values: &[&str]| only.is_empty() || values.iter().any(|value| only.contains(value));
        match metric.source {
            Source::Sum(of) | Source::Each(of) => self.sum(of),
            Source::Highest(of) => self.snapshots().map(of).max().unwrap_or(0),
            Source::Sums(_, series) => {
                let series = series.iter().filter(|(value, _)| counts(&[value]));
                series.map(|(_, of)| self.sum(*of)).sum()
            }
            Source::Pairs(_, series) => {
                let series = series.iter().filter(|(values, _)| counts(values));
                series.map(|(_, of)| self.sum(*of)).sum()
            }
            Source::Broker(of) => whole_number(of(self.whole)),
            Source::Rows(_, of) => {
                of(self.shards, self.whole).iter().map(|(_, figure)| whole_number(*figure)).sum()
            }
            Source::Age | Source::Times(_) | Source::TimesBy(..) | Source::Named(..) => {
                unreachable!("a row with topics has numbers")
            }
        }
    }

    fn sum(&self, of: fn(&Snapshot) -> u64) -> u64 {
        self.snapshots().map(of).sum()
    }

    fn snapshots(&self) -> impl Iterator<Item = &Snapshot> {
        self.shards.iter().map(|figures| figures.snapshot)
    }
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast of a float saturates"
)]
fn whole_number(figure: f64) -> u64 {
    figure as u64
}
