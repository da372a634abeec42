//! All metrics of the broker as JSON: a summary, and each metric.

use serde_json::Value;

use super::error::CtlError;
use super::output::{Cell, Form, Output, Table};
use super::text::{bytes, time};

/// The kind of a figure.
#[derive(Clone, Copy)]
enum Unit {
    Plain,
    Bytes,
    Seconds,
}

/// A figure of the status: its name, its path in the overview, its kind.
const STATUS: &[(&str, &str, Unit)] = &[
    ("version", "/version", Unit::Plain),
    ("ready", "/ready", Unit::Plain),
    ("draining", "/draining", Unit::Plain),
    ("uptime", "/uptime_seconds", Unit::Seconds),
    ("shards", "/shards", Unit::Plain),
    ("shards without figures", "/shards_without_figures", Unit::Plain),
    ("last reload succeeded", "/metrics/config_last_reload_successful", Unit::Plain),
    ("connections", "/metrics/connections", Unit::Plain),
    ("sessions connected", "/metrics/sessions/connected", Unit::Plain),
    ("sessions absent", "/metrics/sessions/absent", Unit::Plain),
    ("messages received", "/metrics/messages_received_total", Unit::Plain),
    ("messages sent", "/metrics/messages_sent_total", Unit::Plain),
    ("messages dropped", "/metrics/messages_dropped_total", Unit::Plain),
    ("messages denied", "/metrics/messages_denied_total", Unit::Plain),
    ("connects refused", "/metrics/connects_refused_total", Unit::Plain),
    ("publisher waits", "/metrics/publisher_waits_total", Unit::Plain),
    ("session backlog", "/metrics/session_backlog_bytes", Unit::Bytes),
    ("sessions full", "/metrics/sessions_full", Unit::Plain),
    ("retained messages", "/metrics/retained_messages", Unit::Plain),
    ("retained size", "/metrics/retained_bytes", Unit::Bytes),
    ("publish to ack, p99", "/metrics/publish_ack_duration_seconds/p99", Unit::Seconds),
    ("log sync, p99", "/metrics/log_sync_duration_seconds/p99", Unit::Seconds),
    ("disk free", "/metrics/disk_free_bytes", Unit::Bytes),
    ("disk size", "/metrics/disk_size_bytes", Unit::Bytes),
    ("publishers wait for disk", "/metrics/disk_short", Unit::Plain),
    ("disk failures", "/metrics/disk_failures_total", Unit::Plain),
    ("memory", "/metrics/process_resident_memory_bytes", Unit::Bytes),
];

/// A figure, or the sum over its labels.
pub(super) fn figure(overview: &Value, pointer: &str) -> Option<f64> {
    sum(overview.pointer(pointer)?)
}

fn sum(value: &Value) -> Option<f64> {
    match value {
        Value::Object(parts) => Some(parts.values().filter_map(sum).sum()),
        value => value.as_f64(),
    }
}

/// The status with units for people.
pub(super) fn show_status(overview: &Value, address: &str, output: &mut Output) {
    if output.form() == Form::Json {
        return output.json(overview);
    }
    let mut rows = vec![vec![Cell::text("address"), Cell::text(address)]];
    for (name, pointer, unit) in STATUS {
        let cell = match (unit, figure(overview, pointer)) {
            (Unit::Bytes, Some(value)) if output.is_terminal() => Cell::text(&bytes(value)),
            (Unit::Seconds, Some(value)) if output.is_terminal() => Cell::text(&time(value)),
            (_, Some(value)) => Cell::text(&value.to_string()),
            (_, None) => Cell::text_of(overview.pointer(pointer).unwrap_or(&Value::Null)),
        };
        rows.push(vec![Cell::text(name), cell]);
    }
    Table::new(["name", "value"]).rows(&rows, output);
}

/// Each metric whose name has this prefix, with a row for each of its figures.
pub(super) fn show_metrics(
    overview: &Value,
    prefix: &str,
    output: &mut Output,
) -> Result<(), CtlError> {
    let metrics = overview.get("metrics").and_then(Value::as_object);
    let metrics = metrics.ok_or_else(|| CtlError::stranger("it has no metrics"))?;
    // Names as in Prometheus, or without the common prefix.
    let prefix = prefix.strip_prefix("ringmq_").unwrap_or(prefix);
    let found = || metrics.iter().filter(|(name, _)| name.starts_with(prefix));
    if found().next().is_none() {
        return Err(CtlError::Missing(format!(
            "no metric begins with {prefix:?}; ringmq ctl metrics lists all"
        )));
    }
    if output.form() == Form::Json {
        for (name, value) in found() {
            output.json(&serde_json::json!({ "name": name, "value": value }));
        }
        return Ok(());
    }
    let mut rows = Vec::new();
    for (name, value) in found() {
        match value {
            Value::Object(parts) => {
                for (part, value) in parts {
                    let Value::Object(inner) = value else {
                        rows.push(vec![Cell::text(name), Cell::text(part), Cell::value(value)]);
                        continue;
                    };
                    rows.extend(inner.iter().map(|(of, value)| {
                        let part = format!("{part} {of}");
                        vec![Cell::text(name), Cell::text(&part), Cell::value(value)]
                    }));
                }
            }
            value => rows.push(vec![Cell::text(name), Cell::text(""), Cell::value(value)]),
        }
    }
    Table::new(["name", "part", "value"]).rows(&rows, output);
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    // Figures by reason are summed.
    #[test]
    fn figures_are_summed() {
        let nested = json!({ "o": { "p": 1, "q": 2 } });
        let overview = json!({ "a": 2, "b": { "x": 1, "y": 2.5 }, "c": "text", "n": nested });
        for (pointer, expected) in [
            ("/a", Some(2.0)),
            ("/b", Some(3.5)),
            ("/b/x", Some(1.0)),
            ("/c", None),
            ("/n", Some(3.0)),
        ] {
            assert_eq!(figure(&overview, pointer), expected, "{pointer}");
        }
    }
}
