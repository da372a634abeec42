//! Combinations of several rules of MQTT 5.

use super::{IDS, expired};
use crate::common::v5::{Packet, Publish, ack, connect, disconnect, id, option, props, publish};
use crate::common::v5::{suback, subscribe};
use crate::common::{BROKER_ENDS, Broker, Client, on_shards, pubrec, pubrel, resume_as};

/// Overlapping filters of which one has No Local: a client's own message is delivered by the others
/// alone, with their QoS, options and identifiers.
#[test]
pub(crate) fn no_local_among_overlapping_filters() {
    on_shards(&[1, 2, 4], |broker| {
        let mut other = Client::connect_v5(broker, "other");
        for name in IDS {
            let packet = connect(name).durable(100);
            let mut client = Client::resume_v5(broker, &packet, false);
            let number = |number| props().varint(id::SUBSCRIPTION_ID, number);
            let no_local = 2 | option::NO_LOCAL | option::RETAIN_AS_PUBLISHED;
            client.subscribe_v5_with(name, no_local, &number(1));
            client.subscribe_v5_with(&format!("{name}/#"), option::RETAIN_NEVER, &number(2));
            let message = publish(name, "x").qos1(1).retained();
            client.send(&message.bytes());
            let mut came = [client.read_v5(), client.read_v5()];
            came.sort_by_key(|packet| matches!(packet, Packet::Publish(_)));
            assert_eq!(came[1], Packet::Publish(publish(name, "x").with(|_| number(2))));
            // Another's has all of them, and RETAIN since one asks for it.
            other.publish_v5(&message);
            let came = client.read_publish_v5();
            assert_eq!(came.props.subscription_ids(), [1, 2]);
            assert_eq!((came.qos, came.retain), (1, true));
            client.acknowledge(1, came.id);
            client.expect_silence_v5();
            Client::connect_v5(broker, name).leave_v5();
        }
    });
}

/// A retained message for one of two filters carries only that filter's identifier, also when it is
/// sent again.
#[test]
pub(crate) fn replays_carry_the_identifier_of_their_filter() {
    on_shards(&[1, 2, 4], |broker| {
        let mut publisher = Client::connect_v5(broker, "publisher");
        for name in IDS {
            publisher.publish_v5(&publish(name, "kept").qos1(1).retained());
            let packet = connect(name).durable(100);
            let mut client = Client::resume_v5(broker, &packet, false);
            let number = |number| props().varint(id::SUBSCRIPTION_ID, number);
            let kept = |of: u32| publish(name, "kept").at(1).retained().with(|_| number(of));
            client.subscribe_v5_with(name, 1, &number(1));
            let first = client.expect_unacked_v5(&kept(1));
            client.subscribe_v5_with(&format!("{name}/#"), 1, &number(2));
            let second = client.expect_unacked_v5(&kept(2));
            drop(client);
            let mut client = Client::resume_v5(broker, &packet, true);
            for sent in [first, second] {
                let came = client.read_publish_v5();
                assert_eq!((came.id, came.dup, came.retain), (sent, true, true));
                assert!(!came.props.subscription_ids().is_empty(), "{came:?}");
                client.acknowledge(1, came.id);
            }
            client.expect_silence_v5();
            client.leave_v5();
        }
    });
}

/// A message in flight that is too large for its client's next connection counts as sent, and later
/// ones are delivered.
#[test]
pub(crate) fn resumed_with_a_smaller_packet_size() {
    on_shards(&[1, 2, 4], |broker| {
        let mut publisher = Client::connect_v5(broker, "publisher");
        for name in IDS {
            for qos in [1, 2] {
                let sized = |bytes| {
                    connect(name).durable(100).with(|props| {
                        props.two(id::RECEIVE_MAXIMUM, 2).four(id::MAXIMUM_PACKET_SIZE, bytes)
                    })
                };
                let mut client = Client::resume_v5(broker, &sized(100_000), false);
                client.subscribe_v5(name, 2);
                for payload in ["x".repeat(1000), "y".repeat(1000), "small".to_owned()] {
                    publisher.publish_v5(&Publish { id: 1, ..publish(name, payload).at(qos) });
                }
                let [first, _] = [client.read_publish_v5(), client.read_publish_v5()];
                if qos == 2 {
                    client.send(&pubrec(first.id));
                    client.expect(&pubrel(first.id));
                }
                drop(client);
                let mut client = Client::resume_v5(broker, &sized(100), true);
                if qos == 2 {
                    client.expect(&pubrel(first.id));
                    client.send(&ack(0x70, first.id, 0, &props()));
                }
                client.expect_publish_v5(&publish(name, "small").at(qos));
                client.expect_silence_v5();
                drop(client);
                let mut client = Client::resume_v5(broker, &sized(100_000), true);
                client.expect_silence_v5();
                Client::connect_v5(broker, name).leave_v5();
                client.expect_disconnect(0x8e);
            }
        }
    });
}

