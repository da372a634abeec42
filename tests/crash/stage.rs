//! The rounds: a broker, its directory, and all its clients.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use crate::common::Random;
use crate::daemon::Daemon;
use crate::directory;
use crate::heirs;
use crate::ledger::{Kind, Ledger};
use crate::plan::Plan;
use crate::publisher::Publisher;
use crate::scene::{Scene, Theme};
use crate::subscriber::Subscriber;
use crate::tail;
use crate::vagrant::Vagrant;

const PUBLISHERS: usize = 4;
const VAGRANTS: usize = 2;

/// Longest time from a start to the kill, milliseconds.
const ROUND_MS_MAX: usize = 1_000;

/// Filters of the subscribers, with their granted QoS.
const FILTERS: [(&str, u8); 6] =
    [("m/#", 2), ("m/#", 1), ("m/0/#", 2), ("m/1/#", 2), ("m/2/#", 1), ("m/#", 2)];

/// See the module.
pub(crate) struct Stage {
    plan: Plan,
    random: Random,
    ledger: Arc<Ledger>,
    /// Everything there is on disk; the broker's directory is `data` in it.
    work: PathBuf,
    publishers: Vec<Publisher>,
    subscribers: Vec<Subscriber>,
    vagrants: Vec<Vagrant>,
    begun: Instant,
    /// Rounds in which something was torn off, and the bytes of it.
    torn: (usize, usize),
}

impl Stage {
    pub(crate) fn new(plan: &Plan) -> Self {
        let mut random = Random::new(plan.seed);
        let mut fork = || Random::new(random.bits());
        let ledger = Arc::new(Ledger::new(plan.seed, PUBLISHERS));
        let name = format!("ringmq-crash-{}", std::process::id());
        let work = std::env::temp_dir().join(name);
        fs::create_dir(&work).expect("the temporary directory is writable");
        println!("{plan:?} in {}", work.display());
        let subscribers = FILTERS.iter().enumerate();
        Self {
            publishers: (0..PUBLISHERS).map(|n| Publisher::new(&ledger, n, fork())).collect(),
            subscribers: subscribers
                .map(|(n, (filter, granted))| Subscriber::new(&ledger, n, filter, *granted, fork()))
                .collect(),
            vagrants: (0..VAGRANTS).map(|n| Vagrant::new(&ledger, n, fork())).collect(),
            plan: plan.clone(),
            random,
            ledger,
            work,
            begun: Instant::now(),
            torn: (0, 0),
        }
    }

    /// Subscribes everyone.
    pub(crate) fn prepare(&mut self) {
        let daemon = self.start("begin");
        for subscriber in &mut self.subscribers {
            subscriber.settle(daemon.addr()).expect("the broker lives");
        }
        daemon.kill();
    }

    /// One round, up to its kill.
    pub(crate) fn play(&mut self, round: usize) {
        if self.random.one_in(8) {
            self.kill_at_start();
        }
        let mut daemon = self.start(&round.to_string());
        let time = Duration::from_millis(self.random.below(ROUND_MS_MAX) as u64);
        let kinds = [None, None, None, Some(Kind::Live), Some(Kind::Cleared), Some(Kind::Kept)];
        let theme = Theme {
            kind: self.random.pick(&kinds),
            qos: self.random.pick(&[None, None, Some(1), Some(2)]),
        };
        let scene = Scene::new(false, theme);
        let addr = daemon.addr();
        let mut said = String::new();
        let faults = self.act(addr, &scene, || {
            let end = Instant::now() + time;
            while Instant::now() < end && !scene.is_over() {
                thread::sleep(Duration::from_millis(1));
            }
            let ended = daemon.ended();
            said = daemon.kill();
            scene.end();
            ended.map(|status| format!("the broker ended by itself: {status}: {said}"))
        });
        let total = self.ledger.total();
        let ms = time.as_millis();
        println!("round {round}: killed after {ms} ms, {total} messages so far, {theme:?}");
        self.fail(&faults);
        self.look();
        if self.random.one_in(2) {
            let bytes = tail::tear(&self.data(), &said, &mut self.random);
            self.torn = (self.torn.0 + usize::from(bytes > 0), self.torn.1 + bytes);
            self.look();
        }
        if self.random.one_in(2) {
            directory::scribble(&self.data(), &mut self.random);
            self.look();
        }
    }

