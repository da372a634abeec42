//! A member of a group gets what is published after its SUBACK, on whichever shard.

use super::net::{CONN, Net};

/// A subscription to `$share/g/t/#`.
fn subscribe(qos: u8) -> Vec<u8> {
    let mut packet = vec![0x82, 17, 0, 7, 0, 12];
    packet.extend_from_slice(b"$share/g/t/#");
    packet.push(qos);
    packet
}

// The shard of a publisher may hear of the member later than its own. The SUBACK waits for that.
#[test]
fn suback_waits_for_all_shards() {
    for (qos, publish) in [
        (0, vec![0x30, 6, 0, 3, b't', b'/', b'a', b'x']),
        (1, vec![0x32, 8, 0, 3, b't', b'/', b'a', 0, 1, b'x']),
    ] {
        let mut net = Net::new(2);
        net.client(0, CONN, b'p');
        net.client(1, CONN, b'm');
        net.settle();
        net.give(1, CONN, &subscribe(qos));
        assert!(net.output(1, CONN).is_empty(), "the other shard knows nothing yet");
        net.pass(1, 0);
        let suback = [0x90, 3, 0, 7, qos];
        assert_eq!(net.output(1, CONN), suback);
        net.give(0, CONN, &publish);
        net.settle();
        let got = net.output(1, CONN);
        assert_eq!(got.last(), Some(&b'x'), "QoS {qos}: {got:?}");
    }
}
