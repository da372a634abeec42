//! Topic names and filters (4.7): which match, and which are none.

use crate::common::{
    Broker, Client, Publish, connect, frame, on_shards, puback, publish, resume_as, string, suback,
    subscribe, unsuback, unsubscribe,
};

/// Subscribes to `filter` alone and checks which of `topics` arrive.
fn assert_matches(broker: &Broker, publisher: &mut Client, filter: &str, topics: &[(&str, bool)]) {
    println!("{filter:?}");
    let mut client = Client::connect(broker, "matcher");
    client.send(&subscribe(1, &[(filter, 0), ("the end", 0)]));
    client.expect(&suback(1, &[0, 0]));
    for (topic, _) in topics {
        publisher.publish(&publish(topic, "x"));
    }
    publisher.publish(&publish("the end", "x"));
    for (topic, _) in topics.iter().filter(|(_, is_match)| *is_match) {
        client.expect(&publish(topic, "x").bytes());
    }
    client.expect(&publish("the end", "x").bytes());
}

/// The examples of the standard and of LavinMQ's routing table, and their like.
#[test]
pub(crate) fn filters_match_by_the_rules() {
    on_shards(&[1, 2], |broker| {
        let mut publisher = Client::connect(broker, "publisher");
        let hits = [
            "a/b/c", "a/#", "a/b/#", "a/b/+", "a/+/+", "+/+/+", "+/+/c", "+/b/c", "+/#", "+/+/#",
            "a/+/#", "a/+/c", "#", "a/b/c/#", "+/+/+/#", "+/b/#", "+/b/+",
        ];
        for filter in hits {
            assert_matches(broker, &mut publisher, filter, &[("a/b/c", true)]);
        }
        let misses = [
            "c/a/b",
            "c/#",
            "+/a/+",
            "c/+/#",
            "+/+/d",
            "a",
            "a/b",
            "+",
            "+/+",
            "a/b/c/d",
            "a/b/c/+",
            "a/b/c/d/#",
            "/a/b/c",
            "a/b/c/",
            "+/+/+/+",
            "A/b/c",
            "a/b/C",
            "a//b/c",
        ];
        for filter in misses {
            assert_matches(broker, &mut publisher, filter, &[("a/b/c", false)]);
        }
    });
}

/// `#` stands for any number of levels, none included: `a/#` matches `a`.
#[test]
pub(crate) fn hash_matches_its_parent() {
    let broker = Broker::start(1);
    let mut publisher = Client::connect(&broker, "publisher");
    let cases: [(&str, &[(&str, bool)]); 4] = [
        ("a/#", &[("a", true), ("a/", true), ("a/b", true), ("ab", false), ("/a", false)]),
        (
            "sport/tennis/player1/#",
            &[
                ("sport/tennis/player1", true),
                ("sport/tennis/player1/ranking", true),
                ("sport/tennis/player1/score/wimbledon", true),
                ("sport/tennis/player2", false),
                ("sport/tennis", false),
            ],
        ),
        ("#", &[("a", true), ("/", true), ("a/b/c/d/e/f", true)]),
        ("/#", &[("/", true), ("/a", true), ("a", false), ("a/", false)]),
    ];
    for (filter, topics) in cases {
        assert_matches(&broker, &mut publisher, filter, topics);
    }
}

/// `+` stands for exactly one level, which may be empty.
#[test]
pub(crate) fn plus_matches_one_level() {
    let broker = Broker::start(1);
    let mut publisher = Client::connect(&broker, "publisher");
    let cases: [(&str, &[(&str, bool)]); 6] = [
        ("+", &[("a", true), ("/a", false), ("a/", false), ("a/b", false)]),
        ("+/+", &[("/finance", true), ("a/b", true), ("/", true), ("a", false), ("a/b/c", false)]),
        ("/+", &[("/finance", true), ("/", true), ("finance", false), ("/a/b", false)]),
        ("sport/+", &[("sport/", true), ("sport/a", true), ("sport", false)]),
        ("sport/+/player1", &[("sport/tennis/player1", true), ("sport//player1", true)]),
        ("+/tennis/#", &[("a/tennis", true), ("/tennis/x", true), ("tennis", false)]),
    ];
    for (filter, topics) in cases {
        assert_matches(&broker, &mut publisher, filter, topics);
    }
}

/// A filter that starts with a wildcard does not match a topic that starts with `$`.
#[test]
pub(crate) fn wildcards_leave_dollar_topics_alone() {
    let broker = Broker::start(1);
    let mut publisher = Client::connect(&broker, "publisher");
    let cases: [(&str, &[(&str, bool)]); 8] = [
        ("#", &[("$app/a", false), ("$", false), ("a/$app", true)]),
        ("+/a", &[("$app/a", false), ("app/a", true)]),
        ("+/#", &[("$app/a", false), ("$app", false)]),
        ("+", &[("$app", false), ("app", true)]),
        ("$app/#", &[("$app/a", true), ("$app", true), ("app/a", false)]),
        ("$app/+", &[("$app/a", true), ("$app/$a", true)]),
        ("$app/a", &[("$app/a", true)]),
        ("a/+", &[("a/$app", true)]),
    ];
    for (filter, topics) in cases {
        assert_matches(&broker, &mut publisher, filter, topics);
    }
}

