//! One line on a terminal that shows all flows and is rewritten each second.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write as _};
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use crate::metrics::{FlowMetrics, Glance};

/// Writes the line until it is dropped, if standard error is a terminal.
pub async fn show(flows: &[FlowMetrics]) {
    let mut error = io::stderr();
    if !error.is_terminal() {
        return std::future::pending().await;
    }
    let mut ticks = interval(Duration::from_secs(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut before: Vec<u64> = vec![0; flows.len()];
    loop {
        ticks.tick().await;
        let glances: Vec<Glance> = flows.iter().map(FlowMetrics::glance).collect();
        let line = line(&glances, &before);
        before = glances.iter().map(|glance| glance.delivered).collect();
        // A lost terminal does not end the process.
        let _ = write!(error, "\r\x1b[K{line}");
        let _ = error.flush();
    }
}

fn line(glances: &[Glance], before: &[u64]) -> String {
    let mut out = String::new();
    for (glance, before) in glances.iter().zip(before) {
        if !out.is_empty() {
            out.push_str(" │ ");
        }
        let rate = glance.delivered.saturating_sub(*before);
        let _ = write!(out, "{}: {} {rate}/s", glance.name, glance.state);
        let _ = write!(out, ", {} in flight", glance.in_flight);
        if glance.lag >= Duration::from_secs(1) {
            let _ = write!(out, ", lag {} s", glance.lag.as_secs());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    // Each flow has its rate since the last line; a lag below a second is not shown.
    #[test]
    fn flows_are_in_the_line() {
        let glance = |name: &str, ms| Glance {
            name: name.to_owned(),
            state: "up",
            delivered: 30,
            in_flight: 2,
            lag: Duration::from_millis(ms),
        };
        let shown = line(&[glance("a", 999), glance("b", 2500)], &[10, 30]);
        assert_eq!(shown, "a: up 20/s, 2 in flight │ b: up 0/s, 2 in flight, lag 2 s");
    }
}
