//! Flipped bytes in any kind of record, at any place. The store opens, reports where the damage is,
//! and has lost no more than the content of that record.

use std::collections::{BTreeMap, BTreeSet};

use ringmq::store::{Fault, FaultKind, FileId, HEADER_BYTES, Losses, Walked, segment_walks};

use super::contents::{Client, Contents, Difference, Waits};
use super::disk::{Crash, Image, found_in};
use super::model::MessageId;
use super::random::Random;
use super::seeds::each_seed;
use super::world::{Plan, World};

/// Kinds of record there are.
const KINDS: usize = 28;

/// Bytes of a record's frame: sum, length, kind.
pub(crate) const FRAME: usize = 9;

/// A record in a file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) file: FileId,
    /// The position in the file; `offset` is that in the log.
    pub(crate) at: usize,
    pub(crate) offset: u64,
    pub(crate) bytes: usize,
    pub(crate) kind: &'static str,
}

/// The records of some files.
pub(crate) struct Records {
    /// Recovery begins there.
    checkpoint: u64,
    /// The records of all segments but the newest.
    pub(crate) old: Vec<Place>,
    /// The records of the newest segment.
    pub(crate) newest: Vec<Place>,
}

impl Records {
    pub(crate) fn of(world: &World, images: &[Image]) -> Self {
        let found = found_in(images);
        let (_, opened) = world.setting_now().open(found_in(images));
        let walks = segment_walks(&found, &opened.lengths);
        let (mut places, mut newest) = (Vec::new(), Vec::new());
        let mut checkpoint = 0;
        for walk in &walks {
            let file = walk.file;
            let (_, image) = images.iter().find(|(id, _)| *id == file).expect("it is there");
            let number = |at: usize| u64::from_le_bytes(*image[at..].first_chunk().expect("8"));
            checkpoint = number(32);
            let (start, mut at) = (number(24), HEADER_BYTES);
            newest.clear();
            let _end = walk.walk(&mut |walked| match walked {
                Walked::Record { bytes, kind } => {
                    let (offset, length) = (start + at - HEADER_BYTES, index(bytes));
                    newest.push(Place { file, at: index(at), offset, bytes: length, kind });
                    at += bytes;
                }
                Walked::Damage { .. } => panic!("nothing is damaged yet"),
            });
            places.extend_from_slice(&newest);
        }
        places.truncate(places.len() - newest.len());
        Self { checkpoint, old: places, newest }
    }
}

fn index(bytes: u64) -> usize {
    usize::try_from(bytes).expect("files are small")
}

/// The files with a byte of a record changed.
fn flipped(images: &[Image], place: Place, byte: usize, random: &mut Random) -> Vec<Image> {
    let mut images = images.to_vec();
    let image = images.iter_mut().find(|(id, _)| *id == place.file).expect("it is there");
    image.1[place.at + byte] ^= 1 << random.below(8);
    images
}

/// A run that has written each kind of record, with all of it on disk.
fn ended(seed: u64) -> World {
    let mut plan = Plan::sparse(seed);
    plan.pressed_ms = 0;
    plan.away = 6;
    plan.setting.tail_bytes_max = 40;
    let mut world = World::new(plan, seed);
    for _ in 0..600 {
        world.turn();
        world.consume();
        world.publish();
    }
    world.settle();
    world
}

/// A byte of a record to flip: one of the checksum, or one that is not needed to see for which
/// session a message was.
fn any_byte(place: Place, image: &[u8], random: &mut Random) -> usize {
    let (from, to) = match place.kind {
        // Its time, topic and payload.
        "message" => {
            let body = &image[place.at + FRAME..];
            let topic = usize::from(u16::from_le_bytes([body[3], body[4]]));
            let payload = u32::from_le_bytes(*body[5..].first_chunk().expect("4"));
            (FRAME + 9, FRAME + 17 + topic + index(payload.into()))
        }
        "queued" => (FRAME + 1, place.bytes),
        _ => (8, place.bytes),
    };
    if random.one_in(4) { random.below(4) } else { from + random.below(to - from) }
}

