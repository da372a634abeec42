//! State that survives temporarily wrong files: subscriptions, sessions, backlogs.

use crate::common::{
    Broker, Client, End, Publish, connack, puback, pubcomp, publish, pubrec, pubrel, suback,
    subscribe, unsuback, unsubscribe,
};
use crate::files::{Files, connect_as, enter};

const RIGHT: &str = "user anna\ntopic readwrite #\nuser ben\ntopic read a/#\ntopic read b/#\n";
/// It has everything for anna and nothing for ben.
const WRONG: &str = "user anna\ntopic readwrite #\nuser bne\ntopic read a/#\ntopic read b/#\n";

/// Half of the rules that ben needs are missing.
const HALF: &str = "user anna\ntopic readwrite #\nuser ben\ntopic read b/#\n";

/// The ways in which the broker reads changed files.
const WAYS: [Option<End>; 3] = [None, Some(End::Stopped), Some(End::Killed)];

fn read_again(broker: &mut Broker, way: Option<End>) {
    match way {
        None => drop(broker.reload()),
        Some(end) => broker.restart(end),
    }
}

fn start(files: &Files, shards: usize, more: &[&str]) -> Broker {
    files.write_users("passwords", &["anna", "ben"]);
    files.write("acl", RIGHT);
    let flags = [&*files.flag("--passwords", "passwords"), &files.flag("--acl", "acl")];
    Broker::start_with(shards, &[&flags, more].concat())
}

#[track_caller]
fn resume(broker: &Broker, user: &str, id: &str, present: bool) -> Client {
    let mut client = Client::open(broker);
    client.send(&connect_as(user, id).persistent().bytes());
    client.expect(&connack(present, 0));
    client
}

/// Publishes with an acknowledgement, as `anna`.
#[track_caller]
fn say(broker: &Broker, topic: &str, payload: &str) {
    let mut anna = enter(broker, "anna", "anna");
    anna.publish(&publish(topic, payload).qos1(1));
    anna.leave();
}

/// The next packet is this message, at QoS 1; after a kill DUP is unknown.
#[track_caller]
fn expect_kept(client: &mut Client, topic: &str, payload: &str) {
    let came = client.read_publish();
    let due = Publish { dup: came.dup, ..publish(topic, payload).qos1(came.id) };
    assert_eq!(came, due);
    client.send(&puback(came.id));
}

// Rules that deny all subscriptions of a session: the subscriptions stay, no message is delivered
// meanwhile, and the backlog is delivered when the rules are right again, whether its client
// connected meanwhile or not.
#[test]
fn denied_subscriptions_are_kept() {
    for (shards, way) in WAYS.iter().flat_map(|way| [(1, *way), (2, *way)]) {
        let files = Files::new();
        let mut broker = start(&files, shards, &[]);
        for id in ["curious", "patient"] {
            let mut client = resume(&broker, "ben", id, false);
            client.send(&subscribe(1, &[("a/1", 1), ("b/#", 2)]));
            client.expect(&suback(1, &[1, 2]));
            client.leave();
        }
        say(&broker, "a/1", "before");
        files.write("acl", WRONG);
        read_again(&mut broker, way);
        say(&broker, "a/1", "meanwhile");
        let mut curious = resume(&broker, "ben", "curious", true);
        curious.expect_silence();
        // New requests are judged by the present rules, and remove nothing.
        curious.send(&subscribe(2, &[("a/1", 1), ("b/1", 1)]));
        curious.expect(&suback(2, &[0x80, 0x80]));
        curious.expect_silence();
        curious.leave();
        files.write("acl", RIGHT);
        read_again(&mut broker, way);
        say(&broker, "a/1", "after");
        say(&broker, "b/2", "too");
        for id in ["curious", "patient"] {
            let mut client = resume(&broker, "ben", id, true);
            for (topic, payload) in [("a/1", "before"), ("a/1", "after"), ("b/2", "too")] {
                expect_kept(&mut client, topic, payload);
            }
            client.expect_silence();
        }
        if way.is_none() {
            broker.terminate();
            let counted = broker.wait_for_line("counted:");
            assert!(counted.contains("subscriptions_suspended 4"), "{counted}");
            assert!(counted.contains("subscriptions_resumed 4"), "{counted}");
        }
    }
}