/// An acknowledgement right behind CONNECT ends its delivery, also with an error.
#[test]
pub(crate) fn refusal_right_behind_connect_counts() {
    on_shards(&[1, 2, 4], |broker| {
        let mut publisher = Client::connect_v5(broker, "publisher");
        for name in IDS {
            let packet = connect(name).durable(100);
            let mut client = Client::resume_v5(broker, &packet, false);
            client.subscribe_v5(name, 2);
            for (qos, first) in [(1, 0x40), (2, 0x50)] {
                for number in 0..3 {
                    let message = publish(name, number.to_string()).at(qos);
                    publisher.publish_v5(&Publish { id: 1, ..message });
                }
                let sent = [(); 3].map(|()| client.read_publish_v5());
                drop(client);
                client = Client::open(broker);
                client.send(&[packet.bytes(), ack(first, sent[1].id, 0x80, &props())].concat());
                assert_eq!(client.expect_connack(0).flags, 1);
                // It may have been on its way already.
                let mut came = client.read_to_fence_v5();
                came.retain(|packet| *packet != Packet::Publish(sent[1].clone().again()));
                let due = [&sent[0], &sent[2]].map(|sent| Packet::Publish(sent.clone().again()));
                assert_eq!(came, due);
                client.acknowledge(qos, sent[0].id);
                client.acknowledge(qos, sent[2].id);
                client.expect_silence_v5();
                drop(client);
                client = Client::resume_v5(broker, &packet, true);
                client.expect_silence_v5();
            }
        }
    });
}

/// A will whose payload is declared UTF-8 but is not is refused with its client; a valid one is
/// published.
#[test]
pub(crate) fn wills_are_what_they_say() {
    for shards in [1, 2] {
        let broker = Broker::start_with(shards, &["--check-payload-format=on"]);
        let mut witness = Client::connect_v5(&broker, "witness");
        witness.subscribe_v5("will", 1);
        for name in IDS {
            let will = |payload: &[u8]| {
                publish("will", payload).at(1).with(|props| props.byte(id::PAYLOAD_FORMAT, 1))
            };
            let mut refused = Client::open(&broker);
            refused.send(&connect(name).durable(9).will(&will(b"\xff")).bytes());
            let told = refused.expect_connack(0x99);
            assert!(told.props.has(id::REASON_STRING), "{told:?}");
            refused.expect_closed();
            let good = will("温".as_bytes());
            drop(Client::resume_v5(&broker, &connect(name).durable(9).will(&good), false));
            witness.expect_publish_v5(&good);
        }
    }
}

