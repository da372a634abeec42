//! Every target with every fault: numbered messages go through while the bridge, the broker or the
//! target is killed, the link between them is down or slow, or the target's disk is full. Nothing
//! may be missing, first arrivals must be in order by topic, and messages come again only where the
//! page's table says so.
//!
//! `scripts/bridge-test` is the long form: it sets the numbers of [`Plan`].

mod members;
mod targets;

use std::time::{Duration, Instant};

use super::harness::{Bridge, Broker, Client, Edition, SmallDisk, TempDir, on_small_disk};
use targets::{Jetstream, Line, Other, Table, Target};

/// Topics of the messages.
const TOPICS: usize = 8;

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// SIGKILL of the bridge.
    Bridge,
    /// SIGKILL of the broker.
    Broker,
    /// SIGKILL of the target, or of a node of it.
    Target,
    /// The link to the target is cut: connections end, and no new ones are made.
    Cut,
    /// The link to the target passes nothing, and connections stay.
    Held,
    /// The link to the target is slow.
    Slow,
    /// The target's disk is full.
    Full,
}

impl Fault {
    const ALL: [(&str, Self); 7] = [
        ("bridge", Self::Bridge),
        ("broker", Self::Broker),
        ("target", Self::Target),
        ("cut", Self::Cut),
        ("held", Self::Held),
        ("slow", Self::Slow),
        ("full", Self::Full),
    ];
}

/// Bytes a second over a slow link, in each direction.
const SLOW: u64 = 50_000;

/// Bytes of all payloads when a disk is full.
const FULL_BYTES: usize = 16 << 20;

/// How much is done.
struct Plan {
    messages: usize,
    rounds: usize,
    /// How long a link is down or slow.
    lasts: Duration,
}

fn variable(name: &str, short: usize) -> usize {
    std::env::var(name).map_or(short, |text| text.parse().expect("a number"))
}

impl Plan {
    fn of(fault: Fault) -> Self {
        let short = if fault == Fault::Bridge { 4 } else { 2 };
        let name =
            if fault == Fault::Bridge { "BRIDGE_TEST_BRIDGE_KILLS" } else { "BRIDGE_TEST_KILLS" };
        let rounds = match fault {
            Fault::Bridge | Fault::Broker | Fault::Target => variable(name, short),
            Fault::Cut | Fault::Held | Fault::Slow | Fault::Full => 1,
        };
        let seconds = variable("BRIDGE_TEST_SECONDS", 0);
        let lasts = Duration::from_secs(seconds as u64);
        Self { messages: variable("BRIDGE_TEST_MESSAGES", 4000), rounds, lasts }
    }
}

/// The faults to try: the one that `BRIDGE_TEST_FAULT` names, or all except some.
fn faults(except: &[Fault]) -> Vec<Fault> {
    let only = std::env::var("BRIDGE_TEST_FAULT").ok();
    let is_wanted = |name: &str| only.as_deref().is_none_or(|only| only == name);
    let all = Fault::ALL.into_iter().filter(|(name, _)| is_wanted(name)).map(|(_, fault)| fault);
    let is_left_out = |fault: &Fault| only.is_none() && except.contains(fault);
    all.filter(|fault| *fault != Fault::Full && !is_left_out(fault)).collect()
}

/// What has come at a target, in order of arrival.
pub(crate) struct Arrivals {
    next: [usize; TOPICS],
    of_each: usize,
    again: usize,
}

impl Arrivals {
    fn new(messages: usize) -> Self {
        Self { next: [0; TOPICS], of_each: messages / TOPICS, again: 0 }
    }

    /// Notes a message.
    #[track_caller]
    fn take(&mut self, topic: &str, payload: &str) {
        let at: usize =
            topic.rsplit(['/', '.']).next().and_then(|at| at.parse().ok()).expect(topic);
        let number = payload.trim_end().strip_prefix("{\"n\":");
        let number = number.and_then(|rest| rest.strip_suffix('}'));
        let number: usize = number.and_then(|it| it.parse().ok()).expect("a number");
        let next = &mut self.next[at];
        match number {
            number if number == *next => *next += 1,
            number if number < *next => self.again += 1,
            number => panic!("{topic}: {number} came, {next} is missing"),
        }
    }

    fn are_complete(&self) -> bool {
        self.next.iter().all(|next| *next == self.of_each)
    }

    fn messages(&self) -> usize {
        self.of_each * TOPICS
    }
}

/// The broker, its bridge and a publisher.
struct Site {
    home: Broker,
    bridge: Bridge,
    published: usize,
    /// Bytes of a payload at least.
    bytes: usize,
}

impl Site {
    fn start(target: &dyn Target, bytes: usize) -> Self {
        let home = Broker::start_with(&["--session-limit", "bridge-*,bytes=40%,overflow=block"]);
        let config = format!(
            "[broker]\nurl = \"{}\"\n[[sink]]\nname = \"f\"\nfilters = [\"f/#\"]\n\
             batch = {{ messages = 500 }}\n{}\n",
            home.url(),
            target.sink()
        );
        let bridge = Bridge::start(&config);
        bridge.process.wait_for_line("subscribed");
        Self { home, bridge, published: 0, bytes }
    }

    /// Publishes so many messages more, and returns when the broker has acknowledged them.
    fn publish(&mut self, count: usize) {
        let mut writer = Client::unix(&self.home.socket(), "writer", false);
        let topics: Vec<String> = (0..TOPICS).map(|topic| format!("f/{topic}")).collect();
        let numbers = self.published..self.published + count;
        let bytes = self.bytes;
        let message = |at: usize| {
            let number = format!("{{\"n\":{}}}", at / TOPICS);
            (&*topics[at % TOPICS], format!("{number:bytes$}"))
        };
        writer.publish_all(numbers.map(message), false);
        self.published += count;
    }
}

