//! The bounds of the broker, from outside: at each edge and one beyond.

use std::io::Read;

use crate::common::{
    Broker, Client, Publish, connack, connect, on_shards, puback, pubcomp, publish, pubrec, pubrel,
    resume_as, suback, subscribe, until,
};

/// A packet of `--max-packet-size` bytes, header included, passes; one byte more closes.
#[test]
fn max_packet_size() {
    for shards in [1, 2] {
        let broker = Broker::start_with(shards, &["--max-packet-size", "1024"]);
        let mut client = Client::connect(&broker, "sizes");
        client.subscribe("t", 0);
        // 1 byte type, 2 bytes length, 3 bytes topic.
        let at_most = publish("t", [7; 1024 - 6]);
        assert_eq!(at_most.bytes().len(), 1024);
        client.publish(&at_most);
        client.expect_publish(&at_most);
        client.send_to_closing(&publish("t", [7; 1024 - 5]).bytes());
        client.expect_closed();
        // The header alone closes the connection, without a body.
        for header in [&[0x30, 0x81, 0x08][..], &[0x30, 0xff, 0xff, 0xff, 0x7f]] {
            let mut client = Client::connect(&broker, "sizes");
            client.send(header);
            client.expect_closed();
        }
        Client::connect(&broker, "sizes").expect_silence();
    }
}

/// By default, messages of 16 MiB pass.
#[test]
fn large_messages_pass() {
    on_shards(&[1, 2], |broker| {
        let mut client = Client::connect(broker, "large");
        client.subscribe("large", 0);
        let header = 1 + 4 + 2 + 5 + 2;
        let payload: Vec<u8> = (0..=250).cycle().take(16 * 1024 * 1024 - header).collect();
        let mut publisher = Client::connect(broker, "publisher");
        publisher.publish(&publish("large", payload.clone()).qos1(1));
        client.expect_publish(&publish("large", payload));
    });
}

/// A remaining length of more than four bytes is malformed.
#[test]
fn remaining_length_has_four_bytes() {
    let broker = Broker::start(1);
    for header in [&[0x30, 0xff, 0xff, 0xff, 0xff][..], &[0x30, 0x80, 0x80, 0x80, 0x80, 0x01]] {
        let mut client = Client::connect(&broker, "length");
        client.send(header);
        client.expect_closed();
        let mut client = Client::open(&broker);
        client.send(&[&[0x10], &header[1..]].concat());
        client.expect_closed();
    }
}

/// Before and with its CONNECT a client may send 64 KiB; one byte more closes.
#[test]
fn connect_of_64_kib() {
    let broker = Broker::start(1);
    let sized = |bytes: usize| {
        let will = "w".repeat(60_000);
        let packet = connect("big").will(&publish("w", will)).username("u");
        let missing = bytes - packet.clone().password("").bytes().len();
        let packet = packet.password("p".repeat(missing)).bytes();
        assert_eq!(packet.len(), bytes);
        packet
    };
    for bytes in [65_535, 65_536] {
        let mut client = Client::open(&broker);
        client.send(&sized(bytes));
        client.expect(&connack(false, 0));
    }
    let mut client = Client::open(&broker);
    client.send_to_closing(&sized(65_537));
    client.expect_closed();
    // It is closed on the header already.
    for header in [&[0x10, 0xff, 0xff, 0x7f][..], &[0x10, 0xff, 0xff, 0xff, 0x7f]] {
        let mut client = Client::open(&broker);
        client.send(header);
        client.expect_closed();
    }
}

/// Any amount of junk in place of a CONNECT closes the connection.
#[test]
fn junk_before_connect_closes() {
    let broker = Broker::start(1);
    for byte in 0..=255_u8 {
        let mut client = Client::open(&broker);
        client.send_to_closing(&vec![byte; 100_000]);
        if byte.is_ascii_uppercase() {
            // It may begin an HTTP request. The answer is lost where the connection is reset.
            let mut answer = Vec::new();
            let _ = client.stream().read_to_end(&mut answer);
            assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 431 "), "{byte}");
            continue;
        }
        client.expect_closed();
    }
    Client::connect(&broker, "sane").expect_silence();
}

/// A peer that does not finish its CONNECT is closed after a time, silent or not.
#[test]
fn connect_must_come_in_time() {
    let broker = Broker::start(1);
    let mut silent = Client::open(&broker);
    let mut halfway = Client::open(&broker);
    let packet = connect("halfway").bytes();
    halfway.send(&packet[..packet.len() - 1]);
    silent.expect_closed();
    halfway.expect_closed();
}

/// One client more than `--max-connections` gets CONNACK 3 and is closed; when one leaves, there
/// is room again.
#[test]
fn max_connections() {
    for shards in [1, 2] {
        let broker = Broker::start_with(shards, &["--max-connections", "3"]);
        let clients: Vec<_> =
            (0..3).map(|n| Client::connect(&broker, &format!("client-{n}"))).collect();
        for _ in 0..3 {
            let mut late = Client::open(&broker);
            late.send(&connect("late").bytes());
            late.expect(&connack(false, 3));
            late.expect_closed();
        }
        for client in clients {
            client.leave();
        }
        // The place is free once the broker has released the link, a little after the close.
        until("there is room again", || {
            let mut late = Client::open(&broker);
            late.send(&connect("late").bytes());
            late.read_packet() == connack(false, 0)
        });
    }
}

