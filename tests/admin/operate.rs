//! Changes of the broker as a whole, and its settings.

use std::fs;

use serde_json::{Value, json};

use crate::common::{Client, DataDir};
use crate::http::{Reply, start};

/// The item of a list with this name.
#[track_caller]
fn named(reply: &Reply, name: &str) -> Value {
    let items = reply.json()["items"].as_array().expect("a list").clone();
    let found = items.into_iter().find(|item| item["name"] == name);
    found.unwrap_or_else(|| panic!("no {name}: {reply:?}"))
}

// A reload reports applied and waiting changes; a failed one names file, line and key, and changes
// nothing.
#[test]
fn reloads_tell_what_they_did() {
    let files = DataDir::fresh();
    fs::create_dir_all(files.path()).expect("there is room");
    let path = files.path().join("ringmq.toml");
    let write = |text: &str| fs::write(&path, text).expect("there is room");
    write("max-inflight = 5\n");
    let (broker, door) = start(1, &["--config", path.to_str().expect("it is text")]);
    let setting = |name: &str| named(&door.get("/api/v1/config"), name);
    let inflight = setting("max-inflight");
    assert_eq!((&inflight["values"], &inflight["origin"]), (&json!(["5"]), &json!("file")));
    assert_eq!((&inflight["line"], &inflight["reload"]), (&json!(1), &json!("yes")));
    assert_eq!(setting("shards")["origin"], "flag");
    assert_eq!(setting("max-packet-size")["origin"], "default");
    write("max-inflight = 6\nlog-format = \"json\"\n");
    let reply = door.send("POST", "/api/v1/reload", "");
    assert_eq!(reply.status, 200, "{reply:?}");
    let taken = json!([{ "name": "max-inflight", "before": "5", "after": "6" }]);
    assert_eq!(reply.json()["taken"], taken);
    assert_eq!(reply.json()["waiting"][0]["name"], "log-format", "{reply:?}");
    assert_eq!(setting("max-inflight")["values"], json!(["6"]));
    write("max-inflight = 7\nmax-inflite = 8\n");
    let reply = door.send("POST", "/api/v1/reload", "");
    assert_eq!((reply.status, &*reply.code()), (422, "invalid"));
    let fault = &reply.json()["error"]["faults"][0];
    assert_eq!((&fault["line"], &fault["key"]), (&json!(2), &json!("max-inflite")), "{reply:?}");
    assert!(fault["message"].as_str().is_some_and(|it| it.contains("max-inflight")), "{reply:?}");
    assert_eq!(setting("max-inflight")["values"], json!(["6"]), "it stays as it was");
    broker.expect_said("reload \"configuration\" by admin.token");
    broker.stop();
}

// The log filter changes at once; a reload, or the end of its time, restores the configured one.
#[test]
fn log_levels_change() {
    let (broker, door) = start(1, &["--log", "warn,ringmq::server=info,ringmq::admin=info"]);
    let set = |body: &str| door.send("PUT", "/api/v1/log-level", body);
    assert_eq!(set(r#"{"filter":"debug"}"#).status, 200);
    let client = Client::connect(&broker, "chatty");
    broker.wait_for_line("chatty");
    client.leave();
    assert_eq!(door.send("POST", "/api/v1/reload", "").status, 200);
    broker.wait_for_line("again, as configured");
    assert_eq!(set(r#"{"filter":"debug","seconds":1}"#).status, 200);
    broker.wait_for_line("again, as configured");
    for (body, field) in [
        (r#"{"filter":"loud"}"#, "filter"),
        (r#"{"filter":"info","seconds":0}"#, "seconds"),
        ("{}", "filter"),
    ] {
        let reply = set(body);
        assert_eq!(reply.status, 422, "{body}: {reply:?}");
        assert_eq!(reply.json()["error"]["field"], field, "{body}");
    }
    broker.stop();
}

// A draining broker reports that it is not ready, disconnects its clients, and accepts no client
// until the drain ends.
#[test]
fn drained_brokers_let_nobody_in() {
    let (broker, door) = start(3, &[]);
    let mut clients: Vec<Client> =
        (0..30).map(|n| Client::connect(&broker, &format!("c{n}"))).collect();
    let reply = door.send("POST", "/api/v1/drain", r#"{"seconds":1}"#);
    assert_eq!(reply.status, 200, "{reply:?}");
    let ready = door.ask("GET", "/readyz", &[]);
    assert_eq!((ready.status, &*ready.body), (503, "draining\n"));
    let check = door.get("/api/v1/checks/listeners");
    assert_eq!((check.status, &*check.code()), (503, "check_failed"));
    assert_eq!(door.send("POST", "/api/v1/drain", "{}").status, 409);
    clients.iter_mut().for_each(Client::expect_closed);
    broker.wait_for_line("drained: no client is connected");
    Client::open(&broker).expect_closed();
    let reply = door.delete("/api/v1/drain");
    assert_eq!((reply.status, &reply.json()["draining"]), (200, &json!(false)));
    assert_eq!(door.ask("GET", "/readyz", &[]).status, 200);
    Client::connect(&broker, "new").leave();
    broker.stop();
}

// Listeners are listed as they are, and each check says that all is well.
#[test]
fn listeners_and_checks() {
    let (broker, door) = start(2, &[]);
    let listeners = door.get("/api/v1/listeners").json();
    let own = json!([
        { "at": broker.addr().to_string(), "tls": false, "proxy": false, "local": true },
    ]);
    assert_eq!(listeners["items"], own);
    for name in ["disk", "certificates", "certificates?within=30d", "listeners", "shards"] {
        let reply = door.get(&format!("/api/v1/checks/{name}"));
        assert_eq!((reply.status, &reply.json()["ok"]), (200, &json!(true)), "{reply:?}");
    }
    let reply = door.get("/api/v1/checks/certificates?within=30");
    assert_eq!((reply.status, &reply.json()["error"]["field"]), (422, &json!("within")));
    broker.stop();
}
