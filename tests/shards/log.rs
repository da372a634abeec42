//! Requests that wait for a shard's log, and others that do not.

use ringmq::broker::{ClientAddress, ConnId, Context, Event, Flow};
use ringmq::limits::CONNECT_TIMEOUT_MS;

use super::net::{CONN, Net, connect, subscribe};

/// SUBSCRIBE with one filter of 1,000 bytes, or UNSUBSCRIBE.
fn long(kind: u8, tail: &[u8]) -> Vec<u8> {
    let rest = 2 + 2 + 1000 + tail.len();
    let low = u8::try_from(rest & 127).expect("seven bits");
    let mut packet = vec![kind, low | 128, u8::try_from(rest >> 7).expect("small"), 0, 1];
    packet.extend(1000_u16.to_be_bytes());
    packet.extend([b'f'; 1000]);
    packet.extend(tail);
    packet
}

/// Has the first client ask until it has to wait, in a turn.
#[track_caller]
fn fill(net: &mut Net) {
    let (begin, _) = net.0[0].shard.log_marks();
    let requests = [long(0x82, &[0]), long(0x82, &[1]), long(0xa2, &[])];
    let mut requests = requests.iter().cycle();
    while net.hand(0, CONN, requests.next().expect("they go round")) == Flow::Continue {
        assert!(net.0[0].shard.log_marks().0 < begin + (8 << 20), "nothing waits");
    }
}

/// Changes of a durable session wait when the log is not written, after a few megabytes; others do
/// not. When the log is written, the waiting clients continue.
#[test]
fn requests_wait_for_the_log() {
    let mut net = Net::new(1);
    let conn = |slot| ConnId { slot, generation: 0 };
    let requests = [
        subscribe(b'x'),
        vec![0xa2, 5, 0, 1, 0, 1, b'x'],
        vec![0x34, 5, 0, 1, b't', 0, 7],
        vec![0x62, 2, 0, 7],
    ];
    for (slot, id) in (0..).zip(b'a'..=b'e') {
        net.resident(0, conn(slot), id);
        net.keep(0);
    }
    fill(&mut net);
    for (slot, request) in (1..).zip(&requests) {
        assert_eq!(net.hand(0, conn(slot), request), Flow::Wait, "{request:?}");
    }
    for slot in [5, 6] {
        net.0[0].shard.open(
            conn(slot),
            ClientAddress { local: true, ..ClientAddress::default() },
            0,
        );
    }
    assert_eq!(net.hand(0, conn(5), &connect(false, b'n')), Flow::Wait);
    for packet in [connect(true, b'o'), subscribe(b'x'), vec![0x30, 4, 0, 1, b'y', b'1']] {
        assert_eq!(net.hand(0, conn(6), &packet), Flow::Continue, "{packet:?}");
    }
    net.0[0].end_turn();
    let node = &mut net.0[0];
    let mut context = Context { now_ms: 0, peers: &mut node.out };
    let events: Vec<Event> = std::iter::from_fn(|| node.shard.next_event(&mut context)).collect();
    for slot in 0..=5 {
        assert!(events.contains(&Event::Resume(conn(slot))), "{slot}: {events:?}");
    }
    for (slot, request) in (1..).zip(&requests) {
        assert_eq!(net.hand(0, conn(slot), request), Flow::Continue, "{request:?}");
    }
    net.give(0, conn(5), &connect(false, b'n'));
    net.keep(0);
    assert_eq!(net.output(0, conn(5)), [0x20, 2, 0, 0]);
}

/// A CONNECT that waits for the log too long is closed, like any that is not answered in time.
#[test]
fn no_connect_waits_for_ever() {
    let mut net = Net::new(1);
    net.resident(0, CONN, b'a');
    net.keep(0);
    fill(&mut net);
    let newcomer = ConnId { slot: 1, ..CONN };
    net.0[0].shard.open(newcomer, ClientAddress { local: true, ..ClientAddress::default() }, 0);
    assert_eq!(net.hand(0, newcomer, &connect(false, b'n')), Flow::Wait);
    let node = &mut net.0[0];
    let mut context = Context { now_ms: CONNECT_TIMEOUT_MS, peers: &mut node.out };
    assert_eq!(node.shard.on_timer(newcomer, &mut context), None);
    let events: Vec<Event> = std::iter::from_fn(|| node.shard.next_event(&mut context)).collect();
    assert!(events.contains(&Event::Close(newcomer)), "{events:?}");
}

