//! The results of a run: the figures of all threads together, as a table and as one line of JSON.

use std::collections::HashMap;
use std::fmt::Write;

use serde_json::{Value, json};

use crate::checker::Findings;
use crate::crowd::Lost;
use crate::group::Outages;
use crate::load::Outcome;
use crate::options::Options;
use crate::procfs::Sample;
use crate::stats::{Latency, STAMP_BYTES, Tally};

/// Samples of the broker's process at the phases of a run, and of the generator's CPU time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Processes {
    /// Before the first connection.
    pub(crate) before: Option<Sample>,
    /// With all connections, before the first message.
    pub(crate) connected: Option<Sample>,
    /// A run by count: when all was published.
    pub(crate) filled: Option<Sample>,
    /// At the begin of the measured span.
    pub(crate) from: Option<Sample>,
    /// At its end.
    pub(crate) until: Option<Sample>,
    /// Seconds between the two.
    pub(crate) span_s: f64,
    /// CPU time of the generator itself between the two.
    pub(crate) own_cpu_s: f64,
}

/// All figures of a run.
#[derive(Debug)]
pub(crate) struct Report {
    title: String,
    connections: u32,
    connecting_s: f64,
    interval: Tally,
    publishing_s: f64,
    delivering_s: f64,
    /// Messages that the subscribers should receive, from the first to the last one.
    expected: u64,
    findings: Option<Findings>,
    lost: u64,
    total: Tally,
    unacked: u64,
    unsent: u64,
    delivery: Latency,
    ack: Latency,
    qos: u8,
    processes: Processes,
    lost_connections: Lost,
    outages: Outages,
    /// The most messages that groups had not received yet, of counts once a second.
    lag_max: u64,
    groups: u32,
}

impl Report {
    /// Combines the threads' outcomes.
    pub(crate) fn new(
        options: &Options,
        outcomes: Vec<Outcome>,
        processes: Processes,
        connecting_s: f64,
    ) -> Report {
        let mut report = Report {
            title: title(options),
            connections: options.connections(),
            connecting_s,
            interval: Tally::default(),
            publishing_s: 0.0,
            delivering_s: 0.0,
            expected: 0,
            findings: None,
            lost: 0,
            total: Tally::default(),
            unacked: 0,
            unsent: 0,
            delivery: Latency::new(),
            ack: Latency::new(),
            qos: options.qos,
            processes,
            lost_connections: Lost::default(),
            outages: Outages::default(),
            lag_max: 0,
            groups: options.group.as_ref().map_or(0, |group| group.groups(options.subscribers)),
        };
        let mut sent = HashMap::new();
        let mut checkers = Vec::new();
        for outcome in outcomes {
            report.add(&outcome);
            sent.extend(outcome.sent);
            checkers.extend(outcome.checkers);
        }
        let topics = u64::from(options.topics);
        let sent_of = |stream: u32| {
            let (p, n) = (stream / options.topics, u64::from(stream % options.topics));
            sent.get(&p).map_or(0, |sent| sent / topics + u64::from(n < sent % topics))
        };
        let mut findings = Findings::default();
        for checker in &checkers {
            findings += checker.findings(sent_of);
            report.expected += checker.matched_streams().map(sent_of).sum::<u64>();
        }
        if options.payload_bytes >= STAMP_BYTES {
            report.findings = Some(findings);
            report.lost = findings.gaps + findings.tail;
        } else {
            report.lost = report.expected.saturating_sub(report.total.delivered);
        }
        report
    }

    /// The same with the largest lag of groups.
    pub(crate) fn with_lag(self, lag_max: u64) -> Report {
        Report { lag_max, ..self }
    }

    fn add(&mut self, outcome: &Outcome) {
        self.interval += outcome.interval;
        self.publishing_s = self.publishing_s.max(outcome.publishing_ns as f64 / 1e9);
        self.delivering_s = self.delivering_s.max(outcome.delivering_ns as f64 / 1e9);
        self.total += outcome.stats.tally;
        self.unacked += outcome.unacked;
        self.unsent += outcome.unsent;
        self.delivery.merge(&outcome.stats.delivery);
        self.ack.merge(&outcome.stats.ack);
        self.outages.merge(&outcome.stats.outages);
        self.lost_connections.count += outcome.lost.count;
        if let Some(reason) = &outcome.lost.reason {
            self.lost_connections.reason.get_or_insert_with(|| reason.clone());
        }
    }

