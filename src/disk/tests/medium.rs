//! The medium and its helper: files are supplied, reused, set aside and refused.

use std::fs;
use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use super::{Directory, Scratch, log_files, open, open_as, refusal, write};
use crate::disk::{FileMedium, Helper, ShardFiles};
use crate::limits::FREE_FILES_MAX;
use crate::store::{FileId, Mapping, Medium, MediumAnswer, Request};

/// The time after which the test reports a missing answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A length that is not a multiple of a write or page.
const LENGTH: u64 = (1 << 20) + 4096 + 17;

/// More bytes than any disk has.
const ABSURD: u64 = 1 << 60;

type Answer = MediumAnswer<Arc<OwnedFd>>;

/// A medium, and the number of times it has woken its reactor.
struct Shard {
    medium: FileMedium,
    woken: Receiver<()>,
}

impl Shard {
    fn new(helper: &mut Helper, files: ShardFiles) -> Self {
        let (wake, woken) = mpsc::channel();
        let wake = move || {
            // A finished test no longer receives.
            let _gone = wake.send(());
        };
        Self { medium: helper.medium(files, wake), woken }
    }

    /// The next answer; each wake announces one.
    fn answer(&mut self) -> Answer {
        self.woken.recv_timeout(PATIENCE).expect("an answer comes");
        self.medium.next_answer().expect("it was woken for something")
    }

    /// The answer to a sent request; reports of the space are skipped.
    fn reply(&mut self) -> Result<File, std::io::Error> {
        loop {
            match self.answer() {
                Answer::Supplied { id, file, mapping } => return Ok(File { id, file, mapping }),
                Answer::Refused(error) => return Err(error),
                Answer::Space { .. } | Answer::Clocks(_) => {}
            }
        }
    }

    #[track_caller]
    fn supply(&mut self, bytes: u64) -> File {
        self.medium.ask(Request::Supply { bytes });
        self.reply().unwrap_or_else(|error| panic!("{error}"))
    }

    #[track_caller]
    fn supply_refused(&mut self, bytes: u64) -> std::io::Error {
        self.medium.ask(Request::Supply { bytes });
        self.reply().err().expect("it should be refused")
    }

    fn recycle(&mut self, file: &File) {
        self.medium.ask(Request::Recycle(file.id));
    }

    /// Waits until all requests are handled.
    fn settle(&mut self) {
        self.supply_refused(ABSURD);
    }
}

/// The supplied files.
struct File {
    id: FileId,
    file: Arc<OwnedFd>,
    mapping: Box<dyn Mapping>,
}

impl File {
    fn write(&self, at: u64, bytes: &[u8]) {
        let file = fs::File::from(self.file.try_clone().expect("there are descriptors left"));
        file.write_all_at(bytes, at).expect("the space is allocated");
    }
}

/// A directory of one shard with its medium.
struct Rig {
    scratch: Scratch,
    helper: Helper,
    shard: Shard,
}

impl Rig {
    fn new() -> Self {
        let scratch = Scratch::new();
        let mut helper = Helper::start().expect("there are threads left");
        let files = open(&scratch.data()).shard(0).expect("it can be made");
        let shard = Shard::new(&mut helper, files);
        Self { scratch, helper, shard }
    }

    /// Ends the helper, opens the directory again, and returns the files found.
    fn reopen(self) -> (Self, Vec<FileId>) {
        let Self { scratch, helper, shard } = self;
        drop(shard);
        helper.finish();
        let mut helper = Helper::start().expect("there are threads left");
        let mut files = open(&scratch.data()).shard(0).expect("it can be read");
        let found = files.take_found().iter().map(|found| found.id).collect();
        let shard = Shard::new(&mut helper, files);
        (Self { scratch, helper, shard }, found)
    }

    fn folder(&self) -> PathBuf {
        self.scratch.data().join("shard-0")
    }

    /// The numbers of the existing files.
    fn numbers(&self) -> Vec<u64> {
        let number = |name: String| name.split('.').next().expect("there is a first").parse();
        log_files(&self.folder()).into_iter().map(|name| number(name).expect("a number")).collect()
    }
}

// A medium first reports the space, without a request.
#[test]
fn space_comes_first() {
    let mut rig = Rig::new();
    let Answer::Space { free, total } = rig.shard.answer() else { panic!("not the space") };
    assert!(0 < free && free <= total, "{free} of {total}");
    assert!(rig.shard.medium.next_answer().is_none(), "it has nothing else to say");
}

