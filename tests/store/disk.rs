//! A disk in memory that loses data like a real one. Each file has a live image, which the store
//! maps, and a durable image, which is left after a loss of power.
//!
//! A write goes to the live image and makes its pages dirty; a sync makes the dirty pages of its
//! file durable. After a loss of power each dirty page (or each sector, if pages may tear) is kept
//! or lost at random. Requests to the medium are done later, one by one, in the order and with the
//! steps of the helper thread in `ringmq::disk`; a crash may happen between two of them.
//!
//! Invariant: a page that is not dirty is the same in both images, or it was in a sync that failed:
//! the kernel calls such a page clean.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::Path;

use ringmq::store::{Extent, FileId, Found, GroupWrite, HEADER_BYTES, Mapping, Request};

use super::random::Random;

/// The unit that a file system keeps or loses.
pub(crate) const PAGE: usize = 4096;

/// The unit that a disk writes.
const SECTOR: usize = 512;

/// The number of free files that are kept, as the helper thread does.
const FREE_MAX: usize = 4;

/// How the store's owner ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Crash {
    /// The process is killed: what was written is kept.
    Kill,
    /// A loss of power.
    Power {
        /// Each sector of a page is kept or lost by itself.
        torn: bool,
        /// How many of ten dirty pages or sectors are kept.
        kept_of_ten: usize,
    },
}

impl Crash {
    /// Any loss of power.
    pub(crate) fn power(random: &mut Random) -> Self {
        Self::Power { torn: random.one_in(2), kept_of_ten: random.pick(&[0, 2, 5, 8, 10]) }
    }
}

/// How often faults happen: once in this many times; 0 is never.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Faults {
    pub(crate) write: usize,
    pub(crate) supply: usize,
    /// The header of a file cannot be cleared.
    pub(crate) recycle: usize,
}

impl Faults {
    pub(crate) fn are_any(self) -> bool {
        self.write + self.supply + self.recycle > 0
    }
}

/// An answer of the medium.
pub(crate) enum Answer {
    Supplied(FileId, Box<dyn Mapping>),
    Refused(io::Error),
}

/// A file as it stands.
pub(crate) type Image = (FileId, Vec<u8>);

struct Segment {
    live: File,
    durable: Vec<u8>,
    dirty: BTreeSet<usize>,
}

/// See the module.
pub(crate) struct Disk {
    files: BTreeMap<FileId, Segment>,
    /// The files that were set aside.
    pub(crate) aside: Vec<FileId>,
    free: Vec<FileId>,
    next: u64,
    asked: VecDeque<Request>,
    /// The extent of the log that was noted last.
    pub(crate) noted: Option<Extent>,
    pub(crate) faults: Faults,
    /// Counts of recycled files and of failed writes, for assertions.
    pub(crate) recycled: u64,
    pub(crate) failed: u64,
}

/// The bytes of a file that is only read.
struct Still(Vec<u8>);

impl Mapping for Still {
    fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// What a store finds in these images when it is opened.
pub(crate) fn found_in(images: &[Image]) -> Vec<Found> {
    let found = |(id, bytes): &Image| Found { id: *id, mapping: Box::new(Still(bytes.clone())) };
    images.iter().map(found).collect()
}

impl Disk {
    pub(crate) fn new() -> Self {
        Self {
            files: BTreeMap::new(),
            aside: Vec::new(),
            free: Vec::new(),
            next: 0,
            asked: VecDeque::new(),
            noted: None,
            faults: Faults::default(),
            recycled: 0,
            failed: 0,
        }
    }

    /// A disk with these files.
    pub(crate) fn with(images: &[Image]) -> Self {
        let mut disk = Self::new();
        for (id, image) in images {
            disk.files.insert(*id, Segment::new(image.len()));
            disk.next = disk.next.max(id.0 + 1);
        }
        disk.crash_to(images);
        disk
    }

    /// The number of files, free ones included.
    pub(crate) fn len(&self) -> usize {
        self.files.len()
    }

    /// The files as they are.
    pub(crate) fn images(&self) -> Vec<Image> {
        self.files.iter().map(|(id, segment)| (*id, segment.read())).collect()
    }

    /// The files as a crash would leave them now, while a write is under way.
    pub(crate) fn images_after(
        &self,
        crash: Crash,
        flight: Option<&GroupWrite>,
        random: &mut Random,
    ) -> Vec<Image> {
        let mut images = self.images();
        let mut dirty: BTreeMap<FileId, BTreeSet<usize>> =
            self.files.iter().map(|(id, segment)| (*id, segment.dirty.clone())).collect();
        if let Some(write) = flight {
            let (_, image) = images.iter_mut().find(|(id, _)| *id == write.file).expect("a file");
            let pages = dirty.entry(write.file).or_default();
            for (at, sector) in sectors(write) {
                // Any part of the write may be done.
                if random.one_in(2) {
                    image[at..at + sector.len()].copy_from_slice(sector);
                    pages.insert(at / PAGE);
                }
            }
        }
        if let Some(Request::Recycle(id)) = self.asked.front()
            && random.one_in(2)
            && let Some((_, image)) = images.iter_mut().find(|(found, _)| found == id)
        {
            image[..HEADER].fill(0);
            dirty.entry(*id).or_default().insert(0);
        }
        if let Crash::Power { torn, kept_of_ten } = crash {
            for (id, image) in &mut images {
                let durable = &self.files[id].durable;
                let unit = if torn { SECTOR } else { PAGE };
                for start in (0..image.len()).step_by(unit) {
                    let is_dirty = dirty[id].contains(&(start / PAGE));
                    if !is_dirty || random.below(10) >= kept_of_ten {
                        let end = (start + unit).min(image.len());
                        image[start..end].copy_from_slice(&durable[start..end]);
                    }
                }
            }
        }
        images
    }

