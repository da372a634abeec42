//! The will, its delay and its properties (v5 3.1.2.5, 3.1.3.2, 3.14.4).

use super::{IDS, expired};
use crate::common::v5::{
    Connect, Publish, connect, disconnect, id, option, props, publish, subscribe,
};
use crate::common::{BROKER_ENDS, Broker, Client, End, on_shards};

/// A client that sees every will.
fn witness(broker: &Broker) -> Client {
    let mut witness = Client::connect_v5(broker, "witness");
    witness.subscribe_v5("will/#", 2);
    witness
}

fn will(of: &str) -> Publish {
    publish("will/x", of)
}

fn delayed(of: &str, seconds: u32) -> Publish {
    will(of).with(|props| props.four(id::WILL_DELAY, seconds))
}

/// Connects and sends a DISCONNECT with this code.
fn leave_with(broker: &Broker, packet: &Connect, code: u8) {
    let (mut client, _) = Client::connect_v5_with(broker, packet);
    client.send(&disconnect(code, &props()));
    client.expect_closed();
}

/// The next message for `witness` is one from `name`: an earlier will would have preceded it,
/// because both are sent by the same shard.
#[track_caller]
fn assert_nothing_from(broker: &Broker, witness: &mut Client, name: &str) {
    let mut same = Client::connect_v5(broker, name);
    same.publish_v5(&publish("will/marker", name).qos1(1));
    witness.expect_publish_v5(&publish("will/marker", name).at(1));
    same.leave_v5();
}

/// The will is published once when the connection ends without a DISCONNECT, in any way.
#[test]
pub(crate) fn will_is_published_without_disconnect() {
    on_shards(&[1, 2, 4], |broker| {
        let mut witness = witness(broker);
        for name in IDS {
            for qos in 0..3 {
                let will = will(name).at(qos);
                let packet = connect(name).will(&will);
                let client = || Client::connect_v5_with(broker, &packet).0;
                drop(client());
                witness.expect_publish_v5(&will);
                client().reset();
                witness.expect_publish_v5(&will);
                let mut violator = client();
                violator.send(&packet.bytes());
                violator.expect_disconnect(0x82);
                witness.expect_publish_v5(&will);
                let mut malformed = client();
                malformed.send(&[0xe1, 0]);
                malformed.expect_disconnect(0x81);
                witness.expect_publish_v5(&will);
                let mut half_closed = client();
                half_closed.finish_sending();
                half_closed.expect_closed();
                witness.expect_publish_v5(&will);
                assert_nothing_from(broker, &mut witness, name);
            }
        }
    });
}

/// The will is published when the keep alive runs out.
#[test]
pub(crate) fn will_is_published_at_keep_alive_timeout() {
    on_shards(&[1, 2], |broker| {
        let mut witness = witness(broker);
        let packet = connect("silent").keep_alive(1).will(&will("silent"));
        let (mut silent, _) = Client::connect_v5_with(broker, &packet);
        witness.expect_publish_v5(&will("silent"));
        silent.expect_disconnect(0x8d);
    });
}

/// DISCONNECT with success discards the will, with any other code it has it published.
#[test]
pub(crate) fn disconnect_decides_about_the_will() {
    on_shards(&[1, 2, 4], |broker| {
        let mut witness = witness(broker);
        let codes = [0x04, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99];
        for name in IDS {
            let packet = connect(name).will(&will(name));
            for short in [&[0xe0, 0][..], &[0xe0, 1, 0], &[0xe0, 2, 0, 0]] {
                let (mut client, _) = Client::connect_v5_with(broker, &packet);
                client.send(short);
                client.expect_closed();
            }
            assert_nothing_from(broker, &mut witness, name);
            for code in codes {
                leave_with(broker, &packet, code);
                witness.expect_publish_v5(&will(name));
            }
            // A client may not send these: its DISCONNECT does not count.
            for code in [0x01, 0x33, 0x87, 0x8b, 0x8e] {
                let (mut client, _) = Client::connect_v5_with(broker, &packet);
                client.send(&disconnect(code, &props()));
                client.expect_disconnect(0x81);
                witness.expect_publish_v5(&will(name));
            }
            assert_nothing_from(broker, &mut witness, name);
        }
    });
}

