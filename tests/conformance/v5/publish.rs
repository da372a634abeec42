//! PUBLISH towards and from the broker (v5 3.3), message expiry and properties.

use super::{ENDS, IDS, expect_unrouted, expired, reconnect};
use crate::common::v5::{Packet, Publish, connect, id, props, publish};
use crate::common::{BROKER_ENDS, Broker, Client, connect as connect_v3, on_shards, resume_as};

/// A message with all properties that are forwarded.
fn with_all(message: Publish) -> Publish {
    message.with(|props| {
        props
            .byte(id::PAYLOAD_FORMAT, 0)
            .text(id::CONTENT_TYPE, "")
            .text(id::RESPONSE_TOPIC, "answer/to/me")
            .binary(id::CORRELATION_DATA, [0, 1, 0xff])
            .user("b", "1")
            .user("a", "2")
            .user("b", "3")
            .user("", "")
            .user("b", "1")
    })
}

/// Every property of a message is forwarded unchanged and in order: live, at each QoS, from each
/// shard.
#[test]
pub(crate) fn properties_go_on_unchanged() {
    on_shards(&[1, 2, 4], |broker| {
        let mut subscribers = IDS.map(|name| {
            let mut client = Client::connect_v5(broker, name);
            client.subscribe_v5("t", 2);
            client
        });
        for publisher in IDS {
            let mut publisher = Client::connect_v5(broker, &format!("from {publisher}"));
            for message in [
                with_all(publish("t", "x")),
                with_all(publish("t", "x").qos1(1)),
                with_all(publish("t", "x").qos2(2)),
                publish("t", "x").with(|props| props.binary(id::CORRELATION_DATA, "")),
                publish("t", "é").with(|props| props.byte(id::PAYLOAD_FORMAT, 1)),
                publish("t", "x").with(|props| props.four(id::MESSAGE_EXPIRY, 0xffff_ffff)),
                publish("t", "x").with(|props| props.user("k", &"v".repeat(60_000))),
            ] {
                publisher.publish_v5(&message);
                for subscriber in &mut subscribers {
                    subscriber.expect_publish_v5(&Publish { id: 0, ..message.clone() });
                }
            }
        }
    });
}

/// So they do through the queue of an absent session, the retain store and a restart.
#[test]
pub(crate) fn properties_are_kept() {
    for end in BROKER_ENDS {
        let mut broker = Broker::start(2);
        let mut publisher = Client::connect_v5(&broker, "publisher");
        for name in IDS {
            let mut client = Client::resume_v5(&broker, &connect(name).durable(100), false);
            client.subscribe_v5(name, 2);
            client.leave_v5();
            publisher.publish_v5(&with_all(publish(name, "one").qos1(1)));
            publisher.publish_v5(&with_all(publish(name, "two").qos2(2).retained()));
        }
        for restarted in [false, true] {
            if restarted {
                broker.restart(end);
            }
            for name in IDS {
                let mut client = Client::resume_v5(&broker, &connect(name).durable(100), true);
                let again = |message: Publish| if restarted { message.again() } else { message };
                let one = again(with_all(publish(name, "one").at(1)));
                client.expect_unacked_v5(&one);
                client.expect_unacked_v5(&again(with_all(publish(name, "two").at(2))));
                drop(client);
                let mut late = Client::connect_v5(&broker, "late");
                late.subscribe_v5(name, 2);
                late.expect_publish_v5(&with_all(publish(name, "two").at(2).retained()));
                late.leave_v5();
            }
        }
    }
}

/// A message that expires is not delivered to a session that was absent for too long; one that was
/// sent before is sent again and completed.
#[test]
pub(crate) fn expired_messages_are_not_delivered() {
    on_shards(&[1, 2, 4], |broker| {
        let mut publisher = Client::connect_v5(broker, "publisher");
        let short = |message: Publish| message.with(|props| props.four(id::MESSAGE_EXPIRY, 2));
        let mut started = Client::resume_v5(broker, &connect("started").durable(100), false);
        started.subscribe_v5("#", 2);
        for name in IDS {
            let mut client = Client::resume_v5(broker, &connect(name).durable(100), false);
            client.subscribe_v5(name, 2);
            client.leave_v5();
            publisher.publish_v5(&short(publish(name, "short").qos1(1)));
            publisher.publish_v5(&short(publish(name, "short").qos2(1)));
            publisher.publish_v5(&publish(name, "long").qos1(1));
            publisher.publish_v5(&short(publish(name, "kept").qos1(1).retained()));
        }
        let open: Vec<Publish> = (0..16).map(|_| started.read_publish_v5()).collect();
        drop(started);
        expired(broker, connect("other").durable(3), drop);
        for name in IDS {
            let mut client = Client::resume_v5(broker, &connect(name).durable(100), true);
            client.expect_publish_v5(&publish(name, "long").at(1));
            client.subscribe_v5("#", 2);
            client.expect_silence_v5();
            client.leave_v5();
        }
        // It was in flight.
        let mut started = Client::resume_v5(broker, &connect("started").durable(100), true);
        for sent in &open {
            let came = started.read_publish_v5();
            let left = |message: &Publish| message.props.number(id::MESSAGE_EXPIRY);
            assert!(left(&came).is_some() == left(sent).is_some() && left(&came) <= left(sent));
            assert_eq!((came.id, &came.payload, came.dup), (sent.id, &sent.payload, true));
        }
        for sent in open {
            started.acknowledge(sent.qos, sent.id);
        }
        started.expect_silence_v5();
    });
}

