//! A ring in one thread at every size, and between two threads at full speed.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::{Bell, Full, Record, channel};

const WORD: usize = 8;

/// xorshift64*. The seed is printed, and taken from `RINGMQ_SEED` if that is set.
struct Random(u64);

impl Random {
    fn new() -> Self {
        let seed = match std::env::var("RINGMQ_SEED") {
            Ok(seed) => seed.parse().expect("RINGMQ_SEED is a number"),
            Err(_) => RandomState::new().hash_one(0),
        };
        println!("RINGMQ_SEED={seed}");
        Self(seed | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).expect("less than a usize")
    }
}

/// Bytes that reveal a truncated or shifted record.
fn payload(len: usize, salt: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 31 + salt * 7 + len).to_le_bytes()[0]).collect()
}

/// The records that a receiver took, owned.
#[derive(Debug, PartialEq)]
enum Taken {
    Bytes(Vec<u8>),
    Object(Tracked),
}

impl From<Record<'_, Tracked>> for Taken {
    fn from(record: Record<'_, Tracked>) -> Self {
        match record {
            Record::Bytes(bytes) => Self::Bytes(bytes.to_vec()),
            Record::Object(object) => Self::Object(object),
        }
    }
}

/// An object whose number of instances is counted.
#[derive(Debug)]
struct Tracked {
    id: u64,
    alive: Arc<AtomicU64>,
}

impl Tracked {
    fn new(id: u64, alive: &Arc<AtomicU64>) -> Self {
        alive.fetch_add(1, Ordering::Relaxed);
        Self { id, alive: Arc::clone(alive) }
    }
}

