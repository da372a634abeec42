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

use crate::for_each_seed;

/// Seeds that run by default.
const RUNS: u64 = 200;

/// What a group was given is answered once by one member, in order, whatever becomes of members,
/// shards and the disk.
#[test]
fn groups_lose_nothing() {
    for_each_seed("runs of groups", RUNS, stage::run);
}