    /// Connections lost during the run, as a text for the user.
    pub(crate) fn complaint(&self) -> Option<String> {
        let reason = self.lost_connections.reason.as_ref()?;
        let (count, all) = (self.lost_connections.count, self.connections);
        Some(format!("{count} of {all} connections were lost, the first one because: {reason}"))
    }

    /// Messages that the broker accepted in the measured span.
    fn taken(&self) -> u64 {
        if self.qos == 0 { self.interval.published } else { self.interval.acked }
    }

    fn cpu_s(&self) -> Option<f64> {
        let (from, until) = self.processes.from.zip(self.processes.until)?;
        Some(until.cpu_s - from.cpu_s)
    }

    fn rss_per_connection(&self) -> Option<f64> {
        let (before, connected) = self.processes.before.zip(self.processes.connected)?;
        let grown = connected.rss_bytes.saturating_sub(before.rss_bytes);
        (self.connections > 0).then(|| grown as f64 / f64::from(self.connections))
    }

    /// The longest time until all was there that was published before a kill.
    fn caught_up_us(&self) -> Option<f64> {
        (self.outages.kills > 0).then_some(self.outages.longest_ns as f64 / 1e3)
    }

    /// One line of JSON: an object without nesting, `null` where there is no figure.
    pub(crate) fn json(&self) -> String {
        let rss = |sample: Option<Sample>| sample.map(|sample| sample.rss_bytes);
        let cpu_us = |messages| self.cpu_s().and_then(|cpu_s| ratio(cpu_s * 1e6, messages));
        let cores = |cpu_s: f64| cpu_s / self.processes.span_s;
        let mut value = json!({
            "case": self.title,
            "connections": self.connections,
            "connections_lost": self.lost_connections.count,
            "connect_per_s": per_s(u64::from(self.connections), self.connecting_s),
            "published_per_s": per_s(self.interval.published, self.publishing_s),
            "acked_per_s": per_s(self.interval.acked, self.publishing_s),
            "delivered_per_s": per_s(self.interval.delivered, self.delivering_s),
            "published": self.total.published,
            "acked": self.total.acked,
            "unacked": self.unacked,
            "unsent": self.unsent,
            "stray_acks": self.total.stray_acks,
            "delivered": self.total.delivered,
            "delivered_earlier_run": self.total.earlier,
            "expected": self.expected,
            "lost": self.lost,
            "lost_tail": self.findings.map(|findings| findings.tail),
            "duplicates": self.findings.map(|findings| findings.duplicates),
            "out_of_order": self.findings.map(|findings| findings.late),
            "groups": self.groups,
            "lag_max": (self.groups > 0).then_some(self.lag_max),
            "kills": self.outages.kills,
            "caught_up_us_max": self.caught_up_us(),
            "broker_cores": self.cpu_s().map(cores),
            "broker_cpu_us_per_published": cpu_us(self.taken()),
            "broker_cpu_us_per_delivered": cpu_us(self.interval.delivered),
            "broker_rss_before": rss(self.processes.before),
            "broker_rss_connected": rss(self.processes.connected),
            "broker_rss_filled": rss(self.processes.filled),
            "broker_rss_end": rss(self.processes.until),
            "broker_rss_per_connection": self.rss_per_connection(),
            "generator_cores": cores(self.processes.own_cpu_s),
        });
        for (name, latency) in [("latency", &self.delivery), ("ack_latency", &self.ack)] {
            for (suffix, quantile) in QUANTILES {
                let figure = (latency.count() > 0).then(|| latency.quantile_us(quantile));
                value[format!("{name}_us_{suffix}")] = figure.map_or(Value::Null, Value::from);
            }
        }
        value.to_string()
    }

    /// The cells of a row in the table of a sweep.
    pub(crate) fn row(&self, rate: String) -> [String; 12] {
        let absent = || "-".to_owned();
        let us = |latency: &Latency, quantile| {
            (latency.count() > 0).then(|| grouped(latency.quantile_us(quantile)))
        };
        let cpu_us = self.cpu_s().and_then(|cpu_s| ratio(cpu_s * 1e6, self.taken()));
        let cores = self.cpu_s().map(|cpu_s| cpu_s / self.processes.span_s);
        let [delivered, acked] = [&self.delivery, &self.ack];
        [
            rate,
            grouped(per_s(self.taken(), self.publishing_s)),
            cpu_us.map_or_else(absent, |us| format!("{us:.2}")),
            cores.map_or_else(absent, |cores| format!("{cores:.2}")),
            us(delivered, 0.5).unwrap_or_else(absent),
            us(delivered, 0.99).unwrap_or_else(absent),
            us(delivered, 0.999).unwrap_or_else(absent),
            us(acked, 0.5).unwrap_or_else(absent),
            us(acked, 0.99).unwrap_or_else(absent),
            self.lost.to_string(),
            self.unsent.to_string(),
            format!("{:.2}", self.processes.own_cpu_s / self.processes.span_s),
        ]
    }

