//! Messages whose expiry interval is over make room for others.

use ringmq::broker::{ClientAddress, ConnId, Options, Overflow};
use ringmq::mqtt::Version;

use super::net::{CONN, Net};

/// Seconds that a message of the tests lives.
const LIFE_S: u32 = 10;

/// When it is dead.
const DEAD_MS: u64 = 1000 * LIFE_S as u64;

const SESSION_BYTES: u64 = 65_536;

/// Bytes of a payload: a session has room for about a hundred.
const PAYLOAD_BYTES: usize = 600;

fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let (low, high) = (body.len() % 128, body.len() / 128);
    let byte = |part: usize| u8::try_from(part).expect("bodies are short");
    let length = if high == 0 { vec![byte(low)] } else { vec![byte(low) | 0x80, byte(high)] };
    [&[first], &length[..], body].concat()
}

/// CONNECT of MQTT 5 with a session of an hour.
fn connect_v5(id: u8) -> Vec<u8> {
    let head = [0, 4, b'M', b'Q', b'T', b'T', 5, 0, 0, 0];
    packet(0x10, &[&head[..], &[5, 0x11, 0, 0, 0x0e, 0x10], &[0, 1, id]].concat())
}

fn subscribe_v5(topic: u8, qos: u8) -> Vec<u8> {
    vec![0x82, 7, 0, 1, 0, 0, 1, topic, qos]
}

/// A message at QoS 1 that expires, or not; its payload begins with `value`.
fn message(topic: u8, value: u8, expires: bool, retain: bool) -> Vec<u8> {
    let expiry = [&[5, 0x02], &LIFE_S.to_be_bytes()[..]].concat();
    let properties = if expires { &expiry[..] } else { &[0] };
    let mut payload = vec![b'x'; PAYLOAD_BYTES];
    payload[0] = value;
    packet(0x32 | u8::from(retain), &[&[0, 1, topic, 0, 1], properties, &payload].concat())
}

fn client_v5(net: &mut Net, at: usize, conn: ConnId, id: u8) {
    let address = ClientAddress { local: true, ..ClientAddress::default() };
    net.0[at].version = Version::V5;
    let now_ms = net.0[at].now_ms;
    net.0[at].shard.open(conn, address, now_ms);
    net.give(at, conn, &connect_v5(id));
    net.settle();
    net.output(at, conn);
}

/// The first payload bytes of the messages to a client that does not acknowledge.
fn values(output: &[u8]) -> Vec<u8> {
    let starts = output.windows(2).enumerate().filter(|(_, pair)| pair[1] == b'x');
    starts.filter(|(_, pair)| pair[0].is_ascii_uppercase()).map(|(at, _)| output[at]).collect()
}

/// A session of an hour that takes topic `t`, whose client is away, and a publisher.
fn absent(policy: Overflow) -> Net {
    let mut net = Net::with(
        1,
        &Options {
            session_overflow: policy,
            session_bytes_max: SESSION_BYTES,
            session_expiry_ms: 3_600_000,
            ..Options::single()
        },
    );
    client_v5(&mut net, 0, CONN, b's');
    net.give(0, CONN, &subscribe_v5(b't', 1));
    net.settle();
    net.give(0, CONN, &[0xe0, 0]);
    net.0[0].shard.remove(CONN);
    client_v5(&mut net, 0, PUBLISHER, b'p');
    net
}

const PUBLISHER: ConnId = ConnId { slot: 1, generation: 0 };

/// A session full of expired messages accepts live ones under each policy: no live message is
/// dropped for the room of expired ones, and no publisher waits for it.
#[test]
fn the_dead_make_room_in_full_sessions() {
    for policy in [Overflow::DropNewest, Overflow::DropOldest, Overflow::Block] {
        for late_ms in [0, DEAD_MS] {
            let mut net = absent(policy);
            // Full, but not over the bound.
            while net.queued_bytes() + 2 * PAYLOAD_BYTES as u64 <= SESSION_BYTES {
                net.give(0, PUBLISHER, &message(b't', b'D', true, false));
            }
            net.give(0, PUBLISHER, &message(b't', b'D', true, false));
            net.0[0].now_ms = late_ms;
            let sent = b"ABCABCABCABCABCABCABCABC";
            for value in sent {
                net.give(0, PUBLISHER, &message(b't', *value, false, false));
            }
            let stats = net.0[0].shard.stats();
            let dropped = stats.queued_dropped_newest + stats.queued_dropped_oldest;
            if late_ms < DEAD_MS {
                assert_eq!(stats.queued_expired, 0, "{policy:?}");
                assert!(dropped > 0 || stats.publishers_blocked > 0, "{policy:?}");
                continue;
            }
            assert_eq!((dropped, stats.publishers_blocked), (0, 0), "{policy:?}");
            assert!(stats.queued_expired > 0, "{policy:?}");
        }
    }
}

/// A retained message that a replay finds dead is cleared at once, on the shard that keeps it,
/// whichever asks.
#[test]
fn a_replay_clears_the_dead() {
    for shards in [1, 2] {
        for topic in b'a'..=b'h' {
            let options = Options { session_expiry_ms: 3_600_000, ..Options::single() };
            let mut net = Net::with(shards, &options);
            client_v5(&mut net, 0, CONN, b'p');
            net.give(0, CONN, &message(topic, b'D', true, true));
            net.settle();
            for (late_ms, kept) in [(DEAD_MS - 1, 1), (DEAD_MS, 0)] {
                net.0.iter_mut().for_each(|node| node.now_ms = late_ms);
                net.give(0, CONN, &subscribe_v5(topic, 0));
                net.settle();
                net.keep(0);
                let count = values(&net.output(0, CONN)).len() as u64;
                assert_eq!(count, kept, "{shards} shards, {} at {late_ms}", char::from(topic));
                assert_eq!(net.sum("retained"), kept);
            }
            let expired: u64 = net.0.iter().map(|node| node.shard.stats().retained_expired).sum();
            assert_eq!(expired, 1);
        }
    }
}

impl Net {
    fn sum(&self, name: &str) -> u64 {
        let figures = self.0.iter().flat_map(|node| node.shard.figures());
        figures.filter(|(of, _)| *of == name).map(|(_, value)| value).sum()
    }

    fn queued_bytes(&self) -> u64 {
        self.sum("queued_bytes")
    }
}
