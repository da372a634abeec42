//! Access control lists: mosquitto and the policy make the same decisions with the same file.
//!
//! Mosquitto's decisions are observed from outside. A client publishes to every topic, and an
//! observer that may read everything reports what it received. A publisher that may write
//! everything publishes to every topic, and the client reports what it received.
//!
//! Left out, because ringmq deliberately differs: a client id that begins with `$` gets no access
//! by a pattern that begins with `%c`.

use std::collections::HashSet;
use std::fmt::Write;

use ringmq::access::{Client as Asker, Policy, Sources};
use ringmq::mqtt::TopicName;

use crate::common::{Broker, Client, Publish, Random, connect, publish};
use crate::scene::Scene;

/// Users, each with its name as password.
const USERS: [&str; 4] = ["ann", "b/c", "p+q", "watch"];

/// User and client id.
const CLIENTS: [(Option<&str>, &str); 7] = [
    (None, "me"),
    (None, "a+b"),
    (Some("ann"), "me"),
    (Some("ann"), "x/y"),
    (Some("ann"), "i#"),
    (Some("b/c"), "a"),
    (Some("p+q"), "me"),
];

const TOPICS: [&str; 24] = [
    "a", "b", "me", "ann", "a/", "/a", "/", "a/b", "a/me", "me/a", "ann/me", "b/c", "x/y", "a/b/c",
    "ann/x/y", "b/c/a", "a//b", "a/b/c/d", "%u", "%c/a", "a+", "$x", "$x/a", "$x/me",
];

/// Rules for the observer and publisher of everything.
const WATCH: &str = "user watch\ntopic #\ntopic $x/#\n";

/// The valid topics.
fn topics() -> impl Iterator<Item = (usize, &'static str)> {
    TOPICS.into_iter().filter(|topic| TopicName::parse(topic).is_ok()).enumerate()
}

/// What each client may read and write according to mosquitto.
fn by_mosquitto(broker: &Broker) -> Vec<(bool, bool)> {
    let log_in = |user: Option<&str>, id: &str| {
        let packet =
            user.into_iter().fold(connect(id), |packet, user| packet.username(user).password(user));
        Client::connect_with(broker, &packet)
    };
    let subscribe = |client: &mut Client| {
        client.subscribe("#", 0);
        client.subscribe("$x/#", 0);
    };
    let publish_all = |client: &mut Client| {
        for (at, topic) in topics() {
            let id = u16::try_from(at + 1).expect("they are few");
            client.publish(&publish(topic, at.to_string()).qos1(id));
        }
    };
    let heard = |client: &mut Client| -> HashSet<usize> {
        let came = client.read_to_fence();
        let payload = |packet: &Vec<u8>| {
            String::from_utf8_lossy(&Publish::parse(packet).payload).parse().expect("a number")
        };
        came.iter().map(payload).collect()
    };
    let (mut watch, mut feed) = (log_in(Some("watch"), "watch"), log_in(Some("watch"), "feed"));
    subscribe(&mut watch);
    let mut decisions = Vec::new();
    for (user, id) in CLIENTS {
        let mut client = log_in(user, id);
        publish_all(&mut client);
        let written = heard(&mut watch);
        subscribe(&mut client);
        publish_all(&mut feed);
        let read = heard(&mut client);
        let seen = heard(&mut watch);
        assert_eq!(seen.len(), topics().count(), "the one who sees everything did not");
        decisions.extend(topics().map(|(at, _)| (read.contains(&at), written.contains(&at))));
        client.leave();
    }
    decisions
}

fn by_policy(policy: &Policy) -> Vec<(bool, bool)> {
    let mut decisions = Vec::new();
    for (user, client_id) in CLIENTS {
        let client = Asker { vhost: 0, user, client_id };
        decisions.extend(topics().map(|(_, topic)| {
            let topic = TopicName::parse(topic).expect("it was filtered");
            (policy.may_receive(&client, topic), policy.may_publish(&client, topic))
        }));
    }
    decisions
}

