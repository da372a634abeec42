//! Clients are told only state that a broker killed at the next moment still knows, and replays are
//! sent as they were granted.

use ringmq::mqtt::{
    Carrier, Disconnect, DisconnectProperties, Packet, PacketKind, Properties, Property,
    PropertyId, QoS, RetainHandling, SubscribeEntry, TopicName, Value, Version, Will,
    WillProperties,
};

use crate::link;
use crate::script::{Script, filter, kinds};

/// No packet is sent to a client before the disk continues; then CONNACK is first.
#[track_caller]
fn assert_waits_for_the_disk(script: &mut Script, conn: usize, behind: &[&str]) {
    assert!(script.read(conn).is_empty(), "the log has not got it");
    script.is_disk_still = false;
    let expected: Vec<&str> = ["Connack"].iter().chain(behind).copied().collect();
    assert_eq!(kinds(&script.read(conn)), expected);
}

/// A client that returns when much of its session's time is over gets its CONNACK when the log has
/// its return; messages that arrive meanwhile follow.
#[test]
fn late_return() {
    let mut script = Script::new();
    let publisher = script.enter("publisher", 0, None);
    let conn = script.enter("c", 100, None);
    script.subscribe(conn, Properties::EMPTY, filter("a"));
    assert_eq!(kinds(&script.read(conn)), ["Suback"]);
    script.reset(conn);
    script.wait(50_000);
    script.is_disk_still = true;
    let conn = script.connect("c", 100, None);
    script.publish(publisher, "a", false);
    assert_waits_for_the_disk(&mut script, conn, &["Publish"]);
}

/// A client that returns at once to a session without a will does not wait for the disk, unless it
/// changes the session's expiry.
#[test]
fn quick_return() {
    let mut script = Script::new();
    let conn = script.enter("c", 100, None);
    script.reset(conn);
    script.wait(1_000);
    script.is_disk_still = true;
    let conn = script.connect("c", 100, None);
    assert_eq!(kinds(&script.read(conn)), ["Connack"]);
    let conn = script.connect("c", 200, None);
    assert_waits_for_the_disk(&mut script, conn, &[]);
}

/// A client that takes over a connection which waits for the disk waits as well: it may have been
/// absent for as long.
#[test]
fn return_behind_a_late_one() {
    let mut script = Script::new();
    let conn = script.enter("c", 100, None);
    script.reset(conn);
    script.wait(50_000);
    script.is_disk_still = true;
    script.connect("c", 100, None);
    let conn = script.connect("c", 100, None);
    assert_waits_for_the_disk(&mut script, conn, &[]);
}

/// A delayed will that a client cancels or brings is in the log before its CONNACK.
#[test]
fn return_to_a_will() {
    let mut list = Vec::new();
    let delay = Property { id: PropertyId::WillDelay, value: Value::FourByteInteger(60) };
    let properties = Properties::lay_out(Carrier::Will, [delay], &mut list);
    let will = Will {
        topic: TopicName::parse("a").expect("a topic"),
        payload: b"gone",
        qos: QoS::AtMostOnce,
        retain: false,
        properties: WillProperties::new(properties).expect("a delay"),
    };
    for (before, now) in [(Some(will), None), (None, Some(will)), (Some(will), Some(will))] {
        let mut script = Script::new();
        let conn = script.enter("c", u32::MAX, before);
        script.reset(conn);
        script.is_disk_still = true;
        let conn = script.connect("c", u32::MAX, now);
        assert_waits_for_the_disk(&mut script, conn, &[]);
    }
}

/// A client whose DISCONNECT has ended its session is told that there is none when the log has the
/// end, also if it wants no durable one.
#[test]
fn return_to_no_session() {
    let mut script = Script::new();
    let conn = script.enter("c", 100, None);
    script.is_disk_still = true;
    let mut list = Vec::new();
    let said = DisconnectProperties { session_expiry_s: Some(0), ..Default::default() };
    let properties = said.lay_out(&[], &mut list);
    script.send(conn, &Packet::Disconnect(Disconnect { properties, ..Default::default() }));
    let conn = script.connect("c", 0, None);
    assert_waits_for_the_disk(&mut script, conn, &[]);
}

/// The rest of a replay has the identifier of the subscription that replaced the first one.
#[test]
fn replay_of_a_subscription_that_is_replaced() {
    let mut script = Script::new();
    let publisher = script.enter("publisher", 0, None);
    for number in 0..60 {
        script.publish(publisher, &format!("topic/{number}"), true);
    }
    let conn = script.enter("c", 0, None);
    script.subscribe(conn, Properties::EMPTY, filter("topic/+"));
    let mut list = Vec::new();
    let id = Property { id: PropertyId::SubscriptionId, value: Value::VariableByteInteger(7) };
    let carrier = Carrier::Packet(PacketKind::Subscribe);
    let properties = Properties::lay_out(carrier, [id], &mut list);
    let never = RetainHandling::Never;
    let entry = SubscribeEntry { retain_handling: never, ..filter("topic/+") };
    script.subscribe(conn, properties, entry);
    let (mut subacks, mut later) = (0, 0);
    for bytes in script.read(conn) {
        match link::parse(Version::V5, &bytes) {
            Packet::Suback(_) => subacks += 1,
            Packet::Publish(publish) if subacks == 2 => {
                later += 1;
                assert_eq!(publish.properties.subscription_ids().count(), 1, "{publish:?}");
            }
            packet => assert!(matches!(packet, Packet::Publish(_)), "{packet:?}"),
        }
    }
    assert!(subacks == 2 && later > 0, "{subacks} SUBACKs, {later} messages behind");
}
