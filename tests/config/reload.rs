//! SIGHUP: settings of the configuration file change under clients that stay.

use std::fs;
use std::io::{Read, Write};
use std::sync::mpsc;
use std::thread;

use rustix::process::{Pid, Signal, kill_process};

use crate::common::websocket::{request, socket};
use crate::common::{
    Broker, Client, PATIENCE, PINGREQ, PINGRESP, connect, puback, publish, suback, subscribe,
};
use crate::files::{Files, answer, connect_as, enter};
use crate::tool::ringmq;

const FILE: &str = "a.toml";

/// A broker with a configuration file of this text, and the file.
#[track_caller]
fn start(shards: usize, text: &str) -> (Broker, Files) {
    let files = Files::new();
    files.write(FILE, text);
    let broker = Broker::start_with(shards, &[&files.flag("--config", FILE)]);
    (broker, files)
}

/// Has the broker read this instead.
#[track_caller]
fn change(broker: &Broker, files: &Files, text: &str) {
    files.write(FILE, text);
    let said = broker.reload();
    assert!(said.trim_end().ends_with("INFO  reloaded"), "{said}");
}

/// Waits until the broker has counted at least this many.
#[track_caller]
fn wait_for_count(broker: &Broker, counter: &str, count: u32) {
    let pid = i32::try_from(broker.pid()).ok().and_then(Pid::from_raw).expect("it runs");
    loop {
        kill_process(pid, Signal::USR1).expect("it is our child");
        let line = broker.wait_for_line("counted so far");
        let (_, rest) = line.split_once(&format!(" {counter} ")).expect("it is counted");
        let counted: u32 = rest.split(',').next().and_then(|it| it.parse().ok()).expect("a number");
        if counted >= count {
            return;
        }
    }
}

// Paths and origins of WebSocket change for new connections.
#[test]
fn websockets() {
    let (broker, files) = start(2, "ws-path = [\"/old\"]\nws-origin = [\"https://a.example\"]\n");
    let ask = |path: &str, origin: &str| {
        let mut socket = socket(&broker);
        let asked = request(path, &format!("Origin: https://{origin}.example\r\n"));
        socket.write_all(asked.as_bytes()).expect("the broker reads it");
        let mut answer = [0; 12];
        socket.read_exact(&mut answer).expect("the broker answers");
        String::from_utf8_lossy(&answer[9..]).into_owned()
    };
    let asked = [("/old", "a"), ("/new", "a"), ("/old", "b"), ("/new", "b")];
    assert_eq!(asked.map(|(path, origin)| ask(path, origin)), ["101", "404", "403", "404"]);
    change(&broker, &files, "ws-path = [\"/new\"]\nws-origin = [\"https://b.example\"]\n");
    assert_eq!(asked.map(|(path, origin)| ask(path, origin)), ["404", "403", "404", "101"]);
}

// Limits of connected clients change: to less, and back to more.
#[test]
fn limits_of_clients() {
    for shards in [1, 2] {
        let (broker, files) = start(shards, "max-subscriptions = 2\n");
        let mut client = Client::connect(&broker, "client");
        let ask = |client: &mut Client, n: u16, code: u8| {
            client.send(&subscribe(n, &[(&format!("a/{n}"), 0)]));
            client.expect(&suback(n, &[code]));
        };
        ask(&mut client, 1, 0);
        ask(&mut client, 2, 0);
        ask(&mut client, 3, 0x80);
        change(&broker, &files, "max-subscriptions = 3\n");
        ask(&mut client, 3, 0);
        ask(&mut client, 4, 0x80);
        change(&broker, &files, "max-topic-levels = 2\n");
        ask(&mut client, 4, 0);
        client.send(&subscribe(5, &[("a/b/c", 0)]));
        client.expect(&suback(5, &[0x80]));
        change(&broker, &files, "max-packet-size = 64\n");
        client.send(&publish("a/9", [0; 40]).bytes());
        client.send(PINGREQ);
        client.expect(PINGRESP);
        client.send(&publish("a/9", [0; 100]).bytes());
        client.expect_closed();
    }
}

// A topic that was allowed, and published to, is denied when it has too many levels.
#[test]
fn denied_topics_are_looked_at_anew() {
    let (broker, files) = start(1, "");
    let mut client = Client::connect(&broker, "client");
    client.subscribe("#", 0);
    for _ in 0..2 {
        client.send(&publish("a/b/c", "x").bytes());
        client.expect_publish(&publish("a/b/c", "x"));
    }
    change(&broker, &files, "max-topic-levels = 2\non-denied = 'disconnect'\n");
    client.send(&publish("a/b", "x").bytes());
    client.expect_publish(&publish("a/b", "x"));
    client.send(&publish("a/b/c", "x").bytes());
    client.expect_closed();
}

