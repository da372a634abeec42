//! Clients of others as members of consumer groups.

use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader, Write};
use std::ops::Range;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use crate::common::{Broker, Client, PATIENCE, in_repository, publish};

const TOPICS: usize = 20;
/// Messages that a member may have at a time if its client sets no Receive Maximum.
const WINDOW: usize = 1000;

/// A message that a member has received, by the member's number.
type Line = (usize, String);

/// A program that is a member; a drop kills it.
struct Member(Child);

impl Member {
    /// Starts it; its lines go to `lines` as those of member `number`.
    fn start(mut command: Command, number: usize, lines: Sender<Line>) -> Self {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("scripts/test installs it");
        let stdout = BufReader::new(child.stdout.take().expect("is piped"));
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if lines.send((number, line)).is_err() {
                    return;
                }
            }
        });
        Self(child)
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn paho(broker: &Broker, version: &str, id: &str, filter: &str, way: &str) -> Command {
    let mut command = Command::new(in_repository("target/test-env/venv/bin/python"));
    command.arg(in_repository("tests/clients/group_member.py")).arg("127.0.0.1");
    command.arg(broker.addr().port().to_string()).args([version, id, filter, way]);
    command
}

fn mqttjs(broker: &Broker, version: &str, id: &str, filter: &str) -> Command {
    let mut command = Command::new("node");
    command.env("NODE_PATH", in_repository("target/test-env/node/node_modules"));
    command.arg(in_repository("tests/clients/group_member.js")).arg("127.0.0.1");
    command.arg(broker.addr().port().to_string()).args([version, id, filter]);
    command
}

fn mosquitto_sub(broker: &Broker, version: &str, id: &str, filter: &str) -> Command {
    // Into a pipe it would print block by block. `-d` makes it say that it has subscribed.
    let mut command = Command::new("stdbuf");
    command.args(["-oL", "mosquitto_sub", "-d", "-h", "127.0.0.1", "-q", "1", "-F", "%t %p"]);
    command.args(["-p", &broker.addr().port().to_string(), "-V"]);
    command.arg(format!("mqttv{}", version.replace('.', ""))).args(["-i", id, "-t", filter]);
    command
}

#[track_caller]
fn next(lines: &Receiver<Line>) -> Line {
    lines.recv_timeout(PATIENCE).expect("members receive all messages")
}

/// Waits until a member has joined.
#[track_caller]
fn expect_joined(lines: &Receiver<Line>) {
    loop {
        let (_, line) = next(lines);
        assert!(!line.starts_with("refused"), "{line}");
        if line == "joined" || line.starts_with("Subscribed (mid: 1): 1") {
            return;
        }
    }
}

/// Publishes messages with these numbers, by turns to the topics, some at a time.
fn publish_all(publisher: &mut Client, numbers: Range<usize>) {
    let numbers: Vec<usize> = numbers.collect();
    for some in numbers.chunks(100) {
        for (id, number) in (1..).zip(some) {
            let topic = format!("load/{}", number % TOPICS);
            publisher.send(&publish(topic, number.to_string()).qos1(id).bytes());
        }
        for (id, _) in (1_u16..).zip(some) {
            let [high, low] = id.to_be_bytes();
            publisher.expect(&[0x40, 2, high, low]);
        }
    }
}

/// Takes `count` messages; returns each member's count. Each message comes once, and those of a
/// topic in order.
#[track_caller]
fn take(lines: &Receiver<Line>, members: usize, count: usize) -> Vec<usize> {
    let (mut counts, mut last) = (vec![0; members], HashMap::new());
    let mut seen = HashSet::new();
    while seen.len() < count {
        let (member, line) = next(lines);
        let Some((topic, number)) = line.strip_prefix("load/").and_then(|it| it.split_once(' '))
        else {
            continue;
        };
        let number: usize = number.parse().expect("a number");
        assert!(seen.insert(number), "{number} comes twice");
        counts[member] += 1;
        // Another member prints what it has received before a topic was handed over, so only the
        // order at one member is certain here.
        let before = last.insert((member, topic.to_owned()), number);
        assert!(before < Some(number), "{number} comes behind {before:?} on {topic}");
    }
    counts
}

/// Members of all kinds share the work: each message goes to one of them.
#[test]
fn members_share_the_work() {
    for (shards, version) in [(1, "3.1.1"), (1, "5"), (2, "3.1.1"), (2, "5")] {
        println!("{shards} shards, MQTT {version}");
        let broker = Broker::start(shards);
        let filter = "$share/fleet/load/#";
        let (sender, lines) = channel();
        let commands = [
            paho(&broker, version, "g-paho", filter, "prompt"),
            mqttjs(&broker, version, "g-js", filter),
            mosquitto_sub(&broker, version, "g-sub", filter),
        ];
        let members: Vec<Member> = commands
            .into_iter()
            .enumerate()
            .map(|(number, command)| {
                let member = Member::start(command, number, sender.clone());
                expect_joined(&lines);
                member
            })
            .collect();
        let mut publisher = Client::connect(&broker, "g-pub");
        publish_all(&mut publisher, 0..600);
        let counts = take(&lines, members.len(), 600);
        assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
        publisher.leave();
    }
}

/// A consumer like Telegraf takes as many messages as its window has, acknowledges them much later,
/// and then gets the others.
#[test]
fn late_acknowledgements_bound_a_member() {
    for shards in [1, 2] {
        let broker = Broker::start(shards);
        let (sender, lines) = channel();
        let command = paho(&broker, "3.1.1", "telegraf", "$share/metrics/load/#", "late");
        let mut member = Member::start(command, 0, sender);
        expect_joined(&lines);
        let mut publisher = Client::connect(&broker, "g-pub");
        publish_all(&mut publisher, 0..3 * WINDOW);
        assert_eq!(take(&lines, 1, WINDOW), [WINDOW]);
        let stdin = member.0.stdin.as_mut().expect("is piped");
        stdin.write_all(b"acknowledge\n").expect("it reads");
        assert_eq!(next(&lines).1, format!("acknowledges {WINDOW}"), "and no more came");
        assert_eq!(take(&lines, 1, 2 * WINDOW), [2 * WINDOW]);
        publisher.leave();
    }
}
