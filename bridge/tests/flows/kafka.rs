//! Kafka, as librdkafka's mock brokers speak it.

use std::collections::{BTreeMap, BTreeSet};

use rdkafka::types::RDKafkaRespErr;

use super::harness::{Bridge, Broker, Client, Kafka, Record, in_own_network};

fn config(home: &Broker, cluster: &Kafka, keys: &str, sink: &str) -> String {
    format!(
        "[broker]\nurl = \"{}\"\n[[sink]]\nname = \"k\"\nfilters = [\"m/#\"]\n{sink}\n\
         [sink.kafka]\nservers = [{}]\n{keys}\n",
        home.url(),
        cluster.servers()
    )
}

/// Checks that each number of each key came, in order of first arrival; how often one came again.
fn check_numbers(records: &[Record], keys: &[&str], count: usize) -> usize {
    let mut next: BTreeMap<&str, usize> = keys.iter().map(|key| (*key, 0)).collect();
    let mut again = 0;
    for record in records {
        let number: usize = record.payload.parse().expect("payloads are numbers");
        let key = record.key.as_deref().expect("has a key");
        let next = next.get_mut(key).expect("one of the keys");
        match number {
            number if number == *next => *next += 1,
            number if number < *next => again += 1,
            number => panic!("{key}: {number} came, {next} is missing"),
        }
    }
    assert!(next.values().all(|next| *next == count), "{next:?}");
    again
}

/// Reads until each of the keys has its last number.
fn read_numbers(cluster: &Kafka, keys: &[&str], count: usize) -> Vec<Record> {
    let last = (count - 1).to_string();
    let mut missing: BTreeSet<String> = keys.iter().map(|key| (*key).to_owned()).collect();
    cluster.read("t", move |record| {
        if record.payload == last {
            missing.remove(record.key.as_deref().expect("has a key"));
        }
        missing.is_empty()
    })
}

// Topic, key, headers and time of a record are those of the message; a message that is too large,
// or that has no topic of Kafka, is a dead letter.
#[test]
fn records_have_what_templates_say() {
    let (home, cluster) = (Broker::start(), Kafka::start());
    cluster.make_topic("t.a_2Eb");
    let keys = "topic = \"t.{2}\"\nheaders = { from = \"{topic}\", at = \"{position}\" }";
    let mut letters = Client::unix(&home.socket(), "letters", false);
    letters.subscribe("dead/k");
    let bridge = Bridge::start(&config(&home, &cluster, keys, ""));
    bridge.process.wait_for_line("subscribed");
    let mut writer = Client::unix(&home.socket(), "writer", false);
    writer.publish("m/a.b/x", "1");
    writer.publish("m", "no second level");
    writer.publish("m/a.b/x", &"x".repeat(1_100_000));
    writer.publish("m/a.b/y", "2");
    let reason = |letter: &super::harness::Received| {
        let found = letter.user.iter().find(|(name, _)| name == "ringmq-bridge-reason");
        found.expect("has a reason").1.clone()
    };
    let (first, second) = (letters.receive(), letters.receive());
    assert!(reason(&first).contains("no level {2}"), "{}", reason(&first));
    assert!(reason(&second).contains("MessageSizeTooLarge"), "{}", reason(&second));
    let mut left = 2;
    let mut records = cluster.read("t.a_2Eb", |_| {
        left -= 1;
        left == 0
    });
    records.sort_by(|a, b| a.payload.cmp(&b.payload));
    assert_eq!(records[0].key.as_deref(), Some("m/a.b/x"));
    assert_eq!(records[1].key.as_deref(), Some("m/a.b/y"));
    assert_eq!(records[0].headers["from"], "m/a.b/x");
    assert!(records[0].headers["at"].ends_with("-0"), "{:?}", records[0]);
    assert!(records[1].headers["at"].ends_with("-3"), "{:?}", records[1]);
    assert!(records.iter().all(|record| record.time_ms.is_some_and(|ms| ms > 0)));
    bridge.expect_metric("dead_total", "k", |value| value == 2.0);
    bridge.expect_metric("delivered_total", "k", |value| value == 2.0);
}

// Messages of one key are in one partition, in order.
#[test]
fn keys_keep_their_partition() {
    let (home, cluster) = (Broker::start(), Kafka::start());
    cluster.make_topic("t");
    let bridge = Bridge::start(&config(&home, &cluster, "topic = \"t\"", ""));
    bridge.process.wait_for_line("subscribed");
    let mut writer = Client::unix(&home.socket(), "writer", false);
    let topics = ["m/1", "m/2", "m/3", "m/4", "m/5"];
    writer.publish_all((0..5000).map(|n| (topics[n % 5], (n / 5).to_string())), false);
    let records = read_numbers(&cluster, &topics, 1000);
    assert_eq!(check_numbers(&records, &topics, 1000), 0);
    for topic in topics {
        let of_topic = records.iter().filter(|record| record.key.as_deref() == Some(topic));
        let partitions: BTreeSet<i32> = of_topic.map(|record| record.partition).collect();
        assert_eq!(partitions.len(), 1, "{topic}: {partitions:?}");
    }
}