/// Topics are compared as they are: no case folding, no normalisation, no trimming.
#[test]
pub(crate) fn topics_are_not_normalised() {
    let broker = Broker::start(1);
    let mut publisher = Client::connect(&broker, "publisher");
    let composed = "caf\u{e9}";
    let decomposed = "cafe\u{301}";
    let cases: [(&str, &[(&str, bool)]); 7] = [
        ("ACCOUNTS", &[("Accounts", false), ("accounts", false), ("ACCOUNTS", true)]),
        (composed, &[(decomposed, false), (composed, true)]),
        (decomposed, &[(composed, false), (decomposed, true)]),
        ("a b", &[("a  b", false), ("a b ", false), (" a b", false), ("a b", true)]),
        ("a/./b", &[("a/b", false), ("a/./b", true)]),
        ("a//b", &[("a/b", false), ("a///b", false), ("a//b", true)]),
        ("\u{1f980}/+", &[("\u{1f980}/\u{fffd}", true), ("?/a", false)]),
    ];
    for (filter, topics) in cases {
        assert_matches(&broker, &mut publisher, filter, topics);
    }
}

/// A delivered message has the topic it was published with, which matches the filter.
#[test]
pub(crate) fn delivered_topic_is_the_published_one() {
    on_shards(&[1, 2, 4], |broker| {
        let mut client = Client::connect(broker, "client");
        client.subscribe("+/b/#", 1);
        let mut publisher = Client::connect(broker, "publisher");
        for topic in ["a/b", "a/b/c", "x/b/c/d", "/b/", "\u{feff}/b"] {
            publisher.publish(&publish("not/this", "x").qos1(1));
            publisher.publish(&publish(topic, topic).qos1(2));
            client.expect_publish(&publish(topic, topic).qos1(0));
        }
    });
}

/// A wildcard in the wrong place closes the connection, in SUBSCRIBE and UNSUBSCRIBE, alone and
/// beside good filters, of which none is subscribed to or given up.
#[test]
pub(crate) fn misplaced_wildcards_close() {
    let broker = Broker::start(1);
    let wrong = [
        "#/a", "a/#/b", "a#", "#a", "a/b#", "a/#b", "##", "a/##", "#/#", "#/", "a+", "+a", "a/+b",
        "a/b+/c", "++", "a/++", "+a/b", "+#", "#+", "a/+#",
    ];
    Client::connect_with(&broker, &connect("client").persistent()).subscribe("kept", 0);
    for filter in wrong {
        println!("{filter}");
        for packet in [
            subscribe(1, &[(filter, 1)]),
            subscribe(1, &[("a", 1), (filter, 1), ("a/b", 1)]),
            unsubscribe(1, &[filter]),
            unsubscribe(1, &["kept", filter]),
        ] {
            let mut client = resume_as(&broker, "client", true);
            client.send(&packet);
            client.expect_closed();
        }
    }
    let mut client = resume_as(&broker, "client", true);
    for topic in ["a", "a/b", "a/b/c"] {
        client.publish(&publish(topic, "x"));
    }
    client.expect_silence();
    client.publish(&publish("kept", "x"));
    client.expect_publish(&publish("kept", "x"));
}

/// A topic name and a filter have at least one character: an empty one closes.
#[test]
pub(crate) fn empty_topics_close() {
    let broker = Broker::start(1);
    for message in [publish("", "x"), publish("", "x").qos1(1), publish("", "").retained()] {
        let mut client = Client::connect(&broker, "client");
        client.send(&message.bytes());
        client.expect_closed();
    }
    for packet in [
        subscribe(1, &[("", 0)]),
        subscribe(1, &[("a", 0), ("", 0)]),
        unsubscribe(1, &[""]),
        unsubscribe(1, &["a", ""]),
    ] {
        let mut client = Client::connect(&broker, "client");
        client.send(&packet);
        client.expect_closed();
    }
}

/// Topic names and filters of up to 65,535 bytes work, retained and as wills too.
#[test]
pub(crate) fn longest_topics_work() {
    on_shards(&[1, 2], |broker| {
        for length in [255, 256, 65_534, 65_535] {
            println!("{length} bytes");
            let topic = "t".repeat(length);
            let mut client = Client::connect(broker, "client");
            let mut publisher = Client::connect(broker, "publisher");
            publisher.publish(&publish(&topic, "x").qos1(1).retained());
            client.subscribe(&topic, 1);
            client.expect_publish(&publish(&topic, "x").qos1(0).retained());
            publisher.publish(&publish(&topic, "y").qos1(2));
            client.expect_publish(&publish(&topic, "y").qos1(0));
            client.unsubscribe(&topic);
            publisher.publish(&publish(&topic, "z").qos1(3));
            client.expect_silence();
        }
    });
}

