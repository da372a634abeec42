//! The segment files of a scripted run, compared with `tests/golden/segments.txt`: the format of
//! existing data directories, with a checkpoint.

use std::fmt::Write as _;

use ringmq::store::{
    CatalogLimits, ClockReading, FileId, LogOptions, NewMessage, OpenError, Origin, OwnIdentifiers,
    QueueNext, SessionKey, Store, StoreOptions, SubscriptionOptions, Target, Walked, Will,
    segment_walks,
};

use super::contents::Contents;
use super::disk::{Answer, Disk, Image, found_in};
use super::random::Random;
use super::verify::{HOLDER, Setting};

/// Version 1: no flag for the first record of a group, and no file length in the header.
const VERSION_1: &str = include_str!("../golden/segments-1.txt");

/// Version 2: without MQTT 5.
const VERSION_2: &str = include_str!("../golden/segments-2.txt");

/// Version 3: without groups.
const VERSION_3: &str = include_str!("../golden/segments-3.txt");

/// Version 4: without what says which messages carry which subscription identifiers.
const VERSION_4: &str = include_str!("../golden/segments-4.txt");

const KNOWN: &str = include_str!("../golden/segments.txt");

/// Bytes of a file in one line.
const LINE_BYTES: usize = 48;

/// Length of a segment's file.
const FILE_BYTES: usize = 2048;

fn setting() -> Setting {
    let log = LogOptions {
        shard: 3,
        segment_bytes: FILE_BYTES as u64,
        first_segment_bytes: FILE_BYTES as u64,
        sync: true,
        zeros_bytes: 0,
    };
    let limits = CatalogLimits { retained_count_max: 1000, retained_bytes_max: 1 << 20 };
    let clocks = ClockReading { wall_ms: 1_700_000_000_000, boot_ms: 0, boot_id: 1 };
    let options = StoreOptions { log, limits, seed: 0x5345_4544, clocks: Some(clocks) };
    Setting { options, tail_bytes_max: 20, payload_max: 100 }
}

/// A store that is driven by hand, on a disk that does each request at once.
struct Run {
    store: Store,
    disk: Disk,
    messages: u64,
    /// There are clients of MQTT 5.
    has_mqtt_5: bool,
    /// Some copies have their own identifiers.
    has_identifiers: bool,
}

impl Run {
    fn new(has_mqtt_5: bool) -> Self {
        let (mut store, _) = setting().open(Vec::new());
        store.catalog.begin_time(&mut store.logs);
        Self { store, disk: Disk::new(), messages: 0, has_mqtt_5, has_identifiers: false }
    }

    fn open(&mut self, vhost: u16, client: &str) -> SessionKey {
        let Store { catalog, logs, .. } = &mut self.store;
        let key = catalog.open_session(vhost, client, false, 1_700_000_000_001, logs);
        catalog.attach(key, HOLDER, logs);
        key
    }

    fn publish(&mut self, to: &[(SessionKey, bool)], qos: u8, retain: bool) {
        let properties = self.properties();
        let is_own = self.has_identifiers && self.messages % 7 == 2;
        let own = to.get(1).or(to.first()).filter(|_| is_own);
        let Store { catalog, logs, .. } = &mut self.store;
        let targets = to.iter().map(|(session, exactly_once)| Target {
            session: *session,
            retain: false,
            exactly_once: *exactly_once,
        });
        let targets: Vec<Target> = targets.collect();
        let text = self.messages.to_le_bytes();
        let topic = format!("plant/{}", self.messages % 4);
        let received = (self.messages == 3).then(|| (to[0].0, 9));
        let origin = (self.messages == 4).then_some(ORIGIN);
        let message = NewMessage {
            vhost: 0,
            qos,
            retain,
            time_ms: 1_700_000_000_002 + self.messages,
            topic: &topic,
            payload: &[&text[..], b"twenty degrees"].concat(),
            properties,
            received,
            origin,
            own: own.map(|(session, _)| OwnIdentifiers::new(*session, &[1, 0xac, 2])),
        };
        catalog.store(&message, &targets, logs);
        self.messages += 1;
    }

