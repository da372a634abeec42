//! Full sessions: the effect of each `--session-overflow`.

use std::thread;

use crate::common::{Broker, Client, End, Publish, puback, publish, resume_as};
use crate::setup::{NAMES, receive_all};

/// The least that `--session-max-bytes` takes.
const SESSION_BYTES: &str = "65536";

/// Messages of about 1 KiB: more than twice the bound of a session.
const MESSAGES: u16 = 150;

/// The least and the most of these messages that fit into a session.
const FITTING: std::ops::RangeInclusive<u16> = 50..=64;

fn payload(number: u16) -> Vec<u8> {
    let mut payload = vec![b'x'; 1000];
    payload[..2].copy_from_slice(&number.to_be_bytes());
    payload
}

/// Receives messages to the end; their numbers.
fn drain(client: &mut Client) -> Vec<u16> {
    let came = receive_all(client).into_iter();
    came.map(|came| u16::from_be_bytes([came.payload[0], came.payload[1]])).collect()
}

/// A broker whose sessions overflow as `policy` says, with a session of each name.
fn start(shards: usize, policy: &str) -> Broker {
    let flags = ["--session-max-bytes", SESSION_BYTES, "--session-overflow", policy];
    let broker = Broker::start_with(shards, &flags);
    for name in NAMES {
        resume_as(&broker, name, false).subscribe("full", 1);
    }
    broker
}

/// Publishes all messages, with their acknowledgements.
fn publish_all(broker: &Broker) {
    let mut publisher = Client::connect(broker, "publisher");
    for number in 0..MESSAGES {
        publisher.publish(&publish("full", payload(number)).qos1(1));
    }
}

/// drop-oldest: the session ends up with the last messages, drop-newest: with the first; in order
/// and without a gap, also after a restart, and it works on.
#[test]
fn full_sessions_drop() {
    for (shards, policy) in
        [(1, "drop-oldest"), (2, "drop-oldest"), (1, "drop-newest"), (2, "drop-newest")]
    {
        for restarts in [false, true] {
            let mut broker = start(shards, policy);
            publish_all(&broker);
            if restarts {
                broker.restart(End::Killed);
            }
            for name in NAMES {
                let mut client = resume_as(&broker, name, true);
                let numbers = drain(&mut client);
                let count = u16::try_from(numbers.len()).expect("no more than were sent");
                assert!(FITTING.contains(&count), "{policy}: {count}");
                let first = if policy == "drop-oldest" { MESSAGES - count } else { 0 };
                assert!(numbers.into_iter().eq(first..first + count), "{policy}");
                client.leave();
            }
            Client::connect(&broker, "publisher").publish(&publish("full", [0, 1]).qos1(1));
            for name in NAMES {
                assert_eq!(drain(&mut resume_as(&broker, name, true)), [1], "{policy}");
            }
        }
    }
}

/// block: the publisher waits, no message is lost, and other clients are not affected.
#[test]
fn full_sessions_block_their_publishers() {
    for shards in [1, 2] {
        for restarts in [false, true] {
            let mut broker = start(shards, "block");
            let mut other = Client::connect(&broker, "other");
            let mut publisher = Client::connect(&broker, "publisher");
            let message = |number: u16| publish("full", payload(number)).qos1(number + 1);
            (0..*FITTING.start()).for_each(|number| publisher.publish(&message(number)));
            let rest = (*FITTING.start()..MESSAGES).flat_map(|number| message(number).bytes());
            publisher.send(&rest.collect::<Vec<_>>());
            for _ in 0..100 {
                other.publish(&publish("elsewhere", "x").qos1(1));
            }
            if restarts {
                broker.restart(End::Killed);
                for name in NAMES {
                    let numbers = drain(&mut resume_as(&broker, name, true));
                    let count = u16::try_from(numbers.len()).expect("no more than were sent");
                    assert!(numbers.into_iter().eq(0..count));
                    // Some were read together with the one that was too much.
                    assert!((*FITTING.start()..MESSAGES / 2 + 20).contains(&count), "{count}");
                }
                continue;
            }
            let mut clients = NAMES.map(|name| resume_as(&broker, name, true));
            let mut numbers = NAMES.map(|_| Vec::new());
            while numbers.iter().any(|numbers| numbers.len() < usize::from(MESSAGES)) {
                for (client, numbers) in clients.iter_mut().zip(&mut numbers) {
                    numbers.extend(drain(client));
                }
            }
            for numbers in numbers {
                assert!(numbers.into_iter().eq(0..MESSAGES));
            }
            (*FITTING.start() + 1..=MESSAGES).for_each(|id| publisher.expect(&puback(id)));
            publisher.expect_silence();
        }
    }
}

