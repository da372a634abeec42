//! The whole broker in a simulator: several shards in one thread, virtual time, in-memory sockets
//! with all faults of sockets, clients with random actions, one seed for each run, and an oracle.
//!
//! | file | noun |
//! |---|---|
//! | `world` | one run and its scheduler |
//! | `plan` | the choices of the seed at the start |
//! | `cluster` | the shards, wired as the server does |
//! | `ring`, `kernel`, `wire` | the ring of a shard; the kernel behind all of them; connections |
//! | `disk`, `image` | the disk with its faults; one file of it, and its state after a crash |
//! | `clocks` | the machine's clocks, right or wrong |
//! | `client`, `link`, `dialect` | a client and its actions; one connection of it; its version |
//! | `proof`, `intruder` | users and SCRAM; connections that cannot prove who they are |
//! | `ledger`, `terms`, `lifetime` | the oracle: messages; their properties; their expiry |
//! | `session`, `wish` | the oracle: sessions and their rights; a requested subscription |
//! | `copy`, `verdict` | the oracle: checks of deliveries; checks of missing ones |
//! | `position`, `refusal` | the oracle: positions of messages; full sessions |
//! | `script`, `returns` | scripted worlds; those about clients that return |
//! | `figures` | those about what operators are told |
//!
//! `RINGMQ_SEED=n` runs one seed and prints its story, `RUST_LOG=debug` adds the broker's log;
//! `RINGMQ_SIM_RUNS=n` runs the seeds from 0 to n - 1.

mod client;
mod clocks;
mod cluster;
mod copy;
mod dialect;
mod disk;
mod figures;
mod groups;
mod image;
mod intruder;
mod kernel;
mod ledger;
mod lifetime;
mod link;
mod plan;
mod position;
mod proof;
#[path = "../common/random.rs"]
#[allow(dead_code, reason = "each test target uses its own part")]
mod random;
mod refusal;
mod returns;
mod ring;
#[path = "../common/scram.rs"]
#[allow(dead_code, reason = "each test target uses its own part")]
mod scram;
mod script;
mod session;
mod terms;
mod verdict;
mod wire;
mod wish;
mod world;

use std::env;
use std::time::Instant;

/// Seeds that run by default.
const RUNS: u64 = 2000;

/// Names the seed of a run that panics.
struct Named(u64);

impl Drop for Named {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("failed: RINGMQ_SEED={}", self.0);
        }
    }
}

fn number(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// Runs the seeds that the environment asks for, or the first `runs`. `run` returns its steps.
fn for_each_seed(what: &str, runs: u64, run: impl Fn(u64, bool) -> u64) {
    // Another test of this process may have started the log.
    let _begun = env_logger::try_init();
    let one = number("RINGMQ_SEED");
    let runs = number("RINGMQ_SIM_RUNS").unwrap_or(runs);
    let (from, to) = one.map_or((0, runs), |seed| (seed, seed + 1));
    let (started, mut steps) = (Instant::now(), 0);
    for seed in from..to {
        let _named = Named(seed);
        steps += run(seed, one.is_some());
    }
    println!("{} {what}, {steps} steps, {:?}", to - from, started.elapsed());
}

/// In any run clients get everything promised and nothing else, and no state is left.
#[test]
fn promises_are_kept() {
    for_each_seed("runs", RUNS, world::run);
}
