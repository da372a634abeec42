//! Flags, environment, file, default: precedence, forms, and refused values.

use std::fs;

use crate::common::Broker;
use crate::files::Files;
use crate::tool::{ringmq, setting, settings};

// A flag counts before the environment, that before the file, and that before the default; for
// switches and lists as for values.
#[test]
fn precedence() {
    let files = Files::new();
    files.write("a.toml", "max-inflight = 3\nno-pin = true\nlisten = [\"1\", \"2\"]\n");
    let file = files.flag("--config", "a.toml");
    let variables =
        [("RINGMQ_MAX_INFLIGHT", "4"), ("RINGMQ_NO_PIN", "false"), ("RINGMQ_LISTEN", "3  4")];
    let flags = [&*file, "--max-inflight=5", "--listen=5", "--listen=6", "--no-pin"];
    type Case<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)], &'a str, [&'a [&'a str]; 3]);
    let cases: [Case; 4] = [
        (&[], &[], "default", [&["65535"], &["127.0.0.1:1883"], &["false"]]),
        (&flags[..1], &[], "file", [&["3"], &["1", "2"], &["true"]]),
        (&flags[..1], &variables, "environment", [&["4"], &["3", "4"], &["false"]]),
        (&flags, &variables, "flag", [&["5"], &["5", "6"], &["true"]]),
    ];
    for (flags, variables, origin, values) in cases {
        for (flag, values) in ["max-inflight", "listen", "no-pin"].into_iter().zip(values) {
            let (found, from) = setting(flag, flags, variables);
            assert_eq!((found.as_slice(), &*from), (&*to_owned(values), origin), "--{flag}");
        }
    }
    // The file may be named by the environment.
    let named = [("RINGMQ_CONFIG", files.path("a.toml").display().to_string())];
    let named = named.each_ref().map(|(name, value)| (*name, value.as_str()));
    assert_eq!(setting("max-inflight", &[], &named).0, ["3"]);
    assert_eq!(setting("config", &[], &named).1, "environment");
}

fn to_owned(values: &[&str]) -> Vec<String> {
    values.iter().map(|value| (*value).to_owned()).collect()
}

// Common variants are read: no line at all, line ends and byte order marks of Windows, numbers in
// any base, one value for a list.
#[test]
fn files_may_look_like_this() {
    let files = Files::new();
    for (text, flag, values) in [
        ("", "max-inflight", &["65535"][..]),
        ("# nothing\n\n", "max-inflight", &["65535"]),
        ("\u{feff}max-inflight = 7\r\n", "max-inflight", &["7"]),
        ("max-inflight = 7", "max-inflight", &["7"]),
        ("max-inflight = \"7\" # seven", "max-inflight", &["7"]),
        ("\"max-inflight\" = 1_0", "max-inflight", &["10"]),
        ("max-packet-size = 0x10000", "max-packet-size", &["65536"]),
        ("max-packet-size = '64KiB'", "max-packet-size", &["64KiB"]),
        ("qos0-patience = 0", "qos0-patience", &["0"]),
        ("listen = 'unix:/run/a b'", "listen", &["unix:/run/a b"]),
        ("listen = [\n  '1883', # all\n  1884,\n]", "listen", &["1883", "1884"]),
        ("allow-anonymous = true", "allow-anonymous", &["true"]),
        ("allow-anonymous = false", "allow-anonymous", &["false"]),
        ("log-connections = 'off'", "log-connections", &["off"]),
    ] {
        files.write("a.toml", text);
        let (found, _) = setting(flag, &[&files.flag("--config", "a.toml")], &[]);
        assert_eq!(found, values, "{text:?}");
    }
}

