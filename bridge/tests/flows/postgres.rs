//! A table of PostgreSQL: exactly once, whatever is killed.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread;

use super::harness::{Bridge, Broker, Client, Deaf, Postgres, TempDir};

fn config(home: &Broker, database: &Postgres, columns: &str, keys: &str) -> String {
    format!(
        "[broker]\nurl = \"{}\"\n[[sink]]\nname = \"sql\"\nfilters = [\"m/#\"]\n{keys}\n\
         [sink.postgres]\nurl = \"{}\"\ntable = \"telemetry\"\ncolumns = {{ {columns} }}\n",
        home.url(),
        database.url()
    )
}

// Values of the message are in their columns; what the bridge or the server refuses is a dead
// letter with the reason, and the rows around it are there.
#[test]
fn rows_have_their_values() {
    let (home, database) = (Broker::start(), Postgres::start());
    database.ask(
        "CREATE TABLE telemetry (topic text, line text, v float8, n int4 UNIQUE, at timestamptz, \
         ok bool, body bytea, doc jsonb CHECK (doc IS DISTINCT FROM '[13]'))",
    );
    let columns = "topic = \"{topic}\", line = \"{2}\", v = \"json:$.v:float8\", n = \"json:$.n\", \
                   at = \"json:$.at\", ok = \"json:$.ok\", body = \"{payload}\", \
                   doc = \"json:$.doc\"";
    let mut letters = Client::unix(&home.socket(), "letters", false);
    letters.subscribe("dead/sql");
    let bridge = Bridge::start(&config(&home, &database, columns, "batch = { linger = \"50ms\" }"));
    bridge.process.wait_for_line("subscribed");
    let mut writer = Client::unix(&home.socket(), "writer", false);
    let payloads = [
        r#"{"v": 1.5, "n": 1, "at": 86400000, "ok": true, "doc": {"a": [1]}}"#,
        "no JSON",
        r#"{"n": 2}"#,
        r#"{"n": 1, "v": 9}"#,
        r#"{"n": "x"}"#,
        r#"{"n": 3, "doc": [13]}"#,
        r#"{"n": 4}"#,
    ];
    writer.publish_all(payloads.iter().map(|text| ("m/l1", (*text).to_owned())), false);
    let mut reasons: Vec<(String, String)> = (0..4)
        .map(|_| {
            let letter = letters.receive();
            let reason = letter.user.iter().find(|(name, _)| name == "ringmq-bridge-reason");
            (letter.payload, reason.expect("has a reason").1.clone())
        })
        .collect();
    reasons.sort();
    for ((payload, reason), (of, says)) in reasons.iter().zip([
        (payloads[1], "the payload is no JSON"),
        (payloads[4], "\"x\" is no integer"),
        (payloads[3], "duplicate key value violates unique constraint"),
        (payloads[5], "violates check constraint"),
    ]) {
        assert!(payload == of && reason.contains(says), "{payload}: {reason}");
    }
    // The last row is behind all refused ones.
    bridge.expect_metric("delivered_total", "sql", |value| value == 3.0);
    let rows = database.ask(
        "SET timezone = 'UTC'; SELECT n, topic, line, v, at, ok, doc, convert_from(body, 'UTF8') \
         FROM telemetry ORDER BY n",
    );
    let wanted = format!(
        "SET\n1|m/l1|l1|1.5|1970-01-02 00:00:00+00|t|{{\"a\": [1]}}|{}\n2|m/l1|l1|||||{}\n\
         4|m/l1|l1|||||{}",
        payloads[0], payloads[2], payloads[6]
    );
    assert_eq!(rows, wanted);
    bridge.expect_metric("dead_total", "sql", |value| value == 4.0);
}

// A table that is not there, or a column of another type, stops the sink, which names it.
#[test]
fn wrong_table_stops_the_sink() {
    let (home, database) = (Broker::start(), Postgres::start());
    let bridge = Bridge::start(&config(&home, &database, "v = \"json:$.v:float8\"", ""));
    bridge.process.wait_for_line("subscribed");
    let mut writer = Client::unix(&home.socket(), "writer", false);
    writer.publish("m/a", "{\"v\": 1}");
    let line = bridge.process.wait_for_line("sql: stopped: ");
    assert!(line.contains("relation \"telemetry\" does not exist"), "{line}");
    drop(bridge);
    database.ask("CREATE TABLE telemetry (v text)");
    let bridge = Bridge::start(&config(&home, &database, "v = \"json:$.v:float8\"", ""));
    let line = bridge.process.wait_for_line("sql: stopped: ");
    assert!(line.contains("is of type text, its template says float8"), "{line}");
}

