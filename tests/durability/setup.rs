//! The brokers that every test here runs against, and how they end.

use crate::common::{
    Broker, Client, End, Publish, connack, connect, puback, pubcomp, pubrec, resume_as,
};

/// Clients: with two shards the first lives where `publisher` does, the second does not.
pub(crate) const NAMES: [&str; 2] = ["fern", "hazel"];

/// Clients of which each of two shards has one.
pub(crate) const FENCES: [&str; 2] = ["kale", "nettle"];

/// Runs `test` against a fresh broker for each way to keep data and to end.
pub(crate) fn on_setups(flags: &[&str], test: impl Fn(&mut Broker, End)) {
    for (shards, durability, end) in [
        (1, "disk", End::Killed),
        (2, "disk", End::Killed),
        (2, "os", End::Killed),
        (1, "os", End::Stopped),
        (2, "disk", End::Stopped),
    ] {
        println!("{shards} shards, --durability {durability}, {end:?}");
        let flags = [&["--durability", durability], flags].concat();
        test(&mut Broker::start_with(shards, &flags), end);
    }
}

/// Makes everything handled so far durable, including changes without an answer: each shard's log
/// is written in order, and a SUBACK promises that it is committed.
#[track_caller]
pub(crate) fn settle(broker: &Broker, clients: &mut [&mut Client]) {
    for client in clients {
        client.expect_silence();
    }
    for id in FENCES {
        let mut fence = Client::open(broker);
        fence.send(&connect(id).persistent().bytes());
        let answer = fence.read_packet();
        assert!(answer == connack(false, 0) || answer == connack(true, 0), "{answer:02x?}");
        fence.subscribe("fence", 1);
        fence.leave();
    }
}

/// Receives all there is, and acknowledges it to the end.
#[track_caller]
pub(crate) fn receive_all(client: &mut Client) -> Vec<Publish> {
    let mut messages = Vec::new();
    loop {
        let packets = client.read_to_fence();
        if packets.is_empty() {
            return messages;
        }
        for packet in packets {
            if packet[0] == 0x62 {
                client.send(&pubcomp(u16::from_be_bytes([packet[2], packet[3]])));
                continue;
            }
            let came = Publish::parse(&packet);
            match came.qos {
                0 => {}
                1 => client.send(&puback(came.id)),
                _ => client.send(&pubrec(came.id)),
            }
            messages.push(came);
        }
    }
}

/// There is a client on each of two shards among those that tests use.
#[test]
fn names_are_on_both_shards() {
    for names in [NAMES, FENCES] {
        let mut broker = Broker::start(2);
        for name in names {
            resume_as(&broker, name, false).subscribe("a", 0);
        }
        broker.restart(End::Killed);
        for shard in 0..2 {
            let line = format!("shard {shard}: 1 sessions");
            assert!(broker.said().contains(&line), "{names:?}: {}", broker.said());
        }
    }
}
