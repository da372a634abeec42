//! Seeds of random runs: a range by default, one if the environment names it.

use std::ops::Range;

/// Names the seed of a run that panics.
struct Named(u64);

impl Drop for Named {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("this was RINGMQ_STORE_SEED={}", self.0);
        }
    }
}

/// Runs with each seed, or with `RINGMQ_STORE_SEED` alone; `RINGMQ_STORE_RUNS` is how many of them.
pub(crate) fn each_seed(seeds: Range<u64>, mut run: impl FnMut(u64)) {
    let one = std::env::var("RINGMQ_STORE_SEED").ok();
    let one = one.map(|text| text.parse().expect("RINGMQ_STORE_SEED is a number"));
    let runs = std::env::var("RINGMQ_STORE_RUNS").ok();
    let runs = runs.map(|text| text.parse().expect("RINGMQ_STORE_RUNS is a number"));
    let seeds = seeds.start..runs.map_or(seeds.end, |runs: u64| seeds.start + runs);
    let seeds = one.map_or(seeds, |seed: u64| seed..seed + 1);
    for seed in seeds {
        let named = Named(seed);
        run(seed);
        drop(named);
    }
}
