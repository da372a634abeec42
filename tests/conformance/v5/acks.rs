//! Acknowledgements, both ways (v5 3.4 to 3.7, 4.3, 4.4, 4.6), and Receive Maximum (4.9).

use super::{ENDS, IDS, expired, reconnect};
use crate::common::v5::{
    Connect, Packet, Props, Publish, ack, connect, id, props, publish, subscribe,
};
use crate::common::{
    Broker, Client, PINGREQ, PINGRESP, on_shards, puback, pubcomp, pubrec, pubrel,
};

fn with_window(name: &str, receive_max: u16) -> Connect {
    connect(name).durable(100).with(|props| props.two(id::RECEIVE_MAXIMUM, receive_max))
}

/// Puts `name` on, subscribed to its own name.
fn subscribed(broker: &Broker, packet: &Connect, name: &str) -> Client {
    let (mut client, _) = Client::connect_v5_with(broker, packet);
    client.subscribe_v5(name, 2);
    client
}

/// PUBLISH is answered by its QoS, with its identifier and in order; a success in the short form.
#[test]
pub(crate) fn publish_is_answered_by_its_qos() {
    on_shards(&[1, 2, 4], |broker| {
        for name in IDS {
            let mut client = subscribed(broker, &connect("subscriber"), "t");
            let mut publisher = Client::connect_v5(broker, name);
            publisher.send(&publish("t", "0").bytes());
            for number in [1, 0x1234, 0xffff] {
                publisher.send(&publish("t", "1").qos1(number).bytes());
                publisher.expect(&puback(number));
                publisher.send(&publish("t", "2").qos2(number).bytes());
                publisher.expect(&pubrec(number));
                publisher.send(&pubrel(number));
                publisher.expect(&pubcomp(number));
            }
            let numbers: Vec<u16> = (1..=20).collect();
            for qos in [1, 2] {
                let packets =
                    numbers.iter().map(|&id| Publish { id, ..publish("t", "n").at(qos) }.bytes());
                publisher.send(&packets.collect::<Vec<_>>().concat());
                for &number in &numbers {
                    publisher.expect(&if qos == 1 { puback(number) } else { pubrec(number) });
                }
            }
            publisher.send(&numbers.iter().flat_map(|&id| pubrel(id)).collect::<Vec<_>>());
            numbers.iter().for_each(|&number| publisher.expect(&pubcomp(number)));
            publisher.expect_silence_v5();
            client.send(PINGREQ);
            client.leave_v5();
        }
    });
}

/// Until PUBREL an identifier is one message, with and without DUP, over connections; after PUBCOMP
/// it is another.
#[test]
pub(crate) fn qos_2_comes_once() {
    on_shards(&[1, 2, 4], |broker| {
        for name in IDS {
            let mut client = subscribed(broker, &connect("subscriber"), "t");
            let packet = connect(name).durable(100);
            let mut publisher = Client::resume_v5(broker, &packet, false);
            let message = publish("t", "once").qos2(7);
            for end in ENDS {
                publisher.send(&message.bytes());
                publisher.expect(&pubrec(7));
                publisher.send(&message.clone().again().bytes());
                publisher.expect_ack(0x50, 7, 0);
                publisher = reconnect(broker, &packet, publisher, end);
                publisher.send(&message.clone().again().bytes());
                publisher.expect_ack(0x50, 7, 0);
                publisher.send(&message.bytes());
                publisher.expect_ack(0x50, 7, 0);
                client.expect_publish_v5(&publish("t", "once").at(2));
                publisher.send(&pubrel(7));
                publisher.expect(&pubcomp(7));
                // The PUBCOMP may have been lost.
                publisher.send(&pubrel(7));
                publisher.expect_answer(0x70);
                client.expect_silence_v5();
            }
            Client::connect_v5(broker, name).leave_v5();
            client.leave_v5();
        }
    });
}

/// After PUBACK the identifier stands for another message, whatever DUP is.
#[test]
pub(crate) fn identifier_is_free_after_puback() {
    on_shards(&[1, 2], |broker| {
        let mut client = subscribed(broker, &connect("subscriber"), "t");
        let mut publisher = Client::connect_v5(broker, "publisher");
        for dup in [false, true, false] {
            publisher.publish_v5(&Publish { dup, ..publish("t", "x").qos1(5) });
            client.expect_publish_v5(&publish("t", "x").at(1));
        }
    });
}

