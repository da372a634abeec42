//! `ringmq data reshard`: copies a data directory to one with another number of shards.
//!
//! The home shard of a session and of a retained message depends on its names and on the number of
//! shards. So everything is read and written to its new shard: sessions with their waiting
//! messages, whose numbers are kept, and retained messages. One old shard is open at a time,
//! together with all new ones.
//!
//! A shard knows a QoS 2 message from a publisher on another shard by its *origin*, which names the
//! publisher's session. If the publisher's shard has recorded the message, its session is copied
//! with this record, which is sufficient. If a broker was killed before that record, some shards
//! may have the message and others not, and the publisher sends it again. Sessions of the former
//! shards must not get it twice; those of the latter must get it. Both may meet on a new shard, so
//! the new shard records for each session of the former that it has the message (see `doubts`).

use std::path::Path;

use crate::broker::{home_of, keeper_of};
use crate::disk::{Clocks, Directory, Helper, Making, Vhosts};
use crate::limits::MERGED_SESSIONS_MAX;
use crate::store::{
    ClockReading, Losses, NewMessage, Opened, Position, QueueItem, SessionKey, Store, Timeline,
};

use super::doubts::{Doubts, Homes};
use super::error::{DataError, counted};
use super::merge::{Merged, Moved, merge};
use super::snapshot::Snapshot;
use super::writer::Writer;

/// Places of damage that the report lists.
const PLACES_MAX: usize = 10;

/// Executes the command; returns the text to print.
pub(super) fn run(
    dir: &Path,
    shards: u16,
    to: &Path,
    skip_damaged: bool,
) -> Result<String, DataError> {
    let source = Source::open(dir, skip_damaged)?;
    let making = Making::begin(to, shards)?;
    let moved = match move_all(&source, &making) {
        Ok(moved) if moved.merged.lost + moved.lost > 0 && !skip_damaged => {
            let lost = counted(moved.merged.lost + moved.lost, "message");
            Err(DataError::Damaged(vec![format!("{lost} cannot be read")]))
        }
        moved => moved,
    };
    match moved.and_then(|moved| verify(&making, &moved).map(|()| moved)) {
        Ok(moved) => {
            making.finish(dir)?;
            Ok(moved.report(&source, to, shards))
        }
        Err(error) => {
            making.abandon();
            Err(error)
        }
    }
}

/// The directory that is read.
struct Source {
    directory: Directory,
    vhosts: Vhosts,
    clocks: ClockReading,
    /// The time line of the first shard, which all new shards continue.
    timeline: Timeline,
    /// QoS 2 messages that some shards have and their publishers' shards have not recorded.
    doubts: Doubts,
    /// Places of damage.
    damage: Vec<String>,
    /// Losses that the damage has caused.
    losses: Losses,
}

/// The copied data.
#[derive(Default)]
struct MovedAll {
    sessions: u64,
    retained: u64,
    merged: Merged,
    /// Retained messages that could not be read.
    lost: u64,
    /// QoS 2 messages that some shards know and others do not, and that may be delivered twice.
    in_doubt: u64,
    /// Sessions and retained messages of deleted vhosts; they are not copied.
    dropped: u64,
}

impl Source {
    /// Opens each shard once, so that damage is known before anything is created.
    fn open(dir: &Path, skip_damaged: bool) -> Result<Self, DataError> {
        let directory = Directory::open_read_only(dir)?;
        let vhosts = directory.vhosts()?;
        let clocks = Clocks::new().last();
        let mut source = Self {
            directory,
            vhosts,
            clocks,
            timeline: Timeline::default(),
            doubts: Doubts::default(),
            damage: Vec::new(),
            losses: Losses::default(),
        };
        let (mut damage, mut waiting) = (Vec::new(), 0);
        for shard in 0..source.directory.shards() {
            let snapshot = Snapshot::of(&source.directory, shard, Some(clocks))?;
            let Snapshot { store, opened, .. } = &snapshot;
            damage.extend(snapshot.damage());
            source.note_losses(opened);
            source.doubts.note_shard(shard, store);
            waiting += waiting_in_groups(store);
            if shard == 0 {
                source.timeline = store.catalog.timeline.clone();
            }
        }
        source.doubts.settle();
        if waiting > 0 {
            return Err(DataError::Groups(waiting));
        }
        if damage.is_empty() || skip_damaged {
            source.damage = told(damage);
            return Ok(source);
        }
        Err(DataError::Damaged(told(damage)))
    }

    fn note_losses(&mut self, opened: &Opened) {
        let Losses { queued, retained, sessions, records } = opened.losses;
        self.losses.queued += queued;
        self.losses.retained += retained;
        self.losses.sessions += sessions;
        self.losses.records += records;
    }
}