// A flipped byte loses the content of its record and nothing else. Recovery reports the place if it
// reads that record; otherwise the damage is found when the record is needed.
#[test]
fn one_flipped_byte_costs_one_record() {
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    each_seed(10_000..10_024, |seed| {
        let world = ended(seed);
        let images = world.disk.images();
        let records = Records::of(&world, &images);
        let mut random = Random::new(seed);
        let (store, undamaged) = world.setting_now().open(found_in(&images));
        let whole = Contents::of(&store);
        let mut looked: BTreeMap<(bool, &str), usize> = BTreeMap::new();
        for _ in 0..4000 {
            let place = random.pick(&records.old);
            let is_read = place.offset >= records.checkpoint;
            let looks = looked.entry((is_read, place.kind)).or_default();
            if *looks >= 6 {
                continue;
            }
            *looks += 1;
            let (_, image) = images.iter().find(|(id, _)| *id == place.file).expect("is there");
            let byte = any_byte(place, image, &mut random);
            let (mut store, opened) =
                world.setting_now().open(found_in(&flipped(&images, place, byte, &mut random)));
            let (kind, lost_bytes) = (FaultKind::Record, place.bytes as u64);
            let (file, offset) = (place.file, place.at as u64);
            let fault = Fault { file, offset, kind, lost_bytes, records: 1 };
            let faults = if is_read { vec![fault] } else { Vec::new() };
            assert_eq!(opened.report.faults, faults, "{place:?}, byte {byte}");
            assert_eq!(opened.report.torn, undamaged.report.torn, "{place:?}, byte {byte}");
            let contents = Contents::of(&store);
            let differences = contents.differences(&whole);
            let what = format!("{place:?}, byte {byte}: {differences:?} {opened}");
            assert!(is_due_to(place.kind, &differences), "{what}");
            let is_lost = |d: &Difference| matches!(d, Difference::Gone(..));
            let counted = opened.losses != Losses::default() || contents.unreadable() > 0;
            assert!(counted || !differences.iter().any(is_lost), "{what}");
            world.plan.setting.use_up(&mut store);
            if is_read {
                *kinds.entry(place.kind).or_default() += 1;
            }
        }
    });
    println!("{kinds:?}");
    assert_eq!(kinds.len(), KINDS, "{kinds:?}");
}

/// Whether damage to a record of this kind explains what a store lacks or has in addition.
pub(crate) fn is_due_to(kind: &str, differences: &[Difference]) -> bool {
    use Difference as D;
    let clients: BTreeSet<&Client> = differences.iter().filter_map(client_of).collect();
    let (is_same, is_one) = (differences.is_empty(), clients.len() <= 1);
    let may = |allowed: fn(&D) -> bool| differences.iter().all(allowed);
    match kind {
        "message" => {
            let messages: Vec<_> = differences.iter().filter_map(message_of).collect();
            let is_one = messages.windows(2).all(|two| two[0] == two[1]);
            let numbers: BTreeSet<_> = differences.iter().filter_map(client_of).collect();
            let once = differences.iter().filter(|d| matches!(d, D::Gone(..))).count();
            is_one
                && once <= numbers.len()
                && may(|d| {
                    matches!(d, D::Gone(..) | D::Received(_) | D::OriginGone(_))
                        || matches!(d, D::Retained(_) | D::RetainedGone(_))
                })
        }
        "queued" => differences.len() <= 1 && may(|d| matches!(d, D::Gone(..))),
        "acks" => is_one && may(|d| matches!(d, D::Other(..))),
        "session opened" | "session state" => {
            differences.len() <= 1 && may(|d| matches!(d, D::SessionGone(_)))
        }
        "session ended" => differences.len() <= 1 && may(|d| matches!(d, D::SessionBack(_))),
        "subscribed" | "unsubscribed" => is_one && may(|d| matches!(d, D::Filter(_))),
        "received" | "freed" => is_one && may(|d| matches!(d, D::Received(_))),
        "freed elsewhere" => differences.len() <= 1 && may(|d| matches!(d, D::OriginBack(_))),
        "origins" => may(|d| matches!(d, D::OriginGone(_))),
        "cleared" => differences.len() <= 1 && may(|d| matches!(d, D::Retained(_))),
        "retained state" => may(|d| matches!(d, D::Retained(_) | D::RetainedGone(_))),
        "block" => is_one && may(|d| matches!(d, D::Gone(..))),
        // Expired messages were not moved. Their sessions do not know that and find them
        // unreadable.
        "cleaned" => may(|d| matches!(d, D::Other(.., Waits::Unreadable))),
        "attached" | "detached" | "references" | "ends" => is_same,
        "session expiry" => is_one && may(|d| matches!(d, D::Expiry(_))),
        "will" | "will cleared" => is_one && may(|d| matches!(d, D::Will(_))),
        "owner" => is_one && may(|d| matches!(d, D::Owner(_))),
        "checkpoint begun" | "checkpoint ended" | "clock" | "gaps" => is_same,
        other => panic!("a record {other:?}"),
    }
}