// Errors of the moment are tried again and leave nothing behind. A request that is refused as a
// whole is sent by the message, and what is not at fault arrives.
#[test]
fn errors_of_requests_lose_nothing() {
    use RDKafkaRespErr as E;
    for (errors, is_said) in [
        (&[E::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS; 3][..], false),
        (&[E::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION; 2], false),
        (&[E::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE], false),
        (&[E::RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH; 4], true),
    ] {
        let (home, cluster) = (Broker::start(), Kafka::start());
        cluster.make_topic("t");
        let bridge = Bridge::start(&config(&home, &cluster, "topic = \"t\"", ""));
        bridge.process.wait_for_line("subscribed");
        let mut writer = Client::unix(&home.socket(), "writer", false);
        writer.publish_all((0..10).map(|n| ("m/1", n.to_string())), false);
        read_numbers(&cluster, &["m/1"], 10);
        cluster.answer_produce(errors);
        writer.publish_all((10..500).map(|n| ("m/1", n.to_string())), false);
        let records = read_numbers(&cluster, &["m/1"], 500);
        let numbers: BTreeSet<&str> = records.iter().map(|record| &*record.payload).collect();
        assert_eq!(numbers.len(), 500, "{errors:?}");
        bridge.expect_metric("delivered_total", "k", |value| value == 500.0);
        assert_eq!(bridge.metric("dead_total", "k"), 0.0, "{errors:?}");
        assert!(!is_said || bridge.metric("stopped", "k") == 0.0, "{errors:?}");
    }
}

// A message that the brokers refuse alone is a dead letter with their words.
#[test]
fn refused_messages_are_dead_letters() {
    let (home, cluster) = (Broker::start(), Kafka::start());
    cluster.make_topic("t");
    let mut letters = Client::unix(&home.socket(), "letters", false);
    letters.subscribe("dead/k");
    let bridge = Bridge::start(&config(&home, &cluster, "topic = \"t\"", ""));
    bridge.process.wait_for_line("subscribed");
    cluster.answer_produce(&[RDKafkaRespErr::RD_KAFKA_RESP_ERR_INVALID_RECORD]);
    let mut writer = Client::unix(&home.socket(), "writer", false);
    writer.publish("m/1", "bad");
    let letter = letters.receive();
    assert_eq!(letter.payload, "bad");
    assert!(letter.user.iter().any(|(_, value)| value.contains("InvalidRecord")), "{letter:?}");
    writer.publish("m/1", "good");
    assert_eq!(cluster.read("t", |_| true)[0].payload, "good");
    bridge.expect_metric("delivered_total", "k", |value| value == 1.0);
}

// Brokers that let nobody write stop the sink, which says so; the message stays in the session.
#[test]
fn denied_topic_stops_the_sink() {
    let (home, cluster) = (Broker::start(), Kafka::start());
    cluster.make_topic("t");
    let text = config(&home, &cluster, "topic = \"t\"", "");
    let mut bridge = Bridge::start(&text);
    bridge.process.wait_for_line("subscribed");
    cluster.answer_produce(&[RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED]);
    Client::unix(&home.socket(), "writer", false).publish("m/a", "1");
    let line = bridge.process.wait_for_line("k: stopped: ");
    assert!(line.contains("TopicAuthorizationFailed"), "{line}");
    bridge.kill_and_start();
    assert_eq!(cluster.read("t", |_| true)[0].payload, "1");
}

// An outage of all brokers is said once and over once, and brings nothing twice.
#[test]
fn outage_is_said_once() {
    in_own_network("kafka::outage_is_said_once", say_outage_once);
}

fn say_outage_once() {
    let (home, cluster) = (Broker::start(), Kafka::start());
    cluster.make_topic("t");
    let bridge = Bridge::start(&config(&home, &cluster, "topic = \"t\"", ""));
    bridge.process.wait_for_line("subscribed");
    let mut writer = Client::unix(&home.socket(), "writer", false);
    writer.publish_all((0..1000).map(|n| ("m/1", n.to_string())), false);
    bridge.expect_metric("delivered_total", "k", |value| value == 1000.0);
    cluster.take_down();
    writer.publish_all((1000..3000).map(|n| ("m/1", n.to_string())), false);
    bridge.process.wait_for_line("tries again until it succeeds");
    assert_eq!(bridge.metric("target_up", "k"), 0.0);
    cluster.bring_up();
    bridge.process.wait_for_line("delivers again");
    let records = read_numbers(&cluster, &["m/1"], 3000);
    assert_eq!(check_numbers(&records, &["m/1"], 3000), 0);
    assert_eq!(bridge.process.times_said("tries again until it succeeds"), 1);
}

// Kills of the bridge and the broker, and outages of the cluster: every number is in the topic, in
// order by key.
#[test]
fn kills_lose_nothing() {
    in_own_network("kafka::kills_lose_nothing", lose_nothing);
}

fn lose_nothing() {
    const COUNT: usize = 2000;
    let rounds = super::harness::rounds(6);
    let topics = ["m/1", "m/2", "m/3"];
    for once in ["idempotent", "at-least"] {
        // The mock brokers may forget a request and keep the connection.
        let keys = format!("topic = \"t\"\nonce = \"{once}\"\ntimeout = \"2s\"");
        let (mut home, cluster) = (Broker::start(), Kafka::start());
        cluster.make_topic("t");
        let mut bridge =
            Bridge::start(&config(&home, &cluster, &keys, "batch = { messages = 100 }"));
        bridge.process.wait_for_line("subscribed");
        for round in 0..rounds {
            let mut writer = Client::unix(&home.socket(), "writer", false);
            let numbers = round * COUNT..(round + 1) * COUNT;
            let messages = numbers.flat_map(|n| topics.map(|topic| (topic, n.to_string())));
            writer.publish_all(messages, false);
            bridge.expect_metric("delivered_total", "k", |value| value > 0.0);
            match round % 3 {
                0 => bridge.kill_and_start(),
                1 => {
                    home.kill();
                    home.start_again();
                }
                _ => {
                    cluster.take_down();
                    cluster.bring_up();
                }
            }
        }
        let records = read_numbers(&cluster, &topics, rounds * COUNT);
        check_numbers(&records, &topics, rounds * COUNT);
    }
}