// The same for connected clients: live messages, unacknowledged messages, and the backlog behind
// them. The affected subscriptions are logged.
#[test]
fn clients_go_on() {
    for shards in [1, 2] {
        let files = Files::new();
        let broker = start(&files, shards, &["--max-inflight=1"]);
        let mut live = enter(&broker, "ben", "live");
        live.subscribe("a/#", 0);
        let mut slow = resume(&broker, "ben", "slow", false);
        slow.subscribe("a/1", 2);
        for payload in ["1", "2"] {
            enter(&broker, "anna", "anna").publish(&publish("a/1", payload).qos2(1));
            live.expect_publish(&publish("a/1", payload));
        }
        let id = slow.expect_unacked(&publish("a/1", "1").qos2(0));
        files.write("acl", WRONG);
        broker.reload();
        say(&broker, "a/1", "meanwhile");
        // The handshake continues, and the next message waits.
        slow.send(&pubrec(id));
        slow.expect(&pubrel(id));
        slow.send(&pubcomp(id));
        slow.expect_silence();
        live.expect_silence();
        files.write("acl", RIGHT);
        broker.reload();
        slow.expect_publish(&publish("a/1", "2").qos2(0));
        say(&broker, "a/1", "after");
        slow.expect_publish(&publish("a/1", "after").qos1(0));
        live.expect_publish(&publish("a/1", "after"));
        broker.terminate();
        broker.wait_for_line("counted:");
        let said = broker.said();
        let line = |words: &str| said.lines().find(|line| line.contains(words)).expect(words);
        let denied = line("the access rules deny ");
        assert!(denied.contains("They are kept"), "{denied}");
        for line in [denied, line("the access rules allow again ")] {
            assert_eq!(line.matches("shard ").count(), 1, "{line}");
        }
    }
}

// Rules that deny a part of a session's subscriptions: the rest is delivered. Waiting messages of
// the denied part are dropped, and counted, when they would be sent; not while the client is
// absent.
#[test]
fn a_denied_part_does_not_hold_up_the_rest() {
    for shards in [1, 2] {
        let files = Files::new();
        let broker = start(&files, shards, &[]);
        for id in ["curious", "patient"] {
            let mut client = resume(&broker, "ben", id, false);
            client.send(&subscribe(1, &[("a/1", 1), ("b/1", 1)]));
            client.expect(&suback(1, &[1, 1]));
            client.leave();
        }
        for topic in ["a/1", "b/1", "a/1", "b/1"] {
            say(&broker, topic, "before");
        }
        files.write("acl", HALF);
        broker.reload();
        let mut curious = resume(&broker, "ben", "curious", true);
        for _ in 0..2 {
            curious.expect_publish(&publish("b/1", "before").qos1(0));
        }
        curious.expect_silence();
        files.write("acl", RIGHT);
        broker.reload();
        curious.expect_silence();
        let mut patient = resume(&broker, "ben", "patient", true);
        for topic in ["a/1", "b/1", "a/1", "b/1"] {
            patient.expect_publish(&publish(topic, "before").qos1(0));
        }
        say(&broker, "a/1", "after");
        for client in [&mut curious, &mut patient] {
            client.expect_publish(&publish("a/1", "after").qos1(0));
            client.expect_silence();
        }
        broker.terminate();
        assert!(broker.wait_for_line("counted:").contains("queued_denied 2"));
        let said = broker.said();
        assert!(
            said.contains("client \"curious\": a waiting message to \"a/1\" is dropped"),
            "{said}"
        );
    }
}

