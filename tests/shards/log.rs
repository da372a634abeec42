//! What waits for a shard's log, and what does not.

use ringmq::broker::{Caller, ConnId, Context, Event, Flow};

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

/// What a durable session must know waits when the log is not written, after a few megabytes; what
/// it need not know does not, and when the log is written who waited goes on.
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
    let (begin, _) = net.0[0].shard.log_marks();
    let filling = [long(0x82, &[0]), long(0x82, &[1]), long(0xa2, &[])];
    let mut filling = filling.iter().cycle();
    while net.hand(0, CONN, filling.next().expect("they go round")) == Flow::Continue {
        assert!(net.0[0].shard.log_marks().0 < begin + (8 << 20), "nothing waits");
    }
    for (slot, request) in (1..).zip(&requests) {
        assert_eq!(net.hand(0, conn(slot), request), Flow::Wait, "{request:?}");
    }
    for slot in [5, 6] {
        net.0[0].shard.open(conn(slot), Caller { address: None, local: true }, 0);
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

/// A client that goes on while its answers wait for the log is not read from in the end, and again
/// when it has got them.
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
