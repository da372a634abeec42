//! Users and passwords.

use crate::common::Client;
use crate::common::{Broker, End, run_to_exit};
use crate::common::{connack, connect, publish};
use crate::files::{Files, PASSWORD, answer, connect_as, enter};

// The right password is accepted any number of times; other failures look the same from outside.
#[test]
fn passwords() {
    let files = Files::new();
    files.write_users("passwords", &["anna", "ben"]);
    for shards in [1, 2] {
        let broker = Broker::start_with(shards, &[&files.flag("--passwords", "passwords")]);
        for round in 0..3 {
            for (user, id) in [("anna", "a"), ("ben", "b"), ("/:anna", "c"), ("/:ben", "d")] {
                enter(&broker, user, &format!("{id}{round}")).leave();
            }
            for wrong in [
                connect("x").username("anna").password(format!("{PASSWORD}ben")),
                connect("x").username("anna").password(""),
                connect("x").username("anna"),
                connect("x").username("nobody").password(format!("{PASSWORD}anna")),
                connect("x").username("none:anna").password(format!("{PASSWORD}anna")),
                connect("x").username("").password(""),
                connect("x"),
            ] {
                assert_eq!(answer(&broker, &wrong), 5);
            }
        }
    }
}

// MQTT 3.1 has a code for a wrong password.
#[test]
fn version_31() {
    let files = Files::new();
    files.write_users("passwords", &["anna"]);
    let broker = Broker::start_with(1, &[&files.flag("--passwords", "passwords")]);
    let wrong = connect("x").username("anna").password("wrong").v31();
    assert_eq!(answer(&broker, &wrong), 4);
    assert_eq!(answer(&broker, &connect("x").v31()), 5);
    assert_eq!(answer(&broker, &connect_as("anna", "x").v31()), 0);
}

// Packets behind a CONNECT whose password is being verified are handled in order after it is
// accepted.
#[test]
fn what_follows_waits() {
    let files = Files::new();
    files.write_users("passwords", &["anna"]);
    for shards in [1, 2] {
        let broker = Broker::start_with(shards, &[&files.flag("--passwords", "passwords")]);
        let mut listener = enter(&broker, "anna", "listener");
        listener.subscribe("t", 0);
        let mut client = Client::open(&broker);
        let mut bytes = connect_as("anna", "hasty").bytes();
        for n in 0..100 {
            bytes.extend(publish("t", format!("{n}")).bytes());
        }
        client.send(&bytes);
        client.expect(&connack(false, 0));
        for n in 0..100 {
            listener.expect_publish(&publish("t", format!("{n}")));
        }
        let mut client = Client::open(&broker);
        let mut bytes = connect("hasty").username("anna").password("wrong").bytes();
        bytes.extend(publish("t", "unheard").bytes());
        client.send(&bytes);
        client.expect(&connack(false, 5));
        client.expect_closed();
        listener.expect_silence();
    }
}

// Any number of wrong passwords from this host do not block it, because it may be a proxy.
#[test]
fn loopback_is_exempt() {
    let files = Files::new();
    files.write_users("passwords", &["anna", "ben"]);
    let flags = [&*files.flag("--passwords", "passwords"), "--auth-failures-max=3"];
    let broker = Broker::start_with(1, &flags);
    for n in 0..5 {
        let wrong = connect("x").username("anna").password(format!("wrong {n}"));
        assert_eq!(answer(&broker, &wrong), 5);
    }
    enter(&broker, "ben", "b").leave();
    broker.terminate();
    let counted = broker.wait_for_line("counted:");
    assert!(counted.contains("passwords_wrong 5") && !counted.contains("logins_throttled"));
}

