//! Sessions: the state that outlives a connection, and other state (3.1.2.4, 3.2.2.2, 4.1).

use crate::common::{Broker, Client, connack, connect, on_shards, publish, resume_as};

/// The client ids a test repeats itself with, so that several shards are met.
const IDS: [&str; 4] = ["amber", "birch", "cedar", "dill"];

/// A session keeps its subscriptions over connections, however they end.
#[test]
pub(crate) fn session_is_resumed() {
    on_shards(&[1, 2, 4], |broker| {
        let mut publisher = Client::connect(broker, "publisher");
        for id in IDS {
            let mut client = resume_as(broker, id, false);
            client.subscribe(id, 1);
            client.leave();
            for end in ["leave", "close", "reset", "takeover"] {
                let mut client = resume_as(broker, id, true);
                publisher.publish(&publish(id, end).qos1(1));
                client.expect_publish(&publish(id, end).qos1(0));
                client.expect_silence();
                match end {
                    "leave" => client.leave(),
                    "close" => drop(client),
                    "reset" => client.reset(),
                    _ => {
                        drop(resume_as(broker, id, true));
                        client.expect_closed();
                    }
                }
            }
        }
    });
}

/// A session exists from its CONNECT on, not from its first subscription.
#[test]
pub(crate) fn session_exists_without_subscriptions() {
    on_shards(&[1, 2, 4], |broker| {
        for id in IDS {
            resume_as(broker, id, false).leave();
            resume_as(broker, id, true).leave();
        }
    });
}

/// Messages of QoS 1 for an absent session are kept; of QoS 0, not.
#[test]
pub(crate) fn qos_1_is_kept_for_the_absent() {
    on_shards(&[1, 2, 4], |broker| {
        let mut publisher = Client::connect(broker, "publisher");
        for id in IDS {
            let mut client = resume_as(broker, id, false);
            client.subscribe(&format!("{id}/+"), 1);
            client.leave();
            for number in 0..20 {
                let topic = format!("{id}/{number}");
                publisher.publish(&publish(&topic, "qos 0"));
                publisher.publish(&publish(&topic, "qos 1").qos1(7));
            }
            let mut client = resume_as(broker, id, true);
            for number in 0..20 {
                client.expect_publish(&publish(format!("{id}/{number}"), "qos 1").qos1(0));
            }
            client.expect_silence();
        }
    });
}

/// Messages for a QoS 0 subscription of an absent session are not kept, at any published QoS.
#[test]
pub(crate) fn qos_0_subscription_keeps_nothing() {
    let broker = Broker::start(1);
    let mut client = resume_as(&broker, "absent", false);
    client.subscribe("zero", 0);
    client.subscribe("one", 1);
    client.leave();
    let mut publisher = Client::connect(&broker, "publisher");
    publisher.publish(&publish("zero", "x").qos1(1));
    publisher.publish(&publish("one", "x").qos1(2));
    let mut client = resume_as(&broker, "absent", true);
    client.expect_publish(&publish("one", "x").qos1(0));
    client.expect_silence();
}

/// Clean session 1 discards the stored session, and leaves nothing behind.
#[test]
pub(crate) fn clean_session_discards() {
    on_shards(&[1, 2, 4], |broker| {
        let mut publisher = Client::connect(broker, "publisher");
        for id in IDS {
            let mut client = resume_as(broker, id, false);
            client.subscribe(id, 1);
            client.leave();
            publisher.publish(&publish(id, "of the discarded session").qos1(1));
            let mut client = Client::connect(broker, id);
            publisher.publish(&publish(id, "to nobody").qos1(2));
            client.expect_silence();
            client.subscribe(id, 1);
            client.leave();
            publisher.publish(&publish(id, "of the clean session").qos1(3));
            resume_as(broker, id, false).expect_silence();
            // Another clean one after a clean one.
            Client::connect(broker, id).leave();
            Client::connect(broker, id).leave();
        }
    });
}

/// A clean session also ends when its connection is merely lost, or taken over.
#[test]
pub(crate) fn clean_session_ends_with_its_connection() {
    on_shards(&[1, 2], |broker| {
        for id in IDS {
            let mut clean = Client::connect(broker, id);
            clean.subscribe(id, 1);
            let mut next = resume_as(broker, id, false);
            clean.expect_closed();
            let mut publisher = Client::connect(broker, "publisher");
            publisher.publish(&publish(id, "x").qos1(1));
            next.expect_silence();
        }
    });
}

