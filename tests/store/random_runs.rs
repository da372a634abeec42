//! Random traffic: a store that is closed and opened again is what it was; one that crashes is what
//! it was when it last told its disk, or later, and nothing between.

use super::disk::Crash;
use super::seeds::each_seed;
use super::world::{Plan, World};

/// Turns of one run.
const TURNS: usize = 1000;

// Closed when all is committed, a store is what it was: at any moment, as often as one likes.
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

// Crashed at any moment, a store has what was committed, and of what came after a beginning.
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

// The same where little of much stays, and is moved again and again.
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
