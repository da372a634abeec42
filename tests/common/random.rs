//! Randomness that a seed repeats: SplitMix64.

/// One stream of numbers for one seed.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The seed of a test: `RINGMQ_TEST_SEED` or `default`, printed.
    pub(crate) fn seed(default: u64) -> u64 {
        let seed = match std::env::var("RINGMQ_TEST_SEED") {
            Ok(text) => text.parse().expect("RINGMQ_TEST_SEED is a number"),
            Err(_) => default,
        };
        println!("RINGMQ_TEST_SEED={seed}");
        seed
    }

    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which is not 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).expect("usize has at most 64 bits");
        usize::try_from(self.bits() % end).expect("less than a usize")
    }

    /// True once in `times`, on average; never with 0.
    pub(crate) fn one_in(&mut self, times: usize) -> bool {
        times > 0 && self.below(times) == 0
    }

    /// One of `values`, of which there are some.
    pub(crate) fn pick<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.below(values.len())]
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.bits().to_be_bytes()[0]
    }
}
