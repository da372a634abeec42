//! Two bridges that read as members of one group: they share the messages, and what one of them
//! loses goes to the other.

use std::fmt::Write;

use super::super::harness::{Bridge, Broker, Client, TempDir};
use super::targets::{Other, Table, Target};
use super::{Arrivals, TOPICS, variable};

/// A broker and two bridges.
struct Members {
    home: Broker,
    bridges: Vec<Bridge>,
    published: usize,
}

impl Members {
    /// The bridges write to these targets, which are tables of sinks.
    fn start(sinks: [&str; 2]) -> Self {
        let home = Broker::start_with(&["--group-max-bytes", "1GiB"]);
        let start = |(at, sink): (usize, &str)| {
            let text = format!(
                "[broker]\nurl = \"{}\"\n[[sink]]\nname = \"f{at}\"\ngroup = \"g\"\n\
                 filters = [\"f/#\"]\nbatch = {{ messages = 500 }}\n{sink}\n",
                home.url()
            );
            let bridge = Bridge::start(&text);
            bridge.process.wait_for_line("subscribed");
            bridge
        };
        let bridges = sinks.into_iter().enumerate().map(start).collect();
        Self { home, bridges, published: 0 }
    }

    fn publish(&mut self, count: usize) {
        let mut writer = Client::unix(&self.home.socket(), "writer", false);
        let topics: Vec<String> = (0..TOPICS).map(|topic| format!("f/{topic}")).collect();
        let numbers = self.published..self.published + count;
        let message = |at: usize| (&*topics[at % TOPICS], format!("{{\"n\":{}}}", at / TOPICS));
        writer.publish_all(numbers.map(message), false);
        self.published += count;
    }

    /// What each bridge has delivered.
    fn delivered(&self) -> Vec<f64> {
        let names = (0..2).map(|at| format!("f{at}"));
        let bridges = names.zip(&self.bridges);
        bridges.map(|(name, bridge)| bridge.metric("delivered_total", &name)).collect()
    }
}

/// Kills the bridges and the broker in turn while messages go through.
fn kill_in_turn(target: &mut dyn Target) {
    let (messages, rounds) =
        (variable("BRIDGE_TEST_MESSAGES", 4000), variable("BRIDGE_TEST_ROUNDS", 6));
    let mut members = Members::start([&target.sink(), &target.sink()]);
    for round in 0..rounds {
        members.publish(messages / (rounds + 1) / TOPICS * TOPICS);
        match round % 3 {
            2 => {
                members.home.kill();
                members.home.start_again();
            }
            victim => {
                members.bridges[victim].kill_and_start();
                let bridge = &members.bridges[victim];
                bridge.process.wait_until_said("subscribed");
            }
        }
    }
    members.publish(messages / TOPICS * TOPICS - members.published);
    let mut arrivals = Arrivals::new(members.published);
    target.read(&mut arrivals);
    assert!(arrivals.are_complete(), "{:?} of {}", arrivals.next, arrivals.of_each);
    eprintln!(
        "{}, two bridges of a group, ×{rounds}: {} messages, none is missing, {} came again",
        target.name(),
        arrivals.messages(),
        arrivals.again
    );
}

// Without a fault each message comes once, in order by topic, and both bridges work.
#[test]
fn group_is_shared() {
    let mut target = Other::start(TempDir::new());
    let mut members = Members::start([&target.sink(), &target.sink()]);
    // One that acknowledges at once may have all of the first messages.
    for round in 0.. {
        members.publish(800);
        if members.delivered().iter().all(|count| *count > 0.0) {
            break;
        }
        assert!(round < 100, "{:?}", members.delivered());
    }
    let mut arrivals = Arrivals::new(members.published);
    target.read(&mut arrivals);
    assert_eq!((arrivals.are_complete(), arrivals.again), (true, 0));
    members.bridges[0].expect_metric("in_flight", "f0", |value| value == 0.0);
    members.bridges[1].expect_metric("in_flight", "f1", |value| value == 0.0);
    assert_eq!(members.delivered().iter().sum::<f64>(), members.published as f64);
}

// Kills of both bridges and of the broker: nothing is missing, and first arrivals are in order by
// topic.
#[test]
fn killed_members_lose_nothing() {
    kill_in_turn(&mut Other::start(TempDir::new()));
}

// The same with a table whose cursor must not pass over what another member has had.
#[test]
fn killed_members_fill_a_table() {
    kill_in_turn(&mut Table::start(TempDir::new()));
}

// A bridge whose target is away has messages that it cannot deliver. When it is gone for good, the
// other one gets them.
#[test]
fn lost_member_is_replaced() {
    const COUNT: usize = 400;
    let mut target = Other::start(TempDir::new());
    let away = "[sink.mqtt]\nurl = \"unix:/nowhere/mqtt.sock\"";
    let mut members = Members::start([away, &target.sink()]);
    members.publish(COUNT);
    members.bridges[0].expect_metric("in_flight", "f0", |value| value > 0.0);
    let mut victim = members.bridges.remove(0);
    victim.kill();
    let mut arrivals = Arrivals::new(COUNT);
    target.read(&mut arrivals);
    assert_eq!((arrivals.are_complete(), arrivals.again), (true, 0));
}

// The lag of a member is that of its group, over all its filters.
#[test]
fn lag_is_the_groups() {
    const COUNT: usize = 300;
    let home = Broker::start_with(&["--http-listen", "127.0.0.1:0"]);
    let mut text = format!(
        "[broker]\nurl = \"{}\"\nadmin = \"unix:{}\"\n",
        home.url(),
        home.data().join("admin.sock").display()
    );
    for at in 0..2 {
        let sink = "[sink.mqtt]\nurl = \"unix:/nowhere/mqtt.sock\"";
        let _ = writeln!(
            text,
            "[[sink]]\nname = \"f{at}\"\ngroup = \"g\"\nfilters = [\"f/#\", \"h/#\"]\n\
             window = 10\n{sink}"
        );
    }
    let bridge = Bridge::start(&text);
    bridge.process.wait_until_said("f0: subscribed");
    bridge.process.wait_until_said("f1: subscribed");
    let mut writer = Client::unix(&home.socket(), "writer", false);
    let topic = |at: usize| if at.is_multiple_of(3) { "h/a" } else { "f/a" };
    writer.publish_all((0..COUNT).map(|at| (topic(at), at.to_string())), false);
    for flow in ["f0", "f1"] {
        bridge.expect_metric("lag_messages", flow, |value| value == COUNT as f64);
        bridge.expect_metric("lag_seconds", flow, |value| value > 0.5);
    }
}
