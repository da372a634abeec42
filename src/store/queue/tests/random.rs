//! Pseudo-random numbers, the same for the same seed.

pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u8) -> Self {
        println!("seed {seed}");
        Self(u64::from(seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `bound`.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }
}
