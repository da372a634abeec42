//! How long things take: each is recorded once, from its beginning to its end.

use hdrhistogram::Histogram as Hdr;
use ringmq::broker::inspect::{Ask, Histogram, Latency, Question, Reply};
use ringmq::broker::{ClientAddress, ConnId, Context};

use super::net::{CONN, Net, connect, subscribe};

/// A QoS 1 PUBLISH without RETAIN.
fn publish(topic: u8, id: u8) -> Vec<u8> {
    vec![0x32, 6, 0, 1, topic, 0, id, b'x']
}

/// SUBSCRIBE at QoS 1.
fn subscribe_qos1(topic: u8) -> Vec<u8> {
    let mut packet = subscribe(topic);
    *packet.last_mut().expect("it has a QoS") = 1;
    packet
}

fn begin_turn(net: &mut Net, at: usize, now_us: u64) {
    net.0[at].shard.meters_mut().begin_turn(now_us);
}

fn end_turn(net: &mut Net, at: usize, now_us: u64) {
    net.0[at].shard.meters_mut().end_turn(now_us);
}

fn latency(net: &mut Net, at: usize) -> Latency {
    let node = &mut net.0[at];
    let mut ask = Ask { id: 0, question: Question::Figures, reply: Reply::None };
    let mut context = Context { now_ms: 0, peers: &mut node.out };
    let _step = node.shard.answer(&mut ask, &mut context);
    let Reply::Figures(snapshot) = ask.reply else { panic!("{:?} has no figures", ask.reply) };
    snapshot.latency
}

fn conn(slot: u32) -> ConnId {
    ConnId { slot, generation: 0 }
}

/// A message takes until the end of the turn in which it is in a subscriber's output: that of its
/// own shard, or of another, for which its time travels with it.
#[test]
fn deliveries_are_timed_here_and_across() {
    let mut net = Net::new(2);
    net.client(0, CONN, b'p');
    for (at, slot, id) in [(0, 1, b's'), (0, 2, b't'), (1, 1, b'u')] {
        net.client(at, conn(slot), id);
        net.give(at, conn(slot), &subscribe(b'a'));
    }
    net.settle();
    begin_turn(&mut net, 0, 1_000);
    net.give(0, CONN, &publish(b'a', 1));
    net.give(0, CONN, &publish(b'a', 2));
    // This one has no receiver.
    net.give(0, CONN, &publish(b'b', 3));
    end_turn(&mut net, 0, 1_010);
    begin_turn(&mut net, 1, 1_100);
    net.pass(0, 1);
    end_turn(&mut net, 1, 1_107);
    let here = latency(&mut net, 0);
    assert_eq!((here.deliver_local.count(), here.deliver_local.sum_us()), (4, 4 * 10));
    assert_eq!(here.deliver_cross.count(), 0);
    let there = latency(&mut net, 1);
    assert_eq!(there.deliver_local.count(), 0);
    assert_eq!((there.deliver_cross.count(), there.deliver_cross.sum_us()), (2, 2 * 107));
}

/// One message of a client is timed until its PUBACK; a redelivered one is not, whichever delivery
/// the client acknowledges.
#[test]
fn acknowledgements_are_timed() {
    let mut net = Net::new(1);
    net.client(0, CONN, b'p');
    net.resident(0, conn(1), b's');
    net.keep(0);
    net.give(0, conn(1), &subscribe_qos1(b'a'));
    for (id, now_us) in [(1, 1_000), (2, 1_500)] {
        begin_turn(&mut net, 0, now_us);
        net.give(0, CONN, &publish(b'a', id));
    }
    net.keep(0);
    begin_turn(&mut net, 0, 2_000);
    net.give(0, conn(1), &[0x40, 2, 0, 2]);
    assert_eq!(latency(&mut net, 0).client_ack.count(), 0, "the first is the one that is timed");
    // It disconnects without acknowledging the first, and reconnects.
    net.give(0, conn(1), &[0xe0, 0]);
    net.0[0].shard.remove(conn(1));
    net.0[0].shard.open(conn(2), ClientAddress { local: true, ..Default::default() }, 0);
    begin_turn(&mut net, 0, 3_000);
    net.give(0, conn(2), &connect(false, b's'));
    net.keep(0);
    let sent = net.output(0, conn(2));
    assert_eq!(sent.get(4), Some(&0x3a), "CONNACK, then the message with DUP: {sent:?}");
    begin_turn(&mut net, 0, 4_000);
    net.give(0, conn(2), &[0x40, 2, 0, 1]);
    assert_eq!(latency(&mut net, 0).client_ack.count(), 0, "it was sent before");
    begin_turn(&mut net, 0, 5_000);
    net.give(0, CONN, &publish(b'a', 3));
    begin_turn(&mut net, 0, 5_300);
    net.give(0, conn(2), &[0x40, 2, 0, 3]);
    let Latency { client_ack, queue_wait, .. } = latency(&mut net, 0);
    assert_eq!((client_ack.count(), client_ack.sum_us()), (1, 300));
    assert_eq!(queue_wait.count(), 0, "none has waited");
}

/// One in 64 of the messages that waited in a session is timed, at its first delivery.
#[test]
fn waits_are_timed() {
    let mut net = Net::new(1);
    net.client(0, CONN, b'p');
    net.resident(0, conn(1), b's');
    net.keep(0);
    net.give(0, conn(1), &subscribe_qos1(b'a'));
    net.give(0, conn(1), &[0xe0, 0]);
    net.0[0].shard.remove(conn(1));
    (1..=200).for_each(|id| net.give(0, CONN, &publish(b'a', id)));
    net.keep(0);
    for (slot, now_ms) in [(2, 5_000), (3, 9_000)] {
        let node = &mut net.0[0];
        let address = ClientAddress { local: true, ..ClientAddress::default() };
        node.shard.open(conn(slot), address, now_ms);
        net.give(0, conn(slot), &connect(false, b's'));
        let node = &mut net.0[0];
        let mut context = Context { now_ms, peers: &mut node.out };
        node.shard.keep_promises(&mut context);
        assert!(node.shard.has_output(conn(slot)), "it gets what waits");
        let waits = latency(&mut net, 0).queue_wait;
        assert_eq!((waits.count(), waits.sum_us()), (3, 3 * 5_000_000), "sent first at 5 s");
        net.give(0, conn(slot), &[0xe0, 0]);
        net.0[0].shard.remove(conn(slot));
    }
}

/// Percentiles of the broker are those of ringmq-bench, or the end of the bucket that has them: an
/// eighth above at most.
#[test]
fn percentiles_are_those_of_the_bench() {
    for seed in 1..20_u64 {
        let mut own = Histogram::default();
        let mut bench = Hdr::<u64>::new_with_bounds(1, 10_000_000_000, 3).expect("bounds are fine");
        let mut state = seed;
        for _ in 0..10_000 {
            // Xorshift; times of all sizes, most of them short.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let us = 1 + (state >> 32 >> (state % 32));
            own.record_n(us, 1);
            bench.record(us).expect("it is within the bounds");
        }
        for quantile in [0.5, 0.9, 0.99, 0.999, 1.0] {
            let (told, wanted) = (own.quantile_us(quantile), bench.value_at_quantile(quantile));
            // The bench itself knows three digits.
            let (least, most) = (wanted - wanted / 500, wanted + wanted / 8 + 1);
            assert!((least..=most).contains(&told), "{seed}, {quantile}: {told} for {wanted}");
        }
    }
}
