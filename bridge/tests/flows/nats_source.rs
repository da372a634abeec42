//! NATS as a source: streams and subjects into the broker.

use super::harness::{Bridge, Broker, Client, Nats};

fn config(home: &Broker, server: &Nats, keys: &str) -> String {
    format!(
        "[broker]\nurl = \"{}\"\nid = \"one\"\n[[source]]\nname = \"down\"\n[source.nats]\n\
         servers = [\"{}\"]\nack_wait = \"1s\"\n{keys}\n",
        home.url(),
        server.url()
    )
}

const STREAM: &str = "stream = \"commands\"\nsubjects = [\"mq.cmd.>\"]";

// A message of a stream is published on the topic of its subject, retained if its header says so. A
// subject that stands for no topic is terminated and counted, and what follows arrives.
#[test]
fn stream_becomes_topics() {
    let (home, server) = (Broker::start(), Nats::start());
    server.make_stream("commands", "mq.>");
    let mut reader = Client::unix(&home.socket(), "reader", false);
    reader.subscribe("cmd/#");
    let long = format!("cmd/{}", "l".repeat(3000));
    server.publish("mq.cmd.a%20b._.x%2Ey", "1", &[]);
    server.publish("mq.other", "is not asked for", &[]);
    server.publish("mq.cmd.%61", "stands for no topic", &[]);
    server.publish("mq.cmd.kept", "2", &[("Mqtt-Retain", "1")]);
    server.publish("mq.cmd.x", "of another topic", &[("Mqtt-Topic", &long)]);
    server.publish("mq.cmd.end", "3", &[]);
    let bridge = Bridge::start(&config(&home, &server, STREAM));
    for (topic, payload) in [("cmd/a b//x.y", "1"), ("cmd/kept", "2"), ("cmd/end", "3")] {
        let received = reader.receive();
        assert_eq!((&*received.topic, &*received.payload), (topic, payload));
    }
    let mut late = Client::unix(&home.socket(), "late", false);
    late.subscribe("cmd/#");
    let received = late.receive();
    assert_eq!((&*received.payload, received.retain), ("2", true));
    bridge.expect_metric("delivered_total", "down", |value| value == 3.0);
    assert_eq!(bridge.metric("dropped_total", "down"), 2.0);
    server.wait_until_acknowledged("commands", "bridge-down");
}

// Subjects without a stream are read as they come.
#[test]
fn subjects_pass() {
    let (home, server) = (Broker::start(), Nats::start());
    let mut reader = Client::unix(&home.socket(), "reader", false);
    reader.subscribe("site/#");
    let text = format!(
        "[broker]\nurl = \"{}\"\nid = \"one\"\n[[source]]\nname = \"down\"\nadd = \"site/\"\n\
         [source.nats]\nservers = [\"{}\"]\nsubjects = [\"mq.cmd.*\", \"mq.all.>\"]\n",
        home.url(),
        server.url()
    );
    let bridge = Bridge::start(&text);
    bridge.process.wait_for_line("down: reads ");
    server.send("mq.cmd.a", "1");
    server.send("mq.cmd.a.b", "is not asked for");
    server.send("mq.all.a.b", "2");
    // Each subject has a subscription of its own, so nothing is said of the order between them.
    let mut received = [reader.receive(), reader.receive()];
    received.sort_by(|a, b| a.payload.cmp(&b.payload));
    assert_eq!((&*received[0].topic, &*received[1].topic), ("site/cmd/a", "site/all/a/b"));
}

// Kills of the bridge, the broker and the server: every number comes, in order of first arrival.
#[test]
fn kills_lose_nothing() {
    const COUNT: usize = 1000;
    let rounds = super::harness::rounds(6);
    let (mut home, mut server) = (Broker::start(), Nats::start());
    server.make_stream("commands", "mq.>");
    let durable = |home: &Broker| Client::unix(&home.socket(), "reader", true);
    durable(&home).subscribe("cmd/#");
    let mut bridge = Bridge::start(&config(&home, &server, STREAM));
    for round in 0..rounds {
        server.publish_numbers("mq.cmd.x", round * COUNT..(round + 1) * COUNT);
        bridge.expect_metric("delivered_total", "down", |value| value > 0.0);
        match round % 3 {
            0 => bridge.kill_and_start(),
            1 => {
                home.kill();
                home.start_again();
            }
            _ => {
                server.kill();
                server.start_again();
            }
        }
    }
    let mut reader = durable(&home);
    let mut next = 0;
    while next < rounds * COUNT {
        let number: usize = reader.receive().payload.parse().expect("a number");
        match number {
            number if number == next => next += 1,
            number if number < next => {}
            number => panic!("{number} came, {next} is missing"),
        }
    }
    // A restart of the bridge takes up what was acknowledged to the stream.
    server.wait_until_acknowledged("commands", "bridge-down");
}

// Two brokers with a sink and a source each, at one cluster: what is published at one is at the
// other, once, and does not come back.
#[test]
fn two_brokers_make_no_loop() {
    let (one, two, server) = (Broker::start(), Broker::start(), Nats::start());
    server.make_stream("all", "mq.>");
    let text = |broker: &Broker, id: &str| {
        let (url, at) = (broker.url(), server.url());
        format!(
            "[broker]\nurl = \"{url}\"\nid = \"{id}\"\n[[sink]]\nname = \"up\"\n\
             filters = [\"m/#\"]\n[sink.nats]\nservers = [\"{at}\"]\n[[source]]\nname = \"{id}\"\n\
             [source.nats]\nservers = [\"{at}\"]\nstream = \"all\"\nsubjects = [\"mq.m.>\"]\n"
        )
    };
    let mut readers = [&one, &two].map(|broker| Client::unix(&broker.socket(), "reader", false));
    for reader in &mut readers {
        reader.subscribe("m/#");
    }
    let bridges = [Bridge::start(&text(&one, "one")), Bridge::start(&text(&two, "two"))];
    for bridge in &bridges {
        bridge.process.wait_for_line("up: subscribed");
    }
    Client::unix(&one.socket(), "writer", false).publish("m/a", "1");
    assert_eq!(readers[1].receive().payload, "1");
    Client::unix(&two.socket(), "writer", false).publish("m/a", "2");
    // It is behind everything that could have come back.
    for reader in &mut readers[..1] {
        assert_eq!([reader.receive().payload, reader.receive().payload], ["1", "2"]);
    }
    assert_eq!(readers[1].receive().payload, "2");
    Client::unix(&one.socket(), "writer", false).publish("m/a", "3");
    assert_eq!([readers[0].receive().payload, readers[1].receive().payload], ["3", "3"]);
    let mut left = 3;
    let stored = server.read("all", |_| {
        left -= 1;
        left == 0
    });
    let stored: Vec<&[u8]> = stored.iter().map(|stored| stored.payload.as_slice()).collect();
    assert_eq!(stored, [b"1", b"2", b"3"]);
}
