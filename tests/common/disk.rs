//! A shard's disk in memory, for tests that drive a shard by hand: each segment a mapped file.
//!
//! It handles requests at once. Unlike the rest of this directory it uses the crate.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use ringmq::broker::Shard;
use ringmq::disk::map;
use ringmq::store::{
    CatalogLimits, ClockReading, Extent, FileId, Found, HEADER_BYTES, LogOptions, Request, Store,
    StoreOptions,
};
use rustix::fs::{MemfdFlags, memfd_create};

/// Bytes of a segment's header.
const HEADER: usize = 64;

const _: () = assert!(HEADER as u64 == HEADER_BYTES);

/// Segment files that exist.
#[derive(Default)]
pub(crate) struct Disk {
    files: HashMap<FileId, File>,
    last: u64,
    /// The last noted extent of the log.
    noted: Option<Extent>,
}

/// The store of a shard with the contents of its disk.
pub(crate) fn open_store(shard: u16, disk: &Disk) -> Store {
    open_store_at(shard, disk, ClockReading::default())
}

/// The same with given readings of the machine's clocks.
pub(crate) fn open_store_at(shard: u16, disk: &Disk, clocks: ClockReading) -> Store {
    let options = StoreOptions {
        log: LogOptions {
            shard,
            segment_bytes: 1 << 20,
            first_segment_bytes: 1 << 20,
            sync: true,
            zeros_bytes: 0,
        },
        limits: CatalogLimits { retained_count_max: u64::MAX, retained_bytes_max: u64::MAX },
        seed: 1,
        clocks: Some(clocks),
    };
    let opened = Store::open(&options, disk.found(), disk.noted);
    opened.expect("what is there was written by us").0
}

impl Disk {
    /// The files that something was written to.
    fn found(&self) -> Vec<Found> {
        let files = self.files.iter().map(|(id, file)| {
            let mapping = map(file, Path::new("a segment")).expect("there is memory");
            Found { id: *id, mapping }
        });
        let mut found: Vec<Found> =
            files.filter(|found| found.mapping.bytes()[..HEADER].iter().any(|b| *b != 0)).collect();
        found.sort_unstable_by_key(|found| found.id);
        found
    }

    /// Does all that a shard wants of its disk.
    pub(crate) fn serve(&mut self, shard: &mut Shard, now_ms: u64) {
        loop {
            let mut idle = true;
            while let Some(request) = shard.next_disk_request() {
                idle = false;
                self.handle(request, shard);
            }
            if let Some(write) = shard.next_write(now_ms) {
                idle = false;
                let file = &self.files[&write.file];
                file.write_all_at(&write.bytes, write.offset).expect("there is memory");
                drop(write);
                shard.on_written(Ok(()), 0);
            }
            if idle {
                return;
            }
        }
    }

    fn handle(&mut self, request: Request, shard: &mut Shard) {
        match request {
            Request::Supply { bytes } => {
                let file = memfd_create("segment", MemfdFlags::CLOEXEC).expect("there is memory");
                let file = File::from(file);
                file.set_len(bytes).expect("there is memory");
                self.last += 1;
                shard.on_supplied(
                    FileId(self.last),
                    map(&file, Path::new("a segment")).expect("there is memory"),
                    0,
                );
                self.files.insert(FileId(self.last), file);
            }
            Request::Shed | Request::Clocks => {}
            Request::Note(extent) => self.noted = Some(extent),
            Request::Recycle(id) | Request::SetAside(id) => {
                self.files.remove(&id).expect("it was there");
            }
        }
    }
}
