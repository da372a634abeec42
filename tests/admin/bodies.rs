//! Bodies of requests: their type, their bounds, and faults of their fields.

use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc;
use std::thread;

use crate::common::Client;
use crate::http::{Door, exchange, read_reply, request, start};

/// A request with a body, with or without its length.
fn with_body(door: &Door, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let (host, token) = (door.address.to_string(), format!("Bearer {}", door.token));
    let own = [("host", &*host), ("authorization", &*token)];
    let mut bytes = request("POST", "/api/v1/publish", &[&own[..], headers].concat());
    bytes.extend(body.as_bytes());
    bytes
}

// A body that is no JSON object, too large, or without the type JSON is refused with the reason.
#[test]
fn bodies_are_checked() {
    let (broker, door) = start(1, &[]);
    let json = ("content-type", "application/json");
    let large = "x".repeat(1024 * 1024);
    for (headers, body, status, code) in [
        (vec![json], r#"{"topic":"a"}"#, 200, None),
        (vec![("content-type", "application/json; charset=utf-8")], r#"{"topic":"a"}"#, 200, None),
        (vec![], r#"{"topic":"a"}"#, 415, Some("unsupported_type")),
        (vec![("content-type", "text/plain")], r#"{"topic":"a"}"#, 415, Some("unsupported_type")),
        (vec![json], "", 422, Some("invalid")),
        (vec![json], "[]", 422, Some("invalid")),
        (vec![json], r#"{"topic":"#, 422, Some("invalid")),
        (vec![json], "\u{0}", 422, Some("invalid")),
        (vec![json], &large, 422, Some("invalid")),
    ] {
        let length = body.len().to_string();
        let headers = [&headers[..], &[("content-length", &*length)]].concat();
        let reply = exchange(door.connect(), &with_body(&door, &headers, body));
        assert_eq!(reply.status, status, "{headers:?}: {reply:?}");
        if let Some(code) = code {
            assert_eq!(reply.code(), code, "{reply:?}");
        }
    }
    // One byte above the bound, with and without a length.
    let length = (large.len() + 1).to_string();
    let told = with_body(&door, &[json, ("content-length", &length)], "");
    let reply = exchange(door.connect(), &told);
    assert_eq!((reply.status, &*reply.code()), (413, "too_large"));
    let chunk = format!("{:x}\r\n{large}x\r\n0\r\n\r\n", large.len() + 1);
    let untold = with_body(&door, &[json, ("transfer-encoding", "chunked")], &chunk);
    let reply = exchange(door.connect(), &untold);
    assert_eq!((reply.status, &*reply.code()), (413, "too_large"));
    broker.stop();
}

// A faulty field is named.
#[test]
fn faulty_fields_are_named() {
    let (broker, door) = start(1, &[]);
    for (body, field) in [
        ("{}", "topic"),
        (r#"{"topic":1}"#, "topic"),
        (r#"{"topic":"a/#"}"#, "topic"),
        (r#"{"topic":""}"#, "topic"),
        (r#"{"topic":"$SYS/a"}"#, "topic"),
        (r#"{"topic":"a","qos":3}"#, "qos"),
        (r#"{"topic":"a","qos":"1"}"#, "qos"),
        (r#"{"topic":"a","qos":-1}"#, "qos"),
        (r#"{"topic":"a","retain":1}"#, "retain"),
        (r#"{"topic":"a","payload_base64":"%"}"#, "payload_base64"),
        (r#"{"topic":"a","payload":"x","payload_base64":"eA=="}"#, "payload_base64"),
        (r#"{"topic":"a","topics":"b"}"#, "body"),
    ] {
        let reply = door.send("POST", "/api/v1/publish", body);
        assert_eq!((reply.status, &*reply.code()), (422, "invalid"), "{body}: {reply:?}");
        assert_eq!(reply.json()["error"]["field"], field, "{body}");
    }
    let reply = door.send("POST", "/api/v1/publish", r#"{"topic":"a","vhost":"nowhere"}"#);
    assert_eq!(reply.status, 404, "{reply:?}");
    broker.stop();
}

// Bodies that are not sent take no more than their room: a request without room is told to retry,
// other requests are answered, and clients are not affected.
#[test]
fn slow_bodies_hold_nobody_up() {
    let (broker, door) = start(1, &[]);
    let length = (1024 * 1024).to_string();
    let headers = [("content-type", "application/json"), ("content-length", &*length)];
    let head = with_body(&door, &headers, "{");
    // One more than there is room for.
    let slow: Vec<TcpStream> = (0..9).map(|_| door.connect()).collect();
    let (sender, receiver) = mpsc::channel();
    for mut stream in slow.iter().map(|stream| stream.try_clone().expect("there are resources")) {
        stream.write_all(&head).expect("it is taken");
        let sender = sender.clone();
        thread::spawn(move || sender.send(read_reply(stream)));
    }
    let refused = receiver.recv().expect("one is refused").expect("it is told so");
    assert_eq!((refused.status, &*refused.code()), (503, "busy"), "{refused:?}");
    assert!(refused.header("retry-after").is_some());
    assert_eq!(door.get("/api/v1/overview").status, 200);
    Client::connect(&broker, "c").leave();
    slow.iter().for_each(|stream| drop(stream.shutdown(Shutdown::Both)));
    broker.stop();
}

// A body is read only if its sender has the right to the operation.
#[test]
fn bodies_of_strangers_are_not_read() {
    let (broker, door) = start(1, &[]);
    let stranger = Door { token: "guess".to_owned(), ..door };
    let length = (1024 * 1024).to_string();
    let headers = [("content-type", "application/json"), ("content-length", &*length)];
    let mut stream = stranger.connect();
    stream.write_all(&with_body(&stranger, &headers, "{")).expect("it is taken");
    let reply = read_reply(stream).expect("there is an answer without the rest");
    assert_eq!(reply.status, 401, "{reply:?}");
    broker.stop();
}
