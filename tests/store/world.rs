//! One run: a store that is driven as the broker drives it, its disk, and the model of what it must
//! keep.
//!
//! The run knows the log offset where each change ends. So when the store is opened again and its
//! log ends at some offset, the model of that offset is known. It must contain all that was
//! committed, and what else is there up to the end of the log.

use std::collections::{BTreeSet, VecDeque};

use ringmq::store::{
    CatalogLimits, ClockReading, GroupWrite, HousekeepingStats, LogOptions, Opened, Position,
    SessionKey, Store, StoreOptions, Walked, segment_walks,
};

use super::disk::{Answer, Crash, Disk, Image, found_in};
use super::model::{Change, MessageId, Model, Place};
use super::random::Random;
use super::texts::EPOCH_MS;
use super::verify::{Setting, assert_sound, numbers_of};

/// How often space may be short.
const PRESSED_PERIOD_MS: u64 = 100;

/// How often the clocks are looked at.
const LOOK_PERIOD_MS: u64 = 30;

/// The choices that a seed makes at the start.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) setting: Setting,
    /// How many messages a client may have unacknowledged.
    pub(crate) window: u16,
    /// The disk does a request once in this many looks.
    pub(crate) lag: usize,
    /// The number of clients.
    pub(crate) clients: usize,
    /// A message is for an absent client once in this many times.
    pub(crate) away: usize,
    /// A message is retained once in this many times.
    pub(crate) retain: usize,
    /// The store is opened anew once in this many turns.
    pub(crate) reopen: usize,
    /// Space is short for this part of each [`PRESSED_PERIOD_MS`].
    pub(crate) pressed_ms: u64,
}

/// The clocks at a time, after some starts of the machine.
fn clocks_at(time_ms: u64, starts: u64) -> Option<ClockReading> {
    let boot_id = u128::from(starts) + 1;
    Some(ClockReading { wall_ms: time_ms, boot_ms: time_ms, boot_id })
}

/// See the module.
pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) random: Random,
    pub(crate) disk: Disk,
    pub(crate) store: Store,
    pub(crate) live: Model,
    /// What was kept when the store was opened; `changes` has what was appended since, with its
    /// ends.
    base: Model,
    changes: VecDeque<(u64, Change)>,
    /// Acknowledgements that are not in the log yet, in the order of their first note.
    pub(crate) noted: Vec<(SessionKey, Vec<u64>, Vec<u64>)>,
    pub(crate) flight: Option<GroupWrite>,
    pub(crate) messages: MessageId,
    pub(crate) time_ms: u64,
    /// How long the machine was suspended.
    suspended_ms: u64,
    /// Serials of sessions, also of those that a crash undid.
    pub(crate) serials: BTreeSet<u64>,
    /// Crashes after which the store was opened, clean ends included.
    pub(crate) opened: u64,
    /// The sum over earlier stores.
    pub(crate) stats: HousekeepingStats,
    /// Every kind of crash is checked at each end of a write and after each step of the disk.
    pub(crate) watched: bool,
    /// The number of those checks; `busy_looks` are those during a checkpoint or cleaning.
    pub(crate) looks: u64,
    pub(crate) busy_looks: u64,
    /// Housekeeping is not at its end.
    pub(crate) busy: bool,
    /// The number of times that something was dropped because it had expired.
    pub(crate) expired: u64,
}

impl Plan {
    pub(crate) fn of(seed: u64) -> Self {
        let mut random = Random::new(seed ^ 0x504c_414e);
        let segment_bytes = random.pick(&[4096, 4096 + 512, 8192, 16_384]);
        let zeros_bytes = Random::new(seed ^ 0x5a45_524f).pick(&[0, 0, 256, 4096]);
        // Half of the runs have files of one length.
        let growth = Random::new(seed ^ 0x4752_4f57).pick(&[1, 1, 4, 16]);
        let first_segment_bytes = segment_bytes / growth;
        let log =
            LogOptions { shard: 0, segment_bytes, first_segment_bytes, sync: true, zeros_bytes };
        let limits = CatalogLimits { retained_count_max: 1000, retained_bytes_max: 1 << 30 };
        let options = StoreOptions { log, limits, seed, clocks: clocks_at(EPOCH_MS, 0) };
        let tail_bytes_max = random.pick(&[15, 40, 100, 400]);
        let payload_max = random.pick(&[100, 400, 1000]);
        Self {
            setting: Setting { options, tail_bytes_max, payload_max },
            window: random.pick(&[1, 3, 10, 100]),
            lag: random.pick(&[1, 1, 2, 5]),
            clients: random.pick(&[2, 4, 8]),
            away: random.pick(&[2, 8, 30]),
            retain: random.pick(&[3, 10, 50]),
            reopen: random.pick(&[20, 100, 300]),
            pressed_ms: random.pick(&[0, 0, 20, 80]),
        }
    }
}

