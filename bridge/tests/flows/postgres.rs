//! A table of PostgreSQL: exactly once, whatever is killed.

use super::harness::{Bridge, Broker, Client, Postgres};

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
