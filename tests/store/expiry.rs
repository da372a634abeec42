//! Expiry of queued messages, of retained messages, and of wills.

use std::num::NonZero;

use ringmq::store::{
    CatalogLimits, ClockReading, Lifetime, LogOptions, NewMessage, QueueEntry, QueueNext,
    QueueTerms, SessionKey, Store, StoreOptions, StoredMessage, Target, Will,
};

use super::disk::found_in;
use super::verify::{HOLDER, Setting, numbers_of};
use super::world::{Plan, World};

/// Makes the next message of the run one that is expired when it arrives, or one that is not.
fn choose_next(world: &mut World, is_expired: bool) -> u64 {
    while world.plan.setting.text(world.messages).is_expired() != is_expired {
        world.messages += 1;
    }
    world.messages
}

fn plan(seed: u64) -> Plan {
    let mut plan = Plan::sparse(seed);
    (plan.pressed_ms, plan.lag) = (0, 1);
    let log = &mut plan.setting.options.log;
    (log.segment_bytes, log.first_segment_bytes) = (4096, 4096);
    plan
}

fn end_turn(world: &mut World) {
    world.time_ms += 1;
    world.end_turn();
    world.work_disk();
    world.fold();
}

// Cleaning drops and counts messages that have expired and were not sent. A message that was sent
// stays until its client has answered, and live messages stay. A restart finds the same.
#[test]
fn cleaning_drops_what_was_not_sent() {
    // Space is short, so each segment with few live bytes is cleaned.
    let mut world = World::new(Plan { pressed_ms: 100, ..plan(1) }, 1);
    let fast = world.connect_as(0, "fast", false);
    let (unsent, sent) = (world.connect_as(0, "unsent", false), world.connect_as(0, "sent", false));
    world.detach(unsent);
    for _ in 0..4 {
        for key in [unsent, sent] {
            choose_next(&mut world, true);
            world.store_message(&[key], false);
        }
        choose_next(&mut world, false);
        world.store_message(&[unsent], false);
        end_turn(&mut world);
    }
    assert!((0..4).all(|_| world.take(sent)));
    world.detach(sent);
    let mut messages = 0;
    loop {
        let stats = world.store.housekeeping.stats();
        if stats.expired == 4 && !world.busy {
            break;
        }
        assert!(messages < 5000, "they are never dropped: {stats:?}");
        messages += 1;
        world.store_message(&[fast], false);
        world.take_all(fast);
        end_turn(&mut world);
    }
    let sessions = world.store.catalog.sessions();
    let numbers = |key| Vec::from_iter(numbers_of(&world.store, sessions.get(key)));
    assert_eq!((numbers(unsent), numbers(sent)), (vec![1, 3, 5, 7], vec![0, 1, 2, 3]));
    assert_eq!(
        sessions.get(unsent).queue.stored_bytes(),
        world.live.session(unsent).stored_bytes()
    );
    world.settle();
    world.reopen();
    let sessions = world.store.catalog.sessions();
    let numbers = |key| Vec::from_iter(numbers_of(&world.store, sessions.get(key)));
    assert_eq!((numbers(unsent), numbers(sent)), (vec![1, 3, 5, 7], vec![0, 1, 2, 3]));
    world.connect_as(0, "sent", false);
    world.take_all(sent);
}

