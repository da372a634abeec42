//! A store takes as much space as its live records, and a little more.

use ringmq::store::SessionKey;

use super::disk::Crash;
use super::seeds::each_seed;
use super::world::{Plan, World};

/// Segments that housekeeping tolerates beyond the live records, those it writes to, and those of a
/// checkpoint that is not in a header yet.
const SLACK: usize = 8 + 8;

fn world(seed: u64) -> World {
    world_of(4096, seed)
}

fn world_of(segment_bytes: u64, seed: u64) -> World {
    let mut plan = Plan::of(seed);
    let log = &mut plan.setting.options.log;
    (log.segment_bytes, log.first_segment_bytes) = (segment_bytes, segment_bytes);
    plan.setting.payload_max = 100;
    plan.setting.tail_bytes_max = 100;
    plan.lag = 1;
    plan.pressed_ms = 0;
    plan.window = 1000;
    World::new(plan, seed)
}

/// The number of segments that the live records would fill.
fn needed(world: &World) -> usize {
    let queued = world.live.sessions.values().map(|session| session.stored_bytes());
    let setting = &world.plan.setting;
    let retained = world.live.retained.values();
    let retained = retained.map(|message| u64::from(setting.text(*message).bytes()));
    let bytes = queued.sum::<u64>() + retained.sum::<u64>();
    usize::try_from(bytes / setting.options.log.segment_bytes).expect("small") + 1
}

fn segments(world: &World) -> usize {
    world.store.logs.disk.segments().len()
}

/// One message for these sessions, the first of which takes all it has at once.
fn pass(world: &mut World, keys: &[SessionKey], retain: bool) {
    world.time_ms += 1;
    world.store_message(keys, retain);
    world.take_all(keys[0]);
    world.end_turn();
    world.work_disk();
    world.fold();
}

// When all is acknowledged, the old segments go with a little more traffic.
#[test]
fn consumed_it_goes() {
    each_seed(9000..9010, |seed| {
        let mut world = world(seed);
        let key = world.connect_as(0, "fast", false);
        let absent = world.connect_as(0, "absent", false);
        world.detach(absent);
        for _ in 0..1000 {
            pass(&mut world, &[key, absent], false);
        }
        assert!(segments(&world) > 30, "{}", segments(&world));
        world.connect_as(0, "absent", false);
        world.take_all(absent);
        for _ in 0..300 {
            pass(&mut world, &[key], false);
        }
        assert!(segments(&world) <= SLACK, "{}", segments(&world));
        assert!(world.disk.len() <= SLACK + 8, "{} files", world.disk.len());
    });
}

// One message of a thousand stays. The store takes the space of those and a little more, and none
// is lost. Restarts do not make it grow.
#[test]
fn few_of_many_stay() {
    each_seed(9100..9103, |seed| {
        let mut world = world(seed);
        let fast = world.connect_as(0, "fast", false);
        let absent = world.connect_as(0, "absent", false);
        world.detach(absent);
        for message in 0..40_000 {
            match message % 1000 {
                0 => pass(&mut world, &[fast, absent], false),
                _ => pass(&mut world, &[fast], false),
            }
            let (there, needed) = (segments(&world), needed(&world));
            assert!(there <= 3 * needed + SLACK, "{there} segments for {needed}");
            if message % 5000 == 4999 {
                world.settle();
                world.crash(Crash::Kill);
                world.connect_as(0, "fast", false);
            }
        }
        let setting = world.plan.setting.clone();
        let stays = |message: u64| !setting.text(message).is_expired();
        let waiting = world.live.session(absent).messages.values();
        let waiting = waiting.map(|waiting| waiting.message).filter(|message| stays(*message));
        assert!(waiting.eq((0..40_000).step_by(1000).filter(|message| stays(*message))));
    });
}

// The same with retained messages that were set once.
#[test]
fn few_retained_among_much() {
    each_seed(9200..9203, |seed| {
        let mut world = world(seed);
        let fast = world.connect_as(0, "fast", false);
        for message in 0..20_000 {
            pass(&mut world, &[fast], message < 200 && message % 10 == 0);
            let (there, needed) = (segments(&world), needed(&world));
            assert!(there <= 3 * needed + SLACK, "{there} segments for {needed}");
        }
        assert!(world.live.retained.len() > 5);
        world.settle();
        world.crash(Crash::Kill);
    });
}

// Crash after crash, with little done in between, nothing piles up.
#[test]
fn restarts_leave_nothing() {
    each_seed(9300..9305, |seed| {
        let mut world = world(seed);
        for round in 0..200 {
            let fast = world.connect_as(0, "fast", false);
            for message in 0..100 {
                let stays = message == 0 && round % 20 == 0;
                if stays && round > 0 {
                    let absent = world.connect_as(0, "absent", false);
                    world.detach(absent);
                    pass(&mut world, &[fast, absent], false);
                } else {
                    pass(&mut world, &[fast], false);
                }
            }
            let (there, needed) = (segments(&world), needed(&world));
            assert!(there <= 3 * needed + SLACK, "{there} segments for {needed}, round {round}");
            let crash = Crash::power(&mut world.random);
            world.crash(crash);
        }
    });
}

// The size of a checkpoint is that of its own records, whatever clients do meanwhile. A restart
// finds the same.
#[test]
fn checkpoints_are_not_their_neighbours() {
    each_seed(9400..9403, |seed| {
        let mut world = world_of(1 << 17, seed);
        let fast = world.connect_as(0, "fast", false);
        for client in 0..600 {
            let key = world.connect_as(0, &format!("client-{client}"), false);
            world.detach(key);
        }
        let checkpoints = |world: &World| world.store.housekeeping.stats().checkpoints;
        let before = checkpoints(&world);
        while checkpoints(&world) < before + 3 {
            (0..500).for_each(|_| world.store_message(&[fast], false));
            pass(&mut world, &[fast], false);
        }
        let bytes = world.store.housekeeping.checkpoint_bytes();
        assert!((600 * 20..600 * 100).contains(&bytes), "{bytes}");
        world.settle();
        let bytes = world.store.housekeeping.checkpoint_bytes();
        world.crash(Crash::Kill);
        assert_eq!(world.store.housekeeping.checkpoint_bytes(), bytes);
    });
}

// The process is killed again and again before free files are cleared: a check of the files finds
// no damage.
#[test]
fn kills_look_like_no_damage() {
    each_seed(9610..9640, |seed| {
        let mut world = world(seed);
        for _ in 0..80 {
            world.plan.lag = world.random.pick(&[1, 3, 10]);
            let fast = world.connect_as(0, "fast", false);
            let absent = world.connect_as(0, "absent", false);
            world.detach(absent);
            for _ in 0..world.random.pick(&[10, 40, 200]) {
                let stays = world.random.one_in(20);
                pass(&mut world, &[fast, absent][..1 + usize::from(stays)], false);
            }
            if world.random.one_in(3) {
                world.connect_as(0, "absent", false);
                world.take_all(absent);
            }
            world.crash(Crash::Kill);
        }
    });
}