    /// The table for people.
    pub(crate) fn table(&self) -> String {
        let mut rows = vec![("connections", self.connections_row())];
        if self.total.published > 0 {
            let rate = per_s(self.interval.published, self.publishing_s);
            rows.push(("published", format!("{} msg/s", grouped(rate))));
        }
        if self.qos == 1 && self.total.published > 0 {
            let rate = per_s(self.interval.acked, self.publishing_s);
            let unacked = self.unacked;
            rows.push(("acknowledged", format!("{} msg/s, {unacked} never", grouped(rate))));
        }
        if self.unsent > 0 {
            rows.push(("behind schedule", format!("{} messages never sent", self.unsent)));
        }
        if self.expected > 0 || self.total.delivered > 0 {
            let rate = per_s(self.interval.delivered, self.delivering_s);
            rows.push(("delivered", format!("{} msg/s", grouped(rate))));
            rows.push(("lost", self.loss_row()));
        }
        if self.groups > 0 {
            rows.push(("lag", format!("{} messages at most", grouped(self.lag_max as f64))));
        }
        if let Some(us) = self.caught_up_us() {
            let kills = self.outages.kills;
            let us = grouped(us);
            rows.push(("kills", format!("{kills}, messages before each within {us} µs")));
        }
        if self.total.earlier > 0 {
            rows.push(("of earlier runs", format!("{} messages", self.total.earlier)));
        }
        if self.total.stray_acks > 0 {
            rows.push(("stray PUBACKs", self.total.stray_acks.to_string()));
        }
        for (name, latency) in [("delivery latency", &self.delivery), ("PUBACK latency", &self.ack)]
        {
            if latency.count() > 0 {
                rows.push((name, latency_row(latency)));
            }
        }
        rows.extend(self.broker_rows());
        let cores = self.processes.own_cpu_s / self.processes.span_s;
        rows.push(("generator", format!("{cores:.2} cores")));
        let mut table = format!("{}\n\n", self.title);
        for (name, text) in rows {
            writeln!(table, "{name:<18}{text}").expect("writing to a String");
        }
        table
    }

    fn connections_row(&self) -> String {
        let rate = per_s(u64::from(self.connections), self.connecting_s);
        let (count, seconds) = (self.connections, self.connecting_s);
        format!("{count} in {seconds:.3} s ({}/s)", grouped(rate))
    }

    fn loss_row(&self) -> String {
        let percent = ratio(100.0 * self.lost as f64, self.expected).unwrap_or(0.0);
        let mut row = format!("{} of {} ({percent:.3} %)", self.lost, self.expected);
        if let Some(Findings { tail, duplicates, late, .. }) = self.findings {
            let more = format!(", {tail} at the tail; {duplicates} twice, {late} out of order");
            row.push_str(&more);
        }
        row
    }

    fn broker_rows(&self) -> Vec<(&'static str, String)> {
        let mut rows = Vec::new();
        if let Some(cpu_s) = self.cpu_s() {
            let mut row = format!("{:.2} cores", cpu_s / self.processes.span_s);
            let counts = [(self.taken(), "published"), (self.interval.delivered, "delivered")];
            for (messages, what) in counts {
                if let Some(cpu_us) = ratio(cpu_s * 1e6, messages) {
                    row.push_str(&format!(", {cpu_us:.2} µs a message {what}"));
                }
            }
            rows.push(("broker CPU", row));
        }
        let Processes { before, connected, until, .. } = self.processes;
        if let Some(((before, connected), until)) = before.zip(connected).zip(until) {
            let [before, connected, until] =
                [before, connected, until].map(|sample| sample.rss_bytes as f64 / 1024.0 / 1024.0);
            let each = self.rss_per_connection().unwrap_or(0.0);
            let row = format!(
                "{before:.1} MiB, connected {connected:.1} MiB ({each:.0} B each), \
                 in the end {until:.1} MiB"
            );
            rows.push(("broker memory", row));
        }
        rows
    }
}

const QUANTILES: [(&str, f64); 4] = [("p50", 0.5), ("p99", 0.99), ("p999", 0.999), ("max", 1.0)];

fn latency_row(latency: &Latency) -> String {
    let figure = |(name, quantile)| format!("{name} {}", grouped(latency.quantile_us(quantile)));
    format!("{} µs", QUANTILES.map(figure).join(", "))
}

