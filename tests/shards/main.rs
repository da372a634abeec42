//! Several shards of the broker in one thread, with the rings between them moved by hand: the
//! guarantees that hold whichever ring or disk is slow.
//!
//! | file | noun |
//! |---|---|
//! | `net` | shards, disks and rings |
//! | `absences` | sessions and the time |
//! | `expiry` | expired messages |
//! | `groups` | consumer groups |
//! | `group_bounds` | groups in memory that are full or behind |
//! | `inspect` | asks of operators |
//! | `latency` | measured durations |
//! | `refusals` | messages that another shard refuses |
//! | `memory` | what connections take |
//! | `positions` | positions of messages, and when they may be sent |
//! | `system` | the broker's own topics |
//! | `trace` | events of traces |
//! | `log` | requests that wait for a shard's log |

mod absences;
#[path = "../common/disk.rs"]
mod disk;
mod expiry;
mod group_bounds;
mod group_joins;
mod groups;
mod inspect;
mod latency;
mod log;
mod lookups;
mod memory;
mod net;
mod positions;
mod refusals;
mod system;
mod trace;

use disk::open_store;
use net::{CONN, Net, publish, subscribe};
use ringmq::broker::{ConnId, Context};
use ringmq::store::Origin;

/// A topic kept by shard 2 of 3: found by trying.
fn topic_of_shard_2() -> u8 {
    (b'a'..=b'z')
        .find(|topic| {
            let mut net = Net::new(3);
            net.client(0, CONN, b'p');
            net.give(0, CONN, &publish(*topic, b'x'));
            !net.0[0].out.records[2].is_empty()
        })
        .expect("one of them")
}

/// A subscriber ends with a topic's last retained value, however rings progress.
#[test]
fn last_retained_value_arrives() {
    let topic = topic_of_shard_2();
    let mut net = Net::new(3);
    net.client(0, CONN, b'p');
    net.client(1, CONN, b's');
    net.give(0, CONN, &publish(topic, b'1'));
    net.settle();
    // 2 is on its way to the keeper, whose ring is slow, when its shard hears of the subscriber.
    net.give(0, CONN, &publish(topic, b'2'));
    net.give(1, CONN, &subscribe(topic));
    for _ in 0..5 {
        net.pass(1, 0);
        net.pass(1, 2);
        net.pass(0, 1);
        net.pass(2, 1);
        net.pass(2, 0);
    }
    let first = net.output(1, CONN);
    net.settle();
    let rest = net.output(1, CONN);
    let all = [first, rest].concat();
    assert_eq!(all.last(), Some(&b'2'), "{all:?}");
}

/// The same if the subscriber's shard already had a subscriber of the filter.
#[test]
fn last_retained_value_arrives_second_subscriber() {
    let topic = topic_of_shard_2();
    let mut net = Net::new(3);
    let other = ConnId { slot: 1, generation: 0 };
    net.client(0, CONN, b'p');
    net.client(1, other, b'o');
    net.give(1, other, &subscribe(topic));
    net.client(1, CONN, b's');
    net.give(0, CONN, &publish(topic, b'1'));
    net.settle();
    net.give(0, CONN, &publish(topic, b'2'));
    net.pass(0, 1);
    net.give(1, CONN, &subscribe(topic));
    for _ in 0..5 {
        net.pass(1, 0);
        net.pass(0, 1);
        net.pass(1, 2);
        net.pass(2, 1);
        net.pass(2, 0);
    }
    net.settle();
    let all = net.output(1, CONN);
    assert_eq!(all.last(), Some(&b'2'), "{all:?}");
}

/// A SUBACK leaves only when other shards know the filter, also for its second subscriber.
#[test]
fn suback_waits_for_others() {
    let mut net = Net::new(2);
    let other = ConnId { slot: 1, generation: 0 };
    net.client(0, CONN, b'p');
    net.client(1, other, b'o');
    net.client(1, CONN, b's');
    net.give(1, other, &subscribe(b't'));
    net.give(1, CONN, &subscribe(b't'));
    let early = net.output(1, CONN);
    net.give(0, CONN, &[0x30, 4, 0, 1, b't', b'x']);
    net.settle();
    let late = net.output(1, CONN);
    assert!(early.is_empty() || late.ends_with(b"x"), "{early:?} then {late:?}");
}

