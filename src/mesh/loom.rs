//! Models of the mesh for loom: all interleavings of small cases, with everything that the memory
//! orderings permit.
//!
//! `RUSTFLAGS="--cfg loom" cargo test --release --package ringmq-models`
//!
//! Loom also finds races on the bytes of a ring (`RaceCheck`), and reports a lost wake as a
//! deadlock. The rings are the smallest possible: 64 bytes, three or four records.

use std::sync::Arc as Counter;
use std::sync::atomic::AtomicUsize as Count;

use ::loom::model;
use ::loom::model::Builder;
use ::loom::sync::atomic::{AtomicUsize, Ordering};
use ::loom::sync::{Arc, Notify};
use ::loom::thread;

use super::{Bell, Receiver, Record, Sender, channel};

const CAPACITY: usize = 64;

/// `model` for the cases with the most interleavings, restricted to those in which at most three
/// times a running thread is preempted.
fn model_bounded(case: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(case);
}

/// Takes the next record, which must equal `want`.
fn expect_bytes(receiver: &mut Receiver<()>, want: &[u8]) {
    loop {
        match receiver.next() {
            Some(Record::Bytes(bytes)) => return assert_eq!(bytes, want),
            Some(Record::Object(())) => panic!("an object nobody sent"),
            None => thread::yield_now(),
        }
    }
}

/// Pushes and publishes a record; retries while the ring is full.
fn send_bytes(sender: &mut Sender<()>, bytes: &[u8]) {
    while sender.push(&[bytes]).is_err() {
        thread::yield_now();
    }
    sender.publish();
}

/// Records arrive complete, in order and once, also across the end of memory and in a full ring.
#[test]
fn order_across_wrap_and_full() {
    model_bounded(|| {
        let (mut sender, mut receiver) = channel::<()>(CAPACITY);
        // 8 + 3 × 16 bytes: the fifth record finds one word before the end, which is too small for
        // it.
        let records: [&[u8]; 6] = [b"", b"12345678", b"abc", b"ABCDEFGH", b"87654321", b"x"];
        for record in &records[..4] {
            sender.push(&[record]).expect("these fill the ring");
        }
        assert!(sender.push(&[records[4]]).is_err());
        sender.publish();
        let thread = thread::spawn(move || {
            for record in &records[4..] {
                send_bytes(&mut sender, record);
            }
            assert_eq!(sender.pushed(), 6);
        });
        for record in records {
            expect_bytes(&mut receiver, record);
            receiver.set_handled();
        }
        thread.join().expect("the sender ends");
        assert!(receiver.next().is_none() && receiver.is_empty());
    });
}

/// One publish makes all earlier records visible, and no later ones.
#[test]
fn publish_is_all_or_nothing() {
    model(|| {
        let (mut sender, mut receiver) = channel::<()>(CAPACITY);
        let thread = thread::spawn(move || {
            for record in [b"a", b"b"] {
                sender.push(&[record]).expect("the ring is empty");
            }
            assert!(sender.publish());
            assert!(!sender.publish());
            sender.push(&[b"c"]).expect("the ring holds three");
            sender
        });
        if !receiver.is_empty() {
            expect_bytes(&mut receiver, b"a");
            assert!(matches!(receiver.next(), Some(Record::Bytes(b"b"))));
            assert!(receiver.next().is_none());
        }
        thread.join().expect("the sender ends");
    });
}