impl PartialEq for Tracked {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        self.alive.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The capacity is the next power of two, at least 64, and the largest record is under a quarter.
#[test]
fn capacity_is_rounded_up() {
    for (asked, max) in
        [(0, 8), (64, 8), (65, 24), (128, 24), (1000, 248), (1 << 20, (1 << 18) - 8)]
    {
        let (sender, _receiver) = channel::<()>(asked);
        assert_eq!(sender.record_bytes_max(), max, "{asked} bytes asked");
    }
}

/// A record of every size at every position, including the end of memory, is received unchanged.
#[test]
fn every_size_at_every_place() {
    let max = channel::<()>(256).0.record_bytes_max();
    for place in (0..256).step_by(WORD) {
        for len in [0, 1, 7, 8, 9, 15, 16, 17, max - 1, max] {
            let (mut sender, mut receiver) = channel::<()>(256);
            for _ in 0..place / WORD {
                sender.push(&[]).expect("one word at a time");
                sender.publish();
                assert!(receiver.next().is_some());
                receiver.set_handled();
            }
            let bytes = payload(len, place);
            let (front, back) = bytes.split_at(len / 3);
            sender.push(&[front, &[], back]).expect("an empty ring takes every record");
            sender.push(&[b"after"]).expect("two fit");
            assert!(sender.publish());
            for want in [&bytes[..], b"after"] {
                match receiver.next() {
                    Some(Record::Bytes(got)) => assert_eq!(got, want, "{len} bytes at {place}"),
                    other => panic!("{other:?} for {len} bytes at {place}"),
                }
            }
            assert!(receiver.next().is_none() && receiver.is_empty());
            assert_eq!(receiver.taken(), sender.pushed());
        }
    }
}

/// A record above the maximum is refused by a panic that leaves the ring as it was.
#[test]
fn too_large_is_the_callers_bug() {
    let (mut sender, mut receiver) = channel::<()>(256);
    let bytes = payload(sender.record_bytes_max() + 1, 0);
    let half = vec![0; sender.record_bytes_max() / 2 + 1];
    for parts in [&[&bytes[..]][..], &[&half, &half]] {
        let pushed = catch_unwind(AssertUnwindSafe(|| sender.push(parts)));
        assert!(pushed.is_err());
    }
    assert!(!sender.publish() && receiver.next().is_none());
    assert_eq!(sender.pushed(), 0);
}

/// A full ring refuses records, keeps its content, and accepts again as soon as space was released.
#[test]
fn full_is_an_answer() {
    let (mut sender, mut receiver) = channel::<Box<u32>>(64);
    for at in 0..4 {
        sender.push_object(Box::new(at)).expect("four of 16 bytes fit");
    }
    assert_eq!(sender.push_object(Box::new(4)), Err(Box::new(4)));
    assert_eq!(sender.push(&[]), Err(Full));
    assert!(sender.publish() && !sender.publish());
    assert!(matches!(receiver.next(), Some(Record::Object(object)) if *object == 0));
    assert_eq!(sender.push(&[]), Err(Full), "taken is not yet handled");
    assert_eq!((sender.handled(), receiver.taken()), (0, 1));
    receiver.set_handled();
    assert_eq!(sender.handled(), 1);
    sender.push_object(Box::new(5)).expect("the first one's room");
    assert_eq!(sender.push(&[]), Err(Full));
    assert_eq!(sender.pushed(), 5);
}

/// Marks never decrease, and never exceed the taken records.
#[test]
fn settled_stays_in_bounds() {
    let (mut sender, mut receiver) = channel::<()>(64);
    for _ in 0..3 {
        sender.push(&[]).expect("three words fit");
    }
    sender.publish();
    assert!(receiver.next().is_some() && receiver.next().is_some());
    for (records, allowed) in [(0, true), (1, true), (1, true), (0, false), (3, false), (2, true)] {
        let set = catch_unwind(AssertUnwindSafe(|| receiver.set_settled(records)));
        assert_eq!(set.is_ok(), allowed, "{records}");
    }
    assert_eq!((sender.settled(), sender.handled()), (2, 0));
}

/// Any sequence of operations behaves like a queue; every object is dropped in the end.
#[test]
fn behaves_like_a_queue() {
    let mut random = Random::new();
    let alive = Arc::new(AtomicU64::new(0));
    for round in 0..200 {
        let (mut sender, mut receiver) = channel(64 << (round % 5));
        let max = sender.record_bytes_max();
        // Records pushed, and those of them that the receiver may see.
        let (mut queue, mut visible) = (VecDeque::new(), 0);
        for step in 0..1000 {
            match random.below(8) {
                0..=2 => {
                    let bytes = payload(random.below(max + 1), step);
                    match sender.push(&[&bytes]) {
                        Ok(()) => queue.push_back(Taken::Bytes(bytes)),
                        Err(Full) => assert_ne!(sender.handled(), sender.pushed()),
                    }
                }
                3 => match sender.push_object(Tracked::new(step as u64, &alive)) {
                    Ok(()) => queue.push_back(Taken::Object(Tracked::new(step as u64, &alive))),
                    Err(object) => assert_eq!(object.id, step as u64),
                },
                4 => {
                    assert_eq!(sender.publish(), visible < queue.len());
                    visible = queue.len();
                }
                5..=6 => {
                    let want = if visible > 0 { queue.pop_front() } else { None };
                    visible = visible.saturating_sub(1);
                    assert_eq!(receiver.next().map(Taken::from), want);
                    assert_eq!(receiver.is_empty(), visible == 0);
                }
                _ => {
                    receiver.set_handled();
                    assert_eq!(sender.handled(), receiver.taken());
                }
            }
        }
        assert_eq!(sender.pushed() - receiver.taken(), queue.len() as u64);
        // Either end may be dropped first.
        if round % 2 == 0 {
            drop(sender);
            drop(receiver);
        } else {
            drop(receiver);
            drop(sender);
        }
        drop(queue);
        assert_eq!(alive.load(Ordering::Relaxed), 0, "objects left in round {round}");
    }
}

/// Two threads and a ring that is mostly full: all records arrive unchanged, in order and once.
#[test]
fn two_threads_at_full_speed() {
    let mut random = Random::new();
    for capacity in [64, 512, 64 * 1024] {
        let alive = Arc::new(AtomicU64::new(0));
        let (mut sender, mut receiver) = channel::<Tracked>(capacity);
        let max = sender.record_bytes_max();
        let deadline = Instant::now() + Duration::from_millis(300);
        // An object has the count of records and ends the run. Wrong records are counted, not
        // asserted, so that the sender always has a receiver.
        let taking = thread::spawn(move || {
            let (mut count, mut wrong) = (0u64, 0u64);
            loop {
                match receiver.next() {
                    Some(Record::Bytes(bytes)) => {
                        let salt = usize::try_from(count).expect("64 bits");
                        wrong += u64::from(bytes != payload(bytes.len(), salt));
                        count += 1;
                        if count % 5 == 0 {
                            receiver.set_handled();
                        }
                    }
                    Some(Record::Object(last)) => return (count, wrong, last.id),
                    None => {
                        receiver.set_handled();
                        thread::yield_now();
                    }
                }
            }
        });
        let (mut sent, mut full) = (0usize, 0u64);
        while Instant::now() < deadline {
            let bytes = payload(random.below(max + 1), sent);
            while sender.push(&[&bytes]).is_err() {
                full += 1;
                sender.publish();
                thread::yield_now();
            }
            sent += 1;
            if random.below(4) == 0 {
                sender.publish();
            }
        }
        let mut last = Tracked::new(sent as u64, &alive);
        while let Err(back) = sender.push_object(last) {
            last = back;
            sender.publish();
            thread::yield_now();
        }
        sender.publish();
        let (count, wrong, told) = taking.join().expect("the receiver ends");
        assert_eq!((count, wrong, told), (sent as u64, 0, sent as u64));
        assert!(full > 0 || capacity > 512, "a small ring fills up");
        assert_eq!(alive.load(Ordering::Relaxed), 0);
    }
}

/// Two shards that sleep whenever they have no work pass a record back and forth: no wake is lost.
#[test]
fn sleepers_wake_each_other() {
    const ROUNDS: u64 = 5_000;
    let bells = [Arc::new(Bell::new()), Arc::new(Bell::new())];
    let (mut there, mut at_b) = channel::<()>(64);
    let (mut back, mut at_a) = channel::<()>(64);
    let theirs = bells.clone();
    let main = thread::current();
    let b = thread::spawn(move || {
        for _ in 0..ROUNDS {
            sleep_until(&theirs[1], || !at_b.is_empty());
            assert!(at_b.next().is_some());
            at_b.set_handled();
            back.push(&[b"pong"]).expect("the answer before was taken");
            back.publish();
            if theirs[0].must_ring() {
                main.unpark();
            }
        }
    });
    for round in 0..ROUNDS {
        there.push(&[b"ping"]).expect("the one before was handled");
        there.publish();
        if bells[1].must_ring() {
            b.thread().unpark();
        }
        sleep_until(&bells[0], || !at_a.is_empty());
        assert!(at_a.next().is_some());
        at_a.set_handled();
        assert_eq!(there.handled(), round + 1);
    }
    b.join().expect("the other shard ends");
}

/// Sleeps as a shard does. A wake that does not arrive within a second is lost.
fn sleep_until(bell: &Bell, is_done: impl Fn() -> bool) {
    while !is_done() {
        bell.announce_sleep();
        if !is_done() {
            let since = Instant::now();
            thread::park_timeout(Duration::from_secs(10));
            assert!(since.elapsed() < Duration::from_secs(10), "a wake was lost");
        }
        bell.awake();
    }
}