fn client_of(difference: &Difference) -> Option<&Client> {
    match difference {
        Difference::SessionGone(client)
        | Difference::SessionBack(client)
        | Difference::Owner(client)
        | Difference::Expiry(client)
        | Difference::Will(client)
        | Difference::Filter(client)
        | Difference::Received(client)
        | Difference::Gone(client, ..)
        | Difference::Other(client, ..) => Some(client),
        _ => None,
    }
}

fn message_of(difference: &Difference) -> Option<Waits> {
    match difference {
        Difference::Gone(_, _, waits) => Some(*waits),
        _ => None,
    }
}

// Any byte at all, in any old segment, or many of them: the store opens, says that there is damage
// where recovery reads it, and can be used.
#[test]
fn whatever_is_flipped_it_opens() {
    each_seed(11_000..11_012, |seed| {
        let world = ended(seed);
        let whole = world.disk.images();
        let records = Records::of(&world, &whole);
        let mut random = Random::new(seed);
        for round in 0..150 {
            let mut images = whole.clone();
            let mut is_read = false;
            for _ in 0..random.pick(&[1, 1, 2, 5, 50]) {
                let place = random.pick(&records.old);
                let byte = random.below(place.bytes);
                images = flipped(&images, place, byte, &mut random);
                is_read |= place.offset >= records.checkpoint;
            }
            let (mut store, opened) = world.setting_now().open(found_in(&images));
            // Two flips of one bit are none.
            let is_whole = images.iter().zip(&whole).all(|(damaged, whole)| damaged == whole);
            assert!(is_whole || opened.report.faults.is_empty() != is_read, "{round}: {opened}");
            let _contents = Contents::of(&store);
            world.plan.setting.use_up(&mut store);
        }
    });
}

// In the newest segment, too, a damaged record loses only itself if a later commit group follows
// it. Else it may be part of an unfinished write, and the log ends there: all that is before it is
// kept, and the report says where the log ends.
#[test]
fn the_newest_segment_ends_in_its_last_group() {
    let (mut cuts, mut whole, mut passed) = (0, 0, 0);
    each_seed(12_000..12_020, |seed| {
        let mut world = ended(seed);
        for _ in 0..40 {
            world.unfolded_turn();
            world.consume();
            world.publish();
        }
        world.settle();
        let images = world.disk.images();
        let records = Records::of(&world, &images);
        let (undamaged, _) = world.setting_now().open(found_in(&images));
        let undamaged = Contents::of(&undamaged);
        let mut random = Random::new(seed);
        let setting = world.setting_now();
        let begins_group = |place: &Place| {
            let (_, image) = images.iter().find(|(id, _)| *id == place.file).expect("is there");
            image[place.at + 8] & 0x80 != 0
        };
        let last = records.newest.iter().rposition(begins_group).expect("there is a group");
        for (at, place) in records.newest.iter().enumerate() {
            if place.offset < world.known_from() {
                continue;
            }
            let byte = random.below(place.bytes);
            let (mut store, opened) =
                setting.open(found_in(&flipped(&images, *place, byte, &mut random)));
            if at < last {
                let (kind, lost_bytes) = (FaultKind::Record, place.bytes as u64);
                let (file, offset) = (place.file, place.at as u64);
                let fault = Fault { file, offset, kind, lost_bytes, records: 1 };
                assert_eq!(opened.report.faults, [fault], "{place:?}, byte {byte}");
                assert_eq!(store.logs.disk.committed(), world.store.logs.disk.committed());
                let differences = Contents::of(&store).differences(&undamaged);
                assert!(is_due_to(place.kind, &differences), "{place:?}: {differences:?}");
                passed += 1;
                continue;
            }
            assert_eq!(store.logs.disk.committed(), place.offset, "{place:?}, byte {byte}");
            assert_eq!(opened.report.faults, [], "{place:?}, byte {byte}");
            let torn = opened.report.torn.expect("something is there");
            assert_eq!((torn.file, torn.offset), (place.file, place.at as u64));
            // The lost end may have held the last reference to a message that is not on disk any
            // more.
            let lost = Contents::of(&store).unreadable() > 0;
            if opened.losses == Losses::default() && !lost {
                let start_ms = store.catalog.timeline.start_ms();
                setting.verify(&mut store, &world.model_at(place.offset, start_ms));
                whole += 1;
            }
            cuts += 1;
        }
    });
    println!("{cuts} cuts, {whole} without other losses, {passed} passed over");
    assert!(cuts > 20 && whole * 2 > cuts && passed > 300, "{cuts}, {whole}, {passed}");
}