/// A clean connect that takes over a connected persistent session discards it, too.
#[test]
pub(crate) fn clean_takeover_discards() {
    on_shards(&[1, 2], |broker| {
        for id in IDS {
            let mut kept = resume_as(broker, id, false);
            kept.subscribe(id, 1);
            let clean = Client::connect(broker, id);
            kept.expect_closed();
            clean.leave();
            resume_as(broker, id, false).leave();
        }
    });
}

/// Session present is 0 with clean session 1, although there was a session.
#[test]
pub(crate) fn clean_session_has_no_session_present() {
    on_shards(&[1, 2, 4], |broker| {
        for id in IDS {
            resume_as(broker, id, false).leave();
            resume_as(broker, id, true).leave();
            Client::connect(broker, id).leave();
        }
    });
}

/// Session present is 1 only for a session that there is.
#[test]
pub(crate) fn session_present_tells_the_truth() {
    on_shards(&[1, 2, 4], |broker| {
        for id in IDS {
            resume_as(broker, id, false).leave();
            resume_as(broker, id, true).leave();
            resume_as(broker, &id.to_uppercase(), false).leave();
            Client::connect(broker, id).leave();
            resume_as(broker, id, false).leave();
            // Connected still: taken over with its session.
            let mut old = resume_as(broker, id, true);
            resume_as(broker, id, true).leave();
            old.expect_closed();
        }
    });
}

/// The session belongs to the client id and to nothing else about the client.
#[test]
pub(crate) fn client_id_names_the_session() {
    let broker = Broker::start(1);
    let mut client = Client::connect_with(
        &broker,
        &connect("shared").persistent().keep_alive(60).username("one"),
    );
    client.subscribe("shared", 1);
    client.leave();
    let mut other = resume_as(&broker, "other", false);
    let mut client = Client::open(&broker);
    client.send(&connect("shared").persistent().username("two").bytes());
    client.expect(&connack(true, 0));
    other.publish(&publish("shared", "x").qos1(1));
    client.expect_publish(&publish("shared", "x").qos1(0));
    other.expect_silence();
}

/// Retained messages are not part of a session: they outlive the one that published them.
#[test]
pub(crate) fn retained_messages_outlive_the_session() {
    on_shards(&[1, 2, 4], |broker| {
        for id in IDS {
            let mut client = Client::connect(broker, id);
            client.publish(&publish(id, "kept").qos1(1).retained());
            client.leave();
            Client::connect(broker, id).leave();
            let mut reader = Client::connect(broker, "reader");
            reader.subscribe(id, 0);
            reader.expect_publish(&publish(id, "kept").retained());
        }
    });
}

/// A session stores its subscriptions and unacknowledged messages for its lifetime.
#[test]
pub(crate) fn session_state_is_stored() {
    on_shards(&[1, 2], |broker| {
        let mut publisher = Client::connect(broker, "publisher");
        let mut client = resume_as(broker, "stored", false);
        client.subscribe("first/#", 1);
        client.subscribe("second", 1);
        publisher.publish(&publish("first/a", "1").qos1(1));
        let id = client.expect_unacked(&publish("first/a", "1").qos1(0));
        for round in 0..5 {
            drop(client);
            client = resume_as(broker, "stored", true);
            client.expect(&publish("first/a", "1").qos1(id).again().bytes());
            let topic = if round % 2 == 0 { "first" } else { "second" };
            publisher.publish(&publish(topic, "live").qos1(2));
            client.expect_publish(&publish(topic, "live").qos1(0));
            // A PUBACK is on another connection than the CONNECT that follows: it must be in.
            client.expect_silence();
        }
    });
}

/// A session lasts at least as long as its connection; a clean one too.
#[test]
pub(crate) fn session_lasts_as_long_as_its_connection() {
    on_shards(&[1, 2], |broker| {
        let mut client = Client::connect(broker, "lasting");
        client.subscribe("lasting", 1);
        for number in 0..50 {
            // Other clients connect and disconnect meanwhile.
            let mut other = Client::connect(broker, &format!("other-{number}"));
            other.subscribe("lasting", 1);
            other.publish(&publish("lasting", "x"));
            other.expect_publish(&publish("lasting", "x"));
            other.leave();
            client.expect_publish(&publish("lasting", "x"));
        }
    });
}
