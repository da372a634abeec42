//! The HTTP request that opens a WebSocket, and its answer (RFC 6455, 4.2).
//!
//! A refused request gets an answer in plain words, for the person who typed the address into a
//! browser or configured a client. The answer repeats no part of the request.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use httparse::{EMPTY_HEADER, Header, Request, Status};
use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY};

use crate::limits::{WEBSOCKET_HEADERS_MAX, WEBSOCKET_REQUEST_BYTES_MAX};
use crate::shown::Shown;

use super::setup::{Accepts, WebSocketSetup};

/// The text that is hashed after a client's key (1.3).
const KEY_SUFFIX: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Length in bytes of a client's decoded key (4.1).
const KEY_BYTES: usize = 16;

/// Subprotocols in order of preference: that of MQTT 3.1.1 and 5 [MQTT-6.0.0-3], and that of MQTT
/// 3.1 clients.
const PROTOCOLS: [&str; 2] = ["mqtt", "mqttv3.1"];

/// Why an HTTP request opens no WebSocket. The request was answered.
#[derive(PartialEq, Eq, Debug)]
pub struct Refusal {
    status: u16,
    says: &'static str,
    /// The wrong part of the request, for the log.
    detail: Option<String>,
    /// The request was HEAD, so the answer has no body.
    without_body: bool,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HTTP request answered with {}: {}", self.status, self.says)?;
        match &self.detail {
            Some(detail) => write!(f, " ({})", Shown(detail)),
            None => Ok(()),
        }
    }
}

impl Refusal {
    fn new(status: u16, says: &'static str) -> Self {
        Self { status, says, detail: None, without_body: false }
    }

    fn about(self, detail: &str) -> Self {
        Self { detail: Some(detail.to_owned()), ..self }
    }

    /// The refusal of a request whose header is too long.
    pub(super) fn too_long() -> Self {
        Self::new(431, "the header of the request has more than 8 KiB or 64 lines")
    }

    /// The bytes of the answer.
    pub(super) fn answer(&self) -> Vec<u8> {
        let (reason, more) = match self.status {
            400 => ("Bad Request", ""),
            403 => ("Forbidden", ""),
            404 => ("Not Found", ""),
            405 => ("Method Not Allowed", "Allow: GET\r\n"),
            426 => ("Upgrade Required", "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"),
            _ => ("Request Header Fields Too Large", ""),
        };
        let connection = if self.status == 426 { "Upgrade, close" } else { "close" };
        let body = format!(
            "This port is of an MQTT broker (ringmq). It speaks MQTT, and MQTT over WebSocket.\n\
             Not accepted: {}.\n",
            self.says
        );
        let length = body.len();
        let body = if self.without_body { "" } else { &body };
        format!(
            "HTTP/1.1 {} {reason}\r\n{more}Connection: {connection}\r\n\
             Content-Type: text/plain; charset=utf-8\r\nContent-Length: {length}\r\n\r\n{body}",
            self.status
        )
        .into_bytes()
    }
}

/// The end of the header at the front of `bytes`, if it is complete; the first `seen` bytes were
/// searched before. A line may end without a carriage return (RFC 9112, 2.2).
pub(super) fn header_end(bytes: &[u8], seen: usize) -> Option<usize> {
    let from = seen.saturating_sub(2);
    (from..bytes.len()).filter(|&at| bytes[at] == b'\n').find_map(|at| {
        let rest = &bytes[at + 1..];
        let empty = [&b"\n"[..], b"\r\n"].into_iter().find(|end| rest.starts_with(end))?;
        Some(at + 1 + empty.len())
    })
}

/// The answer to a complete header that opens a WebSocket.
pub(super) fn accept(
    header: &[u8],
    accepts: Accepts,
    is_local: bool,
    setup: &WebSocketSetup,
) -> Result<Vec<u8>, Refusal> {
    if header.len() > WEBSOCKET_REQUEST_BYTES_MAX {
        return Err(Refusal::too_long());
    }
    let mut lines = [EMPTY_HEADER; WEBSOCKET_HEADERS_MAX];
    let mut request = Request::new(&mut lines);
    match request.parse(header) {
        Ok(Status::Complete(_)) => {}
        Err(httparse::Error::TooManyHeaders) => return Err(Refusal::too_long()),
        Ok(Status::Partial) | Err(_) => {
            return Err(Refusal::new(400, "the request is not HTTP/1.1"));
        }
    }
    let method = request.method.unwrap_or_default();
    let refused = check(&request, accepts, is_local, setup);
    let (key, protocol) =
        refused.map_err(|refusal| Refusal { without_body: method == "HEAD", ..refusal })?;
    let mut answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\n",
        accept_key(key)
    );
    if let Some(protocol) = protocol {
        answer += &format!("Sec-WebSocket-Protocol: {protocol}\r\n");
    }
    answer += "\r\n";
    Ok(answer.into_bytes())
}

