//! Consumer groups: the distribution of messages, lost members, and the state that survives the
//! broker.

#[path = "../common/mod.rs"]
mod common;

mod durable;
mod live;
mod lost;

use std::time::Instant;

use common::{Broker, Client, PATIENCE, Publish, connack, connect, puback, publish};

/// Clients of which each of two shards has some.
pub(crate) const NAMES: [&str; 4] = ["fern", "hazel", "kale", "nettle"];

/// A client with a clean session that is a member of group `g` of `t/#`.
#[track_caller]
pub(crate) fn member(broker: &Broker, name: &str, qos: u8) -> Client {
    let mut client = Client::connect(broker, name);
    client.subscribe("$share/g/t/#", qos);
    client
}

/// The same with a durable session; `present`: it exists already.
#[track_caller]
pub(crate) fn durable_member(broker: &Broker, name: &str, present: bool) -> Client {
    let mut client = Client::open(broker);
    client.send(&connect(name).persistent().bytes());
    client.expect(&connack(present, 0));
    if !present {
        client.subscribe("$share/g/t/#", 1);
    }
    client
}

/// The message of this number, of one of four topics.
pub(crate) fn message(number: usize) -> Publish {
    publish(format!("t/{}", number % 4), format!("number {number}")).at(1)
}

/// Publishes messages, each when the one before is acknowledged.
#[track_caller]
pub(crate) fn publish_all(broker: &Broker, numbers: impl Iterator<Item = usize>) {
    let mut publisher = Client::connect(broker, "publisher");
    for number in numbers {
        publisher.publish(&Publish { id: 1, ..message(number) });
    }
    publisher.leave();
}

/// The messages that members get, each with its member, until there are `count`; each is
/// acknowledged. No more are on the way afterwards.
#[track_caller]
pub(crate) fn gather(members: &mut [&mut Client], count: usize) -> Vec<(usize, Publish)> {
    let (mut got, begun) = (Vec::new(), Instant::now());
    let mut round = |got: &mut Vec<(usize, Publish)>| {
        for (at, member) in members.iter_mut().enumerate() {
            for packet in member.read_to_fence() {
                let came = Publish::parse(&packet);
                if came.qos == 1 {
                    member.send(&puback(came.id));
                }
                got.push((at, came));
            }
        }
    };
    while got.len() < count {
        assert!(begun.elapsed() < PATIENCE, "{} of {count} came", got.len());
        round(&mut got);
    }
    round(&mut got);
    assert_eq!(got.len(), count, "no more than that");
    got
}

/// The numbers of the messages in order of receipt.
pub(crate) fn numbers(got: &[(usize, Publish)]) -> Vec<usize> {
    let number = |came: &Publish| {
        let text = String::from_utf8_lossy(&came.payload).into_owned();
        text.strip_prefix("number ").expect("a message of these tests").parse().expect("a number")
    };
    got.iter().map(|(_, came)| number(came)).collect()
}

/// Each of these numbers was received once; in order for each topic if `ordered`.
#[track_caller]
pub(crate) fn assert_all(
    got: &[(usize, Publish)],
    due: impl Iterator<Item = usize>,
    ordered: bool,
) {
    let came = numbers(got);
    let mut sorted = came.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, due.collect::<Vec<_>>());
    for topic in 0..4 {
        let of_topic: Vec<usize> = came.iter().copied().filter(|n| n % 4 == topic).collect();
        assert!(!ordered || of_topic.is_sorted(), "topic {topic}: {of_topic:?}");
    }
}