/// Messages that wait for consumer groups.
fn waiting_in_groups(store: &Store) -> u64 {
    let sessions = store.catalog.sessions();
    let lanes = sessions.keys_from(0).map(|key| sessions.get(key)).filter(|it| it.is_lane());
    lanes.map(|lane| lane.queue.waiting()).sum()
}

/// The first places of damage, and the number of the others.
fn told(mut damage: Vec<String>) -> Vec<String> {
    let more = damage.len().saturating_sub(PLACES_MAX);
    damage.truncate(PLACES_MAX);
    if more > 0 {
        damage.push(format!("and {more} more"));
    }
    damage
}

/// Writes everything that the source contains.
fn move_all(source: &Source, making: &Making) -> Result<MovedAll, DataError> {
    let started = Helper::start();
    let mut helper = started.map_err(|error| DataError::System {
        doing: "start a thread for",
        path: making.folder(0),
        error,
    })?;
    let written = write_shards(source, making, &mut helper);
    // When the writers are gone, the helper has finished their requests.
    helper.finish();
    written
}

fn write_shards(
    source: &Source,
    making: &Making,
    helper: &mut Helper,
) -> Result<MovedAll, DataError> {
    making.take_over_texts(source.directory.path())?;
    let mut writers = Vec::new();
    for shard in 0..making.shards() {
        let (files, timeline) = (making.shard(shard)?, source.timeline.clone());
        writers.push(Writer::new(shard, files, timeline, source.clocks, helper)?);
    }
    let (mut moved, mut homes) = (MovedAll::default(), Homes::new(&source.doubts));
    for shard in 0..source.directory.shards() {
        let Snapshot { store, .. } = Snapshot::of(&source.directory, shard, Some(source.clocks))?;
        let mut old = Old { shard, store, source };
        old.move_sessions(&mut writers, &mut moved, &mut homes)?;
        old.move_retained(&mut writers, &mut moved)?;
    }
    moved.in_doubt = homes.carry(&mut writers)?;
    writers.into_iter().try_for_each(Writer::finish)?;
    Ok(moved)
}

/// One shard of the source.
struct Old<'a> {
    shard: u16,
    store: Store,
    source: &'a Source,
}

impl Old<'_> {
    /// The offset of the new time line to this shard's.
    fn shift_ms(&self) -> i64 {
        let new_ms = self.source.timeline.start_ms().cast_signed();
        new_ms.saturating_sub(self.store.catalog.timeline.start_ms().cast_signed())
    }

    fn move_sessions(
        &mut self,
        writers: &mut [Writer],
        moved: &mut MovedAll,
        homes: &mut Homes<'_>,
    ) -> Result<(), DataError> {
        let shards = u16::try_from(writers.len()).expect("at most SHARDS_MAX");
        let mut by_shard: Vec<Vec<SessionKey>> = writers.iter().map(|_| Vec::new()).collect();
        for key in self.store.catalog.sessions().keys_from(0) {
            let session = self.store.catalog.session(key);
            if session.is_lane() {
                // It is created again where it is needed.
                continue;
            }
            match self.source.vhosts.name_of(session.vhost) {
                Some(vhost) => {
                    let home = home_of(vhost, &session.client_id, shards);
                    by_shard[usize::from(home.0)].push(key);
                }
                None => moved.dropped += 1,
            }
        }
        for (home, (keys, writer)) in (0..).zip(by_shard.into_iter().zip(writers)) {
            for some in keys.chunks(MERGED_SESSIONS_MAX) {
                self.move_some(some, (home, writer), moved, homes)?;
            }
        }
        Ok(())
    }

    fn move_some(
        &mut self,
        keys: &[SessionKey],
        (home, writer): (u16, &mut Writer),
        moved: &mut MovedAll,
        homes: &mut Homes<'_>,
    ) -> Result<(), DataError> {
        let shift_ms = self.shift_ms();
        let mut sessions = Vec::new();
        for old in keys.iter().copied() {
            let session = self.store.catalog.session(old);
            // 0 is not a time: it stands for a connected client.
            let left_ms = session.left_ms.saturating_add_signed(shift_ms).max(1);
            let Store { catalog, logs, .. } = &mut writer.store;
            let new = catalog.adopt_session(session, left_ms, logs);
            let new = new.expect("it had no more subscriptions before");
            homes.note_session((self.shard, session.serial), (home, new));
            sessions.push(Moved { old, new });
            writer.write_some()?;
        }
        moved.sessions += sessions.len() as u64;
        let merged = merge(sessions, shift_ms, &mut self.store, writer)?;
        moved.merged.queued += merged.queued;
        moved.merged.lost += merged.lost;
        Ok(())
    }

    fn move_retained(
        &mut self,
        writers: &mut [Writer],
        moved: &mut MovedAll,
    ) -> Result<(), DataError> {
        let (shards, shift_ms) = (writers.len(), self.shift_ms());
        let shards = u16::try_from(shards).expect("at most SHARDS_MAX");
        let Store { catalog, logs, .. } = &mut self.store;
        for vhost in catalog.retained_vhosts() {
            let Some(store) = catalog.retained(vhost) else { continue };
            let Some(name) = self.source.vhosts.name_of(vhost) else {
                moved.dropped += store.len() as u64;
                continue;
            };
            for (topic, kept) in store.iter() {
                let Some(message) = logs.disk.message(kept.position) else {
                    moved.lost += 1;
                    continue;
                };
                let writer = &mut writers[usize::from(keeper_of(name, topic, shards).0)];
                let message = NewMessage {
                    vhost,
                    qos: message.qos,
                    retain: true,
                    time_ms: message.time_ms.saturating_add_signed(shift_ms),
                    topic,
                    payload: message.payload,
                    properties: message.properties,
                    received: None,
                    origin: None,
                    own: None,
                };
                let Store { catalog, logs, .. } = &mut writer.store;
                catalog.store(&message, &[], logs);
                moved.retained += 1;
                writer.write_some()?;
            }
        }
        Ok(())
    }
}

