//! Checks of the broker for Nagios: one line and an exit code.

use std::io::{self, Write};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::config::{Ctl, parse_interval_ms};
use crate::limits::TOP_ROWS_MAX;

use super::broker::Broker;
use super::error::CtlError;
use super::request::items;
use super::samples::{self, Sample};
use super::text::{bytes, json_line, time};

/// A state as Nagios defines it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum State {
    Ok,
    Warning,
    Critical,
    Unknown,
}

/// The result of a check.
struct Finding {
    state: State,
    says: String,
    /// Performance data for graphs: name, figure with its unit, limits.
    figures: String,
}

/// The limits of the two states.
#[derive(Clone, Copy)]
struct Limits {
    warning: f64,
    critical: f64,
}

impl State {
    fn name(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
            Self::Unknown => "UNKNOWN",
        }
    }

    fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Warning => 1,
            Self::Critical => 2,
            Self::Unknown => 3,
        }
    }
}

impl Limits {
    fn given(ctl: &Ctl, warning: f64, critical: f64) -> Self {
        let read = |name, usual| ctl.get(name).and_then(|text| text.parse().ok()).unwrap_or(usual);
        Self { warning: read("warning", warning), critical: read("critical", critical) }
    }

    /// The state of a figure that should be low.
    fn above(self, value: f64) -> State {
        match value {
            _ if value > self.critical => State::Critical,
            _ if value > self.warning => State::Warning,
            _ => State::Ok,
        }
    }

    /// The state of a figure that should be high.
    fn below(self, value: f64) -> State {
        match value {
            _ if value < self.critical => State::Critical,
            _ if value < self.warning => State::Warning,
            _ => State::Ok,
        }
    }
}

/// Runs the check, prints the line, and returns the exit code.
pub(super) fn run(ctl: &Ctl) -> ExitCode {
    let name = ctl.get("name").unwrap_or_default();
    let found = Broker::find(ctl).and_then(|broker| look(&broker, ctl, name));
    let found = found.unwrap_or_else(|error| {
        let state = match error {
            CtlError::NotReached(_) => State::Critical,
            _ => State::Unknown,
        };
        Finding { state, says: error.to_string(), figures: String::new() }
    });
    // Nagios reads performance data after a bar, and nothing after the line end.
    let says = found.says.trim().replace(['|', '\n'], " ");
    let state = found.state;
    let line = if ctl.json {
        let state = state.name().to_lowercase();
        json_line(&serde_json::json!({ "check": name, "state": state, "says": says }))
    } else if found.figures.is_empty() {
        format!("RINGMQ {} {} - {says}", name.to_uppercase(), state.name())
    } else {
        format!("RINGMQ {} {} - {says} | {}", name.to_uppercase(), state.name(), found.figures)
    };
    // The exit code gives the state even if the line is not read.
    let _ = writeln!(io::stdout(), "{line}");
    ExitCode::from(state.code())
}

fn look(broker: &Broker, ctl: &Ctl, name: &str) -> Result<Finding, CtlError> {
    let (_, metrics) = ctl.verb.request;
    let read = || samples::parse(&broker.text(metrics)?);
    match name {
        "alive" => probe(broker, "/healthz"),
        "ready" => probe(broker, "/readyz"),
        "disk" => disk(&read()?, ctl),
        "reload" => reload(&read()?),
        "drops" => {
            let over = ctl.get("over").map_or(Ok(1000), parse_interval_ms);
            let over_ms = over.map_err(CtlError::Usage)?;
            let before = need(&read()?, DROPS)?;
            thread::sleep(Duration::from_millis(over_ms));
            Ok(drops(need(&read()?, DROPS)?, before, Limits::given(ctl, 0.0, 1000.0), over_ms))
        }
        "certificates" => {
            let now_s = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs_f64();
            Ok(certificates(&read()?, Limits::given(ctl, 14.0, 3.0), now_s))
        }
        "lag" => lag(broker, Limits::given(ctl, 60.0, 600.0)),
        other => Err(CtlError::Usage(format!("there is no check {other:?}"))),
    }
}

/// The message of a probe.
fn probe(broker: &Broker, path: &str) -> Result<Finding, CtlError> {
    let answer = broker.request("GET", path, &[], None)?;
    let state = match answer.status.as_u16() {
        200 => State::Ok,
        503 => State::Critical,
        other => return Err(CtlError::stranger(&format!("{path} says {other}"))),
    };
    let says = super::text::shown(answer.text()?.trim());
    Ok(Finding { state, says, figures: String::new() })
}

