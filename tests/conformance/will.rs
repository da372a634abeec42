//! The will (3.1.2.5 to 3.1.2.7, 3.14.4).

use crate::common::{
    Broker, Client, DISCONNECT, Publish, connack, connect, on_shards, publish, resume_as, until,
};

/// The client ids a test repeats itself with, so that several shards are met.
const IDS: [&str; 4] = ["ash", "beech", "clover", "daisy"];

/// A client that sees every will.
fn witness(broker: &Broker) -> Client {
    let mut witness = Client::connect(broker, "witness");
    witness.subscribe("#", 2);
    witness
}

fn with_will(broker: &Broker, id: &str, will: &Publish) -> Client {
    Client::connect_with(broker, &connect(id).will(will))
}

/// The next message for `witness` is one from `id`: an earlier will would have preceded it, because
/// both are sent by the same shard.
fn assert_nothing_in_front_of_a_message_of(broker: &Broker, witness: &mut Client, id: &str) {
    let mut same = Client::connect(broker, id);
    same.publish(&publish("marker", id).qos1(1));
    witness.expect_publish(&publish("marker", id).qos1(0));
    same.leave();
}

/// The will is published when the connection ends without a DISCONNECT, in any way.
#[test]
pub(crate) fn will_is_published_without_disconnect() {
    on_shards(&[1, 2, 4], |broker| {
        let mut witness = witness(broker);
        for id in IDS {
            let will = publish("will", id);
            drop(with_will(broker, id, &will));
            witness.expect_publish(&will);
            with_will(broker, id, &will).reset();
            witness.expect_publish(&will);
            let mut violator = with_will(broker, id, &will);
            violator.send(&connect(id).bytes());
            violator.expect_closed();
            witness.expect_publish(&will);
            let mut half_closed = with_will(broker, id, &will);
            half_closed.finish_sending();
            half_closed.expect_closed();
            witness.expect_publish(&will);
        }
    });
}

/// The will is published when the keep alive expires.
#[test]
pub(crate) fn will_is_published_at_keep_alive_timeout() {
    on_shards(&[1, 2], |broker| {
        let mut witness = witness(broker);
        let will = publish("will", "silent");
        let packet = connect("silent").will(&will).keep_alive(1);
        let mut silent = Client::connect_with(broker, &packet);
        witness.expect_publish(&will);
        silent.expect_closed();
    });
}

/// The will of a connection that is taken over is published; that of its successor is not.
#[test]
pub(crate) fn will_is_published_at_takeover() {
    on_shards(&[1, 2, 4], |broker| {
        let mut witness = witness(broker);
        for id in IDS {
            let mut old = with_will(broker, id, &publish("will", "of the old"));
            let new = with_will(broker, id, &publish("will", "of the new"));
            old.expect_closed();
            witness.expect_publish(&publish("will", "of the old"));
            new.leave();
            assert_nothing_in_front_of_a_message_of(broker, &mut witness, id);
        }
    });
}

/// It reaches the one that takes over as well, at each QoS, if its session is subscribed, behind
/// its CONNACK.
#[test]
pub(crate) fn will_reaches_its_successor() {
    on_shards(&[1, 2, 4], |broker| {
        let mut publisher = Client::connect(broker, "publisher");
        for id in IDS {
            let mut old = resume_as(broker, id, false);
            old.subscribe("will", 2);
            for qos in 0..3 {
                let mut will = publish("will", qos.to_string());
                will.qos = qos;
                old.leave();
                old = Client::open(broker);
                old.send(&connect(id).persistent().will(&will).bytes());
                old.expect(&connack(true, 0));
                publisher.publish(&publish("will", "waits").qos1(1));
                let waiting = old.expect_unacked(&publish("will", "waits").qos1(0));
                let mut new = resume_as(broker, id, true);
                old.expect_closed();
                let again = publish("will", "waits").qos1(waiting).again();
                // QoS 0 may overtake.
                let mut came = [new.read_publish(), new.read_publish()];
                came.sort_by_key(|came| !came.dup);
                assert_eq!(came[0], again);
                will.id = came[1].id;
                assert_eq!(came[1], will);
                new.acknowledge(1, waiting);
                new.acknowledge(qos, will.id);
                new.expect_silence();
                old = new;
            }
            // A clean session does not exist any more, so it gets nothing.
            Client::connect_with(broker, &connect(id)).expect_silence();
            old.expect_closed();
        }
    });
}

/// The server's end publishes the wills of those that are connected.
#[test]
pub(crate) fn will_is_published_at_shutdown() {
    for shards in [1, 2, 4] {
        let mut broker = Broker::start(shards);
        let mut witness = witness(&broker);
        let clients: Vec<_> =
            IDS.iter().map(|id| with_will(&broker, id, &publish("will", id))).collect();
        broker.terminate();
        let mut came: Vec<_> = IDS.iter().map(|_| witness.read_publish().payload).collect();
        came.sort();
        assert_eq!(came, IDS.map(|id| id.as_bytes().to_vec()));
        witness.expect_closed();
        assert_eq!(broker.wait().code(), Some(0));
        drop(clients);
    }
}

