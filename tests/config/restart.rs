//! Changes that a reload does not apply: faults, which change nothing, and settings that need a
//! restart.

use std::fs;
use std::net::TcpStream;

use crate::common::{Broker, Client, Connect, connack, connect, suback, subscribe};
use crate::files::{Files, answer, connect_as, enter};

const FILE: &str = "a.toml";

/// Checks a client's bound of subscriptions.
#[track_caller]
fn expect_subscriptions_max(broker: &Broker, who: &Connect, max: u16) {
    let mut client = Client::connect_with(broker, who);
    let filters: Vec<String> = (0..=max).map(|n| format!("s/{n}")).collect();
    let asked: Vec<(&str, u8)> = filters.iter().map(|filter| (filter.as_str(), 0)).collect();
    client.send(&subscribe(1, &asked));
    let mut codes = vec![0; usize::from(max)];
    codes.push(0x80);
    client.expect(&suback(1, &codes));
    client.leave();
}

// A faulty configuration is reported with file, line and the most similar key, and changes nothing;
// the same holds for a file that it names. The corrected one is applied.
#[test]
fn all_or_nothing() {
    let files = Files::new();
    let path = |name: &str| files.path(name).display().to_string();
    files.write_users("passwords", &["anna"]);
    files.write_users("others", &["ben"]);
    files.write("acl", "user ben\ntopic everything #\n");
    let users = |name: &str| format!("passwords = '{}'\n", path(name));
    files.write(FILE, &(users("passwords") + "max-subscriptions = 2\n"));
    let broker = Broker::start_with(2, &[&files.flag("--config", FILE)]);
    let mut anna = enter(&broker, "anna", "anna");
    let good = users("others") + "max-subscriptions = 4\n";
    let of_acl = format!("{good}acl = '{}'\n", path("acl"));
    let of_tls =
        format!("{good}tls-listen = '1'\ntls-cert = '{0}'\ntls-key = '{0}'\n", path("acl"));
    for (text, says) in [
        (
            good.clone() + "max-subscription = 3\n",
            ":3: max-subscription: is no flag's name; the near",
        ),
        (good.clone() + "max-inflight = 'x'\n", ":3: max-inflight: \"x\" does not fit: takes 1 to"),
        (good.clone() + "max-inflight = \n", ":3: is no TOML: "),
        (good.clone() + "tls-min = '1.3'\n", ":3: tls-min: would change nothing"),
        (of_acl, "acl:2: "),
        (of_tls, "acl: has no PEM block CERTIFICATE"),
        (users("nowhere"), "nowhere: there is no such file"),
    ] {
        files.write(FILE, &text);
        let said = broker.reload();
        assert!(said.contains("not reloaded, everything stays as it was: "), "{said}");
        assert!(said.contains(says), "{says}: {said}");
        expect_subscriptions_max(&broker, &connect_as("anna", "asker"), 2);
        assert_eq!(answer(&broker, &connect_as("ben", "ben")), 5);
        anna.expect_silence();
    }
    fs::remove_file(files.path(FILE)).expect("it is there");
    let said = broker.reload();
    assert!(said.contains("a.toml: there is no such file"), "{said}");
    expect_subscriptions_max(&broker, &connect_as("anna", "asker"), 2);
    files.write(FILE, &good);
    assert!(broker.reload().ends_with(" INFO  reloaded\n"));
    anna.expect_closed();
    expect_subscriptions_max(&broker, &connect_as("ben", "asker"), 4);
    assert_eq!(answer(&broker, &connect_as("ben", "ben")), 0);
}

// A setting that needs a restart is named at each reload until it is reverted; the other changes
// are applied and named once.
#[test]
fn restarts_are_named() {
    let files = Files::new();
    files.write(FILE, "durability = 'os'\nmax-subscriptions = 2\n");
    let mut broker = Broker::start_with(1, &[&files.flag("--config", FILE)]);
    for round in 0..2 {
        files.write(
            FILE,
            "durability = 'disk'\nshards = 9\nlog-format = 'json'\n\
                           listen = ['unix:a']\nmax-subscriptions = 3\n",
        );
        broker.hang_up();
        if round == 0 {
            let line = broker.wait_for_line("--max-subscriptions is ");
            assert!(line.ends_with("--max-subscriptions is 3 now (it was 2)\n"), "{line}");
        }
        let line = broker.wait_for_line("waits for a restart");
        for part in ["--durability (started with os; configured: disk)", "--log-format"] {
            assert!(line.contains(part), "{line}");
        }
        // A flag counts before the file.
        assert!(!line.contains("--shards") && !line.contains("--max-subscriptions"), "{line}");
        broker.wait_for_line("INFO  reloaded");
        expect_subscriptions_max(&broker, &connect("asker"), 3);
    }
    files.write(FILE, "durability = 'os'\nmax-subscriptions = 3\n");
    broker.reload();
    broker.terminate();
    assert_eq!(broker.wait().code(), Some(0));
    assert_eq!(broker.said().matches("waits for a restart").count(), 2, "{}", broker.said());
    assert_eq!(broker.said().matches("--max-subscriptions is ").count(), 1, "{}", broker.said());
}

// A reload must not remove the protection of a guarded listener.
#[test]
fn open_listeners_stay_guarded() {
    let files = Files::new();
    files.write_users("passwords", &["anna"]);
    let guarded = format!("passwords = '{}'\n", files.path("passwords").display());
    files.write(FILE, &guarded);
    let flags = [&*files.flag("--config", FILE), "--listen", "0.0.0.0:0"];
    let broker = Broker::start_with(1, &flags);
    let mut anna = enter(&broker, "anna", "anna");
    files.write(FILE, "");
    let said = broker.reload();
    assert!(said.contains("not reloaded") && said.contains("everybody could connect"), "{said}");
    anna.expect_silence();
    files.write(FILE, "allow-anonymous = true\n");
    assert!(broker.reload().ends_with(" INFO  reloaded\n"));
    assert_eq!(answer(&broker, &connect("nobody")), 0);
}

// Removed proxies lose their trust at once, and the setting of listeners that stay is kept.
#[test]
fn proxies() {
    let files = Files::new();
    files.write(FILE, "proxy-trust = '127.0.0.1'\n");
    let flags =
        [&*files.flag("--config", FILE), "--allow-anonymous", "--listen", "127.0.0.1:0,proxy"];
    let broker = Broker::start_with(1, &flags);
    let line = broker.wait_for_line(", behind a proxy");
    let (_, addr) = line.split_once("listening on ").expect("an address stands before it");
    let addr = addr.split(',').next().expect("it is first").to_owned();
    let open = || Client::over(TcpStream::connect(&addr).expect("it listens there"));
    let enter = || {
        let mut client = open();
        client.send(b"PROXY TCP4 203.0.113.7 203.0.113.8 1 2\r\n");
        client.send(&connect("client").bytes());
        client.expect(&connack(false, 0));
    };
    enter();
    files.write(FILE, "proxy-trust = '10.0.0.0/8'\n");
    assert!(broker.reload().ends_with(" INFO  reloaded\n"));
    let mut refused = open();
    refused.expect_closed();
    broker.wait_for_line("not among --proxy-trust");
    files.write(FILE, "proxy-trust = ['10.0.0.0/8', '127.0.0.0/8']\n");
    assert!(broker.reload().ends_with(" INFO  reloaded\n"));
    enter();
}