impl Plan {
    /// Fast clients, and now and then a message that stays: much is cleaned.
    pub(crate) fn sparse(seed: u64) -> Self {
        let mut random = Random::new(seed ^ 0x5350_4152);
        let mut plan = Self::of(seed);
        plan.setting.options.log.segment_bytes = random.pick(&[4096, 4096 + 512]);
        plan.setting.payload_max = random.pick(&[50, 100]);
        Self {
            window: 100,
            lag: random.pick(&[1, 1, 3]),
            clients: 6,
            away: 30,
            retain: random.pick(&[20, 60]),
            reopen: random.pick(&[200, 1000]),
            ..plan
        }
    }
}

impl World {
    pub(crate) fn new(plan: Plan, seed: u64) -> Self {
        let (mut store, opened) = plan.setting.open(Vec::new());
        assert_sound(&opened);
        store.catalog.begin_time(&mut store.logs);
        let mut world = Self {
            plan,
            random: Random::new(seed),
            disk: Disk::new(),
            store,
            live: Model::default(),
            base: Model::default(),
            changes: VecDeque::new(),
            noted: Vec::new(),
            flight: None,
            messages: 0,
            time_ms: EPOCH_MS,
            suspended_ms: 0,
            serials: BTreeSet::new(),
            opened: 0,
            stats: HousekeepingStats::default(),
            watched: false,
            looks: 0,
            busy_looks: 0,
            busy: false,
            expired: 0,
        };
        world.settle();
        world
    }

    /// Notes the change that the record at `offset` describes.
    pub(crate) fn note(&mut self, offset: u64, change: Change) {
        let end = offset + self.record_bytes(offset);
        self.live.apply(&change);
        self.changes.push_back((end, change));
    }

    /// The store writes the acknowledgements.
    pub(crate) fn write_acks(&mut self) {
        let mut offset = self.store.logs.disk.appended();
        self.store.catalog.write_acks(&mut self.store.logs);
        for (key, done, released) in std::mem::take(&mut self.noted) {
            let end = offset + self.record_bytes(offset);
            self.changes.push_back((end, Change::Acks { key, done, released }));
            offset = end;
        }
        assert_eq!(offset, self.store.logs.disk.appended(), "one record for each session");
    }

    fn record_bytes(&self, offset: u64) -> u64 {
        let bytes = self.store.logs.disk.record_bytes(Position::durable(offset));
        bytes.expect("something was appended there") as u64
    }

    /// Ends a turn as the broker does.
    pub(crate) fn end_turn(&mut self) {
        self.write_acks();
        self.store.logs.end_turn();
        self.store.logs.disk.end_turn();
        self.look_at_clocks();
        let pressed = self.time_ms % PRESSED_PERIOD_MS < self.plan.pressed_ms;
        let (catalog, logs) = (&mut self.store.catalog, &mut self.store.logs);
        let before = self.store.housekeeping.stats();
        self.busy = self.store.housekeeping.step(catalog, logs, self.time_ms, pressed);
        let stats = self.store.housekeeping.stats();
        if stats.expired > before.expired {
            self.note_expired(stats.expired - before.expired);
        }
        if stats.retained_expired > before.retained_expired {
            self.note_retained_expired(stats.retained_expired - before.retained_expired);
        }
        self.serve_disk();
    }

    /// Cleaning dropped this many messages, which had expired and were never sent. When a reopened
    /// store is without them is known less exactly: see `Setting::verify`.
    fn note_expired(&mut self, mut count: u64) {
        let sessions = self.store.catalog.sessions();
        let mut gone_of = Vec::new();
        for (key, session) in &self.live.sessions {
            let there = numbers_of(&self.store, sessions.get(*key));
            let gone = session.messages.keys().copied().filter(|number| !there.contains(number));
            let numbers: Vec<u64> = gone.collect();
            for number in &numbers {
                let waiting = &session.messages[number];
                let text = self.plan.setting.text(waiting.message);
                assert!(text.is_expired() && *number >= session.sent, "{key} {number}");
            }
            if numbers.is_empty() {
                continue;
            }
            count -= numbers.len() as u64;
            self.expired += 1;
            // The log may list the remaining messages before the record that the segment was
            // cleaned.
            let is_noted = self.noted.iter().any(|(noted, ..)| noted == key);
            if sessions.get(*key).queue.has_acks() && !is_noted {
                self.noted.push((*key, Vec::new(), Vec::new()));
            }
            gone_of.push((*key, numbers));
        }
        assert_eq!(count, 0, "each is counted");
        for (key, numbers) in gone_of {
            let session = self.live.session(key);
            session.messages.retain(|number, _| !numbers.contains(number));
        }
    }

