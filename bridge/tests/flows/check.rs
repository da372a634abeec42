//! `ringmq-bridge check`: each fault with its line and column, and an exit code.

use std::fs;
use std::process::Command;

use super::harness::TempDir;

fn check(text: &str) -> (Option<i32>, String) {
    let directory = TempDir::new();
    let file = directory.join("b.toml");
    fs::write(&file, text).expect("the directory is writable");
    let output = Command::new(env!("CARGO_BIN_EXE_ringmq-bridge"))
        .args(["check", "b.toml"])
        .current_dir(directory.path())
        .env("RINGMQ_TEST_HOST", "example.org")
        .output()
        .expect("the bridge runs");
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&said).into_owned())
}

// A file without a fault is told as such.
#[test]
fn good_files_pass() {
    let (code, said) = check(
        r#"
        [broker]
        url = "mqtt://${RINGMQ_TEST_HOST}:1884"
        [[sink]]
        name = "other"
        filters = ["plant/+/telemetry/#"]
        strip = "plant/"
        add = "site1/"
        batch = { messages = 100, bytes = "64KiB", linger = "0" }
        [sink.mqtt]
        url = "mqtts://b.example.org"
        [[sink]]
        name = "series"
        filters = ["plant/#"]
        dead = "drop"
        [sink.http]
        url = "http://127.0.0.1:8086/write?db=a"
        measurement = "{1}"
        tags = { line = "{2}" }
        fields = { v = "json:$.v:float8" }
        "#,
    );
    assert_eq!((code, said.as_str()), (Some(0), "b.toml: 2 flows, no fault\n"));
}

// Configurations, and what must be said of each.
const FAULTS: &[(&str, &[&str])] = &[
    ("", &["b.toml:1:1: [broker] is missing"]),
    ("[broker\n", &["b.toml:1:8: is no TOML"]),
    (
        "[broker]\nurl = \"tcp://a\"\nuzer = \"x\"\n",
        &[
            "b.toml:2:7: broker.url takes unix:PATH",
            "b.toml:3:1: \"uzer\" is no key of broker; the nearest is user",
            "there is no [[sink]] and no [[source]]",
        ],
    ),
    (
        "[broker]\nurl = \"unix:/a\"\npassword_file = \"/nowhere/x\"\n[[sink]]\n\
         name = \"a b\"\nfilters = [\"a/#/b\"]\nqos = 2\nlinger = 3\n[sink.http]\n\
         url = \"http://h/\"\nmeasurement = \"{0}\"\nfields = { v = \"json:x\" }\n",
        &[
            "b.toml:3:17: broker.password_file: /nowhere/x cannot be read",
            "b.toml:5:8: a name has letters",
            "b.toml:6:12: is no topic filter",
            "b.toml:7:7: sink.qos takes a number from 0 to 1",
            "b.toml:8:1: \"linger\" is no key of sink",
            "b.toml:11:15: {0} is no part of a message",
            "b.toml:12:16: \"x\" is no path: it begins with $",
        ],
    ),
    #[cfg(feature = "kafka")]
    (
        "[broker]\nurl = \"unix:/a\"\n[[sink]]\nname = \"a\"\nfilters = [\"a\"]\n\
         [sink.kafka]\nservers = [\"k:1\"]\ntopic = \"a/{1}\"\nonce = \"never\"\n\
         [[sink]]\nname = \"b\"\nfilters = [\"a\"]\n[sink.kafka]\nservers = [\"k:1\"]\n\
         topic = \"a\"\noptions = { \"retries\" = \"1\", \"no.such\" = \"1\" }\n",
        &[
            "b.toml:8:9: \"a/{1}\" is no topic of Kafka",
            "b.toml:9:8: sink.kafka.once: takes \"idempotent\", \"at-least\" or \"trans",
            "b.toml:16:25: \"retries\" is set by the bridge",
            "no.such",
        ],
    ),
    #[cfg(feature = "kafka")]
    (
        "[broker]\nurl = \"unix:/a\"\n[[sink]]\nname = \"a\"\nfilters = [\"a\"]\n\
         [sink.kafka]\nservers = [\"k:1\"]\ntopic = \"a.{1}\"\nonce = \"transactional\"\n\
         [[sink]]\nname = \"b\"\nfilters = [\"a\"]\n[sink.kafka]\nservers = [\"k:1\"]\n\
         topic = \"a\"\nid = \"x\"\n",
        &["needs cursor_topic, the topic that keeps", "id needs once = \"transactional\""],
    ),
    (
        "[broker]\nurl = \"unix:/a\"\n[[sink]]\nname = \"a\"\nfilters = [\"a\"]\n\
         [sink.postgres]\nurl = \"host=a sslmode=allow\"\ntable = \"t\"\n\
         columns = { a = \"{1}\" }\n\
         [[sink]]\nname = \"b\"\nfilters = [\"a\"]\n[sink.postgres]\n\
         url = \"host=a sslmode=prefer\"\ntable = \"t\"\ncolumns = { a = \"{1}\" }\n\
         ca_file = \"x.pem\"\n",
        &["sslmode=allow: takes disable, prefer", "ca_file needs sslmode=require, verify-ca"],
    ),
    (
        "[broker]\nurl = \"unix:/a\"\n[[sink]]\nname = \"a\"\ngroup = \"g/h\"\n\
         filters = [\"$share/g/a\"]\n[sink.mqtt]\nurl = \"mqtt://b\"\n\
         [[sink]]\nname = \"b\"\ngroup = \"g\"\nfilters = [\"a\"]\n[sink.http]\n\
         url = \"http://h/\"\nmeasurement = \"m\"\nfields = { v = \"{payload}\" }\n",
        &[
            "b.toml:5:9: sink.group: takes 1 to 128 bytes without /",
            "b.toml:6:12: leave $share/NAME/ out, and write group = \"NAME\"",
            "b.toml:11:1: members of a group number messages each for itself",
        ],
    ),
    #[cfg(feature = "kafka")]
    (
        "[broker]\nurl = \"unix:/a\"\n[[sink]]\nname = \"a\"\ngroup = \"g\"\nfilters = [\"a\"]\n\
         [sink.kafka]\nservers = [\"k:1\"]\ntopic = \"a\"\nonce = \"transactional\"\n",
        &["b.toml:5:1: members of a group know no position"],
    ),
    (
        "[broker]\nurl = \"unix:/a\"\nadmin = \"unix:a\"\n",
        &["b.toml:3:9: broker.admin: takes unix:PATH, http://HOST:PORT"],
    ),
    ("[broker]\nurl = \"unix:/a\"\nvhost = \"b\"\n", &["b.toml:3:1: vhost goes with admin"]),
    (
        "[broker]\nurl = \"unix:/${RINGMQ_TEST_NONE}\"\n",
        &["b.toml:2:7: ${RINGMQ_TEST_NONE}: the environment has no text of this name"],
    ),
    (
        "[broker]\nurl = \"unix:/a\"\nversion = \"3.1.1\"\n[[sink]]\nname = \"out\"\n\
         filters = [\"a/#\"]\n[sink.mqtt]\nurl = \"mqtt://b\"\n[[source]]\nname = \"in\"\n\
         filters = [\"a/b\"]\n[source.mqtt]\nurl = \"mqtt://b\"\n",
        &["out and in would carry messages round and round: use MQTT 5"],
    ),
];

