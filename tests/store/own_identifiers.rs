//! Subscription identifiers that are stored with a message, for one session's copy.

use ringmq::store::{QueueNext, SessionKey, Store};

use super::verify::HOLDER;
use super::world::{Plan, World};

/// Makes the next message of the run one with identifiers.
fn choose_next(world: &mut World) {
    let text = |world: &World| world.plan.setting.text(world.messages);
    while text(world).own.is_none() || text(world).is_expired() {
        world.messages += 1;
    }
}

/// The identifiers of the messages that wait in a session, by the session that their record names.
fn waiting(store: &mut Store, key: SessionKey) -> Vec<(SessionKey, Vec<u32>)> {
    let Store { catalog, logs, .. } = store;
    catalog.attach(key, HOLDER, logs);
    let mut found = Vec::new();
    while let Some(next) = catalog.session_mut(key).take_next(u16::MAX, logs) {
        let QueueNext::Publish { entry, .. } = next else { continue };
        let position = entry.position().expect("what waits is stored");
        let own = logs.message(position).expect("it is whole").own.expect("it has them");
        found.push((own.session, own.iter().collect()));
    }
    found
}

/// Identifiers stay with a message and with their session, whatever the order of the targets, over
/// cleaning and a restart.
#[test]
fn they_stay_with_their_session() {
    let mut plan = Plan::sparse(1);
    (plan.pressed_ms, plan.lag) = (100, 1);
    let log = &mut plan.setting.options.log;
    (log.segment_bytes, log.first_segment_bytes) = (4096, 4096);
    let mut world = World::new(plan, 1);
    let fast = world.connect_as(0, "fast", false);
    let [first, second] = ["first", "second"].map(|name| world.connect_as(0, name, false));
    let mut expected = Vec::new();
    for _ in 0..4 {
        choose_next(&mut world);
        let own = world.plan.setting.text(world.messages).own.expect("it was chosen");
        expected.push((second, own.into_iter().map(u32::from).collect::<Vec<_>>()));
        world.store_message(&[first, second], false);
    }
    world.detach(first);
    world.detach(second);
    let mut messages = 0;
    while world.store.housekeeping.stats().cleaned == 0 || world.busy {
        assert!(messages < 5000, "no segment is cleaned: {:?}", world.store.housekeeping.stats());
        messages += 1;
        world.store_message(&[fast], false);
        world.take_all(fast);
        world.time_ms += 1;
        world.end_turn();
        world.work_disk();
        world.fold();
    }
    world.settle();
    world.reopen();
    assert_eq!(waiting(&mut world.store, first), expected);
    assert_eq!(waiting(&mut world.store, second), expected);
}
