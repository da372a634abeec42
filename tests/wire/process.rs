//! The process: flags, listening, SIGTERM.

use std::net::TcpListener;

use crate::common::{Broker, Client, PINGREQ, connect, puback, publish, resume_as, run_to_exit};

/// A wrong flag ends the process with 2, and the error names it.
#[test]
fn wrong_flag_is_named() {
    let cases: [&[&str]; 11] = [
        &["--no-such-flag"],
        &["--shards", "0"],
        &["--shards", "65"],
        &["--shards", "many"],
        &["--shards"],
        &["--listen", "nowhere"],
        &["--max-packet-size", "12Q"],
        &["--max-outgoing-bytes", "much"],
        &["--qos0-patience", "soon"],
        &["--max-connections", "x"],
        &["--max-inflight", "70000"],
    ];
    for flags in cases {
        let (code, said) = run_to_exit(flags);
        assert_eq!(code, Some(2), "{flags:?}: {said}");
        assert!(said.contains(flags[0]), "{flags:?} is not named in: {said}");
    }
}

/// Asked for help or its version it ends with 0.
#[test]
fn help_and_version_end_well() {
    for flag in ["--help", "--version"] {
        assert_eq!(run_to_exit(&[flag]).0, Some(0), "{flag}");
    }
}

/// A port that is taken ends the process with 1, and the error names the address; a port of another
/// broker is no exception.
#[test]
fn taken_port_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let broker = Broker::start(2);
    for addr in [taken.local_addr().expect("is bound"), broker.addr()] {
        let addr = addr.to_string();
        for shards in ["1", "2"] {
            let (code, said) = run_to_exit(&["--listen", &addr, "--shards", shards, "--no-pin"]);
            assert_eq!(code, Some(1), "{said}");
            assert!(said.contains(&addr), "{addr} is not named in: {said}");
        }
    }
    Client::connect(&broker, "client").expect_silence();
}

/// Several `--listen` make one broker with several addresses.
#[test]
fn several_listeners() {
    let broker = Broker::start_with(2, &["--listen", "127.0.0.1:0"]);
    let line = broker.wait_for_line("listening on ");
    let (_, addr) = line.split_once("listening on ").expect("waited for it");
    let second = std::net::TcpStream::connect(addr.trim()).expect("it listens there");
    let mut second = Client::over(second);
    second.send(&connect("second").bytes());
    second.expect(&crate::common::connack(false, 0));
    second.subscribe("a", 0);
    let mut first = Client::connect(&broker, "first");
    first.publish(&publish("a", "x"));
    second.expect_publish(&publish("a", "x"));
}

/// SIGTERM ends the broker with 0, with no clients, with idle ones, with half-connected ones.
#[test]
fn sigterm_ends_with_zero() {
    for shards in [1, 2, 4] {
        Broker::start(shards).stop();
        let broker = Broker::start(shards);
        let mut connected: Vec<_> =
            (0..8).map(|n| Client::connect(&broker, &format!("client-{n}"))).collect();
        let mut half: Vec<_> = (0..8).map(|_| Client::open(&broker)).collect();
        for client in &mut half[..4] {
            client.send(&connect("half").bytes()[..5]);
        }
        broker.stop();
        for client in connected.iter_mut().chain(&mut half) {
            client.expect_closed();
        }
    }
}

/// Messages that are buffered for a client when SIGTERM comes are delivered before the end.
#[test]
fn sigterm_delivers_what_is_buffered() {
    for shards in [1, 2] {
        let mut broker = Broker::start(shards);
        let mut subscriber = Client::connect(&broker, "subscriber");
        subscriber.subscribe("buffered", 0);
        let mut publisher = Client::connect(&broker, "publisher");
        let message = |number: u16| {
            let mut payload = vec![0; 4_096];
            payload[..2].copy_from_slice(&number.to_be_bytes());
            publish("buffered", payload)
        };
        // Below --max-outgoing-bytes, so nothing of it may be dropped.
        for number in 0..200 {
            publisher.send(&message(number).bytes());
        }
        // Answered behind them on this connection: the broker has handled them.
        publisher.publish(&publish("buffered", "end").qos1(1));
        broker.terminate();
        for number in 0..200 {
            subscriber.expect_publish(&message(number));
        }
        subscriber.expect_publish(&publish("buffered", "end"));
        subscriber.expect_closed();
        assert_eq!(broker.wait().code(), Some(0));
    }
}

/// A client that reads nothing does not keep the broker from ending.
#[test]
fn sigterm_does_not_wait_for_a_stuck_peer() {
    let broker = Broker::start(1);
    let mut stuck = Client::connect(&broker, "stuck");
    stuck.subscribe("stuck", 1);
    let mut publisher = Client::connect(&broker, "publisher");
    for number in 1..=400 {
        publisher.publish(&publish("stuck", [0; 65_536]).qos1(number));
    }
    broker.stop();
}

/// Each acknowledged answer was sent before the broker ended: a client that asks until the end
/// gets whole packets only.
#[test]
fn sigterm_cuts_no_packet() {
    let mut broker = Broker::start(2);
    let mut client = resume_as(&broker, "asker", false);
    client.send(&publish("a", "x").qos1(1).bytes());
    client.expect(&puback(1));
    client.send(&PINGREQ.repeat(1_000));
    broker.terminate();
    // Panics if it ends inside a packet.
    while client.try_read_packet().is_some() {}
    assert_eq!(broker.wait().code(), Some(0));
}