fn need(samples: &[Sample], name: &str) -> Result<f64, CtlError> {
    samples::sum(samples, name).ok_or_else(|| CtlError::stranger(&format!("it has no {name}")))
}

fn disk(samples: &[Sample], ctl: &Ctl) -> Result<Finding, CtlError> {
    let free = need(samples, "ringmq_disk_free_bytes")?;
    let size = need(samples, "ringmq_disk_size_bytes")?;
    let low = need(samples, "ringmq_disk_low_limit_bytes")?;
    let is_short = need(samples, "ringmq_disk_short")? > 0.0;
    let failures = need(samples, "ringmq_disk_failures_total")?;
    let percent = if size > 0.0 { 100.0 * free / size } else { 0.0 };
    let mut state = Limits::given(ctl, 10.0, 0.0).below(percent);
    let mut says = format!("{} of {} free ({percent:.1} %)", bytes(free), bytes(size));
    if free < low {
        state = State::Critical;
        says += &format!(", below --disk-low {}", bytes(low));
    }
    if is_short {
        state = State::Critical;
        says += ", publishers wait for the disk";
    }
    if failures > 0.0 {
        state = state.max(State::Warning);
        says += &format!(", {failures} operations have failed since the start");
    }
    let figures = format!("free={free}B;;{low};0;{size}");
    Ok(Finding { state, says, figures })
}

fn reload(samples: &[Sample]) -> Result<Finding, CtlError> {
    let (state, says) = match need(samples, "ringmq_config_last_reload_successful")? > 0.0 {
        true => (State::Ok, "the broker runs with what it has read last"),
        false => (State::Warning, "the last reload has failed; the broker's log says why"),
    };
    Ok(Finding { state, says: says.to_owned(), figures: String::new() })
}

/// Certificates and lists of revoked ones, in days until they end.
fn certificates(samples: &[Sample], limits: Limits, now_s: f64) -> Finding {
    let names = [
        "ringmq_tls_certificate_not_after_timestamp_seconds",
        "ringmq_tls_crl_next_update_timestamp_seconds",
    ];
    let ends = samples.iter().filter(|sample| names.contains(&&*sample.name));
    let Some(first) = ends.min_by(|a, b| a.value.total_cmp(&b.value)) else {
        let says = "the broker uses no certificates".to_owned();
        return Finding { state: State::Ok, says, figures: String::new() };
    };
    let days = (first.value - now_s) / 86_400.0;
    let file = super::text::shown(first.label.as_deref().unwrap_or_default());
    let says = match days < 0.0 {
        true => format!("{file} has ended {:.1} days ago", -days),
        false => format!("{file} ends first, in {days:.1} days"),
    };
    let Limits { warning, critical } = limits;
    let figures = format!("days={days:.2};{warning}:;{critical}:");
    Finding { state: limits.below(days), says, figures }
}

const DROPS: &str = "ringmq_messages_dropped_total";

fn drops(now: f64, before: f64, limits: Limits, over_ms: u64) -> Finding {
    // The counters of a restarted broker begin at 0.
    let more = if now >= before { now - before } else { now };
    let over = Duration::from_millis(over_ms).as_secs_f64();
    let Limits { warning, critical } = limits;
    Finding {
        state: limits.above(more),
        says: format!("{more} messages dropped within {}, {now} since the start", time(over)),
        figures: format!("drops={more};{warning};{critical};0 total={now}c"),
    }
}

