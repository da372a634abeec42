//! Writing to files: complete, at the right offset, durable on request.

use std::fs;
use std::path::PathBuf;
use std::process;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use bytes::Bytes;
use rustix::thread::sched_getaffinity;

use super::*;

on_both_rings!(
    bytes_arrive_at_their_offset,
    writes_follow_each_other,
    refused_writes_fail,
    completion_wakes,
    links_are_not_disturbed,
    full_queue_takes_a_write,
    drop_lets_go_of_a_write,
    workers_are_kept_to_their_cpus,
);

/// A path for one test, removed at its end.
pub(super) struct TempPath(PathBuf);

impl TempPath {
    pub(super) fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("ringmq-ring-{}-{count}", process::id());
        Self(std::env::temp_dir().join(name))
    }

    pub(super) fn create(&self) -> File {
        Arc::new(fs::File::create(&self.0).expect("a writable directory").into())
    }

    fn read(&self) -> Vec<u8> {
        fs::read(&self.0).expect("it is there")
    }
}

impl Drop for TempPath {
    fn drop(&mut self) {
        // A test that failed early made no file.
        let _ = fs::remove_file(&self.0);
    }
}

impl Rig {
    pub(super) fn write(
        &mut self,
        file: &File,
        offset: u64,
        bytes: Vec<u8>,
        sync: bool,
    ) -> Result<(), i32> {
        self.ring.submit_write(file, offset, bytes.into(), sync);
        self.take_written()
    }
}

/// Any number of bytes is written completely at the right offset, synced or not. The memory is free
/// again when the write completes.
fn bytes_arrive_at_their_offset(kind: Kind) {
    let mut rig = Rig::new(kind);
    for bytes in [1, 4095, 4096, 4097, 65536, 3 << 20] {
        for offset in [0, 1, 4096, 10_007] {
            for sync in [false, true] {
                let path = TempPath::new();
                let file = path.create();
                let given = Bytes::from(pattern(0, bytes));
                rig.ring.submit_write(&file, offset, given.clone(), sync);
                assert_eq!(rig.take_written(), Ok(()));
                assert!(given.is_unique() && Arc::strong_count(&file) == 1);
                let found = path.read();
                let (hole, rest) = found.split_at(usize::try_from(offset).expect("small"));
                assert!(hole.iter().all(|byte| *byte == 0));
                assert!(rest == given, "{bytes} bytes at {offset}, sync: {sync}");
            }
        }
    }
}

/// After two writes to the same place the later one stays; writes to other places both stay.
fn writes_follow_each_other(kind: Kind) {
    let mut rig = Rig::new(kind);
    let path = TempPath::new();
    let file = path.create();
    for sync in [true, false, true] {
        assert_eq!(rig.write(&file, 0, vec![1; 100], sync), Ok(()));
        assert_eq!(rig.write(&file, 50, vec![2; 100], sync), Ok(()));
        assert_eq!(rig.write(&file, 120, vec![3; 10], sync), Ok(()));
        let wanted = [vec![1; 50], vec![2; 70], vec![3; 10], vec![2; 20]].concat();
        assert_eq!(path.read(), wanted);
    }
}

/// A failed write is reported by value, once, with its own error and not that of the cancelled
/// sync. The next write is not affected.
fn refused_writes_fail(kind: Kind) {
    let mut rig = Rig::new(kind);
    let path = TempPath::new();
    let file = path.create();
    let unwritable: File = Arc::new(fs::File::open(&path.0).expect("it is there").into());
    let full: File = Arc::new(fs::File::create("/dev/full").expect("every Linux has it").into());
    for sync in [false, true] {
        for bytes in [1, 3 << 20] {
            assert_eq!(rig.write(&unwritable, 0, pattern(0, bytes), sync), Err(libc::EBADF));
            assert_eq!(rig.write(&full, 0, pattern(0, bytes), sync), Err(libc::ENOSPC));
        }
        assert_eq!(rig.write(&file, 0, pattern(0, 10), sync), Ok(()));
    }
    assert!(rig.seen.is_empty() && path.read() == pattern(0, 10));
}

/// A sleeping ring wakes when a write completes.
fn completion_wakes(kind: Kind) {
    let mut rig = Rig::new(kind);
    let path = TempPath::new();
    let file = path.create();
    let start = Instant::now();
    for turn in 0..10 {
        rig.ring.submit_write(&file, turn, pattern(0, 10).into(), true);
        while rig.seen.is_empty() {
            rig.ring.wait(Some(Duration::from_secs(20)), &mut rig.seen).expect("the ring works");
        }
        assert!(matches!(rig.seen.as_slice(), [Completion::Written { result: Ok(()) }]));
        rig.seen.clear();
    }
    assert!(start.elapsed() < Duration::from_secs(15), "it slept through its completion");
}

