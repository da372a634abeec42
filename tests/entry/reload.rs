//! SIGHUP: users, vhosts and rules change under clients that stay.

use crate::common::{Broker, Client, End, connack, puback, publish, suback, subscribe};
use crate::files::{Files, answer, connect_as, enter};

/// Reloads, and waits until every shard has applied it: later packets are judged by the new rules.
#[track_caller]
fn reload(broker: &Broker) {
    let said = broker.reload();
    assert!(said.trim_end().ends_with("INFO  reloaded"), "{said}");
}

// A deleted user is disconnected, all others stay; a changed password is required at the next
// login.
#[test]
fn users_come_and_go() {
    let files = Files::new();
    for shards in [1, 2] {
        files.write_users("passwords", &["anna", "ben"]);
        let broker = Broker::start_with(shards, &[&files.flag("--passwords", "passwords")]);
        let mut anna = enter(&broker, "anna", "anna");
        let mut ben = enter(&broker, "ben", "ben");
        files.write_users("passwords", &["carla", "anna"]);
        reload(&broker);
        ben.expect_closed();
        anna.expect_silence();
        assert_eq!(answer(&broker, &connect_as("ben", "ben")), 5);
        assert_eq!(answer(&broker, &connect_as("carla", "carla")), 0);
        files.write("passwords", &format!("anna:{}\n", Files::secret_of("ben")));
        reload(&broker);
        anna.expect_silence();
        assert_eq!(answer(&broker, &connect_as("anna", "anna")), 5, "its password was changed");
    }
}

// A faulty file is reported with its line, and nothing changes, including other files.
#[test]
fn all_or_nothing() {
    let files = Files::new();
    files.write_users("passwords", &["anna"]);
    files.write("acl", "user anna\ntopic readwrite a/#\n");
    let flags = [&*files.flag("--passwords", "passwords"), &files.flag("--acl", "acl")];
    let broker = Broker::start_with(2, &flags);
    let mut anna = enter(&broker, "anna", "anna");
    anna.subscribe("#", 0);
    files.write_users("passwords", &["ben"]);
    files.write("acl", "user anna\ntopic readwrite a/#\ntopic everything #\n");
    let said = broker.reload();
    assert!(said.contains("acl:3"), "{said}");
    anna.expect_silence();
    anna.send(&publish("a/1", "still").bytes());
    anna.expect_publish(&publish("a/1", "still"));
    assert_eq!(answer(&broker, &connect_as("ben", "ben")), 5);
    assert_eq!(answer(&broker, &connect_as("anna", "again")), 0);
}

// New rules apply to connected clients: to topics that were published to and routes that were known
// before, to subscriptions, of which those without any readable topic get no messages, and to
// backlogs, also of absent clients.
#[test]
fn rules_change() {
    let files = Files::new();
    for shards in [1, 2] {
        files.write_users("passwords", &["anna", "ben"]);
        files.write("acl", "user anna\ntopic readwrite #\nuser ben\ntopic readwrite #\n");
        let flags = [&*files.flag("--passwords", "passwords"), &files.flag("--acl", "acl")];
        let mut broker = Broker::start_with(shards, &flags);
        let mut absent = Client::connect_with(&broker, &connect_as("ben", "absent").persistent());
        absent.subscribe("a/1", 1);
        absent.subscribe("a/2", 1);
        absent.leave();
        let mut ben = enter(&broker, "ben", "ben");
        ben.subscribe("a/#", 0);
        ben.subscribe("b/#", 0);
        let mut anna = enter(&broker, "anna", "anna");
        let say = |anna: &mut Client, topic: &str, n: u16| {
            anna.send(&publish(topic, "x").qos1(n).bytes());
            anna.expect(&puback(n));
        };
        for (n, topic) in (1..).zip(["a/1", "a/2", "b/1"]) {
            say(&mut anna, topic, n);
            ben.expect_publish(&publish(topic, "x"));
        }
        files
            .write("acl", "user anna\ntopic write a/#\nuser ben\ntopic read a/2\ntopic read b/#\n");
        reload(&broker);
        ben.expect_silence();
        for (n, topic) in (1..).zip(["b/1", "a/1", "a/2"]) {
            say(&mut anna, topic, n);
        }
        ben.expect_publish(&publish("a/2", "x"));
        ben.expect_silence();
        if shards == 2 {
            broker.restart(End::Killed);
        }
        // A message that it may not read any more is not delivered.
        let mut absent = Client::open(&broker);
        absent.send(&connect_as("ben", "absent").persistent().bytes());
        absent.expect(&connack(true, 0));
        let first = absent.expect_unacked(&publish("a/2", "x").at(1));
        absent.expect_unacked(&publish("a/2", "x").at(1));
        absent.expect_silence();
        drop(absent);
        let mut absent = Client::open(&broker);
        absent.send(&connect_as("ben", "absent").persistent().bytes());
        absent.expect(&connack(true, 0));
        assert_eq!(absent.expect_unacked(&publish("a/2", "x").at(1).again()), first);
    }
}

