//! Kafka by transactions, and a second implementation of the protocol.

use std::collections::BTreeMap;

use rdkafka::types::RDKafkaRespErr as E;

use super::harness::{Bridge, Broker, Client, Deaf, Kafka, Tansu};

fn config(home: &Broker, servers: &str, keys: &str, sink: &str) -> String {
    format!(
        "[broker]\nurl = \"{}\"\n[[sink]]\nname = \"k\"\nfilters = [\"m/#\"]\n{sink}\n\
         [sink.kafka]\nservers = [{servers}]\ntopic = \"t\"\n{keys}\n",
        home.url()
    )
}

/// Checks that the numbers of each key came in order of first arrival; how many came again.
fn check(records: &[(String, String)], topics: &[&str], count: usize) -> usize {
    let mut next: BTreeMap<&str, usize> = topics.iter().map(|topic| (*topic, 0)).collect();
    let mut again = 0;
    for (key, payload) in records {
        let number: usize = payload.parse().expect("payloads are numbers");
        let next = next.get_mut(key.as_str()).expect("one of the keys");
        assert!(number <= *next, "{key}: {number} came, {next} is missing");
        again += usize::from(number < *next);
        *next += usize::from(number == *next);
    }
    assert!(next.values().all(|next| *next == count), "{next:?}");
    again
}

fn numbers<'t>(
    topics: &'t [&'t str],
    range: std::ops::Range<usize>,
) -> impl Iterator<Item = (&'t str, String)> {
    range.flat_map(move |number| topics.iter().map(move |topic| (*topic, number.to_string())))
}

// The other implementation takes what the bridge writes, in order, by either kind of producer.
#[test]
fn tansu_takes_records() {
    let topics = ["m/1", "m/2", "m/3"];
    for once in ["idempotent", "transactional"] {
        let (home, cluster) = (Broker::start(), Tansu::start());
        cluster.make_topic("t");
        let servers = format!("{:?}", cluster.server());
        let bridge = Bridge::start(&config(&home, &servers, &format!("once = \"{once}\""), ""));
        bridge.process.wait_for_line("subscribed");
        let mut writer = Client::unix(&home.socket(), "writer", false);
        writer.publish_all(numbers(&topics, 0..1000), false);
        let mut left = 3000;
        let records = cluster.read("t", |_| {
            left -= 1;
            left == 0
        });
        assert_eq!(check(&records, &topics, 1000), 0, "{once}");
        bridge.expect_metric("delivered_total", "k", |value| value == 3000.0);
    }
}

// What a transaction has written is not written again, although the broker never got the
// acknowledgements: it and the bridge are killed after the commit.
#[test]
fn committed_records_are_not_repeated() {
    const COUNT: usize = 500;
    let (mut home, cluster) = (Broker::start(), Tansu::start());
    cluster.make_topic("t");
    let way = Deaf::to(home.socket());
    let text = config(&home, &format!("{:?}", cluster.server()), "once = \"transactional\"", "");
    let mut bridge = Bridge::start(&text.replace(&home.url(), &way.url()));
    bridge.process.wait_for_line("subscribed");
    way.lose(true);
    let mut writer = Client::unix(&home.socket(), "writer", false);
    writer.publish_all(numbers(&["m/1"], 0..COUNT), false);
    bridge.expect_metric("delivered_total", "k", |value| value == 500.0);
    home.kill();
    bridge.process.kill();
    way.lose(false);
    home.start_again();
    bridge.kill_and_start();
    bridge.expect_metric("delivered_total", "k", |value| value == 500.0);
    Client::unix(&home.socket(), "writer", false).publish("m/1", &COUNT.to_string());
    let last = COUNT.to_string();
    let records = cluster.read("t", |(_, payload)| *payload == last);
    let numbers: Vec<&str> = records.iter().map(|(_, payload)| payload.as_str()).collect();
    let wanted: Vec<String> = (0..=COUNT).map(|number| number.to_string()).collect();
    assert_eq!(numbers, wanted);
}