    /// The properties of the next message.
    fn properties(&self) -> &'static [u8] {
        match self.messages % 5 {
            _ if !self.has_mqtt_5 => &[],
            // Ten minutes, and a user property.
            1 => &[2, 0, 0, 2, 88, 38, 0, 1, b'k', 0, 1, b'v'],
            3 => &[1, 1],
            _ => &[],
        }
    }

    /// Sessions as those of MQTT 5 are.
    fn set_options(&mut self, near: SessionKey, away: SessionKey) {
        let Store { catalog, logs, .. } = &mut self.store;
        let all = SubscriptionOptions {
            qos: 1,
            no_local: true,
            retain_as_published: true,
            identifier: 268_435_455,
        };
        assert!(catalog.subscribe(away, "plant/#", all, logs).is_some());
        assert!(catalog.subscribe(near, "plant/1", all, logs).is_some());
        let identified = SubscriptionOptions { identifier: 1, ..SubscriptionOptions::of_qos(0) };
        assert!(catalog.subscribe(near, "plant/2", identified, logs).is_some());
        catalog.set_expiry(away, Some(3600), logs);
        catalog.set_expiry(near, Some(0), logs);
        catalog.set_expiry(near, None, logs);
        catalog.set_expiry(near, Some(u32::MAX), logs);
        let will = Will {
            topic: "plant/gone",
            payload: b"away",
            properties: &[2, 0, 0, 0, 60],
            qos: 1,
            retain: true,
            delay_s: 30,
        };
        catalog.set_will(away, &will, logs);
        catalog.set_will(near, &Will { payload: &[], delay_s: 1, ..will }, logs);
        assert!(catalog.clear_will(near, logs));
    }

    /// A lane of a group of which a session is a member, and that has had none since; or the one
    /// that there is.
    fn open_lane(&mut self, member: SessionKey) -> SessionKey {
        let Store { catalog, logs, .. } = &mut self.store;
        let name = "\0d00$share/g/plant/#";
        if let Some(lane) = catalog.sessions().find_any(0, name) {
            return lane;
        }
        let lane = catalog.open_session(0, name, false, 1_700_000_000_001, logs);
        let shared = SubscriptionOptions::of_qos(1);
        assert!(catalog.subscribe(member, &name[4..], shared, logs).is_some());
        catalog.reserve_leases(member, 8192, logs);
        catalog.set_memberless(lane, Some(1_700_000_000_002), logs);
        catalog.set_memberless(lane, None, logs);
        catalog.set_memberless(lane, Some(1_700_000_000_003), logs);
        lane
    }

    /// A filter gets an identifier while messages wait.
    fn identify_late(&mut self, session: SessionKey) {
        let Store { catalog, logs, .. } = &mut self.store;
        let options = SubscriptionOptions { identifier: 300, ..SubscriptionOptions::of_qos(1) };
        assert!(!catalog.sessions().get(session).queue.is_empty(), "messages wait");
        assert!(catalog.subscribe(session, "plant/+/late", options, logs).is_some());
    }

    /// A client takes so many packets and answers them.
    fn take(&mut self, key: SessionKey, count: usize) {
        let Store { catalog, logs, .. } = &mut self.store;
        let mut session = catalog.session_mut(key);
        for _ in 0..count {
            let Some(QueueNext::Publish { entry, packet_id, .. }) = session.take_next(100, logs)
            else {
                continue;
            };
            // The last step of QoS 2 is still owed.
            let _answer = match entry.terms().exactly_once {
                true => session.release(packet_id, logs),
                false => session.acknowledge(packet_id, logs),
            };
        }
    }

    fn end_turn(&mut self) {
        let Store { catalog, logs, housekeeping } = &mut self.store;
        catalog.write_acks(logs);
        logs.end_turn();
        logs.disk.end_turn();
        housekeeping.step(catalog, logs, 0, false);
        // No faults: nothing is random.
        let random = &mut Random::new(0);
        loop {
            while let Some(request) = logs.disk.next_request() {
                self.disk.ask(request);
                if let (_, Some(Answer::Supplied(id, mapping))) = self.disk.step(random) {
                    logs.disk.on_supplied(id, mapping);
                }
            }
            let Some(write) = logs.disk.next_write() else { break };
            let written = self.disk.write(&write, random);
            drop(write);
            logs.disk.on_written(written);
        }
    }
}

const ORIGIN: Origin = Origin { shard: 1, serial: 7, packet_id: 2 };

