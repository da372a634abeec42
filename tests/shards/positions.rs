//! Positions: a client that asks for them sees no message before it is committed, since a crash
//! that undid the message would give its number to another.

use ringmq::broker::{ClientAddress, ConnId};
use ringmq::mqtt::Version;

use super::net::{CONN, Net};

/// CONNECT of MQTT 5 with a session that stays; `asks`: for positions.
fn connect(id: u8, asks: bool) -> Vec<u8> {
    let mut properties = vec![0x11, 0, 0, 0, 60];
    if asks {
        properties.extend_from_slice(b"\x26\0\x0fringmq-position\0\x011");
    }
    let length = u8::try_from(properties.len()).expect("short");
    let head = [0x10, 14 + length, 0, 4, b'M', b'Q', b'T', b'T', 5, 0, 0, 0, length];
    [&head[..], &properties, &[0, 1, id]].concat()
}

fn publish(id: u8) -> Vec<u8> {
    vec![0x32, 7, 0, 1, b't', 0, id, 0, b'x']
}

#[test]
fn nothing_is_sent_before_it_is_committed() {
    let conns = [CONN, ConnId { slot: 1, generation: 0 }, ConnId { slot: 2, generation: 0 }];
    let [publisher, asking, other] = conns;
    let mut net = Net::new(1);
    net.0[0].version = Version::V5;
    for (conn, id, asks) in [(publisher, b'p', false), (asking, b'a', true), (other, b'o', false)] {
        let here = ClientAddress { local: true, ..ClientAddress::default() };
        net.0[0].shard.open(conn, here, 0);
        net.give(0, conn, &connect(id, asks));
        net.keep(0);
        net.give(0, conn, &[0x82, 7, 0, 1, 0, 0, 1, b't', 1]);
        net.keep(0);
        net.output(0, conn);
    }
    for id in 1..=2 {
        net.hand(0, publisher, &publish(id));
        net.turn_without_disk(0);
        assert!(!net.output(0, other).is_empty(), "others have it at once");
        assert!(net.output(0, asking).is_empty(), "it is not committed");
    }
    net.0[0].end_turn();
    net.keep(0);
    let sent = net.output(0, asking);
    assert_eq!(sent.windows(13).filter(|bytes| *bytes == b"ringmq-number").count(), 2);
}