// Kills of the bridge and the broker in the middle of transactions lose nothing, and repeat no more
// than a transaction each: Tansu shows what was aborted to every consumer.
#[test]
fn kills_repeat_what_was_aborted() {
    const COUNT: usize = 1000;
    const BATCH: usize = 100;
    let rounds = super::harness::rounds(6);
    let topics = ["m/1", "m/2", "m/3"];
    let (mut home, cluster) = (Broker::start(), Tansu::start());
    cluster.make_topic("t");
    let servers = format!("{:?}", cluster.server());
    let batch = format!("batch = {{ messages = {BATCH} }}");
    let keys = "once = \"transactional\"";
    let mut bridge = Bridge::start(&config(&home, &servers, keys, &batch));
    bridge.process.wait_for_line("subscribed");
    for round in 0..rounds {
        let mut writer = Client::unix(&home.socket(), "writer", false);
        writer.publish_all(numbers(&topics, round * COUNT..(round + 1) * COUNT), false);
        bridge.expect_metric("delivered_total", "k", |value| value > 0.0);
        if round % 3 == 2 {
            home.kill();
            home.start_again();
        } else {
            bridge.kill_and_start();
        }
    }
    let all = rounds * COUNT;
    let last = (all - 1).to_string();
    let mut missing = topics.len();
    let records = cluster.read("t", |(_, payload)| {
        missing -= usize::from(*payload == last);
        missing == 0
    });
    let again = check(&records, &topics, all);
    assert!(again <= rounds * BATCH, "{again} came again");
}

// Errors of requests end a transaction; what it had is written by the next one. A message that is
// refused is found and is a dead letter.
#[test]
fn errors_of_transactions_lose_nothing() {
    for (errors, dead) in [
        (&[E::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER][..], 0),
        (&[E::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE], 0),
        // The request, then the first of its messages alone.
        (&[E::RD_KAFKA_RESP_ERR_INVALID_RECORD; 2], 1),
    ] {
        let (home, cluster) = (Broker::start(), Kafka::start());
        cluster.make_topic("t");
        let keys = "once = \"transactional\"\ntimeout = \"5s\"";
        let linger = "batch = { linger = \"300ms\" }";
        let bridge = Bridge::start(&config(&home, &cluster.servers(), keys, linger));
        bridge.process.wait_for_line("subscribed");
        let mut writer = Client::unix(&home.socket(), "writer", false);
        writer.publish("m/1", "0");
        bridge.expect_metric("delivered_total", "k", |value| value == 1.0);
        cluster.answer_produce(errors);
        writer.publish_all((1..20).map(|number| ("m/1", number.to_string())), false);
        let good = 20.0 - f64::from(dead);
        bridge.expect_metric("delivered_total", "k", |value| value == good);
        assert_eq!(bridge.metric("dead_total", "k"), f64::from(dead), "{errors:?}");
        let records = cluster.read("t", |record| record.payload == "19");
        let mut seen: Vec<usize> =
            records.iter().map(|record| record.payload.parse().expect("a number")).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), if dead == 0 { 20 } else { 19 }, "{errors:?}: {seen:?}");
    }
}

// Two bridges with one transactional id: the newer one writes, the older one stops and says why.
#[test]
fn the_older_of_two_stops() {
    let (home, cluster) = (Broker::start(), Tansu::start());
    cluster.make_topic("t");
    let servers = format!("{:?}", cluster.server());
    let keys = "once = \"transactional\"\nid = \"shared\"";
    let other = Broker::start();
    let older = Bridge::start(&config(&home, &servers, keys, ""));
    older.process.wait_for_line("subscribed");
    Client::unix(&home.socket(), "writer", false).publish("m/a", "0");
    older.expect_metric("delivered_total", "k", |value| value == 1.0);
    let newer = Bridge::start(&config(&other, &servers, keys, ""));
    newer.process.wait_for_line("subscribed");
    Client::unix(&other.socket(), "writer", false).publish("m/a", "1");
    newer.expect_metric("delivered_total", "k", |value| value == 1.0);
    Client::unix(&home.socket(), "writer", false).publish("m/a", "2");
    let line = older.process.wait_for_line("k: stopped: ");
    assert!(line.contains("set `id`"), "{line}");
}