/// A will waits for its delay while its session exists: a shorter delay is first.
#[test]
pub(crate) fn will_waits_for_its_delay() {
    on_shards(&[1, 2, 4], |broker| {
        let mut witness = witness(broker);
        let packet = |delay| connect(format!("d{delay}")).durable(100).will(&delayed("w", delay));
        leave_with(broker, &packet(4), 0x04);
        drop(Client::connect_v5_with(broker, &packet(1)));
        let longer = delayed("longer", 4);
        leave_with(broker, &connect("longer").durable(100).will(&longer), 0x80);
        drop(Client::connect_v5_with(broker, &connect("now").durable(100).will(&will("now"))));
        witness.expect_publish_v5(&will("now"));
        witness.expect_publish_v5(&will("w"));
        let mut last = [witness.read_publish_v5().payload, witness.read_publish_v5().payload];
        last.sort();
        assert_eq!(last, [b"longer".to_vec(), b"w".to_vec()]);
        // Nothing is left of a will that was published.
        for name in ["d4", "d1", "longer", "now"] {
            Client::resume_v5(broker, &connect(name).resume(), true).leave_v5();
            assert_nothing_from(broker, &mut witness, name);
        }
    });
}

/// The end of the session has its will published, however long its delay is.
#[test]
pub(crate) fn will_goes_at_the_end_of_its_session() {
    on_shards(&[1, 2, 4], |broker| {
        let mut witness = witness(broker);
        for name in IDS {
            let will_1 = delayed(name, 1000).at(1);
            // Without an expiry: at once.
            for packet in [connect(name), connect(name).resume(), connect(name).durable(0)] {
                drop(Client::connect_v5_with(broker, &packet.will(&will_1)));
                witness.expect_publish_v5(&will(name).at(1));
            }
            // DISCONNECT ends the session.
            let packet = connect(name).durable(100).will(&will_1);
            let (mut client, _) = Client::connect_v5_with(broker, &packet);
            client.send(&disconnect(0x04, &props().four(id::SESSION_EXPIRY, 0)));
            client.expect_closed();
            witness.expect_publish_v5(&will(name).at(1));
            // Its expiry does.
            drop(Client::connect_v5_with(broker, &connect(name).durable(1).will(&will_1)));
            witness.expect_publish_v5(&will(name).at(1));
            // A clean start does.
            drop(Client::connect_v5_with(broker, &packet));
            Client::connect_v5_with(broker, &connect(name)).0.leave_v5();
            witness.expect_publish_v5(&will(name).at(1));
            assert_nothing_from(broker, &mut witness, name);
        }
    });
}

/// A client that reconnects within the delay cancels its will; the next connection has none.
#[test]
pub(crate) fn resuming_calls_the_will_off() {
    on_shards(&[1, 4], |broker| {
        let mut witness = witness(broker);
        for name in IDS {
            let packet = connect(name).durable(100).will(&delayed(name, 3));
            drop(Client::connect_v5_with(broker, &packet));
        }
        let back = IDS.map(|name| {
            let packet = connect(name).durable(100);
            Client::resume_v5(broker, &packet, true)
        });
        expired(broker, connect("longer").durable(4), drop);
        drop(back);
        expired(broker, connect("longer").durable(4), drop);
        for name in IDS {
            assert_nothing_from(broker, &mut witness, name);
        }
    });
}

/// At a takeover a will without delay is published; one with a delay only if the session ends.
#[test]
pub(crate) fn will_at_takeover() {
    on_shards(&[1, 2, 4], |broker| {
        let mut witness = witness(broker);
        for name in IDS {
            for (old, new, delay, comes) in [
                (connect(name).durable(100), connect(name).durable(100), 0, true),
                (connect(name).durable(100), connect(name).durable(100), 1000, false),
                (connect(name).durable(100), connect(name).durable(0), 1000, false),
                (connect(name).durable(100), connect(name), 1000, true),
                (connect(name).durable(100), connect(name), 0, true),
                (connect(name).durable(0), connect(name).durable(100), 1000, true),
                (connect(name), connect(name).resume(), 1000, true),
            ] {
                let (mut old, _) =
                    Client::connect_v5_with(broker, &old.will(&delayed(name, delay)));
                let new = Client::connect_v5_with(broker, &new).0;
                old.expect_disconnect(0x8e);
                if comes {
                    witness.expect_publish_v5(&will(name));
                }
                new.leave_v5();
                assert_nothing_from(broker, &mut witness, name);
            }
        }
    });
}

