//! Shared subscriptions (4.8.2). The tests of groups cover lost members and restarts.

use crate::common::v5::{Packet, Publish, ack, connect, props, publish, subscribe};
use crate::common::{Client, PATIENCE, on_shards};

use super::IDS;

/// The QoS of a copy is the lower of the message's and its member's granted one; other members'
/// grants do not matter [MQTT-4.8.2-3].
#[test]
pub(crate) fn qos_is_the_members_own() {
    on_shards(&[1, 2], |broker| {
        let mut members: Vec<Client> = (0..4)
            .map(|at| {
                let mut client = Client::connect_v5(broker, IDS[at]);
                client.subscribe_v5("$share/g/t", u8::try_from(at % 2).expect("0 or 1"));
                client
            })
            .collect();
        let mut publisher = Client::connect_v5(broker, "publisher");
        for published in 0..3 {
            let mut seen = [false; 4];
            let begun = std::time::Instant::now();
            while seen != [true; 4] {
                assert!(begun.elapsed() < PATIENCE, "{seen:?}");
                publisher.publish_v5(&Publish {
                    id: u16::from(published),
                    ..publish("t", "x").at(published)
                });
                for (at, client) in members.iter_mut().enumerate() {
                    for packet in client.read_to_fence_v5() {
                        let Packet::Publish(came) = packet else { panic!("{packet:02x?}") };
                        let granted = u8::try_from(at % 2).expect("0 or 1");
                        assert_eq!(came.qos, published.min(granted), "{at}");
                        if came.qos == 1 {
                            client.send(&ack(0x40, came.id, 0, &props()));
                        }
                        seen[at] = true;
                    }
                }
            }
        }
    });
}

/// A member is granted at most QoS 1 and gets no copy at QoS 2. So no copy must be completed with
/// it [MQTT-4.8.2-4] or could be sent to another [MQTT-4.8.2-5].
#[test]
pub(crate) fn there_is_no_qos2_in_groups() {
    on_shards(&[1, 2], |broker| {
        for id in IDS {
            let (mut client, _) = Client::connect_v5_with(broker, &connect(id).durable(60));
            client.send(&subscribe(1, &props(), &[("$share/g/t", 2)]));
            assert_eq!(client.expect_answer(0x90).codes, [1]);
            let mut publisher = Client::connect_v5(broker, "publisher");
            publisher.publish_v5(&publish("t", "x").qos2(7));
            client.expect_publish_v5(&publish("t", "x").at(1));
            assert_eq!(client.unsubscribe_v5("$share/g/t"), 0);
            client.leave_v5();
        }
    });
}

/// A copy that a member answers with a reason code of 0x80 or more is sent to no other member
/// [MQTT-4.8.2-6].
#[test]
pub(crate) fn refused_copies_end() {
    on_shards(&[1, 2], |broker| {
        let mut members = IDS.map(|id| {
            let mut client = Client::connect_v5(broker, id);
            client.subscribe_v5("$share/g/t", 1);
            client
        });
        let mut publisher = Client::connect_v5(broker, "publisher");
        for round in 0..IDS.len() {
            publisher.publish_v5(&publish("t", format!("{round}")).qos1(1));
            let mut came = Vec::new();
            while came.is_empty() {
                for client in &mut members {
                    for packet in client.read_to_fence_v5() {
                        let Packet::Publish(copy) = packet else { panic!("{packet:02x?}") };
                        client.send(&ack(0x40, copy.id, 0x80, &props()));
                        came.push(copy.payload);
                    }
                }
            }
            // The one before was not sent again.
            assert_eq!(came, [format!("{round}").into_bytes()]);
        }
    });
}
