//! Topics of the system: who gets their values and when, and that they are in no log.

use std::sync::Arc;

use ringmq::broker::inspect::{
    Ask, Question, Reply, Snapshot, Step, SystemTopic, SystemTopics, SystemUpdate,
};
use ringmq::broker::{ConnId, Context};
use ringmq::limits::SYSTEM_REPLAYS_MAX;

use super::net::{CONN, Net, publish};

const UNSUBSCRIBE: &[u8] = b"\xa2\x0a\0\x02\0\x06$SYS/#";

/// SUBSCRIBE to `$SYS/#`, and to a topic.
fn subscribe(qos: u8) -> Vec<u8> {
    [b"\x82\x0f\0\x01\0\x06$SYS/#".as_slice(), &[qos], b"\0\x01a\0"].concat()
}

/// A turn in which a shard takes a step of an ask.
fn step(net: &mut Net, at: usize, ask: &mut Ask) -> Step {
    let node = &mut net.0[at];
    let mut context = Context { now_ms: 0, peers: &mut node.out };
    let step = node.shard.answer(ask, &mut context);
    node.end_turn();
    step
}

/// Has a shard take values; the steps that it takes.
fn update(net: &mut Net, at: usize, values: &[(&str, &str)]) -> u32 {
    let topics = values.iter().map(|(topic, value)| SystemTopic::new(*topic, *value)).collect();
    let update = SystemUpdate::new(Arc::new(SystemTopics::new(topics)));
    let mut ask = Ask { id: 0, question: Question::System(update), reply: Reply::None };
    for steps in 1.. {
        if step(net, at, &mut ask) == Step::Done {
            assert!(matches!(ask.reply, Reply::Updated));
            return steps;
        }
    }
    unreachable!("it ends")
}

fn wants(known: bool) -> Ask {
    Ask { id: 0, question: Question::WantsSystem(known), reply: Reply::None }
}

/// Topics and values in an output, each with the first byte of its packet.
fn heard(mut bytes: &[u8]) -> Vec<(u8, String)> {
    let mut found = Vec::new();
    while let [first, len, rest @ ..] = bytes {
        let (packet, behind) = rest.split_at(usize::from(*len));
        bytes = behind;
        if first >> 4 == 3 {
            let (topic, rest) = packet[2..].split_at(usize::from(packet[1]));
            let value = if first & 6 == 0 { rest } else { &rest[2..] };
            let text = [topic, b"=", value].concat();
            found.push((*first, String::from_utf8(text).expect("tests send text")));
        }
    }
    found
}

fn may_answer(net: &mut Net, ask: &Ask) -> bool {
    let node = &mut net.0[0];
    node.shard.may_answer(ask, &node.out)
}

fn log_appended(net: &mut Net) -> u64 {
    let mut ask = Ask { id: 0, question: Question::Figures, reply: Reply::None };
    assert_eq!(step(net, 0, &mut ask), Step::Done);
    let Reply::Figures(snapshot) = ask.reply else { panic!("it has figures") };
    let Snapshot { gauges, .. } = *snapshot;
    gauges.log_appended
}

/// A shard reports when it has a subscriber of the values, and when it has none. A subscriber waits
/// for them, and for nothing else; then it gets the changed ones.
#[test]
fn values_come_when_they_are_wanted() {
    let mut net = Net::new(1);
    net.client(0, CONN, b'c');
    net.give(0, CONN, &publish(b'a', b'x'));
    let mut ask = wants(false);
    assert_eq!(step(&mut net, 0, &mut ask), Step::Wait);
    assert!(!may_answer(&mut net, &ask));
    net.give(0, CONN, &subscribe(0));
    assert!(may_answer(&mut net, &ask));
    assert_eq!(step(&mut net, 0, &mut ask), Step::Done);
    assert!(matches!(ask.reply, Reply::WantsSystem(true)));
    let own = [(0x31, "a=x".to_owned())];
    assert_eq!(heard(&net.output(0, CONN)), own, "what is no value waits for none");
    update(&mut net, 0, &[("$SYS/b", "1"), ("$SYS/a", "1")]);
    let both = [(0x31, "$SYS/a=1".to_owned()), (0x31, "$SYS/b=1".to_owned())];
    assert_eq!(heard(&net.output(0, CONN)), both);
    update(&mut net, 0, &[("$SYS/b", "2"), ("$SYS/a", "1")]);
    assert_eq!(heard(&net.output(0, CONN)), [(0x30, "$SYS/b=2".to_owned())]);
    net.give(0, CONN, UNSUBSCRIBE);
    let mut ask = wants(true);
    assert_eq!(step(&mut net, 0, &mut ask), Step::Done);
    assert!(matches!(ask.reply, Reply::WantsSystem(false)));
    // An update on its way then is not kept: the next subscriber would take it for new.
    update(&mut net, 0, &[("$SYS/a", "old")]);
    net.output(0, CONN);
    net.give(0, CONN, &subscribe(0));
    assert_eq!(heard(&net.output(0, CONN)), own);
}

/// Values are sent to a durable session at QoS 0: the log has none of them, and none waits for an
/// absent client.
#[test]
fn values_are_in_no_log() {
    let mut net = Net::new(1);
    net.resident(0, CONN, b'c');
    net.keep(0);
    net.give(0, CONN, &subscribe(2));
    net.keep(0);
    net.output(0, CONN);
    let before = log_appended(&mut net);
    update(&mut net, 0, &[("$SYS/a", "1")]);
    update(&mut net, 0, &[("$SYS/a", "2")]);
    let told = heard(&net.output(0, CONN));
    assert_eq!(told, [(0x31, "$SYS/a=1".to_owned()), (0x30, "$SYS/a=2".to_owned())]);
    net.give(0, CONN, &[0xe0, 0]);
    net.keep(0);
    let away = log_appended(&mut net);
    update(&mut net, 0, &[("$SYS/a", "3")]);
    assert_eq!(log_appended(&mut net), away);
    assert!(before <= away && net.0[0].shard.stats().qos0_dropped_absent == 0);
}

/// Many clients that wait for values get them in bounded steps, each client once; on other shards
/// no client gets any.
#[test]
fn a_crowd_is_served_in_steps() {
    let mut net = Net::new(2);
    let crowd = u32::try_from(2 * SYSTEM_REPLAYS_MAX + 1).expect("a few");
    let conns: Vec<ConnId> = (0..crowd).map(|slot| ConnId { slot, generation: 0 }).collect();
    for (conn, id) in conns.iter().zip(b' '..) {
        net.client(0, *conn, id);
        net.give(0, *conn, &subscribe(1));
    }
    net.settle();
    conns.iter().for_each(|conn| drop(net.output(0, *conn)));
    let mut other = wants(false);
    assert_eq!(step(&mut net, 1, &mut other), Step::Wait);
    assert_eq!(update(&mut net, 0, &[("$SYS/a", "1")]), 4);
    for conn in conns {
        assert_eq!(heard(&net.output(0, conn)), [(0x33, "$SYS/a=1".to_owned())]);
    }
}
