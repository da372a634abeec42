//! Limits of one address and of one client: at each edge and one beyond.

use crate::common::{
    Broker, Client, PINGREQ, PINGRESP, connect, puback, publish, resume_as, suback, subscribe,
    until,
};
use crate::proxied::{Proxied, header_v2, v1, v2};

/// The connections of an address, or of an IPv6 network, are limited over all shards together. One
/// more is closed, and accepted after another has gone. Loopback addresses are not counted.
#[test]
fn connections_of_an_address() {
    for shards in [1, 2] {
        let proxied = Proxied::start(shards, &["--address-connections-max", "3"]);
        for (first, same, other) in [
            ("203.0.113.7", "203.0.113.7", "203.0.113.8"),
            ("2001:db8::1", "2001:db8::ffff:1", "2001:db8:0:1::1"),
        ] {
            let name = |n: usize| format!("{first}-{n}");
            let mut inside: Vec<Client> = [(0, v1(first)), (1, v2(same)), (2, v1(first))]
                .map(|(n, header)| proxied.try_connect(&header, &name(n)).expect("there is room"))
                .into();
            for header in [v1(first), v2(same)] {
                assert!(proxied.try_connect(&header, &name(3)).is_none());
            }
            let another = proxied.try_connect(&v1(other), "other").expect("it has its own count");
            inside.pop().expect("there are three").leave();
            // The place is free once the broker has released the link, a little after the close.
            let mut again = None;
            until("there is room again", || {
                again = proxied.try_connect(&v1(same), &name(4));
                again.is_some()
            });
            assert!(proxied.try_connect(&v2(first), &name(5)).is_none());
            for client in inside.into_iter().chain(again).chain([another]) {
                client.leave();
            }
        }
        let local = [v1("127.0.0.1"), v2("::1"), header_v2(0x20, 0, &[])];
        let mut kept = Vec::new();
        for n in 0..9 {
            let client = proxied.try_connect(&local[n % 3], &format!("local-{n}"));
            kept.push(client.expect("it is not counted"));
            kept.push(Client::connect(&proxied.broker, &format!("direct-{n}")));
        }
        proxied.broker.wait_for_line("--address-connections-max");
        proxied.broker.terminate();
        proxied.broker.wait_for_line("refused_address_connections ");
    }
}

/// An address that opens more connections in a second than it may is closed for some of them, and
/// no other is.
#[test]
fn connects_of_an_address() {
    let proxied = Proxied::start(2, &["--address-connects-per-second", "1"]);
    let inside = (0..50).filter(|n| {
        let other = format!("203.0.113.{}", 100 + n);
        assert!(proxied.try_connect(&v1(&other), "other").is_some(), "it is its first");
        proxied.try_connect(&v2("2001:db8::1"), "hasty").is_some()
    });
    // Unless each took a second.
    assert!((1..50).contains(&inside.count()));
    proxied.broker.wait_for_line("--address-connects-per-second");
    proxied.broker.terminate();
    proxied.broker.wait_for_line("refused_address_rate ");
}

/// A client that publishes above its rate is delayed and loses nothing; other clients are not
/// delayed. The counter shows that it was throttled.
#[test]
fn fast_publishers_wait() {
    for (shards, flag) in [
        (1, ["--client-publish-rate", "40"]),
        (2, ["--client-publish-rate", "40"]),
        (2, ["--client-publish-bytes", "80"]),
    ] {
        let broker = Broker::start_with(shards, &flag);
        let mut subscriber = resume_as(&broker, "subscriber", false);
        subscriber.subscribe("t", 1);
        let mut fast = Client::connect(&broker, "fast");
        // Topic and payload have two bytes.
        let message = |number: u8| publish("t", [number]);
        for number in 0..100 {
            let qos1 = number % 2 == 1;
            let message = message(number);
            fast.send(&if qos1 { message.qos1(1 + u16::from(number)) } else { message }.bytes());
        }
        let mut calm = Client::connect(&broker, "calm");
        calm.publish(&publish("calm", "x").qos1(1));
        for number in 0..100 {
            let message = message(number);
            subscriber.expect_publish(&if number % 2 == 1 { message.qos1(0) } else { message });
        }
        for number in (1..100).step_by(2) {
            fast.expect(&puback(number + 1));
        }
        fast.expect_silence();
        broker.terminate();
        broker.wait_for_line("publishers_throttled ");
    }
}

