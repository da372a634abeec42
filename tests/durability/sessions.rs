//! Sessions and their subscriptions.

use crate::common::{
    Broker, Client, End, connect, publish, reconnect_as, resume_as, session_expiry,
};
use crate::setup::{NAMES, on_setups, settle};

/// A session survives a restart, and its subscriptions work without a SUBSCRIBE.
#[test]
fn sessions_outlive_the_broker() {
    on_setups(&[], |broker, end| {
        for name in NAMES {
            resume_as(broker, name, false).subscribe(&format!("own/{name}"), 2);
            resume_as(broker, name, true).subscribe("common/+/#", 1);
        }
        for round in 0..3 {
            broker.restart(end);
            let mut clients = NAMES.map(|name| resume_as(broker, name, true));
            let mut publisher = Client::connect(broker, "publisher");
            publisher.publish(&publish("common/a/b", [round]).qos2(1));
            for (name, client) in NAMES.into_iter().zip(&mut clients) {
                client.expect_publish(&publish("common/a/b", [round]).at(1));
                publisher.publish(&publish(format!("own/{name}"), [round]).qos2(1));
                client.expect_publish(&publish(format!("own/{name}"), [round]).at(2));
                client.expect_silence();
            }
            let [first, second] = &mut clients;
            settle(broker, &mut [first, second]);
        }
    });
}

/// A clean session is gone, whether its client was there or not.
#[test]
fn clean_sessions_end_with_the_broker() {
    on_setups(&[], |broker, end| {
        let _connected = NAMES.map(|name| {
            let mut client = Client::connect(broker, name);
            client.subscribe("a", 1);
            client
        });
        broker.restart(end);
        let mut clients = NAMES.map(|name| resume_as(broker, name, false));
        Client::connect(broker, "publisher").publish(&publish("a", "x").qos1(1));
        clients.iter_mut().for_each(Client::expect_silence);
    });
}

/// A session that a clean one replaced does not return [MQTT-3.1.2-6].
#[test]
fn replaced_sessions_stay_away() {
    on_setups(&[], |broker, end| {
        let mut publisher = Client::connect(broker, "publisher");
        for name in NAMES {
            resume_as(broker, name, false).subscribe("a", 1);
        }
        publisher.publish(&publish("a", "x").qos1(1));
        for name in NAMES {
            Client::connect(broker, name).leave();
        }
        settle(broker, &mut [&mut publisher]);
        broker.restart(end);
        let mut clients = NAMES.map(|name| resume_as(broker, name, false));
        Client::connect(broker, "publisher").publish(&publish("a", "y").qos1(1));
        clients.iter_mut().for_each(Client::expect_silence);
    });
}

/// A removed subscription stays removed, and the last SUBSCRIBE of a filter counts [MQTT-3.8.4-3].
#[test]
fn subscriptions_are_as_they_were_left() {
    on_setups(&[], |broker, end| {
        for name in NAMES {
            let mut client = resume_as(broker, name, false);
            client.subscribe("gone", 2);
            client.subscribe("kept", 2);
            client.subscribe("back", 2);
            client.unsubscribe("back");
            client.subscribe("back", 1);
            client.subscribe("low", 2);
            client.subscribe("low", 0);
            client.subscribe("kept", 1);
            client.unsubscribe("gone");
        }
        for _ in 0..2 {
            broker.restart(end);
            let mut publisher = Client::connect(broker, "publisher");
            for topic in ["gone", "kept", "back", "low"] {
                publisher.publish(&publish(topic, "x").qos2(1));
            }
            for name in NAMES {
                let mut client = resume_as(broker, name, true);
                client.expect_publish(&publish("kept", "x").at(1));
                client.expect_publish(&publish("back", "x").at(1));
                client.expect_silence();
                settle(broker, &mut [&mut client]);
            }
        }
    });
}

/// Many sessions with many filters are all found again.
#[test]
fn many_sessions_outlive_the_broker() {
    const SESSIONS: usize = 300;
    const FILTERS: usize = 10;
    for shards in [1, 2] {
        let mut broker = Broker::start(shards);
        for session in 0..SESSIONS {
            let mut client = resume_as(&broker, &format!("client-{session}"), false);
            for filter in 0..FILTERS {
                client.subscribe(&format!("many/{session}/{filter}"), 1);
            }
            client.leave();
        }
        settle(&broker, &mut []);
        broker.restart(End::Killed);
        let mut publisher = Client::connect(&broker, "publisher");
        for session in 0..SESSIONS {
            let topic = format!("many/{session}/{}", session % FILTERS);
            publisher.publish(&publish(topic, "x").qos1(1));
        }
        broker.restart(End::Killed);
        for session in 0..SESSIONS {
            let topic = format!("many/{session}/{}", session % FILTERS);
            let mut client = resume_as(&broker, &format!("client-{session}"), true);
            client.expect_publish(&publish(topic, "x").at(1));
            client.expect_silence();
        }
    }
}

/// The number of expired sessions according to the log: a line may report several.
fn expired(said: &str) -> usize {
    let ends = said.match_indices(" expired (--session-expiry)");
    let counts = ends.map(|(at, _)| said[..at].rsplit(' ').nth(1).expect("a number is in front"));
    counts.map(|count| count.parse::<usize>().expect("it is a number")).sum()
}

/// Waits until this number of sessions has expired.
#[track_caller]
fn wait_for_expired(broker: &Broker, count: usize) {
    while expired(&broker.said()) < count {
        broker.wait_for_line("expired (--session-expiry)");
    }
}

/// A session whose client is absent for too long expires, also if it was absent before the restart;
/// that of a connected client stays.
#[test]
fn sessions_expire() {
    for shards in [1, 2] {
        let mut broker = Broker::start(shards);
        for name in NAMES {
            resume_as(&broker, name, false).subscribe("a", 1);
        }
        Client::connect(&broker, "publisher").publish(&publish("a", "x").qos1(1));
        let expiry = session_expiry(1);
        broker.restart_with(End::Killed, &[&expiry]);
        wait_for_expired(&broker, NAMES.len());
        let mut clients = NAMES.map(|name| resume_as(&broker, name, false));
        // Other sessions begin and expire while these exist.
        for (name, before) in ["kale", "nettle"].into_iter().zip(NAMES.len()..) {
            resume_as(&broker, name, false).leave();
            wait_for_expired(&broker, before + 1);
            Client::connect_with(&broker, &connect(name)).leave();
        }
        for (name, client) in NAMES.into_iter().zip(&mut clients) {
            client.subscribe("a", 1);
            let next = resume_as(&broker, name, true);
            client.expect_closed();
            *client = next;
        }
        // Expired sessions do not return.
        broker.restart_with(End::Killed, &[]);
        for name in ["kale", "nettle"] {
            resume_as(&broker, name, false);
        }
    }
}

/// Sessions whose connections ended in any way are the same after a restart.
#[test]
fn sessions_are_resumed_as_they_ended() {
    on_setups(&[], |broker, end| {
        for name in NAMES {
            for how in crate::common::ENDS {
                Client::connect(broker, name).leave();
                let mut client = resume_as(broker, name, false);
                client.subscribe("ends", 1);
                let mut client = reconnect_as(broker, name, client, how);
                client.subscribe("more", 1);
                broker.restart(end);
                let mut client = resume_as(broker, name, true);
                let mut publisher = Client::connect(broker, "publisher");
                for topic in ["ends", "more"] {
                    publisher.publish(&publish(topic, how).qos1(1));
                    client.expect_publish(&publish(topic, how).at(1));
                }
                client.expect_silence();
            }
        }
    });
}
