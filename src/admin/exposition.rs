//! Metrics as text: the formats of Prometheus (0.0.4) and OpenMetrics (1.0).

use std::collections::BTreeMap;
use std::fmt::Write;

use hyper::{Request, header};

use crate::broker::VhostReport;
use crate::broker::inspect::{Histogram, Snapshot};

use super::catalogue::metrics;
use super::metric::{Metric, ShardFigures, Source, Whole, float};
use super::vhost_metrics::VHOST_METRICS;

/// Exponents of the bucket bounds of histograms, powers of two of microseconds: from 16 µs to 33 s.
const EXPONENTS: std::ops::RangeInclusive<u32> = 4..=25;

/// One of the two formats.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Format {
    Prometheus,
    OpenMetrics,
}

impl Format {
    /// The format that a request asks for.
    pub(super) fn of(request: &Request<()>) -> Self {
        let accept = request.headers().get(header::ACCEPT);
        Self::asked_for(accept.and_then(|value| value.to_str().ok()).unwrap_or_default())
    }

    /// The format that an Accept header asks for.
    pub(super) fn asked_for(accept: &str) -> Self {
        // Prometheus lists its preferred format first, and understands both.
        let first = accept.split(',').map(|part| part.split(';').next().unwrap_or_default().trim());
        let mut known = first.filter_map(|kind| match kind {
            "application/openmetrics-text" => Some(Self::OpenMetrics),
            "text/plain" | "text/*" | "*/*" => Some(Self::Prometheus),
            _ => None,
        });
        known.next().unwrap_or(Self::Prometheus)
    }

    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// Text that is being written.
pub(super) struct Text {
    format: Format,
    text: String,
}

/// Labels and their values.
type Labels<'a> = &'a [(&'a str, &'a str)];

/// All metrics of the broker.
pub(super) fn of_broker(format: Format, shards: &[ShardFigures<'_>], whole: &Whole) -> String {
    let mut text = Text::new(format);
    for metric in metrics() {
        let name = text.family(metric);
        text.values(&name, metric, shards, whole);
    }
    text.end()
}

/// The metrics of each vhost, summed over the shards.
pub(super) fn of_vhosts(format: Format, vhosts: &BTreeMap<String, VhostReport>) -> String {
    let mut text = Text::new(format);
    for metric in VHOST_METRICS {
        let name = text.family(metric);
        for (vhost, report) in vhosts {
            let found = report.figures.iter().find(|(name, _)| *name == metric.source);
            let value = found.map_or(0, |(_, value)| *value);
            text.line(&name, &[("vhost", vhost)], float(value));
        }
    }
    text.end()
}

impl Text {
    pub(super) fn new(format: Format) -> Self {
        Self { format, text: String::with_capacity(32 * 1024) }
    }

    fn push(&mut self, line: std::fmt::Arguments<'_>) {
        self.text.write_fmt(line).expect("it is memory");
    }

    /// Begins a metric. Returns its name.
    pub(super) fn family<S>(&mut self, metric: &Metric<S>) -> String {
        let (name, kind, help) = (metric.whole_name(), metric.kind.name(), metric.help);
        // In OpenMetrics a counter's family is named without the suffix of its samples.
        let family = match self.format {
            Format::Prometheus => name.as_str(),
            Format::OpenMetrics => name.strip_suffix("_total").unwrap_or(&name),
        };
        self.push(format_args!("# HELP {family} {help}\n# TYPE {family} {kind}\n"));
        if let (Format::OpenMetrics, Some(unit)) = (self.format, metric.unit()) {
            self.push(format_args!("# UNIT {family} {unit}\n"));
        }
        name
    }

    fn values(&mut self, name: &str, metric: &Metric, shards: &[ShardFigures<'_>], whole: &Whole) {
        let scaled = |value: u64| float(value) / f64::from(metric.per_unit);
        let snapshots = || shards.iter().map(|figures| figures.snapshot);
        match metric.source {
            Source::Sum(of) => self.line(name, &[], scaled(snapshots().map(of).sum())),
            Source::Highest(of) => {
                self.line(name, &[], scaled(snapshots().map(of).max().unwrap_or(0)));
            }
            Source::Sums(label, series) => {
                for (value, of) in series {
                    let sum = snapshots().map(of).sum();
                    self.line(name, &[(label, value)], scaled(sum));
                }
            }
            Source::Each(of) => {
                for ShardFigures { shard, snapshot, .. } in shards {
                    let shard = shard.to_string();
                    self.line(name, &[("shard", &shard)], scaled(of(snapshot)));
                }
            }
            Source::Age => {
                for ShardFigures { shard, age, .. } in shards {
                    self.line(name, &[("shard", &shard.to_string())], age.as_secs_f64());
                }
            }
            Source::Times(of) => {
                let sum = total(shards, of);
                self.histogram(name, &[], &sum, metric.per_unit);
            }
            Source::TimesBy(label, series) => {
                for (value, of) in series {
                    let sum = total(shards, *of);
                    self.histogram(name, &[(label, value)], &sum, metric.per_unit);
                }
            }
            Source::Broker(of) => self.line(name, &[], of(whole)),
            Source::Named(label, of) => {
                for (value, figure) in of(whole) {
                    self.line(name, &[(label, &value)], figure);
                }
            }
            Source::Pairs(labels, series) => {
                for (values, of) in series {
                    let labels = [(labels[0], values[0]), (labels[1], values[1])];
                    self.line(name, &labels, scaled(snapshots().map(of).sum()));
                }
            }
            Source::Rows(labels, of) => {
                for (values, figure) in of(shards, whole) {
                    let values = values.iter().map(String::as_str);
                    let labels: Vec<(&str, &str)> = labels.iter().copied().zip(values).collect();
                    self.line(name, &labels, figure);
                }
            }
        }
    }

    fn histogram(&mut self, name: &str, labels: Labels<'_>, histogram: &Histogram, per_unit: u32) {
        let bucket = format!("{name}_bucket");
        let with_end = |end: &str, text: &mut Self, count| {
            text.line(&bucket, &[labels, &[("le", end)]].concat(), count);
        };
        for exponent in EXPONENTS {
            let end = float(1 << exponent) / f64::from(per_unit);
            let below = float(histogram.count_below(exponent));
            with_end(&end.to_string(), self, below);
        }
        let count = float(histogram.count());
        with_end("+Inf", self, count);
        let sum = float(histogram.sum_us()) / f64::from(per_unit);
        self.line(&format!("{name}_sum"), labels, sum);
        self.line(&format!("{name}_count"), labels, count);
    }

    pub(super) fn line(&mut self, name: &str, labels: Labels<'_>, value: f64) {
        self.push(format_args!("{name}"));
        for (at, (label, text)) in labels.iter().enumerate() {
            let (before, text) = (if at == 0 { '{' } else { ',' }, escaped(text));
            self.push(format_args!("{before}{label}=\"{text}\""));
        }
        let end = if labels.is_empty() { "" } else { "}" };
        self.push(format_args!("{end} {value}\n"));
    }

    pub(super) fn end(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
        self.text
    }
}

/// The sum of a histogram over all shards.
pub(super) fn total(shards: &[ShardFigures<'_>], of: fn(&Snapshot) -> &Histogram) -> Histogram {
    let mut sum = Histogram::default();
    shards.iter().for_each(|figures| sum.add(of(figures.snapshot)));
    sum
}

/// The value of a label, escaped as both formats require.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    // The first known format of the header is used.
    #[test]
    fn formats_are_chosen() {
        let prometheus_3 = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
                            text/plain;version=0.0.4;q=0.2,*/*;q=0.1";
        for (accept, expected) in [
            (prometheus_3, Format::OpenMetrics),
            ("text/plain", Format::Prometheus),
            ("*/*", Format::Prometheus),
            ("", Format::Prometheus),
            ("text/html,*/*", Format::Prometheus),
            ("application/json", Format::Prometheus),
            ("application/json, application/openmetrics-text", Format::OpenMetrics),
        ] {
            assert_eq!(Format::asked_for(accept), expected, "{accept}");
        }
    }

    // Buckets are cumulative, in seconds, and the last one contains all.
    #[test]
    fn histograms_are_cumulative() {
        let mut histogram = Histogram::default();
        for us in [3, 16, 1_000, u64::MAX] {
            histogram.record_n(us, 1);
        }
        let mut text = Text::new(Format::Prometheus);
        text.histogram("x", &[("path", "a")], &histogram, 1_000_000);
        let lines: Vec<&str> = text.text.lines().collect();
        assert_eq!(lines.len(), EXPONENTS.count() + 3);
        for line in [
            "x_bucket{path=\"a\",le=\"0.000016\"} 1",
            "x_bucket{path=\"a\",le=\"0.000032\"} 2",
            "x_bucket{path=\"a\",le=\"0.001024\"} 3",
            "x_bucket{path=\"a\",le=\"33.554432\"} 3",
            "x_bucket{path=\"a\",le=\"+Inf\"} 4",
            "x_sum{path=\"a\"} 4294.968314",
            "x_count{path=\"a\"} 4",
        ] {
            assert!(lines.contains(&line), "{line}: {lines:#?}");
        }
    }

    // Names of vhosts may contain any character.
    #[test]
    fn labels_are_escaped() {
        let figures = [("sessions", 3); 9];
        let name = "a\"b\\c\nd";
        let report = VhostReport { vhost: name.into(), figures };
        let vhosts = BTreeMap::from([(name.to_owned(), report)]);
        let text = of_vhosts(Format::OpenMetrics, &vhosts);
        assert!(text.contains("ringmq_vhost_sessions{vhost=\"a\\\"b\\\\c\\nd\"} 3\n"), "{text}");
        assert!(text.ends_with("# EOF\n"));
    }

    // Every counter of a shard appears in a metric.
    #[test]
    fn every_counter_is_told() {
        let told = |change: &dyn Fn(&mut Snapshot)| {
            let mut snapshot = Snapshot::default();
            change(&mut snapshot);
            let figures = |source: Source| match source {
                Source::Sum(of) | Source::Highest(of) | Source::Each(of) => of(&snapshot),
                Source::Sums(_, series) => series.iter().map(|(_, of)| of(&snapshot)).sum(),
                Source::Pairs(_, series) => series.iter().map(|(_, of)| of(&snapshot)).sum(),
                _ => 0,
            };
            metrics().map(|metric| figures(metric.source)).sum::<u64>()
        };
        for (at, (name, _)) in Snapshot::default().stats.each().enumerate() {
            // These are sums of others.
            if ["clients_refused", "closed_timeout", "answers_out"].contains(&name) {
                continue;
            }
            let count = told(&|snapshot| {
                if name == "closed_keep_alive" {
                    snapshot.stats.closed_timeout = 1;
                }
                let counter = snapshot.stats.each_mut().nth(at).expect("it is one of them");
                *counter = 1;
            });
            assert!(count > 0, "{name} is not told");
        }
    }
}