/// A SUBSCRIBE gets the retained message again, whatever was delivered live before [MQTT-3.8.4-3].
#[test]
fn resubscription_replays() {
    let mut net = Net::new(2);
    let many = ConnId { slot: 1, generation: 0 };
    net.client(0, many, b'p');
    net.client(0, CONN, b's');
    // Enough for a replay that is still in progress later.
    for n in 0..3000u32 {
        let text = format!("{n:06}");
        let mut packet = vec![0x31, 9, 0, 6];
        packet.extend_from_slice(text.as_bytes());
        packet.push(b'v');
        net.give(0, many, &packet);
        net.pass(0, 1);
        net.pass(1, 0);
    }
    net.give(0, CONN, &subscribe(b'#'));
    net.pass(0, 1);
    net.give(0, many, &publish(b'z', b'1'));
    net.pass(0, 1);
    net.give(0, CONN, &subscribe(b'z'));
    let mut all = Vec::new();
    for _ in 0..200 {
        net.settle();
        all.extend(net.output(0, CONN));
    }
    let retained = all.windows(6).filter(|w| *w == [0x31, 4, 0, 1, b'z', b'1']).count();
    assert!(retained >= 1, "{retained} of {} bytes", all.len());
}

/// Nothing new is added for a filter after its UNSUBACK [MQTT-3.10.4-2].
#[test]
fn unsubscribe_ends_the_replay() {
    let mut net = Net::new(1);
    let many = ConnId { slot: 1, generation: 0 };
    net.client(0, many, b'p');
    net.client(0, CONN, b's');
    for n in 0..3000u32 {
        let mut packet = vec![0x31, 9, 0, 6];
        packet.extend_from_slice(format!("{n:06}").as_bytes());
        packet.push(b'v');
        net.give(0, many, &packet);
    }
    net.give(0, CONN, &subscribe(b'#'));
    net.give(0, CONN, &[0xa2, 5, 0, 9, 0, 1, b'#']);
    let before = net.output(0, CONN);
    assert!(before.ends_with(&[0xb0, 2, 0, 9]));
    let node = &mut net.0[0];
    let mut context = Context { now_ms: 0, peers: &mut node.out };
    node.shard.continue_replays(&mut context);
    let after = net.output(0, CONN);
    assert!(after.is_empty(), "{} bytes after UNSUBACK", after.len());
}

/// Late answers for a replay that UNSUBSCRIBE has ended do not count for the next replay.
#[test]
fn late_answers_are_void() {
    let mut net = Net::new(2);
    let publisher = ConnId { slot: 1, generation: 0 };
    net.client(0, publisher, b'p');
    net.client(0, CONN, b's');
    // So many that the other shard keeps some of them.
    for topic in b'a'..=b'y' {
        net.give(0, publisher, &publish(topic, b'v'));
    }
    net.settle();
    net.give(0, CONN, &subscribe(b'+'));
    while net.0[1].out.records[0].is_empty() {
        // The filter, then the ask; the answers stay in the ring.
        net.pass(0, 1);
    }
    net.give(0, CONN, &[0xa2, 5, 0, 9, 0, 1, b'+']);
    net.output(0, CONN);
    for topic in b'A'..=b'Z' {
        net.give(0, CONN, &subscribe(topic));
    }
    net.settle();
    let after = net.output(0, CONN);
    let retained = after.windows(2).filter(|pair| *pair == [0x31, 4]).count();
    assert_eq!(retained, 0, "of filters that nothing retained matches: {after:?}");
}

const PUBLISH_2: [u8; 8] = [0x34, 6, 0, 1, b't', 0, 5, b'1'];
const PUBREL: [u8; 4] = [0x62, 2, 0, 5];
const PUBREC: [u8; 4] = [0x50, 2, 0, 5];
const PUBCOMP: [u8; 4] = [0x70, 2, 0, 5];

