//! The bytes of every record, and of the header, compared with `tests/golden/records.txt`: the
//! format of existing data directories.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::position::Position;
use super::record::{
    AcksRecord, BlockRecord, MessageRecord, Origin, Record, SessionKey, Target, Targets,
};
use super::segment::{HeaderFound, SegmentHeader};
use super::subscription::SubscriptionOptions;
use super::timeline::{ClockReading, Gap, Mark};
use super::will::Will;

const KNOWN: &str = include_str!("../../tests/golden/records.txt");

/// The mark of each record: offset XOR salt.
const PLACE: u64 = 0x0102_0304_0506_0708;

const SESSION: SessionKey = 300;

const ORIGIN: Origin = Origin { shard: 7, serial: 0x1122_3344_5566_7788, packet_id: 0x99aa };

const MESSAGE: MessageRecord<'static> = MessageRecord {
    vhost: 2,
    qos: 1,
    retained: false,
    time_ms: 1_700_000_000_000,
    topic: "a/é",
    payload: &[0, 255],
    properties: &[],
    moved_from: None,
    received: None,
    origin: None,
    targets: Targets(&[]),
    own: None,
};

/// Calls `check` with a name and each record.
fn for_each(mut check: impl FnMut(&str, &Record<'_>)) {
    let mut targets = Vec::new();
    for (session, retain, exactly_once) in [(0, false, false), (SESSION, true, true)] {
        Target { session, retain, exactly_once }.put(&mut targets);
    }
    let position = Position::durable(0x00aa_bbcc_ddee);
    let full = MessageRecord {
        qos: 2,
        retained: true,
        moved_from: Some(position),
        received: Some((SESSION, 5)),
        origin: Some(ORIGIN),
        targets: Targets(&targets),
        ..MESSAGE
    };
    check("message", &Record::Message(MESSAGE));
    check("message with all", &Record::Message(full));
    let properties = &[2, 0, 0, 0, 60, 38, 0, 1, b'k', 0, 1, b'v'];
    check("message with properties", &Record::Message(MessageRecord { properties, ..MESSAGE }));
    let full = MessageRecord { properties, ..full };
    check("message with all and properties", &Record::Message(full));
    let own = Some(&[1, 0xac, 2][..]);
    check("message with all and identifiers", &Record::Message(MessageRecord { own, ..full }));
    let (gone, released) = (vec![1001, 1300], vec![1000]);
    let (session, time_ms) = (SESSION, 1_700_000_000_001);
    check("acks", &Record::Acks(AcksRecord { session, first: 1000, gone, released }));
    sessions(&mut check, time_ms);
    check("cleared", &Record::Cleared { vhost: 2, topic: "a/é" });
    let block = BlockRecord { session, first: 1 << 20, count: 3, base: 77, entries: &[1, 2, 3] };
    check("block", &Record::Block(block));
    check("session state", &Record::SessionState { session, state: &[9, 8, 7] });
    check("retained state", &Record::RetainedState { vhost: 2, entries: &[6, 5] });
    check("checkpoint begun", &Record::CheckpointBegun);
    check("checkpoint ended", &Record::CheckpointEnded { begun: 1 << 33 });
    check("cleaned", &Record::Cleaned { from: 4032, to: 8064 });
    check("freed elsewhere", &Record::FreedElsewhere(ORIGIN));
    check("origins", &Record::Origins(vec![ORIGIN, Origin { shard: 0, ..ORIGIN }]));
    let target = Target { session, retain: true, exactly_once: false };
    check("queued", &Record::Queued { target, position, bytes: 1000 });
    check("references", &Record::References(vec![(0, 5), (4032, 1 << 40)]));
    check("ends", &Record::Ends(vec![(0, 4032), (4032, 3000)]));
    let clocks = ClockReading { wall_ms: time_ms, boot_ms: 70_000, boot_id: 1 << 120 | 2 };
    check(
        "clock",
        &Record::Clock(Mark {
            time_ms,
            clocks,
            settled_ms: 1,
            settled_wall_ms: 2,
            off_before_ms: 3,
        }),
    );
    let gap = Gap { before_ms: time_ms, length_ms: 70_000, proven: true };
    check("gaps", &Record::Gaps(vec![gap, Gap { proven: false, ..gap }]));
}

fn sessions(check: &mut impl FnMut(&str, &Record<'_>), time_ms: u64) {
    let (session, packet_id) = (SESSION, 0xfffe);
    let opened = Record::SessionOpened { session, vhost: 2, time_ms, client_id: "dev é" };
    check("session opened", &opened);
    check("session ended", &Record::SessionEnded { session });
    let options = SubscriptionOptions::of_qos(2);
    check("subscribed", &Record::Subscribed { session, options, filter: "a/+/#" });
    let options = SubscriptionOptions {
        qos: 1,
        no_local: true,
        retain_as_published: true,
        identifier: 268_435_455,
    };
    check("subscribed with all", &Record::Subscribed { session, options, filter: "a/+/#" });
    check("unsubscribed", &Record::Unsubscribed { session, filter: "a/+/#" });
    check("attached", &Record::Attached { session });
    check("detached", &Record::Detached { session, sent: 70_000, time_ms });
    check("received", &Record::Received { session, packet_id });
    check("freed", &Record::Freed { session, packet_id });
    check("leases", &Record::Leases { session, below: 70_000 });
    check("owner", &Record::Owner { session, user: "ann" });
    check("session expiry", &Record::Expiry { session, interval_s: Some(3600) });
    check("session expiry of the server", &Record::Expiry { session, interval_s: None });
    check("session expiry never", &Record::Expiry { session, interval_s: Some(u32::MAX) });
    let will = Will {
        topic: "a/é",
        payload: &[0, 255],
        properties: &[2, 0, 0, 0, 60],
        qos: 1,
        retain: true,
        delay_s: 300,
    };
    check("will", &Record::Will { session, will });
    check("will cleared", &Record::WillCleared { session });
}

fn line(name: &str, bytes: &[u8]) -> String {
    let mut line = format!("{name}: ");
    bytes.iter().for_each(|byte| write!(line, "{byte:02x}").expect("it is memory"));
    line
}

fn known(name: &str) -> &'static str {
    let is_it = |line: &&str| line.split(": ").next() == Some(name);
    KNOWN.lines().find(is_it).unwrap_or("")
}

fn assert_known(name: &str, now: &str) {
    let known = known(name);
    assert!(
        known == now,
        "the format on disk is another: {name} was\n{known}\nand is\n{now}\nWhat is on disks out \
         there is read so no more. If that is meant, raise FORMAT_VERSION in src/store/segment.rs, \
         decide what becomes of files of the version before, and put the line into \
         tests/golden/records.txt. A new kind of record needs no more than its line."
    );
}

// Every record has its known bytes, and these are read back.
#[test]
fn records_are_as_ever() {
    let mut kinds = BTreeSet::new();
    for_each(|name, record| {
        let mut bytes = Vec::new();
        record.encode(PLACE, false, &mut bytes);
        assert_known(name, &line(name, &bytes));
        assert_eq!(Record::decode(PLACE, &bytes).as_ref(), Ok(&(record.clone(), bytes.len())));
        assert!(bytes.len() <= record.bytes_max(), "{name}");
        kinds.insert(bytes[8]);
    });
    assert!(kinds.into_iter().eq((1..=23).chain(26..=31)), "each kind has a line");
    let mut unknown = Vec::new();
    Record::CheckpointBegun.encode(PLACE, false, &mut unknown);
    unknown[8] = 99;
    let crc = crc32c::crc32c_append(crc32c::crc32c(&PLACE.to_le_bytes()), &unknown[4..]);
    unknown[..4].copy_from_slice(&crc.to_le_bytes());
    let decoded = Record::decode(PLACE, &unknown);
    assert_eq!(decoded, Err(super::record::BadRecord::Unknown), "kind 99 needs a line");
}

// A header has its known bytes, and the header of the previous version is read.
#[test]
fn the_header_is_as_ever() {
    let (start, checkpoint, salt) = (1 << 33, 1 << 32, PLACE);
    let header =
        SegmentHeader { shard: 7, start, checkpoint, salt, continues: true, capacity: 1 << 26 };
    assert_known("header", &line("header", &header.encode()));
    let (_, digits) = known("header of version 2").split_once(": ").expect("it is there");
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).expect("two digits");
    let bytes: Vec<u8> = (0..digits.len()).step_by(2).map(byte).collect();
    assert_eq!(HeaderFound::read(&bytes), HeaderFound::Header(header));
}
