//! Consumer groups in the simulator: members of one group that join, leave, are killed, stop
//! reading or answering, and take their connections over, under load and over crashes.
//!
//! | file | noun |
//! |---|---|
//! | `stage` | one run and its scheduler |
//! | `feeder`, `member` | a client that publishes; a member of the group |
//! | `book` | the oracle |
//!
//! | rule | where it is checked |
//! |---|---|
//! | 1: what was promised is answered by a member | `Book::missing` |
//! | 2, 3: a stream is with one member, in order | `Book::judge_place` |
//! | 4: what was answered does not come again | `Book::receive`; after a crash `Book::on_crash` |
//! | 6: DUP and identifiers | `Book::judge_identifier` |
//! | 7: windows | `Book::receive`; credit is kept: `broker::group::model` |
//! | 8: nothing stalls | `Stage::settle`; in every state: `broker::group::model` |
//! | 9, 10: nothing is left; groups end by rule only | `Stage::judge_store` |
//! | 11: QoS 0 comes once at most | `Book::receive` |
//!
//! `RINGMQ_SEED` and `RINGMQ_SIM_RUNS` are as for the simulator's own runs.

mod book;
mod feeder;
mod member;
mod stage;

use std::cell::Cell;

use crate::for_each_seed;

/// Seeds that run by default.
const RUNS: u64 = 200;

/// What a group was given is answered once by one member, in order, whatever becomes of members,
/// shards and the disk.
#[test]
fn groups_lose_nothing() {
    for_each_seed("runs of groups", RUNS, stage::run);
}

/// Seeds of runs with many power cuts, and how many each has on average at least.
const CUT_RUNS: u64 = 60;
const CUTS_MIN: u64 = 2;

/// The power is cut while members work: sectors that were not synced are lost or torn, and what had
/// a PUBACK is nevertheless answered by a member.
#[test]
fn power_cuts_lose_nothing() {
    let (runs, cuts) = (Cell::new(0), Cell::new(0));
    for_each_seed("runs of groups with power cuts", CUT_RUNS, |seed, tells| {
        let (steps, more) = stage::run_with_cuts(seed, tells);
        runs.set(runs.get() + 1);
        cuts.set(cuts.get() + more);
        steps
    });
    println!("the power was cut {} times", cuts.get());
    assert!(runs.get() < CUT_RUNS || cuts.get() >= CUTS_MIN * runs.get(), "few cuts");
}
