//! A small log that was ended in order, with each byte flipped, each file cut off at each record,
//! and each file removed: only what was there is lost, and the store reports it.

use std::collections::BTreeSet;

use ringmq::store::{FileId, Losses, Opened, Store};

use super::contents::{Client, Contents, Difference};
use super::damage::{FRAME, Place, Records, is_due_to, message_in};
use super::disk::{Image, found_in};
use super::model::MessageId;
use super::seeds::each_seed;
use super::world::{Plan, World};

/// Bytes of a segment's header.
const HEADER: usize = 64;

/// A run that was ended as a broker ends it, with its records.
struct Ended {
    world: World,
    images: Vec<Image>,
    records: Vec<Place>,
    whole: Contents,
}

impl Ended {
    fn of(seed: u64) -> Self {
        let mut plan = Plan::sparse(seed);
        (plan.pressed_ms, plan.away, plan.setting.tail_bytes_max) = (0, 6, 40);
        let mut world = World::new(plan, seed);
        for _ in 0..170 {
            world.turn();
            world.consume();
            world.publish();
        }
        world.stop();
        let images = world.disk.images();
        let Records { old, newest, .. } = Records::of(&world, &images);
        let records = [old, newest].concat();
        let (store, opened) = world.setting_now().open_noted(found_in(&images), world.disk.noted);
        assert!(opened.report.faults.is_empty() && opened.report.torn.is_none(), "{opened}");
        Self { world, images, records, whole: Contents::of(&store) }
    }

    fn open(&self, images: &[Image]) -> (Store, Opened) {
        self.world.setting_now().open_noted(found_in(images), self.world.disk.noted)
    }

    /// The records of a file.
    fn records_in(&self, file: FileId) -> impl Iterator<Item = &Place> {
        self.records.iter().filter(move |place| place.file == file)
    }

    /// The clients that these records name in other ways than in a message: all that waits for them
    /// may be lost.
    fn clients_of(&self, lost: &[Place]) -> BTreeSet<Client> {
        let of_sessions = ["session opened", "session state", "block", "queued"];
        let named = lost.iter().filter(|place| of_sessions.contains(&place.kind));
        let clients = named.filter_map(|place| {
            let (_, image) = self.images.iter().find(|(id, _)| *id == place.file)?;
            let body = &image[place.at + FRAME..];
            // Keys of so few sessions are one byte.
            let key = u32::from(body[0]) >> if place.kind == "queued" { 2 } else { 0 };
            let sessions = self.world.store.catalog.sessions();
            let key = sessions.keys_from(key).next().filter(|known| *known == key)?;
            let session = sessions.get(key);
            Some((session.vhost, session.client_id.to_string()))
        });
        clients.collect()
    }

    /// Checks a store from which these records are gone.
    fn check_loss(&self, images: &[Image], lost: &[Place], what: &str) {
        let (mut store, opened) = self.open(images);
        let contents = Contents::of(&store);
        let differences = contents.differences(&self.whole);
        let says = !opened.report.faults.is_empty();
        assert!(says || differences.is_empty(), "{what}: silent: {differences:?} {opened}");
        let clients = self.clients_of(lost);
        let messages: BTreeSet<MessageId> = lost
            .iter()
            .filter(|place| place.kind == "message")
            .filter_map(|place| {
                let (_, image) = self.images.iter().find(|(id, _)| *id == place.file)?;
                Some(message_in(*place, image))
            })
            .collect();
        let now = contents.waiting();
        for (client, before) in self.whole.waiting() {
            if clients.contains(client) {
                continue;
            }
            let Some(now) = now.get(client) else { panic!("{what}: {client:?} is lost: {opened}") };
            let gone: Vec<_> = before.difference(&messages).filter(|m| !now.contains(m)).collect();
            assert!(gone.is_empty(), "{what}: {client:?} has lost {gone:?}: {opened}");
        }
        self.world.plan.setting.use_up(&mut store);
    }
}

// A flipped byte loses no more than its record, and nothing outside of records.
#[test]
fn every_byte() {
    each_seed(14_000..14_002, |seed| {
        let ended = Ended::of(seed);
        for (at_file, (file, image)) in ended.images.iter().enumerate() {
            let end = ended.records_in(*file).map(|place| place.at + place.bytes).max();
            for at in 0..end.unwrap_or(HEADER) {
                let mut images = ended.images.clone();
                images[at_file].1[at] ^= [0x01, 0x80, 0xff, 0x24][at % 4];
                let (mut store, opened) = ended.open(&images);
                let contents = Contents::of(&store);
                let differences = contents.differences(&ended.whole);
                let place = ended.records_in(*file).find(|p| (p.at..p.at + p.bytes).contains(&at));
                let what = format!("{file:?} byte {at}, {place:?}: {differences:?} {opened}");
                let is_due = match place {
                    Some(place) => is_due_to(place.kind, &differences),
                    None => differences.is_empty(),
                };
                assert!(is_due, "{what}");
                let is_lost = |difference: &Difference| matches!(difference, Difference::Gone(..));
                let counted = opened.losses != Losses::default() || contents.unreadable() > 0;
                assert!(counted || !differences.iter().any(is_lost), "not counted: {what}");
                let says = counted || !opened.report.faults.is_empty();
                assert!(says || differences.is_empty(), "silent: {what}");
                assert!(opened.report.torn.is_none(), "{what}");
                if at % 50 == 0 {
                    ended.world.plan.setting.use_up(&mut store);
                }
            }
            assert!(end.is_none_or(|end| end <= image.len()));
        }
    });
}

// A file that is cut off loses the records behind the cut.
#[test]
fn every_cut() {
    each_seed(14_100..14_106, |seed| {
        let ended = Ended::of(seed);
        for (at_file, (file, _)) in ended.images.iter().enumerate() {
            let edges = ended.records_in(*file).flat_map(|place| [place.at, place.at + FRAME + 1]);
            for cut in edges.chain([0, 10, HEADER]) {
                let mut images = ended.images.clone();
                images[at_file].1.truncate(cut);
                let records = ended.records_in(*file).copied();
                let lost: Vec<Place> = records.filter(|p| p.at + p.bytes > cut).collect();
                ended.check_loss(&images, &lost, &format!("{file:?} cut at {cut}"));
            }
        }
    });
}

// A file that is missing loses its records.
#[test]
fn every_file() {
    each_seed(14_200..14_240, |seed| {
        let ended = Ended::of(seed);
        for (file, _) in &ended.images {
            let mut images = ended.images.clone();
            images.retain(|(id, _)| id != file);
            let lost: Vec<Place> = ended.records_in(*file).copied().collect();
            ended.check_loss(&images, &lost, &format!("{file:?} gone"));
        }
        let (_, opened) = ended.open(&[]);
        assert!(!opened.report.faults.is_empty(), "all of them: {opened}");
    });
}
