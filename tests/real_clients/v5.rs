//! MQTT 5 with clients that others wrote.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::common::{Broker, in_repository, run};
use crate::{SHARDS, Subscriber, mosquitto};

/// Runs a suite with `program` against a broker of each number of shards.
fn for_each_size(suite: impl Fn(&Broker)) {
    for shards in SHARDS {
        println!("{shards} shards");
        suite(&Broker::start(shards));
    }
}

/// Runs a script against each broker: its arguments are host and port, then `more`.
fn run_script(program: &Command, script: &str, more: &[&str]) {
    let script = in_repository(script);
    for_each_size(|broker| {
        let mut command = Command::new(program.get_program());
        command.envs(program.get_envs().filter_map(|(key, value)| Some((key, value?))));
        command.arg(&script).arg("127.0.0.1").arg(broker.addr().port().to_string()).args(more);
        run(&command);
    });
}

fn python() -> Command {
    Command::new(in_repository("target/test-env/venv/bin/python"))
}

/// The suite for MQTT 5 of paho-mqtt passes.
#[test]
fn paho_v5() {
    run_script(&python(), "tests/clients/paho_v5_suite.py", &[]);
}

/// The suite for MQTT 5 of MQTT.js passes.
#[test]
fn mqttjs_v5() {
    in_repository("target/test-env/node/node_modules/mqtt");
    let mut node = Command::new("node");
    node.env("NODE_PATH", in_repository("target/test-env/node/node_modules"));
    run_script(&node, "tests/clients/mqttjs_v5_suite.js", &[]);
}

/// The suite for gmqtt passes.
#[test]
fn gmqtt_v5() {
    run_script(&python(), "tests/clients/asyncio_v5_suite.py", &["gmqtt"]);
}

/// The suite for aiomqtt passes.
#[test]
fn aiomqtt_v5() {
    run_script(&python(), "tests/clients/asyncio_v5_suite.py", &["aiomqtt"]);
}

/// scramp, a foreign implementation, authenticates with the keys that `ringmq passwd --scram`
/// writes. The password has characters that both must prepare in the same way.
#[test]
fn scramp() {
    let (user, password) = ("j,o=hn", "p\u{2168}ssw\u{a0}ört");
    let name = format!("ringmq-scramp-{}", std::process::id());
    let file = std::env::temp_dir().join(name);
    let mut passwd = Command::new(env!("CARGO_BIN_EXE_ringmq"));
    passwd.arg("passwd").arg(&file).args([user, "--scram", "--stdin", "--iterations", "4096"]);
    let mut child = passwd.stdin(Stdio::piped()).spawn().expect("the binary starts");
    let mut stdin = child.stdin.take().expect("is piped");
    writeln!(stdin, "{password}").expect("it reads");
    drop(stdin);
    assert!(child.wait().expect("it is ours").success());
    let path = file.to_str().expect("it is made of text");
    for shards in SHARDS {
        let broker = Broker::start_with(shards, &["--passwords", path]);
        let mut suite = python();
        suite.arg(in_repository("tests/clients/scram_suite.py")).arg("127.0.0.1");
        suite.arg(broker.addr().port().to_string()).args([user, password]);
        run(&suite);
    }
    std::fs::remove_file(file).expect("it was written");
}

/// The properties of `mosquitto_pub -D` are those that `mosquitto_sub` prints: live, queued and
/// retained. Its will is delayed, and its session lasts as long as requested.
#[test]
fn mosquitto_properties() {
    for_each_size(|broker| {
        let publish = |arguments: &str| run(&mosquitto("mosquitto_pub", broker, "5", arguments));
        let receive = |arguments: &str| run(&mosquitto("mosquitto_sub", broker, "5", arguments));
        let said = "-D publish user-property b 1 -D publish user-property a 2 \
             -D publish user-property b 1 -D publish content-type text/plain \
             -D publish response-topic m5/answers -D publish correlation-data c7 \
             -D publish payload-format-indicator 1";
        let format = "%P|%C|%R|%D|%F|%r|%p";
        let due = |retain: u8, payload: &str| {
            format!("b:1 a:2 b:1|text/plain|m5/answers|c7|1|{retain}|{payload}")
        };
        let live = Subscriber::start(broker, "5", &format!("-i m5-live -t m5/a -q 1 -F {format}"));
        publish(&format!("-i m5-pub -t m5/a -q 1 -m live {said}"));
        live.expect_line(&due(0, "live"));
        // A session of an hour keeps messages; one without an interval ends.
        let kept = "-i m5-kept -c -x 3600 -q 2 -t m5/kept";
        receive(&format!("{kept} -E"));
        publish(&format!("-i m5-pub -t m5/kept -q 2 -m kept {said}"));
        assert_eq!(receive(&format!("{kept} -C 1 -F {format}")), due(0, "kept") + "\n");
        receive("-i m5-kept -q 1 -t m5/kept -E");
        publish("-i m5-pub -t m5/kept -q 1 -m lost");
        let again = Subscriber::start(broker, "5", "-i m5-kept -c -x 0 -q 1 -t m5/kept -F %p");
        publish("-i m5-pub -t m5/kept -q 1 -m found");
        again.expect_line("found");
        // Retained, with the rest of its time.
        let expiring = "-D publish message-expiry-interval 600";
        publish(&format!("-i m5-pub -t m5/state -q 1 -r -m on {said} {expiring}"));
        let retained = format!("-i m5-sub -t m5/state -q 1 -C 1 -F {format}|%E");
        let came = receive(&retained);
        let remaining = came.trim().strip_prefix(&format!("{}|", due(1, "on")));
        let remaining: u32 = remaining.and_then(|text| text.parse().ok()).expect(&came);
        assert!((500..=600).contains(&remaining), "{came}");
        publish("-i m5-pub -t m5/state -q 1 -r -n");
        // Identifiers, and an alias towards the broker.
        let identified =
            "-i m5-id -t m5/id/# -q 1 -D subscribe subscription-identifier 77 -F %S/%p";
        let identified = Subscriber::start(broker, "5", identified);
        publish("-i m5-pub -t m5/id/a -q 1 -m aliased --repeat 3 -D publish topic-alias 1");
        for _ in 0..3 {
            identified.expect_line("77/aliased");
        }
        // A will after its delay.
        let witness = Subscriber::start(broker, "5", "-i m5-witness -t m5/will -F %C/%p");
        let dying = "-i m5-dying -c -x 3600 -t m5/none --will-topic m5/will --will-payload gone \
             -D will will-delay-interval 1 -D will content-type last";
        drop(Subscriber::start(broker, "5", dying));
        witness.expect_line("last/gone");
        receive("-i m5-dying -t m5/none -E");
    });
}