// All faults are named at once with file, line and key, whatever overrides them.
#[test]
fn faults_of_files_are_named() {
    let files = Files::new();
    let config = files.flag("--config", "a.toml");
    let path = files.path("a.toml").display().to_string();
    for (text, line, says) in [
        ("\nmax_inflight = 1", 2, "max_inflight: is no flag's name; the nearest is max-inflight"),
        ("pasword = 'x'", 1, "pasword: is no flag's name; the nearest is passwords"),
        ("zzz = 1", 1, "zzz: is no flag's name; `ringmq --help` lists them"),
        ("\"a\\nb\" = 1", 1, "\"a\\nb\": is no flag's name"),
        ("\"\" = 1", 1, "\"\": is no flag's name"),
        ("help = true", 1, "help: is no flag's name"),
        ("config = 'b.toml'", 1, "config: a configuration file cannot name another"),
        ("max-inflight = 70000", 1, "max-inflight: \"70000\" does not fit: takes 1 to 65535"),
        ("max-inflight = -1", 1, "max-inflight: \"-1\" does not fit: takes 1 to 65535"),
        ("max-inflight = 1.5", 1, "max-inflight: \"1.5\" does not fit"),
        ("max-inflight = 99999999999999999999999", 1, "max-inflight: "),
        ("max-inflight = ''", 1, "max-inflight: takes 1 to 65535"),
        ("max-inflight = true", 1, "max-inflight: takes a value, not true or false"),
        ("max-inflight = [1]", 1, "max-inflight: takes one value, not a list"),
        ("session-expiry = 20", 1, "session-expiry: \"20\" does not fit: takes 0 to 3650d with"),
        ("session-expiry = 2026-01-01", 1, "session-expiry: takes no date"),
        ("durability = 'dsk'", 1, "durability: \"dsk\" does not fit: takes disk, os"),
        ("log-connections = false", 1, "log-connections: takes one of \"on\", \"off\""),
        ("no-pin = 'true'", 1, "no-pin: takes true or false, without quotes"),
        ("listen = []", 1, "listen: the list is empty"),
        ("listen = [['1']]", 1, "listen: takes a list of values, not of lists"),
        ("listen = ['1', 'nowhere']", 1, "listen: \"nowhere\" does not fit: the port is missing"),
        ("listen = {a = 1}", 1, "listen: is a table, and the file has none"),
        (
            "# a\n[tls]\ncert = 'c'",
            2,
            "tls: is a table, and the file has none: its keys are flags'",
        ),
        (
            "[tls]\ncert = 'c'",
            1,
            "tls: is a table, and the file has none: its keys are flags' names; write tls-cert = …",
        ),
        (
            "tls.cert = 'c'",
            1,
            "tls: is a table, and the file has none: its keys are flags' names; write tls-cert = …",
        ),
        ("max-inflight = 1\nmax-inflight = 2", 2, "is no TOML: duplicate key"),
        ("max-inflight 1", 1, "is no TOML: "),
        ("listen = ['1'", 1, "is no TOML: "),
        ("a = \"\u{0}\"", 1, "is no TOML: "),
        ("tls-cert = 'c'", 1, "tls-cert: needs tls-key as well"),
        ("\ntls-min = '1.3'", 2, "tls-min: would change nothing: nothing listens with TLS"),
        ("listen = '127.0.0.1:0,proxy'", 1, "listen: the listener 127.0.0.1:0,proxy needs"),
    ] {
        files.write("a.toml", text);
        let ended = ringmq(&[&config], &[]);
        assert_eq!(ended.code, Some(2), "{text:?}: {}", ended.said);
        let named = format!("error: {path}:{line}: {says}");
        assert!(ended.said.contains(&named), "{text:?}: {}, not {named}", ended.said);
        assert_eq!(ended.said.lines().count(), 1, "{text:?}: {}", ended.said);
    }
    files.write("a.toml", "max-inflight = 'x'\nnothing = 1\ntls-min = 1\n");
    let said = ringmq(&[&config, "--max-inflight=1", "--tls-min=1.2"], &[]).said;
    for (line, said) in (1..=3).zip(said.lines()) {
        assert!(said.starts_with(&format!("error: {path}:{line}: ")), "{said}");
    }
    assert_eq!(said.lines().count(), 3, "{said}");
}

