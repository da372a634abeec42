//! The document of the API: every operation that it has is answered, and answers are as it says.

use serde_json::Value;

use crate::common::{Client, DataDir, connect, publish};
use crate::http::start;

/// Checks a value against a schema; returns the fault, if any.
fn fault(document: &Value, schema: &Value, value: &Value) -> Option<String> {
    if let Some(reference) = schema["$ref"].as_str() {
        let pointer = reference.trim_start_matches('#');
        let schema = document.pointer(pointer).expect("references lead somewhere");
        return fault(document, schema, value);
    }
    if value.is_null() && schema["nullable"] == true {
        return None;
    }
    let is_of_type = match schema["type"].as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => value.is_u64(),
        Some("number") => value.is_number(),
        other => panic!("no type: {other:?}"),
    };
    if !is_of_type {
        return Some(format!("{value} is not {}", schema["type"]));
    }
    if let (Some(items), Some(values)) = (schema.get("items"), value.as_array()) {
        return values.iter().find_map(|value| fault(document, items, value));
    }
    let (Some(fields), Some(given)) = (schema["properties"].as_object(), value.as_object()) else {
        return None;
    };
    let required = schema["required"].as_array().into_iter().flatten();
    let missing = required.filter_map(Value::as_str).find(|name| !given.contains_key(*name));
    if let Some(name) = missing {
        return Some(format!("{name} is missing"));
    }
    given.iter().find_map(|(name, value)| match fields.get(name) {
        Some(schema) => fault(document, schema, value).map(|says| format!("{name}: {says}")),
        None => Some(format!("{name} is not described")),
    })
}

/// A body that an operation takes.
fn body_for(path: &str) -> &'static str {
    match path.strip_prefix("/api/v1").and_then(|path| path.split('?').next()) {
        Some("/publish") => r#"{"topic":"a"}"#,
        Some("/log-level") => r#"{"filter":"info"}"#,
        Some("/user") => r#"{"password":"x"}"#,
        Some("/definitions") => r#"{"vhosts":[]}"#,
        Some("/drain") => r#"{"seconds":3600}"#,
        Some("/clients/kick") => r#"{"id_prefix":"nobody"}"#,
        _ => "{}",
    }
}

/// A query with every parameter that an operation needs.
fn query_for(method: &str, path: &str, operation: &Value) -> String {
    match (method, path) {
        // It has no end else.
        ("get", "/api/v1/live") => return "count=1".to_owned(),
        // One of several parameters is needed, which the document has no way to say.
        ("post", "/api/v1/traces") => return "id=c".to_owned(),
        // It has a member.
        ("delete", "/api/v1/group") => return "group=$share/g/t&members=unsubscribe".to_owned(),
        _ => {}
    }
    let parameters = operation["parameters"].as_array().expect("a list");
    let needed = parameters.iter().filter(|it| it["required"] == true).map(|it| {
        let name = it["name"].as_str().expect("it has a name");
        let word = it["schema"]["enum"][0].as_str();
        let value = match name {
            "id" => "c",
            "name" => "u",
            "vhost" => "%2F",
            "group" => "$share/g/t",
            _ => word.unwrap_or("t"),
        };
        format!("{name}={value}")
    });
    needed.collect::<Vec<_>>().join("&")
}

// Every operation is answered as the document says, and refused as it says when a parameter is
// wrong.
#[test]
fn answers_are_as_described() {
    let files = DataDir::fresh();
    let vhosts = files.path().join("vhosts");
    std::fs::create_dir_all(vhosts.join("%2F")).expect("there is room");
    let (broker, door) =
        start(2, &["--allow-anonymous", "--vhosts", vhosts.to_str().expect("it is text")]);
    let user = "/api/v1/user?name=u";
    assert_eq!(door.send("PUT", user, body_for(user)).status, 200);
    let document = door.get("/api/v1/openapi.json").json();
    Client::connect_with(&broker, &connect("absent").persistent()).leave();
    let paths = document["paths"].as_object().expect("it has paths");
    let mut answered = 0;
    // DELETE is last.
    for method in ["get", "put", "post", "delete"] {
        for (path, operations) in paths {
            let Some(operation) = operations.get(method) else { continue };
            // Traces and their files are to be there first, a stream is no JSON (see `trace` and
            // `trace_files`), and a code stands in place of a token (see `page`).
            if ["/trace", "/trace/stream", "/trace/file", "/events"]
                .iter()
                .any(|end| path.ends_with(end))
                || (method, path.as_str()) == ("post", "/api/v1/sign-in")
            {
                continue;
            }
            let mut client = Client::connect(&broker, "c");
            client.publish(&publish("t", "x").qos1(1).retained());
            client.subscribe("$share/g/t", 1);
            client.subscribe("t", 1);
            let ask = |path: &str| match method {
                "get" => door.get(path),
                "delete" => door.delete(path),
                _ => door.send(&method.to_uppercase(), path, body_for(path)),
            };
            let query = query_for(method, path, operation);
            let reply = ask(&format!("{path}?{query}"));
            assert_eq!(reply.status, 200, "{method} {path}: {reply:?}");
            if (method, path.as_str()) == ("post", "/api/v1/drain") {
                assert_eq!(door.delete(path).status, 200, "others connect");
            }
            if (method, path.as_str()) == ("delete", "/api/v1/vhost") {
                let again = door.send("PUT", "/api/v1/vhost?vhost=%2F", "");
                assert_eq!(again.status, 200, "{again:?}");
            }
            let responses = &operation["responses"];
            let mut kinds = responses["200"]["content"].as_object().expect("it has one").values();
            let schema = &kinds.next().expect("it has one")["schema"];
            let says = fault(&document, schema, &reply.json());
            assert_eq!(says, None, "{method} {path}: {reply:?}");
            let reply = ask(&format!("{path}?no-such-parameter=1"));
            assert_eq!(reply.status, 422, "{method} {path}");
            let schema = &responses["422"]["content"]["application/json"]["schema"];
            assert_eq!(fault(&document, schema, &reply.json()), None, "{reply:?}");
            let reply = door.ask(&method.to_uppercase(), path, &[]);
            assert_eq!(reply.status, 401, "{method} {path}");
            answered += 1;
            drop(client);
        }
    }
    assert_eq!(answered, 60);
    broker.stop();
}

// The check of answers finds faults.
#[test]
fn faults_are_seen() {
    let schema = serde_json::json!({
        "type": "object",
        "required": ["a"],
        "properties": { "a": { "type": "integer" }, "b": { "type": "array", "items": {
            "type": "string",
        } } },
    });
    for (value, wanted) in [
        (r#"{"a":1}"#, None),
        (r#"{"a":1,"b":["x"]}"#, None),
        (r#"{"b":[]}"#, Some("a is missing")),
        (r#"{"a":"1"}"#, Some("a: \"1\" is not \"integer\"")),
        (r#"{"a":1,"b":[1]}"#, Some("b: 1 is not \"string\"")),
        (r#"{"a":1,"c":1}"#, Some("c is not described")),
        ("[]", Some("[] is not \"object\"")),
    ] {
        let value: Value = serde_json::from_str(value).expect("it is JSON");
        assert_eq!(fault(&Value::Null, &schema, &value).as_deref(), wanted, "{value}");
    }
}
