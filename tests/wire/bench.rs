//! The load generator with MQTT 5: its figures are of connections that work.

use std::process::Command;

use crate::common::{Broker, run};

/// All messages arrive in order: without properties, with user properties, and with topic aliases
/// both ways, on more topics than the broker itself has aliases for.
#[test]
fn the_load_generator_speaks_mqtt_5() {
    for shards in [1, 2] {
        let broker = Broker::start(shards);
        let port = broker.addr().port().to_string();
        for more in [
            &[][..],
            &["--user-properties", "5"],
            &["--topic-alias"],
            &["--topic-alias", "--user-properties", "1"],
        ] {
            for (qos, topics) in [("0", "1"), ("1", "1"), ("0", "64"), ("1", "64")] {
                let mut command = Command::new(env!("CARGO_BIN_EXE_ringmq-bench"));
                command.args(["--port", &port, "--v5", "--json", "--qos", qos]).args(more);
                command.args(["--publishers", "3", "--subscribers", "3", "--idle", "5"]);
                command.args(["--topic", "load/{p}/{n}", "--topics", topics, "--pair"]);
                let printed =
                    run(command.args(["--messages", "3000", "--drain", "60"])).replace(": ", ":");
                for due in ["\"delivered\":3000", "\"lost\":0", "\"out_of_order\":0"] {
                    assert!(printed.contains(due), "{due}: {more:?} {qos} {topics}: {printed}");
                }
            }
        }
    }
}

/// Members of a group together get every message, in order at QoS 1, with durable or clean sessions,
/// also those that waited for them, and while their connections are killed.
#[test]
fn the_load_generator_joins_groups() {
    for shards in [1, 2] {
        let broker = Broker::start(shards);
        let port = broker.addr().port().to_string();
        let stays = ["--clean-session", "false", "--client-prefix", "stays-"];
        let killed = ["--kill-every", "0.02", "--rate", "20000"];
        for (more, groups) in [
            (&["--qos", "0", "--group", "a"][..], 1),
            (&["--qos", "1", "--group", "b"], 1),
            (&["--qos", "1", "--group", "b{s}", "--v5"], 4),
            (&[&["--qos", "1", "--group", "c", "--absent"], &stays[..]].concat(), 1),
            (&[&["--qos", "1", "--group", "d"], &stays[..], &killed].concat(), 1),
            (&[&["--qos", "1", "--group", "e", "--v5"], &killed[..]].concat(), 1),
        ] {
            let mut command = Command::new(env!("CARGO_BIN_EXE_ringmq-bench"));
            command.args(["--port", &port, "--json", "--publishers", "3", "--subscribers", "4"]);
            command.args(["--topic", "load/{p}/{n}", "--topics", "5", "--messages", "3000"]);
            let printed = run(command.args(["--drain", "60"]).args(more)).replace(": ", ":");
            let expected = format!("\"expected\":{}", 3000 * groups);
            let at_qos_0 = more.contains(&"0");
            let in_order = if at_qos_0 { "" } else { "\"out_of_order\":0" };
            for due in [&expected, "\"lost\":0", in_order] {
                assert!(printed.contains(due), "{due}: {more:?}: {printed}");
            }
            let is_killed = !printed.contains("\"kills\":0");
            assert_eq!(is_killed, more.contains(&"--kill-every"), "{more:?}: {printed}");
        }
    }
}

/// A broker that ends a connection says why, and the load generator tells it.
#[test]
fn the_load_generator_tells_the_reason() {
    let broker = Broker::start_with(1, &["--topic-alias-max", "1"]);
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringmq-bench"));
    command.args(["--port", &broker.addr().port().to_string(), "--v5", "--topic-alias"]);
    command.args(["--topic", "load/{p}/{n}", "--topics", "2", "--pair", "--messages", "10"]);
    let ended = command.output().expect("it is built with the tests");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "{said}");
    assert!(said.contains("reason code 0x94"), "{said}");
}
