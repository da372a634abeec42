//! The bridge's targets: their crates are the bridge's, and the broker has none of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use toml::de::{DeTable, DeValue};

/// Crates of targets, and the parts of the runtime that only they need.
const TARGET_CRATES: &[&str] = &[
    "async-nats",
    "postgres-protocol",
    "postgres-types",
    "rdkafka",
    "rdkafka-sys",
    "ringmq-bridge",
    "tokio-postgres",
];

// No crate of a target of the bridge is a dependency of the broker or its tests, directly or not.
#[test]
fn broker_has_no_target() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let lock = std::fs::read_to_string(root.join("Cargo.lock")).expect("it is checked in");
    let used = closure(&lock, "ringmq");
    assert!(used.contains("rustls"), "the file is read wrongly: {used:?}");
    let found: Vec<&&str> = TARGET_CRATES.iter().filter(|name| used.contains(**name)).collect();
    assert!(found.is_empty(), "the broker is built of {found:?}");
}

// A dependency through another crate is found.
#[test]
fn ways_are_followed() {
    let lock = "[[package]]\nname = \"a\"\ndependencies = [\"b 1.0.0\"]\n\
                [[package]]\nname = \"b\"\ndependencies = [\"c\"]\n\
                [[package]]\nname = \"c\"\n[[package]]\nname = \"d\"\n";
    let used: Vec<String> = closure(lock, "a").into_iter().collect();
    assert_eq!(used, ["a", "b", "c"]);
}

/// Names of all packages that one is built of, itself included.
fn closure(lock: &str, package: &str) -> BTreeSet<String> {
    let table = DeTable::parse(lock).expect("cargo writes TOML");
    let Some(DeValue::Array(packages)) = table.get_ref().get("package").map(|v| v.get_ref()) else {
        panic!("there are no packages");
    };
    let mut uses: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in packages.iter() {
        let DeValue::Table(package) = package.get_ref() else { panic!("a package is a table") };
        let text = |value: &str| match package.get(value).map(|value| value.get_ref()) {
            Some(DeValue::String(text)) => Some(text.as_ref()),
            _ => None,
        };
        let name = text("name").expect("a package has a name");
        let list = uses.entry(name).or_default();
        if let Some(DeValue::Array(items)) = package.get("dependencies").map(|v| v.get_ref()) {
            for item in items.iter() {
                let DeValue::String(item) = item.get_ref() else { panic!("a name is a text") };
                // A version follows the name where there are several.
                list.push(item.split(' ').next().expect("has a front"));
            }
        }
    }
    let mut found = BTreeSet::new();
    let mut next = vec![package];
    while let Some(name) = next.pop() {
        if found.insert(name.to_owned()) {
            next.extend(uses.get(name).into_iter().flatten());
        }
    }
    found
}