/// A client that continues while its answers wait for the log is eventually not read from, and read
/// again when it has its answers.
#[test]
fn answers_that_wait_are_bounded() {
    let mut net = Net::new(1);
    net.resident(0, CONN, b'r');
    net.keep(0);
    net.hand(0, CONN, &subscribe(b'x'));
    let message = [0x32, 5, 0, 1, b't', 0, 7];
    let handed = (0..200_000).take_while(|_| net.hand(0, CONN, &message) == Flow::Continue);
    let handed = handed.count();
    assert!((2 * 65_535..200_000).contains(&handed), "{handed}");
    net.0[0].end_turn();
    net.keep(0);
    while !net.output(0, CONN).is_empty() {}
    assert_eq!(net.hand(0, CONN, &message), Flow::Continue);
}

/// A promise on disk is answered after the write, and other traffic meanwhile; messages for clean
/// sessions, or without receivers, do not use the disk.
#[test]
fn promises_wait_for_the_log() {
    let mut net = Net::new(1);
    let (resident, absent) = (CONN, ConnId { slot: 1, generation: 0 });
    net.resident(0, absent, b'a');
    net.keep(0);
    net.give(0, absent, &[0x82, 6, 0, 1, 0, 1, b't', 2]);
    net.give(0, absent, &[0xe0, 0]);
    net.resident(0, resident, b'r');
    net.keep(0);
    net.output(0, resident);
    for (packet, answer) in [
        (subscribe(b'x'), vec![0x90, 3, 0, 1, 0]),
        (vec![0xa2, 5, 0, 1, 0, 1, b'x'], vec![0xb0, 2, 0, 1]),
        (vec![0x32, 5, 0, 1, b't', 0, 7], vec![0x40, 2, 0, 7]),
        (vec![0x34, 5, 0, 1, b't', 0, 8], vec![0x50, 2, 0, 8]),
        (vec![0x62, 2, 0, 8], vec![0x70, 2, 0, 8]),
        (vec![0x34, 5, 0, 1, b'n', 0, 9], vec![0x50, 2, 0, 9]),
        (vec![0x33, 6, 0, 1, b'v', 0, 7, b'1'], vec![0x40, 2, 0, 7]),
        (vec![0x33, 5, 0, 1, b'v', 0, 7], vec![0x40, 2, 0, 7]),
    ] {
        net.hand(0, resident, &packet);
        net.turn_without_disk(0);
        assert!(net.output(0, resident).is_empty(), "{packet:?}");
        net.hand(0, resident, &[0xc0, 0]);
        assert_eq!(net.output(0, resident), [0xd0, 0]);
        net.0[0].end_turn();
        net.keep(0);
        assert_eq!(net.output(0, resident), answer, "{packet:?}");
    }
    let (reader, writer) = (ConnId { slot: 2, ..CONN }, ConnId { slot: 3, ..CONN });
    net.client(0, reader, b'c');
    net.client(0, writer, b'w');
    net.give(0, reader, &[0x82, 6, 0, 1, 0, 1, b'q', 2]);
    let log = net.0[0].shard.log_marks();
    for (packet, answer) in [
        (vec![0x30, 3, 0, 1, b'q'], vec![]),
        (vec![0x32, 5, 0, 1, b'q', 0, 7], vec![0x40, 2, 0, 7]),
        (vec![0x34, 5, 0, 1, b'q', 0, 8], vec![0x50, 2, 0, 8]),
        (vec![0x62, 2, 0, 8], vec![0x70, 2, 0, 8]),
        (vec![0x32, 5, 0, 1, b'n', 0, 7], vec![0x40, 2, 0, 7]),
    ] {
        net.hand(0, writer, &packet);
        assert_eq!(net.output(0, writer), answer, "{packet:?}");
    }
    net.turn_without_disk(0);
    assert_eq!(net.0[0].shard.log_marks(), log);
}
