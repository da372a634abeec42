//! Crashes at every moment of a run, with and without syncs, and on a disk that fails. The store
//! must open each time and hold what it reported as committed.

use super::disk::{Crash, Faults, found_in};
use super::seeds::each_seed;
use super::world::{Plan, World};

// A crash at the start or end of a write or of any operation of the disk leaves what was committed
// and a prefix of the rest. Some of these crashes fall into checkpoints and cleaning.
#[test]
fn at_every_sync() {
    let (mut looks, mut busy, mut cleaned) = (0, 0, 0);
    each_seed(3000..3004, |seed| {
        let mut world = World::new(Plan::sparse(seed), seed);
        world.plan.lag = 2;
        world.watched = true;
        for _ in 0..120 {
            world.turn();
            for _ in 0..3 {
                world.consume();
                world.publish();
            }
        }
        looks += world.looks;
        busy += world.busy_looks;
        cleaned += world.store.housekeeping.stats().cleaned;
    });
    println!("{looks} looks, {busy} in housekeeping; {cleaned} segments cleaned");
    assert!(looks > 400 && busy > 20, "{looks}, {busy}");
}

// A store that crashes again before it wrote anything is unchanged, also 50 times in a row.
#[test]
fn again_and_again() {
    each_seed(4000..4020, |seed| {
        let mut world = World::new(Plan::of(seed), seed);
        for round in 0..50 {
            for _ in 0..world.random.below(12) {
                world.turn();
            }
            let crash = Crash::power(&mut world.random);
            world.crash(crash);
            if round % 2 == 0 {
                // The disk may do what the store requests first before the next crash.
                world.serve_disk();
                world.work_disk();
                let crash = Crash::power(&mut world.random);
                world.crash(crash);
            }
        }
        world.report();
    });
}

// Crashes after every step of a checkpoint and of cleaning.
#[test]
fn within_housekeeping() {
    each_seed(5000..5008, |seed| {
        let mut world = World::new(Plan::sparse(seed), seed);
        let mut crashes = 0;
        for _ in 0..1500 {
            world.turn();
            world.consume();
            world.publish();
            if world.busy {
                let crash = Crash::power(&mut world.random);
                world.verify_crash(crash);
                if world.random.one_in(20) {
                    world.crash(crash);
                    crashes += 1;
                }
            }
        }
        assert!(crashes > 3, "{crashes}");
    });
}

// Without syncs, *committed* means written: it survives the end of the process.
#[test]
fn killed_without_syncs() {
    each_seed(6000..6020, |seed| {
        let mut plan = Plan::of(seed);
        plan.setting.options.log.sync = false;
        let mut world = World::new(plan, seed);
        for _ in 0..400 {
            world.turn();
            if world.random.one_in(10) {
                world.verify_crash(Crash::Kill);
            }
            if world.random.one_in(40) {
                world.crash(Crash::Kill);
            }
        }
    });
}

// Without syncs, a loss of power may lose any data, but the store still opens.
#[test]
fn powerless_without_syncs() {
    each_seed(7000..7020, |seed| {
        let mut plan = Plan::of(seed);
        plan.setting.options.log.sync = false;
        let mut world = World::new(plan, seed);
        for _ in 0..400 {
            world.turn();
            if world.random.one_in(10) {
                let crash = Crash::power(&mut world.random);
                let flight = world.flight.as_ref();
                let images = world.disk.images_after(crash, flight, &mut world.random);
                let (mut store, _) = world.plan.setting.open(found_in(&images));
                world.plan.setting.use_up(&mut store);
            }
        }
    });
}

// On a disk that fails to write, to supply and to clear files, committed data survives.
#[test]
fn on_a_failing_disk() {
    let mut failed = 0;
    each_seed(8000..8040, |seed| {
        let mut world = World::new(Plan::of(seed), seed);
        world.disk.faults = Faults { write: 12, supply: 6, recycle: 8 };
        for _ in 0..500 {
            world.turn();
            if world.random.one_in(8) {
                let crash = Crash::power(&mut world.random);
                world.verify_crash(crash);
            }
            if world.random.one_in(world.plan.reopen) {
                let crash = Crash::power(&mut world.random);
                world.crash(crash);
            }
        }
        failed += world.disk.failed;
    });
    assert!(failed > 0, "no write failed");
}
