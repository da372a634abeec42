//! Members that are lost with messages they have not answered.

use std::time::Instant;

use crate::common::{Client, PATIENCE, Publish, on_shards, reconnect_as};
use crate::{assert_all, durable_member, gather, member, message, numbers, publish_all};

/// The messages of a lost member with a clean session go to another at once: all of them, without
/// DUP, in order, and before later ones.
#[test]
fn a_clean_members_messages_go_to_another() {
    on_shards(&[1, 2, 3], |broker| {
        for end in ["leave", "close", "reset"] {
            let mut lost = member(broker, "fern", 1);
            publish_all(broker, 0..8);
            let had: Vec<Publish> = (0..8).map(|_| lost.read_publish()).collect();
            assert!(had.iter().all(|came| !came.dup));
            let mut other = member(broker, "hazel", 1);
            publish_all(broker, 8..12);
            match end {
                "leave" => lost.send(crate::common::DISCONNECT),
                "close" => drop(lost),
                _ => lost.reset(),
            }
            let got = gather(&mut [&mut other], 12);
            assert_all(&got, 0..12, true);
            assert!(got.iter().all(|(_, came)| !came.dup), "{end}");
            other.leave();
        }
    });
}

/// A durable member that returns in time gets its messages again: with DUP, the same identifiers,
/// in order; so does a client that takes over its connection.
#[test]
fn a_durable_member_gets_its_messages_again() {
    on_shards(&[1, 2, 3], |broker| {
        for end in crate::common::ENDS {
            let name = format!("fern-{end}");
            let mut client = durable_member(broker, &name, false);
            let mut other = durable_member(broker, &format!("hazel-{end}"), false);
            publish_all(broker, 0..16);
            let (mut had, mut ids, begun) = (0, Vec::new(), Instant::now());
            while ids.len() + had < 16 {
                assert!(begun.elapsed() < PATIENCE, "{end}: {had} and {}", ids.len());
                had += other.read_to_fence().len();
                let came = client.read_to_fence();
                let came = came.iter().map(|packet| Publish::parse(packet));
                ids.extend(came.map(|came| (came.id, came.payload)));
            }
            let mut client = reconnect_as(broker, &name, client, end);
            for _ in 0..ids.len() {
                let came = client.read_publish();
                assert!(came.dup, "{end}: {came:?}");
                assert!(ids.contains(&(came.id, came.payload.clone())), "{end}: {came:?}");
                client.send(&crate::common::puback(came.id));
            }
            client.expect_silence();
            other.expect_silence();
            client.unsubscribe("$share/g/t/#");
            client.leave();
            other.unsubscribe("$share/g/t/#");
            other.leave();
        }
    });
}

/// A member that unsubscribed gets no new messages, and can acknowledge those that it has.
#[test]
fn who_leaves_answers_what_it_has() {
    on_shards(&[1, 2], |broker| {
        let mut leaving = member(broker, "fern", 1);
        publish_all(broker, 0..4);
        let had: Vec<u16> = (0..4).map(|_| leaving.read_publish().id).collect();
        let mut other = member(broker, "hazel", 1);
        leaving.unsubscribe("$share/g/t/#");
        publish_all(broker, 4..8);
        for id in had {
            leaving.send(&crate::common::puback(id));
        }
        let got = gather(&mut [&mut other], 4);
        assert_eq!(numbers(&got).len(), 4);
        assert_all(&got, 4..8, true);
        leaving.expect_silence();
    });
}

/// Messages of clean members do not wait: the end of the last member ends the group.
#[test]
fn the_last_clean_member_ends_its_group() {
    on_shards(&[1, 2], |broker| {
        let mut lost = member(broker, "fern", 1);
        publish_all(broker, 0..4);
        for _ in 0..4 {
            lost.read_publish();
        }
        lost.leave();
        let mut next = member(broker, "hazel", 1);
        publish_all(broker, 4..8);
        let got = gather(&mut [&mut next], 4);
        assert_all(&got, 4..8, true);
        let mut client = Client::connect(broker, "publisher");
        client.publish(&Publish { id: 1, ..message(8) });
        gather(&mut [&mut next], 1);
    });
}