// The live records of a damaged segment are moved and its file is set aside. After that no damage
// is left.
#[test]
fn a_damaged_segment_is_cleaned_and_set_aside() {
    let mut told = 0;
    each_seed(13_000..13_006, |seed| {
        let mut plan = Plan::sparse(seed);
        plan.pressed_ms = 0;
        let log = &mut plan.setting.options.log;
        (log.segment_bytes, log.first_segment_bytes) = (4096, 4096);
        plan.lag = 1;
        let mut world = World::new(plan, seed);
        let absent = world.connect_as(0, "absent", false);
        world.detach(absent);
        let fast = world.connect_as(0, "fast", false);
        for message in 0..60 {
            let all = [fast, absent];
            let targets = if message % 3 == 0 { &all[..] } else { &all[..1] };
            pass(&mut world, targets, message % 5 == 0);
        }
        world.settle();
        let images = world.disk.images();
        let records = Records::of(&world, &images);
        let mut random = Random::new(seed);
        let (place, number) = wanted(&world, &records, absent);
        let before = Contents::of(&world.setting_now().open(found_in(&images)).0);
        // A byte of its time.
        let opened = world
            .reopen_without(&flipped(&images, place, FRAME + 10, &mut random), (absent, number));
        if opened.losses == Losses::default() {
            // Recovery does not read messages that a checkpoint lists as waiting.
            return;
        }
        told += 1;
        assert_eq!(opened.report.faults.len(), 1, "{opened}");
        let losses = Losses { queued: 1, ..Losses::default() };
        assert_eq!(opened.losses, losses);
        let there = Contents::of(&world.store);
        let client = (0, "absent".to_owned());
        let differences = there.differences(&before);
        assert!(matches!(&differences[..], [Difference::Gone(of, at, _)]
            if *of == client && *at == number));

        world.connect_as(0, "fast", false);
        let mut messages = 0;
        while world.disk.aside.is_empty() {
            assert!(messages < 3000, "it is not set aside");
            messages += 1;
            pass(&mut world, &[fast], false);
        }
        assert_eq!(std::mem::take(&mut world.disk.aside), [place.file]);
        assert!(world.store.logs.disk.segments().all(|segment| !segment.damaged));
        world.settle();
        world.crash(Crash::Kill);
        let mut differences = Contents::of(&world.store).differences(&there);
        // Changes since then are expected. A reference to the lost message may have stayed until
        // its segment was cleaned.
        differences.retain(|difference| match difference {
            Difference::OriginBack(_) | Difference::Received(_) | Difference::Owner(_) => false,
            Difference::Expiry(_) | Difference::Will(_) => false,
            Difference::Gone(_, at, Waits::Unreadable) => *at != number,
            Difference::Gone(_, _, Waits::Message(message)) => {
                !world.plan.setting.text(*message).is_expired()
            }
            _ => true,
        });
        assert!(differences.is_empty(), "{differences:?}");
        let power = Crash::power(&mut world.random);
        world.crash(power);
    });
    assert!(told > 3, "{told}");
}