// Kills of the bridge, the broker and the server in the middle: each message is in the table once,
// and in order.
#[test]
fn kills_lose_and_repeat_nothing() {
    const COUNT: usize = 6000;
    let rounds = super::harness::rounds(12);
    let (mut home, mut database) = (Broker::start(), Postgres::start());
    database.ask("CREATE TABLE telemetry (id bigserial, n int8)");
    let text = config(&home, &database, "n = \"{payload}\"", "batch = { messages = 100 }");
    let mut bridge = Bridge::start(&text);
    bridge.process.wait_for_line("subscribed");
    for round in 0..rounds {
        let mut writer = Client::unix(&home.socket(), "writer", false);
        let numbers = round * COUNT..(round + 1) * COUNT;
        writer.publish_all(numbers.map(|number| ("m/x", number.to_string())), false);
        // In the middle of the delivery, not before it.
        bridge.expect_metric("delivered_total", "sql", |value| value > 0.0);
        match round % 6 {
            0..=3 => {}
            4 => {
                home.kill();
                home.start_again();
                continue;
            }
            _ => {
                database.crash();
                database.start_again();
                continue;
            }
        }
        bridge.kill_and_start();
    }
    // The last message is behind all others.
    let total = rounds * COUNT;
    let last = format!("SELECT count(*) FROM telemetry WHERE n = {}", total - 1);
    while database.ask(&last) != "1" {}
    let facts = database.ask(
        "SELECT count(*), count(DISTINCT n), min(n), max(n), \
         (SELECT count(*) FROM (SELECT n, lag(n) OVER (ORDER BY id) AS before FROM telemetry) \
          AS t WHERE n <= before) FROM telemetry",
    );
    assert_eq!(facts, format!("{total}|{total}|0|{}|0", total - 1));
}

/// Passes on what a client and the server say, until the server has executed the first COMMIT of
/// all: its answer is kept from the client, and both connections end.
fn pass_on(client: UnixStream, server: UnixStream, loses: bool) -> bool {
    let (mut from_server, mut to_client) = (server.try_clone().expect("is open"), client);
    let (mut from_client, mut to_server) = (to_client.try_clone().expect("is open"), server);
    let answers = thread::spawn(move || {
        let mut bytes = [0; 65_536];
        while let Ok(count @ 1..) = from_server.read(&mut bytes) {
            let is_commit = bytes[..count].windows(8).any(|part| part == b"COMMIT\0Z");
            if is_commit && loses {
                let _ = to_client.shutdown(std::net::Shutdown::Both);
                return true;
            }
            if to_client.write_all(&bytes[..count]).is_err() {
                break;
            }
        }
        let _ = to_client.shutdown(std::net::Shutdown::Both);
        false
    });
    let mut bytes = [0; 65_536];
    while let Ok(count @ 1..) = from_client.read(&mut bytes) {
        if to_server.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    let _ = to_server.shutdown(std::net::Shutdown::Both);
    answers.join().expect("it does not panic")
}

// A COMMIT whose answer is lost has written its rows: they are not written again.
#[test]
fn lost_answer_repeats_nothing() {
    let (home, database, directory) = (Broker::start(), Postgres::start(), TempDir::new());
    database.ask("CREATE TABLE telemetry (n int8)");
    let url = database.url();
    let (_, rest) = url.split_once("host=").expect("names the directory");
    let real = Path::new(rest.split(' ').next().expect("is not empty")).join(".s.PGSQL.5432");
    let listener = UnixListener::bind(directory.join(".s.PGSQL.5432")).expect("is ours");
    thread::spawn(move || {
        let mut loses = true;
        for client in listener.incoming().map_while(Result::ok) {
            let server = UnixStream::connect(&real).expect("the server listens");
            loses &= !pass_on(client, server, loses);
        }
    });
    let text = config(&home, &database, "n = \"{payload}\"", "");
    let own = format!("host={}", directory.path().display());
    let text = text.replace(&format!("host={}", rest.split(' ').next().expect("as above")), &own);
    let bridge = Bridge::start(&text);
    bridge.process.wait_for_line("subscribed");
    let mut writer = Client::unix(&home.socket(), "writer", false);
    writer.publish_all((0..100).map(|number| ("m/x", number.to_string())), false);
    bridge.process.wait_for_line("delivers again");
    writer.publish("m/x", "100");
    bridge.expect_metric("delivered_total", "sql", |count| count == 101.0);
    assert_eq!(database.ask("SELECT count(*), count(DISTINCT n) FROM telemetry"), "101|101");
    fs::remove_file(directory.join(".s.PGSQL.5432")).expect("is ours");
}

// Rows that are committed are not written again, although the broker never got the
// acknowledgements: it and the bridge are killed after the commit.
#[test]
fn committed_rows_are_not_repeated() {
    let (mut home, database) = (Broker::start(), Postgres::start());
    database.ask("CREATE TABLE telemetry (n int8)");
    let way = Deaf::to(home.socket());
    let text = config(&home, &database, "n = \"{payload}\"", "").replace(&home.url(), &way.url());
    let mut bridge = Bridge::start(&text);
    bridge.process.wait_for_line("subscribed");
    way.lose(true);
    let mut writer = Client::unix(&home.socket(), "writer", false);
    writer.publish_all((0..500).map(|number| ("m/x", number.to_string())), false);
    bridge.expect_metric("delivered_total", "sql", |count| count == 500.0);
    home.kill();
    bridge.process.kill();
    way.lose(false);
    home.start_again();
    bridge.kill_and_start();
    bridge.expect_metric("delivered_total", "sql", |count| count == 500.0);
    Client::unix(&home.socket(), "writer", false).publish("m/x", "500");
    bridge.expect_metric("delivered_total", "sql", |count| count == 501.0);
    assert_eq!(database.ask("SELECT count(*), count(DISTINCT n) FROM telemetry"), "501|501");
}