/// Counts its drops.
struct Counted(Counter<Count>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Every object is dropped exactly once, whether it was taken, only published, only pushed, or
/// refused, and whichever end is dropped first.
#[test]
fn objects_are_dropped_once() {
    model(|| {
        let drops: [Counter<Count>; 5] = std::array::from_fn(|_| Counter::default());
        let (mut sender, mut receiver) = channel::<Counted>(CAPACITY);
        let mine = drops.clone();
        let thread = thread::spawn(move || {
            for (at, drop) in mine.iter().enumerate() {
                // The fifth is refused, unless the receiver was dropped and released its space.
                let pushed = sender.push_object(Counted(Counter::clone(drop)));
                assert!(pushed.is_ok() || at == 4);
                if at == 1 {
                    sender.publish();
                }
            }
        });
        if let Some(record) = receiver.next() {
            assert!(matches!(record, Record::Object(_)));
        }
        drop(receiver);
        thread.join().expect("the sender ends");
        assert_eq!(drops.map(|drop| drop.load(Ordering::Relaxed)), [1; 5]);
    });
}

/// Space that the receiver's drop releases is written again without a race, and an object that was
/// placed at the beginning of memory is dropped too.
#[test]
fn objects_across_wrap_are_dropped_once() {
    model(|| {
        let drops: [Counter<Count>; 5] = std::array::from_fn(|_| Counter::default());
        let counted = |at: usize| Counted(Counter::clone(&drops[at]));
        let (mut sender, mut receiver) = channel::<Counted>(CAPACITY);
        sender.push(&[]).expect("the ring is empty");
        for at in 0..3 {
            assert!(sender.push_object(counted(at)).is_ok());
        }
        sender.publish();
        let late = [counted(3), counted(4)];
        let thread = thread::spawn(move || {
            for object in late {
                drop(sender.push_object(object));
            }
        });
        while receiver.taken() < 3 {
            assert!(receiver.next().is_some());
        }
        drop(receiver);
        thread.join().expect("the sender ends");
        assert_eq!(drops.map(|drop| drop.load(Ordering::Relaxed)), [1; 5]);
    });
}

/// A thread that sees that a record is handled sees all earlier writes of the receiver, and finds
/// the record's space free.
#[test]
fn handled_shows_effects_and_space() {
    model(|| {
        let (mut sender, mut receiver) = channel::<()>(CAPACITY);
        while sender.push(&[b"12345678"]).is_ok() {}
        sender.publish();
        let effect = Arc::new(AtomicUsize::new(0));
        let theirs = Arc::clone(&effect);
        let thread = thread::spawn(move || {
            while receiver.next().is_some() {}
            theirs.store(7, Ordering::Relaxed);
            receiver.set_handled();
        });
        while sender.handled() < sender.pushed() {
            thread::yield_now();
        }
        assert_eq!(effect.load(Ordering::Relaxed), 7);
        sender.push(&[b"12345678"]).expect("handled records leave their space");
        thread.join().expect("the receiver ends");
    });
}

/// A sender that sees a record settled sees that it has an answer.
#[test]
fn settled_shows_answers() {
    model(|| {
        let (mut sender, mut receiver) = channel::<()>(CAPACITY);
        for record in [b"1", b"2"] {
            sender.push(&[record]).expect("the ring is empty");
        }
        sender.publish();
        let thread = thread::spawn(move || {
            for record in [b"1", b"2"] {
                expect_bytes(&mut receiver, record);
                receiver.count_answers(1);
                receiver.set_settled(receiver.taken());
            }
        });
        let settled = sender.settled();
        assert!(sender.answers() >= settled);
        thread.join().expect("the receiver ends");
        assert_eq!((sender.settled(), sender.answers()), (2, 2));
    });
}

/// A sender that sees that a record is settled sees all earlier writes of the receiver.
#[test]
fn settled_shows_effects() {
    model(|| {
        let (mut sender, mut receiver) = channel::<()>(CAPACITY);
        sender.push(&[b"1"]).expect("the ring is empty");
        sender.publish();
        let effect = Arc::new(AtomicUsize::new(0));
        let theirs = Arc::clone(&effect);
        let thread = thread::spawn(move || {
            expect_bytes(&mut receiver, b"1");
            receiver.set_handled();
            theirs.store(7, Ordering::Relaxed);
            receiver.set_settled(1);
        });
        while sender.settled() < 1 {
            thread::yield_now();
        }
        assert_eq!(effect.load(Ordering::Relaxed), 7);
        thread.join().expect("the receiver ends");
    });
}

/// A shard that can sleep: its bell, and the means to wake it (an eventfd in the broker).
#[derive(Clone)]
struct Sleeper {
    bell: Arc<Bell>,
    wake: Arc<Notify>,
}

impl Sleeper {
    fn new() -> Self {
        Self { bell: Arc::new(Bell::new()), wake: Arc::new(Notify::new()) }
    }

    /// Sleeps as a shard does, until `is_done`, which reads published data.
    fn sleep_until(&self, mut is_done: impl FnMut() -> bool) {
        while !is_done() {
            self.bell.announce_sleep();
            if is_done() {
                return self.bell.awake();
            }
            self.wake.wait();
            self.bell.awake();
        }
    }

    /// The call of every shard after it has published to this one.
    fn ring(&self) {
        if self.bell.must_ring() {
            self.wake.notify();
        }
    }
}

/// No wake is lost: a receiver that sleeps whenever its ring is empty gets every record.
#[test]
fn sleeping_receiver_gets_every_record() {
    model_bounded(|| {
        let (mut sender, mut receiver) = channel::<()>(CAPACITY);
        let sleeper = Sleeper::new();
        let theirs = sleeper.clone();
        let thread = thread::spawn(move || {
            for record in [b"a", b"b"] {
                sender.push(&[record]).expect("the ring holds both");
                assert!(sender.publish());
                theirs.ring();
            }
        });
        for record in [b"a", b"b"] {
            sleeper.sleep_until(|| !receiver.is_empty());
            expect_bytes(&mut receiver, record);
        }
        thread.join().expect("the sender ends");
    });
}

/// No wake is lost when two shards publish to one sleeper and one of them rings for both.
#[test]
fn sleeping_receiver_of_two_rings_gets_every_record() {
    model_bounded(|| {
        let sleeper = Sleeper::new();
        let (senders, receivers): (Vec<_>, Vec<_>) =
            (0..2).map(|_| channel::<()>(CAPACITY)).unzip();
        for mut sender in senders {
            let theirs = sleeper.clone();
            thread::spawn(move || {
                sender.push(&[b"a"]).expect("the ring is empty");
                sender.publish();
                theirs.ring();
            });
        }
        sleeper.sleep_until(|| receivers.iter().all(|receiver| !receiver.is_empty()));
    });
}

/// No wake is lost towards a sender that sleeps until its records are handled and settled.
#[test]
fn sleeping_sender_sees_marks() {
    model(|| {
        let (mut sender, mut receiver) = channel::<()>(CAPACITY);
        sender.push(&[b"a"]).expect("the ring is empty");
        sender.publish();
        let sleeper = Sleeper::new();
        let theirs = sleeper.clone();
        let thread = thread::spawn(move || {
            expect_bytes(&mut receiver, b"a");
            receiver.set_handled();
            theirs.ring();
            receiver.set_settled(1);
            theirs.ring();
        });
        sleeper.sleep_until(|| sender.handled() == 1);
        sleeper.sleep_until(|| sender.settled() == 1);
        thread.join().expect("the receiver ends");
    });
}

/// Of all callers during one sleep, exactly one must ring.
#[test]
fn one_rings_per_sleep() {
    model(|| {
        let bell = Arc::new(Bell::new());
        assert!(!bell.must_ring(), "awake at first");
        bell.announce_sleep();
        let threads = [(); 2].map(|()| {
            let bell = Arc::clone(&bell);
            thread::spawn(move || bell.must_ring())
        });
        let rings = threads.map(|thread| thread.join().expect("asking ends"));
        assert_eq!(rings.iter().filter(|ring| **ring).count(), 1);
        assert!(!bell.must_ring(), "rung already");
        bell.announce_sleep();
        bell.awake();
        assert!(!bell.must_ring(), "awake by itself");
    });
}
