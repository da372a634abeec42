//! Counts of each flow, for `/metrics`. Flows count on their own threads; the HTTP thread reads.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::mqtt::now_ms;

/// Upper bounds of batch sizes.
const BATCH_BOUNDS: [u64; 8] = [1, 10, 100, 500, 1000, 5000, 10_000, 32_767];
/// Upper bounds of write times, in milliseconds.
const WRITE_BOUNDS_MS: [u64; 10] = [1, 2, 5, 10, 25, 50, 100, 500, 2500, 10_000];

/// A backlog that nobody has told.
const UNKNOWN: u64 = u64::MAX;

/// What a flow does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The flow has started, and the target has not answered yet.
    Starting = 0,
    /// The target accepts messages.
    Up = 1,
    /// The target does not answer; the flow tries again.
    Retrying = 2,
    /// The target refuses everything: an operator must act.
    Stopped = 3,
}

impl State {
    const ALL: [Self; 4] = [Self::Starting, Self::Up, Self::Retrying, Self::Stopped];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Up => "up",
            Self::Retrying => "retrying",
            Self::Stopped => "stopped",
        }
    }
}

/// The counts of one flow.
#[derive(Debug, Clone)]
pub struct FlowMetrics(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    name: String,
    kind: &'static str,
    state: AtomicU64,
    connected: AtomicU64,
    received: AtomicU64,
    confirmed: AtomicU64,
    delivered: AtomicU64,
    dead: AtomicU64,
    dropped: AtomicU64,
    retries: AtomicU64,
    buffered_bytes: AtomicU64,
    /// Milliseconds since 1970; 0 if no message waits.
    oldest_ms: AtomicU64,
    last_error_ms: AtomicU64,
    /// Messages that wait at the input's server; `UNKNOWN`: it does not say.
    backlog: AtomicU64,
    /// Messages that the broker has and that are not acknowledged; `UNKNOWN`: it has not told them.
    told: AtomicU64,
    /// The age of the oldest of these then, in milliseconds.
    told_age_ms: AtomicU64,
    batches: [AtomicU64; BATCH_BOUNDS.len() + 1],
    batch_messages: AtomicU64,
    writes: [AtomicU64; WRITE_BOUNDS_MS.len() + 1],
    write_us: AtomicU64,
}

fn add(counter: &AtomicU64, count: usize) {
    counter.fetch_add(count as u64, Ordering::Relaxed);
}

fn put(gauge: &AtomicU64, value: u64) {
    gauge.store(value, Ordering::Relaxed);
}

fn get(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}

/// The values of a flow in the terminal's line.
#[derive(Debug, Clone)]
pub struct Glance {
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: &'static str,
    /// Messages that its target has acknowledged.
    pub delivered: u64,
    /// Messages that were received and not confirmed.
    pub in_flight: u64,
    /// The age of the oldest of these.
    pub lag: Duration,
}

impl FlowMetrics {
    /// Counts that begin at 0.
    pub fn new(name: &str, kind: &'static str) -> Self {
        let (backlog, told) = (AtomicU64::new(UNKNOWN), AtomicU64::new(UNKNOWN));
        Self(Arc::new(Counts { name: name.to_owned(), kind, backlog, told, ..Counts::default() }))
    }

    pub(crate) fn received(&self, messages: usize, buffered: usize) {
        add(&self.0.received, messages);
        put(&self.0.buffered_bytes, buffered as u64);
    }

    pub(crate) fn confirmed(&self, messages: usize, buffered: usize) {
        add(&self.0.confirmed, messages);
        put(&self.0.buffered_bytes, buffered as u64);
    }

    pub(crate) fn set_connected(&self, is_connected: bool) {
        put(&self.0.connected, u64::from(is_connected));
    }

    pub(crate) fn set_oldest(&self, time_ms: Option<u64>) {
        put(&self.0.oldest_ms, time_ms.unwrap_or(0));
    }

    /// Messages that wait at the input's server and have not been sent.
    pub(crate) fn set_backlog(&self, messages: u64) {
        put(&self.0.backlog, messages);
    }

    /// Messages that the broker has and that are not acknowledged, and the age of the oldest in
    /// milliseconds.
    pub(crate) fn set_told(&self, told: Option<(u64, u64)>) {
        let (messages, age_ms) = told.unwrap_or((UNKNOWN, 0));
        put(&self.0.told_age_ms, age_ms);
        put(&self.0.told, messages);
    }