// A client that was paused for its rate continues when the limit is raised.
#[test]
fn publish_rates() {
    for shards in [1, 2] {
        // The second message would be read after an hour and more.
        let (broker, files) = start(shards, "client-publish-bytes = 1\n");
        let mut client = Client::connect(&broker, "client");
        client.send(&publish("a", [0; 5_000]).qos1(1).bytes());
        client.send(&publish("a", "x").qos1(2).bytes());
        client.expect(&puback(1));
        wait_for_count(&broker, "publishers_throttled", 1);
        change(&broker, &files, "");
        client.expect(&puback(2));
        client.send(&publish("a", [0; 5_000]).qos1(3).bytes());
        client.expect(&puback(3));
        change(&broker, &files, "client-publish-bytes = 1\n");
        client.send(&publish("a", [0; 5_000]).qos1(4).bytes());
        client.send(&publish("a", "x").qos1(5).bytes());
        client.expect(&puback(4));
        wait_for_count(&broker, "publishers_throttled", 2);
        change(&broker, &files, "client-publish-bytes = 1000000\n");
        client.expect(&puback(5));
    }
}

// A publisher that waits for a full session continues when the policy changes to dropping, or the
// limit is raised.
#[test]
fn full_sessions() {
    const FULL: &str = "session-max-bytes = '64KiB'\nsession-overflow = 'block'\n";
    for shards in [1, 2] {
        for after in [
            "session-max-bytes = '64KiB'\nsession-overflow = 'drop-oldest'\n",
            "session-max-bytes = '64MiB'\nsession-overflow = 'block'\n",
        ] {
            let (broker, files) = start(shards, FULL);
            let mut absent = Client::connect_with(&broker, &connect("absent").persistent());
            absent.subscribe("a", 1);
            absent.leave();
            let mut publisher = Client::connect(&broker, "publisher");
            let send = |publisher: &mut Client, n: u16| {
                publisher.send(&publish("a", [0; 30_000]).qos1(n).bytes());
            };
            for n in 1..=2 {
                send(&mut publisher, n);
                publisher.expect(&puback(n));
            }
            send(&mut publisher, 3);
            wait_for_count(&broker, "publishers_blocked", 1);
            change(&broker, &files, after);
            publisher.expect(&puback(3));
            for n in 4..=6 {
                send(&mut publisher, n);
                publisher.expect(&puback(n));
            }
        }
    }
}

// A publisher that waits for a client which does not read waits no longer than by the new patience.
#[test]
fn patience() {
    for shards in [1, 2] {
        let text = "max-outgoing-bytes = '64KiB'\nqos0-patience = '60s'\n";
        let (broker, files) = start(shards, text);
        let mut slow = Client::connect(&broker, "slow");
        slow.subscribe("stream", 0);
        let mut publisher = Client::connect(&broker, "publisher");
        let (done, is_done) = mpsc::channel();
        thread::scope(|scope| {
            scope.spawn(|| {
                // More than the socket buffers of both sides hold.
                for _ in 0..4_000 {
                    publisher.send(&publish("stream", [0; 8 * 1024]).bytes());
                }
                publisher.publish(&publish("elsewhere", "x").qos1(1));
                done.send(()).expect("the test waits for it");
            });
            wait_for_count(&broker, "publishers_held", 1);
            change(&broker, &files, "max-outgoing-bytes = '64KiB'\nqos0-patience = '20ms'\n");
            is_done.recv_timeout(PATIENCE).expect("it goes on");
        });
        broker.expect_said("client \"slow\": reads too slowly");
    }
}

// A session that was kept for ever expires when it may not be any more.
#[test]
fn session_expiry() {
    for shards in [1, 2] {
        let (broker, files) = start(shards, "session-expiry = 0\n");
        Client::connect_with(&broker, &connect("absent").persistent()).leave();
        change(&broker, &files, "session-expiry = '50ms'\n");
        broker.expect_said("1 session expired (--session-expiry)");
    }
}

// A client above the limit is refused, and accepted when the limit is raised; connected clients
// stay when it is lowered.
#[test]
fn connections() {
    for shards in [1, 2] {
        let (broker, files) = start(shards, "max-connections = 1\n");
        let mut first = Client::connect(&broker, "first");
        assert_eq!(answer(&broker, &connect("second")), 3);
        change(&broker, &files, "max-connections = 2\n");
        let mut second = Client::connect(&broker, "second");
        assert_eq!(answer(&broker, &connect("third")), 3);
        change(&broker, &files, "max-connections = 1\n");
        first.expect_silence();
        second.expect_silence();
        assert_eq!(answer(&broker, &connect("third")), 3);
    }
}

