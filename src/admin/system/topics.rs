//! The values of the topics, computed from the rows of the catalogue that name them. Below
//! `$SYS/broker/` names and values are Mosquitto's; the topics below `$SYS/ringmq/` are ringmq's
//! own.

use crate::broker::inspect::{SystemTopic, SystemTopics};

use super::super::catalogue::{self, Part};
use super::super::topic::Form;
use super::loads::{Load, SPANS};
use super::parts::Figures;

/// The state between two updates.
pub(super) struct Values {
    /// The uptime at the last update in milliseconds.
    looked_ms: u64,
    topics: Vec<Value>,
}

/// A value, under its names.
struct Value {
    /// The rows that it is computed from; all name the same topics.
    parts: Vec<Part>,
    state: State,
}

enum State {
    /// It depends on the present figures only.
    None,
    Peak(u64),
    Load(Load),
    /// For each shard the busy microseconds until the last update, and the busy share between the
    /// last two.
    Shares(Vec<(u64, f64)>),
}

impl Values {
    pub(super) fn new() -> Self {
        let topics = catalogue::topics().into_iter().map(Value::new).collect();
        Self { looked_ms: 0, topics }
    }

    /// Computes the current values.
    pub(super) fn compute(&mut self, figures: &Figures<'_>) -> SystemTopics {
        let now_ms = figures.uptime_ms();
        let dt_ms = now_ms.saturating_sub(self.looked_ms);
        self.looked_ms = self.looked_ms.max(now_ms);
        let mut topics = Vec::new();
        for value in &mut self.topics {
            value.add_to(&mut topics, figures, dt_ms);
        }
        SystemTopics::new(topics)
    }
}

impl Value {
    fn new(parts: Vec<Part>) -> Self {
        let state = match parts[0].topic().form {
            Form::Number | Form::Uptime | Form::Version => State::None,
            Form::Peak => State::Peak(0),
            Form::Load => State::Load(Load::default()),
            Form::Share => State::Shares(Vec::new()),
        };
        Self { parts, state }
    }

    /// Adds its topics, `dt_ms` after the last update or the start.
    fn add_to(&mut self, topics: &mut Vec<SystemTopic>, figures: &Figures<'_>, dt_ms: u64) {
        let topic = self.parts[0].topic();
        let mut add = |name: &str, value: String| {
            topics.push(SystemTopic::new(format!("$SYS/{name}"), value));
        };
        let numbers = || self.parts.iter().map(|part| figures.number(part));
        match &mut self.state {
            State::None => {
                let value = match topic.form {
                    Form::Uptime => format!("{} seconds", figures.uptime_ms() / 1000),
                    Form::Version => concat!("ringmq version ", env!("CARGO_PKG_VERSION")).into(),
                    _ => numbers().sum::<u64>().to_string(),
                };
                topic.names.iter().for_each(|name| add(name, value.clone()));
            }
            State::Peak(peak) => {
                *peak = numbers().fold(*peak, u64::max);
                topic.names.iter().for_each(|name| add(name, peak.to_string()));
            }
            State::Load(load) => {
                load.look(numbers().sum(), dt_ms);
                for (value, (_, span)) in load.shown().into_iter().zip(SPANS) {
                    for name in topic.names {
                        add(&format!("{name}/{span}"), format!("{value:.2}"));
                    }
                }
            }
            State::Shares(shards) => {
                note_shares(shards, &figures.by_shard(&self.parts[0]), dt_ms);
                for (shard, (_, share)) in shards.iter().enumerate() {
                    for name in topic.names {
                        let name = name.replace("/N/", &format!("/{shard}/"));
                        add(&name, format!("{share:.2}"));
                    }
                }
            }
        }
    }
}

fn note_shares(shards: &mut Vec<(u64, f64)>, now_us: &[u64], dt_ms: u64) {
    shards.resize(now_us.len(), (0, 0.0));
    if dt_ms == 0 {
        return;
    }
    for ((before, share), now) in shards.iter_mut().zip(now_us) {
        #[allow(clippy::cast_precision_loss, reason = "a part that is rounded to hundredths")]
        let busy = now.saturating_sub(*before) as f64 / (dt_ms as f64 * 1000.0);
        (*before, *share) = (*now, busy.min(1.0));
    }
}