/// At most `--max-inflight` messages are unacknowledged; each PUBACK makes room for one more.
#[test]
fn max_inflight() {
    for shards in [1, 2] {
        let broker = Broker::start_with(shards, &["--max-inflight", "3"]);
        let mut client = resume_as(&broker, "window", false);
        client.subscribe("window", 1);
        let mut publisher = Client::connect(&broker, "publisher");
        let message = |number: u16| publish("window", number.to_string());
        for number in 0..8 {
            publisher.publish(&message(number).qos1(number + 1));
        }
        let mut ids: Vec<u16> =
            (0..3).map(|n| client.expect_unacked(&message(n).qos1(0))).collect();
        client.expect_silence();
        // The middle one first: the window counts messages, not a span.
        client.send(&puback(ids[1]));
        ids.push(client.expect_unacked(&message(3).qos1(0)));
        client.expect_silence();
        // QoS 0 needs no place in it.
        publisher.publish(&publish("window", "zero"));
        client.expect_publish(&publish("window", "zero"));
        // After a reconnect: the three that are open again, and nothing more.
        drop(client);
        let mut client = resume_as(&broker, "window", true);
        for (number, id) in [(0, ids[0]), (2, ids[2]), (3, ids[3])] {
            client.expect(&message(number).qos1(id).again().bytes());
        }
        client.expect_silence();
        for id in [ids[0], ids[2], ids[3]] {
            client.send(&puback(id));
        }
        for number in 4..7 {
            client.expect_unacked(&message(number).qos1(0));
        }
        client.expect_silence();
    }
}

/// A message of QoS 2 takes its place in the window until PUBCOMP, after a reconnect as well.
#[test]
fn max_inflight_counts_until_pubcomp() {
    for shards in [1, 2] {
        let broker = Broker::start_with(shards, &["--max-inflight", "3"]);
        let mut client = resume_as(&broker, "window", false);
        client.subscribe("window", 2);
        let mut publisher = Client::connect(&broker, "publisher");
        let message = |number: u16| publish("window", number.to_string()).at(2);
        for number in 0..8 {
            publisher.publish(&Publish { id: 1, ..message(number) });
        }
        let mut ids: Vec<u16> = (0..3).map(|n| client.expect_unacked(&message(n))).collect();
        client.expect_silence();
        for id in [ids[1], ids[2]] {
            client.send(&pubrec(id));
            client.expect(&pubrel(id));
        }
        client.expect_silence();
        client.send(&pubcomp(ids[1]));
        ids.push(client.expect_unacked(&message(3)));
        client.expect_silence();
        // Released or not, they fill it after a reconnect.
        drop(client);
        let mut client = resume_as(&broker, "window", true);
        let again =
            |number: u16| Publish { id: ids[usize::from(number)], ..message(number).again() };
        let due = [again(0).bytes(), pubrel(ids[2]), again(3).bytes()];
        let mut came = [client.read_packet(), client.read_packet(), client.read_packet()];
        came.sort_by_key(|packet| due.iter().position(|due| due == packet));
        assert_eq!(came, due);
        client.expect_silence();
        client.send(&pubcomp(ids[2]));
        // One place is left, and free again after each.
        for number in 4..8 {
            client.expect_publish(&message(number));
        }
        client.expect_silence();
    }
}

/// Topics may have 1,024 levels, or as many as `--max-topic-levels` says. A filter with one more is
/// refused, a message acknowledged and dropped, and a will dropped.
#[test]
fn topic_levels() {
    for (flags, levels) in [(&[][..], 1024), (&["--max-topic-levels=3"], 3)] {
        let broker = Broker::start_with(1, flags);
        at_most_levels(&broker, levels);
    }
}

fn at_most_levels(broker: &Broker, levels: usize) {
    let of = |level: &str, count| vec![level; count].join("/");
    let (deepest, deeper) = (of("l", levels), of("l", levels + 1));
    let mut client = Client::connect(broker, "levels");
    for filter in [&deepest, &of("+", levels), &format!("{}/#", of("l", levels - 1))] {
        client.subscribe(filter, 0);
        client.publish(&publish(&deepest, "x"));
        client.expect_publish(&publish(&deepest, "x"));
        client.unsubscribe(filter);
    }
    client.send(&subscribe(1, &[(&deeper, 0), (&"/".repeat(65_535), 0), (&deepest, 0)]));
    client.expect(&suback(1, &[0x80, 0x80, 0]));
    client.subscribe("#", 0);
    client.publish(&publish(&deeper, "x"));
    client.publish(&publish("/".repeat(65_535), "x").qos1(1).retained());
    client.publish(&publish(&deeper, "x").qos2(1));
    client.expect_silence();
    drop(Client::connect_with(broker, &connect("with will").will(&publish(&deeper, "x"))));
    drop(Client::connect_with(broker, &connect("with will").will(&publish(&deepest, "x"))));
    client.expect_publish(&publish(&deepest, "x"));
    broker.terminate();
    assert!(broker.wait_for_line("counted:").contains("publishes_denied 4"));
}

/// More bytes of large messages than may be on their way between shards pass, one after the other,
/// whichever shards the clients are on.
#[test]
fn large_messages_between_shards() {
    let broker = Broker::start(2);
    let mut subscriber = Client::connect(&broker, "subscriber");
    subscriber.subscribe("large", 0);
    for number in 0..4 {
        // Some are on the other shard: then 70 MB go from there.
        let mut publisher = Client::connect(&broker, &format!("publisher-{number}"));
        for _ in 0..70 {
            let message = publish("large", vec![number; 1_000_000]);
            publisher.publish(&message);
            subscriber.expect_publish(&message);
        }
        publisher.leave();
    }
}