// A new file is fully allocated, contains zeros, and has its name. The next file has the next
// number. Its mapping shows the bytes written to it.
#[test]
fn new_files() {
    let mut rig = Rig::new();
    for (number, bytes) in [(0, LENGTH), (1, LENGTH), (2, 64)] {
        let file = rig.shard.supply(bytes);
        assert_eq!(file.id, FileId(number));
        assert!(file.mapping.bytes().iter().all(|byte| *byte == 0));
        assert_eq!(file.mapping.bytes().len() as u64, bytes);
        let path = rig.folder().join(format!("{number:020}.segment"));
        let found = fs::metadata(path).expect("it has its name");
        assert_eq!((found.len(), found.mode() & 0o777), (bytes, 0o600));
        assert!(found.blocks() * 512 >= bytes, "{} blocks for {bytes}", found.blocks());
        file.write(bytes - 3, b"end");
        assert!(file.mapping.bytes().ends_with(b"end"));
    }
    assert_eq!(rig.numbers(), [0, 1, 2]);
}

// A recycled file is supplied again with its number and a header of zeros, only for a request of
// its length. An older mapping shows the same file.
#[test]
fn recycled_files() {
    let mut rig = Rig::new();
    let first = rig.shard.supply(LENGTH);
    first.write(0, &[1; 100]);
    rig.shard.recycle(&first);
    assert_eq!(rig.shard.supply(LENGTH + 1).id, FileId(1), "another length");
    assert_eq!(rig.shard.supply(LENGTH - 1).id, FileId(2), "another length");
    // A file of an unusual length is not kept; now this length is usual again.
    let second = rig.shard.supply(LENGTH);
    rig.shard.recycle(&second);
    let again = rig.shard.supply(LENGTH);
    assert_eq!(again.id, second.id);
    assert_eq!(again.mapping.bytes()[..64], [0; 64]);
    again.write(0, &[2; 64]);
    assert_eq!(second.mapping.bytes()[..64], [2; 64], "the same file");
    assert_eq!(rig.shard.supply(LENGTH).id, FileId(4), "it was supplied once");
}

// The number of recycled files in `limits` is kept and the others are removed, but never the
// newest, so that its number is not used again after a start.
#[test]
fn kept_files_are_bounded() {
    let mut rig = Rig::new();
    let files: Vec<File> = (0..FREE_FILES_MAX + 2).map(|_| rig.shard.supply(LENGTH)).collect();
    files.iter().rev().for_each(|file| rig.shard.recycle(file));
    let odd = rig.shard.supply(2 * LENGTH);
    let kept: Vec<u64> = (2..FREE_FILES_MAX as u64 + 2).collect();
    assert_eq!(rig.numbers(), [&kept[..], &[odd.id.0]].concat());
    rig.shard.recycle(&odd);
    let (mut rig, found) = rig.reopen();
    assert_eq!(found, [], "all are free");
    assert_eq!(rig.numbers().last(), Some(&odd.id.0), "it is the newest");
    assert!(kept.contains(&rig.shard.supply(LENGTH).id.0), "a free file that was found");
    let newer = rig.shard.supply(3 * LENGTH);
    assert_eq!(newer.id, FileId(odd.id.0 + 1));
    // The answer to this shows that the request before it was handled.
    rig.shard.supply(64);
    assert!(!rig.numbers().contains(&odd.id.0), "not the newest, and of no use");
}

// Files found at the start: the store gets a used file; a free file is supplied for its own length.
// It is fully allocated then, even if it is a copy with holes, and contains zeros, whatever it
// contained.
#[test]
fn free_files_of_an_earlier_start() {
    let mut rig = Rig::new();
    rig.shard.supply(LENGTH).write(0, b"segment");
    rig.shard.supply(LENGTH);
    let (mut rig, found) = rig.reopen();
    assert_eq!(found, [FileId(0)]);
    let path = rig.folder().join("00000000000000000001.segment");
    write(&path, b"");
    let copy = fs::File::options().write(true).open(&path).expect("it is there");
    copy.set_len(LENGTH).and_then(|()| copy.write_all_at(b"cut off", 64)).expect("there is space");
    copy.write_all_at(b"cut off", LENGTH - 7).expect("there is space");
    let file = rig.shard.supply(LENGTH);
    assert_eq!(file.id, FileId(1));
    assert!(fs::metadata(path).expect("it is there").blocks() * 512 >= LENGTH);
    assert!(file.mapping.bytes().iter().all(|byte| *byte == 0));
    assert_eq!(file.mapping.bytes().len() as u64, LENGTH);
    assert_eq!(rig.shard.supply(LENGTH).id, FileId(2));
}

