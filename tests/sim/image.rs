//! One simulated file: the process's view of it, and the state after a power cut.
//!
//! Invariant: a sector that is not dirty is equal in both.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use ringmq::disk::map;
use ringmq::store::{HEADER_BYTES, Mapping};
use rustix::fs::{MemfdFlags, memfd_create};

use crate::random::Random;

/// Bytes of a segment's header.
const HEADER: usize = 64;

const _: () = assert!(HEADER as u64 == HEADER_BYTES);

/// See the module.
pub(crate) struct Image {
    /// The process's view, which is mapped.
    file: File,
    /// The contents of the disk.
    durable: Vec<u8>,
    /// Sectors that may have been written to the disk, or not yet.
    dirty: BTreeSet<usize>,
    sector_bytes: usize,
    /// Nothing in it is needed: its header is zeros.
    pub(crate) free: bool,
    /// It was found free: the bytes behind its header are unknown.
    pub(crate) unknown: bool,
}

impl Image {
    /// A file of zeros.
    pub(crate) fn new(bytes: usize, sector_bytes: usize) -> Self {
        let file = memfd_create("sim", MemfdFlags::CLOEXEC).expect("there is memory");
        let file = File::from(file);
        file.set_len(bytes as u64).expect("there is memory");
        Self {
            file,
            durable: vec![0; bytes],
            dirty: BTreeSet::new(),
            sector_bytes,
            free: false,
            unknown: false,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.durable.len()
    }

    pub(crate) fn map(&self) -> Box<dyn Mapping> {
        map(&self.file, Path::new("a segment")).expect("there is memory")
    }

    pub(crate) fn write(&mut self, bytes: &[u8], offset: usize) {
        assert!(offset + bytes.len() <= self.len(), "a write beyond the end of a file");
        self.file.write_all_at(bytes, offset as u64).expect("there is memory");
        let end = (offset + bytes.len()).div_ceil(self.sector_bytes);
        self.dirty.extend(offset / self.sector_bytes..end);
    }

    /// Writes some sectors of the bytes; some of those never become durable.
    pub(crate) fn write_some(&mut self, bytes: &[u8], offset: usize, random: &mut Random) {
        let mut at = offset;
        while at < offset + bytes.len() {
            let sector = at / self.sector_bytes;
            let end = ((sector + 1) * self.sector_bytes).min(offset + bytes.len());
            if random.one_in(2) {
                self.write(&bytes[at - offset..end - offset], at);
                if random.one_in(2) {
                    // These sectors stay as they are on the disk, whatever is synced later.
                    self.dirty.remove(&sector);
                }
            }
            at = end;
        }
    }

    /// All that the process sees of it is on the disk now.
    pub(crate) fn settle(&mut self) {
        self.dirty.clear();
        self.file.read_exact_at(&mut self.durable, 0).expect("it is as long");
    }

    /// Makes all of it zeros, durably.
    pub(crate) fn zero(&mut self) {
        self.durable.fill(0);
        self.dirty.clear();
        self.file.write_all_at(&self.durable, 0).expect("there is memory");
    }

    /// Makes all writes so far durable.
    pub(crate) fn sync(&mut self) {
        for sector in std::mem::take(&mut self.dirty) {
            let range = self.range(sector);
            let at = range.start as u64;
            self.file.read_exact_at(&mut self.durable[range], at).expect("it is as long");
        }
    }

    /// Cuts the power: each dirty sector is written to the disk or not.
    pub(crate) fn cut(&mut self, random: &mut Random) {
        let dirty = std::mem::take(&mut self.dirty);
        self.dirty = dirty.into_iter().filter(|_| random.one_in(2)).collect();
        self.sync();
        self.file.write_all_at(&self.durable, 0).expect("there is memory");
    }

    /// Makes the header zeros, durably.
    pub(crate) fn clear(&mut self) {
        self.write(&[0; HEADER], 0);
        self.sync();
        self.free = true;
    }

    pub(crate) fn has_free_header(&self) -> bool {
        let mut header = [0; HEADER];
        self.file.read_exact_at(&mut header, 0).expect("no file is shorter");
        header == [0; HEADER]
    }

    fn range(&self, sector: usize) -> std::ops::Range<usize> {
        let start = sector * self.sector_bytes;
        start..(start + self.sector_bytes).min(self.len())
    }
}