/// Messages in flight are redelivered on resuming, with their identifiers, in order and once; at no
/// other time.
#[test]
pub(crate) fn deliveries_are_resumed() {
    on_shards(&[1, 2, 4], |broker| {
        let mut publisher = Client::connect_v5(broker, "publisher");
        for name in IDS {
            let packet = connect(name).durable(100);
            let mut client = subscribed(broker, &packet, name);
            for end in ENDS {
                for (at, qos) in [1, 2, 2, 1, 2].into_iter().enumerate() {
                    let message = publish(name, at.to_string()).at(qos);
                    publisher.publish_v5(&Publish { id: 9, ..message });
                }
                let sent = [(); 5].map(|()| client.read_publish_v5());
                let mut ids = sent.clone().map(|sent| sent.id);
                ids.sort_unstable();
                assert!(ids.windows(2).all(|pair| pair[0] != pair[1]), "{ids:?}");
                // The third got as far as PUBREC.
                client.send(&pubrec(sent[2].id));
                client.expect(&pubrel(sent[2].id));
                client.expect_silence_v5();
                client = reconnect(broker, &packet, client, end);
                let mut released = 0;
                for at in 0..5 {
                    match client.read_v5() {
                        Packet::Publish(came) => {
                            assert_eq!(came, sent[at].clone().again());
                        }
                        Packet::Answer(answer) => {
                            assert_eq!((answer.first, answer.id, at), (0x62, sent[2].id, 2));
                            assert_eq!(answer.codes, [0]);
                            released += 1;
                        }
                    }
                }
                assert_eq!(released, 1);
                client.send(&pubcomp(sent[2].id));
                for sent in [&sent[0], &sent[1], &sent[3], &sent[4]] {
                    client.acknowledge(sent.qos, sent.id);
                }
                client.expect_silence_v5();
                client = reconnect(broker, &packet, client, end);
                client.expect_silence_v5();
            }
        }
    });
}

/// PUBACK and PUBREC with an error end a delivery: it is not repeated, and no PUBREL follows. The
/// connection stays open.
#[test]
pub(crate) fn refused_deliveries_end() {
    on_shards(&[1, 2, 4], |broker| {
        let mut publisher = Client::connect_v5(broker, "publisher");
        for name in IDS {
            let packet = with_window(name, 1);
            let mut client = subscribed(broker, &packet, name);
            for code in [0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99] {
                publisher.publish_v5(&publish(name, "1").qos1(1));
                publisher.publish_v5(&publish(name, "2").qos2(1));
                // The window of one is free again each time.
                let why = props().text(id::REASON_STRING, "no").user("a", "b");
                let id = client.expect_unacked_v5(&publish(name, "1").at(1));
                client.send(&ack(0x40, id, code, &why));
                let id = client.expect_unacked_v5(&publish(name, "2").at(2));
                client.send(&ack(0x50, id, code, &props()));
                client.expect_silence_v5();
            }
            client = reconnect(broker, &packet, client, "close");
            client.expect_silence_v5();
            // 0x10 is no error.
            publisher.publish_v5(&publish(name, "2").qos2(1));
            let id = client.expect_unacked_v5(&publish(name, "2").at(2));
            client.send(&ack(0x50, id, 0x10, &props()));
            client.expect(&pubrel(id));
            client.send(&ack(0x70, id, 0, &props().user("a", "b")));
            client.expect_silence_v5();
        }
    });
}