/// A refused message sets its alias nevertheless.
#[test]
pub(crate) fn refused_messages_set_their_alias() {
    for shards in [1, 2] {
        let flags = ["--max-topic-levels=3", "--check-payload-format=on"];
        let broker = Broker::start_with(shards, &flags);
        let mut witness = Client::connect_v5(&broker, "witness");
        witness.subscribe_v5("a", 1);
        for name in IDS {
            let mut client = Client::connect_v5(&broker, name);
            let with_alias = |message: Publish| message.with(|props| props.two(id::TOPIC_ALIAS, 1));
            for (topic, code) in [("a/b/c/d", 0x90), ("$SYS/own", 0x87)] {
                for topic in [topic, ""] {
                    let message = with_alias(publish(topic, "x"));
                    assert_eq!(client.publish_v5(&message.clone().qos1(1)), code);
                    assert_eq!(client.publish_v5(&message.qos2(1)), code);
                }
            }
            let bad = publish("a", b"\xff").with(|props| props.byte(id::PAYLOAD_FORMAT, 1));
            assert_eq!(client.publish_v5(&with_alias(bad).qos1(1)), 0x99);
            assert_eq!(client.publish_v5(&with_alias(publish("", "x")).qos1(1)), 0);
            witness.expect_publish_v5(&publish("a", "x").at(1));
            // By a repetition of QoS 2.
            client.send(&publish("a", "once").qos2(9).bytes());
            client.expect_ack(0x50, 9, 0);
            witness.expect_publish_v5(&publish("a", "once").at(1));
            let again = publish("a", "once").qos2(9).again();
            let again = again.with(|props| props.two(id::TOPIC_ALIAS, 2));
            client.send(&again.bytes());
            client.expect_ack(0x50, 9, 0);
            let by_alias = publish("", "y").with(|props| props.two(id::TOPIC_ALIAS, 2));
            assert_eq!(client.publish_v5(&by_alias.qos1(1)), 0);
            witness.expect_publish_v5(&publish("a", "y").at(1));
        }
    }
}

/// A publisher without the right may be disconnected, with 0x87.
#[test]
pub(crate) fn denied_publishers_may_be_disconnected() {
    let broker = Broker::start_with(1, &["--on-denied=disconnect"]);
    for qos in 0..3 {
        let mut client = Client::connect_v5(&broker, "c");
        client.send(&Publish { id: u16::from(qos), ..publish("$SYS/own", "x").at(qos) }.bytes());
        client.expect_disconnect(0x87);
    }
}

/// The expiry of a session is that of its last connection, in any version.
#[test]
pub(crate) fn expiry_over_versions() {
    on_shards(&[1, 2], |broker| {
        for name in IDS {
            let old = Client::resume_v5(broker, &connect(name).durable(1), false);
            resume_as(broker, name, true).leave();
            drop(old);
        }
        expired(broker, connect("other").durable(2), drop);
        for name in IDS {
            resume_as(broker, name, true).leave();
            Client::resume_v5(broker, &connect(name).resume(), true).leave_v5();
            resume_as(broker, name, false).leave();
            let mut client = Client::resume_v5(broker, &connect(name).durable(100), true);
            client.send(&disconnect(0, &props().four(id::SESSION_EXPIRY, 0)));
            client.expect_closed();
            resume_as(broker, name, false).leave();
        }
    });
}

/// A client of 3.1.1 that continues the session calls a delayed will off; one that begins another
/// has it published.
#[test]
pub(crate) fn delayed_will_over_versions() {
    on_shards(&[1, 2, 4], |broker| {
        let mut witness = Client::connect_v5(broker, "witness");
        witness.subscribe_v5("will", 1);
        for name in IDS {
            let will = publish("will", name).at(1).with(|props| props.four(id::WILL_DELAY, 1000));
            let packet = connect(name).durable(1000).will(&will);
            drop(Client::connect_v5_with(broker, &packet));
            resume_as(broker, name, true).leave();
            drop(Client::connect_v5_with(broker, &packet));
            Client::connect(broker, name).leave();
            witness.expect_publish_v5(&publish("will", name).at(1));
            witness.expect_silence_v5();
        }
    });
}

/// A retained message that waits for its subscriber keeps its age.
#[test]
pub(crate) fn waiting_replays_keep_their_age() {
    on_shards(&[1, 2], |broker| {
        let mut publisher = Client::connect_v5(broker, "publisher");
        let long = |topic: &str| {
            publish(topic, "x").qos1(1).with(|props| props.four(id::MESSAGE_EXPIRY, 1000))
        };
        for name in IDS {
            publisher.publish_v5(&long(name).retained());
        }
        expired(broker, connect("other").durable(1), drop);
        let packets = IDS
            .map(|name| connect(name).durable(100).with(|props| props.two(id::RECEIVE_MAXIMUM, 1)));
        for (name, packet) in IDS.iter().zip(&packets) {
            let mut client = Client::resume_v5(broker, packet, false);
            client.subscribe_v5("fills", 1);
            publisher.publish_v5(&publish("fills", "the window").qos1(1));
            client.expect_unacked_v5(&publish("fills", "the window").at(1));
            client.subscribe_v5(name, 1);
            client.expect_silence_v5();
            client.unsubscribe_v5("fills");
        }
        expired(broker, connect("other").durable(1), drop);
        for packet in &packets {
            let mut client = Client::resume_v5(broker, packet, true);
            client.expect_publish_v5(&publish("fills", "the window").at(1).again());
            if let Some(Packet::Publish(came)) = client.read_to_fence_v5().first() {
                let left = came.props.number(id::MESSAGE_EXPIRY).expect("it is told");
                assert!((900..=998).contains(&left), "two seconds of 1000 have passed: {left}");
                assert!(came.retain);
            }
        }
    });
}