/// Something of everything that a version of the format has, and a checkpoint in the middle.
fn script(version: u8) -> Run {
    let has_mqtt_5 = version >= 3;
    let mut run = Run::new(has_mqtt_5);
    let (near, away, gone) = (run.open(0, "near"), run.open(1, "away"), run.open(0, "gone"));
    if has_mqtt_5 {
        run.set_options(near, away);
    }
    run.has_identifiers = version >= 5;
    let lane = (version >= 4).then(|| run.open_lane(near));
    let Store { catalog, logs, .. } = &mut run.store;
    catalog.set_owner(near, Some("ann"), logs);
    assert!(catalog.subscribe(near, "plant/#", SubscriptionOptions::of_qos(2), logs).is_some());
    assert!(catalog.subscribe(near, "plant/+", SubscriptionOptions::of_qos(0), logs).is_some());
    assert!(catalog.unsubscribe(near, "plant/+", logs));
    catalog.detach(away, 1_700_000_000_003, logs);
    catalog.receive(near, 11, logs);
    catalog.receive(near, 12, logs);
    catalog.free(near, 12, logs);
    // It was suspended for 7 s.
    let clocks = ClockReading { wall_ms: 1_700_000_010_000, boot_ms: 10_000, boot_id: 1 };
    assert!(catalog.look_at_clocks(clocks, 1_700_000_003_000, logs).is_some());
    let other = Origin { packet_id: 3, ..ORIGIN };
    catalog.note_origin(other, logs);
    catalog.free_origin(other, logs);
    run.end_turn();
    for message in 0..90 {
        let (once, qos) = (message % 3 == 0, 1 + u8::from(message % 3 == 0));
        let all = [(near, once), (away, once), (gone, false)];
        let count = if message < 20 { 3 } else { 1 };
        run.publish(&all[..count], qos, message % 10 == 0);
        if message % 4 == 1 {
            run.take(near, 3);
        }
        if let Some(lane) = lane.filter(|_| message % 7 == 3) {
            run.publish(&[(lane, false)], 1, false);
        }
        if run.has_identifiers && [10, 60].contains(&message) {
            run.identify_late(if message == 10 { away } else { near });
        }
        if message == 5 {
            let Store { catalog, logs, .. } = &mut run.store;
            let kept = catalog.retained(0).and_then(|store| store.get("plant/0"));
            let target = Target { session: near, retain: true, exactly_once: false };
            catalog.queue_retained(target, kept.expect("it is retained"), logs);
        }
        if message == 22 {
            let Store { catalog, logs, .. } = &mut run.store;
            catalog.end_session(gone, logs);
            assert!(catalog.clear_retained(0, "plant/0", logs));
        }
        run.end_turn();
    }
    assert!(run.store.housekeeping.stats().checkpoints > 0, "there is a checkpoint");
    run
}

/// Files as lines of hexadecimal digits, without the zeros at their ends.
fn text(images: &[Image]) -> String {
    let mut text = String::new();
    for (id, image) in images {
        writeln!(text, "file {}", id.0).expect("it is memory");
        let end = image.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        for line in image[..end].chunks(LINE_BYTES) {
            line.iter().for_each(|byte| write!(text, "{byte:02x}").expect("it is memory"));
            text.push('\n');
        }
    }
    text
}

fn images(text: &str) -> Vec<Image> {
    let mut images: Vec<Image> = Vec::new();
    for line in text.lines() {
        if let Some(id) = line.strip_prefix("file ") {
            images.push((FileId(id.parse().expect("a number")), Vec::new()));
            continue;
        }
        let (_, image) = images.last_mut().expect("a file is named first");
        let byte = |at: usize| u8::from_str_radix(&line[at..at + 2], 16).expect("two digits");
        image.extend((0..line.len()).step_by(2).map(byte));
    }
    images.iter_mut().for_each(|(_, image)| image.resize(FILE_BYTES, 0));
    images
}

