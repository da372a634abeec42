//! Clients of others (Debian's mosquitto_pub and mosquitto_sub, paho-mqtt, MQTT.js) work with the
//! broker, with MQTT 3.1, 3.1.1 and 5, on 1, 2 and 4 shards; with MQTT 5 also gmqtt, aiomqtt and
//! rumqttc, and scramp for its authentication.
//!
//! `scripts/test` makes the environments below `target/test-env`.

#[path = "../common/mod.rs"]
mod common;

mod groups;
mod rumqttc;
mod v5;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use common::{Broker, PATIENCE, in_repository, run};

const VERSIONS: [&str; 2] = ["3.1", "3.1.1"];
const SHARDS: [usize; 3] = [1, 2, 4];

/// Runs `suite` against one broker for each number of shards, with each version.
fn for_each_broker(versions: &[&str], suite: impl Fn(&Broker, &str)) {
    for shards in SHARDS {
        let broker = Broker::start(shards);
        for version in versions {
            println!("{shards} shards, MQTT {version}");
            suite(&broker, version);
        }
    }
}

/// The suite for paho-mqtt passes.
#[test]
fn paho() {
    let python = in_repository("target/test-env/venv/bin/python");
    let script = in_repository("tests/clients/paho_suite.py");
    for_each_broker(&VERSIONS, |broker, version| {
        let mut command = Command::new(&python);
        command.arg(&script).arg("127.0.0.1").arg(broker.addr().port().to_string()).arg(version);
        run(&command);
    });
}

/// The suite for MQTT.js passes.
#[test]
fn mqttjs() {
    let modules = in_repository("target/test-env/node/node_modules");
    in_repository("target/test-env/node/node_modules/mqtt");
    let script = in_repository("tests/clients/mqttjs_suite.js");
    for_each_broker(&VERSIONS, |broker, version| {
        let mut command = Command::new("node");
        command.env("NODE_PATH", &modules);
        command.arg(&script).arg("127.0.0.1").arg(broker.addr().port().to_string()).arg(version);
        run(&command);
    });
}

/// `mosquitto_pub` or `mosquitto_sub` with these arguments, split at spaces.
fn mosquitto(program: &str, broker: &Broker, version: &str, arguments: &str) -> Command {
    let mut command = Command::new(program);
    command.args(["-h", "127.0.0.1", "-p", &broker.addr().port().to_string(), "-V"]);
    command.arg(format!("mqttv{}", version.replace('.', "")));
    command.args(arguments.split(' '));
    command
}

/// A `mosquitto_sub` that runs on; a drop kills it.
struct Subscriber {
    child: Child,
    lines: Receiver<String>,
}

impl Subscriber {
    /// Starts it, and waits until it has subscribed.
    #[track_caller]
    fn start(broker: &Broker, version: &str, arguments: &str) -> Self {
        // `-d` makes it say so.
        let sub = mosquitto("mosquitto_sub", broker, version, arguments);
        // Into a pipe it would print block by block.
        let mut child = Command::new("stdbuf")
            .arg("-oL")
            .arg(sub.get_program())
            .args(sub.get_args())
            .arg("-d")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("mosquitto_sub is there: scripts/test installs it");
        let stdout = BufReader::new(child.stdout.take().expect("is piped"));
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let subscriber = Self { child, lines };
        subscriber.expect_line("Subscribed (mid: 1)");
        subscriber
    }

    /// Reads on to a line that starts so.
    #[track_caller]
    fn expect_line(&self, start: &str) {
        loop {
            let line = self.lines.recv_timeout(PATIENCE);
            if line.unwrap_or_else(|_| panic!("{start:?} does not come")).starts_with(start) {
                return;
            }
        }
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The suite for mosquitto's command-line clients passes.
#[test]
fn mosquitto_clients() {
    for_each_broker(&["3.1", "3.1.1", "5"], |broker, version| {
        let publish = |arguments: &str| {
            run(&mosquitto("mosquitto_pub", broker, version, arguments));
        };
        let receive =
            |arguments: &str| run(&mosquitto("mosquitto_sub", broker, version, arguments));
        // Messages at the lower of both QoS.
        for (subscribed, published) in (0..9).map(|pair| (pair / 3, pair % 3)) {
            let format = "%q/%r/%t/%p";
            let wish = format!("-i m-sub -t m/+ -q {subscribed} -F {format}");
            let subscriber = Subscriber::start(broker, version, &wish);
            publish(&format!("-i m-pub -t m/a -q {published} -m hello"));
            let qos = subscribed.min(published);
            subscriber.expect_line(&format!("{qos}/0/m/a/hello"));
        }
        // A session keeps messages while its client is absent: `-E` ends after the SUBACK.
        receive("-i m-kept -c -q 1 -t m/kept -E");
        for number in 0..5 {
            publish(&format!("-i m-pub -t m/kept -q 1 -m {number}"));
        }
        assert_eq!(receive("-i m-kept -c -q 1 -t m/kept -C 5"), "0\n1\n2\n3\n4\n");
        receive("-i m-kept -q 1 -t m/kept -E");
        // At any QoS.
        receive("-i m-mixed -c -q 2 -t m/mixed -E");
        for number in 0..6 {
            publish(&format!("-i m-pub -t m/mixed -q {} -m {number}", 1 + number % 2));
        }
        let mixed = receive("-i m-mixed -c -q 2 -t m/mixed -C 6 -F %q/%p");
        // It prints QoS 2 at PUBREL, so the order holds for each QoS.
        for (qos, due) in [("1/", ["1/0", "1/2", "1/4"]), ("2/", ["2/1", "2/3", "2/5"])] {
            assert!(mixed.lines().filter(|line| line.starts_with(qos)).eq(due), "{mixed}");
        }
        receive("-i m-mixed -q 2 -t m/mixed -E");
        // Retained: set, replayed, cleared.
        publish("-i m-pub -t m/state -q 1 -r -m on");
        publish("-i m-pub -t m/marker -q 1 -r -m marker");
        assert_eq!(receive("-i m-sub -t m/state -q 1 -C 1 -F %r/%q/%p"), "1/1/on\n");
        publish("-i m-pub -t m/state -q 2 -r -m off");
        assert_eq!(receive("-i m-sub -t m/state -q 2 -C 1 -F %r/%q/%p"), "1/2/off\n");
        publish("-i m-pub -t m/state -q 1 -r -n");
        assert_eq!(receive("-i m-sub -t m/state -t m/marker -C 1 -F %r/%p"), "1/marker\n");
        publish("-i m-pub -t m/marker -q 1 -r -n");
        // A killed client has its will published.
        let witness = Subscriber::start(broker, version, "-i m-witness -t m/will -F will/%p");
        let dying = "-i m-dying -t m/none --will-topic m/will --will-payload gone";
        drop(Subscriber::start(broker, version, dying));
        witness.expect_line("will/gone");
        // A second client takes over its id, and works; the first reconnects by itself.
        let twin = Subscriber::start(broker, version, "-i m-twin -c -q 1 -t m/twin -F twin/%p");
        publish("-i m-twin -c -t m/other -q 1 -m x");
        publish("-i m-pub -t m/twin -q 1 -m kept");
        if version == "5" {
            // It gets the reason and ends; its session is kept.
            drop(twin);
            let kept = "-i m-twin -c -q 1 -t m/twin -C 1 -F twin/%p";
            assert_eq!(receive(kept), "twin/kept\n");
        } else {
            twin.expect_line("twin/kept");
            drop(twin);
        }
        receive("-i m-twin -t m/twin -E");
    });
}