// More of the retained messages, or fewer, from then on.
#[test]
fn retained_messages() {
    let (broker, files) = start(1, "retained-max-count = 1\n");
    let mut client = Client::connect(&broker, "client");
    let keep = |client: &mut Client, n: u16| {
        client.send(&publish(format!("r/{n}"), "x").retained().qos1(n).bytes());
        client.expect(&puback(n));
    };
    keep(&mut client, 1);
    keep(&mut client, 2);
    change(&broker, &files, "retained-max-count = 2\n");
    keep(&mut client, 3);
    keep(&mut client, 4);
    client.send(&subscribe(9, &[("r/#", 0)]));
    client.expect(&suback(9, &[0]));
    client.expect_publish(&publish("r/1", "x").retained());
    client.expect_publish(&publish("r/3", "x").retained());
    client.expect_silence();
}

// The log says more when it is to, with SIGUSR2 still adding to it; and nothing of clients.
#[test]
fn log_levels() {
    let (broker, files) = start(1, "log-connections = 'off'\n");
    Client::connect(&broker, "unnamed").leave();
    change(&broker, &files, "log = 'info,ringmq=debug'\n");
    drop(Client::connect(&broker, "named"));
    broker.wait_for_line("DEBUG");
    broker.wait_for_line("\"named\"");
    assert!(!broker.said().contains("\"unnamed\""), "{}", broker.said());
    let ask = |text: &str| {
        files.write(FILE, text);
        let data_dir = broker.data_dir().to_str().expect("it is text");
        assert_eq!(ringmq(&["reload", "--data-dir", data_dir], &[]).code, Some(0));
    };
    ask("log = 'warn'\n");
    Client::connect(&broker, "quiet").leave();
    ask("log = 'info'\nmax-inflight = 3\n");
    broker.wait_for_line("--max-inflight is 3 now (it was 65535)");
    assert!(!broker.said().contains("\"quiet\""), "{}", broker.said());
}

// A new setting names a file of users: they can log in, and anonymous clients may not stay
// connected.
#[test]
fn users_by_a_new_setting() {
    let (broker, files) = start(2, "");
    files.write_users("passwords", &["anna", "ben"]);
    files.write("acl", "user anna\ntopic readwrite a\n");
    let mut nobody = Client::connect(&broker, "nobody");
    let path = |name: &str| files.path(name).display().to_string();
    let passwords = format!("passwords = '{}'\n", path("passwords"));
    change(&broker, &files, &passwords);
    nobody.expect_closed();
    let mut anna = enter(&broker, "anna", "anna");
    assert_eq!(answer(&broker, &connect_as("carla", "carla")), 5);
    change(&broker, &files, &format!("{passwords}acl = '{}'\n", path("acl")));
    anna.send(&subscribe(1, &[("a", 0), ("b", 0)]));
    anna.expect(&suback(1, &[0, 0x80]));
    change(&broker, &files, &passwords);
    anna.send(&subscribe(2, &[("b", 0)]));
    anna.expect(&suback(2, &[0]));
}

// A refused reload gives a new vhost no number, and leaves nothing behind.
#[test]
fn refused_reloads_number_no_vhost() {
    let files = Files::new();
    files.write_users("vhosts/a/passwords", &["anna"]);
    files.write(FILE, &format!("vhosts = \"{}\"\n", files.path("vhosts").display()));
    let config = files.flag("--config", FILE);
    let proxied = ["--listen=127.0.0.1:0,proxy", "--proxy-trust=10.0.0.0/8"];
    let broker = Broker::start_with(1, &[&[&*config], &proxied[..]].concat());
    let numbers = || fs::read(broker.data_dir().join("VHOSTS")).expect("it is there");
    let before = numbers();
    // No user is left, and other hosts can connect through the proxy.
    fs::remove_file(files.path("vhosts/a/passwords")).expect("it is there");
    files.write("vhosts/b/limits", "max-sessions = 1\n");
    broker.hang_up();
    let says = broker.wait_for_line("not reloaded");
    assert!(says.contains("everybody could connect"), "{says}");
    assert_eq!(numbers(), before);
    files.write_users("vhosts/b/passwords", &["anna"]);
    broker.reload();
    assert_ne!(numbers(), before);
}
