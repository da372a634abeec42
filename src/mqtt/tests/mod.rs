//! Tests of the codec as a whole: golden bytes, every truncation, round trips, mutation.

mod golden;
mod golden_v5;
mod malformed;
mod malformed_v5;
mod mutation;
mod properties;
mod template;

use std::fmt;

use super::{DecodeError, Packet, PacketId, TopicName, Version, decode, peek_frame};

/// Largest packet the tests allow.
const BYTES_MAX: usize = 1 << 20;

/// A xorshift generator; prints as its seed.
pub(super) struct Random {
    seed: u64,
    state: u64,
}

impl Random {
    /// `seed` is not 0.
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, state: seed }
    }

    pub(super) fn next(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state
    }

    /// A number below `end`.
    pub(super) fn below(&mut self, end: usize) -> usize {
        usize::try_from((self.next() >> 16) % end as u64).unwrap()
    }

    pub(super) fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[3]
    }

    /// One to four of `levels` with slashes between.
    pub(super) fn join_levels(&mut self, levels: &[&str]) -> String {
        let count = 1 + self.below(4);
        let picked: Vec<_> = (0..count).map(|_| levels[self.below(levels.len())]).collect();
        picked.join("/")
    }
}

impl fmt::Display for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {:#x}", self.seed)
    }
}

fn topic(text: &str) -> TopicName<'_> {
    TopicName::parse(text).unwrap()
}

fn id(id: u16) -> PacketId {
    PacketId::new(id).unwrap()
}

/// Decodes `bytes`, which are exactly one packet.
fn decode_whole(version: Version, bytes: &[u8]) -> Result<Packet<'_>, DecodeError> {
    let frame = peek_frame(version, bytes, BYTES_MAX)?.expect("a whole fixed header");
    assert_eq!(frame.total_bytes, bytes.len(), "one packet");
    decode(version, frame, bytes)
}

fn encode(version: Version, packet: &Packet<'_>) -> Vec<u8> {
    // The buffer is not empty before: encoding appends.
    let mut out = vec![0xee];
    packet.encode(version, &mut out);
    assert_eq!(out.len(), 1 + packet.encoded_bytes(version), "{packet:?}");
    assert_eq!(out.remove(0), 0xee);
    out
}