// A client that unsubscribes while the rules deny its filter is unsubscribed.
#[test]
fn unsubscribed_is_unsubscribed() {
    for shards in [1, 2] {
        let files = Files::new();
        let broker = start(&files, shards, &[]);
        let mut client = resume(&broker, "ben", "client", false);
        client.subscribe("a/1", 1);
        client.subscribe("a/2", 1);
        client.leave();
        say(&broker, "a/1", "before");
        files.write("acl", WRONG);
        broker.reload();
        let mut client = resume(&broker, "ben", "client", true);
        client.send(&unsubscribe(1, &["a/1"]));
        client.expect(&unsuback(1));
        files.write("acl", RIGHT);
        broker.reload();
        // It was delivered at the SUBSCRIBE.
        client.expect_publish(&publish("a/1", "before").qos1(0));
        say(&broker, "a/1", "after");
        say(&broker, "a/2", "after");
        client.expect_publish(&publish("a/2", "after").qos1(0));
        client.expect_silence();
    }
}

// Publishers that wait for a session to have room do not wait for the rules.
#[test]
fn nobody_waits_for_a_session_that_waits() {
    let files = Files::new();
    let flags = ["--session-overflow=block", "--session-max-bytes=65536"];
    let broker = start(&files, 1, &flags);
    let mut reader = resume(&broker, "ben", "reader", false);
    reader.subscribe("a/1", 1);
    reader.leave();
    let mut writer = enter(&broker, "anna", "writer");
    let large = vec![b'x'; 40_000];
    writer.publish(&publish("a/1", &large).qos1(1));
    writer.send(&publish("a/1", &large).qos1(2).bytes());
    let mut other = enter(&broker, "anna", "other");
    other.publish(&publish("b/1", "behind it").qos1(1));
    files.write("acl", WRONG);
    broker.reload();
    writer.expect(&puback(2));
    files.write("acl", RIGHT);
    broker.reload();
    let mut reader = resume(&broker, "ben", "reader", true);
    for _ in 0..2 {
        reader.expect_publish(&publish("a/1", &large).qos1(0));
    }
}

// Users and vhosts that are missing temporarily lose neither subscriptions nor backlogs.
#[test]
fn what_is_missing_comes_back() {
    for (shards, way) in WAYS.iter().flat_map(|way| [(1, *way), (2, *way)]) {
        let files = Files::new();
        let write = || {
            files.write_users("vhosts/a/passwords", &["anna", "ben"]);
            files.write("vhosts/a/acl", RIGHT);
        };
        write();
        files.write_users("vhosts/b/passwords", &["anna"]);
        let mut broker = Broker::start_with(shards, &[&files.flag("--vhosts", "vhosts")]);
        for (topic, missing) in [("a/1", "vhosts/a"), ("a/2", "vhosts/a/passwords")] {
            let mut client = resume(&broker, "a:ben", "client", false);
            client.subscribe(topic, 1);
            client.leave();
            let mut anna = enter(&broker, "a:anna", "anna");
            anna.publish(&publish(topic, "before").retained().qos1(1));
            anna.leave();
            if missing == "vhosts/a" {
                files.remove("vhosts/a");
            } else {
                files.write_users(missing, &["carla"]);
            }
            read_again(&mut broker, way);
            write();
            read_again(&mut broker, way);
            let mut client = resume(&broker, "a:ben", "client", true);
            expect_kept(&mut client, topic, "before");
            let mut anna = enter(&broker, "a:anna", "anna");
            anna.publish(&publish(topic, "after").qos1(1));
            client.expect_publish(&publish(topic, "after").qos1(0));
            client.send(&subscribe(1, &[(topic, 0)]));
            client.expect(&suback(1, &[0]));
            client.expect_publish(&publish(topic, "before").retained());
            client.expect_silence();
            Client::connect_with(&broker, &connect_as("a:ben", "client")).leave();
        }
    }
}
