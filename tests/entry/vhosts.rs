//! Vhosts are isolated from each other.

use crate::common::{
    Broker, Client, End, connack, connect, puback, publish, unsuback, unsubscribe,
};
use crate::common::{pubcomp, pubrec, pubrel, suback, subscribe};
use crate::files::{Files, PASSWORD, answer, connect_as, enter};

/// Two vhosts beside the default one: `plant 1` has anna and ben, `b` has anna.
fn files() -> Files {
    let files = Files::new();
    files.write_users("vhosts/plant%201/passwords", &["anna", "ben"]);
    files.write_users("vhosts/b/passwords", &["anna"]);
    files
}

// Users are their vhost's; an unknown vhost is refused as a wrong password is.
#[test]
fn users() {
    let files = files();
    let broker = Broker::start_with(2, &[&files.flag("--vhosts", "vhosts")]);
    for (user, code) in [
        ("plant 1:anna", 0),
        ("plant 1:ben", 0),
        ("b:anna", 0),
        ("b:ben", 5),
        ("plant%201:anna", 5),
        ("c:anna", 5),
        (":anna", 5),
        ("anna", 5),
    ] {
        assert_eq!(answer(&broker, &connect_as(user, "x")), code, "{user}");
    }
    let broker = Broker::start_with(1, &[&files.flag("--vhosts", "vhosts"), "--default-vhost=b"]);
    assert_eq!(answer(&broker, &connect_as("anna", "x")), 0);
    let wrong = connect("x").username("b:anna").password(format!("{PASSWORD}ben"));
    assert_eq!(answer(&broker, &wrong), 5);
}

// Everything one client can send has no effect in another vhost: client ids, subscriptions, QoS,
// retained values and their clearing, wills, sessions; also over a restart.
#[test]
fn apart() {
    let files = files();
    for shards in [1, 2] {
        let mut broker = Broker::start_with(shards, &[&files.flag("--vhosts", "vhosts")]);
        let [one, other] = ["plant 1:anna", "b:anna"];
        // The same client id in both.
        let mut first = Client::connect_with(&broker, &connect_as(one, "same").persistent());
        let mut second = Client::connect_with(&broker, &connect_as(other, "same").persistent());
        second.subscribe("#", 1);
        first.subscribe("t/#", 1);
        for (n, topic) in (1..).zip(["t/1", "t/2", "t/3"]) {
            first.send(&publish(topic, "first").retained().qos1(n).bytes());
            let expected = publish(topic, "first").at(1);
            let (mut acked, mut came) = (false, false);
            while !(acked && came) {
                match first.read_packet() {
                    packet if packet == puback(n) => acked = true,
                    packet => {
                        let got = crate::common::Publish::parse(&packet);
                        assert_eq!(
                            (&got.topic, &got.payload),
                            (&expected.topic, &expected.payload)
                        );
                        first.acknowledge(1, got.id);
                        came = true;
                    }
                }
            }
        }
        second.expect_silence();
        // Clearing, unsubscribing and a will there change nothing here.
        second.send(&publish("t/1", "").retained().bytes());
        second.send(&unsubscribe(9, &["t/#"]));
        second.expect_publish(&publish("t/1", ""));
        second.expect(&unsuback(9));
        // Neither does a message at QoS 2 with an identifier in use here, nor a will.
        second.send(&publish("t/2", "second").qos2(1).bytes());
        while second.read_packet() != pubrec(1) {}
        second.send(&pubrel(1));
        while second.read_packet() != pubcomp(1) {}
        let will = publish("t/3", "will of another").at(0);
        let doomed = connect("doomed").will(&will).username(other).password("password of anna");
        Client::connect_with(&broker, &doomed).reset();
        while second.read_packet() != will.bytes() {}
        first.expect_silence();
        drop(first);
        second.leave();
        broker.restart(End::Stopped);
        let mut first = Client::open(&broker);
        first.send(&connect_as(one, "same").persistent().bytes());
        first.expect(&connack(true, 0));
        first.send(&subscribe(1, &[("t/1", 1)]));
        first.expect(&suback(1, &[1]));
        first.expect_unacked(&publish("t/1", "first").retained().at(1));
        let mut second = enter(&broker, other, "reader");
        second.subscribe("#", 1);
        second.expect_silence();
    }
}

// Counters are separate for each vhost, over all shards.
#[test]
fn counted_apart() {
    let files = files();
    files.write("vhosts/b/acl", "user anna\ntopic readwrite t/#\n");
    let broker = Broker::start_with(2, &[&files.flag("--vhosts", "vhosts")]);
    for (n, user) in (1..).zip(["plant 1:anna", "plant 1:ben", "b:anna"]) {
        let mut client = enter(&broker, user, &format!("client-{n}"));
        client.send(&subscribe(1, &[("other", 0)]));
        client.expect(&suback(1, &[if n == 3 { 0x80 } else { 0 }]));
        for topic in ["t/1", "other"] {
            client.send(&publish(topic, "x").retained().qos1(7).bytes());
            while client.read_packet() != puback(7) {}
        }
        client.leave();
    }
    broker.terminate();
    let counted = broker.wait_for_line("counted in vhost \"b\":");
    for figure in ["clients_accepted 1", "publishes_in 1,", "publishes_denied 1", "retained 1,"] {
        assert!(counted.contains(figure), "{figure}: {counted}");
    }
    assert!(counted.contains("subscriptions_denied 1"), "{counted}");
    let counted = broker.wait_for_line("counted in vhost \"plant 1\":");
    for figure in ["clients_accepted 2", "publishes_in 4", "retained 2"] {
        assert!(counted.contains(figure), "{figure}: {counted}");
    }
    assert!(!counted.contains("denied"), "{counted}");
}
