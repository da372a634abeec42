//! The page for operators over HTTP: its files, live figures, and signing in. `tests/browser.rs`
//! tests it in a browser.

use std::io::{BufRead, BufReader, Read, Write};

use serde_json::Value;

use crate::common::{Client, connect, publish};
use crate::http::{Door, ask_unix, request, start};

/// The most bytes of the page, all files together.
const PAGE_BYTES_MAX: usize = 150_000;

/// The texts between `before` and the next quotation mark.
fn quoted<'a>(text: &'a str, before: &str) -> Vec<&'a str> {
    let parts = text.split(before).skip(1);
    parts.map(|rest| rest.split('"').next().expect("there is a first")).collect()
}

/// Every file of the page: those that it names, and those that these name.
fn files(door: &Door) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    let mut open = vec!["/".to_owned()];
    while let Some(path) = open.pop() {
        if found.iter().any(|(known, _)| *known == path) {
            continue;
        }
        let reply = door.ask("GET", &path, &[]);
        assert_eq!(reply.status, 200, "{path}: {reply:?}");
        for attribute in ["href=\"", "src=\""] {
            open.extend(
                quoted(&reply.body, attribute)
                    .iter()
                    .filter(|_| path == "/")
                    .map(|it| (*it).to_owned()),
            );
        }
        let imports = quoted(&reply.body, "from \"./");
        open.extend(imports.iter().map(|name| format!("/page/{name}")));
        found.push((path, reply.body));
    }
    found
}

// The page is complete, small, and of this origin alone; any client may load it.
#[test]
fn files_are_served() {
    let (broker, door) = start(1, &[]);
    let files = files(&door);
    assert!(files.len() > 10, "{}", files.len());
    let bytes: usize = files.iter().map(|(_, body)| body.len()).sum();
    assert!(bytes <= PAGE_BYTES_MAX, "{bytes}");
    for (path, body) in &files {
        let other = body.replace("http://www.w3.org/", "");
        let is_foreign = |scheme| other.contains(scheme);
        assert!(
            !["http://", "https://"].into_iter().any(is_foreign),
            "{path} names another origin"
        );
        let markup = ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("];
        assert!(!markup.into_iter().any(|it| body.contains(it)), "{path} makes markup of text");
        let reply = door.ask("GET", path, &[]);
        let policy = reply.header("content-security-policy").expect("it has one");
        for part in
            ["default-src 'none'", "script-src 'self'", "require-trusted-types-for 'script'"]
        {
            assert!(policy.contains(part) && !policy.contains("unsafe"), "{path}: {policy}");
        }
        let tag = reply.header("etag").expect("it has one");
        for (known, status) in [(tag, 304), (&*format!("\"a\", W/{tag}"), 304), ("\"a\"", 200)] {
            let reply = door.ask("GET", path, &[("if-none-match", known)]);
            assert_eq!((reply.status, reply.body.is_empty()), (status, status == 304), "{path}");
        }
        assert_eq!(door.ask("POST", path, &[]).status, 405, "{path}");
        let reply = door.ask("GET", path, &[("sec-fetch-site", "cross-site")]);
        assert_eq!(reply.status, 403, "a page of a stranger loads {path}");
    }
    broker.stop();
}

// A browser that accepts gzip gets each file in a third of the bytes, with another entity tag;
// caches are told that the answer depends on the encoding.
#[test]
fn files_are_compressed() {
    let (broker, door) = start(1, &[]);
    let (mut plain_bytes, mut small_bytes) = (0, 0);
    for (path, body) in files(&door) {
        let host = door.address.to_string();
        let ask = |headers: &[(&str, &str)]| {
            let headers = [&[("host", &*host)], headers].concat();
            let mut stream = door.connect();
            stream.write_all(&request("GET", &path, &headers)).expect("it listens");
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).expect("there is an answer");
            let at = bytes.windows(4).position(|it| it == b"\r\n\r\n").expect("a head ends");
            let head = String::from_utf8(bytes[..at].to_vec()).expect("text");
            (head.to_ascii_lowercase(), bytes[at + 4..].to_vec())
        };
        let line = |head: &str, name: &str| {
            let found = head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
            found.map(str::to_owned)
        };
        let (head, small) = ask(&[("accept-encoding", "br, gzip")]);
        assert_eq!(line(&head, "content-encoding").as_deref(), Some("gzip"), "{path}: {head}");
        assert_eq!(line(&head, "vary").as_deref(), Some("accept-encoding"), "{path}: {head}");
        let mut whole = String::new();
        flate2::read::GzDecoder::new(&*small).read_to_string(&mut whole).expect("it is gzip");
        assert_eq!(whole, body, "{path}");
        (plain_bytes, small_bytes) = (plain_bytes + body.len(), small_bytes + small.len());
        let tag = line(&head, "etag").expect("it has one");
        let (head, plain) = ask(&[]);
        assert_eq!((plain.len(), line(&head, "content-encoding")), (body.len(), None), "{path}");
        assert_eq!(line(&head, "vary").as_deref(), Some("accept-encoding"), "{path}: {head}");
        assert_ne!(line(&head, "etag"), Some(tag.clone()), "{path}");
        let (head, nothing) = ask(&[("accept-encoding", "gzip"), ("if-none-match", &tag)]);
        assert!(head.starts_with("http/1.1 304") && nothing.is_empty(), "{path}: {head}");
        assert_eq!(line(&head, "etag"), Some(tag), "{path}");
    }
    assert!(small_bytes * 5 < plain_bytes * 2, "{small_bytes} of {plain_bytes} bytes");
    broker.stop();
}

