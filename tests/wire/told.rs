//! What clients of MQTT 5 are told when the broker ends their connection: the words of the log.

use crate::common::v5::{
    Props, ack, auth, connect, disconnect, id, option, props, publish, subscribe,
};
use crate::common::{Broker, Client, End, frame};

/// The most lines of a kind that one shard logs at once.
const NAMED_MAX: usize = 500;

/// The words of a DISCONNECT.
#[track_caller]
fn words(props: &Props) -> String {
    props.str(id::REASON_STRING).expect("it has words").to_owned()
}

/// The log has a line for this client that ends with these words.
#[track_caller]
fn expect_logged(broker: &Broker, client: &str, words: &str) {
    let line = broker.wait_for_line(&format!("client {client:?}: disconnected from "));
    assert!(line.trim_end().ends_with(&format!(": {words}")), "{line}: {words}");
}

/// Each violation has its code, and its reason string stands in the log.
#[test]
fn violations() {
    let flags = ["--max-packet-size=1KiB", "--on-denied=disconnect", "--check-payload-format=on"];
    let broker = Broker::start_with(2, &flags);
    let alias = |topic: &str, alias| {
        publish(topic, "x").with(|props| props.two(id::TOPIC_ALIAS, alias)).bytes()
    };
    let no_text = publish("a", b"\xff").with(|props| props.byte(id::PAYLOAD_FORMAT, 1));
    let numbered = publish("a", "x").with(|props| props.varint(id::SUBSCRIPTION_ID, 1));
    let shared = subscribe(1, &props(), &[("$share/g/f", option::NO_LOCAL)]);
    for (name, bytes, code) in [
        ("malformed", vec![0x36, 2, 0, 0], 0x81),
        ("reserved flag", vec![0x80, 2, 0, 1], 0x81),
        ("large", vec![0x30, 0xfd, 0x0f], 0x95),
        ("twice", connect("twice").bytes(), 0x82),
        ("a server's", frame(0x20, &[0, 0, 0]), 0x82),
        ("no filter", frame(0x82, &[0, 1, 0]), 0x82),
        ("shared", shared, 0x82),
        ("numbered", numbered.bytes(), 0x82),
        ("unknown alias", alias("", 1), 0x82),
        ("no topic", publish("", "x").bytes(), 0x82),
        ("large alias", alias("a", 65), 0x94),
        ("alias 0", alias("a", 0), 0x94),
        ("no text", no_text.bytes(), 0x99),
        ("denied", publish("$SYS/own", "x").bytes(), 0x87),
        ("late expiry", disconnect(0, &props().four(id::SESSION_EXPIRY, 5)), 0x82),
        ("AUTH", auth(0x19, &props().text(id::AUTH_METHOD, "SCRAM-SHA-256")), 0x82),
    ] {
        let mut client = Client::connect_v5(&broker, name);
        client.send(&bytes);
        let told = words(&client.expect_disconnect(code));
        expect_logged(&broker, name, &told);
    }
    let mut wrong = Client::connect_v5(&broker, "wrong answer");
    wrong.subscribe_v5("w", 2);
    Client::connect_v5(&broker, "publisher").publish_v5(&publish("w", "x").qos2(1));
    let sent = wrong.expect_unacked_v5(&publish("w", "x").at(2));
    wrong.send(&ack(0x40, sent, 0, &props()));
    let told = words(&wrong.expect_disconnect(0x82));
    expect_logged(&broker, "wrong answer", &told);
}

/// So are ends that are no violation: a takeover, silence.
#[test]
fn other_ends() {
    let broker = Broker::start(2);
    let mut old = Client::connect_v5(&broker, "twin");
    let _new = Client::connect_v5(&broker, "twin");
    let told = words(&old.expect_disconnect(0x8e));
    expect_logged(&broker, "twin", &told);
    let (mut silent, _) = Client::connect_v5_with(&broker, &connect("silent").keep_alive(1));
    let told = words(&silent.expect_disconnect(0x8d));
    expect_logged(&broker, "silent", &told);
}

/// A stopping broker tells its clients the reason, and the log has it for each of them.
#[test]
fn shutdown() {
    let mut broker = Broker::start(2);
    let names = ["ash", "beech", "clover", "daisy"];
    let mut clients = names.map(|name| Client::connect_v5(&broker, name));
    broker.end(End::Stopped);
    let told = clients.each_mut().map(|client| words(&client.expect_disconnect(0x8b)));
    let said = broker.said();
    for (name, told) in names.iter().zip(told) {
        let begin = format!("client {name:?}: disconnected from ");
        let line = said.lines().find(|line| line.contains(&begin)).expect("it is named");
        assert!(line.ends_with(&format!(": {told}")), "{line}: {told}");
    }
}

/// The clients of a crowd are named up to a bound, and the rest of them is counted.
#[test]
fn shutdown_of_a_crowd() {
    const CROWD: usize = NAMED_MAX + 700;
    let mut broker = Broker::start(1);
    let clients: Vec<Client> = (0..CROWD)
        .map(|number| {
            let mut client = Client::open(&broker);
            client.send(&connect(format!("c{number}")).bytes());
            client
        })
        .collect();
    let mut clients = clients;
    clients.iter_mut().for_each(|client| drop(client.expect_connack(0)));
    broker.end(End::Stopped);
    clients.iter_mut().for_each(|client| drop(client.expect_disconnect(0x8b)));
    let said = broker.said();
    let ended =
        |line: &&str| line.contains(": disconnected from ") && line.ends_with("broker stops");
    let named = said.lines().filter(ended).count();
    let line = said.lines().find(|line| line.contains(" more clients disconnected at the end"));
    let (before, _) = line.expect("the rest is counted").split_once(" more ").expect("it has it");
    let count = before.rsplit(' ').next().expect("rsplit gives at least one");
    let counted: usize = count.parse().expect("a count");
    assert_eq!((named + counted, named), (CROWD, NAMED_MAX));
}
