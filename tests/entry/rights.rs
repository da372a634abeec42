//! Rights of clients: publishing, subscribing, and messages for wildcards.

use crate::common::{Broker, Client, connack, connect, puback, pubcomp, publish, pubrec, pubrel};
use crate::common::{suback, subscribe};
use crate::files::{Files, connect_as, enter};

const RULES: &str = "\
topic read public/#

user anna
topic readwrite plant/+/anna
topic read news/#
topic deny news/secret

user ben
topic read plant/#
topic write news/#
topic write plant/1/ben
topic readwrite ben/#

pattern readwrite own/%u/%c
";

struct Setting {
    files: Files,
    flags: Vec<String>,
}

impl Setting {
    fn new() -> Self {
        let files = Files::new();
        files.write_users("passwords", &["anna", "ben"]);
        files.write("acl", RULES);
        let flags = vec![files.flag("--passwords", "passwords"), files.flag("--acl", "acl")];
        Self { files, flags }
    }

    fn start(&self, shards: usize, more: &[&str]) -> Broker {
        assert!(self.files.path("acl").exists());
        let flags = self.flags.iter().map(String::as_str).chain(more.iter().copied());
        Broker::start_with(shards, &flags.collect::<Vec<_>>())
    }
}

// A message that may not be published is acknowledged like any other, and delivered to no client.
#[test]
fn publishing() {
    let setting = Setting::new();
    for shards in [1, 2] {
        let broker = setting.start(shards, &[]);
        let mut ben = enter(&broker, "ben", "ben");
        ben.subscribe("plant/#", 2);
        ben.subscribe("own/#", 2);
        let mut anna = enter(&broker, "anna", "anna");
        for (topic, may) in [
            ("plant/1/anna", true),
            ("plant/1/ben", false),
            ("plant/1/2/anna", false),
            ("plant", false),
            ("news/1", false),
            ("other", false),
        ] {
            anna.send(&publish(topic, "0").bytes());
            anna.send(&publish(topic, "1").qos1(7).bytes());
            anna.expect(&puback(7));
            anna.send(&publish(topic, "2").qos2(8).bytes());
            anna.expect(&pubrec(8));
            anna.send(&pubrel(8));
            anna.expect(&pubcomp(8));
            if may {
                for qos in 0..3 {
                    let sent = publish(topic, format!("{qos}")).at(qos);
                    ben.expect_live(&sent);
                }
            }
        }
        ben.expect_silence();
        broker.terminate();
        assert!(broker.wait_for_line("counted:").contains("publishes_denied 15"));
    }
}

// The same with --on-denied disconnect: the connection is closed.
#[test]
fn disconnecting() {
    let broker = Setting::new().start(1, &["--on-denied=disconnect"]);
    let mut anna = enter(&broker, "anna", "anna");
    anna.send(&publish("plant/1/anna", "may").bytes());
    anna.expect_silence();
    anna.send(&publish("news/1", "may not").bytes());
    anna.expect_closed();
}

// A filter without any readable topic is refused; a wider one gets the readable messages.
#[test]
fn subscribing() {
    let setting = Setting::new();
    for shards in [1, 2] {
        let broker = setting.start(shards, &[]);
        let mut ben = enter(&broker, "ben", "ben");
        for topic in ["news/1", "news/secret", "ben/1", "plant/1/ben"] {
            ben.send(&publish(topic, "retained").retained().qos1(1).bytes());
            ben.expect(&puback(1));
        }
        let mut anna = enter(&broker, "anna", "anna");
        let filters = [("ben/1", 1), ("ben/#", 1), ("news/secret", 1), ("other", 0)];
        anna.send(&subscribe(1, &filters));
        anna.expect(&suback(1, &[0x80; 4]));
        anna.subscribe("#", 1);
        anna.expect_unacked(&publish("news/1", "retained").retained().at(1));
        for topic in ["news/secret", "ben/2", "news/2", "plant/1/ben"] {
            ben.send(&publish(topic, "live").qos1(1).bytes());
            ben.expect(&puback(1));
        }
        anna.expect_unacked(&publish("news/2", "live").at(1));
        anna.expect_silence();
    }
}

// A pattern is the client's own: its user name and client id, and no wildcard in them.
#[test]
fn patterns() {
    let setting = Setting::new();
    let broker = setting.start(1, &[]);
    let mut anna = enter(&broker, "anna", "device-1");
    anna.subscribe("own/anna/#", 0);
    for topic in ["own/anna/device-2", "own/ben/device-1", "own/anna/device-1"] {
        anna.send(&publish(topic, "x").bytes());
    }
    anna.expect_publish(&publish("own/anna/device-1", "x"));
    anna.expect_silence();
    let mut wild = enter(&broker, "ben", "+");
    wild.send(&subscribe(1, &[("own/anna/device-1", 0), ("own/ben/x", 0)]));
    wild.expect(&suback(1, &[0x80, 0x80]));
}

