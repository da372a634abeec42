//! Connected members.

use crate::common::v5::{self, option, props};
use crate::common::{Broker, Client, Publish, connect, on_shards, puback, publish};
use crate::{NAMES, assert_all, gather, member, message, publish_all};

/// Each message is delivered to exactly one member: members of all versions, on all shards, and
/// messages of QoS 0 and 1.
#[test]
fn each_message_goes_to_one_member() {
    on_shards(&[1, 2, 3], |broker| {
        for qos in [0, 1] {
            let mut members: Vec<Client> =
                NAMES.iter().map(|name| member(broker, name, qos)).collect();
            let mut publisher = Client::connect(broker, "publisher");
            for number in 0..40 {
                let message = message(number).at(qos);
                publisher.publish(&Publish { id: qos.into(), ..message });
            }
            let mut members: Vec<&mut Client> = members.iter_mut().collect();
            let got = gather(&mut members, 40);
            assert_all(&got, 0..40, false);
            for (at, name) in NAMES.iter().enumerate() {
                let count = got.iter().filter(|(who, _)| *who == at).count();
                assert!(count >= 4, "{name} got {count} of 40 at QoS {qos}");
            }
            assert!(got.iter().all(|(_, came)| came.qos == qos && !came.dup && !came.retain));
            publisher.leave();
        }
    });
}

/// Clients of 3.1, 3.1.1 and 5 are members of one group.
#[test]
fn versions_share() {
    on_shards(&[1, 2], |broker| {
        let mut old = Client::open(broker);
        old.send(&connect("old").v31().bytes());
        old.expect(&crate::common::connack(false, 0));
        old.subscribe("$share/g/t/#", 1);
        let mut new = Client::connect_v5(broker, "new");
        new.subscribe_v5("$share/g/t/#", 1);
        publish_all(broker, 0..2);
        let first = old.read_publish();
        let second = new.read_publish_v5();
        let texts = [first.payload, second.payload];
        assert!(texts.contains(&b"number 0".to_vec()) && texts.contains(&b"number 1".to_vec()));
    });
}

/// Two groups of one filter, a plain subscription beside them: each gets a copy, a client that has
/// both gets two; groups of one name and other filters are others.
#[test]
fn groups_and_plain_subscriptions_are_apart() {
    on_shards(&[1, 2], |broker| {
        let mut both = member(broker, "both", 1);
        both.subscribe("t/#", 0);
        let mut other = Client::connect(broker, "other");
        other.subscribe("$share/h/t/#", 1);
        let mut narrow = Client::connect(broker, "narrow");
        narrow.subscribe("$share/g/t/1", 1);
        publish_all(broker, 0..4);
        let got = gather(&mut [&mut both, &mut other, &mut narrow], 4 + 4 + 4 + 1);
        let of = |who| got.iter().filter(move |(at, _)| *at == who).count();
        assert_eq!([of(0), of(1), of(2)], [8, 4, 1]);
    });
}

/// A member's own options and identifier apply. No retained message is sent at SUBSCRIBE. RETAIN is
/// as published only for members that request it.
#[test]
fn options_are_the_members_own() {
    on_shards(&[1, 2], |broker| {
        let mut publisher = Client::connect(broker, "publisher");
        publisher.publish(&publish("t/0", "kept").qos1(1).retained());
        let mut one = Client::connect_v5(broker, "fern");
        let identified = props().varint(0x0b, 7);
        one.subscribe_v5_with("$share/g/t/#", option::RETAIN_AS_PUBLISHED | 1, &identified);
        one.expect_silence_v5();
        publisher.publish(&publish("t/0", "new").qos1(1).retained());
        let expected =
            v5::publish("t/0", "new").at(1).retained().with(|props| props.varint(0x0b, 7));
        one.expect_publish_v5(&expected);
        let mut two = Client::connect_v5(broker, "hazel");
        two.subscribe_v5_with("$share/g/t/#", 0, &props().varint(0x0b, 268_435_455));
        one.leave_v5();
        publisher.publish(&publish("t/0", "newer").qos1(1).retained());
        let expected = v5::publish("t/0", "newer").with(|props| props.varint(0x0b, 268_435_455));
        two.expect_publish_v5(&expected);
    });
}

/// QoS 2 is granted as QoS 1, to all versions.
#[test]
fn qos2_is_granted_as_qos1() {
    let broker = Broker::start(2);
    let mut client = Client::connect(&broker, "fern");
    client.send(&crate::common::subscribe(9, &[("$share/g/t/#", 2), ("plain", 2)]));
    client.expect(&crate::common::suback(9, &[1, 2]));
    Client::connect(&broker, "publisher").publish(&message(1).qos2(5));
    client.expect_publish(&message(1));
}

