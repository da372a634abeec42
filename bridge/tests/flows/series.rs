//! Line protocol, as Debian's InfluxDB and VictoriaMetrics take it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use super::harness::{Bridge, Broker, Client, PATIENCE, Process, TempDir, free_port};

/// A server, with a directory of its own.
struct Server {
    port: u16,
    _process: Process,
    _directory: TempDir,
}

impl Server {
    fn spawn(program: &str, says: &str, set: impl Fn(&mut Command, &TempDir, u16)) -> Self {
        let program = PathBuf::from(program);
        assert!(program.exists(), "{} is missing", program.display());
        let (directory, port) = (TempDir::new(), free_port());
        let mut command = Command::new(program);
        set(&mut command, &directory, port);
        let process = Process::spawn(command);
        process.wait_for_line(says);
        Self { port, _process: process, _directory: directory }
    }

    fn influx() -> Self {
        Self::spawn("/usr/bin/influxd", "Listening on HTTP", |command, directory, port| {
            for (part, place) in [("META", "meta"), ("DATA", "data"), ("DATA_WAL", "wal")] {
                command.env(format!("INFLUXDB_{part}_DIR"), directory.join(place));
            }
            command.env("INFLUXDB_HTTP_BIND_ADDRESS", format!("127.0.0.1:{port}"));
            command.env("INFLUXDB_BIND_ADDRESS", "127.0.0.1:0");
            command.env("INFLUXDB_REPORTING_DISABLED", "true");
        })
    }

    fn victoria() -> Self {
        let says = "started VictoriaMetrics";
        Self::spawn("/usr/bin/victoria-metrics", says, |command, directory, port| {
            command.arg(format!("-httpListenAddr=127.0.0.1:{port}"));
            command.arg("-storageDataPath").arg(directory.join("data"));
        })
    }

    /// The body of an answer.
    fn ask(&self, method: &str, path: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("is set");
        let request = format!("{method} {path} HTTP/1.0\r\nContent-Length: 0\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        let (head, body) = answer.split_once("\r\n\r\n").expect("it is HTTP");
        assert!(head.contains(" 200 ") || head.contains(" 204 "), "{answer}");
        body.to_owned()
    }
}

fn config(home: &Broker, server: &Server) -> String {
    format!(
        "[broker]\nurl = \"{}\"\n[[sink]]\nname = \"series\"\nfilters = [\"m/#\"]\n\
         [sink.http]\nurl = \"http://127.0.0.1:{}/write?db=a\"\nmeasurement = \"{{1}}\"\n\
         tags = {{ line = \"{{2}}\" }}\nfields = {{ v = \"json:$.v\" }}\n",
        home.url(),
        server.port
    )
}

/// Five hundred values of each of two lines.
fn publish(home: &Broker) {
    let mut writer = Client::unix(&home.socket(), "writer", false);
    let value = |number: usize| (["m/l 1", "m/l2"][number % 2], format!("{{\"v\": {number}.5}}"));
    writer.publish_all((0..1000).map(value), false);
}

// Each message is a point of its series. What InfluxDB refuses is a dead letter with its words; the
// points around it are there.
#[test]
fn influx_takes_lines() {
    let (home, server) = (Broker::start(), Server::influx());
    server.ask("POST", "/query?q=CREATE%20DATABASE%20a");
    let mut letters = Client::unix(&home.socket(), "letters", false);
    letters.subscribe("dead/series");
    let bridge = Bridge::start(&config(&home, &server));
    bridge.process.wait_for_line("subscribed");
    publish(&home);
    bridge.expect_metric("delivered_total", "series", |count| count == 1000.0);
    let mut writer = Client::unix(&home.socket(), "writer", false);
    let payloads = ["{\"v\": 1000.5}", "{\"v\": \"text\"}", "{\"v\": 1001.5}"];
    writer.publish_all(payloads.into_iter().map(|text| ("m/l2", text.to_owned())), false);
    let letter = letters.receive();
    assert_eq!(letter.payload, payloads[1]);
    let reason = letter.user.iter().find(|(name, _)| name == "ringmq-bridge-reason");
    assert!(reason.is_some_and(|(_, says)| says.contains("field type conflict")), "{letter:?}");
    bridge.expect_metric("delivered_total", "series", |count| count == 1002.0);
    let query = "/query?db=a&q=SELECT%20COUNT(v),SUM(v)%20FROM%20m%20GROUP%20BY%20line";
    let answer: serde_json::Value =
        serde_json::from_str(&server.ask("GET", query)).expect("is JSON");
    let series = answer["results"][0]["series"].as_array().expect("has series");
    let rows: Vec<(&str, Option<f64>, Option<f64>)> = series
        .iter()
        .map(|row| {
            let values = &row["values"][0];
            (row["tags"]["line"].as_str().unwrap_or(""), values[1].as_f64(), values[2].as_f64())
        })
        .collect();
    let evens = (0..500).map(|number| f64::from(2 * number) + 0.5).sum();
    let odds: f64 = (0..500).map(|number| f64::from(2 * number + 1) + 0.5).sum();
    assert_eq!(
        rows,
        [("l 1", Some(500.0), Some(evens)), ("l2", Some(502.0), Some(odds + 1000.5 + 1001.5))]
    );
}

// Each message is a sample of its series of VictoriaMetrics.
#[test]
fn victoria_metrics_takes_lines() {
    let (home, server) = (Broker::start(), Server::victoria());
    let bridge = Bridge::start(&config(&home, &server));
    bridge.process.wait_for_line("subscribed");
    publish(&home);
    bridge.expect_metric("delivered_total", "series", |count| count == 1000.0);
    let deadline = Instant::now() + PATIENCE;
    loop {
        // Samples are found after they were moved from memory to parts.
        server.ask("GET", "/internal/force_flush");
        let body = server.ask("GET", "/api/v1/export?match%5B%5D=m_v");
        let mut lines: Vec<(String, usize)> = body
            .lines()
            .map(|line| {
                let series: serde_json::Value = serde_json::from_str(line).expect("is JSON");
                let name = series["metric"]["line"].as_str().expect("has its tag").to_owned();
                (name, series["values"].as_array().map_or(0, Vec::len))
            })
            .collect();
        lines.sort();
        let samples: usize = lines.iter().map(|(_, count)| count).sum();
        if samples >= 1000 {
            assert_eq!(lines, [("l 1".to_owned(), 500), ("l2".to_owned(), 500)]);
            return;
        }
        assert!(Instant::now() < deadline, "{samples} samples came");
    }
}
