//! Subscription identifiers of copies that only some of the matching subscriptions have caused,
//! also when the copy waits or is sent again.

use super::IDS;
use crate::common::v5::{Connect, Packet, Props, Publish, connect, id, option, props, publish};
use crate::common::{BROKER_ENDS, Broker, Client, on_shards};

fn numbered(number: u32) -> Props {
    props().varint(id::SUBSCRIPTION_ID, number)
}

/// A client that may have one unacknowledged message.
fn narrow(name: &str) -> Connect {
    connect(name).with(|props| props.two(id::RECEIVE_MAXIMUM, 1))
}

/// The topic of a client's messages.
fn topic(name: &str) -> String {
    format!("{name}/t")
}

/// Subscribes to three filters that match a client's topic: 1 and 3 have No Local.
fn subscribe_all(client: &mut Client, name: &str) {
    let filters = [topic(name), format!("{name}/#"), format!("{name}/+")];
    for (filter, number) in filters.iter().zip(1..) {
        let no_local = if number == 2 { 0 } else { option::NO_LOCAL };
        let options = 2 | no_local | option::RETAIN_NEVER;
        client.subscribe_v5_with(filter, options, &numbered(number));
    }
}

/// Publishes a message of one's own, and returns the deliveries that came before its answer.
fn publish_own(client: &mut Client, message: &Publish) -> Vec<Publish> {
    client.send(&message.bytes());
    if message.qos == 2 {
        client.send(&crate::common::pubrel(message.id));
    }
    let packets = client.read_to_fence_v5();
    let deliveries = packets.into_iter().filter_map(|packet| match packet {
        Packet::Publish(came) => Some(came),
        _ => None,
    });
    deliveries.collect()
}

fn ids_of(came: &Publish) -> Vec<u32> {
    let mut ids = came.props.subscription_ids();
    ids.sort_unstable();
    ids
}

/// A client's own message carries the identifiers of the filters without No Local: when it is sent
/// at once, when it has waited, and when it is sent again. Another's carries all.
#[test]
pub(crate) fn own_messages_carry_those_without_no_local() {
    on_shards(&[1, 2, 4], |broker| {
        let mut other = Client::connect_v5(broker, "other");
        for (name, qos) in IDS.iter().zip([1, 2, 1, 2]) {
            for durable in [false, true] {
                let packet = narrow(name).durable(if durable { 100 } else { 0 });
                let mut client = Client::resume_v5(broker, &packet, false);
                subscribe_all(&mut client, name);
                let own = |number: u16| {
                    let message = publish(topic(name), number.to_string()).at(qos);
                    Publish { id: number, ..message }
                };
                let mut sent = publish_own(&mut client, &own(1));
                // At QoS 2 it may wait for the log.
                if sent.is_empty() {
                    sent.push(client.read_publish_v5());
                }
                assert!(publish_own(&mut client, &own(2)).is_empty(), "the window is full");
                other.publish_v5(&own(3));
                if durable {
                    client = super::reconnect(broker, &packet, client, "close");
                    let again = client.read_publish_v5();
                    assert_eq!(again, sent[0].clone().again());
                    sent[0] = again;
                }
                for (payload, expected) in [("1", &[2][..]), ("2", &[2]), ("3", &[1, 2, 3])] {
                    let came = sent.pop().unwrap_or_else(|| client.read_publish_v5());
                    assert_eq!(
                        (&came.payload[..], &*ids_of(&came)),
                        (payload.as_bytes(), expected)
                    );
                    client.acknowledge(qos, came.id);
                }
                client.expect_silence_v5();
                client.leave_v5();
                Client::connect_v5(broker, name).leave_v5();
            }
        }
    });
}

/// The same when the broker restarts meanwhile.
#[test]
pub(crate) fn own_messages_keep_theirs_over_a_restart() {
    for end in BROKER_ENDS {
        let mut broker = Broker::start(2);
        let mut other = Client::connect_v5(&broker, "other");
        for (name, qos) in IDS.iter().zip([1, 2, 1, 2]) {
            let packet = narrow(name).durable(100);
            let mut client = Client::resume_v5(&broker, &packet, false);
            subscribe_all(&mut client, name);
            for number in 1..4 {
                let message = publish(topic(name), number.to_string()).at(qos);
                publish_own(&mut client, &Publish { id: number, ..message });
            }
            other.publish_v5(&Publish { id: 4, ..publish(topic(name), "4").at(qos) });
        }
        broker.restart(end);
        for (name, qos) in IDS.iter().zip([1, 2, 1, 2]) {
            let mut client = Client::resume_v5(&broker, &narrow(name).durable(100), true);
            for (payload, expected) in
                [("1", &[2][..]), ("2", &[2]), ("3", &[2]), ("4", &[1, 2, 3])]
            {
                let came = client.read_publish_v5();
                assert_eq!((&came.payload[..], &*ids_of(&came)), (payload.as_bytes(), expected));
                client.acknowledge(qos, came.id);
            }
            client.expect_silence_v5();
        }
    }
}