/// Checks a request; returns its key and the chosen subprotocol.
fn check<'r>(
    request: &Request<'_, 'r>,
    accepts: Accepts,
    is_local: bool,
    setup: &WebSocketSetup,
) -> Result<(&'r [u8], Option<&'static str>), Refusal> {
    let (method, target) = (request.method.unwrap_or_default(), request.path.unwrap_or_default());
    if method != "GET" {
        return Err(Refusal::new(405, "a WebSocket begins with GET").about(method));
    }
    let headers = &*request.headers;
    let asks = has_token(headers, "Upgrade", "websocket")
        && has_token(headers, "Connection", "upgrade")
        && request.version == Some(1);
    if accepts == Accepts::Mqtt {
        return Err(Refusal::new(403, "this listener accepts MQTT only, no WebSocket (`,mqtt`)"));
    }
    if !asks {
        return Err(Refusal::new(426, "the request does not ask for a WebSocket"));
    }
    let path = target.split('?').next().unwrap_or_default();
    if !setup.paths.iter().any(|it| it == path) {
        return Err(Refusal::new(404, "there is no WebSocket at this path (--ws-path)").about(path));
    }
    if single(headers, "Host")?.is_none() {
        return Err(Refusal::new(400, "the request has no Host"));
    }
    if single(headers, "Sec-WebSocket-Version")? != Some(b"13") {
        return Err(Refusal::new(426, "the request does not ask for version 13 of WebSocket"));
    }
    let key = single(headers, "Sec-WebSocket-Key")?;
    let is_key = |key: &&[u8]| STANDARD.decode(key).is_ok_and(|key| key.len() == KEY_BYTES);
    let key =
        key.filter(is_key).ok_or(Refusal::new(400, "Sec-WebSocket-Key is not a valid key"))?;
    if let Some(origin) = single(headers, "Origin")? {
        let origin = String::from_utf8_lossy(origin);
        if !setup.origins.accept(&origin, is_local) {
            let says = "pages of this origin may not connect (--ws-origin)";
            return Err(Refusal::new(403, says).about(&origin));
        }
    }
    let offered = || values(headers, "Sec-WebSocket-Protocol").flat_map(tokens);
    let protocol = PROTOCOLS.into_iter().find(|it| offered().any(|offer| offer == it.as_bytes()));
    if protocol.is_none() && offered().next().is_some() {
        return Err(Refusal::new(400, "the request offers no subprotocol `mqtt`"));
    }
    Ok((key, protocol))
}

/// The Sec-WebSocket-Accept value that proves that the key was read (4.2.2).
fn accept_key(key: &[u8]) -> String {
    let mut hash = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
    hash.update(key);
    hash.update(KEY_SUFFIX);
    STANDARD.encode(hash.finish())
}

fn values<'h, 'r: 'h>(
    headers: &'h [Header<'r>],
    name: &'h str,
) -> impl Iterator<Item = &'r [u8]> + 'h {
    headers.iter().filter(move |it| it.name.eq_ignore_ascii_case(name)).map(|it| it.value)
}

/// The value of a header that may appear once.
fn single<'r>(headers: &[Header<'r>], name: &str) -> Result<Option<&'r [u8]>, Refusal> {
    let mut found = values(headers, name);
    let first = found.next().map(<[u8]>::trim_ascii);
    match found.next() {
        None => Ok(first),
        Some(_) => Err(Refusal::new(400, "the request has a header twice").about(name)),
    }
}

/// Whether the list in a header contains a token, without regard to case.
fn has_token(headers: &[Header<'_>], name: &str, token: &str) -> bool {
    values(headers, name).flat_map(tokens).any(|it| it.eq_ignore_ascii_case(token.as_bytes()))
}

fn tokens(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|token| !token.is_empty())
}
