//! Clean start and session expiry (v5 3.1.2.4, 3.1.2.11.2, 3.14.2.2.2, 4.1).

use super::{ENDS, IDS, expect_unrouted, expired, reconnect};
use crate::common::v5::{connect, disconnect, id, props, publish};
use crate::common::{BROKER_ENDS, Broker, Client, DISCONNECT, on_shards};

/// Clean start ends the stored session: none is present, and none of its messages is delivered.
/// With an expiry the new one is kept.
#[test]
pub(crate) fn clean_start_discards() {
    on_shards(&[1, 2, 4], |broker| {
        let mut publisher = Client::connect_v5(broker, "publisher");
        for name in IDS {
            for takes_over in [false, true] {
                let mut old = Client::resume_v5(broker, &connect(name).durable(100), false);
                old.subscribe_v5(name, 1);
                publisher.publish_v5(&publish(name, "of the old").qos1(1));
                if !takes_over {
                    old.leave_v5();
                }
                let fresh = connect(name).with(|props| props.four(id::SESSION_EXPIRY, 100));
                let mut new = Client::resume_v5(broker, &fresh, false);
                expect_unrouted(&mut publisher, name);
                new.expect_silence_v5();
                new.leave_v5();
                Client::resume_v5(broker, &connect(name).durable(100), true).leave_v5();
                Client::resume_v5(broker, &connect(name), false).leave_v5();
            }
        }
    });
}

/// A session with an expiry is resumed, however its connection ended: subscriptions stay, and
/// unacknowledged messages are sent again.
#[test]
pub(crate) fn session_is_resumed() {
    on_shards(&[1, 2, 4], |broker| {
        let mut publisher = Client::connect_v5(broker, "publisher");
        for name in IDS {
            let packet = connect(name).durable(100);
            let mut client = Client::resume_v5(broker, &packet, false);
            client.subscribe_v5(name, 1);
            for end in ENDS {
                publisher.publish_v5(&publish(name, end).qos1(1));
                let open = client.expect_unacked_v5(&publish(name, end).at(1));
                client = reconnect(broker, &packet, client, end);
                let again = client.expect_publish_v5(&publish(name, end).at(1).again());
                assert_eq!(again, open, "the same identifier");
                publisher.publish_v5(&publish(name, "live").qos1(1));
                client.expect_publish_v5(&publish(name, "live").at(1));
                client.expect_silence_v5();
            }
        }
    });
}

/// A session exists from its CONNECT on, not from its first subscription.
#[test]
pub(crate) fn session_exists_without_subscriptions() {
    on_shards(&[1, 2, 4], |broker| {
        for name in IDS {
            let packet = connect(name).durable(100);
            Client::resume_v5(broker, &packet, false).leave_v5();
            Client::resume_v5(broker, &packet, true).leave_v5();
        }
    });
}

/// Without an expiry a session ends with its connection, with or without clean start.
#[test]
pub(crate) fn expiry_0_ends_at_close() {
    on_shards(&[1, 2, 4], |broker| {
        let mut publisher = Client::connect_v5(broker, "publisher");
        for name in IDS {
            for packet in [connect(name), connect(name).resume(), connect(name).durable(0)] {
                for end in ENDS {
                    let mut client = Client::resume_v5(broker, &packet, false);
                    client.subscribe_v5(name, 1);
                    publisher.publish_v5(&publish(name, "x").qos1(1));
                    client.expect_unacked_v5(&publish(name, "x").at(1));
                    match end {
                        "leave" => client.leave_v5(),
                        "close" => drop(client),
                        "reset" => client.reset(),
                        _ => {
                            let next = Client::resume_v5(broker, &connect(name).resume(), false);
                            client.expect_disconnect(0x8e);
                            next.leave_v5();
                        }
                    }
                    let mut again = Client::resume_v5(broker, &connect(name).resume(), false);
                    again.expect_silence_v5();
                    again.leave_v5();
                }
            }
        }
    });
}

/// Clean start 0 without an expiry resumes the stored session, and ends it, with its queue, at
/// close.
#[test]
pub(crate) fn resumed_without_expiry_ends() {
    on_shards(&[1, 2, 4], |broker| {
        let mut publisher = Client::connect_v5(broker, "publisher");
        for name in IDS {
            let mut client = Client::resume_v5(broker, &connect(name).durable(100), false);
            client.subscribe_v5(name, 1);
            client.leave_v5();
            publisher.publish_v5(&publish(name, "kept").qos1(1));
            let mut client = Client::resume_v5(broker, &connect(name).resume(), true);
            client.expect_unacked_v5(&publish(name, "kept").at(1));
            client.leave_v5();
            expect_unrouted(&mut publisher, name);
            let mut client = Client::resume_v5(broker, &connect(name).resume(), false);
            client.expect_silence_v5();
        }
    });
}