    /// The same for retained messages.
    fn note_retained_expired(&mut self, count: u64) {
        let end = self.store.logs.disk.appended();
        let is_gone = |(vhost, topic): &&Place| {
            let store = self.store.catalog.retained(*vhost);
            store.is_none_or(|store| store.get(topic).is_none())
        };
        let gone: Vec<Place> = self.live.retained.keys().filter(is_gone).cloned().collect();
        assert_eq!(gone.len() as u64, count, "{gone:?}");
        for place in gone {
            assert!(self.plan.setting.text(self.live.retained[&place]).is_expired(), "{place:?}");
            self.expired += 1;
            let change = Change::Cleared(place);
            self.live.apply(&change);
            self.changes.push_back((end, change));
        }
    }

    /// Looks at the clocks now and then; the machine was suspended a moment ago.
    fn look_at_clocks(&mut self) {
        if self.time_ms.is_multiple_of(LOOK_PERIOD_MS) {
            self.suspended_ms += 2_000;
            let clocks = clocks_at(self.time_ms + self.suspended_ms, self.opened / 3);
            let Store { catalog, logs, .. } = &mut self.store;
            catalog.look_at_clocks(clocks.expect("they can be read"), self.time_ms, logs);
        }
    }

    /// Passes the store's requests to the disk, as the reactor does.
    pub(crate) fn serve_disk(&mut self) {
        while let Some(request) = self.store.logs.disk.next_request() {
            self.disk.ask(request);
        }
        if self.flight.is_none() {
            self.flight = self.store.logs.disk.next_write();
        }
    }

    /// Lets the disk do something, as often as it is due.
    pub(crate) fn work_disk(&mut self) {
        while self.random.one_in(self.plan.lag) {
            let (more, answer) = self.disk.step(&mut self.random);
            match answer {
                Some(Answer::Supplied(id, mapping)) => {
                    self.store.logs.disk.on_supplied(id, mapping);
                }
                Some(Answer::Refused(error)) => self.store.logs.disk.on_refused(&error),
                None => {}
            }
            if !more {
                break;
            }
            self.watch();
        }
        if self.random.one_in(10) {
            self.store.logs.disk.retry_supply();
        }
        if self.random.one_in(self.plan.lag) {
            self.finish_write();
        }
        self.serve_disk();
    }

    /// Ends the write that is under way.
    pub(crate) fn finish_write(&mut self) {
        self.watch();
        let Some(write) = self.flight.take() else { return };
        let result = self.disk.write(&write, &mut self.random);
        drop(write);
        self.store.logs.disk.on_written(result);
        self.watch();
    }

    /// Checks what each kind of crash would leave now.
    fn watch(&mut self) {
        if !self.watched {
            return;
        }
        self.looks += 1;
        self.busy_looks += u64::from(self.busy);
        let mut crashes = vec![Crash::Kill];
        for torn in [false, true] {
            crashes.extend([0, 5, 10].map(|kept_of_ten| Crash::Power { torn, kept_of_ten }));
        }
        crashes.into_iter().for_each(|crash| self.verify_crash(crash));
    }

    /// Has everything committed that was appended.
    pub(crate) fn settle(&mut self) {
        let lag = std::mem::replace(&mut self.plan.lag, 1);
        for round in 0.. {
            assert!(round < 1000, "the disk never comes to rest");
            self.write_acks();
            self.serve_disk();
            if self.flight.is_none() && self.store.logs.disk.staged_bytes() == 0 {
                break;
            }
            // One in one is always.
            let (_, answer) = self.disk.step(&mut self.random);
            match answer {
                Some(Answer::Supplied(id, mapping)) => {
                    self.store.logs.disk.on_supplied(id, mapping);
                }
                Some(Answer::Refused(error)) => self.store.logs.disk.on_refused(&error),
                None => {}
            }
            self.store.logs.disk.retry_supply();
            self.finish_write();
        }
        self.plan.lag = lag;
    }

    /// Ends the run as a broker ends, with all that was asked of the disk done.
    pub(crate) fn stop(&mut self) {
        self.settle();
        self.store.logs.disk.end();
        self.serve_disk();
        while self.disk.step(&mut self.random).0 {}
    }

    /// The model as of an offset of the log, after a restart.
    pub(crate) fn model_at(&self, offset: u64, time_ms: u64) -> Model {
        let mut model = self.unrestarted_at(offset);
        model.restart(time_ms);
        model
    }

    fn unrestarted_at(&self, offset: u64) -> Model {
        let mut model = self.base.clone();
        let before = self.changes.iter().take_while(|(end, _)| *end <= offset);
        before.for_each(|(_, change)| model.apply(change));
        model
    }

    /// The first offset from which on the model is known.
    pub(crate) fn known_from(&self) -> u64 {
        self.changes.front().map_or(self.store.logs.disk.appended(), |(end, _)| *end)
    }

