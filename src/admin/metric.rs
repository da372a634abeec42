//! The row type of the catalogue.

use std::rc::Rc;
use std::time::Duration;

use crate::broker::inspect::{Histogram, Snapshot};

use super::condition::Condition;
use super::process::ProcessFigures;
use super::shards::Kept;
use super::topic::Topic;

/// The kind of a metric, as Prometheus defines them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// A figure of one shard.
type OfShard = fn(&Snapshot) -> u64;

/// A duration on one shard.
type OfTimes = fn(&Snapshot) -> &Histogram;

/// The source of a metric's values.
#[derive(Clone, Copy)]
pub(super) enum Source {
    /// The sum over all shards.
    Sum(OfShard),
    /// Sums, each with its value of the label.
    Sums(&'static str, &'static [(&'static str, OfShard)]),
    /// The highest value of all shards, which all measure the same thing.
    Highest(OfShard),
    /// The value of each shard, with the shard's number.
    Each(OfShard),
    /// The age of each shard's figures.
    Age,
    /// A duration, over all shards.
    Times(OfTimes),
    /// The same, each with its value of the label.
    TimesBy(&'static str, &'static [(&'static str, OfTimes)]),
    /// A value of the whole broker.
    Broker(fn(&Whole) -> f64),
    /// Values of the broker, each with a name as the value of the label.
    Named(&'static str, fn(&Whole) -> Vec<(String, f64)>),
    /// Sums, each with its values of two labels.
    Pairs([&'static str; 2], &'static [([&'static str; 2], OfShard)]),
    /// What is there of a kind, each with the values of these labels.
    Rows(&'static [&'static str], fn(&[ShardFigures<'_>], &Whole) -> Vec<LabelledRow>),
}

/// The values of a row's labels, and its figure.
pub(super) type LabelledRow = (Vec<String>, f64);

/// One row of the table.
pub(super) struct Metric<S = Source> {
    /// The name without the prefix `ringmq_`.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// The number of counted units in one unit of the metric.
    pub(super) per_unit: u32,
    pub(super) help: &'static str,
    pub(super) source: S,
    /// The topics below `$SYS/` that have it as their value, or as a part of it.
    pub(super) topics: &'static [Topic],
}

/// The source of a metric's values that is computed from a `T`.
pub(super) type Of<T> = fn(&T) -> f64;

impl<S> Metric<S> {
    /// The same with its topics.
    pub(super) const fn at(mut self, topics: &'static [Topic]) -> Self {
        self.topics = topics;
        self
    }

    /// Its whole name.
    pub(super) fn whole_name(&self) -> String {
        match self.name.starts_with("process_") {
            true => self.name.to_owned(),
            false => format!("ringmq_{}", self.name),
        }
    }

    /// The base unit at the end of its name, if any.
    pub(super) fn unit(&self) -> Option<&'static str> {
        let stem = self.name.strip_suffix("_total").unwrap_or(self.name);
        ["seconds", "bytes"].into_iter().find(|unit| stem.ends_with(unit))
    }
}

impl Metric {
    /// Its labels, each with its values, if they are known.
    pub(super) fn labels(&self) -> Vec<(&'static str, Vec<&'static str>)> {
        match self.source {
            Source::Sums(label, series) => vec![(label, names(series))],
            Source::TimesBy(label, series) => vec![(label, names(series))],
            Source::Named(label, _) => vec![(label, Vec::new())],
            Source::Each(_) | Source::Age => vec![("shard", Vec::new())],
            Source::Pairs(labels, series) => {
                let values = |at: usize| {
                    let mut values: Vec<&str> = Vec::new();
                    for (pair, _) in series {
                        if !values.contains(&pair[at]) {
                            values.push(pair[at]);
                        }
                    }
                    values
                };
                (0..2).map(|at| (labels[at], values(at))).collect()
            }
            Source::Rows(labels, _) => labels.iter().map(|label| (*label, Vec::new())).collect(),
            Source::Sum(_) | Source::Highest(_) | Source::Times(_) | Source::Broker(_) => {
                Vec::new()
            }
        }
    }
}

fn names<T>(series: &[(&'static str, T)]) -> Vec<&'static str> {
    series.iter().map(|(value, _)| *value).collect()
}

/// What is counted is told.
pub(super) const COUNT: u32 = 1;

/// Microseconds are told as seconds.
pub(super) const MICROS: u32 = 1_000_000;

pub(super) const fn row<S>(
    (name, kind, per_unit): (&'static str, Kind, u32),
    help: &'static str,
    source: S,
) -> Metric<S> {
    Metric { name, kind, per_unit, help, source, topics: &[] }
}

pub(super) const fn counter<S>(name: &'static str, help: &'static str, source: S) -> Metric<S> {
    row((name, Kind::Counter, COUNT), help, source)
}

pub(super) const fn gauge<S>(name: &'static str, help: &'static str, source: S) -> Metric<S> {
    row((name, Kind::Gauge, COUNT), help, source)
}

pub(super) const fn times(
    name: &'static str,
    help: &'static str,
    of: fn(&Snapshot) -> &Histogram,
) -> Metric {
    row((name, Kind::Histogram, MICROS), help, Source::Times(of))
}

/// The figures of one shard.
pub(super) struct ShardFigures<'a> {
    pub(super) shard: usize,
    pub(super) snapshot: &'a Snapshot,
    pub(super) age: Duration,
}

/// Values of the broker besides the shards' figures.
pub(super) struct Whole {
    pub(super) condition: Condition,
    pub(super) process: ProcessFigures,
    /// Requests by path and status.
    pub(super) requests: Vec<((&'static str, u16), u64)>,
    pub(super) refused_requests: u64,
    pub(super) auth_failures: u64,
    pub(super) trace_events_dropped: u64,
    pub(super) log_lines_lost: u64,
    /// Seconds since 1970.
    pub(super) now_s: f64,
}

#[allow(clippy::cast_precision_loss, reason = "a metric is a float in any case")]
pub(super) fn float(count: u64) -> f64 {
    count as f64
}

/// The figures of the shards that have reported any.
pub(super) fn figures_of(kept: &[Option<Rc<Kept>>]) -> Vec<ShardFigures<'_>> {
    let known = kept.iter().enumerate().filter_map(|(shard, kept)| {
        let kept = kept.as_ref()?;
        Some(ShardFigures { shard, snapshot: &kept.snapshot, age: kept.age() })
    });
    known.collect()
}
