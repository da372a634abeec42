//! Every metric, and every topic of `$SYS`, as documented.

use super::catalogue::{self, Part, metrics};
use super::group_metrics::{GROUPS_LEFT_OUT, WATCHED_GROUPS};
use super::metric::Metric;
use super::session_metrics::{LEFT_OUT, TOTALS, WATCHED};
use super::system::SPANS;
use super::topic::Form;
use super::vhost_metrics::VHOST_METRICS;

/// A metric's labels, each with its values if they are known.
type Labels = Vec<(&'static str, Vec<&'static str>)>;

/// A metric, as documented.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Description {
    /// Its whole name.
    pub name: String,
    /// counter, gauge or histogram.
    pub kind: &'static str,
    /// Its labels, each with its values if they are known.
    pub labels: Labels,
    /// What it means.
    pub help: &'static str,
    /// The path that serves it.
    pub path: &'static str,
}

/// A value of `$SYS`, as documented.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TopicDescription {
    /// The topics that have it; in the name of a shard's topic `N` is the number of the shard.
    pub names: Vec<String>,
    /// The last levels that each of these has, if it has several.
    pub spans: Vec<&'static str>,
    /// The metrics whose sum, or highest, it is computed from.
    pub metrics: Vec<TopicMetric>,
    /// What it means.
    pub help: String,
}

/// A metric that a topic is computed from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TopicMetric {
    /// Its whole name.
    pub name: String,
    /// The values of one of its labels that count; none: all of them.
    pub only: Option<(&'static str, &'static [&'static str])>,
}

/// The values of `$SYS`, in the order of their names.
pub fn system_topics() -> Vec<TopicDescription> {
    let described = |parts: Vec<Part>| {
        let topic = parts[0].topic();
        let of_part = |part: &Part| {
            let (name, labels, help) = match part {
                Part::Broker(metric, _) => (metric.whole_name(), metric.labels(), metric.help),
                Part::Waiting(metric, _) => (metric.whole_name(), Vec::new(), metric.help),
            };
            let only = part.topic().only;
            let label = labels.iter().find(|(_, values)| only.iter().any(|it| values.contains(it)));
            (TopicMetric { name, only: label.map(|(label, _)| (*label, only)) }, help)
        };
        let spans = match topic.form {
            Form::Load => SPANS.map(|(_, name)| name).to_vec(),
            _ => Vec::new(),
        };
        let (metrics, helps): (Vec<_>, Vec<_>) = parts.iter().map(of_part).unzip();
        let help = if topic.help.is_empty() { helps[0] } else { topic.help };
        let names = topic.names.iter().map(|name| format!("$SYS/{name}")).collect();
        TopicDescription { names, spans, metrics, help: help.to_owned() }
    };
    let mut topics: Vec<TopicDescription> =
        catalogue::topics().into_iter().map(described).collect();
    topics.sort_by(|a, b| a.names.cmp(&b.names));
    topics
}

/// All metrics, in the order in which they are served.
pub fn descriptions() -> Vec<Description> {
    const SESSIONS: &str = "/metrics/sessions";
    let of_broker = metrics().map(|metric| described(metric, metric.labels(), "/metrics"));
    let of_vhosts =
        VHOST_METRICS.iter().map(|metric| described(metric, labels(&["vhost"]), "/metrics/vhosts"));
    let totals = TOTALS.iter().map(|metric| described(metric, labels(&[]), SESSIONS));
    let watched =
        WATCHED.iter().map(|metric| described(metric, labels(&["vhost", "client"]), SESSIONS));
    let groups = WATCHED_GROUPS
        .iter()
        .map(|metric| described(metric, labels(&["vhost", "group"]), SESSIONS));
    let left_out =
        [LEFT_OUT, GROUPS_LEFT_OUT].map(|metric| described(&metric, labels(&[]), SESSIONS));
    let of_sessions = totals.chain(watched).chain(groups).chain(left_out);
    of_broker.chain(of_vhosts).chain(of_sessions).collect()
}

fn described<S>(metric: &Metric<S>, labels: Labels, path: &'static str) -> Description {
    let (name, kind, help) = (metric.whole_name(), metric.kind.name(), metric.help);
    Description { name, kind, labels, help, path }
}

/// Labels whose values are not known.
fn labels(names: &[&'static str]) -> Labels {
    names.iter().map(|name| (*name, Vec::new())).collect()
}