/// A message in an old segment that waits for a session, is not retained, and stands among others
/// that do; and its number.
fn wanted(world: &World, records: &Records, key: ringmq::store::SessionKey) -> (Place, u64) {
    let mut found = Vec::new();
    let queue = &world.store.catalog.sessions().get(key).queue;
    let _told = queue.visit(&world.store.logs, &mut |item| {
        if let ringmq::store::QueueItem::Message { number, entry, .. } = item {
            found.extend(entry.position().map(|position| (position.offset(), number)));
        }
        std::ops::ControlFlow::Continue(())
    });
    let is_kept = |offset: u64| {
        let stores = (0..2).filter_map(|vhost| world.store.catalog.retained(vhost));
        stores.flat_map(|store| store.iter()).any(|(_, kept)| kept.position.offset() == offset)
    };
    let place = |offset: u64| records.old.iter().find(|place| place.offset == offset);
    let of_found = found.iter().filter(|(offset, _)| !is_kept(*offset));
    let mut in_old = of_found.filter_map(|(offset, number)| Some((*place(*offset)?, *number)));
    in_old.nth(2).expect("some are in old segments")
}

/// One message; the first session takes all it has at once.
fn pass(world: &mut World, keys: &[ringmq::store::SessionKey], retain: bool) {
    world.time_ms += 1;
    world.store_message(keys, retain);
    world.take_all(keys[0]);
    world.end_turn();
    world.work_disk();
    world.fold();
}

/// The message in a record's payload.
pub(crate) fn message_in(place: Place, image: &[u8]) -> MessageId {
    let body = &image[place.at + FRAME..];
    let topic = usize::from(u16::from_le_bytes([body[3], body[4]]));
    MessageId::from_le_bytes(*body[17 + topic..].first_chunk().expect("each has a number"))
}

// If the length of a record is damaged too, the number of messages that were lost is unknown. All
// others are kept, also if more messages were acknowledged behind the gap than are left.
#[test]
fn what_is_behind_a_gap_still_waits() {
    let mut gaps = 0;
    each_seed(10_400..10_420, |seed| {
        let mut plan = Plan::of(seed);
        (plan.pressed_ms, plan.lag, plan.window) = (0, 1, 1000);
        let log = &mut plan.setting.options.log;
        (log.segment_bytes, log.first_segment_bytes) = (4096, 4096);
        plan.setting.payload_max = 100;
        let mut world = World::new(plan, seed);
        let key = world.connect_as(0, "slow", false);
        // With a checkpoint behind the gap all losses would be known, so not every run makes one.
        for message in 0..70 + world.random.below(40) {
            world.store_message(&[key], false);
            world.take(key);
            if message > 3 {
                world.answer_oldest(key);
            }
            world.end_turn();
            world.work_disk();
        }
        world.settle();
        let images = world.disk.images();
        let records = Records::of(&world, &images);
        let (store, _) = world.setting_now().open(found_in(&images));
        let whole = Contents::of(&store);
        for place in records.old.iter().filter(|place| place.kind == "message") {
            if place.offset < records.checkpoint {
                continue;
            }
            let mut damaged = images.clone();
            let image = damaged.iter_mut().find(|(id, _)| *id == place.file).expect("it is there");
            let lost = BTreeSet::from([message_in(*place, &image.1)]);
            image.1[place.at..place.at + place.bytes].fill(0xee);
            let (store, opened) = world.setting_now().open(found_in(&damaged));
            let contents = Contents::of(&store);
            let (now, before) = (contents.waiting(), whole.waiting());
            for (client, messages) in before {
                let left: BTreeSet<_> = messages.difference(&lost).collect();
                // The session may have been opened in the same segment.
                let Some(now) = now.get(client) else { continue };
                gaps += 1;
                assert!(left.iter().all(|message| now.contains(message)), "{place:?} {opened}");
            }
        }
    });
    assert!(gaps > 100, "{gaps}");
}