/// Reads the new directory: it must contain everything.
fn verify(making: &Making, moved: &MovedAll) -> Result<(), DataError> {
    let mut found = MovedAll::default();
    for shard in 0..making.shards() {
        let snapshot = Snapshot::open(making.written(shard)?, shard, None)?;
        if !snapshot.is_whole() {
            let opened = &snapshot.opened;
            return Err(DataError::Differs(format!("shard {shard} has damage: {opened}")));
        }
        count(&snapshot.store, &mut found);
    }
    let counts = |of: &MovedAll| (of.sessions, of.merged.queued, of.retained);
    if counts(&found) != counts(moved) || found.lost > 0 {
        return Err(DataError::Differs(format!(
            "sessions, queued and retained messages are {:?}, and were {:?}; {} cannot be read",
            counts(&found),
            counts(moved),
            found.lost
        )));
    }
    Ok(())
}

fn count(store: &Store, found: &mut MovedAll) {
    let Store { catalog, logs, .. } = store;
    let mut lost = 0;
    let mut read = |position: Position| lost += u64::from(logs.disk.message(position).is_none());
    for key in catalog.sessions().keys_from(0) {
        found.sessions += 1;
        let _whole = catalog.session(key).queue.visit(logs, &mut |item| {
            match item {
                QueueItem::Message { entry, .. } => {
                    found.merged.queued += 1;
                    entry.position().into_iter().for_each(&mut read);
                }
                QueueItem::Released { .. } => found.merged.queued += 1,
                QueueItem::Block { .. } | QueueItem::Lost { .. } => {}
            }
            std::ops::ControlFlow::Continue(())
        });
    }
    for store in catalog.retained_vhosts().filter_map(|vhost| catalog.retained(vhost)) {
        found.retained += store.len() as u64;
        store.iter().for_each(|(_, kept)| read(kept.position));
    }
    found.lost += lost;
}

impl MovedAll {
    /// The text of the report.
    fn report(&self, source: &Source, to: &Path, shards: u16) -> String {
        let Self { sessions, retained, merged, lost, in_doubt, dropped } = self;
        let mut lines = vec![format!(
            "{} has {} now, with {} in which {} wait, and {}; {} is as it was",
            to.display(),
            counted(shards.into(), "shard"),
            counted(*sessions, "session"),
            counted(merged.queued, "message"),
            counted(*retained, "retained message"),
            source.directory.path().display()
        )];
        if *dropped > 0 {
            lines.push(format!(
                "left out: {} of vhosts that were deleted",
                counted(*dropped, "session or retained message")
            ));
        }
        let unread = merged.lost + lost;
        if unread > 0 || !source.damage.is_empty() {
            let losses = source.losses;
            lines.extend(source.damage.iter().map(|place| format!("damaged: {place}")));
            lines.push(format!(
                "left out with that: {losses}; {} that cannot be read",
                counted(unread, "more message")
            ));
        }
        if *in_doubt > 0 {
            lines.push(format!(
                "{} of QoS 2 that the broker was killed over may reach some clients twice when \
                 the publisher sends it again",
                counted(*in_doubt, "message")
            ));
        }
        lines.join("\n")
    }
}