// Every fault is told with its place, all of them in one run, and the exit code is 1.
#[test]
fn faults_have_places() {
    for (text, wanted) in FAULTS {
        let (code, said) = check(text);
        assert_eq!(code, Some(1), "{text}: {said}");
        for wanted in *wanted {
            assert!(said.contains(wanted), "{text}:\n{said}\nwithout {wanted}");
        }
    }
}

// The configuration that is installed has no fault, and the manual names each command.
#[test]
fn installed_files_are_right() {
    let read = |path: &str| {
        let path = format!("{}/../{path}", env!("CARGO_MANIFEST_DIR"));
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
    };
    let (code, said) = check(&read("scripts/bridge.toml"));
    assert_eq!(code, Some(0), "{said}");
    let output = Command::new(env!("CARGO_BIN_EXE_ringmq-bridge")).arg("--help").output();
    let help = String::from_utf8_lossy(&output.expect("the bridge runs").stdout).into_owned();
    let (_, commands) = help.split_once("Commands:\n").expect("it has commands");
    let commands = commands.split("\n\n").next().expect("split gives one").lines();
    let manual = read("docs/ringmq-bridge.1");
    let names: Vec<&str> = commands.filter_map(|line| line.split_whitespace().next()).collect();
    assert!(names.contains(&"run") && names.contains(&"check"), "{names:?}");
    for name in names.iter().filter(|name| **name != "help") {
        assert!(manual.contains(&format!("\n.BI {name} ")), "{name}");
    }
}

// The configurations in the page have no fault.
#[test]
fn page_has_good_files() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/bridge.md");
    let text = fs::read_to_string(page).expect("the page is there");
    let blocks: Vec<&str> = text
        .split("```toml\n")
        .skip(1)
        .map(|rest| rest.split("```").next().expect("split gives one"))
        .collect();
    assert!(blocks.len() >= 3, "{} configurations", blocks.len());
    for block in blocks {
        let (code, said) = check(block);
        assert_eq!(code, Some(0), "{block}\n{said}");
    }
}