/// Opens the stream of live figures, and takes lines from it.
fn live(door: &Door) -> impl Iterator<Item = Value> + use<> {
    let mut stream = door.connect();
    let (host, bearer) = (door.address.to_string(), format!("Bearer {}", door.token));
    let headers = [("host", &*host), ("authorization", &*bearer)];
    stream.write_all(&request("GET", "/api/v1/live", &headers)).expect("it listens");
    let lines = BufReader::new(stream).lines().map_while(Result::ok);
    lines.filter_map(|line| serde_json::from_str(&line).ok()).filter(Value::is_object)
}

// Live figures have the changes between two lines, as percentiles too; all viewers get the same
// line, and the shards are asked once for all.
#[test]
fn live_figures() {
    let (broker, door) = start(2, &[]);
    let mut client = Client::connect(&broker, "c");
    let (mut first, mut second) = (live(&door), live(&door));
    let begun = first.next().expect("a line comes");
    let count = |line: &Value| line["metrics"]["messages_received_total"]["1"].as_u64();
    assert_eq!((count(&begun), begun["shards"].as_u64()), (Some(0), Some(2)));
    client.send(&publish("a", "x").qos1(7).bytes());
    client.expect(&[0x40, 2, 0, 7]);
    let (mut acknowledged, mut before) = (0, begun["uptime_ms"].as_u64());
    let mut seen = vec![begun];
    while acknowledged == 0 {
        let line = first.next().expect("a line comes");
        assert!(line["uptime_ms"].as_u64() > before, "{line}");
        before = line["uptime_ms"].as_u64();
        let times = &line["latency"]["publish_ack_duration_seconds"];
        acknowledged = times["count"].as_u64().expect("it is counted");
        assert_eq!(times["p99"].as_f64() > Some(0.0), acknowledged == 1, "{line}");
        seen.push(line);
    }
    assert_eq!((count(&seen[seen.len() - 1]), acknowledged), (Some(1), 1));
    // After that it is over: each line is about its own second.
    let line = first.next().expect("a line comes");
    assert_eq!(line["latency"]["publish_ack_duration_seconds"]["count"].as_u64(), Some(0));
    let same = second.next().expect("a line comes");
    assert!(seen.iter().any(|line| line["uptime_ms"] == same["uptime_ms"]), "{same}");
    broker.stop();
}

// The page also gets how long deliveries took, by their path, and how far sessions are behind.
#[test]
fn live_lag_and_deliveries() {
    let (broker, door) = start(1, &[]);
    Client::connect_with(&broker, &connect("absent").persistent()).subscribe_and_leave("a", 1);
    let mut subscriber = Client::connect(&broker, "subscriber");
    subscriber.subscribe("a", 0);
    let mut publisher = Client::connect(&broker, "publisher");
    publisher.publish(&publish("a", "x").qos1(7));
    subscriber.expect_publish(&publish("a", "x"));
    let mut lines = live(&door);
    let first = lines.next().expect("a line comes");
    assert_eq!(first["latency"], serde_json::json!({}), "there is nothing to compare with");
    let is_whole = |line: &Value| line["metrics"]["session_lag_seconds_max"].as_f64().is_some();
    let line = lines.find(is_whole).expect("a later line has it");
    assert!(line["metrics"]["session_lag_seconds_max"].as_f64() > Some(0.0), "{line}");
    publisher.publish(&publish("a", "y").qos1(8));
    subscriber.expect_publish(&publish("a", "y"));
    let deliveries = |line: &Value| line["latency"]["deliver_duration_seconds"]["local"].clone();
    let line = lines.find(|line| deliveries(line)["count"] == 1).expect("a later line has it");
    assert!(deliveries(&line)["p99"].as_f64() > Some(0.0), "{line}");
    broker.stop();
}

