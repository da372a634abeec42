//! A shard's store that one thread writes from beginning to end. There are no clients, so it waits
//! for the disk where a broker would continue.
//!
//! Nothing is synced before [`Writer::finish`], because the data counts only when it is complete.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};

use crate::disk::{FileMedium, Helper, ShardFiles};
use crate::limits::{GROUP_BYTES_MAX, SEGMENT_BYTES_DEFAULT, SEGMENT_BYTES_FIRST};
use crate::store::{
    CatalogLimits, ClockReading, FileId, LogOptions, Medium, MediumAnswer, Request, Store,
    StoreOptions, Timeline,
};

use super::error::DataError;

/// A writer of one shard.
pub(super) struct Writer {
    pub(super) store: Store,
    medium: FileMedium,
    /// The folder of its files, for messages.
    folder: PathBuf,
    /// The open files, and those that were requested.
    files: HashMap<FileId, File>,
    /// The file that was written to last.
    current: Option<FileId>,
    /// One item for each answer of the medium.
    woken: Receiver<()>,
    /// Why the last request for a file failed.
    refused: Option<io::Error>,
}

impl Writer {
    /// A writer of an empty shard with this time line.
    pub(super) fn new(
        shard: u16,
        files: ShardFiles,
        timeline: Timeline,
        clocks: ClockReading,
        helper: &mut Helper,
    ) -> Result<Self, DataError> {
        let options = StoreOptions {
            log: LogOptions {
                shard,
                segment_bytes: SEGMENT_BYTES_DEFAULT,
                first_segment_bytes: SEGMENT_BYTES_FIRST,
                sync: false,
                zeros_bytes: 0,
            },
            limits: CatalogLimits { retained_count_max: u64::MAX, retained_bytes_max: u64::MAX },
            seed: u64::from(shard),
            clocks: Some(clocks),
        };
        let folder = files.folder().to_owned();
        let opened = Store::open(&options, Vec::new(), None);
        let (mut store, _) = opened.map_err(|error| DataError::store(&folder, error))?;
        let (wake, woken) = mpsc::channel();
        let medium = helper.medium(files, move || {
            // The receiver is dropped with the writer.
            let _gone = wake.send(());
        });
        store.catalog.timeline = timeline;
        store.catalog.begin_time(&mut store.logs);
        let files = HashMap::new();
        Ok(Self { store, medium, folder, files, current: None, woken, refused: None })
    }

    /// Writes the appended records once there are many.
    pub(super) fn write_some(&mut self) -> Result<(), DataError> {
        if self.store.logs.disk.staged_bytes() < GROUP_BYTES_MAX as u64 {
            return Ok(());
        }
        self.write_all()
    }

    /// Takes a checkpoint, writes everything and ends the log.
    pub(super) fn finish(mut self) -> Result<(), DataError> {
        self.store.housekeeping.owe_checkpoint();
        while self.store.housekeeping.stats().checkpoints == 0 {
            self.keep_house();
            self.write_some()?;
        }
        self.write_all()?;
        // The checkpoint is committed: the newest header names it.
        self.keep_house();
        self.write_all()?;
        let disk = &mut self.store.logs.disk;
        assert!(disk.checkpoint() > 0 && !disk.has_unnamed_checkpoint(), "it is taken and named");
        disk.end();
        self.ask();
        Ok(())
    }

    fn keep_house(&mut self) {
        let Store { catalog, logs, housekeeping } = &mut self.store;
        // Expired data is left for the broker to drop: everything that was read must be there.
        housekeeping.step(catalog, logs, 0, false);
    }

    /// Writes all appended records into the medium's files.
    fn write_all(&mut self) -> Result<(), DataError> {
        self.store.logs.end_turn();
        loop {
            self.ask();
            self.hear()?;
            let disk = &mut self.store.logs.disk;
            if let Some(write) = disk.next_write() {
                if self.current != Some(write.file) {
                    // The previous segment is complete.
                    self.current.iter().for_each(|id| drop(self.files.remove(id)));
                    self.current = Some(write.file);
                }
                let file = self.files.get(&write.file).expect("its segment has this file");
                let written = file.write_all_at(&write.bytes, write.offset);
                written.map_err(|error| self.failed(error))?;
                // The next group reuses this memory.
                drop(write);
                self.store.logs.disk.on_written(Ok(()));
            } else if disk.staged_bytes() == 0 {
                break;
            } else if let Some(error) = self.refused.take().filter(|_| disk.is_refused()) {
                return Err(self.failed(error));
            } else {
                self.woken.recv().map_err(|_| self.failed(io::Error::other("the helper ended")))?;
            }
        }
        self.store.logs.settled();
        self.store.logs.disk.end_turn();
        Ok(())
    }

    fn ask(&mut self) {
        while let Some(request) = self.store.logs.disk.next_request() {
            if let Request::Recycle(id) | Request::SetAside(id) = request {
                self.files.remove(&id);
            }
            self.medium.ask(request);
        }
    }

    fn hear(&mut self) -> Result<(), DataError> {
        while let Some(answer) = self.medium.next_answer() {
            let disk = &mut self.store.logs.disk;
            match answer {
                MediumAnswer::Supplied { id, file, mapping } => {
                    let file = Arc::into_inner(file).expect("the helper keeps none");
                    self.files.insert(id, File::from(file));
                    disk.on_supplied(id, mapping);
                }
                MediumAnswer::Refused(error) => {
                    disk.on_refused(&error);
                    self.refused = Some(error);
                }
                MediumAnswer::Clocks(_) | MediumAnswer::Space { .. } => {}
            }
        }
        Ok(())
    }

    fn failed(&self, error: io::Error) -> DataError {
        DataError::System { doing: "write in", path: self.folder.clone(), error }
    }
}