// A path that is no regular file is refused, and is not read to its end.
#[test]
fn files_that_are_none() {
    let files = Files::new();
    files.write("large.toml", &"#".repeat(10_000_000));
    fs::write(files.path("latin.toml"), b"max-inflight = 1\nlog = \"\xff\"\n").expect("it is ours");
    fs::write(files.path("utf16.toml"), b"\xff\xfea\0").expect("it is ours");
    files.write("deep.toml", &format!("listen = {}", "[".repeat(100_000)));
    files.write("keys.toml", &"a.".repeat(100_000));
    files.write("folder/a", "");
    for (name, says) in [
        ("missing.toml", ": there is no such file"),
        ("folder", ": is no regular file"),
        ("/dev/null", ": is no regular file"),
        ("large.toml", ": has more than 262144 bytes"),
        ("latin.toml", ":2: is no UTF-8"),
        ("utf16.toml", ": is UTF-16; save it as UTF-8"),
        ("deep.toml", ":1: is no TOML: "),
        ("keys.toml", ":1: is no TOML: "),
    ] {
        let path = files.path(name).display().to_string();
        let ended = ringmq(&["--config", &path], &[]);
        assert_eq!(ended.code, Some(2), "{name}: {}", ended.said);
        assert!(ended.said.contains(&format!("{path}{says}")), "{name}: {}", ended.said);
        assert!(ended.said.lines().count() <= 50, "{name}: {}", ended.said.len());
    }
}

// Variables set flags. An empty one sets nothing, a wrong one is named, an unknown one causes a
// warning, and those of other programs are ignored.
#[test]
fn variables() {
    for (name, value, flag, values) in [
        ("RINGMQ_MAX_INFLIGHT", "7", "max-inflight", &["7"][..]),
        ("RINGMQ_MAX_INFLIGHT", "", "max-inflight", &["65535"]),
        ("RINGMQ_ALLOW_ANONYMOUS", "1", "allow-anonymous", &["true"]),
        ("RINGMQ_ALLOW_ANONYMOUS", "", "allow-anonymous", &["false"]),
        ("RINGMQ_LISTEN", " 1883\t[::1]:1884 ", "listen", &["1883", "[::1]:1884"]),
        ("RINGMQ_PASSWORDS", "/a b", "passwords", &["/a b"]),
    ] {
        let (found, _) = setting(flag, &[], &[(name, value)]);
        assert_eq!(found, values, "{name}={value}");
    }
    for (name, value, says) in [
        ("RINGMQ_MAX_INFLIGHT", "x", "error: RINGMQ_MAX_INFLIGHT: \"x\" does not fit: takes 1 to"),
        ("RINGMQ_NO_PIN", "yes", "error: RINGMQ_NO_PIN: takes true or false"),
        ("RINGMQ_TLS_CERT", "c", "error: RINGMQ_TLS_CERT: needs tls-key as well"),
        ("RINGMQ_TAKEOVER", "any", "error: RINGMQ_TAKEOVER: would change nothing"),
    ] {
        let ended = ringmq(&[], &[(name, value)]);
        assert_eq!(ended.code, Some(2), "{name}: {}", ended.said);
        assert!(ended.said.starts_with(says) && ended.said.lines().count() == 1, "{}", ended.said);
    }
    for (name, value, warning) in [
        ("RINGMQ_MAX_INFLIGTH", "1", Some("; the nearest is RINGMQ_MAX_INFLIGHT")),
        ("RINGMQ_max_inflight", "1", Some("; the nearest is RINGMQ_MAX_INFLIGHT")),
        ("RINGMQ_", "1", Some("")),
        ("RINGMQ_FLAGS", "--shards 1", None),
        ("RINGMQ_ADMIN", "http://localhost:9883", None),
        ("RINGMQ_SERVICE_HOST", "10.0.0.1", None),
        ("RINGMQ_SERVICE_PORT_MQTT", "1883", None),
        ("RINGMQ_PORT", "tcp://10.0.0.1:1883", None),
        ("RINGMQ_PORT_1883_TCP_ADDR", "10.0.0.1", None),
        ("RINGMQ_MQTT_PORT_1883_TCP", "tcp://10.0.0.1:1883", None),
        ("RINGMQ_PORT", "1883", Some("")),
        ("RINGMQX", "1", None),
    ] {
        let ended = ringmq(&["config", "show"], &[(name, value)]);
        assert_eq!(ended.code, Some(0), "{name}: {}", ended.said);
        let named = format!("warning: {name}: is ignored: no flag has this name");
        let says = warning.is_some_and(|words| ended.said.contains(words));
        assert_eq!(ended.said.starts_with(&named) && says, warning.is_some(), "{}", ended.said);
        assert_eq!(ended.said.is_empty(), warning.is_none(), "{}", ended.said);
    }
}

