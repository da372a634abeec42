//! A disk in memory. A mapping must show later writes: it receives them through a channel and keeps
//! each state of the file, since a slice of an older state may still exist.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, channel};

use super::super::super::medium::{Extent, FileId, Found, Mapping, Request};
use super::super::super::segment::HEADER_BYTES;
use super::super::{GroupWrite, Log, index};

/// A written piece: offset and bytes.
type Piece = (usize, Vec<u8>);

/// The content of each file.
pub(super) type Images = Vec<(FileId, Vec<u8>)>;

/// The content of a file from some time on.
struct State {
    bytes: Vec<u8>,
    next: OnceCell<Box<Self>>,
}

impl State {
    fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, next: OnceCell::new() }
    }
}

struct ToldMapping {
    first: State,
    pieces: Receiver<Piece>,
    /// Has one message for each event that made bytes unreadable.
    spoilings: Receiver<()>,
}

impl Mapping for ToldMapping {
    fn bytes(&self) -> &[u8] {
        let mut last = &self.first;
        while let Some(next) = last.next.get() {
            last = next;
        }
        let pieces: Vec<Piece> = self.pieces.try_iter().collect();
        if pieces.is_empty() {
            return &last.bytes;
        }
        let mut bytes = last.bytes.clone();
        for (at, piece) in pieces {
            bytes[at..at + piece.len()].copy_from_slice(&piece);
        }
        &last.next.get_or_init(|| Box::new(State::new(bytes))).bytes
    }

    /// The first read after bytes became unreadable reads those.
    fn guard(&self, read: &mut dyn FnMut()) -> bool {
        read();
        self.spoilings.try_recv().is_err()
    }
}

struct File {
    bytes: Vec<u8>,
    mapping: Option<Hold>,
}

/// A change of a mapping.
struct Hold {
    pieces: Sender<Piece>,
    spoilings: Sender<()>,
}

/// See the module.
#[derive(Default)]
pub(super) struct Disk {
    files: BTreeMap<FileId, File>,
    last_id: u64,
    /// Content of recycled files: the next files of that length begin with it.
    leftovers: Vec<Vec<u8>>,
    /// Ids and lengths of the supplied files, in order.
    pub(super) supplied: Vec<(FileId, u64)>,
    pub(super) recycled: Vec<FileId>,
    pub(super) set_aside: Vec<FileId>,
    /// The extent that was noted last.
    pub(super) noted: Option<Extent>,
}

impl Disk {
    /// Answers all requests.
    pub(super) fn serve(&mut self, log: &mut Log) {
        while let Some(request) = log.next_request() {
            self.fulfil(request, log);
        }
    }

    pub(super) fn fulfil(&mut self, request: Request, log: &mut Log) {
        match request {
            Request::Supply { bytes } => {
                let id = self.create(bytes);
                self.supplied.push((id, bytes));
                let mapping = self.map(id);
                log.on_supplied(id, mapping);
            }
            Request::Recycle(id) => {
                let mut bytes = self.files.remove(&id).expect("it was not gone").bytes;
                bytes[..index(HEADER_BYTES)].fill(0);
                self.leftovers.push(bytes);
                self.recycled.push(id);
            }
            Request::Shed | Request::Clocks => {}
            Request::Note(extent) => self.noted = Some(extent),
            Request::SetAside(id) => {
                self.files.remove(&id).expect("it was not gone");
                self.set_aside.push(id);
            }
        }
    }

    /// A new file, with the content of an earlier use.
    fn create(&mut self, bytes: u64) -> FileId {
        self.last_id += 1;
        let id = FileId(self.last_id);
        let length = index(bytes);
        let leftover = self.leftovers.iter().position(|left| left.len() == length);
        let bytes = leftover.map_or(vec![0; length], |at| self.leftovers.remove(at));
        self.files.insert(id, File { bytes, mapping: None });
        id
    }

    fn map(&mut self, id: FileId) -> Box<dyn Mapping> {
        let file = self.files.get_mut(&id).expect("it is there");
        let (to_pieces, pieces) = channel();
        let (to_spoilings, spoilings) = channel();
        file.mapping = Some(Hold { pieces: to_pieces, spoilings: to_spoilings });
        Box::new(ToldMapping { first: State::new(file.bytes.clone()), pieces, spoilings })
    }

    /// Changes bytes at this place of a file; its mapping shows the change.
    pub(super) fn change(&mut self, id: FileId, at: usize, piece: Vec<u8>) {
        self.bytes_mut(id)[at..at + piece.len()].copy_from_slice(&piece);
        let mapping = self.files[&id].mapping.as_ref().expect("it is mapped");
        // The log may have dropped the mapping.
        let _ = mapping.pieces.send((at, piece));
    }

    /// Makes this many bytes at this place of a file unreadable.
    pub(super) fn spoil(&mut self, id: FileId, at: usize, count: usize) {
        self.change(id, at, vec![0; count]);
        let mapping = self.files[&id].mapping.as_ref().expect("it is mapped");
        mapping.spoilings.send(()).expect("it is still mapped");
    }

    pub(super) fn write(&mut self, write: &GroupWrite) {
        self.write_part(write, write.bytes.len());
    }

    /// Writes the first `length` bytes of it.
    pub(super) fn write_part(&mut self, write: &GroupWrite, length: usize) {
        self.change(write.file, index(write.offset), write.bytes[..length].to_vec());
    }

    /// Changes the bytes of a file without its mappings.
    pub(super) fn bytes_mut(&mut self, id: FileId) -> &mut Vec<u8> {
        &mut self.files.get_mut(&id).expect("it is there").bytes
    }

    /// A file that existed before.
    pub(super) fn put(&mut self, bytes: Vec<u8>) -> FileId {
        self.last_id += 1;
        let id = FileId(self.last_id);
        self.files.insert(id, File { bytes, mapping: None });
        id
    }

    pub(super) fn remove(&mut self, id: FileId) -> Vec<u8> {
        self.files.remove(&id).expect("it is there").bytes
    }

    /// The content of each file.
    pub(super) fn images(&self) -> Images {
        self.files.iter().map(|(id, file)| (*id, file.bytes.clone())).collect()
    }

    /// A disk with these files.
    pub(super) fn of(images: Images) -> Self {
        let last_id = images.iter().map(|(id, _)| id.0).max().unwrap_or(0);
        let file = |(id, bytes)| (id, File { bytes, mapping: None });
        Self { files: images.into_iter().map(file).collect(), last_id, ..Self::default() }
    }

    /// The files found after a restart. Free ones are not found, and are cleared before use.
    pub(super) fn found(&mut self) -> Vec<Found> {
        let is_free = |file: &File| file.bytes.iter().take(64).all(|byte| *byte == 0);
        let free: Vec<FileId> =
            self.files.iter().filter(|(_, file)| is_free(file)).map(|(id, _)| *id).collect();
        for id in free {
            self.remove(id);
        }
        self.leftovers.clear();
        let ids: Vec<FileId> = self.files.keys().copied().collect();
        // The order is arbitrary.
        ids.into_iter().rev().map(|id| Found { id, mapping: self.map(id) }).collect()
    }
}
