//! Verification of passwords: answers, and remembered results.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use super::failures::Failures;
use super::memory::Memory;
use super::queue::{Lane, Queue};
use super::{PasswordVerifier, VerifierPool};
use crate::access::{Exchange, Identity, Mechanism, Policy, Question, Secret, Sources};
use crate::broker::{Answer, ConnId, PasswordCheck};
use crate::limits::{AUTH_ADDRESSES_MAX, AUTH_REMEMBERED_MAX, AUTH_SUSPECTS_MAX, AUTH_WAITING_MAX};
use crate::reactor::Verifier;

/// SHA-512 of `right` and the salt `saltsalt1234`, as Mosquitto stores it.
const SECRET: &str = "$6$c2FsdHNhbHQxMjM0$HlmMHrpSRPAcbnH3izW2kv9+M4Vj5bl/Yf8WUQdAAV8xJ/ZD8rnmUEbKj\
                      Z2eoIM6hSB5/k7qK1fEgc+Ge3YY4g==";

/// A verifier, and the channel that signals an answer.
struct Counter {
    verifier: PasswordVerifier,
    woken: Receiver<()>,
    secret: Arc<Secret>,
    _pool: VerifierPool,
}

impl Counter {
    fn open(failures_max: u32) -> Self {
        let pool = VerifierPool::open(2, failures_max, [7; 32]).expect("there are threads");
        let (sender, woken) = channel();
        let verifier = pool.verifier(move || sender.send(()).expect("the test listens"));
        let secret = Arc::new(Secret::parse(SECRET).expect("it is well formed"));
        Self { verifier, woken, secret, _pool: pool }
    }

    fn ask(&mut self, slot: u32, address: IpAddr, password: &str, known: bool) -> Option<Answer> {
        let identity = Identity { vhost: 0, user: Some("user".into()), certified: false };
        let secret = self.secret.clone();
        let question = Question::of_password(identity, password.as_bytes(), secret, known);
        let conn = ConnId { slot, generation: 0 };
        self.verifier.ask(PasswordCheck { conn, address: Some(address), question })
    }

    /// Waits for the next answer.
    fn answer(&mut self) -> (u32, Answer) {
        self.woken.recv().expect("the helpers are there");
        let (conn, answer) = self.verifier.next_answer().expect("it was told that there is one");
        (conn.slot, answer)
    }
}

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const THERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));

// The first check hashes, the second uses the remembered result; an unknown user's password is
// wrong.
#[test]
fn looked_at_once() {
    for (password, known, answer) in [
        ("right", true, Answer::Right),
        ("wrong", true, Answer::Wrong),
        ("right", false, Answer::Wrong),
    ] {
        let mut counter = Counter::open(0);
        assert_eq!(counter.ask(1, HERE, password, known), None);
        assert_eq!(counter.answer(), (1, answer));
        assert_eq!(counter.ask(2, THERE, password, known), Some(answer), "remembered");
    }
    let mut counter = Counter::open(0);
    let long = "x".repeat(crate::limits::PASSWORD_BYTES_MAX + 1);
    assert_eq!(counter.ask(4, HERE, &long, true), Some(Answer::Wrong), "not looked at");
}

// A proof is answered at once. Wrong proofs count as wrong passwords do, and beyond the bound none
// is verified.
#[test]
fn proofs_count() {
    let path = std::env::temp_dir().join(format!("ringmq-proofs-{}", std::process::id()));
    let keys = Secret::make_scram("right", Mechanism::Sha256, 1, b"salt").expect("plain letters");
    std::fs::write(&path, format!("user:{keys}\n")).expect("the directory is writable");
    let sources = Sources { passwords: Some(path.clone()), ..Sources::default() };
    let policy = Policy::load(&sources, &mut |_| Ok(1)).expect("the file is right");
    std::fs::remove_file(path).expect("it was written");
    let mut counter = Counter::open(2);
    let mut ask = |address, user: &str, proof: &str| {
        let first = format!("n,,n={user},r=x");
        let mechanism = Mechanism::Sha256;
        let exchange = Exchange::begin(&policy, mechanism, first.as_bytes(), "y").expect("SCRAM");
        let last = format!("c=biws,r=xy,p={proof}");
        let question = exchange.finish(last.as_bytes()).expect("SCRAM").question;
        let conn = ConnId { slot: 0, generation: 0 };
        counter.verifier.ask(PasswordCheck { conn, address: Some(address), question })
    };
    // By Python's hashlib.
    let right = "s9NO8FhQ+9vZ9o1XV1HL4QyHQc6XWXAYwNgaVxxWtT8=";
    let wrong = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    assert_eq!(ask(HERE, "user", right), Some(Answer::Right));
    assert_eq!(ask(HERE, "user", wrong), Some(Answer::Wrong));
    assert_eq!(ask(HERE, "nobody", right), Some(Answer::Wrong));
    assert_eq!(ask(HERE, "user", right), Some(Answer::Throttled));
    assert_eq!(ask(THERE, "user", right), Some(Answer::Right), "another address");
}

// Beyond the bound no password from that address is hashed; a remembered right one is accepted.
#[test]
fn too_many_wrong_ones() {
    let mut counter = Counter::open(2);
    assert_eq!(counter.ask(0, HERE, "right", true), None);
    assert_eq!(counter.answer(), (0, Answer::Right));
    for (slot, password) in [(1, "wrong 1"), (2, "wrong 2")] {
        assert_eq!(counter.ask(slot, HERE, password, true), None);
        assert_eq!(counter.answer(), (slot, Answer::Wrong));
    }
    assert_eq!(counter.ask(3, HERE, "wrong 3", true), Some(Answer::Throttled));
    assert_eq!(counter.ask(4, HERE, "right", true), Some(Answer::Right));
    assert_eq!(counter.ask(5, THERE, "wrong 3", true), None, "another address");
    assert_eq!(counter.answer(), (5, Answer::Wrong));
}