// An expired retained message is removed with its record, and its bytes are released; a message
// that replaced it in time stays. Clearing an expired message does not clear its replacement.
#[test]
fn retained_messages_go() {
    let mut store = open(1000, Vec::new());
    let now_ms = store.catalog.timeline.start_ms();
    let seconds = |seconds: u8| [2, 0, 0, 0, seconds];
    for (topic, properties) in [
        ("short", &seconds(5)[..]),
        ("long", &seconds(200)),
        ("ever", &[]),
        ("renewed", &seconds(5)),
    ] {
        retain(&mut store, topic, properties, now_ms);
    }
    let first = retained(&store, "renewed").expect("it is there");
    retain(&mut store, "renewed", &seconds(100), now_ms + 1000);
    let Store { catalog, logs, housekeeping } = &mut store;
    let before = catalog.retained(0).expect("there are some").bytes();
    assert!(!catalog.clear_expired(0, "renewed", first, logs), "it is another by now");
    // The first look is right away, the next a minute later.
    housekeeping.step(catalog, logs, now_ms + 4_000, false);
    housekeeping.step(catalog, logs, now_ms + 4_000, false);
    assert_eq!(catalog.retained(0).expect("there are some").len(), 4);
    for _ in 0..4 {
        housekeeping.step(catalog, logs, now_ms + 70_000, false);
    }
    let topics = |store: &Store| -> Vec<String> {
        let kept = store.catalog.retained(0).into_iter().flat_map(|store| store.iter());
        kept.map(|(topic, _)| topic.to_owned()).collect()
    };
    assert_eq!(housekeeping.stats().retained_expired, 1);
    assert!(catalog.retained(0).expect("there are some").bytes() < before);
    assert_eq!(topics(&store), ["ever", "long", "renewed"]);
    let position = retained(&store, "renewed").expect("it is there");
    let Store { catalog, logs, housekeeping } = &mut store;
    assert!(catalog.clear_expired(0, "renewed", position, logs), "who reads it finds it first");
    for _ in 0..4 {
        housekeeping.step(catalog, logs, now_ms + 140_000, false);
    }
    for _ in 0..4 {
        housekeeping.step(catalog, logs, now_ms + 201_000, false);
    }
    assert_eq!(topics(&store), ["ever"]);
}

// A full session drops the expired messages at its head and nothing else: neither messages that
// were sent nor those behind a live one. In memory and on disk alike.
#[test]
fn a_full_session_drops_the_dead_first() {
    for clean in [false, true] {
        let mut store = open(1000, Vec::new());
        let now_ms = store.catalog.timeline.start_ms();
        let Store { catalog, logs, .. } = &mut store;
        let key = catalog.open_session(0, "a", clean, now_ms, logs);
        catalog.attach(key, HOLDER, logs);
        for seconds in [5, 5, 5, 60, 5] {
            push(&mut store, key, &[2, 0, 0, 0, seconds], now_ms);
        }
        let Store { catalog, logs, .. } = &mut store;
        let mut session = catalog.session_mut(key);
        assert!(matches!(session.take_next(1, logs), Some(QueueNext::Publish { number: 0, .. })));
        let bytes = session.queue.stored_bytes();
        assert_eq!(session.drop_expired(now_ms + 4_999, logs), 0);
        assert_eq!(session.drop_expired(now_ms + 5_000, logs), 2);
        assert_eq!(session.drop_expired(now_ms + 5_000, logs), 0);
        assert!(session.queue.stored_bytes() < bytes);
        session.rewind();
        let mut numbers = Vec::new();
        while let Some(QueueNext::Publish { entry, number, again, .. }) = session.take_next(9, logs)
        {
            let position = entry.position().expect("it waits");
            let message = logs.message(position).expect("it is there");
            numbers.push((number, again, session.lifetime(&message, now_ms + 5_000).is_over()));
        }
        let expected = [(0, true, true), (3, false, false), (4, false, true)];
        assert_eq!(numbers, expected, "clean: {clean}");
    }
}

// The expiry that a receiver is told is reduced by the waiting time, also by the time that the
// broker was down. The will of a session is due by the same clock; its delay does not start anew.
#[test]
fn time_goes_on_while_the_broker_is_down() {
    let mut world = World::new(plan(2), 2);
    let key = world.connect_as(0, "a", false);
    let now_ms = world.time_ms;
    let will = Will {
        topic: "gone",
        payload: b"a",
        properties: &[2, 0, 0, 0, 60],
        qos: 1,
        retain: false,
        delay_s: 30,
    };
    let Store { catalog, logs, .. } = &mut world.store;
    catalog.set_will(key, &will, logs);
    assert_eq!(catalog.will_due_ms(key, now_ms), None, "its client is there");
    push(&mut world.store, key, &[2, 0, 0, 0, 100], now_ms);
    let Store { catalog, logs, .. } = &mut world.store;
    catalog.detach(key, now_ms, logs);
    assert_eq!(catalog.will_due_ms(key, now_ms + 1_000), Some(29_000));
    world.settle();
    let images = world.disk.images();
    let mut setting = world.plan.setting.clone();
    // The machine was not restarted, and it is 20 s later.
    let clocks = setting.options.clocks.expect("they can be read");
    let (wall_ms, boot_ms) = (clocks.wall_ms + 20_000, clocks.boot_ms + 20_000);
    setting.options.clocks = Some(ClockReading { wall_ms, boot_ms, ..clocks });
    let (store, _) = setting.open(found_in(&images));
    let start_ms = store.catalog.timeline.start_ms();
    let session = store.catalog.session(key);
    assert_eq!((session.will(), session.left_ms), (Some(will), now_ms));
    let due_ms = store.catalog.will_due_ms(key, start_ms).expect("it is kept");
    assert!((10_000..=11_000).contains(&due_ms), "{due_ms}");
    assert_eq!(store.catalog.will_due_ms(key, start_ms + due_ms), Some(0));
    assert_eq!(store.catalog.will_due_ms(key, u64::MAX), Some(0));
    let mut left = None;
    let _told = session.queue.visit(&store.logs, &mut |item| {
        if let ringmq::store::QueueItem::Message { entry, .. } = item {
            let message = entry.position().and_then(|position| store.logs.message(position));
            left = message.map(|message| message.lifetime(&store.catalog.timeline, start_ms));
        }
        std::ops::ControlFlow::Continue(())
    });
    let Some(Lifetime::Left(seconds)) = left else { panic!("{left:?}") };
    assert!(NonZero::get(seconds).abs_diff(80) <= 1, "{seconds}");
}

