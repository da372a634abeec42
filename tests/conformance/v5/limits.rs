//! Topic aliases (v5 3.3.2.3.4), maximum packet size (3.1.2.11.4), problem information.

use super::{IDS, reconnect};
use crate::common::v5::{Connect, Packet, Props, Publish, connect, id, props, publish, subscribe};
use crate::common::{Broker, Client, PINGREQ, PINGRESP, on_shards, puback};

fn aliased(topic: &str, alias: u16, payload: &str) -> Publish {
    publish(topic, payload).with(|props| props.two(id::TOPIC_ALIAS, alias))
}

fn of_size(name: &str, bytes: u32) -> Connect {
    connect(name).durable(100).with(|props| props.four(id::MAXIMUM_PACKET_SIZE, bytes))
}

/// A client may use each alias up to CONNACK's maximum, several at once, and remap them;
/// subscribers get topics.
#[test]
pub(crate) fn client_may_use_its_aliases() {
    on_shards(&[1, 2, 4], |broker| {
        let mut witness = Client::connect_v5(broker, "witness");
        witness.subscribe_v5("#", 2);
        for name in IDS {
            let (mut client, connack) = Client::connect_v5_with(broker, &connect(name));
            let max = connack.props.number(id::TOPIC_ALIAS_MAXIMUM).expect("it is offered");
            let max = u16::try_from(max).expect("two bytes");
            for (topic, alias) in [("a", 1), ("b/c", max), ("d", 2)] {
                client.publish_v5(&aliased(topic, alias, "first"));
                witness.expect_publish_v5(&publish(topic, "first"));
            }
            for qos in 0..3 {
                for (topic, alias) in [("b/c", max), ("a", 1), ("d", 2)] {
                    let sent = aliased("", alias, "next").with(|props| props.user("k", "v"));
                    client.publish_v5(&Publish { qos, id: u16::from(qos), ..sent });
                    let due = publish(topic, "next").at(qos).with(|props| props.user("k", "v"));
                    witness.expect_publish_v5(&due);
                }
            }
            client.publish_v5(&aliased("e", 1, "mapped anew"));
            client.publish_v5(&aliased("", 1, "x"));
            witness.expect_publish_v5(&publish("e", "mapped anew"));
            witness.expect_publish_v5(&publish("e", "x"));
            // A repeated message sets it too.
            client.publish_v5(&publish("f", "x").qos2(9));
            witness.expect_publish_v5(&publish("f", "x").at(2));
            client.leave_v5();
        }
    });
}

/// Alias 0, one above the maximum, and an unmapped one close the connection; mappings end with it.
#[test]
pub(crate) fn wrong_aliases_close() {
    on_shards(&[1, 2], |broker| {
        let mut witness = Client::connect_v5(broker, "witness");
        witness.subscribe_v5("#", 0);
        for (topic, alias, code) in [("a", 0, 0x94), ("a", 65, 0x94), ("", 65, 0x94), ("", 1, 0x82)]
        {
            let mut client = Client::connect_v5(broker, "c");
            client.send(&aliased(topic, alias, "x").bytes());
            client.expect_disconnect(code);
        }
        let mut client = Client::connect_v5(broker, "c");
        client.send(&publish("", "x").bytes());
        client.expect_disconnect(0x82);
        let packet = connect("c").durable(100);
        let mut client = Client::resume_v5(broker, &packet, false);
        client.publish_v5(&aliased("known", 1, "x").qos1(1));
        witness.expect_publish_v5(&publish("known", "x"));
        for end in ["leave", "takeover"] {
            client = reconnect(broker, &packet, client, end);
            client.send(&aliased("", 1, "x").bytes());
            client.expect_disconnect(0x82);
            client = Client::resume_v5(broker, &packet, true);
        }
        witness.expect_silence_v5();
    });
    let broker = Broker::start_with(1, &["--topic-alias-max=0"]);
    let (mut client, connack) = Client::connect_v5_with(&broker, &connect("c"));
    assert!(!connack.props.has(id::TOPIC_ALIAS_MAXIMUM));
    client.send(&aliased("a", 1, "x").bytes());
    client.expect_disconnect(0x94);
}