/// A member has at most its Receive Maximum in flight, including its session's other messages; one
/// that acknowledges gets more.
#[test]
fn windows_hold() {
    on_shards(&[1, 2, 3], |broker| {
        for name in NAMES {
            let packet = v5::connect(name).with(|props| props.two(0x21, 2));
            let (mut client, _) = Client::connect_v5_with(broker, &packet);
            client.subscribe_v5("$share/g/t/#", 1);
            client.subscribe_v5("own", 1);
            let mut publisher = Client::connect(broker, "publisher");
            for number in 0..10 {
                publisher.publish(&Publish { id: 1, ..message(number) });
                publisher.publish(&publish("own", format!("own {number}")).qos1(1));
            }
            let mut open = std::collections::VecDeque::new();
            for _ in 0..20 {
                let came = client.read_publish_v5();
                open.push_back(came.id);
                assert!(open.len() <= 2, "{name}: {open:?}");
                if open.len() == 2 {
                    client.send(&puback(open.pop_front().expect("two")));
                }
            }
            for id in open {
                client.send(&puback(id));
            }
            client.expect_silence_v5();
            client.leave_v5();
        }
    });
}

/// A member that does not acknowledge stops at its window; all other messages go to the others.
#[test]
fn a_stuck_member_stops_nobody() {
    on_shards(&[1, 2], |broker| {
        let packet = v5::connect("fern").with(|props| props.two(0x21, 3));
        let (mut stuck, _) = Client::connect_v5_with(broker, &packet);
        stuck.subscribe_v5("$share/g/#", 1);
        let mut other = Client::connect(broker, "hazel");
        other.subscribe("$share/g/#", 1);
        let mut publisher = Client::connect(broker, "publisher");
        for number in 0..60 {
            // Each message on its own topic: at most three lanes wait for the stuck member.
            publisher.publish(&publish(format!("n/{number}"), "").qos1(1));
        }
        let mut got = 0;
        let begun = std::time::Instant::now();
        while got < 60 - 3 * 5 {
            assert!(begun.elapsed() < crate::common::PATIENCE, "{got}");
            for packet in other.read_to_fence() {
                other.send(&puback(Publish::parse(&packet).id));
                got += 1;
            }
        }
        let stuck_has = stuck.read_to_fence_v5().len();
        assert!(stuck_has <= 3, "{stuck_has}");
    });
}

/// A refused message is sent to no other member [MQTT-4.8.2-6], and the lane continues.
#[test]
fn a_refusal_is_final() {
    on_shards(&[1, 2], |broker| {
        let mut members = ["fern", "hazel"].map(|name| {
            let mut client = Client::connect_v5(broker, name);
            client.subscribe_v5("$share/g/t/#", 1);
            client
        });
        let mut publisher = Client::connect(broker, "publisher");
        publisher.publish(&Publish { id: 1, ..message(0) });
        let mut refused = None;
        while refused.is_none() {
            for (at, client) in members.iter_mut().enumerate() {
                for packet in client.read_to_fence_v5() {
                    let v5::Packet::Publish(came) = packet else { panic!("{packet:02x?}") };
                    client.send(&v5::ack(0x40, came.id, 0x83, &props()));
                    refused = Some(at);
                }
            }
        }
        publisher.publish(&Publish { id: 1, ..message(4) });
        let mut others = Vec::new();
        while others.is_empty() {
            for client in &mut members {
                others.extend(client.read_to_fence_v5());
            }
        }
        let texts: Vec<String> = others.iter().map(|packet| format!("{packet:?}")).collect();
        assert_eq!(others.len(), 1, "{texts:?}");
    });
}

/// A topic that names a group cannot be published to.
#[test]
fn a_groups_name_is_no_topic() {
    let broker = Broker::start(1);
    let mut client = Client::connect_v5(&broker, "fern");
    client.send(&v5::publish("$share/g/t", "x").qos1(1).bytes());
    client.expect_ack(0x40, 1, 0x87);
}

/// With `--group-order sticky` a topic stays with one member while it is connected, even without
/// messages in flight; with `none` messages of one topic reach all.
#[test]
fn orders() {
    for (order, sticky) in [("sticky", true), ("none", false)] {
        for shards in [1, 2] {
            let broker = Broker::start_with(shards, &["--group-order", order]);
            let mut members: Vec<Client> =
                NAMES.iter().map(|name| member(&broker, name, 1)).collect();
            let mut members: Vec<&mut Client> = members.iter_mut().collect();
            let mut owners = std::collections::BTreeMap::new();
            for round in 0..8 {
                // All of one topic.
                publish_all(&broker, (round * 4..(round + 1) * 4).map(|n| n * 4));
                for (at, came) in gather(&mut members, 4) {
                    owners.entry(came.topic).or_insert_with(Vec::new).push(at);
                }
            }
            for (topic, mut owners) in owners {
                owners.sort_unstable();
                owners.dedup();
                assert_eq!(owners.len() == 1, sticky, "{order}: {topic:?} {owners:?}");
            }
        }
    }
}