// The number of viewers is bounded; one that disconnects makes room, and a stream ends after the
// requested number of lines.
#[test]
fn viewers_are_bounded() {
    let (broker, door) = start(1, &[]);
    let mut viewers: Vec<_> = (0..16).map(|_| live(&door)).collect();
    viewers.iter_mut().for_each(|viewer| assert!(viewer.next().is_some()));
    let reply = door.get("/api/v1/live");
    assert_eq!((reply.status, &*reply.code()), (503, "busy"));
    assert!(reply.header("retry-after").is_some());
    viewers.pop();
    // The broker notices when it sends the next line, or sooner.
    viewers.iter_mut().for_each(|viewer| assert!(viewer.nth(1).is_some()));
    let reply = door.get("/api/v1/live?count=2");
    assert_eq!((reply.status, reply.body.lines().count() >= 2), (200, true), "{reply:?}");
    broker.stop();
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

// A code lets one page sign in once, with the rights of its creator. A page cannot make codes, and
// has no access after signing out.
#[test]
fn people_sign_in_with_a_code() {
    let (broker, door) = start(1, &[]);
    let made = ask_unix(broker.data_dir(), "POST", "/api/v1/dashboard").json();
    assert_eq!(made["address"], format!("http://{}/", door.address));
    let code = made["code"].as_str().expect("a code");
    let sign_in =
        |shown: &str| door.ask("POST", "/api/v1/sign-in", &[("authorization", &bearer(shown))]);
    assert_eq!(sign_in(&door.token).status, 401, "a token is no code");
    let as_code = [("authorization", &*bearer(code))];
    assert_eq!(door.ask("GET", "/api/v1/whoami", &as_code).status, 401, "a code is no token");
    let page = sign_in(&code.to_lowercase()).json();
    assert_eq!(sign_in(code).status, 401, "it was used");
    let authorization = bearer(page["token"].as_str().expect("a token"));
    let as_page = [("authorization", &*authorization)];
    let who = door.ask("GET", "/api/v1/whoami", &as_page).json();
    let rights = who["rights"].as_array().map(Vec::len);
    assert_eq!((&who["page"], rights), (&Value::Bool(true), Some(5)), "{who}");
    assert_eq!(door.ask("GET", "/api/v1/overview", &as_page).status, 200);
    let reply = door.ask("POST", "/api/v1/dashboard", &as_page);
    assert_eq!((reply.status, &*reply.code()), (403, "forbidden"));
    assert_eq!(door.ask("DELETE", "/api/v1/sign-in", &as_page).status, 200);
    assert_eq!(door.ask("GET", "/api/v1/whoami", &as_page).status, 401);
    broker.wait_for_line("sign in by user");
    broker.stop();
}

// A page of another origin cannot sign in, and guesses are counted.
#[test]
fn strangers_do_not_sign_in() {
    let (broker, door) = start(1, &[]);
    let ask = |headers: &[(&str, &str)]| door.ask("POST", "/api/v1/sign-in", headers).status;
    let guess = bearer("AAAA-AAAA-AAAA");
    let own = ("authorization", &*guess);
    assert_eq!(ask(&[own, ("origin", "http://evil.example")]), 403);
    assert_eq!(ask(&[own, ("sec-fetch-site", "cross-site")]), 403);
    assert_eq!(ask(&[]), 401);
    let answers: Vec<u16> = (0..21).map(|_| ask(&[own])).collect();
    assert_eq!((answers[0], answers[20]), (401, 429), "{answers:?}");
    broker.stop();
}

// A page has the rights of its token; when the token is gone the page has none, and its streams
// end.
#[test]
fn pages_end_with_their_token() {
    let directory = crate::common::DataDir::fresh();
    std::fs::create_dir_all(directory.path()).expect("there is room");
    let file = directory.path().join("tokens");
    // printf %s read-only-token | sha256sum
    let hash = "a79bbcbfc3f84f7c87ddc52d498a7e1c5fe52085a6f9f398770f906d6abed41b";
    std::fs::write(&file, format!("ann:{hash}:read\n")).expect("there is room");
    let (broker, door) = start(1, &["--http-tokens", file.to_str().expect("text")]);
    let door = Door { token: "read-only-token".to_owned(), ..door };
    let authorization = bearer(&door.token);
    let as_ann = [("authorization", &*authorization)];
    let made = door.ask("POST", "/api/v1/dashboard", &as_ann).json();
    let code = bearer(made["code"].as_str().expect("a code"));
    let page = door.ask("POST", "/api/v1/sign-in", &[("authorization", &code)]).json();
    assert_eq!(page["rights"].to_string(), r#"["metrics","read"]"#);
    let authorization = bearer(page["token"].as_str().expect("a token"));
    let as_page = [("authorization", &*authorization)];
    assert_eq!(door.ask("DELETE", "/api/v1/client?id=x", &as_page).status, 403);
    let mut lines = live(&door);
    assert!(lines.next().is_some());
    std::fs::write(&file, "").expect("there is room");
    broker.reload();
    assert!(lines.by_ref().count() < 100, "the stream ends");
    assert_eq!(door.ask("GET", "/api/v1/whoami", &as_page).status, 401);
    broker.stop();
}

// The last lines of the log are returned, also from a given number on.
#[test]
fn log_is_told() {
    let (broker, door) = start(1, &[]);
    drop(Client::connect(&broker, "<b>"));
    broker.wait_for_line("<b>");
    let told = door.get("/api/v1/log").json();
    let lines = told["items"].as_array().expect("a list");
    let has = |text: &str| lines.iter().any(|it| it.as_str().is_some_and(|it| it.contains(text)));
    assert!(has("answering operators") && has("<b>"), "{told}");
    assert_eq!(told["first"].as_u64(), Some(0));
    let more = door.get(&format!("/api/v1/log?from={}", lines.len() - 1)).json();
    assert_eq!(more["items"][0], lines[lines.len() - 1]);
    broker.stop();
}