/// DISCONNECT discards the will.
#[test]
pub(crate) fn disconnect_discards_the_will() {
    on_shards(&[1, 2, 4], |broker| {
        let mut witness = witness(broker);
        for id in IDS {
            with_will(broker, id, &publish("will", "discarded")).leave();
            assert_nothing_in_front_of_a_message_of(broker, &mut witness, id);
        }
    });
}

/// The same if the peer is gone before the broker reads its DISCONNECT.
#[test]
pub(crate) fn hasty_disconnect_discards_the_will() {
    on_shards(&[1, 2, 4], |broker| {
        let mut witness = witness(broker);
        let alone = broker.resources().fds;
        for id in IDS {
            let mut hasty = with_will(broker, id, &publish("will", "discarded"));
            hasty.send(DISCONNECT);
            drop(hasty);
            // Two connections have no order: the next one must not take over from this one.
            until("the connection is closed", || {
                witness.expect_silence();
                broker.resources().fds <= alone
            });
            assert_nothing_in_front_of_a_message_of(broker, &mut witness, id);
        }
    });
}

/// A will is published once: its session has none afterwards.
#[test]
pub(crate) fn will_is_published_once() {
    on_shards(&[1, 2], |broker| {
        let mut witness = witness(broker);
        for id in IDS {
            let packet = connect(id).persistent().will(&publish("will", id));
            drop(Client::connect_with(broker, &packet));
            witness.expect_publish(&publish("will", id));
            drop(resume_as(broker, id, true));
            assert_nothing_in_front_of_a_message_of(broker, &mut witness, id);
            // After a DISCONNECT likewise.
            Client::connect_with(broker, &packet).leave();
            drop(resume_as(broker, id, true));
            assert_nothing_in_front_of_a_message_of(broker, &mut witness, id);
        }
    });
}

/// Without the will flag no will is published.
#[test]
pub(crate) fn no_will_flag_no_will() {
    on_shards(&[1, 2], |broker| {
        let mut witness = witness(broker);
        for id in IDS {
            drop(Client::connect(broker, id));
            Client::connect(broker, id).reset();
            assert_nothing_in_front_of_a_message_of(broker, &mut witness, id);
        }
    });
}

/// The will is published with its QoS, topic and message; a message may be empty or no text.
#[test]
pub(crate) fn will_is_what_connect_said() {
    on_shards(&[1, 2], |broker| {
        let mut witness = witness(broker);
        for payload in [&b""[..], b"\0", b"\xff\xfe", &[7; 60_000]] {
            for qos in 0..3 {
                let mut will = publish("will/of/\u{1f980}", payload);
                will.qos = qos;
                drop(with_will(broker, "wills", &will));
                witness.expect_publish(&will);
            }
        }
    });
}

/// A will of QoS 1 or 2 is stored for an absent session.
#[test]
pub(crate) fn will_is_kept_for_the_absent() {
    on_shards(&[1, 2, 4], |broker| {
        for (id, qos) in IDS.into_iter().flat_map(|id| [(id, 1), (id, 2)]) {
            let topic = format!("will/{id}/{qos}");
            let mut absent = resume_as(broker, id, false);
            absent.subscribe(&topic, 2);
            absent.leave();
            let mut witness = Client::connect(broker, "witness");
            witness.subscribe(&topic, 0);
            let will = publish(&topic, "x").at(qos);
            drop(with_will(broker, "dying", &will));
            witness.expect_publish(&publish(&topic, "x"));
            // The copies go out side by side, so the session may be a little behind.
            let mut absent = resume_as(broker, id, true);
            absent.expect_publish(&will);
            absent.leave();
            Client::connect(broker, id).leave();
        }
    });
}

/// Will retain 0: later subscribers do not get the will.
#[test]
pub(crate) fn will_without_retain_is_not_retained() {
    on_shards(&[1, 2], |broker| {
        let mut witness = witness(broker);
        for id in IDS {
            let topic = format!("will/{id}");
            drop(with_will(broker, id, &publish(&topic, "x")));
            witness.expect_publish(&publish(&topic, "x"));
            let mut later = Client::connect(broker, "later");
            later.subscribe(&topic, 0);
            later.expect_silence();
        }
    });
}

/// Will retain 1: the live copy has RETAIN 0, later subscribers get it with RETAIN 1.
#[test]
pub(crate) fn will_with_retain_is_retained() {
    on_shards(&[1, 2, 4], |broker| {
        let mut witness = witness(broker);
        for id in IDS {
            let will = publish(format!("will/{id}"), "x").qos1(0);
            drop(with_will(broker, id, &will.clone().retained()));
            witness.expect_live(&will);
            // On the will's shard: its requests are handled after the will.
            let mut later = Client::connect(broker, id);
            later.subscribe(&format!("will/{id}"), 1);
            later.expect_publish(&will.retained());
        }
    });
}

/// A retained will with an empty message clears the retained one.
#[test]
pub(crate) fn empty_retained_will_clears() {
    let broker = Broker::start(1);
    let mut witness = witness(&broker);
    let mut setter = Client::connect(&broker, "setter");
    setter.publish(&publish("state", "online").qos1(1).retained());
    witness.expect_publish(&publish("state", "online").qos1(0));
    drop(with_will(&broker, "dying", &publish("state", "").retained()));
    witness.expect_publish(&publish("state", ""));
    setter.subscribe("state", 0);
    setter.expect_silence();
}
