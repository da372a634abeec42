//! Every metric, and the topics of `$SYS`, as documented.

use super::catalogue::metrics;
use super::group_metrics::{GROUPS_LEFT_OUT, WATCHED_GROUPS};
use super::metric::Kind;
use super::session_metrics::{LEFT_OUT, TOTALS, WATCHED};
use super::system;
use super::vhost_metrics::VHOST_METRICS;

/// A metric, as documented.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Description {
    /// Its whole name.
    pub name: String,
    /// counter, gauge or histogram.
    pub kind: &'static str,
    /// Its labels, each with its values if they are known.
    pub labels: Vec<(&'static str, Vec<&'static str>)>,
    /// What it means.
    pub help: &'static str,
    /// The path that serves it.
    pub path: &'static str,
}

/// The topics `$SYS/…` of a broker with one shard.
pub fn system_topics() -> Vec<String> {
    system::topic_names()
}

/// All metrics, in the order in which they are served.
pub fn descriptions() -> Vec<Description> {
    let of_broker = metrics().map(|metric| Description {
        name: metric.whole_name(),
        kind: metric.kind.name(),
        labels: metric.labels(),
        help: metric.help,
        path: "/metrics",
    });
    let of_vhosts = VHOST_METRICS.iter().map(|(name, kind, _, help)| Description {
        name: format!("ringmq_{name}"),
        kind: kind.name(),
        labels: vec![("vhost", Vec::new())],
        help,
        path: "/metrics/vhosts",
    });
    let of_session = |name: &str, kind: Kind, help, labels: &[&'static str]| Description {
        name: format!("ringmq_{name}"),
        kind: kind.name(),
        labels: labels.iter().map(|label| (*label, Vec::new())).collect(),
        help,
        path: "/metrics/sessions",
    };
    let totals = TOTALS.iter().map(|(name, kind, help, _)| of_session(name, *kind, help, &[]));
    let watched = WATCHED
        .iter()
        .map(|(name, kind, help, _)| of_session(name, *kind, help, &["vhost", "client"]));
    let groups = WATCHED_GROUPS
        .iter()
        .map(|(name, kind, help, _)| of_session(name, *kind, help, &["vhost", "group"]));
    let left_out =
        [LEFT_OUT, GROUPS_LEFT_OUT].map(|(name, kind, help)| of_session(name, kind, help, &[]));
    let of_sessions = totals.chain(watched).chain(groups).chain(left_out);
    of_broker.chain(of_vhosts).chain(of_sessions).collect()
}
