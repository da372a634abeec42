//! Debian's InfluxDB, and a look into its series.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Instant;

use super::process::{PATIENCE, Process, TempDir};
use super::programs::free_port;

/// A server with the database `a`.
pub(crate) struct Influx {
    process: Process,
    directory: TempDir,
    pub(crate) port: u16,
}

impl Influx {
    pub(crate) fn start_in(directory: TempDir) -> Self {
        let port = free_port();
        let server = Self { process: Self::spawn(&directory, port), directory, port };
        server.ask("POST", "/query?q=CREATE%20DATABASE%20a");
        server
    }

    fn spawn(directory: &TempDir, port: u16) -> Process {
        let mut command = Command::new("/usr/bin/influxd");
        for (part, place) in [("META", "meta"), ("DATA", "data"), ("DATA_WAL", "wal")] {
            command.env(format!("INFLUXDB_{part}_DIR"), directory.join(place));
        }
        command.env("INFLUXDB_HTTP_BIND_ADDRESS", format!("127.0.0.1:{port}"));
        command.env("INFLUXDB_BIND_ADDRESS", "127.0.0.1:0");
        command.env("INFLUXDB_REPORTING_DISABLED", "true");
        command.env("INFLUXDB_MONITOR_STORE_ENABLED", "false");
        command.env("INFLUXDB_HTTP_LOG_ENABLED", "false");
        let process = Process::spawn(command);
        process.wait_for_line("Listening on HTTP");
        process
    }

    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    pub(crate) fn start_again(&mut self) {
        self.process = Self::spawn(&self.directory, self.port);
    }

    /// The body of an answer.
    fn ask(&self, method: &str, path: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("is set");
        let head = "Host: a\r\nConnection: close\r\nContent-Length: 0";
        let request = format!("{method} {path} HTTP/1.0\r\n{head}\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        let (head, body) = answer.split_once("\r\n\r\n").expect("it is HTTP");
        assert!(head.contains(" 200 "), "{answer}");
        body.to_owned()
    }

    /// How many values a measurement has by a tag `line`, with their sum, when there are `count`
    /// altogether.
    #[track_caller]
    pub(crate) fn wait_for(&self, measurement: &str, count: usize) -> Vec<(usize, usize, usize)> {
        let mut before = 0;
        let mut deadline = Instant::now() + PATIENCE;
        loop {
            let query = format!(
                "/query?db=a&q=SELECT%20COUNT(n),SUM(n)%20FROM%20{measurement}%20GROUP%20BY%20line"
            );
            let found = rows(&self.ask("GET", &query));
            let all: usize = found.iter().map(|(_, count, _)| count).sum();
            if all >= count {
                // Lines that came during the query may be in the counts and not in the sums.
                return rows(&self.ask("GET", &query));
            }
            if all > before {
                (before, deadline) = (all, Instant::now() + PATIENCE);
            }
            assert!(Instant::now() < deadline, "{all} of {count} values came: {found:?}");
        }
    }
}

/// Tag, count and sum of each series in an answer.
fn rows(body: &str) -> Vec<(usize, usize, usize)> {
    let answer: serde_json::Value = serde_json::from_str(body).expect("is JSON");
    let series = answer["results"][0]["series"].as_array().cloned().unwrap_or_default();
    let number = |value: &serde_json::Value| {
        let number = value.as_f64().expect("a number");
        format!("{number:.0}").parse::<usize>().expect("is whole")
    };
    let row = |series: &serde_json::Value| {
        let line = series["tags"]["line"].as_str().and_then(|line| line.parse().ok());
        let values = &series["values"][0];
        (line.expect("a number"), number(&values[1]), number(&values[2]))
    };
    series.iter().map(row).collect()
}
