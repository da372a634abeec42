//! Figures that operators are told about what only a simulator can bring about: full rings between
//! shards, no buffers, syncs that fail.

use ringmq::broker::inspect::Snapshot;
use ringmq::mqtt::{Packet, Properties, QoS, SubscribeEntry};

use crate::disk::Fault;
use crate::script::{Script, filter, kinds};

/// Messages that are more than a ring between shards holds.
const MESSAGES_MAX: usize = 1000;

/// Connects a client whose home is this shard; the connection.
fn enter_on(script: &mut Script, shard: usize) -> usize {
    for number in 0..100 {
        let before = script.figures(shard).gauges.clients;
        let conn = script.enter(&format!("{shard}-{number}"), 0, None);
        if script.figures(shard).gauges.clients > before {
            return conn;
        }
    }
    panic!("no client has its home on shard {shard}");
}

fn waiting(figures: &Snapshot) -> (u64, u64) {
    (figures.load.mesh_waiting, figures.load.starving)
}

/// A publisher waits while the ring to another shard is full: that is counted once, and told while
/// it lasts.
#[test]
fn publishers_wait_for_the_mesh() {
    let mut script = Script::of(2);
    let publisher = enter_on(&mut script, 0);
    let subscriber = enter_on(&mut script, 1);
    script.subscribe(subscriber, Properties::EMPTY, filter("a"));
    assert_eq!(kinds(&script.read(subscriber)), ["Suback"]);
    let figures = script.figures(0);
    assert_eq!((figures.load.mesh_waits, waiting(&figures)), (0, (0, 0)));
    script.frozen = Some(1);
    let mut sent = 0;
    while waiting(&script.figures(0)) == (0, 0) {
        script.publish(publisher, "a", false);
        sent += 1;
        assert!(sent < MESSAGES_MAX, "the ring takes any number of messages");
    }
    let figures = script.figures(0);
    assert_eq!((figures.load.mesh_waits, waiting(&figures)), (1, (1, 0)));
    script.frozen = None;
    script.run();
    let figures = script.figures(0);
    assert_eq!((figures.load.mesh_waits, waiting(&figures)), (1, (0, 0)));
}

/// A connection that finds no receive buffer is counted, told while it waits, and answered.
#[test]
fn connections_wait_for_buffers() {
    let mut script = Script::new();
    let conns: Vec<usize> = (0..5).map(|n| script.enter(&format!("c{n}"), 0, None)).collect();
    let figures = script.figures(0);
    assert_eq!((figures.load.starved, waiting(&figures)), (0, (0, 0)));
    let mut ping = Vec::new();
    Packet::Pingreq.encode(ringmq::mqtt::Version::V5, &mut ping);
    script.arrive_together(&conns, &ping);
    let turns = script.figures_of_turns(0, 10);
    let first = turns.iter().find(|figures| figures.load.starved > 0).expect("there were four");
    assert_eq!((first.load.starved, waiting(first)), (1, (0, 1)));
    for conn in conns {
        assert_eq!(kinds(&script.read(conn)), ["Pingresp"]);
    }
    assert_eq!(waiting(&script.figures(0)), (0, 0));
}

/// A sync that fails counts as a failed sync, and its message is acknowledged when another file has
/// it.
#[test]
fn syncs_fail() {
    let mut script = Script::new();
    let durable = script.enter("durable", 100, None);
    let qos1 = SubscribeEntry { qos: QoS::AtLeastOnce, ..filter("a") };
    script.subscribe(durable, Properties::EMPTY, qos1);
    assert_eq!(kinds(&script.read(durable)), ["Suback"]);
    script.reset(durable);
    let publisher = script.enter("publisher", 0, None);
    script.begin_fault(0, Fault::Syncs, 100);
    script.publish_qos1(publisher, "a", 1);
    assert!(script.read(publisher).is_empty(), "no sync has succeeded");
    script.wait(5_000);
    assert_eq!(kinds(&script.read(publisher)), ["Puback"]);
    let figures = script.figures(0);
    assert!(figures.stats.disk_sync_failures > 0, "{:?}", figures.stats);
    assert_eq!(figures.stats.disk_write_failures, figures.stats.disk_sync_failures);
    assert_eq!(figures.gauges.disk_short, 0, "the disk is well again");
}