/// Each drop is counted by its reason, and the session named.
#[test]
fn drops_are_counted() {
    for (policy, counter) in
        [("drop-oldest", "queued_dropped_oldest"), ("drop-newest", "queued_dropped_newest")]
    {
        for shards in [1, 2] {
            let broker = start(shards, policy);
            publish_all(&broker);
            for name in NAMES {
                broker.expect_said(&format!("client \"{name}\": session full"));
            }
            let had = NAMES.map(|name| drain(&mut resume_as(&broker, name, true)).len());
            let dropped = usize::from(MESSAGES) * NAMES.len() - had.iter().sum::<usize>();
            broker.terminate();
            let said = broker.wait_for_line(counter);
            assert!(said.contains(&format!("{counter} {dropped}")), "{dropped}: {said}");
        }
    }
}

/// block: a publisher that waits for a session continues when the session ends.
#[test]
fn ended_sessions_block_nobody() {
    for shards in [1, 2] {
        let broker = start(shards, "block");
        let mut publisher = Client::connect(&broker, "publisher");
        let packets = (0..MESSAGES).flat_map(|n| publish("full", payload(n)).qos1(n + 1).bytes());
        publisher.send(&packets.collect::<Vec<_>>());
        (1..*FITTING.start()).for_each(|id| publisher.expect(&puback(id)));
        for name in NAMES {
            Client::connect(&broker, name).leave();
        }
        (*FITTING.start()..=MESSAGES).for_each(|id| publisher.expect(&puback(id)));
        publisher.publish(&publish("full", payload(0)).qos1(1));
    }
}

/// Publishes all messages to `topic` before reading; then acknowledges deliveries until it has had
/// all, and its own messages are acknowledged.
fn send_then_take(mut client: Client, topic: &str) {
    let packets = (0..MESSAGES).flat_map(|n| publish(topic, payload(n)).qos1(n + 1).bytes());
    client.send(&packets.collect::<Vec<_>>());
    let (mut numbers, mut acknowledged) = (Vec::new(), Vec::new());
    while numbers.len().min(acknowledged.len()) < usize::from(MESSAGES) {
        let packet = client.read_packet();
        if packet[0] == 0x40 {
            acknowledged.push(u16::from_be_bytes([packet[2], packet[3]]));
            continue;
        }
        let came = Publish::parse(&packet);
        client.send(&puback(came.id));
        numbers.push(u16::from_be_bytes([came.payload[0], came.payload[1]]));
    }
    assert!(numbers.into_iter().eq(0..MESSAGES));
    assert!(acknowledged.into_iter().eq(1..=MESSAGES));
    // Otherwise a takeover could precede the last acknowledgements.
    client.leave();
}

/// block: a client that fills its own session, or two that fill each other's, can acknowledge
/// deliveries however much they have sent: no client waits for ever.
#[test]
fn no_circle_blocks_itself() {
    for shards in [1, 2] {
        let broker = start(shards, "block");
        let [first, second] = NAMES;
        // The other one is absent, and must not be what the first one waits for.
        let mut away = resume_as(&broker, second, true);
        away.unsubscribe("full");
        away.leave();
        send_then_take(resume_as(&broker, first, true), "full");
        let mut clients = NAMES.map(|name| resume_as(&broker, name, true));
        for (client, name) in clients.iter_mut().zip(NAMES) {
            client.unsubscribe("full");
            client.subscribe(name, 1);
        }
        let [one, two] = clients;
        thread::scope(|scope| {
            scope.spawn(|| send_then_take(one, second));
            scope.spawn(|| send_then_take(two, first));
        });
    }
}

/// The policies affect backlogs only: a session that keeps up is never full.
#[test]
fn sessions_that_keep_up_are_not_full() {
    for policy in ["drop-oldest", "drop-newest", "block"] {
        for shards in [1, 2] {
            let broker = start(shards, policy);
            let mut clients = NAMES.map(|name| resume_as(&broker, name, true));
            let mut publisher = Client::connect(&broker, "publisher");
            for number in 0..MESSAGES * 2 {
                publisher.publish(&publish("full", payload(number)).qos1(1));
                for client in &mut clients {
                    client.expect_publish(&publish("full", payload(number)).at(1));
                }
            }
        }
    }
}

/// --session-limit: the session that it names keeps every message, while the bound of all others
/// drops their oldest.
#[test]
fn limits_of_some_clients() {
    let others = ["--session-max-bytes", SESSION_BYTES, "--session-overflow", "drop-oldest"];
    let limit = ["--session-limit", "keeper*,bytes=1MiB,overflow=drop-newest"];
    let broker = Broker::start_with(1, &[&others[..], &limit[..]].concat());
    for name in ["keeper-1", "other"] {
        resume_as(&broker, name, false).subscribe("full", 1);
    }
    publish_all(&broker);
    let kept = drain(&mut resume_as(&broker, "keeper-1", true));
    assert_eq!(kept, (0..MESSAGES).collect::<Vec<_>>());
    let left = drain(&mut resume_as(&broker, "other", true));
    assert!(FITTING.contains(&u16::try_from(left.len()).expect("some")), "{left:?}");
    assert_eq!(left.last(), Some(&(MESSAGES - 1)));
}
