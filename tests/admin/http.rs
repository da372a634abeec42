//! An HTTP client that sends exactly the bytes that a test gives.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::{fs, io};

use serde_json::Value;

use crate::common::{Broker, PATIENCE};

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Reply {
    /// The body, which is JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }

    /// The code of the error.
    #[track_caller]
    pub(crate) fn code(&self) -> String {
        let error = &self.json()["error"];
        assert!(error["message"].is_string(), "{self:?}");
        error["code"].as_str().unwrap_or_else(|| panic!("no error: {self:?}")).to_owned()
    }
}

/// A broker that answers operators, on a port that the system picks.
#[track_caller]
pub(crate) fn start(shards: usize, flags: &[&str]) -> (Broker, Door) {
    let flags = [&["--http-listen", "127.0.0.1:0"], flags].concat();
    let broker = Broker::start_with(shards, &flags);
    let door = Door::of(&broker);
    (broker, door)
}

/// The address of a broker's HTTP interface, and the token with all rights.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    pub(crate) address: SocketAddr,
    pub(crate) token: String,
}

impl Door {
    /// It says so once in a run.
    #[track_caller]
    pub(crate) fn of(broker: &Broker) -> Self {
        let line = broker.wait_for_line("answering operators on http://");
        let (_, rest) = line.split_once("http://").expect("it was waited for");
        let address = rest.split(' ').next().expect("there is a first").trim();
        let token = fs::read_to_string(broker.data_dir().join("admin.token"));
        let token = token.expect("it is made at the start").trim().to_owned();
        Self { address: address.parse().expect("an address"), token }
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("it is no zero");
        stream
    }

    /// Asks with the token.
    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Reply {
        self.ask("GET", path, &[("authorization", &format!("Bearer {}", self.token))])
    }

    /// All objects of a list, page by page: one may end early, with nothing on it, when a shard
    /// takes long to answer. The path has a query.
    #[track_caller]
    pub(crate) fn items(&self, path: &str) -> Vec<Value> {
        let (mut items, mut cursor) = (Vec::new(), String::new());
        loop {
            let reply = self.get(&format!("{path}{cursor}"));
            assert_eq!(reply.status, 200, "{reply:?}");
            let page = reply.json();
            items.extend(page["items"].as_array().expect("a page has items").iter().cloned());
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return items,
            }
        }
    }

    #[track_caller]
    pub(crate) fn delete(&self, path: &str) -> Reply {
        self.ask("DELETE", path, &[("authorization", &format!("Bearer {}", self.token))])
    }

    /// Asks with the token and a body of JSON.
    #[track_caller]
    pub(crate) fn send(&self, method: &str, path: &str, body: &str) -> Reply {
        let (host, length) = (self.address.to_string(), body.len().to_string());
        let token = format!("Bearer {}", self.token);
        let headers = [
            ("host", &*host),
            ("authorization", &*token),
            ("content-type", "application/json"),
            ("content-length", &*length),
        ];
        let mut bytes = request(method, path, &headers);
        bytes.extend(body.as_bytes());
        exchange(self.connect(), &bytes)
    }

    /// Asks with these headers and a proper Host.
    #[track_caller]
    pub(crate) fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Reply {
        let host = self.address.to_string();
        let headers = [&[("host", &*host)], headers].concat();
        exchange(self.connect(), &request(method, path, &headers))
    }
}

/// A request as bytes, after which the server closes.
pub(crate) fn request(method: &str, path: &str, headers: &[(&str, &str)]) -> Vec<u8> {
    let lines = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n"));
    let lines: String = lines.collect();
    format!("{method} {path} HTTP/1.1\r\n{lines}connection: close\r\n\r\n").into_bytes()
}

/// Asks over the Unix socket in a data directory.
#[track_caller]
pub(crate) fn ask_unix(data_dir: &Path, method: &str, path: &str) -> Reply {
    let stream = UnixStream::connect(data_dir.join("admin.sock")).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("it is no zero");
    exchange(stream, &request(method, path, &[("host", "any")]))
}

/// Sends a request and reads to the end.
#[track_caller]
pub(crate) fn exchange(mut stream: impl Read + Write, request: &[u8]) -> Reply {
    // A request that is refused early may be cut off by the broker.
    let _ = stream.write_all(request);
    read_reply(stream).expect("there is an answer")
}

/// Reads an answer to its end.
pub(crate) fn read_reply(mut stream: impl Read) -> io::Result<Reply> {
    let mut bytes = Vec::new();
    let end = stream.read_to_end(&mut bytes);
    let text = String::from_utf8(bytes).map_err(io::Error::other)?;
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        end?;
        return Err(io::Error::other(format!("no answer: {text:?}")));
    };
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| io::Error::other(format!("no status: {head:?}")))?;
    let is_chunked = head.to_ascii_lowercase().contains("\r\ntransfer-encoding: chunked");
    let body = if is_chunked { joined(body) } else { body.to_owned() };
    Ok(Reply { status, head: head.to_owned(), body })
}

/// The chunks of a body, without their lengths.
fn joined(chunked: &str) -> String {
    let (mut body, mut rest) = (String::new(), chunked);
    while let Some((length, more)) = rest.split_once("\r\n") {
        let length = usize::from_str_radix(length, 16).expect("a chunk begins with its length");
        body.push_str(&more[..length]);
        rest = more[length..].trim_start_matches("\r\n");
    }
    body
}
