//! `$SYS/…`: ringmq has the topics of Debian's mosquitto, with values in the same form. Without a
//! subscriber they cost no work.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use crate::common::{Broker, Client, Publish, connect, publish};

/// The topics of Mosquitto that ringmq lacks.
const LEFT_OUT: &[&str] = &[
    // From 2.1: ringmq counts its output in bytes, not in packets, and keeps no sum of them.
    "$SYS/broker/packet/out/count",
    "$SYS/broker/packet/out/bytes",
];

/// The topics of Mosquitto since 2.1, which Debian's version lacks.
const LATER: &[&str] = &["$SYS/broker/connections/socket/count"];

fn start(shards: usize) -> Broker {
    Broker::start_with(shards, &["--sys-interval", "1s"])
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("values are text")
}

/// The next message, acknowledged.
#[track_caller]
fn next(client: &mut Client) -> Publish {
    let message = client.read_publish();
    if message.qos == 1 {
        client.acknowledge(1, message.id);
    }
    message
}

/// All messages of a broker with an interval of a second, until each changing topic was updated
/// twice.
fn all_topics(broker: &Broker) -> BTreeMap<String, Vec<Publish>> {
    let mut client = Client::connect(broker, "reader");
    client.subscribe("$SYS/#", 1);
    let mut topics: BTreeMap<String, Vec<Publish>> = BTreeMap::new();
    let mut updates = 0;
    while updates < 3 {
        let message = next(&mut client);
        let topic = text(&message.topic);
        updates += u32::from(topic == "$SYS/broker/uptime" && !message.retain);
        topics.entry(topic).or_default().push(message);
    }
    topics
}

/// The form of a value: `9` for the figures before a point, and one for each figure behind it.
fn form(value: &str) -> String {
    let value = value.replace("mosquitto version", "ringmq version");
    let mut form = String::new();
    for letter in value.chars() {
        let behind_point = form.contains('.');
        match letter {
            '0'..='9' if !behind_point && form.ends_with('9') => {}
            '0'..='9' => form.push('9'),
            other => form.push(other),
        }
    }
    form
}

/// Names are Mosquitto's, but for those that are left out on purpose; so are the forms of values.
#[test]
fn names_and_forms_are_those_of_mosquitto() {
    let mosquitto = all_topics(&Broker::mosquitto("allow_anonymous true\nsys_interval 1"));
    for shards in [1, 3] {
        let own = all_topics(&start(shards));
        let names = |topics: &BTreeMap<String, Vec<Publish>>, without: &[&str]| {
            let names = topics.keys().filter(|name| !without.contains(&name.as_str()));
            names.filter(|name| !name.starts_with("$SYS/ringmq/")).cloned().collect::<Vec<_>>()
        };
        assert_eq!(names(&own, LATER), names(&mosquitto, &[LEFT_OUT, LATER].concat()));
        let extra = own.keys().filter(|name| name.starts_with("$SYS/ringmq/")).count();
        assert_eq!(extra, shards + 4 + 9, "of disks, sessions and groups");
        for (name, messages) in &own {
            for message in messages {
                assert_eq!(message.qos, 1, "{name}");
                let value = text(&message.payload);
                // Exporters parse the first word as a number.
                let number = value.split(' ').next().expect("split gives one").parse::<f64>();
                assert!(number.is_ok() || name.ends_with("/version"), "{name}: {value}");
                if let Some(theirs) = mosquitto.get(name).filter(|_| !name.ends_with("/version")) {
                    assert_eq!(form(&value), form(&text(&theirs[0].payload)), "{name}");
                }
            }
        }
    }
}

/// With both brokers, a subscriber gets all values at once, with RETAIN and the granted QoS, and
/// then those that change, without RETAIN.
#[test]
fn delivery_is_that_of_mosquitto() {
    let mosquitto = Broker::mosquitto("allow_anonymous true\nsys_interval 1");
    for broker in [&mosquitto, &start(1), &start(3)] {
        for granted in 0..=2 {
            let mut client = Client::connect(broker, "reader");
            client.subscribe("$SYS/broker/uptime", granted);
            let first = client.read_publish();
            assert_eq!((first.retain, first.qos), (true, granted));
            // An unacknowledged value holds up no other.
            let second = client.read_publish();
            assert_eq!((second.retain, second.qos, second.dup), (false, granted, false));
            assert!(first.payload != second.payload && first.topic == second.topic);
            client.subscribe("$SYS/broker/version", granted);
            let version = loop {
                let message = client.read_publish();
                if message.topic.ends_with(b"version") {
                    break message;
                }
            };
            assert!(version.retain && text(&version.payload).contains(" version "));
        }
        // Wildcards in front do not stand for `$SYS`.
        let mut others = Client::connect(broker, "others");
        for filter in ["#", "+/broker/uptime", "+/#"] {
            others.subscribe(filter, 0);
        }
        let mut reader = Client::connect(broker, "reader");
        reader.subscribe("$SYS/broker/uptime", 0);
        for _ in 0..2 {
            reader.read_publish();
        }
        others.expect_silence();
    }
}

