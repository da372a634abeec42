//! Rates per minute: moving averages over 1, 5 and 15 minutes, as Mosquitto computes and shows them
//! (`sys_tree.c` of 2.0).
//!
//! With `r` the rate per minute since the last update, `dt` the time since then and `T` that of the
//! average, `v = r + exp(-dt/T) (v - r)`. The shown value changes when `v` has changed by 0.01 or
//! more since the last update.

/// Seconds of the averages, and their names in topics.
pub(in crate::admin) const SPANS: [(f64, &str); 3] =
    [(60.0, "1min"), (300.0, "5min"), (900.0, "15min")];

/// The averages of one counter.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Load {
    before: u64,
    averages: [Average; 3],
}

#[derive(Clone, Copy, Default, Debug)]
struct Average {
    now: f64,
    shown: f64,
}

impl Load {
    /// Updates the averages with the counter, `dt_ms` after the last update or the start.
    pub(super) fn look(&mut self, counted: u64, dt_ms: u64) {
        if dt_ms == 0 {
            return;
        }
        // A silent shard has old figures: a sum that is lower counts as no change.
        let more = counted.saturating_sub(self.before);
        self.before = self.before.max(counted);
        #[allow(clippy::cast_precision_loss, reason = "a rate that is rounded to hundredths")]
        let (more, dt_s) = (more as f64, dt_ms as f64 / 1000.0);
        let rate = more * 60.0 / dt_s;
        for (average, (span_s, _)) in self.averages.iter_mut().zip(SPANS) {
            let before = average.now;
            average.now = rate + (-dt_s / span_s).exp() * (before - rate);
            if (average.now - before).abs() >= 0.01 {
                average.shown = average.now;
            }
        }
    }

    /// The averages, in the order of [`SPANS`].
    pub(super) fn shown(&self) -> [f64; 3] {
        self.averages.map(|average| average.shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(load: &Load) -> [String; 3] {
        load.shown().map(|value| format!("{value:.2}"))
    }

    /// The values that Mosquitto 2.0.11 shows at updates 2 s apart, after one client connects.
    #[test]
    fn values_are_those_of_mosquitto() {
        let mut load = Load::default();
        assert_eq!(texts(&load), ["0.00", "0.00", "0.00"]);
        load.look(1, 2_000);
        assert_eq!(texts(&load), ["0.98", "0.20", "0.07"]);
        load.look(1, 2_000);
        assert_eq!(texts(&load), ["0.95", "0.20", "0.07"]);
    }

    /// At a steady rate the averages approach it, for any time between updates; a change of less
    /// than 0.01 from one update to the next is not shown.
    #[test]
    fn averages_go_to_the_rate() {
        for dt_ms in [1_000, 10_000, 60_000, 3_600_000] {
            let (mut load, mut counted) = (Load::default(), 0);
            for _ in 0..(4 * 3_600_000 / dt_ms).max(2) {
                counted += 7 * dt_ms / 1000;
                load.look(counted, dt_ms);
            }
            for shown in load.shown() {
                assert!((shown - 420.0).abs() < 10.0, "{dt_ms}: {shown}");
            }
        }
        let mut load = Load::default();
        load.look(1, 600_000);
        let before = load.shown();
        for _ in 0..1000 {
            load.look(1, 10);
        }
        assert_eq!(load.shown(), before, "each step is too small");
    }

    /// Updates at one moment, and counters that seem to decrease, are harmless.
    #[test]
    fn odd_looks() {
        let mut load = Load::default();
        load.look(5, 0);
        assert_eq!(load.shown(), [0.0; 3]);
        load.look(100, 1_000);
        load.look(50, 1_000);
        load.look(100, 1_000);
        let all = load.shown();
        assert!(all.iter().all(|value| value.is_finite() && *value >= 0.0), "{all:?}");
        assert!(all[0] < 100.0, "nothing is counted twice: {all:?}");
    }
}
