//! The names of the topics and the format of their values. Below `$SYS/broker/` both are
//! Mosquitto's; the topics below `$SYS/ringmq/` are ringmq's own.

use crate::broker::inspect::{SystemTopic, SystemTopics};

use super::loads::{Load, SPANS};
use super::totals::{LOADS, Of, Totals};

type Figure = (&'static [&'static str], Of);

/// Numbers, by names and aliases below `$SYS/broker/`.
const FIGURES: &[Figure] = &[
    (&["clients/connected", "clients/active"], |totals| totals.clients),
    (&["clients/disconnected", "clients/inactive"], absent),
    (&["clients/total"], |totals| totals.sessions),
    (&["clients/expired"], |totals| totals.expired),
    (&["connections/socket/count"], |totals| totals.sockets),
    (&["messages/received"], |totals| totals.packets_in),
    (&["messages/sent"], |totals| totals.packets_out),
    (&["publish/messages/received"], |totals| totals.publishes_in),
    (&["publish/messages/sent"], |totals| totals.publishes_out),
    (&["publish/messages/dropped"], |totals| totals.dropped),
    (&["bytes/received"], |totals| totals.bytes_in),
    (&["bytes/sent"], |totals| totals.bytes_out),
    (&["publish/bytes/received"], |totals| totals.payload_in),
    (&["publish/bytes/sent"], |totals| totals.payload_out),
    (&["store/messages/count", "messages/stored"], |totals| {
        totals.retained + totals.backlog_messages + totals.groups_messages
    }),
    (&["store/messages/bytes"], |totals| {
        totals.retained_bytes + totals.backlog_bytes + totals.groups_bytes
    }),
    (&["retained messages/count"], |totals| totals.retained),
    (&["subscriptions/count"], |totals| totals.subscriptions),
    (&["shared_subscriptions/count"], |totals| totals.shared_subscriptions),
];

/// Numbers of consumer groups, by names below `$SYS/ringmq/groups/`.
const GROUPS: &[(&str, Of)] = &[
    ("count", |totals| totals.groups),
    ("members", |totals| totals.shared_subscriptions),
    ("backlog_messages", |totals| totals.groups_messages),
    ("backlog_bytes", |totals| totals.groups_bytes),
    ("lag_max_seconds", |totals| totals.groups_lag_ms_max / 1000),
    ("delivered", |totals| totals.groups_delivered),
    ("acknowledged", |totals| totals.groups_acknowledged),
    ("redelivered", |totals| totals.groups_redelivered),
    ("refused", |totals| totals.groups_refused),
];

/// The names of all topics of a broker with one shard.
pub(in crate::admin) fn names() -> Vec<String> {
    let totals = Totals { busy_us: vec![0], ..Totals::default() };
    let topics = Values::default().compute(&totals);
    topics.iter().map(|topic| topic.topic().as_str().to_owned()).collect()
}

fn absent(totals: &Totals) -> u64 {
    totals.sessions.saturating_sub(totals.clients)
}

/// The state between two updates.
#[derive(Default, Debug)]
pub(super) struct Values {
    /// The uptime at the last update in milliseconds.
    looked_ms: u64,
    loads: [Load; LOADS.len()],
    /// The highest number of sessions; shards report their maximum and number at different moments.
    sessions_max: u64,
    /// For each shard the busy microseconds until the last update, and the busy share between the
    /// last two.
    busy: Vec<(u64, f64)>,
}

