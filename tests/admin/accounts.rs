//! Users, vhosts and limits that operators change: in the files, at once, or not at all.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::common::{Broker, Client, DataDir, connack, connect};
use crate::http::{Door, start};

/// A broker with a vhost in a directory; also the directory and the files.
#[track_caller]
fn scene() -> (Broker, Door, PathBuf, DataDir) {
    let files = DataDir::fresh();
    let vhosts = files.path().join("vhosts");
    fs::create_dir_all(vhosts.join("shop")).expect("there is room");
    fs::write(vhosts.join("shop/passwords"), "# of the shop\n").expect("there is room");
    fs::create_dir_all(vhosts.join("%2F")).expect("there is room");
    let (broker, door) = start(2, &["--vhosts", vhosts.to_str().expect("it is text")]);
    (broker, door, vhosts, files)
}

/// The CONNACK code for a user name and a password; then the connection ends.
#[track_caller]
fn answer(broker: &Broker, user: &str, password: &str) -> u8 {
    let mut client = Client::open(broker);
    client.send(&connect("c").username(user).password(password).bytes());
    let code = client.read_packet()[3];
    match code {
        // The next one, which has the same id, must not meet its session.
        0 => client.leave(),
        _ => client.expect_closed(),
    }
    code
}

// A user can log in as soon as it is added, with its current password, and not after its deletion.
// Other lines of the file stay.
#[test]
fn users_are_added_and_deleted() {
    let (broker, door, vhosts, _files) = scene();
    let user = "/api/v1/user?vhost=shop&name=ann";
    assert_eq!(door.get(user).status, 404);
    assert_eq!(answer(&broker, "shop:ann", "one"), 5);
    for (password, created) in [("one", true), ("two", false)] {
        let reply = door.send("PUT", user, &json!({ "password": password }).to_string());
        assert_eq!((reply.status, &reply.json()["created"]), (200, &json!(created)), "{reply:?}");
        assert_eq!(answer(&broker, "shop:ann", password), 0);
    }
    assert_eq!(answer(&broker, "shop:ann", "one"), 5);
    assert_eq!(door.get(user).json(), json!({ "vhost": "shop", "name": "ann" }));
    let text = fs::read_to_string(vhosts.join("shop/passwords")).expect("it is there");
    assert!(text.starts_with("# of the shop\nann:$"), "{text}");
    assert_eq!(door.delete(user).status, 200);
    assert_eq!(door.delete(user).status, 404);
    assert_eq!(answer(&broker, "shop:ann", "two"), 5);
    broker.stop();
}

