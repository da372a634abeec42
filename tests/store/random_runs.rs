//! Random traffic. A store that is closed and opened again is unchanged. After a crash, its state
//! is one that it had at its last commit or later.

use super::disk::Crash;
use super::seeds::each_seed;
use super::world::{Plan, World};

/// Turns of one run.
const TURNS: usize = 1000;

// A store that is closed when all is committed is unchanged, at any moment and repeatedly.
#[test]
fn reopened_it_is_the_same() {
    each_seed(0..60, |seed| {
        let mut world = World::new(Plan::of(seed), seed);
        for _ in 0..TURNS {
            world.turn();
            if world.random.one_in(world.plan.reopen) {
                world.settle();
                world.crash(Crash::Kill);
            }
        }
        world.settle();
        world.crash(Crash::Kill);
        world.report();
    });
}

// After a crash at any moment, a store has what was committed and a prefix of what followed.
#[test]
fn crashed_it_is_a_beginning() {
    each_seed(1000..1060, |seed| {
        let mut world = World::new(Plan::of(seed), seed);
        for _ in 0..TURNS {
            world.turn();
            if world.random.one_in(10) {
                let crash = Crash::power(&mut world.random);
                world.verify_crash(crash);
            }
            if world.random.one_in(world.plan.reopen) {
                let crash = Crash::power(&mut world.random);
                world.crash(crash);
            }
        }
        world.report();
    });
}

// The same with few messages that stay and are moved again and again.
#[test]
fn cleaned_it_is_the_same() {
    each_seed(2000..2010, |seed| {
        let mut world = World::new(Plan::sparse(seed), seed);
        for _ in 0..3 * TURNS {
            world.turn();
            for _ in 0..3 {
                world.consume();
                world.publish();
            }
            if world.random.one_in(10) {
                let crash = Crash::power(&mut world.random);
                world.verify_crash(crash);
            }
            if world.random.one_in(world.plan.reopen) {
                let crash = Crash::power(&mut world.random);
                world.crash(crash);
            }
        }
        world.report();
    });
}
