//! The simulated disk: the files of all shards, their pending requests, its faults, and the state
//! after a crash.
//!
//! Like everything behind the kernel's interface it does nothing by itself: the scheduler advances
//! a write, or a request to a medium, once it is due. A file is a mapped file in memory, so that a
//! shard reads written data as in reality.

use std::collections::{BTreeMap, VecDeque};
use std::io;

use bytes::Bytes;
use ringmq::limits::FREE_FILES_MAX;
use ringmq::ring::sync_failure;
use ringmq::store::{Extent, FileId, Found, Medium, MediumAnswer, Request};

use crate::clocks::Clocks;
use crate::image::Image;
use crate::kernel::{Shared, lock};
use crate::plan::Plan;
use crate::random::Random;

/// A shard's file for writing.
pub(crate) type SimFile = FileId;

/// Bytes of a segment's header, which may be overwritten by a write of its own.
const HEADER: usize = 64;

/// The size of the simulated file system, which is also its free space without faults.
const TOTAL_BYTES: u64 = 1 << 40;

/// The time after which a shard repeats a refused request.
const RETRY_MS: u64 = 1_000;

/// One shard's part of the disk.
pub(crate) struct SimMedium {
    kernel: Shared,
    at: usize,
}

impl SimMedium {
    pub(crate) fn new(kernel: &Shared, at: usize) -> Self {
        Self { kernel: kernel.clone(), at }
    }
}

impl Medium for SimMedium {
    type File = SimFile;

    fn ask(&mut self, request: Request) {
        lock(&self.kernel).disk.ask(self.at, request);
    }

    fn next_answer(&mut self) -> Option<MediumAnswer<SimFile>> {
        lock(&self.kernel).disk.shards[self.at].answers.pop_front()
    }
}

/// A write that a ring was given.
pub(crate) struct Write {
    pub(crate) file: SimFile,
    pub(crate) offset: u64,
    pub(crate) bytes: Bytes,
    pub(crate) sync: bool,
}

struct Flight {
    write: Write,
    due_ms: u64,
    /// The kernel has seen it.
    begun: bool,
}

/// Faults of a disk, for a while.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// Every write fails, or every other.
    Writes { one_in: usize },
    /// Every sync fails, after its bytes were written.
    Syncs,
    /// There are no files.
    Supplies,
    /// Nearly all of it is full, it says.
    Space,
}

/// What the disk has failed since the broker started, as its shards should count it.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Failures {
    /// Writes, those that were not synced included.
    pub(crate) writes: u64,
    pub(crate) syncs: u64,
}

#[derive(Default)]
struct ShardDisk {
    failures: Failures,
    files: BTreeMap<FileId, Image>,
    last_id: u64,
    /// The last noted extent of the log.
    noted: Option<Extent>,
    flight: Option<Flight>,
    /// Each with the time at which it is done.
    requests: VecDeque<(u64, Request)>,
    answers: VecDeque<MediumAnswer<SimFile>>,
    /// With its end.
    fault: Option<(Fault, u64)>,
}

/// See the module.
pub(crate) struct Disk {
    pub(crate) clocks: Clocks,
    shards: Vec<ShardDisk>,
    random: Random,
    now_ms: u64,
    delay_ms_max: u64,
    sector_bytes: usize,
    /// The time at which all is well after the last fault, including repeated requests.
    well_ms: u64,
}

impl Disk {
    pub(crate) fn new(plan: &Plan) -> Self {
        Self {
            clocks: Clocks::default(),
            shards: (0..plan.shards).map(|_| ShardDisk::default()).collect(),
            random: Random::new(plan.seed ^ 0x6469_736b_0000_0000),
            now_ms: 0,
            delay_ms_max: plan.disk_ms_max,
            sector_bytes: plan.sector_bytes,
            well_ms: 0,
        }
    }

    /// When something of now takes place.
    fn due_ms(&mut self) -> u64 {
        let delays = usize::try_from(self.delay_ms_max).expect("short");
        let late = self.random.one_in(2);
        self.now_ms + if late { self.random.below(delays + 1) as u64 } else { 0 }
    }

