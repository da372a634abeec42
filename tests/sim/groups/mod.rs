//! Consumer groups in the simulator: members of one group that join, leave, are killed, stop
//! reading or answering, and take their connections over, under load and over crashes.
//!
//! | file | noun |
//! |---|---|
//! | `stage` | one run and its scheduler |
//! | `feeder`, `member` | a client that publishes; a member of the group |
//! | `book` | the oracle |
//!
//! `RINGMQ_SEED` and `RINGMQ_SIM_RUNS` are as for the simulator's own runs.

mod book;
mod feeder;
mod member;
mod stage;

use std::time::Instant;

use crate::{Named, number};

/// Seeds that run by default.
const RUNS: u64 = 200;

/// What a group was given is answered once by one member, in order, whatever becomes of members,
/// shards and the disk.
#[test]
fn groups_lose_nothing() {
    let _begun = env_logger::try_init();
    let one = number("RINGMQ_SEED");
    let runs = number("RINGMQ_SIM_RUNS").unwrap_or(RUNS);
    let (from, to) = one.map_or((0, runs), |seed| (seed, seed + 1));
    let (started, mut steps) = (Instant::now(), 0);
    for seed in from..to {
        let _named = Named(seed);
        steps += stage::run(seed, one.is_some());
    }
    println!("{} runs of groups, {steps} steps, {:?}", to - from, started.elapsed());
}