    /// Checks that a store that is opened from these files is what it must be.
    pub(crate) fn verify_images(&self, images: &[Image]) {
        let setting = self.setting_now();
        let (mut store, opened) = setting.open_noted(found_in(images), self.disk.noted);
        assert_sound(&opened);
        // A write that failed may leave whole records behind the end of its segment.
        if self.disk.failed == 0 {
            assert_undamaged(images, &opened);
        }
        let end = store.logs.disk.committed();
        let log = &self.store.logs.disk;
        assert!(log.committed() <= end, "{} was committed, {end} is there", log.committed());
        assert!(
            end <= log.appended(),
            "{end} is more than was appended, {}; {opened} {:?}",
            log.appended(),
            log.committed()
        );
        let start_ms = store.catalog.timeline.start_ms();
        setting.verify(&mut store, &self.model_at(end, start_ms));
    }

    /// Checks what this crash would leave now.
    pub(crate) fn verify_crash(&mut self, crash: Crash) {
        let images = self.disk.images_after(crash, self.flight.as_ref(), &mut self.random);
        self.verify_images(&images);
    }

    /// Crashes, and continues with the files that are left.
    pub(crate) fn crash(&mut self, crash: Crash) {
        let images = self.disk.images_after(crash, self.flight.as_ref(), &mut self.random);
        self.verify_images(&images);
        self.disk.crash_to(&images);
        if !self.disk.faults.are_any() {
            assert_eq!(self.disk.aside, [], "nothing is damaged");
        }
        self.reopen();
    }

    /// Opens the store anew from its files.
    pub(crate) fn reopen(&mut self) {
        assert_sound(&self.reopen_unsound());
    }

    /// The same with files of which one was damaged when all was settled: the damage lost this
    /// message of a session.
    pub(crate) fn reopen_without(&mut self, images: &[Image], lost: (SessionKey, u64)) -> Opened {
        self.disk.crash_to(images);
        self.fold();
        let (key, number) = lost;
        self.base.session(key).messages.remove(&number).expect("it waited");
        self.reopen_unsound()
    }

    fn reopen_unsound(&mut self) -> Opened {
        let setting = self.setting_now();
        let found = self.disk.found(&mut self.random);
        let (store, opened) = setting.open_noted(found, self.disk.noted);
        let stats = self.store.housekeeping.stats();
        self.stats.checkpoints += stats.checkpoints;
        self.stats.cleaned += stats.cleaned;
        self.stats.moved_bytes += stats.moved_bytes;
        self.store = store;
        // The store itself notes only that clients are gone, which the model knows.
        let mut offset = self.store.logs.disk.committed();
        let time_ms = self.store.catalog.timeline.start_ms();
        self.live = setting.without_expired(&self.store, &self.model_at(offset, time_ms));
        let base = setting.without_expired(&self.store, &self.unrestarted_at(offset));
        self.changes.clear();
        for (key, session) in base.sessions.iter().filter(|(_, session)| session.left_ms == 0) {
            let end = offset + self.record_bytes(offset);
            let (key, sent) = (*key, session.end);
            self.changes.push_back((end, Change::Detached { key, sent, time_ms }));
            offset = end;
        }
        assert_eq!(offset, self.store.logs.disk.appended(), "one record for each session");
        self.store.catalog.begin_time(&mut self.store.logs);
        self.base = base;
        self.noted.clear();
        self.flight = None;
        self.opened += 1;
        opened
    }

    pub(crate) fn setting_now(&self) -> Setting {
        let mut setting = self.plan.setting.clone();
        let shown_ms = self.time_ms + self.suspended_ms + 1000;
        setting.options.clocks = clocks_at(shown_ms, self.opened / 3);
        setting
    }

    /// Keeps the list of changes short: committed changes cannot be lost.
    pub(crate) fn fold(&mut self) {
        let committed = self.store.logs.disk.committed();
        while let Some((_, change)) = self.changes.pop_front_if(|(end, _)| *end <= committed) {
            self.base.apply(&change);
        }
    }

    /// Prints what happened in a run.
    pub(crate) fn report(&self) {
        println!(
            "{:?} recycled {} opened {} segs {} msgs {} queued {:?}",
            self.stats,
            self.disk.recycled,
            self.opened,
            self.store.logs.disk.segments().len(),
            self.messages,
            self.live.sessions.values().map(|s| s.messages.len()).collect::<Vec<_>>()
        );
    }
}

/// Checks that a walk through these files finds no damage.
#[track_caller]
fn assert_undamaged(images: &[Image], opened: &Opened) {
    let found = found_in(images);
    for walk in segment_walks(&found, &opened.lengths) {
        let file = walk.file;
        let _end = walk.walk(&mut |walked| {
            assert!(!matches!(walked, Walked::Damage { .. }), "{file:?}: {walked:?}");
        });
    }
}
