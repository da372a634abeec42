//! A publisher of MQTT 5 is told that its message was refused, also when a session of another shard
//! is full: the acknowledgement waits until that is known.

use ringmq::broker::{ClientAddress, ConnId, Options, Overflow};
use ringmq::mqtt::Version;

use super::net::{CONN, Net};

const QUOTA_EXCEEDED: u8 = 0x97;

/// CONNECT of MQTT 5 with a session that stays, or ends with the connection; without reason
/// strings.
fn connect(id: u8, stays: bool) -> Vec<u8> {
    let expiry = u8::from(stays) * 60;
    let properties = [0x11, 0, 0, 0, expiry, 0x17, 0];
    let head = [0x10, 21, 0, 4, b'M', b'Q', b'T', b'T', 5, 0, 0, 0, 7];
    [&head[..], &properties, &[0, 1, id]].concat()
}

fn publish(qos: u8, id: u8) -> Vec<u8> {
    vec![0x30 | qos << 1, 7, 0, 1, b't', 0, id, 0, b'x']
}

/// A world in which full sessions take nothing, and what a session has makes it full. Clients of
/// these shards have subscribed, and are away; the publisher is on the first one.
fn world(shards: u16, subscribers: &[usize], stays: bool) -> Net {
    let overflow = Overflow::DropNewest;
    let options = Options { session_bytes_max: 1, session_overflow: overflow, ..Options::single() };
    let mut net = Net::with(shards, &options);
    net.0.iter_mut().for_each(|node| node.version = Version::V5);
    let away = ConnId { slot: 1, generation: 0 };
    let clients = subscribers.iter().map(|at| (*at, away, b'a')).chain([(0, CONN, b'p')]);
    for (at, conn, id) in clients {
        let is_subscriber = id == b'a';
        let here = ClientAddress { local: true, ..ClientAddress::default() };
        net.0[at].shard.open(conn, here, 0);
        net.give(at, conn, &connect(id, is_subscriber || stays));
        net.settle();
        if is_subscriber {
            net.give(at, conn, &[0x82, 7, 0, 1, 0, 0, 1, b't', 2]);
            net.settle();
            net.give(at, conn, &[0xe0, 0]);
        }
        net.output(at, conn);
    }
    net
}

/// Publishes, and has all shards but the publisher's handle it.
fn send(net: &mut Net, packet: &[u8]) {
    net.give(0, CONN, packet);
    (1..net.0.len()).for_each(|at| net.pass(0, at));
}

/// A PUBACK waits for the refusal of a shard that has settled the message already.
#[test]
fn puback_waits_for_refusals() {
    let mut net = world(2, &[1], true);
    send(&mut net, &publish(1, 1));
    assert_eq!(net.output(0, CONN), [0x40, 2, 0, 1]);
    send(&mut net, &publish(1, 2));
    assert!(net.output(0, CONN).is_empty(), "it is settled, and the refusal is on its way");
    net.pass(1, 0);
    net.keep(0);
    assert_eq!(net.output(0, CONN), [0x40, 3, 0, 2, QUOTA_EXCEEDED]);
    assert_eq!(net.0[0].shard.stats().publishes_refused, 1);
}

/// It is refused if every shard that has a subscriber refuses it, the publisher's own included.
#[test]
fn all_shards_must_refuse() {
    for (subscribers, codes) in [
        (&[0, 1, 2][..], [0, QUOTA_EXCEEDED]),
        (&[1, 2], [0, QUOTA_EXCEEDED]),
        (&[0, 2], [0, QUOTA_EXCEEDED]),
    ] {
        let mut net = world(3, subscribers, true);
        for (id, code) in [(1, codes[0]), (2, codes[1])] {
            net.give(0, CONN, &publish(1, id));
            net.settle();
            let answer = net.output(0, CONN);
            assert_eq!(answer.get(4).copied().unwrap_or(0), code, "{subscribers:?}: {answer:?}");
        }
        // One that has room suffices.
        let at = subscribers[subscribers.len() - 1];
        let live = ConnId { slot: 2, generation: 0 };
        net.0[at].shard.open(live, ClientAddress { local: true, ..ClientAddress::default() }, 0);
        net.give(at, live, &connect(b'l', false));
        net.settle();
        net.give(at, live, &[0x82, 7, 0, 1, 0, 0, 1, b't', 2]);
        net.settle();
        net.give(0, CONN, &publish(1, 3));
        net.settle();
        assert_eq!(net.output(0, CONN), [0x40, 2, 0, 3], "{subscribers:?}");
    }
}

/// At QoS 2 the identifier of a refused message is free, everywhere, before the publisher knows:
/// what it sends with it next is a new message.
#[test]
fn refused_identifiers_are_free() {
    for stays in [true, false] {
        let mut net = world(2, &[1], stays);
        send(&mut net, &publish(1, 1));
        net.output(0, CONN);
        for _ in 0..2 {
            send(&mut net, &publish(2, 7));
            net.pass(1, 0);
            net.keep(0);
            if stays {
                assert!(net.output(0, CONN).is_empty(), "another shard is not to know it any more");
            }
            net.settle();
            assert_eq!(net.output(0, CONN), [0x50, 3, 0, 7, QUOTA_EXCEEDED]);
        }
        // The session is emptied, and takes it.
        let conn = ConnId { slot: 3, generation: 0 };
        net.0[1].shard.open(conn, ClientAddress { local: true, ..ClientAddress::default() }, 0);
        net.give(1, conn, &connect(b'a', true));
        net.settle();
        net.give(1, conn, &[0x40, 2, 0, 1]);
        net.settle();
        net.output(1, conn);
        net.give(0, CONN, &publish(2, 7));
        net.settle();
        assert_eq!(net.output(0, CONN), [0x50, 2, 0, 7]);
        assert!(net.output(1, conn).ends_with(b"x"), "it is a new message");
    }
}