/// The same after a crash: the session that lost its expiry is gone.
#[test]
pub(crate) fn resumed_without_expiry_is_gone_after_a_crash() {
    for end in BROKER_ENDS {
        let mut broker = Broker::start(2);
        for name in IDS {
            Client::resume_v5(&broker, &connect(name).durable(100), false).leave_v5();
        }
        let connected = IDS.map(|name| {
            let mut client = Client::resume_v5(&broker, &connect(name).resume(), true);
            // Behind this it is in the log.
            client.subscribe_v5(name, 1);
            client
        });
        broker.restart(end);
        drop(connected);
        for name in IDS {
            Client::resume_v5(&broker, &connect(name).durable(100), false).leave_v5();
        }
    }
}

/// A session ends when its expiry has passed since its connection closed; not while it is
/// connected.
#[test]
pub(crate) fn session_expires() {
    on_shards(&[1, 2, 4], |broker| {
        let packet = connect("stays").durable(1);
        let stays = Client::resume_v5(broker, &packet, false);
        for name in IDS {
            expired(broker, connect(name).durable(1), drop);
            Client::resume_v5(broker, &connect(name).durable(1), false).leave_v5();
        }
        // More than its expiry has passed.
        reconnect(broker, &packet, stays, "takeover").leave_v5();
    });
}

/// Each CONNECT sets the expiry anew: nothing is left of the last one.
#[test]
pub(crate) fn expiry_is_set_anew() {
    on_shards(&[1, 2], |broker| {
        for name in IDS {
            Client::resume_v5(broker, &connect(name).durable(100), false).leave_v5();
            Client::resume_v5(broker, &connect(name).durable(0), true).leave_v5();
            let old = Client::resume_v5(broker, &connect(name).durable(1), false);
            reconnect(broker, &connect(name).durable(u32::MAX), old, "takeover").leave_v5();
            expired(broker, connect("other").durable(2), drop);
            Client::resume_v5(broker, &connect(name), false).leave_v5();
            Client::resume_v5(broker, &connect(name).durable(u32::MAX), false).leave_v5();
            expired(broker, connect("other").durable(1), drop);
            Client::resume_v5(broker, &connect(name).durable(0), true).leave_v5();
        }
    });
}

/// DISCONNECT changes the expiry, up and down, with any reason code.
#[test]
pub(crate) fn disconnect_changes_the_expiry() {
    on_shards(&[1, 2, 4], |broker| {
        let ends = |seconds, code| {
            move |mut client: Client| {
                let props = props().four(id::SESSION_EXPIRY, seconds);
                client.send(&disconnect(code, &props));
                client.expect_closed();
            }
        };
        for name in IDS {
            for code in [0, 0x04] {
                let durable = connect(name).durable(100);
                ends(0, code)(Client::resume_v5(broker, &durable, false));
                ends(200, code)(Client::resume_v5(broker, &durable, false));
                ends(0, code)(Client::resume_v5(broker, &durable, true));
                Client::resume_v5(broker, &durable, false).leave_v5();
                Client::resume_v5(broker, &connect(name), false).leave_v5();
            }
            expired(broker, connect(name).durable(100), ends(1, 0x04));
            expired(broker, connect(name).durable(1), drop);
            ends(100, 0)(Client::resume_v5(broker, &connect(name).durable(1), false));
            expired(broker, connect("other").durable(2), drop);
            Client::resume_v5(broker, &connect(name).resume(), true).leave_v5();
        }
    });
}

/// DISCONNECT must not give an expiry to a session without one: it is a violation, and the will is
/// published.
#[test]
pub(crate) fn disconnect_with_a_late_expiry_is_a_violation() {
    on_shards(&[1, 2], |broker| {
        let mut witness = Client::connect_v5(broker, "witness");
        witness.subscribe_v5("will", 1);
        for packet in [connect("late"), connect("late").resume(), connect("late").durable(0)] {
            let will = publish("will", "late").at(1);
            let (mut client, _) = Client::connect_v5_with(broker, &packet.clone().will(&will));
            client.send(&disconnect(0, &props().four(id::SESSION_EXPIRY, 5)));
            client.expect_disconnect(0x82);
            witness.expect_publish_v5(&will);
            let (mut client, _) = Client::connect_v5_with(broker, &packet);
            client.send(&disconnect(0, &props().four(id::SESSION_EXPIRY, 0)));
            client.expect_closed();
        }
        witness.expect_silence_v5();
    });
}

/// CONNACK has the values that the broker does not grant, and only those.
#[test]
pub(crate) fn capped_expiry_is_told() {
    let broker = Broker::start_with(1, &["--session-expiry=90s"]);
    for (asked, told) in [(0, None), (89, None), (90, None), (91, Some(90)), (u32::MAX, Some(90))] {
        let (client, connack) = Client::connect_v5_with(&broker, &connect("c").durable(asked));
        assert_eq!(connack.props.number(id::SESSION_EXPIRY), told, "{asked} s were asked for");
        client.leave_v5();
        Client::connect_v5_with(&broker, &connect("c"));
    }
    let broker = Broker::start_with(1, &["--session-expiry=0"]);
    let (_, connack) = Client::connect_v5_with(&broker, &connect("c").durable(u32::MAX));
    assert_eq!(connack.props.number(id::SESSION_EXPIRY), None);
}

