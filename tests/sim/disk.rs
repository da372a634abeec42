//! The simulated disk: the files of all shards, and what is asked of them and not done yet.
//!
//! As everything behind the kernel's seam it does nothing by itself: the scheduler lets a write, or
//! a request to a medium, get on once it is due. A file is a mapped one in memory, so that a shard
//! reads what was written as it does in life.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use bytes::Bytes;
use ringmq::disk::map;
use ringmq::limits::FREE_FILES_MAX;
use ringmq::store::{FileId, Found, HEADER_BYTES, Mapping, Medium, MediumAnswer, Request};
use rustix::fs::{MemfdFlags, memfd_create};

use crate::kernel::{Shared, lock};
use crate::plan::Plan;
use crate::random::Random;

/// What a shard writes to: a file of its own.
pub(crate) type SimFile = FileId;

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

struct Image {
    /// What the process sees.
    file: File,
    bytes: u64,
    /// Nothing in it is needed: its header is zeros.
    free: bool,
}

impl Image {
    fn new(bytes: u64) -> Self {
        let file = memfd_create("sim", MemfdFlags::CLOEXEC).expect("there is memory");
        let file = File::from(file);
        file.set_len(bytes).expect("there is memory");
        Self { file, bytes, free: false }
    }

    fn map(&self) -> Box<dyn Mapping> {
        map(&self.file).expect("there is memory")
    }

    fn write(&self, bytes: &[u8], offset: u64) {
        assert!(offset + bytes.len() as u64 <= self.bytes, "a write beyond the end of a file");
        self.file.write_all_at(bytes, offset).expect("there is memory");
    }

    fn has_free_header(&self) -> bool {
        let mut header = [0; HEADER_BYTES as usize];
        self.file.read_exact_at(&mut header, 0).expect("no file is shorter");
        header.iter().all(|byte| *byte == 0)
    }
}

#[derive(Default)]
struct ShardDisk {
    files: BTreeMap<FileId, Image>,
    last_id: u64,
    flight: Option<Flight>,
    /// Each with when it is done.
    requests: VecDeque<(u64, Request)>,
    answers: VecDeque<MediumAnswer<SimFile>>,
}

/// See the module.
pub(crate) struct Disk {
    shards: Vec<ShardDisk>,
    random: Random,
    pub(crate) now_ms: u64,
    delay_ms_max: u64,
}

impl Disk {
    pub(crate) fn new(plan: &Plan) -> Self {
        Self {
            shards: (0..plan.shards).map(|_| ShardDisk::default()).collect(),
            random: Random::new(plan.seed ^ 0x6469_736b_0000_0000),
            now_ms: 0,
            delay_ms_max: plan.disk_ms_max,
        }
    }

    /// When something of now takes place.
    fn due_ms(&mut self) -> u64 {
        let delays = usize::try_from(self.delay_ms_max).expect("short");
        let late = self.random.one_in(2);
        self.now_ms + if late { self.random.below(delays + 1) as u64 } else { 0 }
    }

    /// What a shard finds when its store is opened.
    pub(crate) fn found(&mut self, at: usize) -> Vec<Found> {
        let files = self.shards[at].files.iter_mut();
        let mut found = Vec::new();
        for (id, image) in files {
            image.free = image.has_free_header();
            if !image.free {
                found.push(Found { id: *id, mapping: image.map() });
            }
        }
        found
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

    /// The kernel sees what was asked in this turn.
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

    /// When something is due that is not yet.
    pub(crate) fn next_ms(&self) -> Option<u64> {
        let shards = self.shards.iter();
        let dues = shards.flat_map(|shard| {
            let write = shard.flight.as_ref().map(|flight| flight.due_ms);
            write.into_iter().chain(shard.requests.front().map(|(due_ms, _)| *due_ms))
        });
        dues.filter(|due_ms| *due_ms > self.now_ms).min()
    }

    /// Ends the write of a shard.
    pub(crate) fn advance_write(&mut self, at: usize) -> io::Result<()> {
        let shard = &mut self.shards[at];
        let Flight { write, .. } = shard.flight.take().expect("the scheduler saw it");
        let Write { file, offset, bytes, .. } = write;
        shard.files[&file].write(&bytes, offset);
        Ok(())
    }

    /// Does what a medium was asked first; whether there is an answer.
    pub(crate) fn serve(&mut self, at: usize) -> bool {
        let shard = &mut self.shards[at];
        let (_, request) = shard.requests.pop_front().expect("the scheduler saw it");
        match request {
            Request::Supply { bytes } => {
                let id = shard.supply(bytes);
                let mapping = shard.files[&id].map();
                shard.answers.push_back(MediumAnswer::Supplied { id, file: id, mapping });
                return true;
            }
            Request::Recycle(id) => shard.recycle(id),
            Request::SetAside(id) => {
                shard.files.remove(&id).expect("it was not gone");
            }
        }
        false
    }
}

impl ShardDisk {
    /// A file that is free, or a new one.
    fn supply(&mut self, bytes: u64) -> FileId {
        let is_fit = |image: &Image| image.free && image.bytes == bytes;
        if let Some((id, image)) = self.files.iter_mut().find(|(_, image)| is_fit(image)) {
            image.free = false;
            return *id;
        }
        self.last_id += 1;
        let id = FileId(self.last_id);
        self.files.insert(id, Image::new(bytes));
        id
    }

    fn recycle(&mut self, id: FileId) {
        let image = self.files.get_mut(&id).expect("it was not gone");
        assert!(!image.free, "{id:?} is recycled twice");
        image.write(&[0; HEADER_BYTES as usize], 0);
        image.free = true;
        let free: Vec<FileId> =
            self.files.iter().filter(|(_, image)| image.free).map(|(id, _)| *id).collect();
        for surplus in free.iter().take(free.len().saturating_sub(FREE_FILES_MAX)) {
            self.files.remove(surplus);
        }
    }
}