/// A persistent session gets the values at QoS 0, and none are stored for it while its client is
/// away.
#[test]
fn sessions_keep_nothing() {
    let broker = start(2);
    let mut client = Client::connect_with(&broker, &connect("stays").persistent());
    client.subscribe("$SYS/broker/uptime", 2);
    let first = client.read_publish();
    assert_eq!((first.qos, first.retain), (0, true));
    client.leave();
    let mut witness = Client::connect(&broker, "witness");
    witness.subscribe("$SYS/broker/uptime", 0);
    for _ in 0..3 {
        witness.read_publish();
    }
    let mut client = crate::common::resume_as(&broker, "stays", true);
    let live = client.read_publish();
    assert_eq!((live.qos, live.retain), (0, false), "nothing waited for it");
    assert!(client.read_publish().payload != live.payload);
}

/// The maximum of clients counts the time without a subscriber, too. The age of the oldest waiting
/// message has a value as well.
#[test]
fn peaks_are_not_missed() {
    for shards in [1, 3] {
        let broker = start(shards);
        let crowd: Vec<Client> =
            (0..7).map(|n| Client::connect(&broker, &format!("c{n}"))).collect();
        crowd.into_iter().for_each(Client::leave);
        let mut witness = Client::connect(&broker, "witness");
        witness.subscribe("$SYS/broker/clients/connected", 0);
        while witness.read_publish().payload != b"1" {}
        let topics = all_topics(&broker);
        let value = |name: &str| topics[name].iter().map(|it| text(&it.payload)).next_back();
        assert_eq!(value("$SYS/broker/clients/maximum").as_deref(), Some("7"));
        assert_eq!(value("$SYS/ringmq/sessions/lag_max_seconds").as_deref(), Some("0"));
        broker.stop();
    }
}

/// What waits in consumer groups is told, also while no member is there.
#[test]
fn groups_are_told() {
    for shards in [1, 3] {
        let broker = start(shards);
        let mut member = Client::connect_with(&broker, &connect("member").persistent());
        member.subscribe("$share/g/t/#", 1);
        member.leave();
        let mut publisher = Client::connect(&broker, "publisher");
        for number in 0..3 {
            let message = publish(format!("t/{number}"), "text").at(1);
            publisher.publish(&Publish { id: 1, ..message });
        }
        let topics = all_topics(&broker);
        for (name, expected) in
            [("count", "1"), ("members", "1"), ("backlog_messages", "3"), ("acknowledged", "0")]
        {
            let values = &topics[&format!("$SYS/ringmq/groups/{name}")];
            let last = values.iter().map(|it| text(&it.payload)).next_back();
            assert_eq!(last.as_deref(), Some(expected), "{name} with {shards} shards");
        }
        broker.stop();
    }
}

/// Times that the admin thread has slept; none: it is not there.
fn sleeps(broker: &Broker) -> Option<u64> {
    let tasks = fs::read_dir(format!("/proc/{}/task", broker.pid())).expect("it runs");
    let mut paths = tasks.map(|task| task.expect("it runs").path());
    let admin = paths.find(|path| {
        fs::read_to_string(path.join("comm")).is_ok_and(|name| name.trim() == "admin")
    })?;
    let status = fs::read_to_string(admin.join("status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    Some(line.expect("the kernel counts them").trim().parse().expect("a number"))
}

/// Whether the admin thread does nothing for longer than two intervals, sooner or later.
fn falls_silent(broker: &Broker, client: &mut Client) -> bool {
    (0..4).any(|_| {
        let before = sleeps(broker);
        client.hear_nothing_for(Duration::from_millis(2_500));
        sleeps(broker) == before
    })
}

/// Without a subscriber the thread that computes the values sleeps: before the first one and after
/// the last one. Without an interval there is neither the thread nor a value.
#[test]
fn nobody_subscribed_nothing_done() {
    let broker = start(2);
    let mut idle = Client::connect(&broker, "idle");
    idle.subscribe("#", 0);
    // It begins soon after the listeners.
    while sleeps(&broker).is_none() {
        idle.hear_nothing_for(Duration::from_millis(10));
    }
    assert!(falls_silent(&broker, &mut idle));
    let mut reader = Client::connect(&broker, "reader");
    reader.subscribe("$SYS/broker/uptime", 0);
    reader.read_publish();
    assert!(!falls_silent(&broker, &mut idle), "it has a subscriber");
    drop(reader);
    assert!(falls_silent(&broker, &mut idle));
    // The next is served at once, with new values.
    let mut reader = Client::connect(&broker, "reader");
    reader.subscribe("$SYS/broker/clients/connected", 0);
    assert_eq!(reader.read_publish().payload, b"2");
    // Without a flag for HTTP there is no socket for it, and no token.
    for file in ["admin.sock", "admin.token"] {
        assert!(!broker.data_dir().join(file).exists(), "{file}");
    }
    let off = Broker::start_with(2, &["--sys-interval", "0"]);
    assert_eq!(sleeps(&off), None);
    let mut reader = Client::connect(&off, "reader");
    reader.subscribe("$SYS/#", 2);
    reader.expect_silence();
}
