//! Log lines about refused clients, blocked addresses and denied operations.

use std::net::TcpStream;

use crate::common::{Broker, Client, connect, publish, suback, subscribe};
use crate::files::{Files, PASSWORD, answer, connect_as, enter};

// A refusal is logged with user and reason, and never with the password.
#[test]
fn refusals_have_reasons() {
    let files = Files::new();
    files.write_users("passwords", &["anna", "ben"]);
    let passwords = files.flag("--passwords", "passwords");
    for shards in [1, 2] {
        let broker = Broker::start_with(shards, &[&passwords]);
        let anna = |id: &str| connect_as("anna", id).persistent();
        Client::connect_with(&broker, &anna("hers")).leave();
        let wrong = connect("a").username("anna").password("hunter2");
        for (packet, code, says) in [
            (wrong, 5, "client \"a\": refused from 127.0.0.1:PORT, user \"anna\": wrong password"),
            (connect("b"), 5, "client \"b\": refused from 127.0.0.1:PORT, anonymous: it may not"),
            (connect("c").username("anna"), 5, "user \"anna\": no password"),
            (
                connect_as("ben", "hers"),
                2,
                "user \"ben\": the session of this client id in vhost \"/\" belongs to",
            ),
            (connect_as("ben", "").persistent(), 2, "user \"ben\": an empty client id needs"),
            (connect_as("ben", &"x".repeat(1_025)), 2, "its client id has over 1,024 bytes"),
            (connect("d").protocol("MQTT", 3), 1, "its MQTT version is not spoken here"),
        ] {
            assert_eq!(answer(&broker, &packet), code, "{says}");
            let line = broker.wait_for_line("efused ");
            let (before, after) = line.split_once("127.0.0.1:").expect("the address is there");
            let digits = after.find(|c: char| !c.is_ascii_digit()).expect("more follows");
            let line = format!("{before}127.0.0.1:PORT{}", &after[digits..]);
            assert!(line.contains(says) && line.contains(" WARN "), "{says}: {line}");
        }
        assert!(!broker.said().contains("hunter2") && !broker.said().contains(PASSWORD));
    }
}

// A blocked address is logged with the end of the block; loopback is never blocked.
#[test]
fn shut_out_addresses_are_named() {
    let files = Files::new();
    files.write_users("passwords", &["anna"]);
    let passwords = files.flag("--passwords", "passwords");
    let flags = [
        &*passwords,
        "--auth-failures-max=3",
        "--listen=127.0.0.1:0,proxy",
        "--proxy-trust=127.0.0.1",
    ];
    let broker = Broker::start_with(2, &flags);
    let line = broker.wait_for_line(", behind a proxy");
    let (_, rest) = line.split_once("listening on ").expect("it listens");
    let addr = rest.split(',').next().expect("split gives at least one").to_owned();
    for n in 0..5 {
        let wrong = connect("x").username("anna").password(format!("wrong {n}"));
        assert_eq!(answer(&broker, &wrong), 5);
    }
    enter(&broker, "anna", "a").leave();
    for (family, address, shown) in
        [("TCP4", "203.0.113.7", "203.0.113.7"), ("TCP6", "2001:db8::7", "2001:db8::/64")]
    {
        for n in 0..4 {
            let mut client = Client::over(TcpStream::connect(&addr).expect("it listens"));
            let wrong = connect("x").username("anna").password(format!("wrong {address} {n}"));
            let local = if family == "TCP4" { "127.0.0.1" } else { "::1" };
            let header = format!("PROXY {family} {address} {local} 56324 1883\r\n");
            client.send(&[header.as_bytes(), &wrong.bytes()].concat());
            assert_eq!(client.read_packet()[3], 5);
        }
        let line = broker.wait_for_line(" is shut out until ");
        assert!(line.contains(&format!(" {shown} is shut out until ")), "{line}");
        assert!(line.contains("Z: 3 wrong passwords within a minute"), "{line}");
        let line = broker.wait_for_line("had too many wrong passwords");
        assert!(line.contains("56324, user \"anna\""), "{line}");
    }
}

// A denied topic or filter of a client is logged once; further ones are counted.
#[test]
fn denials_are_named() {
    let files = Files::new();
    files.write_users("passwords", &["anna"]);
    files.write("acl", "user anna\ntopic readwrite a/#\n");
    let flags = [&*files.flag("--passwords", "passwords"), &files.flag("--acl", "acl")];
    for shards in [1, 2] {
        let broker = Broker::start_with(shards, &flags);
        let mut anna = enter(&broker, "anna", "her device");
        for n in 0..50 {
            anna.send(&publish(format!("b/{n}"), "x").bytes());
        }
        let line = broker.wait_for_line("may not publish to ");
        let said = "client \"her device\": may not publish to \"b/0\": the access rules deny it\n";
        assert!(line.ends_with(said) && line.contains(" WARN "), "{line}");
        for id in 1..4 {
            anna.send(&subscribe(id, &[("b/#", 0)]));
            anna.expect(&suback(id, &[0x80]));
        }
        let line = broker.wait_for_line("may not subscribe to ");
        let said =
            "client \"her device\": may not subscribe to \"b/#\": the access rules deny it\n";
        assert!(line.ends_with(said), "{line}");
        let said = broker.said();
        assert_eq!(said.matches("may not publish to").count(), 1, "{said}");
        assert_eq!(said.matches("may not subscribe to").count(), 1, "{said}");
    }
}