/// All properties of the will but its delay are on its copies, in their order; its expiry counts
/// from when it is published.
#[test]
pub(crate) fn will_has_its_properties() {
    on_shards(&[1, 2, 4], |broker| {
        let mut witness = witness(broker);
        for name in IDS {
            for delay in [0, 1] {
                let message = will(name).at(1).with(|props| {
                    props
                        .four(id::MESSAGE_EXPIRY, 1000)
                        .byte(id::PAYLOAD_FORMAT, 1)
                        .text(id::CONTENT_TYPE, "text/plain")
                        .text(id::RESPONSE_TOPIC, "answer")
                        .binary(id::CORRELATION_DATA, [0, 0xff])
                        .user("b", "1")
                        .user("a", "2")
                        .user("b", "3")
                });
                let with_delay = message.clone().with(|props| props.four(id::WILL_DELAY, delay));
                drop(Client::connect_v5_with(
                    broker,
                    &connect(name).durable(100).will(&with_delay),
                ));
                witness.expect_publish_v5(&message);
            }
        }
    });
}

/// The will is retained exactly if it says so.
#[test]
pub(crate) fn will_is_retained_if_it_says_so() {
    on_shards(&[1, 2], |broker| {
        let mut witness = witness(broker);
        for (name, delay) in IDS.into_iter().zip([0, 0, 1, 1]) {
            let topic = format!("will/{name}");
            let message = publish(&topic, name).at(1);
            for retained in [false, true] {
                let delayed = message.clone().with(|props| props.four(id::WILL_DELAY, delay));
                let sent = if retained { delayed.retained() } else { delayed };
                drop(Client::connect_v5_with(broker, &connect(name).durable(100).will(&sent)));
                witness.expect_publish_v5(&message);
                let mut late = Client::connect_v5(broker, "late");
                late.subscribe_v5(&topic, 1);
                if retained {
                    late.expect_publish_v5(&message.clone().retained());
                }
                late.expect_silence_v5();
            }
        }
    });
}

/// A delayed will outlives the broker: it is published when its time has passed, also if its client
/// was still connected when the broker was killed.
#[test]
pub(crate) fn delayed_will_outlives_the_broker() {
    for end in BROKER_ENDS {
        for connected in [false, true] {
            let mut broker = Broker::start(2);
            let durable = connect("durable witness").durable(100);
            let mut witness = Client::resume_v5(&broker, &durable, false);
            witness.subscribe_v5("will/x", 1);
            let clients = IDS.map(|name| {
                // It must not be over before the broker is killed.
                let packet = connect(name).durable(100).will(&delayed(name, 3).at(1));
                let mut client = Client::resume_v5(&broker, &packet, false);
                // Behind this it is in the log.
                client.subscribe_v5("other", 1);
                if !connected {
                    client.send(&disconnect(0x04, &props()));
                    client.expect_closed();
                }
                client
            });
            broker.restart(end);
            drop(clients);
            let mut witness = Client::resume_v5(&broker, &durable, true);
            let mut came = IDS.map(|_| {
                let came = witness.read_publish_v5();
                witness.acknowledge(1, came.id);
                String::from_utf8(came.payload).expect("a name")
            });
            came.sort();
            assert_eq!(came, IDS.map(str::to_owned), "{end:?}");
            witness.expect_silence_v5();
        }
    }
}

