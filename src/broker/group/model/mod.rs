//! The protocol of lanes, credit and leases as a small state machine, of which all states are
//! visited: two shards, two members, three messages; connections that break, a broker that is
//! killed, clients that answer late.
//!
//! | file | noun |
//! |---|---|
//! | `plan` | what may happen, and the flaw that is put in |
//! | `world` | the state, and the steps that it can take |
//! | `turns`, `lives` | what a shard does with messages; with members |
//! | `lane_queue` | the messages of a lane, and the log |
//! | `oracle` | what clients have seen, and what they may see |
//!
//! In each state: no message that was promised to its publisher is lost; none comes twice on one
//! connection, or again after it was acknowledged; those of a lane are with one member, in order;
//! windows are kept, and credit is neither lost nor made. From each state a state can be reached in
//! which all is acknowledged, and when nothing can happen any more it is.
//!
//! That the model can fail is shown by flaws: each of them is noticed.

mod lane_queue;
mod lives;
mod oracle;
mod plan;
mod turns;
mod world;

use std::collections::HashMap;
use std::collections::VecDeque;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};

use super::super::names::GroupOrder;
use plan::{FLAWS, Flaw, Plan};
use world::{Step, World};

/// States of one exploration. A plan with more takes too long for a test.
const STATES_MAX: usize = 100_000;

const TOO_LARGE: &str = "the plan is too large";

/// What an exploration has found.
struct Found {
    states: usize,
    fault: Option<String>,
}

/// Visits all states.
struct Search {
    numbers: HashMap<u64, u32, BuildHasherDefault<DefaultHasher>>,
    /// The state before each, and the step between them.
    ways: Vec<Option<(u32, Step)>>,
    /// Steps from the first to the second state.
    edges: Vec<(u32, u32)>,
    ends: Vec<u32>,
    open: VecDeque<(u32, World)>,
}

impl Search {
    fn new(plan: Plan) -> Self {
        let mut search = Self {
            numbers: HashMap::default(),
            ways: Vec::new(),
            edges: Vec::new(),
            ends: Vec::new(),
            open: VecDeque::new(),
        };
        search.add(World::new(plan), None);
        search
    }

    fn add(&mut self, world: World, way: Option<(u32, Step)>) -> u32 {
        let number = u32::try_from(self.ways.len()).expect("few states");
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(&world);
        match self.numbers.entry(hash) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(place) => {
                place.insert(number);
                self.ways.push(way);
                self.open.push_back((number, world));
                number
            }
        }
    }

    fn run(mut self) -> Found {
        while let Some((number, world)) = self.open.pop_front() {
            let steps = world.steps();
            if steps.is_empty() {
                self.ends.push(number);
                if let Err(why) = world.judge_end() {
                    return self.failed(number, &why);
                }
            }
            for step in steps {
                let mut next = world.clone();
                next.take(step);
                let verdict = next.judge();
                let after = self.add(next, Some((number, step)));
                self.edges.push((number, after));
                if let Err(why) = verdict {
                    return self.failed(after, &why);
                }
            }
            if self.ways.len() > STATES_MAX {
                return self.failed(number, TOO_LARGE);
            }
        }
        match self.stuck() {
            Some(number) => self.failed(number, "from here it does not end"),
            None => Found { states: self.ways.len(), fault: None },
        }
    }

    /// A state from which none that is an end can be reached.
    fn stuck(&self) -> Option<u32> {
        let mut before = vec![Vec::new(); self.ways.len()];
        self.edges.iter().for_each(|(from, to)| before[*to as usize].push(*from));
        let mut ends = vec![false; self.ways.len()];
        let mut open = self.ends.clone();
        while let Some(number) = open.pop() {
            if !std::mem::replace(&mut ends[number as usize], true) {
                open.extend(&before[number as usize]);
            }
        }
        (0..).zip(&ends).find(|(_, ends)| !**ends).map(|(number, _)| number)
    }

    /// Says by which steps a state was reached.
    fn failed(&self, mut number: u32, why: &str) -> Found {
        let mut steps = Vec::new();
        while let Some((before, step)) = self.ways[number as usize] {
            steps.push(format!("{step:?}"));
            number = before;
        }
        steps.reverse();
        let fault = Some(format!("{why}: {}", steps.join(", ")));
        Found { states: self.ways.len(), fault }
    }
}

/// Two messages of one lane and one of another shard; a durable and a clean member.
const MIXED: Plan = Plan {
    messages: [(0, 0), (0, 0), (1, 0)],
    durable: [true, false],
    both: true,
    homes: [0, 1],
    window: 2,
    order: GroupOrder::Topic,
    losses: 1,
    crashes: 0,
    late: 0,
    flaw: None,
};

/// Two durable members.
const DURABLE: Plan = Plan { durable: [true, true], ..MIXED };

/// The broker is killed.
const KILLED: Plan = Plan { messages: [(0, 0), (0, 0), (0, 1)], losses: 0, crashes: 1, ..DURABLE };

/// Messages of earlier connections are answered.
const LATE: Plan = Plan { late: 1, ..DURABLE };

/// Explores plans, and fails at the first fault.
#[track_caller]
fn hold(plans: &[(&str, Plan)]) {
    for (name, plan) in plans {
        let Found { states, fault } = Search::new(*plan).run();
        println!("{name}: {states} states");
        assert!(fault.is_none(), "{name}: {}", fault.unwrap_or_default());
    }
}

/// Connections break, and members join: everything holds in every state.
#[test]
fn every_state_with_lost_members() {
    let joins = Plan { both: false, losses: 0, ..MIXED };
    hold(&[
        ("a member is lost", MIXED),
        ("the same with window 1", Plan { window: 1, ..MIXED }),
        ("a member joins", joins),
    ]);
}

/// The same, where the topic decides which member gets a message, and with late answers.
#[test]
fn every_state_with_durable_members() {
    let sticky = Plan { order: GroupOrder::Sticky, ..MIXED };
    hold(&[
        ("late answers", LATE),
        ("sticky", sticky),
        ("sticky, a member joins", Plan { both: false, losses: 0, ..sticky }),
    ]);
}

/// The broker is killed at any time: the same.
#[test]
fn every_state_with_a_crash() {
    hold(&[("killed", KILLED)]);
}

/// Each flaw breaks a rule: the model is able to fail.
#[test]
fn flaws_are_noticed() {
    for flaw in FLAWS {
        let plan = match flaw {
            Flaw::PromiseBeforeCommit | Flaw::NoReservation => KILLED,
            Flaw::LateForgotten => LATE,
            _ => MIXED,
        };
        let Found { states, fault } = Search::new(Plan { flaw: Some(flaw), ..plan }).run();
        println!("{flaw:?}: {states} states, {fault:?}");
        let fault = fault.unwrap_or_default();
        assert!(
            !fault.is_empty() && !fault.contains(TOO_LARGE),
            "{flaw:?} is not noticed: {fault}"
        );
    }
}