// A file that was truncated meanwhile is not supplied; the next one is new.
#[test]
fn free_file_that_changed() {
    let mut rig = Rig::new();
    let file = rig.shard.supply(LENGTH);
    rig.shard.recycle(&file);
    rig.shard.settle();
    write(&rig.folder().join("00000000000000000000.segment"), b"");
    let error = rig.shard.supply_refused(LENGTH).to_string();
    assert!(error.contains("00000000000000000000.segment") && error.contains("it has 0 bytes"));
    assert_ne!(rig.shard.supply(LENGTH).id, file.id);
}

// A file that is set aside is renamed and never found again, and its number is not reused.
#[test]
fn files_set_aside() {
    let mut rig = Rig::new();
    let (used, damaged) = (rig.shard.supply(LENGTH), rig.shard.supply(LENGTH));
    used.write(0, b"used");
    damaged.write(0, b"damaged");
    write(&rig.folder().join("00000000000000000000.segment.damaged"), b"");
    write(&rig.folder().join("00000000000000000000.segment.damaged.1"), b"");
    rig.shard.medium.ask(Request::SetAside(used.id));
    rig.shard.medium.ask(Request::SetAside(damaged.id));
    rig.shard.settle();
    let expected = [
        "00000000000000000000.segment.damaged",
        "00000000000000000000.segment.damaged.1",
        "00000000000000000000.segment.damaged.2",
        "00000000000000000001.segment.damaged",
    ];
    assert_eq!(log_files(&rig.folder()), expected);
    assert_eq!(damaged.mapping.bytes()[..7], *b"damaged", "it is kept as it was");
    let (mut rig, found) = rig.reopen();
    assert_eq!(found, []);
    assert_eq!(rig.shard.supply(LENGTH).id, FileId(2));
}

// A lack of space is an answer that names the file. The file is removed, and a smaller one is
// supplied.
#[test]
fn no_space() {
    let mut rig = Rig::new();
    let error = rig.shard.supply_refused(ABSURD);
    assert_eq!(error.kind(), ErrorKind::StorageFull);
    let path = rig.folder().join("00000000000000000000.segment");
    let says = format!("cannot allocate {} with {ABSURD} bytes: No space", path.display());
    assert!(error.to_string().starts_with(&says), "{error}");
    assert_eq!(rig.numbers(), Vec::<u64>::new());
    rig.shard.supply(LENGTH);
    assert_eq!(rig.numbers().len(), 1);
}

// If a file would not fit even without free files, free files are kept: a shorter one is requested
// next.
#[test]
fn no_space_without_free_files() {
    let mut rig = Rig::new();
    let files: Vec<File> = (0..3).map(|_| rig.shard.supply(LENGTH)).collect();
    files.iter().for_each(|file| rig.shard.recycle(file));
    rig.shard.supply_refused(ABSURD);
    rig.shard.settle();
    assert_eq!(rig.numbers(), [0, 1, 2]);
    (0..3).for_each(|_| drop(rig.shard.supply(LENGTH)));
    assert_eq!(rig.numbers(), [0, 1, 2], "they serve again");
}

// A file that cannot be made is refused once. The partly made file is removed, and its number is
// skipped.
#[test]
fn refused_files() {
    let mut rig = Rig::new();
    rig.shard.supply(LENGTH);
    write(&rig.folder().join("00000000000000000001.segment.new"), b"in the way");
    write(&rig.folder().join("00000000000000000002.segment"), b"a stranger's");
    for number in [1, 2] {
        let error = rig.shard.supply_refused(LENGTH);
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        assert!(error.to_string().contains(&format!("{number:020}.segment with")), "{error}");
    }
    assert_eq!(rig.shard.supply(LENGTH).id, FileId(3));
    assert_eq!(rig.numbers(), [0, 2, 3]);
    let stranger = fs::read(rig.folder().join("00000000000000000002.segment"));
    assert_eq!(stranger.expect("it is there"), b"a stranger's");
    fs::remove_dir_all(rig.folder()).expect("it is ours");
    assert_eq!(rig.shard.supply_refused(LENGTH).kind(), ErrorKind::NotFound);
}

