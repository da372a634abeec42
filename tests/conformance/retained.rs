//! Retained messages (3.3.1.3).

use crate::common::{
    Broker, Client, Publish, on_shards, puback, publish, resume_as, suback, subscribe,
};

/// A new subscription gets the last retained message of each matching topic, with RETAIN 1.
#[test]
pub(crate) fn new_subscription_gets_what_is_retained() {
    on_shards(&[1, 2, 4], |broker| {
        let mut publisher = Client::connect(broker, "publisher");
        for number in 0..10 {
            for text in ["first", "last"] {
                let message = publish(format!("retained/{number}"), text);
                publisher.publish(&message.qos1(1).retained());
            }
        }
        for id in ["elm", "fern", "gorse", "hazel"] {
            let mut subscriber = Client::connect(broker, id);
            subscriber.subscribe("retained/3", 1);
            subscriber.expect_publish(&publish("retained/3", "last").qos1(0).retained());
            subscriber.expect_silence();
            subscriber.subscribe("retained/+", 1);
            let mut came: Vec<_> = (0..10)
                .map(|_| {
                    let message = subscriber.read_publish();
                    subscriber.send(&puback(message.id));
                    assert_eq!(message.payload, b"last");
                    assert!(message.retain && !message.dup && message.qos == 1, "{message:?}");
                    message.topic
                })
                .collect();
            came.sort();
            let due: Vec<_> =
                (0..10).map(|number| format!("retained/{number}").into_bytes()).collect();
            assert_eq!(came, due);
            subscriber.expect_silence();
        }
    });
}

/// Wildcards find retained messages by the same rules as live ones.
#[test]
pub(crate) fn wildcards_find_what_is_retained() {
    on_shards(&[1, 2], |broker| {
        let mut publisher = Client::connect(broker, "publisher");
        let topics = ["a", "a/b", "a/b/c", "a/", "/a", "b", "$private", "$private/b"];
        for topic in topics {
            publisher.publish(&publish(topic, "x").qos1(1).retained());
        }
        let cases: [(&str, &[&str]); 11] = [
            ("#", &["/a", "a", "a/", "a/b", "a/b/c", "b"]),
            ("+", &["a", "b"]),
            ("a", &["a"]),
            ("a/#", &["a", "a/", "a/b", "a/b/c"]),
            ("a/+", &["a/", "a/b"]),
            ("+/+", &["/a", "a/", "a/b"]),
            ("+/b/#", &["a/b", "a/b/c"]),
            ("a/b/c/#", &["a/b/c"]),
            ("$private/#", &["$private", "$private/b"]),
            ("+/b", &["a/b"]),
            ("c/#", &[]),
        ];
        for (filter, due) in cases {
            println!("{filter}");
            let mut subscriber = Client::connect(broker, "subscriber");
            subscriber.subscribe(filter, 0);
            let mut came: Vec<_> = due.iter().map(|_| subscriber.read_publish().topic).collect();
            came.sort();
            let due: Vec<_> = due.iter().map(|topic| topic.as_bytes().to_vec()).collect();
            assert_eq!(came, due);
            subscriber.expect_silence();
        }
    });
}

/// An established subscription gets the live copy, with RETAIN 0.
#[test]
pub(crate) fn live_copies_have_retain_0() {
    on_shards(&[1, 2, 4], |broker| {
        let mut publisher = Client::connect(broker, "publisher");
        for id in ["elm", "fern", "gorse", "hazel"] {
            let mut subscriber = Client::connect(broker, id);
            subscriber.subscribe(&format!("live/{id}"), 1);
            let live = publish(format!("live/{id}"), "x");
            publisher.publish(&live.clone().retained());
            subscriber.expect_live(&live);
            publisher.publish(&live.clone().qos1(1).retained());
            subscriber.expect_publish(&live.qos1(0));
            subscriber.expect_silence();
        }
    });
}

/// A message for an absent session was live: RETAIN 0.
#[test]
pub(crate) fn kept_copies_have_retain_0() {
    on_shards(&[1, 2], |broker| {
        let mut absent = resume_as(broker, "absent", false);
        absent.subscribe("kept", 1);
        absent.leave();
        let mut publisher = Client::connect(broker, "publisher");
        publisher.publish(&publish("kept", "x").qos1(1).retained());
        let mut absent = resume_as(broker, "absent", true);
        absent.expect_publish(&publish("kept", "x").qos1(0));
        absent.expect_silence();
    });
}