// A will is published only where its client may publish; a denied one is counted.
#[test]
fn wills() {
    let setting = Setting::new();
    for shards in [1, 2] {
        let broker = setting.start(shards, &[]);
        let mut ben = enter(&broker, "ben", "ben");
        ben.subscribe("plant/#", 1);
        for (topic, may) in [("plant/1/ben", false), ("plant/1/anna", true)] {
            let will = publish(topic, "gone").at(1);
            let packet = connect("anna").will(&will).username("anna").password("password of anna");
            Client::connect_with(&broker, &packet).reset();
            if may {
                ben.expect_unacked(&publish(topic, "gone").at(1));
            }
        }
        ben.expect_silence();
        broker.terminate();
        assert!(broker.wait_for_line("counted:").contains("publishes_denied 1"));
    }
}

// Anonymous clients may not use other users' topics; the rules before the first user apply to them.
#[test]
fn anonymous_rules() {
    let setting = Setting::new();
    let broker = setting.start(1, &["--allow-anonymous"]);
    let mut nobody = Client::connect(&broker, "nobody");
    nobody.send(&subscribe(1, &[("public/#", 0), ("plant/#", 0)]));
    nobody.expect(&suback(1, &[0, 0x80]));
    nobody.send(&publish("public/1", "denied").bytes());
    nobody.expect_silence();
    let mut anna = Client::connect_with(&broker, &connect_as("anna", "anna"));
    anna.send(&subscribe(1, &[("public/#", 0)]));
    anna.expect(&suback(1, &[0x80]));
}

// A client that takes over a session gets the messages that it may read.
#[test]
fn queues_of_others() {
    let files = Files::new();
    files.write_users("passwords", &["anna", "ben"]);
    files.write("acl", "user anna\ntopic readwrite #\nuser ben\ntopic read b/#\n");
    let flags =
        [&*files.flag("--passwords", "passwords"), &files.flag("--acl", "acl"), "--takeover=any"];
    for shards in [1, 2] {
        let broker = Broker::start_with(shards, &flags);
        let connect = |user: &str| {
            let mut client = Client::open(&broker);
            client.send(&connect_as(user, "device").persistent().bytes());
            client
        };
        let mut device = connect("anna");
        device.expect(&connack(false, 0));
        device.subscribe("#", 1);
        device.leave();
        let mut anna = enter(&broker, "anna", "anna");
        for (n, topic) in (1..).zip(["a/1", "b/1", "a/2", "b/2"]) {
            anna.send(&publish(topic, "x").qos1(n).bytes());
            anna.expect(&puback(n));
        }
        let mut device = connect("ben");
        device.expect(&connack(true, 0));
        device.expect_unacked(&publish("b/1", "x").at(1));
        device.expect_unacked(&publish("b/2", "x").at(1));
        device.expect_silence();
        broker.terminate();
        broker.wait_for_line("queued_denied 2");
    }
}

// `$SYS` needs a rule that names it, and only that rule's topics may be read; a rule for everything
// else is not enough.
#[test]
fn system_topics_need_a_rule_of_their_own() {
    let files = Files::new();
    files.write_users("passwords", &["anna", "ben"]);
    files
        .write("acl", "user anna\ntopic readwrite #\nuser ben\ntopic read $SYS/broker/clients/+\n");
    let flags = [&*files.flag("--passwords", "passwords"), &files.flag("--acl", "acl")];
    for shards in [1, 2] {
        let broker = Broker::start_with(shards, &[&flags[..], &["--sys-interval", "1s"]].concat());
        let mut anna = enter(&broker, "anna", "anna");
        anna.send(&subscribe(1, &[("$SYS/#", 0), ("$SYS/broker/uptime", 0), ("#", 0)]));
        anna.expect(&suback(1, &[0x80, 0x80, 0]));
        let mut ben = enter(&broker, "ben", "ben");
        ben.send(&subscribe(1, &[("$SYS/broker/uptime", 0), ("$SYS/#", 0)]));
        ben.expect(&suback(1, &[0x80, 0]));
        let names = ["active", "connected", "disconnected", "expired", "inactive", "maximum"];
        for name in names.iter().chain(&["total"]) {
            let value = ben.read_publish();
            assert_eq!(value.topic, format!("$SYS/broker/clients/{name}").into_bytes());
            assert!(value.retain);
        }
        // The next update was published, and anna got none of it.
        let _another = enter(&broker, "ben", "another");
        assert!(ben.read_publish().topic.starts_with(b"$SYS/broker/clients/"));
        anna.expect_silence();
    }
}