/// A retained message that waits carries the identifier of the subscription that it answers, or
/// none if that has none, also after a restart of the broker.
#[test]
pub(crate) fn waiting_replays_carry_that_of_their_filter() {
    for end in BROKER_ENDS {
        for durable in [false, true] {
            // With one shard the message waits when the SUBACK is sent.
            let mut broker = Broker::start(if durable { 1 } else { 2 });
            let mut publisher = Client::connect_v5(&broker, "publisher");
            let mut clients = Vec::new();
            for (name, answered) in IDS.iter().zip([0, 1, 2, 0]) {
                publisher.publish_v5(&publish(topic(name), "kept").qos1(1).retained());
                let packet = narrow(name).durable(if durable { 100 } else { 0 });
                let mut client = Client::resume_v5(&broker, &packet, false);
                let filters = [topic(name), format!("{name}/#"), format!("{name}/+")];
                let own = [numbered(1), numbered(2), props()];
                for (filter, own) in filters.iter().zip(&own) {
                    client.subscribe_v5_with(filter, 1 | option::RETAIN_NEVER, own);
                }
                client.subscribe_v5("fills", 1);
                publisher.publish_v5(&publish("fills", "the window").qos1(1));
                let fills = client.expect_unacked_v5(&publish("fills", "the window").at(1));
                client.unsubscribe_v5("fills");
                client.subscribe_v5_with(&filters[answered], 1, &own[answered]);
                client.expect_silence_v5();
                let another = format!("{name}/t/#");
                client.subscribe_v5_with(&another, 1 | option::RETAIN_NEVER, &numbered(3));
                clients.push((client, packet, fills, own[answered].subscription_ids()));
            }
            if durable {
                broker.restart(end);
                for (client, packet, fills, _) in &mut clients {
                    *client = Client::resume_v5(&broker, packet, true);
                    let again = client.read_publish_v5();
                    assert!(again.dup, "{again:?}");
                    *fills = again.id;
                }
            }
            for (client, _, fills, expected) in &mut clients {
                client.acknowledge(1, *fills);
                let came = client.read_publish_v5();
                assert_eq!((&came.payload[..], came.retain), (&b"kept"[..], true));
                assert_eq!(came.props.subscription_ids(), *expected);
                client.acknowledge(1, came.id);
                client.expect_silence_v5();
            }
        }
    }
}

/// Subscribes while messages 1 and 2 wait: another filter gets the identifier 2, and the identifier
/// of the first one becomes 3. Then message 3 comes.
fn subscribe_late(client: &mut Client, publisher: &mut Client, name: &str) -> Publish {
    client.subscribe_v5_with(&topic(name), 1, &numbered(1));
    let message = |number: u16| publish(topic(name), number.to_string()).qos1(number);
    publisher.publish_v5(&message(1));
    publisher.publish_v5(&message(2));
    let first = client.read_publish_v5();
    let others = format!("{name}/#");
    client.subscribe_v5_with(&others, 1 | option::RETAIN_NEVER, &numbered(2));
    client.subscribe_v5_with(&topic(name), 1 | option::RETAIN_NEVER, &numbered(3));
    publisher.publish_v5(&message(3));
    first
}

/// Reads the messages from `next` to 3 one by one.
#[track_caller]
fn expect_late(client: &mut Client, next: &Publish) {
    let mut next = next.clone();
    for (number, expected) in [("1", &[3][..]), ("2", &[3]), ("3", &[2, 3])] {
        // The first one may have been sent with the identifier before.
        let is_old = !next.dup && number == "1";
        let expected = if is_old { &[1] } else { expected };
        assert_eq!((&next.payload[..], &*ids_of(&next)), (number.as_bytes(), expected));
        client.acknowledge(1, next.id);
        if number != "3" {
            next = client.read_publish_v5();
        }
    }
    client.expect_silence_v5();
}

/// A waiting message does not carry the identifier of a subscription that was made after it came.
/// If the identifier of a subscription that caused it has changed, it carries the new one.
#[test]
pub(crate) fn later_subscriptions_are_not_told() {
    on_shards(&[1, 2, 4], |broker| {
        let mut publisher = Client::connect_v5(broker, "publisher");
        for name in IDS {
            for durable in [false, true] {
                let packet = narrow(name).durable(if durable { 100 } else { 0 });
                let mut client = Client::resume_v5(broker, &packet, false);
                let mut first = subscribe_late(&mut client, &mut publisher, name);
                if durable {
                    client = super::reconnect(broker, &packet, client, "close");
                    first = client.read_publish_v5();
                }
                expect_late(&mut client, &first);
                client.leave_v5();
                Client::connect_v5(broker, name).leave_v5();
            }
        }
    });
}

/// The same when the broker restarts meanwhile.
#[test]
pub(crate) fn later_subscriptions_are_not_told_after_a_restart() {
    for end in BROKER_ENDS {
        let mut broker = Broker::start(2);
        let mut publisher = Client::connect_v5(&broker, "publisher");
        let packet = |name| narrow(name).durable(100);
        let clients = IDS.map(|name| {
            let mut client = Client::resume_v5(&broker, &packet(name), false);
            subscribe_late(&mut client, &mut publisher, name);
            client
        });
        broker.restart(end);
        drop(clients);
        for name in IDS {
            let mut client = Client::resume_v5(&broker, &packet(name), true);
            let first = client.read_publish_v5();
            expect_late(&mut client, &first);
        }
    }
}
