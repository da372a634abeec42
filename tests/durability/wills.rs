//! Wills of durable sessions: after a kill the broker publishes them at its next start, as it would
//! have when the connections ended.

use crate::common::v5::{self, id};
use crate::common::{BROKER_ENDS, Broker, Client, End, Publish, connect, publish, resume_as};
use crate::setup::{NAMES, receive_all, settle};

/// Connects with a session that stays and a will without a delay.
fn with_will(broker: &Broker, name: &str, will: &Publish) -> Client {
    let mut client = Client::open(broker);
    client.send(&connect(name).persistent().will(will).bytes());
    assert_eq!(client.read_packet()[3], 0);
    client
}

/// Their payloads, in order.
fn payloads(client: &mut Client) -> Vec<String> {
    let came = receive_all(client).into_iter();
    let mut came: Vec<String> =
        came.map(|came| String::from_utf8(came.payload).expect("a name")).collect();
    came.sort();
    came
}

/// A will is published once, however the broker ends: at its end, or at its next start; to a
/// session on each shard, of clients of 3.1.1 and 5, before the client reconnects.
#[test]
fn wills_are_published_after_a_kill() {
    for (shards, end) in [1, 2].into_iter().flat_map(|shards| BROKER_ENDS.map(|end| (shards, end)))
    {
        let mut broker = Broker::start(shards);
        for name in NAMES {
            let mut witness = resume_as(&broker, name, false);
            witness.subscribe("will/#", 1);
            witness.leave();
        }
        let clients = ["ash", "beech", "clover"]
            .map(|name| with_will(&broker, name, &publish(format!("will/{name}"), name).at(1)));
        let will = v5::publish("will/daisy", "daisy").at(1);
        let packet = v5::connect("daisy").durable(100).will(&will);
        let (daisy, _) = Client::connect_v5_with(&broker, &packet);
        // One client that left, and two whose sessions end with their connections.
        let gone = with_will(&broker, "gone", &publish("will/gone", "gone").at(1));
        gone.leave();
        let mut clean = Client::open(&broker);
        clean.send(&connect("clean").will(&publish("will/clean", "clean").at(1)).bytes());
        assert_eq!(clean.read_packet()[3], 0);
        settle(&broker, &mut []);
        broker.restart(end);
        drop((clients, daisy, clean));
        let mut due = vec!["ash", "beech", "clover", "daisy"];
        if end == End::Stopped {
            due.insert(2, "clean");
        }
        // One of them reconnects at once, without a will this time.
        let back = resume_as(&broker, "ash", true);
        for name in NAMES {
            let mut witness = resume_as(&broker, name, true);
            let mut came = payloads(&mut witness);
            while came.len() < due.len() {
                came.extend(payloads(&mut witness));
                came.sort();
            }
            assert_eq!(came, due, "{shards} shards, {end:?}");
            witness.leave();
        }
        back.leave();
        settle(&broker, &mut []);
        // They are not published again.
        broker.restart(End::Killed);
        for name in NAMES {
            assert!(payloads(&mut resume_as(&broker, name, true)).is_empty(), "{end:?}");
        }
    }
}

/// A will whose session ends with its connection, though it is on disk, is published after a kill
/// as well, and its session is gone.
#[test]
fn sessions_that_end_with_the_kill() {
    for shards in [1, 2] {
        let mut broker = Broker::start(shards);
        for name in NAMES {
            let mut witness = resume_as(&broker, name, false);
            witness.subscribe("will", 1);
            witness.leave();
        }
        // Begun as one that stays, resumed as one that does not.
        Client::connect_v5_with(&broker, &v5::connect("ash").durable(100)).0.leave_v5();
        let will = v5::publish("will", "ash").at(1);
        let packet = v5::connect("ash").resume().will(&will);
        let client = Client::resume_v5(&broker, &packet, true);
        settle(&broker, &mut []);
        broker.restart(End::Killed);
        drop(client);
        for name in NAMES {
            let mut witness = resume_as(&broker, name, true);
            let mut came = payloads(&mut witness);
            while came.is_empty() {
                came = payloads(&mut witness);
            }
            assert_eq!(came, ["ash"]);
        }
        let packet = v5::connect("ash").resume().with(|props| props.four(id::SESSION_EXPIRY, 9));
        Client::resume_v5(&broker, &packet, false).leave_v5();
    }
}
