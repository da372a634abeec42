//! What an idle connection takes of memory, as the allocator counts it.

use allocation_counter::measure;
use ringmq::broker::{ClientAddress, ConnId};
use ringmq::mqtt::Version;

use super::net::{Net, connect};

const CLIENTS: u32 = 500;

/// CONNECT of MQTT 5 that asks for what clients usually ask for: receive maximum, maximum packet
/// size, topic aliases.
fn connect_v5(name: [u8; 3]) -> Vec<u8> {
    let properties = [0x21, 0, 20, 0x27, 0, 1, 0, 0, 0x22, 0, 10];
    let head = [0x10, 27, 0, 4, b'M', b'Q', b'T', b'T', 5, 2, 0, 0, 11];
    [&head[..], &properties, &[0, 3], &name].concat()
}

/// The same of MQTT 3.1.1.
fn connect_v3(name: [u8; 3]) -> Vec<u8> {
    let mut packet = connect(true, 0);
    packet.truncate(12);
    packet[1] = 15;
    [&packet[..], &[0, 3], &name].concat()
}

/// Bytes that the clients of a version take, all together.
fn taken(version: Version) -> u64 {
    let mut net = Net::new(1);
    net.0[0].version = version;
    let counted = measure(|| {
        for slot in 0..CLIENTS {
            let conn = ConnId { slot, generation: 0 };
            let name =
                [100, 10, 1].map(|unit| b'0' + u8::try_from(slot / unit % 10).expect("a digit"));
            let packet = match version {
                Version::V5 => connect_v5(name),
                Version::V31 | Version::V311 => connect_v3(name),
            };
            net.0[0].shard.open(conn, ClientAddress { local: true, ..ClientAddress::default() }, 0);
            net.give(0, conn, &packet);
            assert_eq!(net.output(0, conn).first(), Some(&0x20), "it is accepted");
        }
    });
    assert_eq!(net.0[0].shard.clients(), CLIENTS as usize);
    u64::try_from(counted.bytes_current).expect("they are there")
}

/// A connection of MQTT 5 takes at most 200 bytes more than one of 3.1.1.
#[test]
fn idle_connections_of_v5_take_little_more() {
    let [old, new] = [Version::V311, Version::V5].map(taken);
    let more = new.saturating_sub(old) / u64::from(CLIENTS);
    assert!(old > 0 && more <= 200, "{more} bytes; {old} and {new} in all");
}