/// A publisher and a subscriber that stay on shard 0, and a subscriber on shard 1.
fn residents() -> Net {
    let mut net = Net::new(2);
    let other = ConnId { slot: 1, generation: 0 };
    net.resident(0, CONN, b'p');
    for (at, conn) in [(0, other), (1, other)] {
        net.resident(at, conn, b's');
        net.give(at, conn, &[0x82, 6, 0, 1, 0, 1, b't', 2]);
    }
    net.settle();
    for (at, conn) in [(0, other), (1, other), (0, CONN)] {
        net.output(at, conn);
    }
    net
}

/// Payloads of the messages that the subscribers of [`residents`] get when they are back.
fn received(net: &mut Net) -> [Vec<u8>; 2] {
    let other = ConnId { slot: 1, generation: 0 };
    [0, 1].map(|at| {
        net.resident(at, other, b's');
        net.settle();
        let output = net.output(at, other);
        let mut rest = output.as_slice();
        let mut payloads = Vec::new();
        while let [first, length, ..] = *rest {
            let (packet, next) = rest.split_at(2 + usize::from(length));
            if first >> 4 == 3 {
                payloads.extend(packet.last());
            }
            rest = next;
        }
        payloads
    })
}

/// [MQTT-4.3.3-2] A QoS 2 message is delivered once although the process ends when the publisher's
/// shard has it, but neither the other shard nor the note of its receipt.
#[test]
fn half_received_message_comes_once() {
    let mut net = residents();
    net.give(0, CONN, &PUBLISH_2);
    assert!(net.output(0, CONN).is_empty(), "the other shard does not have it");
    let mut net = net.crash();
    net.resident(0, CONN, b'p');
    net.output(0, CONN);
    let mut again = PUBLISH_2;
    again[0] |= 8;
    net.give(0, CONN, &again);
    net.settle();
    assert_eq!(net.output(0, CONN), PUBREC);
    assert_eq!(received(&mut net), [b"1", b"1"]);
}

/// A PUBREL that is repeated after a crash frees the identifier also where the first one did not
/// arrive: the next message with it is another one.
#[test]
fn repeated_pubrel_frees_the_identifier_everywhere() {
    let mut net = residents();
    net.give(0, CONN, &PUBLISH_2);
    net.settle();
    assert_eq!(net.output(0, CONN), PUBREC);
    net.give(0, CONN, &PUBREL);
    assert!(net.output(0, CONN).is_empty(), "the other shard does not know");
    let mut net = net.crash();
    net.resident(0, CONN, b'p');
    net.output(0, CONN);
    net.give(0, CONN, &PUBREL);
    net.settle();
    assert_eq!(net.output(0, CONN), PUBCOMP);
    let mut next = PUBLISH_2;
    next[7] = b'2';
    net.give(0, CONN, &next);
    net.settle();
    assert_eq!(net.output(0, CONN), PUBREC);
    assert_eq!(received(&mut net), [b"12", b"12"]);
}

/// The origins of QoS 2 messages on other shards end with the publisher's session, also without
/// PUBREL.
#[test]
fn origins_go_with_the_session() {
    let mut net = residents();
    net.give(0, CONN, &PUBLISH_2);
    net.settle();
    assert_eq!(net.output(0, CONN), PUBREC);
    let mut second = PUBLISH_2;
    second[6] = 6;
    // The other shard knows this one, and the publisher's session does not yet.
    net.give(0, CONN, &second);
    let store = open_store(0, &net.0[0].disk);
    let sessions = store.catalog.sessions();
    let publisher = sessions.keys_from(0).map(|key| sessions.get(key)).find(|s| s.client_id == "p");
    let serial = publisher.expect("it stays").serial;
    let known = |net: &Net, shard: u16| {
        let store = open_store(shard, &net.0[usize::from(shard)].disk);
        let origin = |packet_id| Origin { shard: 0, serial, packet_id };
        [5, 6].map(|id| store.catalog.has_origin(&origin(id)))
    };
    assert_eq!((known(&net, 0), known(&net, 1)), ([true, true], [true, false]));
    let again = ConnId { slot: 2, generation: 0 };
    net.client(0, again, b'p');
    net.settle();
    assert_eq!((known(&net, 0), known(&net, 1)), ([false, false], [false, false]));
}