/// A session's expiry continues during a restart, and one that never expires is still present.
#[test]
pub(crate) fn expiry_outlives_the_broker() {
    for end in BROKER_ENDS {
        let mut broker = Broker::start(2);
        for (name, seconds) in IDS.into_iter().zip([100, u32::MAX, 100, u32::MAX]) {
            let mut client = Client::resume_v5(&broker, &connect(name).durable(seconds), false);
            client.subscribe_v5(name, 1);
            client.leave_v5();
        }
        let mut witness = Client::resume_v5(&broker, &connect("witness").durable(100), false);
        witness.subscribe_v5("will", 1);
        let will = publish("will", "short").at(1).with(|props| props.four(id::WILL_DELAY, 1000));
        let short = connect("short").durable(3).will(&will);
        let mut short = Client::resume_v5(&broker, &short, false);
        short.subscribe_v5("short", 1);
        short.send(&disconnect(0x04, &props()));
        short.expect_closed();
        broker.restart(end);
        let mut witness = Client::resume_v5(&broker, &connect("witness").durable(100), true);
        let will = witness.read_publish_v5();
        assert_eq!((&*will.payload, will.qos), (&b"short"[..], 1));
        Client::resume_v5(&broker, &connect("short").durable(1), false);
        let mut publisher = Client::connect_v5(&broker, "publisher");
        for name in IDS {
            publisher.publish_v5(&publish(name, "x").qos1(1));
            let mut client = Client::resume_v5(&broker, &connect(name).resume(), true);
            client.expect_publish_v5(&publish(name, "x").at(1));
        }
    }
}

/// An empty client id is replaced by a new one, which CONNACK contains; the client finds its
/// session by it. Clean start is not needed.
#[test]
pub(crate) fn assigned_client_id_is_told() {
    on_shards(&[1, 2, 4], |broker| {
        let mut ids = Vec::new();
        for packet in [connect("").durable(100), connect("").durable(100), connect("")] {
            let (client, connack) = Client::connect_v5_with(broker, &packet);
            assert_eq!(connack.flags, 0, "it is a new session");
            let assigned = connack.props.str(id::ASSIGNED_CLIENT_ID).expect("it is told");
            assert!(!assigned.is_empty() && !ids.contains(&assigned.to_owned()));
            ids.push(assigned.to_owned());
            client.leave_v5();
        }
        for (assigned, present) in ids.iter().zip([true, true, false]) {
            let packet = connect(assigned).durable(100);
            let (client, connack) = Client::connect_v5_with(broker, &packet);
            assert_eq!(connack.flags == 1, present);
            assert!(!connack.props.has(id::ASSIGNED_CLIENT_ID), "it was not assigned now");
            client.leave_v5();
        }
    });
}

/// Other client ids are other sessions.
#[test]
pub(crate) fn client_id_names_the_session() {
    on_shards(&[1, 2, 4], |broker| {
        for (at, name) in IDS.iter().enumerate() {
            let mut client = Client::resume_v5(broker, &connect(name).durable(100), false);
            client.subscribe_v5("shared", 1);
            client.leave_v5();
            let mut publisher = Client::connect_v5(broker, "publisher");
            publisher.publish_v5(&publish("shared", at.to_string()).qos1(1));
        }
        for (at, name) in IDS.iter().enumerate() {
            let mut client = Client::resume_v5(broker, &connect(name).durable(100), true);
            for number in at..IDS.len() {
                client.expect_publish_v5(&publish("shared", number.to_string()).at(1));
            }
            client.expect_silence_v5();
        }
    });
}

/// A message for an absent session is kept for it, with QoS 1 and 2.
#[test]
pub(crate) fn absent_sessions_get_messages() {
    on_shards(&[1, 2, 4], |broker| {
        let mut publisher = Client::connect_v5(broker, "publisher");
        for name in IDS {
            let mut client = Client::resume_v5(broker, &connect(name).durable(100), false);
            client.subscribe_v5(name, 2);
            client.send(DISCONNECT);
            client.expect_closed();
        }
        for name in IDS {
            publisher.publish_v5(&publish(name, "one").qos1(1));
            publisher.publish_v5(&publish(name, "two").qos2(2));
        }
        for name in IDS {
            let mut client = Client::resume_v5(broker, &connect(name).durable(100), true);
            client.expect_publish_v5(&publish(name, "one").at(1));
            client.expect_publish_v5(&publish(name, "two").at(2));
            client.expect_silence_v5();
        }
    });
}