/// The rest of an expiry is forwarded: from the queue, the retain store, after a restart.
#[test]
pub(crate) fn expiry_is_what_is_left() {
    for restarts in [None, Some(BROKER_ENDS[0]), Some(BROKER_ENDS[1])] {
        let mut broker = Broker::start(2);
        let mut publisher = Client::connect_v5(&broker, "publisher");
        for name in IDS {
            let mut client = Client::resume_v5(&broker, &connect(name).durable(100), false);
            client.subscribe_v5(name, 2);
            client.leave_v5();
            let long = publish(name, "x").with(|props| props.four(id::MESSAGE_EXPIRY, 1000));
            publisher.publish_v5(&long.clone().qos1(1));
            publisher.publish_v5(&long.qos2(2).retained());
        }
        expired(&broker, connect("other").durable(2), drop);
        if let Some(end) = restarts {
            broker.restart(end);
        }
        for name in IDS {
            let mut client = Client::resume_v5(&broker, &connect(name).durable(100), true);
            let mut late = Client::connect_v5(&broker, "late");
            late.subscribe_v5(name, 2);
            for came in [client.read_publish_v5(), client.read_publish_v5(), late.read_publish_v5()]
            {
                let left = came.props.number(id::MESSAGE_EXPIRY).expect("it is told");
                assert!((900..=998).contains(&left), "two seconds of 1000 have passed: {left}");
            }
        }
    }
}

/// An expiry of 0: connected subscribers get the message with it.
#[test]
pub(crate) fn expiry_of_zero_is_live_only() {
    on_shards(&[1, 2], |broker| {
        let mut live = Client::connect_v5(broker, "live");
        live.subscribe_v5("t", 0);
        let message = publish("t", "x").with(|props| props.four(id::MESSAGE_EXPIRY, 0));
        Client::connect_v5(broker, "publisher").publish_v5(&message);
        live.expect_publish_v5(&message);
    });
}

/// A retained message replaces that of its topic, at any QoS; an empty one is delivered and clears;
/// one without RETAIN does not change it.
#[test]
pub(crate) fn retained_messages_replace() {
    on_shards(&[1, 2, 4], |broker| {
        let mut publisher = Client::connect_v5(broker, "publisher");
        let mut live = Client::connect_v5(broker, "live");
        live.subscribe_v5("+/t", 0);
        let late = |topic: &str, expected: Option<&Publish>| {
            let mut late = Client::connect_v5(broker, "late");
            late.subscribe_v5(topic, 2);
            if let Some(expected) = expected {
                late.expect_publish_v5(&expected.clone().retained());
            }
            late.expect_silence_v5();
        };
        for name in IDS {
            let topic = format!("{name}/t");
            for message in [
                publish(&topic, "1").qos1(1).with(|props| props.user("a", "1")),
                publish(&topic, "0").with(|props| props.user("a", "2")),
                publish(&topic, "2").qos2(2),
            ] {
                publisher.publish_v5(&message.clone().retained());
                live.expect_publish_v5(&message.clone().at(0));
                publisher.publish_v5(&publish(&topic, "passes").qos1(1));
                live.expect_publish_v5(&publish(&topic, "passes"));
                late(&topic, Some(&Publish { id: 0, ..message }));
            }
            let empty = publish(&topic, "").qos1(1).with(|props| props.user("a", "b"));
            publisher.publish_v5(&empty.clone().retained());
            live.expect_publish_v5(&empty.at(0));
            late(&topic, None);
        }
    });
}

/// DUP of a publisher is not passed on. First copies have none, repeated ones do, QoS 0 never.
#[test]
pub(crate) fn dup_is_of_the_delivery() {
    on_shards(&[1, 2], |broker| {
        let mut publisher = Client::connect_v5(broker, "publisher");
        for name in IDS {
            let packet = connect(name).durable(100);
            let mut client = Client::resume_v5(broker, &packet, false);
            client.subscribe_v5(name, 2);
            for end in ENDS {
                publisher.publish_v5(&publish(name, "1").qos1(1).again());
                publisher.publish_v5(&publish(name, "2").qos2(2).again());
                publisher.publish_v5(&publish(name, "0"));
                let mut came = [(); 3].map(|()| client.read_publish_v5());
                came.sort_by_key(|came| came.qos);
                assert_eq!(
                    came.map(|came| (came.qos, came.dup)),
                    [0, 1, 2].map(|qos| (qos, false))
                );
                client = reconnect(broker, &packet, client, end);
                client.expect_publish_v5(&publish(name, "1").at(1).again());
                client.expect_publish_v5(&publish(name, "2").at(2).again());
                client.expect_silence_v5();
            }
        }
    });
}

