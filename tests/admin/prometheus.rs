//! Debian's Prometheus scrapes a broker, accepts the alert rules, and answers the queries of the
//! dashboard.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use serde_json::Value;

use crate::common::{
    Broker, Client, DataDir, PATIENCE, connect, in_repository, publish, run_in_time,
};
use crate::http::{Door, Reply, exchange, start};
use crate::metrics::value;

/// A server with a directory of its own, on a port that the system picks.
struct Prometheus {
    child: Child,
    address: SocketAddr,
    _directory: DataDir,
}

impl Prometheus {
    /// Scrapes a broker each second, with the rules of the documentation.
    #[track_caller]
    fn start(broker: &Door) -> Self {
        let directory = DataDir::fresh();
        fs::create_dir(directory.path()).expect("nobody else has it");
        let config = directory.path().join("prometheus.yml");
        let rules = in_repository("docs/monitoring/alerts.yml");
        let job = |name: &str, path: &str| {
            format!(
                "- job_name: {name}\n  metrics_path: {path}\n  static_configs:\n  - targets: \
                 [\"{}\"]\n",
                broker.address
            )
        };
        let text = format!(
            "global:\n  scrape_interval: 1s\n  evaluation_interval: 1s\nrule_files:\n- {}\n\
             scrape_configs:\n{}{}{}",
            rules.display(),
            job("ringmq", "/metrics"),
            job("ringmq-vhosts", "/metrics/vhosts"),
            job("ringmq-sessions", "/metrics/sessions"),
        );
        fs::write(&config, text).expect("the directory is ours");
        let mut child = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", directory.path().join("data").display()))
            .args(["--web.listen-address=127.0.0.1:0", "--log.format=logfmt"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("prometheus, of Debian's package prometheus, is there");
        let stderr = child.stderr.take().expect("it is piped");
        match address_of(stderr) {
            Ok(address) => Self { child, address, _directory: directory },
            Err(said) => {
                end(&mut child);
                panic!("prometheus does not listen: {said}");
            }
        }
    }

    #[track_caller]
    fn get(&self, path: &str) -> Reply {
        let stream = std::net::TcpStream::connect(self.address).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("it is no zero");
        // HTTP 1.0, so that the answer is not chunked.
        let request = format!("GET {path} HTTP/1.0\r\nhost: {}\r\n\r\n", self.address);
        exchange(stream, request.as_bytes())
    }

    /// The values of an expression's series now.
    #[track_caller]
    fn query(&self, expression: &str) -> Vec<f64> {
        let path = format!("/api/v1/query?query={}", encoded(expression));
        let reply = self.get(&path).json();
        assert_eq!(reply["status"], "success", "{expression}: {reply}");
        let results = reply["data"]["result"].as_array().expect("it is a vector").clone();
        results.iter().map(|it| number(&it["value"][1])).collect()
    }

    /// Asks until an answer is as it must be.
    #[track_caller]
    fn until<T>(&self, what: &str, mut answer: impl FnMut() -> Result<T, String>) -> T {
        let begun = Instant::now();
        loop {
            match answer() {
                Ok(answer) => return answer,
                Err(instead) if begun.elapsed() > PATIENCE => panic!("{what}: {instead}"),
                Err(_) => {}
            }
        }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

fn number(value: &Value) -> f64 {
    value.as_str().and_then(|text| text.parse().ok()).expect("Prometheus tells numbers as text")
}

/// The address in its log; if there is none, its whole log. Later lines are read and dropped.
fn address_of(stderr: impl Read + Send + 'static) -> Result<SocketAddr, String> {
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    let mut said = String::new();
    while let Ok(line) = lines.recv_timeout(PATIENCE) {
        let address = line.split_once("msg=\"Listening on\" address=").map(|(_, rest)| rest);
        if let Some(address) = address.and_then(|text| text.trim().parse().ok()) {
            return Ok(address);
        }
        said += &format!("{line}\n");
    }
    Err(said)
}

/// The percent-encoded text for a query.
fn encoded(text: &str) -> String {
    let of_byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'.' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(of_byte).collect()
}

/// The queries of the dashboard's panels, with Grafana's variables replaced.
fn questions() -> Vec<(String, String)> {
    let text = fs::read_to_string(in_repository("docs/monitoring/dashboard.json"));
    let dashboard: Value =
        serde_json::from_str(&text.expect("it can be read")).expect("it is JSON");
    let panels = dashboard["panels"].as_array().expect("it has panels").clone();
    let questions = panels.iter().flat_map(|panel| {
        let title = panel["title"].as_str().expect("it has a title").to_owned();
        let targets = panel["targets"].as_array().cloned().unwrap_or_default();
        targets.into_iter().map(move |target| {
            let expression = target["expr"].as_str().expect("it asks something");
            let plain = expression.replace("$instance", ".+").replace("$__rate_interval", "1m");
            (title.clone(), plain)
        })
    });
    questions.collect()
}

/// Messages for the third client: of every 64 messages or more the delay of one is measured.
const TAKEN: usize = 100;

/// A client publishes and another takes it, for some seconds; a third stays away, and so does the
/// member of a group.
fn make_traffic(broker: &Broker) {
    Client::connect_with(broker, &connect("backend").persistent()).subscribe_and_leave("a/#", 1);
    let member = Client::connect_with(broker, &connect("member").persistent());
    member.subscribe_and_leave("$share/g/a/#", 1);
    let mut subscriber = Client::connect(broker, "subscriber");
    subscriber.subscribe("#", 1);
    let mut publisher = Client::connect(broker, "publisher");
    let begun = Instant::now();
    let (mut id, mut count) = (0, 0);
    while begun.elapsed().as_secs() < 4 || count < 2 * TAKEN {
        id = id % 1000 + 1;
        count += 1;
        publisher.publish(&publish(format!("a/{id}"), "hello").qos1(id));
        let message = subscriber.read_publish();
        subscriber.acknowledge(1, message.id);
        // It never gets far ahead of the disk, and few messages are enough.
        if id % 10 == 0 {
            subscriber.hear_nothing_for(std::time::Duration::from_millis(20));
        }
    }
    publisher.leave();
    subscriber.leave();
    let mut backend = Client::open(broker);
    backend.send(&connect("backend").persistent().bytes());
    backend.expect(&[0x20, 2, 1, 0]);
    for _ in 0..TAKEN {
        let message = backend.read_publish();
        backend.acknowledge(1, message.id);
    }
    // Messages are on their way to it.
    drop(backend);
}

// The figures that Prometheus has are the broker's own. It takes the alert rules, none of which is
// raised, and each panel of the dashboard has something to show.
#[test]
fn prometheus_scrapes_a_broker() {
    let (broker, door) =
        start(2, &["--watch-session", "//backend", "--watch-session", "//$share/g/*"]);
    let prometheus = Prometheus::start(&door);
    make_traffic(&broker);
    let own = |path: &str, series: &str| value(&door.ask("GET", path, &[]).body, series);
    for (path, job, series, expression) in [
        ("/metrics", "ringmq", "ringmq_messages_received_total", "sum"),
        ("/metrics", "ringmq", "ringmq_messages_sent_total", "sum"),
        ("/metrics", "ringmq", "ringmq_publish_ack_duration_seconds_count", "sum"),
        ("/metrics", "ringmq", "ringmq_queue_wait_duration_seconds_count", "sum"),
        ("/metrics", "ringmq", "ringmq_client_ack_duration_seconds_sum", "sum"),
        ("/metrics", "ringmq", "ringmq_disconnects_total{reason=\"client\"}", "sum"),
        ("/metrics", "ringmq", "ringmq_session_backlog_bytes", "sum"),
        ("/metrics", "ringmq", "ringmq_sessions_max", "sum"),
        ("/metrics/vhosts", "ringmq-vhosts", "ringmq_vhost_sessions{vhost=\"/\"}", "sum"),
        (
            "/metrics/sessions",
            "ringmq-sessions",
            "ringmq_watched_session_lag_messages{vhost=\"/\",client=\"backend\"}",
            "sum",
        ),
    ] {
        let asked = match series.split_once('{') {
            Some((name, labels)) => format!("{expression}({name}{{job=\"{job}\",{labels})"),
            None => format!("{expression}({series}{{job=\"{job}\"}})"),
        };
        prometheus.until(&asked, || {
            let (wanted, found) = (own(path, series), prometheus.query(&asked));
            if found == [wanted] && wanted > 0.0 {
                return Ok(());
            }
            Err(format!("{found:?}, the broker says {wanted}"))
        });
    }
    let rules = fs::read_to_string(in_repository("docs/monitoring/alerts.yml"));
    let rules = rules.expect("it can be read").matches("- alert: ").count();
    prometheus.until("the rules", || {
        let reply = prometheus.get("/api/v1/rules").json();
        let found = reply["data"]["groups"][0]["rules"].as_array().cloned().unwrap_or_default();
        let all_well = found.iter().all(|rule| rule["health"] == "ok");
        if found.len() == rules && all_well { Ok(()) } else { Err(reply.to_string()) }
    });
    let alerts = prometheus.get("/api/v1/alerts").json();
    let firing = |alert: &&Value| alert["state"] == "firing";
    let alerts = alerts["data"]["alerts"].as_array().expect("a list").clone();
    assert_eq!(alerts.iter().filter(firing).collect::<Vec<_>>(), Vec::<&Value>::new());
    let questions = questions();
    assert!(questions.len() > 40, "{questions:?}");
    for (title, expression) in questions {
        // A rate needs two scrapes. A disk that does not fill up has no time to full, and a shard
        // that has appended little no checkpoint.
        let may_lack = ["Time to full", "Since the last checkpoint"].contains(&&*title);
        prometheus.until(&title, || match prometheus.query(&expression) {
            found if found.is_empty() && !may_lack => Err(expression.clone()),
            _ => Ok(()),
        });
    }
    broker.stop();
}

// promtool accepts the rules, and their tests pass; a changed rule fails its test.
#[test]
fn alert_rules_hold() {
    let tool = |action: &[&str], directory: &Path| {
        run_in_time(Command::new("env").arg("-C").arg(directory).arg("promtool").args(action))
    };
    let documented = in_repository("docs/monitoring");
    for action in [["check", "rules", "alerts.yml"], ["test", "rules", "alerts-test.yml"]] {
        let output = tool(&action, &documented);
        assert!(output.status.success(), "{action:?}: {output:?}");
    }
    let directory = DataDir::fresh();
    fs::create_dir(directory.path()).expect("nobody else has it");
    for file in ["alerts.yml", "alerts-test.yml"] {
        let text = fs::read_to_string(documented.join(file)).expect("it can be read");
        let text = text.replace("ringmq_snapshot_age_seconds > 10", "ringmq_ready > 10");
        fs::write(directory.path().join(file), text).expect("the directory is ours");
    }
    let output = tool(&["test", "rules", "alerts-test.yml"], directory.path());
    let said = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success() && said.contains("RingmqShardSilent"), "{said}");
}