// A session names itself by an epoch that its client's next one does not have, nor one that was
// opened after a restart; it keeps its own over one.
#[test]
fn epochs_differ() {
    let mut world = World::new(plan(3), 3);
    let mut epochs = Vec::new();
    for round in 0..4 {
        let key = world.connect_as(0, "a", false);
        let epoch = world.store.catalog.session(key).epoch();
        assert!(epoch != 0 && !epochs.contains(&epoch), "round {round}");
        epochs.push(epoch);
        world.settle();
        world.reopen();
        assert_eq!(world.store.catalog.session(key).epoch(), epoch);
        world.end(key);
        world.settle();
        world.reopen();
    }
}

fn open(retained_max: u64, found: Vec<ringmq::store::Found>) -> Store {
    let log = LogOptions {
        shard: 0,
        segment_bytes: 1 << 16,
        first_segment_bytes: 1 << 16,
        sync: true,
        zeros_bytes: 0,
    };
    let limits = CatalogLimits { retained_count_max: retained_max, retained_bytes_max: 1 << 20 };
    let clocks = ClockReading { wall_ms: 1_700_000_000_000, boot_ms: 5_000, boot_id: 1 };
    let options = StoreOptions { log, limits, seed: 7, clocks: Some(clocks) };
    let setting = Setting { options, tail_bytes_max: 100, payload_max: 100 };
    let (mut store, _) = setting.open(found);
    store.catalog.begin_time(&mut store.logs);
    store
}

fn message<'a>(topic: &'a str, properties: &'a [u8], time_ms: u64) -> NewMessage<'a> {
    NewMessage {
        vhost: 0,
        qos: 1,
        retain: false,
        time_ms,
        topic,
        payload: b"twenty degrees",
        properties,
        received: None,
        origin: None,
        own: None,
    }
}

fn retain(store: &mut Store, topic: &str, properties: &[u8], time_ms: u64) {
    let message = NewMessage { retain: true, ..message(topic, properties, time_ms) };
    store.catalog.store(&message, &[], &mut store.logs);
}

fn retained(store: &Store, topic: &str) -> Option<ringmq::store::Position> {
    Some(store.catalog.retained(0)?.get(topic)?.position)
}

/// Has a session wait for a message, in the log that it has.
fn push(store: &mut Store, key: SessionKey, properties: &[u8], time_ms: u64) {
    let Store { catalog, logs, .. } = store;
    let new = message("t", properties, time_ms);
    if !catalog.session(key).clean {
        let target = Target { session: key, retain: false, exactly_once: false };
        catalog.store(&new, &[target], logs);
        return;
    }
    let NewMessage { topic, payload, qos, .. } = new;
    let message = StoredMessage { topic, payload, qos, properties, time_ms, own: None };
    let position = logs.memory.append(message);
    let bytes = u32::try_from(logs.memory.record_bytes(position)).expect("small");
    let entry = QueueEntry::stored(position, bytes, QueueTerms::default());
    catalog.session_mut(key).push(entry, logs);
}