    /// Has everything sent and received; ends the broker in order.
    pub(crate) fn finish(mut self) {
        let daemon = self.start("heirs");
        let mortals = heirs::leave(daemon.addr());
        daemon.kill();
        drop(mortals);
        self.look();
        // With small windows the backlog would take long.
        let daemon = self.start_with("end", &self.flags_with(65_535));
        let scene = Scene::new(true, Theme::default());
        let addr = daemon.addr();
        for _ in 0..2 {
            // The second time for messages that were sent again and arrived after the rest.
            let faults = self.act(addr, &scene, || None);
            self.fail(&faults);
        }
        heirs::inherit(addr);
        let missing: Vec<String> = self.subscribers.iter().flat_map(Subscriber::missing).collect();
        self.fail(&missing);
        let status = daemon.stop();
        if !status.success() {
            self.fail(&[format!("the broker ended with {status}")]);
        }
        self.look();
        println!("{}", directory::describe(&self.data()));
        let (total, time) = (self.ledger.total(), self.begun.elapsed().as_secs());
        let (rounds, bytes) = self.torn;
        println!("{bytes} bytes that were not committed were torn off in {rounds} rounds");
        println!("{total} messages in {time} s, and nothing is amiss");
        fs::remove_dir_all(&self.work).expect("it is ours");
    }

    /// Checks the directory, which no broker uses.
    fn look(&self) {
        self.fail(&directory::faults(&self.data(), &self.ledger));
    }

    fn data(&self) -> PathBuf {
        self.work.join("data")
    }

    fn start(&mut self, name: &str) -> Daemon {
        let flags = self.flags();
        self.start_with(name, &flags)
    }

    fn start_with(&self, name: &str, flags: &[String]) -> Daemon {
        let log = self.work.join(format!("broker-{name}.log"));
        Daemon::start(&self.data(), &log, flags).unwrap_or_else(|text| {
            self.fail(&[text]);
            unreachable!("that was a failure")
        })
    }

    fn kill_at_start(&mut self) {
        let mut child = Daemon::spawn(&self.data(), &self.flags());
        thread::sleep(Duration::from_micros(self.random.below(60_000) as u64));
        child.kill().expect("it is our child");
        child.wait().expect("it is our child");
    }

    fn flags(&mut self) -> Vec<String> {
        let inflight = self.random.pick(&[20, 1_000, 65_535]);
        self.flags_with(inflight)
    }

    fn flags_with(&self, inflight: u16) -> Vec<String> {
        let Plan { shards, durability, .. } = &self.plan;
        // Small segments, so that many are made and recycled.
        let flags = format!(
            "--shards {shards} --durability {durability} --max-inflight {inflight} \
             --segment-bytes 1048576 --disk-low 0 --log info,ringmq::store::log=trace"
        );
        flags.split(' ').map(str::to_owned).collect()
    }

    /// Runs all actors, and `meanwhile`; returns the faults.
    fn act(
        &mut self,
        addr: SocketAddr,
        scene: &Scene,
        meanwhile: impl FnOnce() -> Option<String>,
    ) -> Vec<String> {
        thread::scope(|scope| {
            let mut acting: Vec<ScopedJoinHandle<'_, Option<String>>> = Vec::new();
            let ended = |result: Result<(), String>| result.inspect_err(|_| scene.end()).err();
            for publisher in &mut self.publishers {
                acting.push(scope.spawn(move || ended(publisher.run(addr, scene))));
            }
            for subscriber in &mut self.subscribers {
                acting.push(scope.spawn(move || ended(subscriber.run(addr, scene))));
            }
            for vagrant in &mut self.vagrants {
                acting.push(scope.spawn(move || ended(vagrant.run(addr, scene))));
            }
            let fault = meanwhile();
            let others = acting.into_iter().filter_map(|actor| actor.join().expect("it ends"));
            fault.into_iter().chain(others).collect()
        })
    }

    /// Fails the test if there are faults; the data directory is kept.
    #[track_caller]
    fn fail(&self, faults: &[String]) {
        if !faults.is_empty() {
            let (plan, work) = (&self.plan, self.work.display());
            panic!("{plan:?}\nkept: {work}\n{}", faults.join("\n"));
        }
    }
}