/// A will that is due when the broker starts is delivered to the sessions of every shard, however
/// long the shards take to exchange their subscriptions.
#[test]
pub(crate) fn due_wills_reach_every_shard() {
    let mut broker = Broker::start(2);
    let filters: Vec<String> = (0..5_000).map(|number| format!("fills/{number}")).collect();
    let entries: Vec<(&str, u8)> = filters.iter().map(|filter| (filter.as_str(), 0)).collect();
    // They are older than the witnesses, so their subscriptions are announced first.
    for name in IDS {
        let packet = connect(format!("{name} fills")).durable(100);
        let mut client = Client::resume_v5(&broker, &packet, false);
        for entries in entries.chunks(1_000) {
            client.send(&subscribe(1, &props(), entries));
            client.expect_answer(0x90);
        }
        client.leave_v5();
    }
    for name in IDS {
        let mut client = Client::resume_v5(&broker, &connect(name).durable(100), false);
        client.subscribe_v5("will/x", 1);
        client.leave_v5();
    }
    // They leave at once, so that none of their wills is published before the broker is killed.
    let dying = IDS.map(|name| {
        let packet = connect(format!("{name} dies")).durable(100).will(&delayed(name, 4).at(1));
        let mut client = Client::resume_v5(&broker, &packet, false);
        // Behind this it is in the log.
        client.subscribe_v5("other", 1);
        client
    });
    for mut client in dying {
        client.send(&disconnect(0x04, &props()));
        client.expect_closed();
    }
    broker.end(End::Killed);
    // More than their delay passes.
    expired(&Broker::start(1), connect("other").durable(5), drop);
    broker.start_again();
    for name in IDS {
        let mut client = Client::resume_v5(&broker, &connect(name).durable(100), true);
        let mut came = IDS.map(|_| {
            let came = client.read_publish_v5();
            client.acknowledge(1, came.id);
            String::from_utf8(came.payload).expect("a name")
        });
        came.sort();
        assert_eq!(came, IDS.map(str::to_owned), "{name}");
    }
}

/// A stopping broker publishes the wills without a delay to their subscribers.
#[test]
pub(crate) fn will_is_published_at_shutdown() {
    let mut broker = Broker::start(2);
    let durable = connect("durable witness").durable(100);
    let mut witness = Client::resume_v5(&broker, &durable, false);
    witness.subscribe_v5("will/x", 1);
    let mut client =
        Client::resume_v5(&broker, &connect("c").durable(100).will(&will("c").at(1)), false);
    broker.end(End::Stopped);
    client.expect_disconnect(0x8b);
    broker.start_again();
    let mut witness = Client::resume_v5(&broker, &durable, true);
    let came = witness.read_publish_v5();
    assert_eq!((&*came.payload, came.qos), (&b"c"[..], 1));
    witness.acknowledge(1, came.id);
    witness.expect_silence_v5();
}

/// A will whose session ends with its connection does not wait, also when the broker stops: a
/// client that connected before gets it.
#[test]
pub(crate) fn will_without_session_is_published_at_shutdown() {
    let mut broker = Broker::start(1);
    let mut witness = witness(&broker);
    let (mut client, _) = Client::connect_v5_with(&broker, &connect("c").will(&delayed("c", 5)));
    broker.end(End::Stopped);
    client.expect_disconnect(0x8b);
    witness.expect_publish_v5(&will("c"));
    witness.expect_disconnect(0x8b);
}

/// No Local keeps a will from the session of its client, not from others.
#[test]
pub(crate) fn no_local_holds_for_wills() {
    on_shards(&[1, 2, 4], |broker| {
        let mut witness = witness(broker);
        for name in IDS {
            for delay in [0, 1] {
                let packet = connect(name).durable(100);
                let with_will = packet.clone().will(&delayed(name, delay).at(1));
                let (mut client, _) = Client::connect_v5_with(broker, &with_will);
                client.subscribe_v5("will/x", 1 | option::NO_LOCAL);
                drop(client);
                witness.expect_publish_v5(&will(name).at(1));
                let mut client = Client::resume_v5(broker, &packet, true);
                client.expect_silence_v5();
                client.leave_v5();
                Client::resume_v5(broker, &connect(name), false).leave_v5();
            }
        }
    });
}

/// A will whose message expires is not delivered late: an absent session does not get it.
#[test]
pub(crate) fn expired_will_is_not_delivered() {
    on_shards(&[1, 2], |broker| {
        let mut witness = witness(broker);
        let absent = connect("absent").durable(100);
        let mut client = Client::resume_v5(broker, &absent, false);
        client.subscribe_v5("will/x", 1);
        client.leave_v5();
        let short = will("short").at(1).with(|props| props.four(id::MESSAGE_EXPIRY, 1));
        drop(Client::connect_v5_with(broker, &connect("c").will(&short)));
        witness.expect_publish_v5(&short);
        expired(broker, connect("other").durable(2), drop);
        Client::resume_v5(broker, &absent, true).expect_silence_v5();
    });
}