/// The place of the first difference between two lists of files: in which known record it is.
fn difference(known: &[Image], now: &[Image]) -> String {
    if known.len() != now.len() {
        return format!("{} files, and not {}", now.len(), known.len());
    }
    let differ = |(known, now): &(&Image, &Image)| known != now;
    let Some(((id, known_bytes), (_, bytes))) = known.iter().zip(now).find(differ) else {
        return "nothing but how it is written down".to_owned();
    };
    let at = known_bytes.iter().zip(bytes).position(|(known, now)| known != now).unwrap_or(0);
    let found = found_in(known);
    let mut what = "header";
    for walk in segment_walks(&found, &Default::default()).iter().filter(|walk| walk.file == *id) {
        let mut end = 64;
        let _end = walk.walk(&mut |walked| {
            if let Walked::Record { bytes, kind } = walked {
                what = if end <= at as u64 { kind } else { what };
                end += bytes;
            }
        });
    }
    format!("file {} at byte {at}, in a record {what:?}", id.0)
}

// A run writes the same bytes as ever, and the known files are read with the same contents.
#[test]
fn segments_are_as_ever() {
    let run = script(5);
    let now = run.disk.images();
    if std::env::var_os("RINGMQ_GOLDEN").is_some_and(|value| value == "write") {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/segments.txt");
        std::fs::write(path, text(&now)).expect("it is writable");
        return;
    }
    let known = images(KNOWN);
    assert!(
        text(&now) == KNOWN,
        "what is written is another: {}.\nIf the format on disk has changed, what is out there is \
         read so no more: raise FORMAT_VERSION in src/store/segment.rs, and decide what becomes of \
         files of the version before. If other records are written, or in another order, see that \
         what is out there is still read. Then `RINGMQ_GOLDEN=write cargo test --test store \
         golden` writes tests/golden/segments.txt anew.",
        difference(&known, &now)
    );
    let (store, opened) = setting().open(found_in(&known));
    assert_eq!((opened.sessions, opened.report.faults.len()), (2, 0), "{opened}");
    let differences = Contents::of(&store).differences(&Contents::of(&run.store));
    assert_eq!(differences, []);
}

// Files of older versions are read with the same contents.
#[test]
fn older_versions_are_read() {
    let versions = [(1, VERSION_1), (2, VERSION_2), (3, VERSION_3), (4, VERSION_4)];
    for (version, text) in versions {
        let known = images(text);
        let is_it = |image: &[u8]| image[0] == 0 || image[12] == version;
        assert!(known.iter().all(|(_, image)| is_it(image)), "version {version}");
        let (store, opened) = setting().open(found_in(&known));
        assert_eq!((opened.sessions, opened.report.faults.len()), (2, 0), "{opened}");
        let differences = Contents::of(&store).differences(&Contents::of(&script(version).store));
        assert_eq!(differences, [], "version {version}");
    }
}

// A directory of an older version is continued. New messages have all of MQTT 5 and of groups, and
// say which identifiers they carry, in segments of this version, and are found again beside the old
// ones. A segment of a later version is not touched.
#[test]
fn older_versions_are_carried_on() {
    for text in [VERSION_1, VERSION_2, VERSION_3, VERSION_4] {
        let known = images(text);
        let (mut store, _) = setting().open(found_in(&known));
        store.catalog.begin_time(&mut store.logs);
        let disk = Disk::with(&known);
        let mut run = Run { store, disk, messages: 100, has_mqtt_5: true, has_identifiers: true };
        let find = |vhost, client| run.store.catalog.sessions().find(vhost, client);
        let (near, away) = (find(0, "near").expect("it is"), find(1, "away").expect("it is"));
        run.set_options(near, away);
        let lane = run.open_lane(near);
        run.identify_late(away);
        for message in 0..5 {
            run.publish(&[(near, false), (away, false), (lane, false)], 1, message == 1);
            run.end_turn();
        }
        let images = run.disk.images();
        let versions = images.iter().map(|(_, image)| image[12]);
        assert!(versions.filter(|version| *version == 5).count() > 0, "there are new segments");
        let (store, opened) = setting().open(found_in(&images));
        assert!(opened.report.faults.is_empty(), "{opened}");
        let differences = Contents::of(&store).differences(&Contents::of(&run.store));
        assert_eq!(differences, []);
        let mut later = images;
        let header = &mut later[0].1;
        header[12] = 6;
        let sum = crc32c::crc32c(&header[12..64]);
        header[8..12].copy_from_slice(&sum.to_le_bytes());
        let refused = Store::open(&setting().options, found_in(&later), None).err();
        assert!(matches!(refused, Some(OpenError::Newer { version: 6, .. })), "{refused:?}");
    }
}