/// Acknowledgements in their short and long forms are understood, with identifiers that are not
/// in flight too; codes that they may not carry are malformed, an answer of another QoS a protocol
/// error.
#[test]
pub(crate) fn acknowledgements_are_checked() {
    let broker = Broker::start(1);
    let mut publisher = Client::connect_v5(&broker, "publisher");
    let mut client = subscribed(&broker, &connect("c"), "t");
    for (first, error) in [(0x40, 0x97), (0x50, 0x97), (0x70, 0x92), (0x62, 0x92)] {
        for bytes in [
            ack(first, 77, 0, &props()),
            vec![first, 3, 0, 77, 0],
            vec![first, 4, 0, 77, 0, 0],
            ack(first, 77, error, &props()),
            ack(first, 77, error, &props().text(id::REASON_STRING, "r").user("a", "b")),
        ] {
            client.send(&bytes);
        }
    }
    // An unknown PUBREC may be answered, a PUBREL is.
    let answers = client.read_to_fence_v5();
    let firsts: Vec<u8> = answers
        .iter()
        .map(|packet| match packet {
            Packet::Answer(answer) => answer.first,
            Packet::Publish(_) => 0x30,
        })
        .collect();
    assert!(firsts.iter().all(|first| [0x62, 0x70].contains(first)), "{firsts:02x?}");
    assert_eq!(firsts.iter().filter(|first| **first == 0x70).count(), 5);
    for (first, codes) in [
        (0x40, [0x01, 0x11, 0x82, 0x92]),
        (0x50, [0x02, 0x18, 0x8e, 0x92]),
        (0x62, [0x01, 0x10, 0x80, 0x91]),
        (0x70, [0x01, 0x10, 0x80, 0x91]),
    ] {
        for code in codes {
            let mut client = Client::connect_v5(&broker, "bad code");
            client.send(&ack(first, 1, code, &props()));
            client.expect_disconnect(0x81);
        }
    }
    for (qos, answer) in [(1, pubrec(0)[0]), (2, puback(0)[0]), (2, pubcomp(0)[0])] {
        let mut client = subscribed(&broker, &connect("wrong"), "t");
        publisher.publish_v5(&Publish { id: 1, ..publish("t", "x").at(qos) });
        let id = client.expect_unacked_v5(&publish("t", "x").at(qos));
        client.send(&ack(answer, id, 0, &props()));
        client.expect_disconnect(0x82);
    }
}

/// At most as many messages are in flight as the client announced, above QoS 0; other packets do
/// not wait.
#[test]
pub(crate) fn window_is_the_receive_maximum() {
    on_shards(&[1, 2, 4], |broker| {
        let mut publisher = Client::connect_v5(broker, "publisher");
        for (name, window) in IDS.into_iter().zip([1, 2, 3, 10]) {
            let packet = with_window(name, window);
            let mut client = subscribed(broker, &packet, name);
            for number in 0..20 {
                let message = publish(name, number.to_string()).at(1 + number % 2);
                publisher.publish_v5(&Publish { id: 1, ..message });
            }
            let mut open: Vec<Publish> = (0..window).map(|_| client.read_publish_v5()).collect();
            client.expect_silence_v5();
            // Other packets than PUBLISH above QoS 0 do not wait.
            publisher.publish_v5(&publish(name, "zero"));
            publisher.send(PINGREQ);
            publisher.expect(PINGRESP);
            client.send(PINGREQ);
            client.subscribe_at_full_window(name);
            client.publish_v5(&publish("elsewhere", "x").qos2(3));
            for number in window..20 {
                let first = open.remove(0);
                client.acknowledge(first.qos, first.id);
                let next = client.read_publish_v5();
                assert_eq!(next.payload, number.to_string().into_bytes());
                open.push(next);
                client.expect_silence_v5();
            }
            // The next connection has a window of its own.
            client = {
                drop(client);
                Client::resume_v5(broker, &with_window(name, 1), true)
            };
            for sent in open {
                let came = client.read_publish_v5();
                assert_eq!((&came.payload, came.dup), (&sent.payload, true));
                client.expect_silence_v5();
                client.acknowledge(came.qos, came.id);
            }
            client.expect_silence_v5();
        }
    });
}

impl Client {
    /// Subscribes, and is answered though its window is full: a PING is answered in front of it,
    /// and a message of QoS 0 may be.
    #[track_caller]
    fn subscribe_at_full_window(&mut self, name: &str) {
        self.send(&subscribe(2, &props(), &[("another", 1)]));
        let mut firsts = Vec::new();
        while firsts.len() < 3 {
            match self.read_v5() {
                Packet::Answer(answer) => firsts.push(answer.first),
                Packet::Publish(came) => {
                    let zero = publish(name, "zero");
                    assert_eq!(came, zero, "QoS 0 does not wait for the window");
                    firsts.push(0x30);
                }
            }
        }
        firsts.sort_unstable();
        assert_eq!(firsts, [0x30, 0x90, 0xd0]);
    }
}