/// Large payloads, which are sent without a copy, reach all receivers in their formats.
#[test]
pub(crate) fn large_payloads_have_every_form() {
    on_shards(&[1, 2, 4], |broker| {
        let payload = vec![b'p'; 100_000];
        let mut old = Client::connect(broker, "3.1.1");
        old.subscribe("t", 2);
        let mut plain = Client::connect_v5(broker, "plain");
        plain.subscribe_v5("t", 2);
        let with_aliases = connect("aliases").with(|props| props.two(id::TOPIC_ALIAS_MAXIMUM, 1));
        let (mut aliases, _) = Client::connect_v5_with(broker, &with_aliases);
        aliases.subscribe_v5("t", 2);
        let mut numbered = Client::connect_v5(broker, "numbered");
        numbered.subscribe_v5_with("t", 2, &props().varint(id::SUBSCRIPTION_ID, 300));
        let durable = connect("durable").durable(100);
        let mut absent = Client::resume_v5(broker, &durable, false);
        absent.subscribe_v5("t", 2);
        let mut publisher = Client::connect_v5(broker, "publisher");
        for qos in 0..3 {
            let message = publish("t", &payload).at(qos).with(|props| props.user("a", "b"));
            publisher.publish_v5(&Publish { id: u16::from(qos), ..message.clone() });
            let mut expected = crate::common::publish("t", &payload);
            expected.qos = qos;
            old.expect_publish(&expected);
            plain.expect_publish_v5(&message);
            let came = aliases.read_publish_v5();
            assert_eq!(came.topic.is_empty(), qos > 0);
            assert_eq!(came.props.without(id::TOPIC_ALIAS), message.props);
            assert!(came.payload == payload);
            aliases.acknowledge(qos, came.id);
            let came = numbered.read_publish_v5();
            assert_eq!(came.props.subscription_ids(), [300]);
            assert_eq!(came.props.without(id::SUBSCRIPTION_ID), message.props);
            assert!(came.payload == payload);
            numbered.acknowledge(qos, came.id);
            absent.expect_publish_v5(&message);
            absent.expect_silence_v5();
            drop(absent);
            absent = Client::resume_v5(broker, &durable, true);
        }
    });
}

/// A restart does not renew the rest of a session's expiry, nor that of its will's delay.
#[test]
pub(crate) fn restart_does_not_renew_the_expiry() {
    for end in BROKER_ENDS {
        let mut broker = Broker::start(2);
        let durable = connect("durable witness").durable(1000);
        let mut witness = Client::resume_v5(&broker, &durable, false);
        witness.subscribe_v5("will", 1);
        witness.leave_v5();
        for name in IDS {
            let will = publish("will", name).at(1).with(|props| props.four(id::WILL_DELAY, 1000));
            drop(Client::connect_v5_with(&broker, &connect(name).durable(6).will(&will)));
        }
        expired(&broker, connect("other").durable(2), drop);
        broker.restart(end);
        expired(&broker, connect("other").durable(5), drop);
        let mut witness = Client::resume_v5(&broker, &durable, true);
        for _ in IDS {
            let came = witness.read_publish_v5();
            witness.acknowledge(1, came.id);
        }
        for name in IDS {
            Client::resume_v5(&broker, &connect(name).durable(6), false).leave_v5();
        }
    }
}