/// The time for which a throttled client is delayed does not count for its keep alive. Its packets
/// of that time are answered afterwards.
#[test]
fn waiting_is_no_silence() {
    let broker = Broker::start_with(1, &["--client-publish-bytes", "1KiB"]);
    let mut client = Client::connect_with(&broker, &connect("large").keep_alive(1));
    // Some three seconds, and it may be silent for one and a half.
    let large = publish("t", [0; 4_000]).bytes();
    client.send(&[&large, PINGREQ, &publish("t", "x").qos1(7).bytes()].concat());
    client.expect(PINGRESP);
    client.expect(&puback(7));
}

/// The filters of a session are limited. A further one is refused with 0x80, one that it has is
/// not, and the count is kept over a reconnect.
#[test]
fn subscriptions_of_a_session() {
    for shards in [1, 2] {
        let broker = Broker::start_with(shards, &["--max-subscriptions", "2"]);
        let mut client = resume_as(&broker, "many", false);
        client.send(&subscribe(1, &[("a", 0), ("a", 1), ("b", 1), ("c", 1), ("b", 0)]));
        client.expect(&suback(1, &[0, 1, 1, 0x80, 0]));
        drop(client);
        let mut client = resume_as(&broker, "many", true);
        client.send(&subscribe(2, &[("c", 1), ("a", 0)]));
        client.expect(&suback(2, &[0x80, 0]));
        client.publish(&publish("c", "x"));
        client.unsubscribe("b");
        client.subscribe("c", 0);
        client.publish(&publish("c", "y"));
        client.expect_publish(&publish("c", "y"));
        Client::connect(&broker, "other").subscribe("d", 0);
        broker.terminate();
        broker.wait_for_line("subscriptions_refused 2");
    }
}

/// A filter with too many levels is refused with 0x80, and a will to such a topic is dropped. A
/// message to such a topic is acknowledged and dropped, or disconnects its publisher if denied
/// messages do.
#[test]
fn levels_of_a_topic() {
    let broker = Broker::start_with(2, &["--max-topic-levels", "3"]);
    let mut client = Client::connect(&broker, "levels");
    client.send(&subscribe(1, &[("a/b/c/d", 0), ("a/b/c", 0), ("///", 0), ("+/+/#", 1)]));
    client.expect(&suback(1, &[0x80, 0, 0x80, 1]));
    client.publish(&publish("a/b/c", "x"));
    client.expect_publish(&publish("a/b/c", "x"));
    client.subscribe("a/#", 0);
    client.publish(&publish("a/b/c/d", "x").qos1(1));
    for topic in ["a/b/c/d", "a/b/c"] {
        drop(Client::connect_with(&broker, &connect("will").will(&publish(topic, "gone"))));
    }
    client.expect_publish(&publish("a/b/c", "gone"));
    client.expect_silence();
    let broker = Broker::start_with(1, &["--max-topic-levels=3", "--on-denied=disconnect"]);
    let mut client = Client::connect(&broker, "levels");
    client.publish(&publish("a/b/c", "x").qos1(1));
    client.send(&publish("a/b/c/d", "x").qos1(2).bytes());
    client.expect_closed();
}

/// Before its CONNECT is complete, a client may send 64 KiB behind a header as well; the header of
/// a longer packet closes the connection.
#[test]
fn greeting_behind_a_header_is_bounded() {
    let proxied = Proxied::start(1, &[]);
    let header = header_v2(0x21, 0, &[0; 2_032]);
    for (length, accepted) in [(65_536, true), (65_537, false)] {
        let packet = connect("big").will(&publish("w", "w".repeat(60_000))).username("u");
        let missing = length - packet.clone().password("").bytes().len();
        let packet = packet.password("p".repeat(missing)).bytes();
        let mut client = proxied.open();
        client.send_to_closing(&[&header[..], &packet].concat());
        assert_eq!(client.try_read_packet().is_some(), accepted, "{length}");
    }
}