    pub(crate) fn set_state(&self, state: State) {
        put(&self.0.state, state as u64);
    }

    pub(crate) fn delivered(&self, messages: usize) {
        add(&self.0.delivered, messages);
    }

    pub(crate) fn dead(&self, messages: usize) {
        add(&self.0.dead, messages);
    }

    pub(crate) fn dropped(&self, messages: usize) {
        add(&self.0.dropped, messages);
    }

    pub(crate) fn retried(&self) {
        add(&self.0.retries, 1);
        put(&self.0.last_error_ms, now_ms());
    }

    pub(crate) fn wrote(&self, messages: usize, time: Duration) {
        let bucket = BATCH_BOUNDS.partition_point(|bound| *bound < messages as u64);
        add(&self.0.batches[bucket], 1);
        add(&self.0.batch_messages, messages);
        let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        add(&self.0.writes[WRITE_BOUNDS_MS.partition_point(|bound| *bound < ms)], 1);
        let us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.0.write_us.fetch_add(us, Ordering::Relaxed);
    }

    /// The present state.
    pub fn state(&self) -> State {
        let state = get(&self.0.state);
        State::ALL.into_iter().find(|known| *known as u64 == state).unwrap_or(State::Starting)
    }

    /// Whether it reads from its broker.
    pub fn is_connected(&self) -> bool {
        get(&self.0.connected) == 1
    }

    /// The values for the terminal's line.
    pub fn glance(&self) -> Glance {
        Glance {
            name: self.0.name.clone(),
            state: self.state().name(),
            delivered: get(&self.0.delivered),
            in_flight: get(&self.0.received).saturating_sub(get(&self.0.confirmed)),
            lag: Duration::from_millis(self.lag_ms()),
        }
    }

    /// Messages that wait at the input's server, if it has said so.
    fn backlog(&self) -> Option<u64> {
        Some(get(&self.0.backlog)).filter(|backlog| *backlog != UNKNOWN)
    }

    /// Messages that wait for the target, here and at the input's server.
    fn lag_messages(&self) -> u64 {
        let in_flight = get(&self.0.received).saturating_sub(get(&self.0.confirmed));
        match get(&self.0.told) {
            UNKNOWN => in_flight + self.backlog().unwrap_or(0),
            // Those in flight are among them, except those that have come since.
            told => told.max(in_flight),
        }
    }

    fn lag_ms(&self) -> u64 {
        let held = match get(&self.0.oldest_ms) {
            0 => 0,
            oldest => now_ms().saturating_sub(oldest),
        };
        held.max(get(&self.0.told_age_ms))
    }
}

