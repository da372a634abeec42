//! The owner shard of sessions and retained messages: computed from names only, so that all shards
//! agree and a restart changes nothing.

use super::ShardId;

/// FNV-1a, 64 bits, with the finaliser of MurmurHash3 for even low bits.
fn hash(parts: [&[u8]; 2]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for part in parts {
        // 0xff is in no UTF-8 text: it keeps ("a", "bc") and ("ab", "c") apart.
        for byte in part.iter().chain(&[0xff]) {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^ (hash >> 33)
}

fn pick(parts: [&[u8]; 2], shards: u16) -> ShardId {
    let shard = hash(parts) % u64::from(shards);
    ShardId(u16::try_from(shard).expect("a remainder of a u16"))
}

/// The home of a client's session.
pub fn home_of(vhost: &str, client_id: &str, shards: u16) -> ShardId {
    pick([vhost.as_bytes(), client_id.as_bytes()], shards)
}

/// The shard that keeps a topic's retained message.
pub fn keeper_of(vhost: &str, topic: &str, shards: u16) -> ShardId {
    pick([vhost.as_bytes(), topic.as_bytes()], shards)
}

/// The lane that messages of a topic have in each group, of `lanes`.
pub(crate) fn lane_of(topic: &str, lanes: u16) -> u16 {
    pick([b"", topic.as_bytes()], lanes).0
}

/// The hash that determines a client's share of topics, if each client has one.
pub(crate) fn weight_of(vhost: &str, client_id: &str) -> u64 {
    hash([vhost.as_bytes(), client_id.as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Similar names spread evenly over any number of shards.
    #[test]
    fn spreads_similar_names() {
        for shards in [1, 2, 3, 4, 8] {
            let mut counts = vec![0_u32; usize::from(shards)];
            for device in 0..8_000 {
                counts[usize::from(home_of("/", &format!("device-{device}"), shards).0)] += 1;
            }
            let fair = 8_000 / u32::from(shards);
            assert!(
                counts.iter().all(|n| (fair * 8 / 10..=fair * 12 / 10).contains(n)),
                "{counts:?}"
            );
        }
    }

    /// The values must never change: data on disk is found only with the same values.
    #[test]
    fn values_stay() {
        assert_eq!(hash([b"/", b"device-1"]), 0x5c98_8e22_5d97_9b87);
    }
}