/// The broker uses no alias above the client's maximum, and none without one; each stands for the
/// topic that it was sent with.
#[test]
pub(crate) fn aliases_towards_the_client() {
    on_shards(&[1, 2, 4], |broker| {
        for (name, max) in IDS.into_iter().zip([0, 1, 3, u16::MAX]) {
            let mut publisher = Client::connect_v5(broker, "publisher");
            let packet = connect(name).durable(100);
            let packet = packet.with(|props| props.two(id::TOPIC_ALIAS_MAXIMUM, max));
            let mut client = Client::resume_v5(broker, &packet, false);
            client.subscribe_v5("#", 1);
            for _ in 0..2 {
                let mut known: Vec<(u32, Vec<u8>)> = Vec::new();
                for number in 0..30_u16 {
                    let topic = format!("topic/{}", number % 5);
                    publisher.publish_v5(&publish(&topic, "x").qos1(1 + number));
                    let came = client.read_publish_v5();
                    client.acknowledge(1, came.id);
                    let Some(alias) = came.props.number(id::TOPIC_ALIAS) else {
                        assert_eq!(came.topic, topic.as_bytes());
                        continue;
                    };
                    assert!((1..=u32::from(max)).contains(&alias), "alias {alias}");
                    if came.topic.is_empty() {
                        let topics = known.iter().rev();
                        let meant = topics.clone().find(|known| known.0 == alias);
                        assert_eq!(meant.expect("it was given").1, topic.as_bytes());
                    } else {
                        assert_eq!(came.topic, topic.as_bytes());
                        known.push((alias, came.topic));
                    }
                }
                assert_eq!(known.is_empty(), max == 0);
                client.expect_silence_v5();
                client = reconnect(broker, &packet, client, "close");
            }
        }
    });
}

/// No packet is larger than the client's maximum. A message that is too large counts as sent: later
/// ones are delivered, no window is used up, and it is not sent after a reconnect.
#[test]
pub(crate) fn large_messages_count_as_sent() {
    on_shards(&[1, 2, 4], |broker| {
        let mut publisher = Client::connect_v5(broker, "publisher");
        for name in IDS {
            let packet = of_size(name, 100).with(|props| props.two(id::RECEIVE_MAXIMUM, 1));
            let mut client = Client::resume_v5(broker, &packet, false);
            client.subscribe_v5(name, 2);
            for absent in [false, true] {
                let publish_all = |publisher: &mut Client| {
                    for qos in 0..3_u8 {
                        // Header, topic and its length, packet id, property length.
                        let overhead = 2 + 2 + name.len() + if qos > 0 { 2 } else { 0 } + 1;
                        for bytes in [100, 101, 5000, 99] {
                            let message = publish(name, vec![b'x'; bytes - overhead]).at(qos);
                            publisher.publish_v5(&Publish { id: u16::from(qos), ..message });
                        }
                        let user = |props: Props| props.user("k", &"v".repeat(100));
                        let message = publish(name, "user properties stay").at(qos).with(user);
                        publisher.publish_v5(&Publish { id: u16::from(qos), ..message });
                    }
                };
                client = if absent {
                    client.leave_v5();
                    publish_all(&mut publisher);
                    Client::resume_v5(broker, &packet, true)
                } else {
                    publish_all(&mut publisher);
                    client
                };
                let mut came = [0; 3];
                let kept = if absent { 4 } else { 6 };
                for _ in 0..kept {
                    let message = client.read_publish_v5();
                    assert!(message.bytes().len() <= 100);
                    came[usize::from(message.qos)] += 1;
                    client.acknowledge(message.qos, message.id);
                }
                assert_eq!(came, if absent { [0, 2, 2] } else { [2, 2, 2] });
                client.expect_silence_v5();
            }
            client.leave_v5();
            let mut larger = Client::resume_v5(broker, &of_size(name, 100_000), true);
            larger.expect_silence_v5();
        }
    });
}