/// The age of the oldest message that waits for a connected client.
fn lag(broker: &Broker, limits: Limits) -> Result<Finding, CtlError> {
    // A list does not contain the ages of messages, because each age costs a disk access.
    let query = [("by", "backlog_bytes".to_owned()), ("n", TOP_ROWS_MAX.to_string())];
    let answer = broker.json("GET", "/api/v1/top", &query)?;
    let (mut worst, mut whose, mut count) = (0.0, None, 0_u64);
    let is_connected = |item: &&Value| item.get("connected").and_then(Value::as_bool) == Some(true);
    for item in items(&answer)?.iter().filter(is_connected) {
        count += 1;
        let lag = item.pointer("/backlog/lag_seconds").and_then(Value::as_f64);
        if let Some(lag) = lag.filter(|lag| *lag > worst) {
            worst = lag;
            whose = item.get("id").and_then(Value::as_str).map(super::text::shown);
        }
    }
    let of = whose.map(|id| format!(", of client \"{id}\"")).unwrap_or_default();
    let Limits { warning, critical } = limits;
    Ok(Finding {
        state: limits.above(worst),
        says: format!("messages wait for {count} clients, the oldest for {}{of}", time(worst)),
        figures: format!("lag={worst}s;{warning};{critical};0"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    // A limit is exceeded when the figure is beyond it.
    #[test]
    fn limits() {
        let limits = Limits { warning: 10.0, critical: 20.0 };
        for (value, state) in [(10.0, State::Ok), (10.1, State::Warning), (20.1, State::Critical)] {
            assert_eq!(limits.above(value), state, "{value}");
        }
        let limits = Limits { warning: 10.0, critical: 5.0 };
        for (value, state) in [(10.0, State::Ok), (9.9, State::Warning), (4.9, State::Critical)] {
            assert_eq!(limits.below(value), state, "{value}");
        }
    }

    // Only drops within the time count, even if the broker was restarted within it.
    #[test]
    fn drops_are_counted_within_the_time() {
        let limits = Limits { warning: 0.0, critical: 10.0 };
        for (now, before, state, says) in [
            (5.0, 5.0, State::Ok, "0 messages"),
            (7.0, 5.0, State::Warning, "2 messages"),
            (16.0, 5.0, State::Critical, "11 messages"),
            (1.0, 5.0, State::Warning, "1 messages"),
        ] {
            let found = drops(now, before, limits, 1000);
            assert_eq!(found.state, state, "{now} {before}");
            assert!(found.says.starts_with(says), "{}", found.says);
        }
    }

    // The certificate that ends first decides; a broker without any is well.
    #[test]
    fn certificates_end() {
        let sample = |name: &str, file: &str, days: f64| Sample {
            name: format!("ringmq_tls_{name}_timestamp_seconds"),
            label: Some(file.to_owned()),
            value: 1e9 + days * 86_400.0,
        };
        let limits = Limits { warning: 14.0, critical: 3.0 };
        for (days, state, says) in [
            (15.0, State::Ok, "chain.pem ends first, in 15.0 days"),
            (13.0, State::Warning, "chain.pem ends first, in 13.0 days"),
            (2.0, State::Critical, "chain.pem ends first, in 2.0 days"),
            (-1.0, State::Critical, "chain.pem has ended 1.0 days ago"),
            (40.0, State::Ok, "revoked.crl ends first, in 20.0 days"),
        ] {
            let samples = [
                sample("certificate_not_after", "chain.pem", days),
                sample("crl_next_update", "revoked.crl", 20.0),
            ];
            let found = certificates(&samples, limits, 1e9);
            assert_eq!((found.state, &*found.says), (state, says));
        }
        assert_eq!(certificates(&[], limits, 1e9).state, State::Ok);
    }

    // A disk is not well if it is below its limit, if publishers wait for it, or if it has failed,
    // regardless of its free space.
    #[test]
    fn disks() {
        let verb = crate::config::verbs().find(|verb| verb.words == ["check"]);
        let ctl = Ctl {
            verb: verb.expect("it is in the table"),
            given: vec![("warning", "50".to_owned()), ("critical", "20".to_owned())],
            at: None,
            token_file: None,
            ca_file: None,
            json: false,
            watch_ms: None,
            columns: None,
            all: false,
            yes: false,
        };
        for (free, low, short, failures, state) in [
            (60.0, 10.0, 0.0, 0.0, State::Ok),
            (49.0, 10.0, 0.0, 0.0, State::Warning),
            (19.0, 10.0, 0.0, 0.0, State::Critical),
            (60.0, 61.0, 0.0, 0.0, State::Critical),
            (60.0, 10.0, 1.0, 0.0, State::Critical),
            (60.0, 10.0, 0.0, 1.0, State::Warning),
        ] {
            let sample = |name: &str, value| Sample {
                name: format!("ringmq_disk_{name}"),
                label: None,
                value,
            };
            let samples = [
                sample("free_bytes", free),
                sample("size_bytes", 100.0),
                sample("low_limit_bytes", low),
                sample("short", short),
                sample("failures_total", failures),
            ];
            let found = disk(&samples, &ctl).expect("all are there");
            assert_eq!(found.state, state, "{}", found.says);
        }
        assert!(disk(&[], &ctl).is_err());
    }
}