// A failure to recycle a file or to set it aside is logged, and later requests are handled.
#[test]
fn failures_without_an_answer() {
    let mut rig = Rig::new();
    let file = rig.shard.supply(LENGTH);
    fs::remove_file(rig.folder().join("00000000000000000000.segment")).expect("it is there");
    rig.shard.recycle(&file);
    rig.shard.medium.ask(Request::SetAside(file.id));
    assert_eq!(rig.shard.supply(LENGTH).id, FileId(1), "0 was not kept");
}

// A found file is opened for writing by its number. A missing one is an error with its name.
#[test]
fn files_found_are_written() {
    let mut rig = Rig::new();
    rig.shard.supply(LENGTH).write(0, b"old");
    let (rig, found) = rig.reopen();
    assert_eq!(found, [FileId(0)]);
    let file = rig.shard.medium.file(FileId(0)).expect("it is there");
    let file = fs::File::from(file.try_clone().expect("there are descriptors left"));
    file.write_all_at(b"new", 0).expect("it may be written");
    let path = rig.folder().join("00000000000000000000.segment");
    assert!(fs::read(path).expect("it is there").starts_with(b"new"));
    assert!(refusal(rig.shard.medium.file(FileId(1))).contains("00000000000000000001.segment: No"));
}

// One helper serves several shards, each with its own directory and numbers.
#[test]
fn several_shards() {
    let scratch = Scratch::new();
    let directory = open_as(&scratch.data(), Some(3), 1).expect("it can be made");
    let mut helper = Helper::start().expect("there are threads left");
    let mut shards: Vec<Shard> = (0..3)
        .map(|shard| Shard::new(&mut helper, directory.shard(shard).expect("it can be made")))
        .collect();
    for round in 0..2 {
        for shard in &mut shards {
            shard.medium.ask(Request::Supply { bytes: 4096 });
        }
        for shard in shards.iter_mut().rev() {
            assert_eq!(shard.reply().expect("there is space").id, FileId(round));
        }
    }
    for shard in 0..3 {
        assert_eq!(log_files(&scratch.data().join(format!("shard-{shard}"))).len(), 2);
    }
}

// The helper ends when its handle and all mediums are dropped, in any order, after the last
// request. Until then the directory is locked.
#[test]
fn the_end() {
    for medium_first in [true, false] {
        let Rig { scratch, helper, mut shard } = Rig::new();
        let file = shard.supply(LENGTH);
        shard.recycle(&file);
        for _ in 0..3 {
            shard.medium.ask(Request::Supply { bytes: LENGTH });
        }
        assert!(refusal(Directory::open(&scratch.data(), None, 1)).contains("in use"));
        let Shard { medium, woken } = shard;
        if medium_first {
            drop(medium);
            drop(helper);
        } else {
            drop(helper);
            drop(medium);
        }
        // The waker is dropped with the thread, after the lock.
        loop {
            match woken.recv_timeout(PATIENCE) {
                Ok(()) => {}
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("the helper runs on"),
            }
        }
        let mut files = open(&scratch.data()).shard(0).expect("it can be read");
        assert!(files.take_found().is_empty(), "all are free");
    }
}

// No file is made for a dropped medium; files that it returned are still cleared.
#[test]
fn the_end_is_quick() {
    let scratch = Scratch::new();
    let directory = open(&scratch.data());
    let path = directory.shard(0).expect("it can be made").path(FileId(0));
    write(&path, &[1; 100]);
    let mut helper = Helper::start().expect("there are threads left");
    let (release, wait) = mpsc::channel::<()>();
    // The first answer blocks the helper until all later requests are sent.
    let wake = move || assert!(wait.recv_timeout(PATIENCE).is_err(), "nothing is sent");
    let mut medium = helper.medium(directory.shard(0).expect("it can be read"), wake);
    medium.ask(Request::Supply { bytes: LENGTH });
    medium.ask(Request::Recycle(FileId(0)));
    drop(medium);
    drop(release);
    helper.finish();
    assert_eq!(log_files(&scratch.data().join("shard-0")), ["00000000000000000000.segment"]);
    let cleared = fs::read(path).expect("it is there");
    assert_eq!(cleared, [[0; 64].as_slice(), &[1; 36]].concat());
}