// A vhost whose directory is removed: its clients are disconnected, none is accepted, and its data
// is kept until it returns.
#[test]
fn vhosts_come_and_go() {
    let files = Files::new();
    for shards in [1, 2] {
        files.write_users("vhosts/a/passwords", &["anna"]);
        let broker = Broker::start_with(shards, &[&files.flag("--vhosts", "vhosts")]);
        let mut anna = Client::connect_with(&broker, &connect_as("a:anna", "device").persistent());
        anna.subscribe("t", 1);
        anna.send(&publish("kept", "value").retained().qos1(1).bytes());
        anna.expect(&puback(1));
        files.write_users("vhosts/b/passwords", &["ben"]);
        reload(&broker);
        anna.expect_silence();
        let mut ben = enter(&broker, "b:ben", "device");
        ben.send(&publish("t", "elsewhere").qos1(1).bytes());
        ben.expect(&puback(1));
        anna.expect_silence();
        files.remove("vhosts/a");
        reload(&broker);
        anna.expect_closed();
        ben.expect_silence();
        assert_eq!(answer(&broker, &connect_as("a:anna", "device")), 5);
        files.write_users("vhosts/a/passwords", &["anna"]);
        reload(&broker);
        let mut anna = Client::open(&broker);
        anna.send(&connect_as("a:anna", "device").persistent().bytes());
        anna.expect(&connack(true, 0));
        anna.send(&subscribe(2, &[("kept", 0)]));
        anna.expect(&suback(2, &[0]));
        anna.expect_publish(&publish("kept", "value").retained());
        files.remove("vhosts/b");
    }
}

// Reloads under load: no permitted message is lost.
#[test]
fn nothing_is_lost() {
    let files = Files::new();
    files.write_users("passwords", &["anna", "ben"]);
    let flags = [&*files.flag("--passwords", "passwords"), &files.flag("--acl", "acl")];
    files.write("acl", "user anna\ntopic readwrite a/#\n");
    for shards in [1, 2] {
        let broker = Broker::start_with(shards, &flags);
        let mut reader = enter(&broker, "anna", "reader");
        reader.subscribe("a/#", 0);
        let mut writer = enter(&broker, "anna", "writer");
        for round in 0..20 {
            files.write("acl", &format!("user anna\ntopic readwrite a/#\ntopic read b/{round}\n"));
            broker.hang_up();
            for n in 0..500_u32 {
                let sent = publish(format!("a/{}", n % 7), format!("{round} {n}"));
                writer.send(&sent.bytes());
            }
            for n in 0..500_u32 {
                let sent = publish(format!("a/{}", n % 7), format!("{round} {n}"));
                reader.expect_publish(&sent);
            }
            broker.wait_for_line("INFO  reloaded");
        }
    }
}