    /// The files that a shard finds when its store is opened.
    pub(crate) fn found(&mut self, at: usize) -> (Vec<Found>, Option<Extent>) {
        let shard = &mut self.shards[at];
        let is_full = matches!(shard.fault, Some((Fault::Space, _)));
        shard.say_free(if is_full { 0 } else { TOTAL_BYTES });
        let mut found = Vec::new();
        for (id, image) in &mut shard.files {
            image.settle();
            image.free = image.has_free_header();
            image.unknown = image.free;
            if !image.free {
                found.push(Found { id: *id, mapping: image.map() });
            }
        }
        (found, shard.noted)
    }

    pub(crate) fn write(&mut self, at: usize, write: Write) {
        assert!(!write.bytes.is_empty(), "a write has bytes");
        let due_ms = self.due_ms();
        let shard = &mut self.shards[at];
        let file = shard.files.get(&write.file).expect("a file that is written to is there");
        assert!(!file.free, "a write to {:?}, which was recycled", write.file);
        let before = shard.flight.replace(Flight { write, due_ms, begun: false });
        assert!(before.is_none(), "one write at a time");
    }

    fn ask(&mut self, at: usize, request: Request) {
        let due_ms = self.due_ms();
        self.shards[at].requests.push_back((due_ms, request));
    }

    /// Submits the requests of this turn.
    pub(crate) fn submit(&mut self, at: usize) {
        if let Some(flight) = &mut self.shards[at].flight {
            flight.begun = true;
        }
    }

    pub(crate) fn may_write(&self, at: usize) -> bool {
        let flight = self.shards[at].flight.as_ref();
        flight.is_some_and(|flight| flight.begun && flight.due_ms <= self.now_ms)
    }

    pub(crate) fn may_serve(&self, at: usize) -> bool {
        self.shards[at].requests.front().is_some_and(|(due_ms, _)| *due_ms <= self.now_ms)
    }

    /// The time of the next request that becomes due.
    pub(crate) fn next_ms(&self) -> Option<u64> {
        let shards = self.shards.iter();
        let dues = shards.flat_map(|shard| {
            let write = shard.flight.as_ref().map(|flight| flight.due_ms);
            let request = shard.requests.front().map(|(due_ms, _)| *due_ms);
            [write, request, shard.fault.map(|(_, until_ms)| until_ms)]
        });
        dues.flatten().filter(|due_ms| *due_ms > self.now_ms).min()
    }

    /// Ends the write of a shard.
    pub(crate) fn advance_write(&mut self, at: usize) -> io::Result<()> {
        let shard = &mut self.shards[at];
        let Flight { write, .. } = shard.flight.take().expect("the scheduler saw it");
        let Write { file, offset, bytes, sync } = write;
        let image = shard.files.get_mut(&file).expect("it was there");
        let offset = usize::try_from(offset).expect("files are small");
        if let Some((Fault::Writes { one_in }, _)) = shard.fault
            && self.random.one_in(one_in)
        {
            shard.failures.writes += 1;
            image.write_some(&bytes, offset, &mut self.random);
            // EIO, ENOSPC
            return Err(io::Error::from_raw_os_error(self.random.pick(&[5, 28])));
        }
        image.write(&bytes, offset);
        if sync && matches!(shard.fault, Some((Fault::Syncs, _))) {
            shard.failures.writes += 1;
            shard.failures.syncs += 1;
            return Err(sync_failure(io::Error::from_raw_os_error(5)));
        }
        if sync {
            image.sync();
        }
        Ok(())
    }

    /// Serves a medium's first request; returns whether there is an answer.
    pub(crate) fn serve(&mut self, at: usize) -> bool {
        let shard = &mut self.shards[at];
        let (_, request) = shard.requests.pop_front().expect("the scheduler saw it");
        match request {
            Request::Supply { bytes } => {
                let answer = if let Some((Fault::Supplies, _)) = shard.fault {
                    MediumAnswer::Refused(io::Error::from_raw_os_error(28))
                } else {
                    let bytes = usize::try_from(bytes).expect("files are small");
                    let id = shard.supply(bytes, self.sector_bytes);
                    MediumAnswer::Supplied { id, file: id, mapping: shard.files[&id].map() }
                };
                shard.answers.push_back(answer);
                return true;
            }
            Request::Recycle(id) => shard.recycle(id),
            Request::Shed => {}
            Request::Clocks => {
                shard.answers.push_back(MediumAnswer::Clocks(self.clocks.read()));
                return true;
            }
            Request::Note(extent) => shard.noted = Some(extent),
            Request::SetAside(id) => {
                shard.files.remove(&id).expect("it was not gone");
            }
        }
        false
    }
}