/// A packet over the broker's maximum is refused from its header.
#[test]
pub(crate) fn packets_over_the_servers_maximum_close() {
    let broker = Broker::start_with(1, &["--max-packet-size=200"]);
    let (mut client, connack) = Client::connect_v5_with(&broker, &connect("c"));
    assert_eq!(connack.props.number(id::MAXIMUM_PACKET_SIZE), Some(200));
    let sized = |bytes: usize| publish("t", vec![b'x'; bytes - 7]).qos1(1);
    let overhead = sized(150).bytes().len() - 150;
    client.send(&sized(200 - overhead).bytes());
    client.expect_answer(0x40);
    // One byte more: its header alone is enough.
    client.send(&[0x30, 0xc6, 1]);
    let why = client.expect_disconnect(0x95);
    assert!(why.str(id::REASON_STRING).is_some_and(|why| why.contains("--max-packet-size")));
}

/// Words are left out of DISCONNECT where they do not fit; acknowledgements have none.
#[test]
pub(crate) fn words_fit_the_client() {
    on_shards(&[1, 2], |broker| {
        for information in [0, 1] {
            let ask = |props: Props| props.byte(id::REQUEST_PROBLEM_INFORMATION, information);
            let (mut client, _) = Client::connect_v5_with(broker, &of_size("c", 64).with(ask));
            // A failure has its code.
            client.send(&subscribe(1, &props(), &[("$share/g", 0)]));
            assert_eq!(client.expect_answer(0x90).props, props());
            client.send(&publish("nobody/is/subscribed", "x").qos1(1).bytes());
            assert_eq!(client.expect_ack(0x40, 1, 0x10), props());
            assert_eq!(client.unsubscribe_v5("x"), 0x11);
            client.send(&[0x82, 2, 0, 1]);
            let packet = client.read_packet();
            assert!(packet[0] == 0xe0 && packet.len() <= 64, "{packet:02x?}");
            client.expect_closed();
        }
        let (mut client, _) = Client::connect_v5_with(broker, &of_size("c", 64));
        // A reason with many words.
        client.send(&[0x30, 3, 0, 0, 0]);
        let packet = client.read_packet();
        assert!(packet[0] == 0xe0 && packet[2] == 0x82 && packet.len() <= 64, "{packet:02x?}");
        client.expect_closed();
    });
}

/// Nothing but PUBLISH waits for a window, and with a small size nothing stands still.
#[test]
pub(crate) fn small_sizes_do_not_stand_still() {
    let broker = Broker::start(1);
    let (mut client, _) = Client::connect_v5_with(&broker, &of_size("c", 64));
    client.subscribe_v5("t", 1);
    client.send(&publish("t", "x").qos1(1).bytes());
    let mut came = [client.read_v5(), client.read_v5()];
    came.sort_by_key(|packet| matches!(packet, Packet::Publish(_)));
    let Packet::Publish(copy) = &came[1] else { panic!("{came:?}") };
    client.send(&puback(copy.id));
    client.send(PINGREQ);
    client.expect(PINGRESP);
}

/// A message of exactly the broker's maximum reaches clients that did not set one, although what
/// belongs to one receiver makes its copy larger: nothing that was acknowledged is dropped for it.
#[test]
pub(crate) fn largest_packets_are_delivered() {
    let broker = Broker::start_with(1, &["--max-packet-size=200"]);
    let mut plain = Client::connect_v5(&broker, "plain");
    plain.subscribe_v5("t", 1);
    let mut numbered = Client::connect_v5(&broker, "numbered");
    let own = props().varint(id::SUBSCRIPTION_ID, 268_435_455);
    numbered.subscribe_v5_with("t", 1, &own);
    let bare = publish("t", "").qos1(1).bytes().len();
    // Its remaining length takes one byte more.
    let largest = publish("t", vec![b'x'; 200 - bare - 1]).qos1(1);
    assert_eq!(largest.bytes().len(), 200);
    assert_eq!(Client::connect_v5(&broker, "publisher").publish_v5(&largest), 0);
    plain.expect_publish_v5(&largest.clone().at(1));
    numbered.expect_publish_v5(&largest.at(1).with(|_| own));
}
