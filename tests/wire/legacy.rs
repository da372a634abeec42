//! MQTT 3.1 (MQIsdp, level 3), and where it is wider than 3.1.1.

use crate::common::{
    Broker, Client, Connect, connect, frame, on_shards, pubcomp, publish, pubrec, pubrel,
    resume_as, string, suback, subscribe, unsuback, unsubscribe,
};

/// Connects with 3.1. The first byte of its CONNACK is reserved there, so any value will do.
#[track_caller]
fn connect_31(broker: &Broker, packet: Connect) -> Client {
    let mut client = Client::open(broker);
    client.send(&packet.v31().bytes());
    let connack = client.read_packet();
    assert_eq!((&connack[..2], connack[3]), (&[0x20, 2][..], 0), "{connack:02x?}");
    client
}

/// A 3.1 client is served like a 3.1.1 client, and each reads what the other wrote.
#[test]
fn both_versions_meet() {
    on_shards(&[1, 2, 4], |broker| {
        let mut old = connect_31(broker, connect("old"));
        let mut new = Client::connect(broker, "new");
        old.subscribe("to/old", 2);
        new.subscribe("to/new", 2);
        old.publish(&publish("to/new", "zero"));
        old.publish(&publish("to/new", "one").qos1(1));
        new.expect_publish(&publish("to/new", "zero"));
        new.expect_publish(&publish("to/new", "one").qos1(0));
        old.publish(&publish("to/new", "two").qos2(2));
        new.expect_publish(&publish("to/new", "two").at(2));
        new.publish(&publish("to/old", "zero"));
        new.publish(&publish("to/old", "one").qos1(1));
        old.expect_publish(&publish("to/old", "zero"));
        old.expect_publish(&publish("to/old", "one").qos1(0));
        new.publish(&publish("to/old", "two").qos2(2));
        old.expect_publish(&publish("to/old", "two").at(2));
        old.unsubscribe("to/old");
        old.expect_silence();
        old.leave();
    });
}

/// A session is kept for a 3.1 client, and for the same client with 3.1.1.
#[test]
fn session_is_kept() {
    on_shards(&[1, 2], |broker| {
        let mut old = connect_31(broker, connect("kept").persistent());
        old.subscribe("kept", 1);
        old.leave();
        let mut publisher = Client::connect(broker, "publisher");
        publisher.publish(&publish("kept", "1").qos1(1));
        let mut old = connect_31(broker, connect("kept").persistent());
        let id = old.expect_unacked(&publish("kept", "1").qos1(0));
        drop(old);
        let mut new = resume_as(broker, "kept", true);
        new.expect(&publish("kept", "1").qos1(id).again().bytes());
    });
}

/// Open messages at QoS 2 are resumed for a 3.1 client, which may send its PUBREL again with DUP.
#[test]
fn qos_2_is_resumed() {
    on_shards(&[1, 2], |broker| {
        let mut old = connect_31(broker, connect("open").persistent());
        old.subscribe("open", 2);
        let mut publisher = Client::connect(broker, "publisher");
        publisher.publish(&publish("open", "1").qos2(1));
        publisher.publish(&publish("open", "2").qos2(1));
        let first = old.expect_unacked(&publish("open", "1").at(2));
        let second = old.expect_unacked(&publish("open", "2").at(2));
        old.send(&pubrec(first));
        old.expect(&pubrel(first));
        old.send(&publish("nobody", "x").qos2(7).bytes());
        old.expect(&pubrec(7));
        drop(old);
        let mut old = connect_31(broker, connect("open").persistent());
        let due = [pubrel(first), publish("open", "2").qos2(second).again().bytes()];
        let mut came = [old.read_packet(), old.read_packet()];
        came.sort_by_key(|packet| due.iter().position(|due| due == packet));
        assert_eq!(came, due);
        old.send(&[pubcomp(first), pubrec(second)].concat());
        old.expect(&pubrel(second));
        let mut again = pubrel(7);
        again[0] |= 0x08;
        old.send(&[pubcomp(second), again].concat());
        old.expect(&pubcomp(7));
        old.expect_silence();
    });
}

/// Retained messages and wills work with 3.1.
#[test]
fn retained_and_will() {
    let broker = Broker::start(1);
    let will = publish("will", "x");
    let mut old = connect_31(&broker, connect("old").will(&will.clone().retained()));
    old.publish(&publish("retained", "x").qos1(1).retained());
    let mut witness = connect_31(&broker, connect("witness"));
    witness.subscribe("#", 0);
    witness.expect_publish(&publish("retained", "x").retained());
    drop(old);
    witness.expect_publish(&will);
    witness.subscribe("will", 0);
    witness.expect_publish(&will.retained());
}

/// 3.1 asks for ids of 1 to 23 characters; longer ones are accepted all the same.
#[test]
fn client_ids() {
    let broker = Broker::start(1);
    for length in [1, 23, 24, 256] {
        connect_31(&broker, connect("i".repeat(length))).leave();
    }
}

/// A 3.1 client may do what 3.1 allows and 3.1.1 forbids.
#[test]
fn wider_rules() {
    let broker = Broker::start(1);
    // Unused flag bits are not checked.
    connect_31(&broker, connect("bit0").raw_flags(0x01)).leave();
    connect_31(&broker, connect("will-bits").raw_flags(0x28)).leave();
    // A user name may be announced and missing.
    connect_31(&broker, connect("name").raw_flags(0x80)).leave();
    connect_31(&broker, connect("password").username("u").raw_flags(0x40)).leave();
    // SUBSCRIBE and UNSUBSCRIBE are sent again with DUP.
    let mut client = connect_31(&broker, connect("again"));
    let mut again = subscribe(1, &[("a", 1)]);
    again[0] |= 0x08;
    client.send(&again);
    client.expect(&suback(1, &[1]));
    let mut again = unsubscribe(2, &["a"]);
    again[0] |= 0x08;
    client.send(&again);
    client.expect(&unsuback(2));
    client.leave();
}

/// A violation of both versions closes a 3.1 connection, too.
#[test]
fn common_rules() {
    let broker = Broker::start(1);
    let packets = [
        ("a wildcard topic", publish("a/#", "x").bytes()),
        ("an empty topic", publish("", "x").bytes()),
        ("QoS 3", frame(0x36, &[&string("a")[..], &[0, 1]].concat())),
        ("no filter", frame(0x82, &[0, 1])),
        ("a second CONNECT", connect("old").v31().bytes()),
        ("packet type 15", vec![0xf0, 0]),
    ];
    for (name, packet) in packets {
        println!("{name}");
        let mut client = connect_31(&broker, connect("old"));
        client.send(&packet);
        client.expect_closed();
    }
}
