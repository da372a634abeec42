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

/// If the broker ends a connection with a reason, the load generator prints it.
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