fn title(options: &Options) -> String {
    let Options { publishers, subscribers, topics, qos, sub_qos, payload_bytes, .. } = options;
    let mut parts = vec![match &options.group {
        None => format!("{publishers} -> {subscribers}"),
        Some(group) => match group.groups(*subscribers) {
            0 | 1 => format!("{publishers} -> group of {subscribers}"),
            groups => format!("{publishers} -> {groups} groups of 1"),
        },
    }];
    if *publishers + *subscribers == 0 {
        parts.clear();
    }
    if *publishers > 0 {
        parts.push(format!("{topics} topics each, QoS {qos} -> {sub_qos}, {payload_bytes} B"));
        if *qos == 1 {
            parts.push(format!("{} in flight", options.window));
        }
        parts.push(options.rate.map_or("flat out".to_owned(), |rate| format!("{rate}/s")));
    }
    if let Some(messages) = options.messages {
        parts.push(format!("{messages} messages"));
    }
    if options.idle > 0 {
        parts.push(format!("{} idle", options.idle));
    }
    format!("{}: {}", options.broker, parts.join(", "))
}

/// Messages a second; 0 when no time has passed.
fn per_s(messages: u64, seconds: f64) -> f64 {
    if seconds > 0.0 { messages as f64 / seconds } else { 0.0 }
}

fn ratio(amount: f64, messages: u64) -> Option<f64> {
    (messages > 0).then(|| amount / messages as f64)
}

/// A figure without decimals, with separators between thousands.
fn grouped(figure: f64) -> String {
    let digits = format!("{figure:.0}");
    let mut text = String::new();
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(interval: Tally, processes: Processes) -> Report {
        Report {
            title: "t".to_owned(),
            connections: 10,
            connecting_s: 0.5,
            interval,
            publishing_s: 2.0,
            delivering_s: 4.0,
            expected: 100,
            findings: None,
            lost: 0,
            total: interval,
            unacked: 0,
            unsent: 0,
            delivery: Latency::new(),
            ack: Latency::new(),
            qos: 1,
            processes,
            lost_connections: Lost::default(),
            outages: Outages::default(),
            lag_max: 0,
            groups: 0,
        }
    }

    /// Rates are over their own span, CPU over the messages taken, memory over connections.
    #[test]
    fn figures_have_their_denominators() {
        let interval = Tally { published: 80, acked: 40, delivered: 20, ..Tally::default() };
        let at = |cpu_s, rss_bytes| Some(Sample { cpu_s, rss_bytes });
        let processes = Processes {
            before: at(0.0, 1000),
            connected: at(0.0, 7000),
            filled: at(0.5, 8000),
            from: at(1.0, 7000),
            until: at(3.0, 9000),
            span_s: 4.0,
            own_cpu_s: 1.0,
        };
        let report = report(interval, processes);
        let value: Value = serde_json::from_str(&report.json()).expect("we wrote JSON");
        for (name, expected) in [
            ("published_per_s", 40.0),
            ("acked_per_s", 20.0),
            ("delivered_per_s", 5.0),
            ("connect_per_s", 20.0),
            ("broker_cores", 0.5),
            ("broker_cpu_us_per_published", 50_000.0),
            ("broker_cpu_us_per_delivered", 100_000.0),
            ("broker_rss_per_connection", 600.0),
            ("generator_cores", 0.25),
        ] {
            assert_eq!(value[name].as_f64(), Some(expected), "{name}");
        }
        assert!(value["latency_us_p50"].is_null(), "nothing was recorded");
        assert!(report.complaint().is_none());
        let table = report.table();
        assert!(table.contains("20 msg/s") && table.contains("(600 B each)"), "{table}");
    }

    /// Without messages, time or a broker's process there is no figure, and no panic.
    #[test]
    fn nothing_is_no_figure() {
        let mut report = report(Tally::default(), Processes::default());
        (report.publishing_s, report.delivering_s, report.connecting_s) = (0.0, 0.0, 0.0);
        let value: Value = serde_json::from_str(&report.json()).expect("we wrote JSON");
        assert_eq!(value["published_per_s"].as_f64(), Some(0.0));
        assert!(value["broker_cores"].is_null() && value["generator_cores"].is_null());
        report.table();
    }

    /// Thousands are separated.
    #[test]
    fn figures_are_grouped() {
        for (figure, text) in
            [(0.0, "0"), (999.4, "999"), (1000.0, "1,000"), (1_234_567.0, "1,234,567")]
        {
            assert_eq!(grouped(figure), text);
        }
    }
}