/// A send that waits for its peer, an armed receive and a write do not affect each other.
fn links_are_not_disturbed(kind: Kind) {
    let mut rig = Rig::new(kind);
    let path = TempPath::new();
    let file = path.create();
    let (socket, mut peer) = pair();
    let bytes = 8 << 20;
    rig.ring.submit_send(LINK, &socket, batch_of(4, bytes / 4));
    rig.ring.submit_recv(LINK, &socket, RecvMode::Multishot);
    for sync in [false, true] {
        assert_eq!(rig.write(&file, 0, pattern(0, 1 << 20), sync), Ok(()));
        assert!(rig.seen.is_empty() && path.read() == pattern(0, 1 << 20));
    }
    rig.ring.submit_write(&file, 0, pattern(1, 1 << 20).into(), true);
    peer.write_all(b"hello").expect("room");
    let reader = thread::spawn(move || {
        let mut got = vec![0; bytes];
        peer.read_exact(&mut got).expect("all of it comes");
        (peer, got)
    });
    assert_eq!(rig.take_sent(LINK).0, Ok(bytes));
    assert_eq!(rig.take_written(), Ok(()));
    let mut inbox = Inbox::default();
    rig.fill(LINK, &mut inbox, 5);
    assert_eq!((inbox.bytes.as_slice(), inbox.end), (&b"hello"[..], None));
    let (_peer, got) = reader.join().expect("the reader");
    assert!(got == pattern(0, bytes) && path.read() == pattern(1, 1 << 20));
}

/// A write is submitted although the queue is full or has a single entry left.
fn full_queue_takes_a_write(kind: Kind) {
    let path = TempPath::new();
    let file = path.create();
    for sends in 5..=9 {
        let mut rig = Rig::with(kind, &Options { submissions: 8, ..Options::default() });
        let (socket, _peer) = pair();
        for slot in 0..sends {
            rig.ring.submit_send(Key { slot, generation: 0 }, &socket, batch_of(1, 1));
        }
        assert_eq!(rig.write(&file, sends.into(), pattern(0, 1000), true), Ok(()));
        for slot in 0..sends {
            assert_eq!(rig.take_sent(Key { slot, generation: 0 }).0, Ok(1));
        }
        assert_eq!(path.read()[sends as usize..], pattern(0, 1000));
    }
}

/// A ring that is dropped with a write in flight releases file and memory before it returns.
fn drop_lets_go_of_a_write(kind: Kind) {
    for (waits, sync) in [(false, false), (false, true), (true, false), (true, true)] {
        let path = TempPath::new();
        let file = path.create();
        let bytes = Bytes::from(pattern(0, 2 << 20));
        let mut rig = Rig::new(kind);
        rig.ring.submit_write(&file, 0, bytes.clone(), sync);
        if waits {
            rig.ring.wait(Some(Duration::ZERO), &mut rig.seen).expect("the ring works");
        }
        drop(rig);
        assert!(bytes.is_unique() && Arc::strong_count(&file) == 1);
        assert!(path.read() == bytes, "it was asked for");
    }
}

/// Threads that write to files run only on the CPUs that the options name.
fn workers_are_kept_to_their_cpus(kind: Kind) {
    let mask = sched_getaffinity(None).expect("a mask");
    for cpu in (0..1024).filter(|cpu| mask.is_set(*cpu)).take(2) {
        // A separate thread: the writer of its ring is found by its name.
        let work = move || {
            let options = Options { worker_cpus: vec![cpu], ..Options::default() };
            let mut rig = Rig::with(kind, &options);
            let path = TempPath::new();
            assert_eq!(rig.write(&path.create(), 0, pattern(0, 10), true), Ok(()));
            worker_cpus(&format!("pin-{cpu}-writer"))
        };
        let found = thread::Builder::new().name(format!("pin-{cpu}")).spawn(work);
        let found = found.expect("a thread").join().expect("the thread");
        assert!(
            !found.is_empty() && found.iter().all(|list| *list == cpu.to_string()),
            "{found:?}"
        );
    }
}

/// The CPUs on which each thread of this name may run, from `/proc`.
fn worker_cpus(name: &str) -> Vec<String> {
    let tasks = fs::read_dir("/proc/self/task").expect("it is mounted");
    let cpus_of = |task: fs::DirEntry| {
        let status = fs::read_to_string(task.path().join("status")).ok()?;
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name));
        let is_ours = field("Name:")?.trim() == name;
        is_ours.then(|| field("Cpus_allowed_list:").unwrap_or_default().trim().to_owned())
    };
    tasks.filter_map(|task| cpus_of(task.ok()?)).collect()
}