/// PUBRELs that are due are sent at once on resuming, even if the new window is full.
#[test]
pub(crate) fn owed_pubrels_do_not_wait() {
    on_shards(&[1, 2], |broker| {
        let mut publisher = Client::connect_v5(broker, "publisher");
        for name in IDS {
            let mut client = subscribed(broker, &with_window(name, 4), name);
            for number in 0..4 {
                publisher.publish_v5(&publish(name, number.to_string()).qos2(1));
            }
            let sent = [(); 4].map(|()| client.read_publish_v5().id);
            for id in [sent[1], sent[3]] {
                client.send(&pubrec(id));
                client.expect(&pubrel(id));
            }
            drop(client);
            let mut client = Client::resume_v5(broker, &with_window(name, 1), true);
            let came = client.read_to_fence_v5();
            let (publishes, pubrels): (Vec<_>, Vec<_>) =
                came.into_iter().partition(|packet| matches!(packet, Packet::Publish(_)));
            assert_eq!((publishes.len(), pubrels.len()), (1, 2), "{publishes:?} {pubrels:?}");
            for id in [sent[1], sent[3]] {
                client.send(&pubcomp(id));
            }
            client.acknowledge(2, sent[0]);
            client.expect_publish_v5(&publish(name, "2").at(2).again());
            client.expect_silence_v5();
        }
    });
}

/// A delivery at QoS 2 continues although its message has expired.
#[test]
pub(crate) fn exchange_goes_on_though_expired() {
    on_shards(&[1, 2], |broker| {
        let mut publisher = Client::connect_v5(broker, "publisher");
        let packet = connect("c").durable(100);
        let mut client = subscribed(broker, &packet, "t");
        let short = publish("t", "x").with(|props| props.four(id::MESSAGE_EXPIRY, 1));
        publisher.publish_v5(&short.clone().qos2(1));
        let sent = client.expect_unacked_v5(&short.at(2));
        expired(broker, connect("other").durable(2), drop);
        client.send(&pubrec(sent));
        client.expect(&pubrel(sent));
        client = reconnect(broker, &packet, client, "close");
        client.expect(&pubrel(sent));
        client.send(&pubcomp(sent));
        client.expect_silence_v5();
    });
}

/// Messages of one client on one topic are in order: live, queued and resent ones.
#[test]
pub(crate) fn order_is_kept() {
    on_shards(&[1, 2, 4], |broker| {
        for name in IDS {
            let mut publisher = Client::connect_v5(broker, "publisher");
            let packet = connect(name).durable(100);
            let mut client = subscribed(broker, &packet, name);
            let mut next = 0;
            for end in ENDS {
                let burst = |from: u16| {
                    let message = |n: u16| publish(name, n.to_string()).qos1(1 + n % 100);
                    (from..from + 50).flat_map(|n| message(n).bytes()).collect::<Vec<_>>()
                };
                publisher.send(&burst(next));
                for number in next..next + 50 {
                    let came = client.expect_unacked_v5(&publish(name, number.to_string()).at(1));
                    if number < next + 25 {
                        client.acknowledge(1, came);
                    }
                }
                client.expect_silence_v5();
                client = reconnect(broker, &packet, client, end);
                publisher.send(&burst(next + 50));
                for number in next + 25..next + 100 {
                    let came = client.read_publish_v5();
                    assert_eq!(came.payload, number.to_string().into_bytes());
                    client.acknowledge(1, came.id);
                }
                publisher.read_to_fence_v5();
                next += 100;
            }
        }
    });
}

/// A refused message gets its reason code and is delivered to no client; at QoS 2 its identifier is
/// free at once.
#[test]
pub(crate) fn identifier_is_free_after_a_refusal() {
    for shards in [1, 2] {
        let flags = ["--max-topic-levels=3", "--check-payload-format=on"];
        let broker = Broker::start_with(shards, &flags);
        let mut witness = subscribed(&broker, &connect("witness"), "#");
        for name in IDS {
            let (mut client, _) = Client::connect_v5_with(&broker, &connect(name).durable(100));
            let no_text = |props: Props| props.byte(id::PAYLOAD_FORMAT, 1);
            for (message, code) in [
                (publish("a/b/c/d", "x"), 0x90),
                (publish("$SYS/own", "x"), 0x87),
                (publish("a", b"\xff").with(no_text), 0x99),
            ] {
                assert_eq!(client.publish_v5(&message.clone().qos1(7)), code);
                for _ in 0..2 {
                    assert_eq!(client.publish_v5(&message.clone().qos2(7)), code);
                }
                let good = publish("a", "good").with(no_text);
                assert_eq!(client.publish_v5(&good.clone().qos2(7)), 0);
                witness.expect_publish_v5(&good.at(2));
                // QoS 0 has no answer, so only a wrong payload closes the connection.
                if code != 0x99 {
                    client.publish_v5(&message);
                    client.expect_silence_v5();
                }
            }
            client.send(&publish("a", b"\xff").with(no_text).bytes());
            client.expect_disconnect(0x99);
        }
        witness.expect_silence_v5();
    }
}
