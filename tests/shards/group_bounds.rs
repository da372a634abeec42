//! Groups in memory: what waits in them is bounded, and publishers are held while members are slow.

use ringmq::broker::{ConnId, Context, Flow, Options, Overflow};
use ringmq::limits::GROUP_MEMORY_BYTES_MAX;

use super::net::{CONN, Net};

const MEMBER: ConnId = ConnId { slot: 1, generation: 0 };

/// Beyond its bound: segments of 64 KiB that are not full, or of which some messages are in flight.
const SLACK_BYTES: u64 = 512 * 1024;

/// A publisher of QoS 1, and a clean member that answers nothing.
fn net(options: &Options) -> Net {
    let mut net = Net::with(1, options);
    net.client(0, CONN, b'p');
    net.client(0, MEMBER, b'm');
    let filter = b"$share/g/t/#";
    let mut subscribe = vec![0x82, 17, 0, 7, 0, 12];
    subscribe.extend_from_slice(filter);
    subscribe.push(1);
    net.give(0, MEMBER, &subscribe);
    net.output(0, MEMBER);
    net
}

/// A publication of so many bytes.
fn message(topic: u8, bytes: usize) -> Vec<u8> {
    let mut packet = vec![0x32];
    let mut left = 2 + 3 + 2 + bytes;
    while left > 0 {
        let more = if left > 127 { 128 } else { 0 };
        packet.push(u8::try_from(left % 128).expect("7 bits") | more);
        left /= 128;
    }
    packet.extend([0, 3, b't', b'/', topic, 0, 1]);
    packet.resize(packet.len() + bytes, b'x');
    packet
}

fn memory_bytes(net: &Net) -> u64 {
    let figures = net.0[0].shard.figures();
    let of = |name: &str| figures.iter().find(|(known, _)| *known == name).expect("it is there").1;
    of("memory_bytes_of_clean_sessions")
}

/// The member gets what it is sent, and does not answer.
fn publish(net: &mut Net, topic: u8, bytes: usize) -> Flow {
    let flow = net.hand(0, CONN, &message(topic, bytes));
    net.0[0].end_turn();
    net.output(0, CONN);
    net.output(0, MEMBER);
    flow
}

// Whatever happens to a message for a full group, the group's memory is bounded.
#[test]
fn memory_is_bounded() {
    let bytes_max = 1024 * 1024;
    for policy in [Overflow::DropOldest, Overflow::DropNewest, Overflow::Block] {
        let options =
            Options { group_bytes_max: bytes_max, session_overflow: policy, ..Options::single() };
        let mut net = net(&options);
        for number in 0..10_000_u32 {
            publish(&mut net, b'0' + u8::try_from(number % 10).expect("a digit"), 1000);
        }
        let (most, found) = (2 * bytes_max + SLACK_BYTES, memory_bytes(&net));
        assert!(found <= most, "{policy:?}: {found} bytes");
        let stats = net.0[0].shard.stats();
        let dropped = match policy {
            Overflow::DropNewest => stats.queued_dropped_newest,
            Overflow::DropOldest | Overflow::Block => stats.queued_dropped_oldest,
        };
        assert!(dropped > 5_000, "{policy:?}: {dropped} of 10 MB");
    }
}

// A bound that is meant for groups on disk does not let a group in memory take all memory.
#[test]
fn memory_has_a_bound_of_its_own() {
    let options = Options { group_bytes_max: 1 << 50, ..Options::single() };
    let mut net = net(&options);
    let bytes = 1_000_000;
    let count = GROUP_MEMORY_BYTES_MAX / bytes as u64 + 20;
    for _ in 0..count {
        publish(&mut net, b'0', bytes);
    }
    let found = memory_bytes(&net);
    assert!(found <= GROUP_MEMORY_BYTES_MAX + 2 * bytes as u64 + SLACK_BYTES, "{found} bytes");
    assert!(net.0[0].shard.stats().queued_dropped_oldest > 0);
}

fn wait(net: &mut Net, ms: u64) {
    let node = &mut net.0[0];
    node.now_ms += ms;
    let mut context = Context { now_ms: node.now_ms, peers: &mut node.out };
    node.shard.on_deadline(&mut context);
}

// A publisher is not read from while a group in memory is behind and its members answer; if they
// answer nothing for as long as the patience, it goes on.
#[test]
fn publishers_are_held() {
    let options = Options { outgoing_bytes_max: 64 * 1024, ..Options::single() };
    let patience_ms = options.qos0_patience_ms;
    let mut net = net(&options);
    let fill = |net: &mut Net| (0..200).find(|_| publish(net, b'0', 1000) == Flow::Pause);
    assert!(fill(&mut net).is_some_and(|count| count >= 60), "it is held when 64 KiB wait");
    assert_eq!(net.0[0].shard.stats().publishers_held, 1);
    // A member answers: what waits is still too much, but the patience goes on.
    net.give(0, MEMBER, &[0x40, 2, 0xff, 0xff]);
    wait(&mut net, patience_ms);
    assert_eq!(publish(&mut net, b'0', 1000), Flow::Pause, "it is held again");
    wait(&mut net, patience_ms);
    assert_eq!(fill(&mut net), None, "the member is slow");
    // The member answers all: then publishers are held again when it is behind.
    for id in (65_535 - 1000..65_535_u16).rev() {
        let [high, low] = id.to_be_bytes();
        net.give(0, MEMBER, &[0x40, 2, high, low]);
        net.output(0, MEMBER);
    }
    assert!(fill(&mut net).is_some_and(|count| count >= 60));
    // The end of the group lets it go on.
    net.give(0, MEMBER, &[0xe0, 0]);
    wait(&mut net, patience_ms);
    assert_eq!(publish(&mut net, b'0', 1000), Flow::Continue);
}

// A group on disk holds nobody: what its members do not take waits there.
#[test]
fn groups_on_disk_hold_nobody() {
    let options = Options { outgoing_bytes_max: 64 * 1024, ..Options::single() };
    let mut net = Net::with(1, &options);
    net.client(0, CONN, b'p');
    net.resident(0, MEMBER, b'm');
    let mut subscribe = vec![0x82, 17, 0, 7, 0, 12];
    subscribe.extend_from_slice(b"$share/g/t/#");
    subscribe.push(1);
    net.give(0, MEMBER, &subscribe);
    net.keep(0);
    net.output(0, MEMBER);
    for _ in 0..200 {
        assert_eq!(publish(&mut net, b'0', 1000), Flow::Continue);
    }
}