/// Sends messages to a target while a fault happens, and checks what has come.
fn try_fault(target: &mut dyn Target, fault: Fault, disk: Option<&SmallDisk>) {
    let plan = Plan::of(fault);
    let (begun, of_round) = (Instant::now(), plan.messages / (plan.rounds + 1) / TOPICS * TOPICS);
    // A file that is written already may take what few bytes there are.
    let bytes = disk.map_or(0, |_| FULL_BYTES / plan.messages);
    let mut site = Site::start(target, bytes);
    for round in 0..plan.rounds {
        site.publish(of_round);
        site.bridge.expect_metric("delivered_total", "f", |value| value > 0.0);
        match fault {
            Fault::Bridge => site.bridge.kill_and_start(),
            Fault::Broker => {
                site.home.kill();
                site.home.start_again();
            }
            Fault::Target => {
                target.kill(round);
                target.start_again(round);
            }
            Fault::Cut | Fault::Held | Fault::Slow => {
                target.set_link(fault);
                let begun = Instant::now();
                site.publish(of_round / 2);
                while let Some(rest) = plan.lasts.checked_sub(begun.elapsed()) {
                    // It lasts as long as the plan says.
                    std::thread::park_timeout(rest);
                }
                target.open_link();
                site.publish(of_round / 2);
            }
            Fault::Full => fill(&mut site, target, disk, of_round),
        }
    }
    let rest = plan.messages / TOPICS * TOPICS - site.published;
    site.publish(rest);
    let mut arrivals = Arrivals::new(site.published);
    target.read(&mut arrivals);
    assert!(arrivals.are_complete(), "{:?} of {}", arrivals.next, arrivals.of_each);
    let (messages, again) = (arrivals.messages(), arrivals.again);
    eprintln!(
        "{} {fault:?} ×{}: {messages} messages, none is missing, {again} came again; {:.0} s",
        target.name(),
        plan.rounds,
        begun.elapsed().as_secs_f32()
    );
    assert!(target.may_repeat(fault) || again == 0, "{fault:?}: {again} came again");
}

/// Lets messages wait before a target whose disk is full.
fn fill(site: &mut Site, target: &mut dyn Target, disk: Option<&SmallDisk>, count: usize) {
    disk.inspect(|disk| disk.fill());
    target.fill();
    site.publish(count);
    target.wait_until_full(&site.bridge);
    disk.inspect(|disk| disk.empty());
    target.have_room();
}

fn try_faults(make: impl FnMut() -> Box<dyn Target>) {
    try_faults_except(&[], make);
}

fn try_faults_except(except: &[Fault], mut make: impl FnMut() -> Box<dyn Target>) {
    for fault in faults(except) {
        try_fault(&mut *make(), fault, None);
    }
}

/// Tries a target that is made in a directory on a small disk.
fn try_full(test: &str, make: impl FnOnce(TempDir) -> Box<dyn Target>) {
    let size = std::env::var("BRIDGE_TEST_DISK").unwrap_or_else(|_| "160m".to_owned());
    on_small_disk(&format!("faults::{test}"), &size, |disk| {
        try_fault(&mut *make(TempDir::below(disk.path())), Fault::Full, Some(disk));
    });
}

#[test]
fn jetstream() {
    for edition in Edition::ALL {
        try_faults(|| Box::new(Jetstream::single(TempDir::new(), edition, false)));
    }
}

#[test]
fn jetstream_full() {
    let make = |directory| -> Box<dyn Target> {
        Box::new(Jetstream::single(directory, Edition::Debian, false))
    };
    try_full("jetstream_full", make);
}

#[test]
fn jetstream_batch_full() {
    let make = |directory| -> Box<dyn Target> {
        Box::new(Jetstream::single(directory, Edition::Debian, true))
    };
    try_full("jetstream_batch_full", make);
}

#[test]
fn jetstream_batch() {
    for edition in Edition::ALL {
        try_faults(|| Box::new(Jetstream::single(TempDir::new(), edition, true)));
    }
}

// Three servers with three copies: nodes are killed in turn.
#[test]
fn jetstream_of_three() {
    // Three servers take long to start: the short form has fewer faults.
    let slow = [Fault::Held, Fault::Slow];
    try_faults_except(&slow, || Box::new(Jetstream::of_three(Edition::Newest)));
}

#[test]
fn postgres() {
    try_faults(|| Box::new(Table::start(TempDir::new())));
}

#[test]
fn postgres_full() {
    try_full("postgres_full", |directory| Box::new(Table::start(directory)));
}

#[test]
fn influx() {
    try_faults(|| Box::new(Line::start(TempDir::new())));
}

#[test]
fn influx_full() {
    try_full("influx_full", |directory| Box::new(Line::start(directory)));
}

#[test]
fn ringmq() {
    try_faults(|| Box::new(Other::start(TempDir::new())));
}

#[test]
fn ringmq_full() {
    try_full("ringmq_full", |directory| Box::new(Other::start(directory)));
}

#[cfg(feature = "kafka")]
#[test]
fn kafka() {
    super::harness::in_own_network("faults::kafka", || {
        try_faults(|| Box::new(targets::Records::start()));
    });
}

// The brokers say that their disks are full.
#[cfg(feature = "kafka")]
#[test]
fn kafka_full() {
    try_fault(&mut targets::Records::start(), Fault::Full, None);
}