// A minute begins with an address's first wrong password; IPv6 counts by /64; Unix sockets and
// loopback are exempt.
#[test]
fn failures_by_network() {
    let v6 = |interface| Some(IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, interface)));
    let now = Instant::now();
    let mut failures = Failures::new(2);
    let end = Some(now + Duration::from_secs(60));
    for (address, shut_out) in [(v6(1), None), (v6(2), end), (v6(3), None), (None, None)] {
        assert_eq!(failures.count(address, now), shut_out, "{address:?}");
    }
    let loopback = ["127.0.0.1", "127.9.9.9", "::1"].map(|address| address.parse().ok());
    for address in [None].into_iter().chain(loopback) {
        let counts = [(); 3].map(|()| failures.count(address, now));
        assert_eq!(counts, [None; 3], "{address:?}");
        assert!(failures.has(address, now) && !failures.is_exceeded(address, now));
    }
    assert!(failures.is_exceeded(v6(3), now) && failures.has(None, now));
    assert!(!failures.has(Some(HERE), now));
    let later = now + Duration::from_secs(60);
    assert!(!failures.has(v6(1), later));
    failures.count(v6(1), later);
    assert!(failures.has(v6(1), later) && !failures.is_exceeded(v6(1), later));
    assert!(!Failures::new(0).is_exceeded(v6(1), now), "no bound");
}

// Addresses and passwords are remembered within their bounds; expired entries are removed.
#[test]
fn bounded_memory() {
    let now = Instant::now();
    let mut failures = Failures::new(1);
    let address = |n: usize| Some(IpAddr::V4(u32::try_from(n).expect("small").into()));
    for n in 0..AUTH_ADDRESSES_MAX {
        failures.count(address(n), now);
    }
    failures.count(Some(HERE), now);
    assert!(!failures.has(Some(HERE), now), "no room");
    failures.count(address(7), now);
    assert!(failures.is_exceeded(address(7), now), "who is there is counted");
    let later = now + Duration::from_secs(60);
    failures.count(Some(HERE), later);
    assert!(failures.has(Some(HERE), later));

    let mut memory = Memory::default();
    let key = |n: usize| (n as u128).to_le_bytes();
    (0..AUTH_REMEMBERED_MAX).for_each(|n| memory.keep(key(n), n % 2 == 0, now));
    assert_eq!(memory.recall(&key(3), now), Some(false));
    assert_eq!(memory.recall(&key(3), later), None, "a wrong one may be right now");
    assert_eq!(memory.recall(&key(2), later), Some(true));
    memory.keep(key(AUTH_REMEMBERED_MAX), true, later);
    assert_eq!(memory.recall(&key(2), later), Some(true), "only what is over went");
    assert_eq!(memory.recall(&key(2), later + Duration::from_secs(900)), None);
}

// Suspects wait behind all others, and each lane has its bound.
#[test]
fn suspects_wait() {
    let mut queue = Queue::default();
    for (lane, max) in [(Lane::Suspects, AUTH_SUSPECTS_MAX), (Lane::Usual, AUTH_WAITING_MAX)] {
        let address = |n: usize| Some(IpAddr::V4(u32::try_from(n).expect("small").into()));
        (0..max).for_each(|n| assert!(queue.push(lane, address(n), (lane, n))));
        assert!(!queue.push(lane, address(max), (lane, max)));
    }
    (0..AUTH_WAITING_MAX).for_each(|n| assert_eq!(queue.pop(), Some((Lane::Usual, n))));
    assert_eq!(queue.pop(), Some((Lane::Suspects, 0)));
    assert!(queue.push(Lane::Usual, None, (Lane::Usual, 7)));
    assert_eq!(queue.pop(), Some((Lane::Usual, 7)));
    (1..AUTH_SUSPECTS_MAX).for_each(|n| assert_eq!(queue.pop(), Some((Lane::Suspects, n))));
    assert_eq!(queue.pop(), None);
}

// An address with the most waiting passwords takes neither room nor turns from others.
#[test]
fn addresses_take_turns() {
    for (lane, max) in [(Lane::Suspects, AUTH_SUSPECTS_MAX), (Lane::Usual, AUTH_WAITING_MAX)] {
        let mut queue = Queue::default();
        let greedy = (0..max).take_while(|n| queue.push(lane, Some(HERE), (HERE, *n))).count();
        assert_eq!(greedy, max / 2);
        assert!(queue.push(lane, Some(THERE), (THERE, 0)) && queue.push(lane, None, (THERE, 1)));
        assert!(!queue.push(lane, Some(HERE), (HERE, greedy)));
        for expected in [(HERE, 0), (THERE, 0), (THERE, 1), (HERE, 1), (HERE, 2)] {
            assert_eq!(queue.pop(), Some(expected));
        }
        assert!(queue.push(lane, Some(THERE), (THERE, 2)));
        for expected in [(HERE, 3), (THERE, 2), (HERE, 4)] {
            assert_eq!(queue.pop(), Some(expected));
        }
        (5..greedy).for_each(|n| assert_eq!(queue.pop(), Some((HERE, n))));
        assert_eq!(queue.pop(), None);
    }
}