    /// Leaves the files as a crash does: with these images, and without open requests.
    pub(crate) fn crash_to(&mut self, images: &[Image]) {
        self.asked.clear();
        self.free.clear();
        for (id, image) in images {
            let segment = self.files.get_mut(id).expect("no file goes in a crash");
            segment.live.write_all_at(image, 0).expect("it is memory");
            segment.durable.clone_from(image);
            segment.dirty.clear();
        }
    }

    /// What a store finds when it is opened. A free file is kept for it; at random, the store finds
    /// it like any other file instead.
    pub(crate) fn found(&mut self, random: &mut Random) -> Vec<Found> {
        self.asked.clear();
        self.free.clear();
        let mut found = Vec::new();
        for (id, segment) in &self.files {
            if segment.read()[..HEADER].iter().all(|byte| *byte == 0) && !random.one_in(4) {
                self.free.push(*id);
                continue;
            }
            found.push(Found { id: *id, mapping: segment.map() });
        }
        found
    }

    pub(crate) fn ask(&mut self, request: Request) {
        self.asked.push_back(request);
    }

    /// Does the next request; returns whether there was one, and the answer to it.
    pub(crate) fn step(&mut self, random: &mut Random) -> (bool, Option<Answer>) {
        let Some(request) = self.asked.pop_front() else { return (false, None) };
        let answer = match request {
            Request::Supply { .. } if random.one_in(self.faults.supply) => {
                Some(Answer::Refused(ErrorKind::StorageFull.into()))
            }
            Request::Supply { bytes } => Some(self.supply(bytes)),
            Request::Recycle(id) => {
                self.recycle(id, random);
                None
            }
            Request::Shed | Request::Clocks => None,
            Request::Note(extent) => {
                self.noted = Some(extent);
                None
            }
            Request::SetAside(id) => {
                self.files.remove(&id).expect("a file is set aside once");
                self.aside.push(id);
                None
            }
        };
        (true, answer)
    }

    /// Writes all of it, or fails somewhere.
    pub(crate) fn write(&mut self, write: &GroupWrite, random: &mut Random) -> io::Result<()> {
        let fails = random.one_in(self.faults.write);
        let segment = self.files.get_mut(&write.file).expect("it writes to a file that is there");
        for (at, sector) in sectors(write) {
            if !fails || random.one_in(2) {
                segment.live.write_all_at(sector, at as u64).expect("it is memory");
                segment.dirty.insert(at / PAGE);
            }
        }
        if fails {
            self.failed += 1;
            if random.one_in(2) {
                // The kernel reports pages that it could not write once, and then forgets them.
                segment.dirty.retain(|_| random.one_in(2));
            }
            return Err(io::Error::other("I/O error"));
        }
        if write.sync {
            segment.sync();
        }
        Ok(())
    }

    fn supply(&mut self, bytes: u64) -> Answer {
        let length = usize::try_from(bytes).expect("files are small");
        let fits = |id: &FileId| self.files[id].durable.len() == length;
        let id = match self.free.iter().position(fits) {
            Some(at) => self.free.swap_remove(at),
            None => {
                let id = FileId(self.next);
                self.next += 1;
                self.files.insert(id, Segment::new(length));
                id
            }
        };
        Answer::Supplied(id, self.files[&id].map())
    }

    fn recycle(&mut self, id: FileId, random: &mut Random) {
        assert!(!self.free.contains(&id), "{id:?} is free already");
        if random.one_in(self.faults.recycle) {
            return;
        }
        let segment = self.files.get_mut(&id).expect("a file is recycled that is there");
        segment.live.write_all_at(&[0; HEADER], 0).expect("it is memory");
        segment.dirty.insert(0);
        segment.sync();
        self.recycled += 1;
        self.free.push(id);
        if self.free.len() > FREE_MAX {
            let surplus = self.free.remove(0);
            self.files.remove(&surplus);
        }
    }
}

/// [`HEADER_BYTES`] as a length in memory.
const HEADER: usize = 64;
const _: () = assert!(HEADER as u64 == HEADER_BYTES);

impl Segment {
    fn new(bytes: usize) -> Self {
        let name = "ringmq-store-test";
        let file = rustix::fs::memfd_create(name, rustix::fs::MemfdFlags::CLOEXEC);
        let live = File::from(file.expect("there is memory"));
        live.set_len(bytes as u64).expect("there is memory");
        Self { live, durable: vec![0; bytes], dirty: BTreeSet::new() }
    }

    fn map(&self) -> Box<dyn Mapping> {
        ringmq::disk::map(&self.live, Path::new("a segment")).expect("there is room for a mapping")
    }

    fn read(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.durable.len()];
        self.live.read_exact_at(&mut bytes, 0).expect("it is memory");
        bytes
    }

    fn sync(&mut self) {
        let live = self.read();
        for page in std::mem::take(&mut self.dirty) {
            let (start, end) = (page * PAGE, (page * PAGE + PAGE).min(live.len()));
            self.durable[start..end].copy_from_slice(&live[start..end]);
        }
    }
}

/// The parts of a write that stand in one sector each.
fn sectors(write: &GroupWrite) -> impl Iterator<Item = (usize, &[u8])> {
    let mut at = usize::try_from(write.offset).expect("files are small");
    let mut rest = &write.bytes[..];
    std::iter::from_fn(move || {
        let (sector, behind) = rest.split_at(rest.len().min(SECTOR - at % SECTOR));
        let start = at;
        (rest, at) = (behind, at + sector.len());
        (!sector.is_empty()).then_some((start, sector))
    })
}