/// The retained message keeps its QoS: it is sent at the lower of that and the granted one.
#[test]
pub(crate) fn qos_is_retained() {
    let broker = Broker::start(1);
    let mut client = Client::connect(&broker, "client");
    client.publish(&publish("qos/0", "x").retained());
    client.publish(&publish("qos/1", "x").qos1(1).retained());
    client.publish(&publish("qos/2", "x").qos2(2).retained());
    for (kept, topic) in (0..).zip(["qos/0", "qos/1", "qos/2"]) {
        for granted in 0..3 {
            println!("{topic} granted {granted}");
            client.subscribe(topic, granted);
            client.expect_publish(&publish(topic, "x").retained().at(kept.min(granted)));
            client.unsubscribe(topic);
        }
    }
}

/// A retained message of QoS 0 takes the place of one of QoS 1, and the other way.
#[test]
pub(crate) fn retained_qos_0_replaces() {
    let broker = Broker::start(1);
    let mut client = Client::connect(&broker, "client");
    let one = publish("replaced", "one").qos1(1).retained();
    let zero = publish("replaced", "zero").retained();
    for message in [&one, &zero, &one, &zero] {
        client.publish(message);
        client.subscribe("replaced", 1);
        client.expect_publish(message);
        client.expect_silence();
        client.unsubscribe("replaced");
    }
}

/// An empty retained message clears its topic, and is delivered live like any other.
#[test]
pub(crate) fn empty_message_clears() {
    on_shards(&[1, 2, 4], |broker| {
        for topic in ["elm", "fern", "gorse", "hazel"] {
            let mut publisher = Client::connect(broker, topic);
            publisher.publish(&publish(topic, "x").qos1(1).retained());
            publisher.publish(&publish(format!("{topic}/other"), "stays").qos1(2).retained());
            let mut subscriber = Client::connect(broker, "subscriber");
            subscriber.subscribe(topic, 1);
            subscriber.expect_publish(&publish(topic, "x").qos1(0).retained());
            publisher.publish(&publish(topic, "").qos1(3).retained());
            subscriber.expect_publish(&publish(topic, "").qos1(0));
            subscriber.subscribe(topic, 1);
            subscriber.expect_silence();
            subscriber.subscribe(&format!("{topic}/other"), 1);
            let other = publish(format!("{topic}/other"), "stays").qos1(0).retained();
            subscriber.expect_publish(&other);
            // QoS 0 clears as well, on a shard of its own.
            publisher.publish(&publish(format!("{topic}/other"), "").retained());
            subscriber.expect_publish(&publish(format!("{topic}/other"), ""));
        }
    });
}

/// An empty message is not retained, neither where there was one nor where there was none.
#[test]
pub(crate) fn empty_message_is_not_retained() {
    let broker = Broker::start(1);
    let mut client = Client::connect(&broker, "client");
    client.publish(&publish("never", "").retained());
    client.publish(&publish("never", "").qos1(1).retained());
    client.publish(&publish("once", "x").retained());
    client.publish(&publish("once", "").retained());
    client.subscribe("#", 1);
    client.expect_silence();
}

/// RETAIN 0 neither stores nor removes nor replaces; an empty payload alone does not clear.
#[test]
pub(crate) fn retain_0_leaves_the_store_alone() {
    on_shards(&[1, 2, 4], |broker| {
        let mut client = Client::connect(broker, "client");
        client.publish(&publish("set", "kept").qos1(1).retained());
        for payload in ["another", ""] {
            client.publish(&publish("set", payload));
            client.publish(&publish("set", payload).qos1(2));
            client.publish(&publish("unset", payload).qos1(3));
        }
        client.send(&subscribe(9, &[("set", 0), ("unset", 0)]));
        client.expect(&suback(9, &[0, 0]));
        client.expect_publish(&publish("set", "kept").retained());
        client.expect_silence();
    });
}

/// Each SUBSCRIBE brings the retained message, a repeated one too.
#[test]
pub(crate) fn repeated_subscribe_brings_it_again() {
    on_shards(&[1, 2], |broker| {
        let mut client = resume_as(broker, "client", false);
        client.publish(&publish("again", "x").qos1(1).retained());
        for _ in 0..3 {
            client.subscribe("again", 0);
            client.expect_publish(&publish("again", "x").retained());
            client.expect_silence();
        }
        // A resumed session does not subscribe anew.
        client.leave();
        resume_as(broker, "client", true).expect_silence();
    });
}

/// A retained message that is delivered again still has RETAIN 1, and DUP 1.
#[test]
pub(crate) fn redelivery_keeps_retain() {
    on_shards(&[1, 2], |broker| {
        for qos in [1, 2] {
            let mut client = resume_as(broker, "client", false);
            client.publish(&publish("again", "x").qos2(1).retained());
            client.subscribe("again", qos);
            let due = publish("again", "x").retained().at(qos);
            let id = client.expect_unacked(&due);
            client.leave();
            let mut client = resume_as(broker, "client", true);
            client.expect(&Publish { id, ..due.again() }.bytes());
            client.leave();
            Client::connect(broker, "client").leave();
        }
    });
}