/// Exchanges in flight, in both directions, survive the broker with their identifiers.
#[test]
pub(crate) fn exchanges_outlive_the_broker() {
    for end in BROKER_ENDS {
        let mut broker = Broker::start(2);
        for name in IDS {
            let mut client = Client::resume_v5(&broker, &connect(name).durable(100), false);
            client.subscribe_v5(name, 2);
            client.leave_v5();
            let packet = connect(format!("{name} publishes")).durable(100);
            let mut publisher = Client::resume_v5(&broker, &packet, false);
            for number in 1..=3 {
                let message = publish(name, number.to_string()).qos2(number);
                publisher.send(&message.with(|props| props.user("n", "v")).bytes());
                publisher.expect_ack(0x50, number, 0);
            }
        }
        let mut open = Vec::new();
        for name in IDS {
            let mut client = Client::resume_v5(&broker, &connect(name).durable(100), true);
            let sent = [(); 3].map(|()| client.read_publish_v5());
            client.send(&pubrec(sent[0].id));
            client.expect(&pubrel(sent[0].id));
            client.send(&ack(0x50, sent[1].id, 0x83, &props()));
            client.expect_silence_v5();
            open.push(sent);
        }
        broker.restart(end);
        for (name, [first, _, third]) in IDS.iter().zip(open) {
            let packet = connect(format!("{name} publishes")).durable(100);
            let mut publisher = Client::resume_v5(&broker, &packet, true);
            for number in 1..=3 {
                let again = publish(name, number.to_string()).qos2(number).again();
                publisher.send(&again.bytes());
                publisher.expect_ack(0x50, number, 0);
                publisher.send(&pubrel(number));
                publisher.expect_ack(0x70, number, 0);
            }
            let mut client = Client::resume_v5(&broker, &connect(name).durable(100), true);
            let mut came = client.read_to_fence_v5();
            // The refusal may not have been written yet when the broker was killed.
            if came.len() == 3 && end == BROKER_ENDS[0] {
                came.remove(1);
            }
            assert_eq!(came.len(), 2, "{came:?}");
            assert!(matches!(&came[0], Packet::Answer(pubrel) if pubrel.id == first.id));
            assert_eq!(came[1], Packet::Publish(third.again()));
        }
    }
}

/// A message that waits for the window of a connected client expires too, and is delivered with the
/// rest of its time; in clean sessions and in others.
#[test]
pub(crate) fn messages_expire_behind_a_full_window() {
    on_shards(&[1, 2, 4], |broker| {
        let mut publisher = Client::connect_v5(broker, "publisher");
        let mut clients = [0, 100].map(|seconds| {
            let packet = connect(format!("keeps {seconds}")).durable(seconds);
            let packet = packet.with(|props| props.two(id::RECEIVE_MAXIMUM, 1));
            let mut client = Client::resume_v5(broker, &packet, false);
            client.subscribe_v5("t", 2);
            client
        });
        let expiring = |payload, seconds| {
            publish("t", payload).with(|props| props.four(id::MESSAGE_EXPIRY, seconds))
        };
        publisher.publish_v5(&publish("t", "fills").qos1(1));
        publisher.publish_v5(&expiring("short", 1).qos1(1));
        publisher.publish_v5(&expiring("short", 1).qos2(1));
        publisher.publish_v5(&expiring("long", 100).qos2(1));
        let fills = clients.each_mut().map(|client| client.read_publish_v5());
        expired(broker, connect("other").durable(2), drop);
        for (client, fills) in clients.iter_mut().zip(fills) {
            client.acknowledge(1, fills.id);
            let came = client.read_publish_v5();
            assert_eq!(came.payload, b"long");
            let left = came.props.number(id::MESSAGE_EXPIRY).expect("it is told");
            assert!((50..=98).contains(&left), "two seconds of 100 have passed: {left}");
            client.acknowledge(2, came.id);
            client.expect_silence_v5();
        }
    });
}

/// A SUBSCRIBE above the bound of filters is refused with its code, and the session keeps its
/// filters.
#[test]
pub(crate) fn quota_of_subscriptions_is_told() {
    let broker = Broker::start_with(1, &["--max-subscriptions=2"]);
    let mut client = Client::connect_v5(&broker, "c");
    let filters = [("a", 0), ("b", 0), ("c", 0), ("a", 1)];
    client.send(&subscribe(1, &props(), &filters));
    client.expect(&suback(1, &[0, 0, 0x97, 1]));
    assert_eq!(client.unsubscribe_v5("c"), 0x11);
    assert_eq!(client.unsubscribe_v5("b"), 0);
    client.subscribe_v5("c", 2);
}