/// The answer tells whether the message has subscribers: 0x10 without any, on all shards.
#[test]
pub(crate) fn answer_tells_whether_somebody_is_subscribed() {
    on_shards(&[1, 2, 4], |broker| {
        for name in IDS {
            let mut publisher = Client::connect_v5(broker, "publisher");
            for (at, subscribed) in [(0_u16, 0x10), (1, 0), (2, 0x10)] {
                let mut client = Client::connect_v5(broker, name);
                match at {
                    0 => {}
                    1 => client.subscribe_v5("t", 0),
                    _ => expect_unrouted(&mut publisher, "t"),
                }
                assert_eq!(publisher.publish_v5(&publish("t", "x").qos1(at + 1)), subscribed);
                assert_eq!(publisher.publish_v5(&publish("t", "x").qos2(at + 1)), subscribed);
                client.leave_v5();
            }
        }
    });
}

/// Between MQTT 5 and 3.1.1: properties are dropped for the one and kept for the other.
#[test]
pub(crate) fn versions_side_by_side() {
    on_shards(&[1, 2, 4], |broker| {
        let mut old = Client::connect(broker, "old");
        old.subscribe("t", 2);
        let mut new = Client::connect_v5(broker, "new");
        new.subscribe_v5_with("t", 2, &props().varint(id::SUBSCRIPTION_ID, 7));
        let mut old_publisher = Client::connect(broker, "old publisher");
        let mut new_publisher = Client::connect_v5(broker, "new publisher");
        for qos in 0..3 {
            let message = with_all(publish("t", "x").at(qos));
            new_publisher.publish_v5(&Publish { id: u16::from(qos), ..message.clone() });
            let mut plain = crate::common::publish("t", "x");
            plain.qos = qos;
            old.expect_publish(&plain);
            // Its own properties stand in front of the message's.
            let came = new.read_publish_v5();
            assert_eq!(came.props.without(id::SUBSCRIPTION_ID), message.props);
            assert_eq!(came.props.subscription_ids(), [7]);
            new.acknowledge(qos, came.id);
            plain.id = u16::from(qos);
            old_publisher.publish(&plain);
            plain.id = 0;
            old.expect_publish(&plain);
            let expected = publish("t", "x").at(qos);
            new.expect_publish_v5(&expected.with(|props| props.varint(id::SUBSCRIPTION_ID, 7)));
        }
    });
}

/// A client of another version takes over a session: subscriptions with their options, queue and
/// messages in flight stay, and properties are sent to versions that have them.
#[test]
pub(crate) fn session_changes_its_version() {
    on_shards(&[1, 2, 4], |broker| {
        let mut publisher = Client::connect_v5(broker, "publisher");
        for name in IDS {
            let own = props().varint(id::SUBSCRIPTION_ID, 9);
            let packet = connect(name).durable(1000);
            let mut client = Client::resume_v5(broker, &packet, false);
            client.subscribe_v5_with(name, 2 | 0x08 | 0x04, &own);
            publisher.publish_v5(&with_all(publish(name, "1").qos1(1).retained()));
            let first = client.read_publish_v5();
            assert!(first.retain && first.props.subscription_ids() == [9], "{first:?}");
            // To 3.1.1, by takeover: No Local and Retain As Published still apply.
            let mut old = resume_as(broker, name, true);
            client.expect_disconnect(0x8e);
            let mut expected = crate::common::publish(name, "1").qos1(0).again();
            expected.retain = true;
            assert_eq!(old.expect_publish(&expected), first.id);
            old.publish(&crate::common::publish(name, "own").qos1(1));
            old.expect_silence();
            old.leave();
            publisher.publish_v5(&with_all(publish(name, "2").qos2(1)));
            // And back.
            let mut client = Client::resume_v5(broker, &packet, true);
            let came = client.read_publish_v5();
            assert_eq!(came.props.subscription_ids(), [9]);
            assert_eq!(came.props.without(id::SUBSCRIPTION_ID), with_all(publish("", "")).props);
            client.acknowledge(2, came.id);
            // A subscription of a 3.1.1 client has no options and no identifier.
            client.leave_v5();
            let mut old = resume_as(broker, name, true);
            old.subscribe(name, 1);
            old.expect_publish(&{
                let mut kept = crate::common::publish(name, "1").qos1(0);
                kept.retain = true;
                kept
            });
            old.leave();
            publisher.publish_v5(&publish(name, "3").qos1(1).retained());
            let mut client = Client::resume_v5(broker, &packet, true);
            client.expect_publish_v5(&publish(name, "3").at(1));
            // Without No Local its own message is delivered, before or after its PUBACK.
            client.send(&publish(name, "own").qos1(5).bytes());
            let mut came = [client.read_v5(), client.read_v5()];
            came.sort_by_key(|came| matches!(came, Packet::Publish(_)));
            assert!(matches!(&came[0], Packet::Answer(puback) if puback.id == 5));
            assert!(matches!(&came[1], Packet::Publish(own) if own.payload == b"own"));
            client.leave_v5();
            // Clean session 1 ends it.
            drop(Client::connect_with(broker, &connect_v3(name)));
        }
    });
}