impl Values {
    /// Computes the current values.
    pub(super) fn compute(&mut self, totals: &Totals) -> SystemTopics {
        let dt_ms = totals.now_ms.saturating_sub(self.looked_ms);
        self.looked_ms = self.looked_ms.max(totals.now_ms);
        self.sessions_max = self.sessions_max.max(totals.sessions).max(totals.sessions_max);
        let mut topics = Vec::new();
        let mut add = |name: &str, value: String| {
            topics.push(SystemTopic::new(format!("$SYS/{name}"), value));
        };
        add("broker/version", concat!("ringmq version ", env!("CARGO_PKG_VERSION")).to_owned());
        add("broker/uptime", format!("{} seconds", totals.now_ms / 1000));
        add("broker/clients/maximum", self.sessions_max.to_string());
        for (names, of) in FIGURES {
            let value = of(totals).to_string();
            names.iter().for_each(|name| add(&format!("broker/{name}"), value.clone()));
        }
        for (load, (name, of)) in self.loads.iter_mut().zip(LOADS) {
            load.look(of(totals), dt_ms);
            for (value, (_, span)) in load.shown().into_iter().zip(SPANS) {
                add(&format!("broker/load/{name}/{span}"), format!("{value:.2}"));
            }
        }
        self.note_busy(totals, dt_ms);
        for (shard, (_, part)) in self.busy.iter().enumerate() {
            add(&format!("ringmq/shard/{shard}/busy"), format!("{part:.2}"));
        }
        add("ringmq/disk/free", totals.disk_free.to_string());
        add("ringmq/disk/low", totals.disk_short.to_string());
        add("ringmq/sessions/backlog_messages", totals.backlog_messages.to_string());
        add("ringmq/sessions/lag_max_seconds", (totals.lag_ms_max / 1000).to_string());
        for (name, of) in GROUPS {
            add(&format!("ringmq/groups/{name}"), of(totals).to_string());
        }
        SystemTopics::new(topics)
    }

    fn note_busy(&mut self, totals: &Totals, dt_ms: u64) {
        self.busy.resize(totals.busy_us.len(), (0, 0.0));
        if dt_ms == 0 {
            return;
        }
        for ((before, part), now) in self.busy.iter_mut().zip(&totals.busy_us) {
            #[allow(clippy::cast_precision_loss, reason = "a part that is rounded to hundredths")]
            let busy = now.saturating_sub(*before) as f64 / (dt_ms as f64 * 1000.0);
            (*before, *part) = (*now, busy.min(1.0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(topics: &SystemTopics, name: &str) -> String {
        let mut all = topics.iter();
        let found = all.find(|one| one.topic().as_str() == format!("$SYS/{name}"));
        found.unwrap_or_else(|| panic!("no {name}")).payload().to_owned()
    }

    /// An alias has the value of its topic; the maximum stays; a load is per minute, and that of a
    /// shard is a share of time.
    #[test]
    fn values() {
        let mut values = Values::default();
        let mut totals =
            Totals { sessions: 5, clients: 2, busy_us: vec![0, 0], ..Totals::default() };
        values.compute(&totals);
        totals = Totals {
            now_ms: 60_000,
            sessions: 3,
            sessions_max: 7,
            lag_ms_max: 2_999,
            retained: 4,
            backlog_messages: 6,
            publishes_in: 100,
            busy_us: vec![15_000_000, 90_000_000],
            groups: 2,
            groups_messages: 2,
            groups_lag_ms_max: 3_999,
            ..totals
        };
        let topics = values.compute(&totals);
        for (name, expected) in [
            ("broker/uptime", "60 seconds"),
            ("broker/clients/maximum", "7"),
            ("broker/clients/connected", "2"),
            ("broker/clients/active", "2"),
            ("broker/clients/disconnected", "1"),
            ("broker/clients/inactive", "1"),
            ("broker/store/messages/count", "12"),
            ("broker/messages/stored", "12"),
            ("ringmq/sessions/backlog_messages", "6"),
            ("broker/retained messages/count", "4"),
            ("broker/load/publish/received/1min", "63.21"),
            ("broker/load/publish/received/15min", "6.45"),
            ("ringmq/sessions/lag_max_seconds", "2"),
            ("ringmq/groups/count", "2"),
            ("ringmq/groups/backlog_messages", "2"),
            ("ringmq/groups/lag_max_seconds", "3"),
            ("ringmq/shard/0/busy", "0.25"),
            ("ringmq/shard/1/busy", "1.00"),
        ] {
            assert_eq!(value(&topics, name), expected, "{name}");
        }
    }

    /// No name appears twice: an alias would hide another topic.
    #[test]
    fn names_are_unique() {
        let topics = Values::default().compute(&Totals::default());
        let names = FIGURES.iter().map(|(names, _)| names.len()).sum::<usize>();
        assert_eq!(topics.iter().count(), names + 3 + LOADS.len() * SPANS.len() + 4 + GROUPS.len());
    }
}