/// Both decide alike by this list, and not all things alike.
fn compare(scene: &Scene, rules: &str) {
    let text = format!("{rules}{WATCH}");
    let passwords = scene.path("passwords");
    let acl = scene.write("acl", &text);
    // With an unlimited queue, mosquitto 2.0.11 disconnects a client whose QoS 1 it denies.
    let mosquitto = Broker::mosquitto(&format!(
        "max_queued_messages 1000\nallow_anonymous true\npassword_file {}\nacl_file {}",
        passwords.display(),
        acl.display()
    ));
    let sources = Sources { passwords: Some(passwords), acl: Some(acl), ..Sources::default() };
    let policy = Policy::load(&sources, &mut |_| Ok(1)).unwrap_or_else(|error| panic!("{error}"));
    let (theirs, ours) = (by_mosquitto(&mosquitto), by_policy(&policy));
    let cases = CLIENTS.iter().flat_map(|client| topics().map(move |(_, topic)| (client, topic)));
    for (case, (theirs, ours)) in cases.zip(theirs.into_iter().zip(ours)) {
        assert_eq!(ours, theirs, "{case:?}: may it (read, write)?\n{text}");
    }
}

fn scene(name: &str) -> Scene {
    let scene = Scene::new(name);
    scene.mosquitto_passwords(&USERS.map(|user| (user, &[][..], user)));
    scene
}

// Lists that a person could write.
#[test]
fn lists_decide_as_in_mosquitto() {
    let scene = scene("lists");
    for rules in [
        "",
        "topic #\n",
        "topic read a/#\ntopic write +\nuser ann\ntopic a/+\ntopic deny a/b\n",
        "# comment\n\n topic a\n   topic   read   b\n",
        "user ann\ntopic deny #\nuser b/c\ntopic #\ntopic deny a/#\ntopic deny /\n",
        "pattern %c\npattern read %u/%c\npattern write %u/#\n",
        "pattern read #\npattern deny a/%c\npattern deny %u/#\ntopic me/a\n",
        "user ann\ntopic a/b\npattern deny a/b\npattern read a/#\n",
        "topic $x/#\npattern write $x/%c\nuser ann\ntopic read $x/+\n",
        "pattern +/%c\npattern read %c/+\npattern a/#\n",
        "user p+q\ntopic read #\nuser ann\ntopic read +/+\npattern write a\n",
        "topic /#\nuser ann\ntopic +/\nuser b/c\ntopic a//+\ntopic +/+/+/#\n",
        "topic %u\ntopic read %c/#\npattern %%u\npattern %u\n",
        "topic read\ntopic deny   a/b  \r\ntopic readwrite read a\r\ntopic a/b\r\n",
        "user ann\nuser ann\ntopic a\nuser b/c\ntopic b/c\nuser ann\ntopic write b\n",
    ] {
        compare(&scene, rules);
    }
}

// Random lists.
#[test]
fn random_lists_decide_as_in_mosquitto() {
    let seed = Random::seed(41);
    let mut random = Random::new(seed);
    let scene = scene("random");
    let levels = ["a", "b", "c", "me", "", "+", "+", "#"];
    let personal = ["%u", "%c", "a", "+", "#"];
    for _ in 0..15 {
        let mut rules = String::new();
        for _ in 0..12 {
            let is_pattern = random.one_in(3);
            let choice = if is_pattern { &personal[..] } else { &levels };
            let mut filter: Vec<&str> =
                (0..=random.below(3)).map(|_| random.pick(choice)).collect();
            if let Some(end) = filter.iter().position(|&level| level == "#") {
                filter.truncate(end + 1);
            }
            if random.one_in(12) {
                filter[0] = "$x";
            }
            let rule = if is_pattern { "pattern" } else { "topic" };
            let word = random.pick(&["read", "write", "readwrite", "deny"]);
            let filter = filter.join("/");
            if random.one_in(4) {
                let _ = writeln!(rules, "user {}", random.pick(&USERS[..3]));
            }
            if !filter.is_empty() {
                let _ = writeln!(rules, "{rule} {word} {filter}");
            }
        }
        compare(&scene, &rules);
    }
}