/// Faults.
impl Disk {
    /// The broker is gone, and the power with it if that went. A write in flight is made in part.
    pub(crate) fn crash(&mut self, power: bool) {
        for shard in &mut self.shards {
            shard.failures = Failures::default();
            shard.requests.clear();
            shard.answers.clear();
            if let Some(Flight { write, begun: true, .. }) = shard.flight.take() {
                let image = shard.files.get_mut(&write.file).expect("it was there");
                let offset = usize::try_from(write.offset).expect("files are small");
                if power {
                    image.write_some(&write.bytes, offset, &mut self.random);
                } else {
                    let length = write.bytes.len();
                    let mut count = self.random.below(length + 1);
                    if offset == 0 && length == HEADER {
                        // It is copied as one.
                        count = if count < length / 2 { 0 } else { length };
                    }
                    image.write(&write.bytes[..count], offset);
                }
            }
            if power {
                shard.files.values_mut().for_each(|image| image.cut(&mut self.random));
            }
        }
    }

    /// A shard's disk is not well until some time.
    pub(crate) fn begin_fault(&mut self, at: usize, fault: Fault, until_ms: u64) {
        self.end_fault(at);
        self.shards[at].fault = Some((fault, until_ms));
        self.well_ms = self.well_ms.max(until_ms + RETRY_MS);
        if fault == Fault::Space {
            self.shards[at].say_free(0);
        }
    }

    fn end_fault(&mut self, at: usize) {
        if let Some((Fault::Space, _)) = self.shards[at].fault.take() {
            self.shards[at].say_free(TOTAL_BYTES);
        }
    }

    /// Faults that are over end. Tells which shards hear something of it.
    pub(crate) fn set_time(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
        self.clocks.set_time(now_ms);
        for at in 0..self.shards.len() {
            if self.shards[at].fault.is_some_and(|(_, until_ms)| until_ms <= now_ms) {
                self.end_fault(at);
            }
        }
    }

    /// All faults end.
    pub(crate) fn heal(&mut self) {
        (0..self.shards.len()).for_each(|at| self.end_fault(at));
        self.well_ms = self.well_ms.min(self.now_ms + RETRY_MS);
    }

    /// Of all shards.
    pub(crate) fn failures(&self) -> Failures {
        let mut sum = Failures::default();
        for Failures { writes, syncs } in self.shards.iter().map(|shard| shard.failures) {
            sum.writes += writes;
            sum.syncs += syncs;
        }
        sum
    }

    /// The time from which on the disk is no excuse for the broker.
    pub(crate) fn well_ms(&self) -> u64 {
        self.well_ms
    }

    /// Whether a medium has something to say.
    pub(crate) fn has_answers(&self, at: usize) -> bool {
        !self.shards[at].answers.is_empty()
    }
}

impl ShardDisk {
    /// A free file, or a new one.
    fn supply(&mut self, bytes: usize, sector_bytes: usize) -> FileId {
        let is_fit = |image: &Image| image.free && image.len() == bytes;
        if let Some((id, image)) = self.files.iter_mut().find(|(_, image)| is_fit(image)) {
            if std::mem::take(&mut image.unknown) {
                image.zero();
            }
            image.free = false;
            return *id;
        }
        self.last_id += 1;
        let id = FileId(self.last_id);
        self.files.insert(id, Image::new(bytes, sector_bytes));
        id
    }

    fn recycle(&mut self, id: FileId) {
        let image = self.files.get_mut(&id).expect("it was not gone");
        assert!(!image.free, "{id:?} is recycled twice");
        image.clear();
        let free: Vec<FileId> =
            self.files.iter().filter(|(_, image)| image.free).map(|(id, _)| *id).collect();
        for surplus in free.iter().take(free.len().saturating_sub(FREE_FILES_MAX)) {
            self.files.remove(surplus);
        }
    }

    fn say_free(&mut self, free: u64) {
        self.answers.push_back(MediumAnswer::Space { free, total: TOTAL_BYTES });
    }
}