// Users are listed by name, page by page.
#[test]
fn users_are_listed() {
    let (broker, door, vhosts, _files) = scene();
    for name in ["c", "a", "b"] {
        let path = format!("/api/v1/user?vhost=shop&name={name}");
        assert_eq!(door.send("PUT", &path, r#"{"password":"x"}"#).status, 200);
    }
    let names = |query: &str| {
        let page = door.get(&format!("/api/v1/users?vhost=shop{query}")).json();
        let items = page["items"].as_array().expect("a list").iter();
        (items.map(|it| it["name"].clone()).collect::<Vec<Value>>(), page["next"].clone())
    };
    assert_eq!(names(""), (vec![json!("a"), json!("b"), json!("c")], Value::Null));
    assert_eq!(names("&limit=2"), (vec![json!("a"), json!("b")], json!("b")));
    assert_eq!(names("&limit=2&cursor=b"), (vec![json!("c")], Value::Null));
    fs::write(vhosts.join("shop/passwords"), r#"{"users":[]}"#).expect("there is room");
    let reply = door.get("/api/v1/users?vhost=shop");
    assert_eq!((reply.status, &*reply.code()), (409, "conflict"));
    broker.stop();
}

// An invalid request is refused with the reason, and no file changes.
#[test]
fn faulty_users_are_refused() {
    let (broker, door, vhosts, _files) = scene();
    for (name, body, field) in [
        ("a%3Ab", r#"{"password":"x"}"#, "name"),
        ("%23a", r#"{"password":"x"}"#, "name"),
        ("", r#"{"password":"x"}"#, "name"),
        ("a", "{}", "password"),
        ("a", r#"{"password":""}"#, "password"),
        ("a", r#"{"password":"x","password_hash":"y"}"#, "password"),
        ("a", r#"{"password_hash":"plain"}"#, "password_hash"),
        ("a", r#"{"password":"x","admin":true}"#, "body"),
    ] {
        let reply = door.send("PUT", &format!("/api/v1/user?vhost=shop&name={name}"), body);
        assert_eq!(reply.status, 422, "{name} {body}: {reply:?}");
        assert_eq!(reply.json()["error"]["field"], field, "{name} {body}: {reply:?}");
    }
    let reply = door.send("PUT", "/api/v1/user?vhost=none&name=a", r#"{"password":"x"}"#);
    assert_eq!(reply.status, 404, "{reply:?}");
    let text = fs::read_to_string(vhosts.join("shop/passwords")).expect("it is there");
    assert_eq!(text, "# of the shop\n");
    // A failed reload undoes the change, whatever the reason.
    fs::write(vhosts.join("shop/acl"), "user ann\nnonsense\n").expect("there is room");
    let reply = door.send("PUT", "/api/v1/user?vhost=shop&name=a", r#"{"password":"x"}"#);
    assert_eq!((reply.status, &*reply.code()), (422, "invalid"));
    let fault = &reply.json()["error"]["faults"][0];
    assert_eq!(fault["line"], 2, "{reply:?}");
    assert!(fault["file"].as_str().is_some_and(|file| file.ends_with("shop/acl")), "{reply:?}");
    let text = fs::read_to_string(vhosts.join("shop/passwords")).expect("it is there");
    assert_eq!(text, "# of the shop\n");
    broker.stop();
}

// Without files nothing can be changed, which the error says.
#[test]
fn brokers_without_files_say_so() {
    let (broker, door) = start(1, &[]);
    for (method, path, body) in [
        ("PUT", "/api/v1/user?name=a", r#"{"password":"x"}"#),
        ("PUT", "/api/v1/vhost?vhost=shop", ""),
        ("PUT", "/api/v1/vhost/limits?vhost=%2F", "{}"),
        ("DELETE", "/api/v1/vhost?vhost=shop", ""),
    ] {
        let reply = door.send(method, path, body);
        assert_eq!((reply.status, &*reply.code()), (409, "conflict"), "{method} {path}");
        let hint = reply.json()["error"]["hint"].clone();
        assert!(hint.as_str().is_some_and(|hint| hint.contains("start ")), "{reply:?}");
    }
    assert_eq!(door.get("/api/v1/vhosts").json()["items"][0]["name"], "/");
    broker.stop();
}

// A new vhost has no users; an added user can log in, and cannot after the vhost's deletion.
#[test]
fn vhosts_are_made_and_deleted() {
    let (broker, door, vhosts, _files) = scene();
    let vhost = "/api/v1/vhost?vhost=far%20away%2F1";
    assert_eq!(door.get(vhost).status, 404);
    let reply = door.send("PUT", vhost, "");
    assert_eq!((reply.status, &reply.json()["created"]), (200, &json!(true)), "{reply:?}");
    assert_eq!(door.send("PUT", vhost, "").json()["created"], false);
    let mut client = Client::open(&broker);
    client.send(&connect("c").username("far away/1:").bytes());
    client.expect(&connack(false, 5));
    let user = "/api/v1/user?vhost=far%20away%2F1&name=ann";
    assert_eq!(door.send("PUT", user, r#"{"password":"x"}"#).status, 200);
    let mut client = Client::open(&broker);
    client.send(&connect("c").username("far away/1:ann").password("x").bytes());
    client.expect(&connack(false, 0));
    assert_eq!(door.delete(vhost).status, 200);
    client.expect_closed();
    assert_eq!(answer(&broker, "far away/1:ann", "x"), 5);
    let left: Vec<_> = fs::read_dir(vhosts).expect("it is there").collect();
    assert_eq!(left.len(), 2, "{left:?}");
    for name in ["a%3Ab", "", "%00"] {
        let reply = door.send("PUT", &format!("/api/v1/vhost?vhost={name}"), "");
        assert_eq!(reply.status, 422, "{name}: {reply:?}");
        assert_eq!(reply.json()["error"]["field"], "vhost", "{name}: {reply:?}");
    }
    broker.stop();
}

// Limits take effect at once, are listed, and can be removed.
#[test]
fn limits_are_set() {
    let (broker, door, vhosts, _files) = scene();
    let limits = "/api/v1/vhost/limits?vhost=%2F";
    let reply = door.send("PUT", limits, r#"{"max_connections":1,"publish_rate":9}"#);
    assert_eq!(reply.status, 200, "{reply:?}");
    let known = door.get(limits).json();
    assert_eq!((&known["max_connections"], &known["max_sessions"]), (&json!(1), &Value::Null));
    let text = fs::read_to_string(vhosts.join("%2F/limits")).expect("it is there");
    assert_eq!(text, "max-connections = 1\npublish-rate = 9\n");
    let first = Client::connect(&broker, "first");
    let mut second = Client::open(&broker);
    second.send(&connect("second").bytes());
    second.expect(&connack(false, 3));
    for body in [r#"{"publish_rate":0}"#, r#"{"max_things":1}"#, r#"{"max_sessions":"1"}"#] {
        assert_eq!(door.send("PUT", limits, body).status, 422, "{body}");
    }
    assert_eq!(door.delete(limits).json()["deleted"], true);
    assert_eq!(door.delete(limits).json()["deleted"], false);
    assert!(!vhosts.join("%2F/limits").exists());
    Client::connect(&broker, "second").leave();
    drop(first);
    broker.stop();
}

// Exported definitions can be imported elsewhere with the same result; a dry run changes nothing.
#[test]
fn definitions_go_elsewhere() {
    let (broker, door, vhosts, _files) = scene();
    let user = "/api/v1/user?vhost=shop&name=ann";
    assert_eq!(door.send("PUT", user, r#"{"password":"x"}"#).status, 200);
    fs::write(vhosts.join("shop/acl"), "user ann\ntopic read a/#\n").expect("there is room");
    let limits = "/api/v1/vhost/limits?vhost=shop";
    assert_eq!(door.send("PUT", limits, r#"{"max_sessions":7}"#).status, 200);
    let exported = door.get("/api/v1/definitions").json();
    broker.stop();
    let files = DataDir::fresh();
    let other = files.path().join("vhosts");
    fs::create_dir_all(other.join("%2F")).expect("there is room");
    let (broker, door) = start(1, &["--vhosts", other.to_str().expect("it is text")]);
    let names = || fs::read_dir(&other).expect("it is there").count();
    let import = |query: &str, document: &Value| {
        door.send("POST", &format!("/api/v1/definitions{query}"), &document.to_string())
    };
    let reply = import("?dry_run=true", &exported);
    assert_eq!((reply.status, &reply.json()["vhosts"]), (200, &json!(2)), "{reply:?}");
    assert_eq!((names(), answer(&broker, "shop:ann", "x")), (1, 5));
    let mut faulty = exported.clone();
    let shop = faulty["vhosts"].as_array_mut().expect("a list");
    let shop = shop.iter_mut().find(|it| it["name"] == "shop").expect("it is there");
    shop["acl"] = "topic\nnonsense\n".into();
    for query in ["?dry_run=true", ""] {
        let reply = import(query, &faulty);
        assert_eq!(reply.status, 422, "{query}: {reply:?}");
        let fault = &reply.json()["error"]["faults"][0];
        assert!(fault["line"].is_u64(), "{query}: {reply:?}");
        assert_eq!(names(), 1, "{query}: it is as it was");
    }
    for document in [json!({}), json!({ "vhosts": {} }), json!({ "vhosts": [{}] })] {
        let reply = import("", &document);
        assert_eq!(reply.status, 422, "{document}");
        assert_eq!(reply.json()["error"]["field"], "vhosts", "{document}: {reply:?}");
    }
    assert_eq!(import("", &exported).status, 200);
    assert_eq!((names(), answer(&broker, "shop:ann", "x")), (2, 0));
    assert_eq!(door.get("/api/v1/definitions").json(), exported);
    broker.stop();
}