// After too many wrong passwords from an address none is verified, but a remembered right one is
// accepted. Behind a proxy they count for the address in the header.
#[test]
fn too_many_wrong_ones_behind_a_proxy() {
    let files = Files::new();
    files.write_users("passwords", &["anna", "ben"]);
    let passwords = files.flag("--passwords", "passwords");
    let proxied = ["--listen=127.0.0.1:0,proxy", "--proxy-trust=127.0.0.1"];
    let flags = [&[&*passwords, "--auth-failures-max=3"], &proxied[..]].concat();
    let broker = Broker::start_with(2, &flags);
    let line = broker.wait_for_line(", behind a proxy");
    let (_, rest) = line.split_once("listening on ").expect("it listens");
    let addr = rest.split(',').next().expect("split gives at least one").to_owned();
    let answer = |address: &str, packet: Vec<u8>| {
        let socket = std::net::TcpStream::connect(&addr).expect("it listens");
        let mut client = Client::over(socket);
        let header = format!("PROXY TCP4 {address} 127.0.0.1 56324 1883\r\n");
        client.send(&[header.as_bytes(), &packet].concat());
        client.read_packet()[3]
    };
    let known = connect_as("anna", "a").bytes();
    assert_eq!(answer("203.0.113.7", known.clone()), 0);
    for n in 0..3 {
        let wrong = connect("x").username("anna").password(format!("wrong {n}"));
        assert_eq!(answer("203.0.113.7", wrong.bytes()), 5);
    }
    assert_eq!(answer("203.0.113.7", known), 0, "was in before");
    let right = connect_as("ben", "b").bytes();
    assert_eq!(answer("203.0.113.7", right.clone()), 5, "right, and not looked at");
    assert_eq!(answer("203.0.113.8", right), 0, "another address");
    broker.terminate();
    let counted = broker.wait_for_line("counted:");
    assert!(counted.contains("passwords_wrong 3") && counted.contains("logins_throttled 1"));
}

// A listener that other hosts can reach needs a setting of who may connect.
#[test]
fn open_doors() {
    let files = Files::new();
    let (code, said) = run_to_exit(&["--listen=0.0.0.0:0"]);
    assert_eq!(code, Some(1));
    assert!(said.contains("--passwords") && said.contains("--allow-anonymous"), "{said}");
    files.write("passwords", "anna:no hash\n");
    let (code, said) =
        run_to_exit(&["--listen=127.0.0.1:0", &files.flag("--passwords", "passwords")]);
    assert_eq!(code, Some(1));
    assert!(said.contains("passwords:1"), "names the line: {said}");
}

// With users, anonymous clients are refused unless a flag allows them.
#[test]
fn anonymous_clients() {
    let files = Files::new();
    files.write_users("passwords", &["anna"]);
    let passwords = files.flag("--passwords", "passwords");
    let broker = Broker::start_with(1, &[&passwords, "--allow-anonymous"]);
    assert_eq!(answer(&broker, &connect("x")), 0);
    assert_eq!(answer(&broker, &connect_as("anna", "y")), 0);
    assert_eq!(answer(&broker, &connect("x").username("anna").password("wrong")), 5);
}

// A session belongs to its user: other users are refused without any effect; one of an anonymous
// client may be taken over by all.
#[test]
fn takeovers() {
    let files = Files::new();
    files.write_users("passwords", &["anna", "ben"]);
    let passwords = files.flag("--passwords", "passwords");
    for shards in [1, 2] {
        let flags = [&*passwords, "--allow-anonymous"];
        let mut broker = Broker::start_with(shards, &flags);
        Client::connect_with(&broker, &connect("open").persistent()).leave();
        for restarted in [false, true] {
            let mut anna = Client::open(&broker);
            anna.send(&connect_as("anna", "device").persistent().bytes());
            anna.expect(&connack(restarted, 0));
            assert_eq!(answer(&broker, &connect_as("ben", "device")), 2);
            assert_eq!(answer(&broker, &connect("device")), 2);
            anna.expect_silence();
            let mut again = Client::open(&broker);
            again.send(&connect_as("anna", "device").persistent().bytes());
            again.expect(&connack(true, 0));
            anna.expect_closed();
            again.leave();
            assert_eq!(answer(&broker, &connect_as("ben", "device")), 2, "also while it is away");
            assert_eq!(answer(&broker, &connect_as("ben", "open").persistent()), 0);
            assert_eq!(answer(&broker, &connect_as("anna", "open")), 2, "ben has it now");
            assert_eq!(answer(&broker, &connect("open").persistent()), 2);
            broker.restart(End::Killed);
        }
        broker.restart_with(End::Stopped, &[&*passwords, "--takeover=any"]);
        let mut ben = Client::open(&broker);
        ben.send(&connect_as("ben", "device").persistent().bytes());
        ben.expect(&connack(true, 0));
        enter(&broker, "anna", "device").leave();
        ben.expect_closed();
    }
}
