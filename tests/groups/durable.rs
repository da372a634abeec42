//! Groups that outlive their members' connections, and the broker.

use std::time::Instant;

use crate::common::{Broker, Client, End, PATIENCE, Publish};
use crate::{assert_all, durable_member, gather, member, message, numbers, publish_all};

fn on_setups(flags: &[&str], test: impl Fn(&mut Broker, End)) {
    for (shards, end) in [(1, End::Killed), (2, End::Killed), (2, End::Stopped)] {
        println!("{shards} shards, {end:?}");
        test(&mut Broker::start_with(shards, flags), end);
    }
}

/// Without connected members messages wait, also over a kill, and are delivered in order to the
/// first member that connects.
#[test]
fn messages_wait_for_anybody() {
    on_setups(&[], |broker, end| {
        durable_member(broker, "fern", false).leave();
        publish_all(broker, 0..40);
        broker.restart(end);
        publish_all(broker, 40..60);
        broker.restart(end);
        let mut other = member(broker, "hazel", 1);
        let got = gather(&mut [&mut other], 60);
        assert_all(&got, 0..60, true);
        assert!(got.iter().all(|(_, came)| !came.dup));
        publish_all(broker, 60..64);
        gather(&mut [&mut other], 4);
    });
}

/// Acknowledged messages are not delivered again after a restart; others are, to any member, never
/// under an identifier that was in use before.
#[test]
fn a_crash_gives_back_what_was_not_answered() {
    on_setups(&[], |broker, end| {
        let mut client = durable_member(broker, "fern", false);
        publish_all(broker, 0..20);
        let mut open = Vec::new();
        for at in 0..20 {
            let came = client.read_publish();
            if at % 2 == 0 {
                client.send(&crate::common::puback(came.id));
            } else {
                open.push((0, came));
            }
        }
        let before: Vec<u16> = open.iter().map(|(_, came)| came.id).collect();
        let due = numbers(&open);
        // Its UNSUBACK promises that the log has everything earlier on each shard.
        client.expect_silence();
        for name in ["kale", "nettle"] {
            let mut fence = durable_member(broker, name, false);
            fence.unsubscribe("$share/g/t/#");
            fence.leave();
        }
        broker.restart(end);
        let mut client = durable_member(broker, "fern", true);
        let mut got = Vec::new();
        while got.len() < due.len() {
            let came = client.read_publish();
            assert!(!before.contains(&came.id), "{came:?}");
            client.send(&crate::common::puback(came.id));
            got.push((0, came));
        }
        let mut came = numbers(&got);
        let mut due = due;
        came.sort_unstable();
        due.sort_unstable();
        assert_eq!(came, due);
        client.expect_silence();
    });
}

/// The last UNSUBSCRIBE ends a group with its backlog; the end of the last session does not.
#[test]
fn how_groups_end() {
    on_setups(&[], |broker, end| {
        let client = durable_member(broker, "fern", false);
        client.leave();
        publish_all(broker, 0..8);
        // A clean session in its place ends the session.
        Client::connect(broker, "fern").leave();
        publish_all(broker, 8..12);
        broker.restart(end);
        publish_all(broker, 12..16);
        let mut other = member(broker, "hazel", 1);
        let got = gather(&mut [&mut other], 16);
        assert_all(&got, 0..16, true);
        publish_all(broker, 16..20);
        gather(&mut [&mut other], 4);
        other.unsubscribe("$share/g/t/#");
        broker.restart(end);
        let mut last = member(broker, "kale", 1);
        publish_all(broker, 20..24);
        let got = gather(&mut [&mut last], 4);
        assert_all(&got, 20..24, true);
    });
}

/// A group without members expires.
#[test]
fn groups_expire() {
    for shards in [1, 2] {
        let broker = Broker::start_with(shards, &["--group-expiry", "1ms"]);
        durable_member(&broker, "fern", false).leave();
        publish_all(&broker, 0..4);
        Client::connect(&broker, "fern").leave();
        for _ in 0..shards {
            broker.wait_for_line("had no members for too long (--group-expiry)");
        }
        let mut next = member(&broker, "hazel", 1);
        publish_all(&broker, 4..8);
        let got = gather(&mut [&mut next], 4);
        assert_all(&got, 4..8, true);
    }
}

/// A full group drops the oldest or the newest message, or its publishers wait.
#[test]
fn full_groups() {
    let big = |number: usize| Publish { payload: payload(number), ..message(number) };
    for (mode, first) in [("drop-oldest", false), ("drop-newest", true)] {
        let flags = ["--group-max-bytes", "64KiB", "--session-overflow", mode];
        let broker = Broker::start_with(1, &flags);
        durable_member(&broker, "fern", false).leave();
        let mut publisher = Client::connect(&broker, "publisher");
        for number in 0..100 {
            publisher.publish(&Publish { id: 1, ..big(number) });
        }
        let mut client = durable_member(&broker, "fern", true);
        let (mut got, begun) = (Vec::new(), Instant::now());
        while got.is_empty() {
            assert!(begun.elapsed() < PATIENCE, "{mode}: nothing comes");
            got = client_numbers(&mut client);
        }
        assert!((30..=70).contains(&got.len()), "{mode}: {}", got.len());
        assert_eq!(got.contains(&0), first, "{mode}: {got:?}");
        assert_eq!(got.contains(&99), !first, "{mode}: {got:?}");
    }
    let flags = ["--group-max-bytes", "64KiB", "--session-overflow", "block"];
    let broker = Broker::start_with(1, &flags);
    durable_member(&broker, "fern", false).leave();
    let mut publisher = Client::connect(&broker, "publisher");
    for number in 0..100 {
        let id = u16::try_from(number + 1).expect("small");
        publisher.send(&Publish { id, ..big(number) }.bytes());
    }
    let mut client = durable_member(&broker, "fern", true);
    let mut got = Vec::new();
    while got.len() < 100 {
        got.extend(client_numbers(&mut client));
    }
    got.sort_unstable();
    assert_eq!(got, (0..100).collect::<Vec<_>>());
}

fn payload(number: usize) -> Vec<u8> {
    format!("{number:<1000}").into_bytes()
}

/// The numbers of the large messages that a client gets now, and acknowledges.
fn client_numbers(client: &mut Client) -> Vec<usize> {
    let mut got = Vec::new();
    loop {
        let packets = client.read_to_fence();
        if packets.is_empty() {
            return got;
        }
        for packet in packets {
            let came = Publish::parse(&packet);
            client.send(&crate::common::puback(came.id));
            let text = String::from_utf8_lossy(&came.payload).into_owned();
            got.push(text.trim().parse().expect("a number"));
        }
    }
}