/// The two length bytes of a topic are authoritative: the rest is payload.
#[test]
pub(crate) fn topic_ends_where_its_length_says() {
    let broker = Broker::start(1);
    let mut client = Client::connect(&broker, "client");
    client.subscribe("ab", 1);
    let body = [&string("ab")[..], &[0, 9], b"cd"].concat();
    client.send(&frame(0x32, &body));
    let mut packets = [client.read_packet(), client.read_packet()];
    packets.sort();
    let came = Publish::parse(&packets[0]);
    assert_eq!((came.topic, came.payload), (b"ab".to_vec(), b"cd".to_vec()));
    assert_eq!(packets[1], puback(9));
}

/// A shared subscription of wrong form is refused with 0x80: as a filter of 3.1.1 it would match
/// nothing. Unsubscribing from one changes nothing. A message to the name of one is dropped.
#[test]
pub(crate) fn bad_shares_are_refused() {
    on_shards(&[1, 2], |broker| {
        let mut client = Client::connect(broker, "client");
        let filters =
            ["$share/", "$share//a", "$share/group", "$share/group/", "$share/+", "$share/+/a"];
        let mut entries: Vec<_> = filters.iter().map(|filter| (*filter, 1)).collect();
        entries.extend([("$share", 0), ("$shared/a", 0), ("a/$share/b", 1)]);
        client.send(&subscribe(1, &entries));
        client.expect(&suback(1, &[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0, 0, 1]));
        client.send(&unsubscribe(2, &filters));
        client.expect(&unsuback(2));
        for topic in ["a", "$share/group/a", "$share/group", "$share//a"] {
            client.publish(&publish(topic, "x").qos1(3));
        }
        client.expect_silence();
        for topic in ["$share", "$shared/a", "a/$share/b"] {
            client.publish(&publish(topic, "x"));
            client.expect_publish(&publish(topic, "x"));
        }
    });
}

/// Messages and wills of clients to `$SYS` and below are acknowledged, and neither delivered nor
/// retained; other topics with a `$` may be used.
#[test]
pub(crate) fn system_topics_are_the_brokers() {
    on_shards(&[1, 2], |broker| {
        let mut witness = Client::connect(broker, "witness");
        witness.send(&subscribe(1, &[("$SYS/#", 2), ("$SYS", 2), ("$app/#", 0), ("will", 0)]));
        witness.expect(&suback(1, &[2, 2, 0, 0]));
        let mut client = Client::connect(broker, "client");
        for topic in ["$SYS", "$SYS/", "$SYS/broker/uptime"] {
            for message in [publish(topic, "x"), publish(topic, "x").retained()] {
                client.publish(&message);
                client.publish(&message.clone().qos1(1));
                client.publish(&message.clone().qos2(2));
            }
            let will = publish(topic, "x").qos1(0).retained();
            drop(Client::connect_with(broker, &connect("with will").will(&will)));
            drop(Client::connect_with(broker, &connect("with will").will(&publish("will", "y"))));
            witness.expect_publish(&publish("will", "y"));
        }
        for topic in ["$app/x", "$app"] {
            client.publish(&publish(topic, "x"));
            witness.expect_publish(&publish(topic, "x"));
        }
        witness.expect_silence();
        let mut late = Client::connect(broker, "late");
        late.subscribe("$SYS/#", 1);
        late.expect_silence();
        broker.terminate();
        assert!(broker.wait_for_line("counted:").contains("publishes_denied 21"));
    });
}

/// Topics and filters within `--max-topic-levels` match at any depth, with wildcards at every
/// level; deeper ones are refused without closing.
#[test]
pub(crate) fn deep_topics_work() {
    const LEVELS: usize = 32_768;
    let broker = Broker::start_with(2, &["--max-topic-levels", &LEVELS.to_string()]);
    let mut client = Client::connect(&broker, "client");
    let mut publisher = Client::connect(&broker, "publisher");
    let (deepest, literal) = (["t"; LEVELS].join("/"), ["t"; LEVELS - 1].join("/"));
    let filters = [
        deepest.clone(),
        ["+"; LEVELS].join("/"),
        format!("{}/#", ["+"; LEVELS - 1].join("/")),
        ["+", "t"].repeat(LEVELS / 2).join("/"),
        ["t", "+"].repeat(LEVELS / 2).join("/"),
        format!("{literal}/+"),
        format!("{literal}/#"),
    ];
    // All at once: each level has a name and a wildcard below it.
    for filter in &filters {
        client.subscribe(filter, 1);
    }
    publisher.publish(&publish(&deepest, "x").qos1(1));
    client.expect_publish(&publish(&deepest, "x").qos1(0));
    for filter in &filters {
        client.unsubscribe(filter);
    }
    publisher.publish(&publish(&deepest, "y").qos1(1));
    client.expect_silence();
    let deeper = format!("{}/", &deepest[..deepest.len() - 1]);
    client.send(&subscribe(1, &[(&deeper, 0), (&"/".repeat(65_535), 0), (&deepest, 0)]));
    client.expect(&suback(1, &[0x80, 0x80, 0]));
    for topic in [&deeper, &"/".repeat(65_535)] {
        for message in [publish(topic, "x"), publish(topic, "x").qos1(1).retained()] {
            publisher.publish(&message);
        }
        publisher.publish(&publish(topic, "x").qos2(1));
    }
    client.expect_silence();
}
