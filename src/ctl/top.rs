//! The line above the largest sessions: totals, and rates since the previous line.

use std::time::Instant;

use serde_json::Value;

use super::overview::figure;
use super::text::bytes;

/// Counters whose rates are shown, and their labels.
const COUNTERS: [(&str, &str); 3] = [
    ("in", "/metrics/messages_received_total"),
    ("out", "/metrics/messages_sent_total"),
    ("dropped", "/metrics/messages_dropped_total"),
];

/// The counters at the last reading.
#[derive(Default)]
pub(super) struct Rates {
    last: Option<(Instant, [f64; 3])>,
}

impl Rates {
    /// The line; the first one has totals instead of rates.
    pub(super) fn summary(&mut self, overview: &Value) -> String {
        self.summary_at(overview, Instant::now())
    }

    fn summary_at(&mut self, overview: &Value, now: Instant) -> String {
        let read = |pointer: &str| figure(overview, pointer).unwrap_or(0.0);
        let counts = COUNTERS.map(|(_, pointer)| read(pointer));
        let mut parts = vec![
            format!("clients {}", read("/metrics/sessions/connected")),
            format!("absent {}", read("/metrics/sessions/absent")),
            format!("backlog {}", bytes(read("/metrics/session_backlog_bytes"))),
            format!("disk free {}", bytes(read("/metrics/disk_free_bytes"))),
        ];
        for (at, (name, _)) in COUNTERS.iter().enumerate() {
            parts.push(match self.last {
                None => format!("{name} {}", counts[at]),
                Some((since, last)) => {
                    // The counters of a restarted broker begin at 0.
                    let more = (counts[at] - last[at]).max(0.0);
                    let seconds = now.duration_since(since).as_secs_f64().max(0.001);
                    format!("{name} {:.0}/s", more / seconds)
                }
            });
        }
        self.last = Some((now, counts));
        parts.join("  ")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    // Rates are differences to the previous line; a restarted counter has none.
    #[test]
    fn rates() {
        let overview = |received: u64| {
            json!({ "metrics": {
                "messages_received_total": received,
                "messages_dropped_total": { "absent": 1, "slow": 2 },
            } })
        };
        let (mut rates, begin) = (Rates::default(), Instant::now());
        let first = rates.summary_at(&overview(100), begin);
        assert!(first.ends_with("in 100  out 0  dropped 3"), "{first}");
        let second = rates.summary_at(&overview(300), begin + Duration::from_secs(2));
        assert!(second.ends_with("in 100/s  out 0/s  dropped 0/s"), "{second}");
        let anew = rates.summary_at(&overview(7), begin + Duration::from_secs(4));
        assert!(anew.contains("in 0/s"), "{anew}");
    }
}