/// One metric of all flows.
struct Family {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
    value: fn(&FlowMetrics) -> f64,
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus has no other numbers")]
fn count(value: u64) -> f64 {
    value as f64
}

/// Every metric except the histograms.
const FAMILIES: &[Family] = &[
    Family {
        name: "target_up",
        kind: "gauge",
        help: "1 if the last write to the target succeeded",
        value: |flow| f64::from(u8::from(flow.state() == State::Up)),
    },
    Family {
        name: "stopped",
        kind: "gauge",
        help: "1 if the target takes nothing and somebody must act",
        value: |flow| f64::from(u8::from(flow.state() == State::Stopped)),
    },
    Family {
        name: "connected",
        kind: "gauge",
        help: "1 if the flow reads from its input",
        value: |flow| count(get(&flow.0.connected)),
    },
    Family {
        name: "received_total",
        kind: "counter",
        help: "Messages received, those that came again included",
        value: |flow| count(get(&flow.0.received)),
    },
    Family {
        name: "delivered_total",
        kind: "counter",
        help: "Messages that the target has acknowledged",
        value: |flow| count(get(&flow.0.delivered)),
    },
    Family {
        name: "dead_total",
        kind: "counter",
        help: "Messages that the target refused and that are dead letters",
        value: |flow| count(get(&flow.0.dead)),
    },
    Family {
        name: "dropped_total",
        kind: "counter",
        help: "Messages that the target refused and that are dropped",
        value: |flow| count(get(&flow.0.dropped)),
    },
    Family {
        name: "retries_total",
        kind: "counter",
        help: "Writes that failed and were tried again",
        value: |flow| count(get(&flow.0.retries)),
    },
    Family {
        name: "in_flight",
        kind: "gauge",
        help: "Messages received and not confirmed",
        value: |flow| count(flow.glance().in_flight),
    },
    Family {
        name: "buffered_bytes",
        kind: "gauge",
        help: "Bytes that the flow holds",
        value: |flow| count(get(&flow.0.buffered_bytes)),
    },
    Family {
        name: "lag_seconds",
        kind: "gauge",
        help: "Age of the oldest message that waits for the target",
        value: |flow| count(flow.lag_ms()) / 1000.0,
    },
    Family {
        name: "lag_messages",
        kind: "gauge",
        help: "Messages that wait for the target, here and, if it says so, at the input's server",
        value: |flow| count(flow.lag_messages()),
    },
    Family {
        name: "last_error_timestamp_seconds",
        kind: "gauge",
        help: "When a write last failed, in seconds since 1970; 0: never",
        value: |flow| count(get(&flow.0.last_error_ms)) / 1000.0,
    },
];

/// The text of `/metrics`.
pub fn render(flows: &[FlowMetrics]) -> String {
    let mut out = String::new();
    for family in FAMILIES {
        let Family { name, kind, help, value } = family;
        let name = format!("ringmq_bridge_{name}");
        head(&mut out, &name, kind, help);
        for flow in flows {
            line(&mut out, &name, &flow.labels(), value(flow));
        }
    }
    let name = "ringmq_bridge_batch_messages";
    head(&mut out, name, "histogram", "Messages in a batch");
    for flow in flows {
        let sum = count(get(&flow.0.batch_messages));
        let bounds = BATCH_BOUNDS.map(count);
        histogram(&mut out, name, flow, (&bounds, &flow.0.batches, sum));
    }
    let name = "ringmq_bridge_write_seconds";
    head(&mut out, name, "histogram", "Time of a write that succeeded");
    for flow in flows {
        let sum = count(get(&flow.0.write_us)) / 1e6;
        let bounds = WRITE_BOUNDS_MS.map(|ms| count(ms) / 1000.0);
        histogram(&mut out, name, flow, (&bounds, &flow.0.writes, sum));
    }
    out
}

impl FlowMetrics {
    fn labels(&self) -> String {
        format!("flow=\"{}\",target=\"{}\"", self.0.name, self.0.kind)
    }
}

fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(out, "# HELP {name} {help}.\n# TYPE {name} {kind}");
}

fn line(out: &mut String, name: &str, labels: &str, value: f64) {
    let _ = writeln!(out, "{name}{{{labels}}} {value}");
}

fn histogram(
    out: &mut String,
    name: &str,
    flow: &FlowMetrics,
    (bounds, counts, sum): (&[f64], &[AtomicU64], f64),
) {
    let labels = flow.labels();
    let mut total = 0;
    for (at, bucket) in counts.iter().enumerate() {
        total += get(bucket);
        let bound = bounds.get(at).map_or("+Inf".to_owned(), f64::to_string);
        let labels = format!("{labels},le=\"{bound}\"");
        line(out, &format!("{name}_bucket"), &labels, count(total));
    }
    line(out, &format!("{name}_sum"), &labels, sum);
    line(out, &format!("{name}_count"), &labels, count(total));
}

#[cfg(test)]
mod tests {
    use super::*;

    // Buckets are cumulative, each bound is in its bucket, and the last one contains all.
    #[test]
    fn histograms_are_cumulative() {
        let flow = FlowMetrics::new("a", "mqtt");
        for messages in [1, 10, 11, 100_000] {
            flow.wrote(messages, Duration::from_millis(2));
        }
        let text = render(std::slice::from_ref(&flow));
        for wanted in [
            "ringmq_bridge_batch_messages_bucket{flow=\"a\",target=\"mqtt\",le=\"1\"} 1\n",
            "batch_messages_bucket{flow=\"a\",target=\"mqtt\",le=\"10\"} 2\n",
            "batch_messages_bucket{flow=\"a\",target=\"mqtt\",le=\"100\"} 3\n",
            "batch_messages_bucket{flow=\"a\",target=\"mqtt\",le=\"+Inf\"} 4\n",
            "batch_messages_sum{flow=\"a\",target=\"mqtt\"} 100022\n",
            "write_seconds_bucket{flow=\"a\",target=\"mqtt\",le=\"0.001\"} 0\n",
            "write_seconds_bucket{flow=\"a\",target=\"mqtt\",le=\"0.002\"} 4\n",
        ] {
            assert!(text.contains(wanted), "{wanted}\n{text}");
        }
    }
}