// Every flag with a default can be in a file with that value, and is listed with its accepted
// values and whether a reload changes it.
#[test]
fn every_flag_is_a_key() {
    let files = Files::new();
    let config = files.flag("--config", "a.toml");
    let rows = settings(&["--defaults", "--max-inflight=1"], &[("RINGMQ_MAX_INFLIGHT", "2")]);
    assert!(rows.len() > 40);
    for row in rows {
        let text = |key: &str| row[key].as_str().expect("text").to_owned();
        let (name, values) = (text("name"), row["values"].as_array().expect("a list").clone());
        assert_eq!(text("origin"), "default", "{name}");
        assert!(!text("takes").is_empty() && !text("default").is_empty(), "{name}");
        assert!(["yes", "new clients", "no"].contains(&&*text("reload")), "{name}");
        let Some(value) = values.first().and_then(|value| value.as_str()) else { continue };
        let value =
            if text("takes") == "true or false" { value.into() } else { format!("{value:?}") };
        files.write("a.toml", &format!("{name} = {value}"));
        let ended = ringmq(&["config", "show", "--json", &config], &[]);
        // Some need others beside them.
        let fits = ended.code == Some(0)
            || ended.said.contains("would change nothing")
            || ended.said.contains(" needs ");
        assert!(fits, "{name}: {}", ended.said);
    }
}

// The table has the information of the JSON.
#[test]
fn the_table() {
    let files = Files::new();
    files.write("a.toml", "\nlisten = ['1883', '1884']\n");
    let file = files.path("a.toml").display().to_string();
    let variables = [("RINGMQ_MAX_INFLIGHT", "9")];
    let printed =
        ringmq(&["config", "show", "--config", &file, "--log", "debug"], &variables).printed;
    let words = |name: &str| {
        let line = printed.lines().find(|line| line.starts_with(&format!("{name} ")));
        line.expect(name).split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let starts = |name: &str, start: String| {
        let line = words(name);
        assert!(line.starts_with(&start), "{line}: {start}");
    };
    starts("NAME", "NAME VALUE FROM RELOAD TAKES".to_owned());
    starts("listen", format!("listen 1883 file {file}:2 no an address and a port"));
    starts("max-inflight", "max-inflight 9 environment RINGMQ_MAX_INFLIGHT yes 1 to".to_owned());
    starts("log", "log debug flag yes LEVEL or".to_owned());
    starts("shards", "shards (CPUs) default no a number from 1 to 64".to_owned());
    starts("tls-cert", "tls-cert (none) default new clients FILE".to_owned());
    assert!(printed.lines().any(|line| line.trim() == "1884"), "{printed}");
}

// At its start a broker logs the sources of settings that are not flags.
#[test]
fn sources_are_logged() {
    let files = Files::new();
    files.write("a.toml", "max-inflight = 3\n");
    let variables = [("RINGMQ_LOG_CONNECTIONS", "off"), ("RINGMQ_MAX_INFLIGTH", "1")];
    let broker = Broker::start_in(1, &[&files.flag("--config", "a.toml")], &variables);
    let said = broker.said();
    for line in [
        format!("INFO  configuration file {}\n", files.path("a.toml").display()),
        "INFO  set by the environment: RINGMQ_LOG_CONNECTIONS\n".to_owned(),
        "WARN  RINGMQ_MAX_INFLIGTH: is ignored: no flag has this name; the nearest is".to_owned(),
    ] {
        assert!(said.contains(&line), "{line}: {said}");
    }
}
