//! The broker that receives the requests: its address, the token, one request and its answer.
//!
//! Each request has a connection of its own: the broker closes one that is idle for a few seconds.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use nix::unistd::{Uid, User};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::runtime::{self, Runtime};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::Error as TlsError;

use crate::config::{AdminAddress, Ctl};
use crate::limits::{
    CTL_ANSWER_BYTES_MAX, CTL_ANSWER_MS_MAX, CTL_CONNECT_MS_MAX, CTL_TOKEN_BYTES_MAX,
};

use super::error::CtlError;
use super::text::shown;
use super::trust::{connector, server_name};

/// The usual sockets of a broker: as a service, as `scripts/install` runs it, and started by hand
/// in this directory.
const USUAL: [&str; 3] =
    ["/run/ringmq/admin.sock", "/var/lib/ringmq/admin.sock", "./ringmq-data/admin.sock"];

const ADDRESS_VARIABLE: &str = "RINGMQ_ADMIN";
const TOKEN_VARIABLE: &str = "RINGMQ_TOKEN";
const CA_VARIABLE: &str = "RINGMQ_CACERT";

/// Advice if no broker was found at the usual sockets.
const NAME_IT: &str = "is the broker running? --at names its socket, as in \
                       unix:DATA_DIR/admin.sock, or its address, as in http://127.0.0.1:9883";

/// A broker, its address and the token.
pub(super) struct Broker {
    runtime: Runtime,
    at: AdminAddress,
    /// For an address with TLS.
    tls: Option<TlsConnector>,
    token: Option<HeaderValue>,
}

/// An answer.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    body: Bytes,
}

impl Broker {
    /// Finds the broker: at the address of the command line or of the environment, else at the
    /// first usual socket that is open.
    pub(super) fn find(ctl: &Ctl) -> Result<Self, CtlError> {
        let runtime = runtime::Builder::new_current_thread().enable_io().enable_time().build();
        let runtime = runtime.map_err(|error| CtlError::Failed(format!("cannot ask: {error}")))?;
        let token = token(ctl)?;
        let at = match (&ctl.at, variable(ADDRESS_VARIABLE)?) {
            (Some(at), _) => at.clone(),
            (None, Some(text)) => AdminAddress::parse(&text).map_err(|why| {
                CtlError::Usage(format!("{ADDRESS_VARIABLE}={}: {why}", shown(&text)))
            })?,
            (None, None) => search(&runtime)?,
        };
        let tls = match &at {
            AdminAddress::Https { .. } => Some(trusting(ctl)?),
            AdminAddress::Http(_) | AdminAddress::Unix(_) => None,
        };
        Ok(Self { runtime, at, tls, token })
    }

    /// The address, in the form that `--at` accepts.
    pub(super) fn address(&self) -> String {
        shown(&self.at.to_string())
    }

    /// Requests a path that needs no token.
    pub(super) fn text(&self, path: &str) -> Result<String, CtlError> {
        let answer = self.request("GET", path, &[], None)?;
        match answer.status.is_success() {
            true => answer.text(),
            false => Err(self.fault(&answer)),
        }
    }

    /// Requests a path that answers with JSON.
    pub(super) fn json(
        &self,
        method: &str,
        path: &str,
        query: &[(&str, String)],
    ) -> Result<Value, CtlError> {
        self.json_for((method, path), query, None)
    }

    /// As above, for a request with a body.
    pub(super) fn json_for(
        &self,
        (method, path): (&str, &str),
        query: &[(&str, String)],
        body: Option<&Value>,
    ) -> Result<Value, CtlError> {
        let answer = self.request(method, path, query, body)?;
        if !answer.status.is_success() {
            return Err(self.fault(&answer));
        }
        let value = serde_json::from_slice(&answer.body);
        value.map_err(|error| CtlError::stranger(&format!("its answer is no JSON: {error}")))
    }

    /// Sends one request and returns any answer.
    pub(super) fn request(
        &self,
        method: &str,
        path: &str,
        query: &[(&str, String)],
        body: Option<&Value>,
    ) -> Result<Answer, CtlError> {
        let request = self.build((method, path), query, body)?;
        let limit = Duration::from_millis(CTL_ANSWER_MS_MAX);
        let answer = self.runtime.block_on(async {
            timeout(limit, async {
                match self.connect().await? {
                    Stream::Tcp(stream) => exchange(stream, request).await,
                    Stream::Tls(stream) => exchange(*stream, request).await,
                    Stream::Unix(stream) => exchange(stream, request).await,
                }
            })
            .await
        });
        answer.unwrap_or_else(|_| {
            let seconds = limit.as_secs();
            let says = format!("{} has not answered within {seconds} s", self.address());
            Err(CtlError::NotReached(says))
        })
    }

    /// Reads an answer piece by piece until it ends or `take` stops.
    pub(super) fn stream(
        &self,
        path: &str,
        query: &[(&str, String)],
        take: &mut dyn FnMut(&[u8]) -> Result<(), CtlError>,
    ) -> Result<(), CtlError> {
        let request = self.build(("GET", path), query, None)?;
        let refused = self.runtime.block_on(async {
            match self.connect().await? {
                Stream::Tcp(stream) => follow(stream, request, take).await,
                Stream::Tls(stream) => follow(*stream, request, take).await,
                Stream::Unix(stream) => follow(stream, request, take).await,
            }
        })?;
        refused.map_or(Ok(()), |answer| Err(self.fault(&answer)))
    }

    /// Connects, and performs the TLS handshake if the address uses TLS.
    async fn connect(&self) -> Result<Stream, CtlError> {
        let (tls, host) = match (&self.tls, &self.at) {
            (Some(tls), AdminAddress::Https { host, .. }) => (tls, host),
            _ => return connect(&self.at).await,
        };
        let name = server_name(host)?;
        let Stream::Tcp(stream) = connect(&self.at).await? else { unreachable!("TLS is over TCP") };
        let limit = Duration::from_millis(CTL_CONNECT_MS_MAX);
        let agreed = timeout(limit, tls.connect(name, stream)).await;
        let agreed = agreed.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()));
        agreed.map(|stream| Stream::Tls(Box::new(stream))).map_err(|error| {
            let name = self.address();
            let is_plain = error.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>());
            let advice = match is_plain {
                Some(TlsError::InvalidMessage(_)) => {
                    "what answers there does not use TLS: its address may begin with http://"
                }
                _ => {
                    "--cacert names the certificates to trust, and the broker's must be of this \
                     name"
                }
            };
            CtlError::NotReached(format!("{name}: {error}; {advice}"))
        })
    }

    fn build(
        &self,
        (method, path): (&str, &str),
        query: &[(&str, String)],
        body: Option<&Value>,
    ) -> Result<Request<Full<Bytes>>, CtlError> {
        let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let query = query.iter().map(|(name, value)| format!("{name}={}", encoded(value)));
        let query: Vec<String> = query.collect();
        let mark = if query.is_empty() { "" } else { "?" };
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{path}{mark}{}", query.join("&")))
            .header(HOST, self.at.host())
            .header(ACCEPT, "*/*");
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, token);
        }
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let body = body.map(Value::to_string).unwrap_or_default();
        request.body(Full::new(Bytes::from(body))).map_err(|error| {
            CtlError::Usage(format!("this makes no request that can be sent: {error}"))
        })
    }

    /// The error of an unsuccessful answer.
    fn fault(&self, answer: &Answer) -> CtlError {
        let status = answer.status;
        let told: Option<Value> = serde_json::from_slice(&answer.body).ok();
        let told = told.as_ref().and_then(|told| told.get("error"));
        let text = |name| told.and_then(|told| told.get(name)).and_then(Value::as_str).map(shown);
        let Some(message) = text("message") else {
            return CtlError::stranger(&format!("it says {status}"));
        };
        let hint = text("hint").map(|hint| format!("; {hint}")).unwrap_or_default();
        let faults = told.and_then(|told| told.get("faults")).and_then(Value::as_array);
        let faults: String =
            faults.into_iter().flatten().map(|fault| format!("\n  {}", line_of(fault))).collect();
        let says = format!("{message}{hint}{faults}");
        match status {
            StatusCode::UNAUTHORIZED => CtlError::NoRight(match &self.token {
                None => format!(
                    "{} wants a token: put the one in admin.token of the data directory into the \
                     variable {TOKEN_VARIABLE}, or name a file that has one with --token-file",
                    self.address()
                ),
                Some(_) => format!("{says}; it was in {TOKEN_VARIABLE} or --token-file"),
            }),
            StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS => CtlError::NoRight(says),
            StatusCode::NOT_FOUND if text("code").as_deref() == Some("no_such_path") => {
                CtlError::stranger(&says)
            }
            StatusCode::NOT_FOUND => CtlError::Missing(says),
            StatusCode::UNPROCESSABLE_ENTITY if faults.is_empty() => CtlError::Usage(says),
            _ => CtlError::Failed(says),
        }
    }
}

/// A fault in a file, with its place.
fn line_of(fault: &Value) -> String {
    let text = |name| fault.get(name).and_then(Value::as_str).map(shown);
    let line = fault.get("line").and_then(Value::as_u64).map(|line| format!(":{line}"));
    let file = text("file").map(|file| format!("{file}{}: ", line.unwrap_or_default()));
    let key = text("key").map(|key| format!("{key}: "));
    let parts = [file, key, text("message")];
    parts.into_iter().flatten().collect()
}

impl Answer {
    /// The answer as text.
    pub(super) fn text(&self) -> Result<String, CtlError> {
        let text = String::from_utf8(self.body.to_vec());
        text.map_err(|_| CtlError::stranger("its answer is no text"))
    }
}

/// The first usual socket on which a broker listens.
fn search(runtime: &Runtime) -> Result<AdminAddress, CtlError> {
    let mut says = Vec::new();
    for path in USUAL {
        let at = AdminAddress::Unix(path.into());
        match runtime.block_on(connect(&at)) {
            Ok(_) => return Ok(at),
            Err(error) => says.push(error.to_string()),
        }
    }
    Err(CtlError::NotReached(format!("no broker is reached: {}; {NAME_IT}", says.join("; "))))
}

enum Stream {
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    Unix(UnixStream),
}

/// Connects without TLS.
async fn connect(at: &AdminAddress) -> Result<Stream, CtlError> {
    let limit = Duration::from_millis(CTL_CONNECT_MS_MAX);
    let connected = timeout(limit, async {
        match at {
            AdminAddress::Http(address) => TcpStream::connect(address).await.map(Stream::Tcp),
            AdminAddress::Https { host, port } => {
                TcpStream::connect((&**host, *port)).await.map(Stream::Tcp)
            }
            AdminAddress::Unix(path) => UnixStream::connect(path).await.map(Stream::Unix),
        }
    });
    let connected = connected.await.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()));
    connected.map_err(|error| CtlError::NotReached(unreached(at, &error)))
}

/// The reason why a socket cannot be reached, with advice.
fn unreached(at: &AdminAddress, error: &io::Error) -> String {
    let name = shown(&at.to_string());
    match (at, error.kind()) {
        (AdminAddress::Unix(_), ErrorKind::NotFound) => format!("there is no {name}"),
        (AdminAddress::Unix(_), ErrorKind::ConnectionRefused) => {
            format!("nobody listens at {name}: a broker that is gone has left it there")
        }
        (AdminAddress::Unix(path), ErrorKind::PermissionDenied) => format!(
            "{name}: permission denied: run this as root{}, or ask with a token over HTTP, as in \
             --at http://127.0.0.1:9883",
            owner_of(path).map(|owner| format!(" or as user {owner}")).unwrap_or_default()
        ),
        (_, ErrorKind::ConnectionRefused) => {
            format!("nobody listens at {name}: the broker's log says where it answers operators")
        }
        _ => format!("{name}: {error}"),
    }
}

/// The owner of a file; if it cannot be read, the owner of the directory that forbids it.
fn owner_of(path: &Path) -> Option<String> {
    let found = path.ancestors().find_map(|path| path.symlink_metadata().ok())?;
    let uid = Uid::from_raw(found.uid());
    let name = User::from_uid(uid).ok().flatten().map(|user| user.name);
    (!uid.is_root()).then(|| name.unwrap_or_else(|| uid.to_string()))
}

/// Sends the request and reads the answer to its end, up to its bound.
async fn exchange<S>(stream: S, request: Request<Full<Bytes>>) -> Result<Answer, CtlError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let broken = |error: hyper::Error| unanswered("without", &error);
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    // An error of the connection also appears as an error of the request.
    let drives = tokio::spawn(async move { drop(connection.await) });
    let response = sender.send_request(request).await.map_err(broken)?;
    let status = response.status();
    let body = Limited::new(response.into_body(), CTL_ANSWER_BYTES_MAX).collect().await;
    drives.abort();
    let body = body.map_err(|error| match error.downcast_ref::<LengthLimitError>() {
        Some(_) => {
            CtlError::Failed(format!("the answer has more than {CTL_ANSWER_BYTES_MAX} bytes"))
        }
        None => CtlError::NotReached(format!("the connection has ended within an answer: {error}")),
    })?;
    Ok(Answer { status, body: body.to_bytes() })
}

/// The error of a connection that has ended without an answer, or within one.
fn unanswered(when: &str, error: &hyper::Error) -> CtlError {
    // What is no HTTP is most often the alert of a broker that wants TLS.
    let advice = match error.is_parse() {
        true => "; what answers there may want TLS: then its address begins with https://",
        false => "",
    };
    CtlError::NotReached(format!("the connection has ended {when} an answer: {error}{advice}"))
}

/// Sends the request and passes on each piece of the answer; returns the answer if it is an error.
async fn follow<S>(
    stream: S,
    request: Request<Full<Bytes>>,
    take: &mut dyn FnMut(&[u8]) -> Result<(), CtlError>,
) -> Result<Option<Answer>, CtlError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let broken = |error: hyper::Error| unanswered("within", &error);
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let drives = tokio::spawn(async move { drop(connection.await) });
    let limit = Duration::from_millis(CTL_ANSWER_MS_MAX);
    let response = timeout(limit, sender.send_request(request)).await;
    let late = || CtlError::NotReached(format!("no answer within {} s", limit.as_secs()));
    let mut response = response.map_err(|_| late())?.map_err(broken)?;
    if !response.status().is_success() {
        let status = response.status();
        let body = Limited::new(response.into_body(), CTL_ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|error| CtlError::Failed(format!("it says {status}: {error}")))?;
        return Ok(Some(Answer { status, body: body.to_bytes() }));
    }
    while let Some(frame) = response.body_mut().frame().await {
        if let Some(piece) = frame.map_err(broken)?.data_ref() {
            take(piece)?;
        }
    }
    drives.abort();
    Ok(None)
}

/// A variable, if it is set and not empty.
fn variable(name: &str) -> Result<Option<String>, CtlError> {
    match std::env::var(name) {
        Ok(value) if value.is_empty() => Ok(None),
        Ok(value) => Ok(Some(value)),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => {
            Err(CtlError::Usage(format!("the variable {name} is not UTF-8")))
        }
    }
}

/// A connector that trusts the certificates of the command line, the environment, or the system.
fn trusting(ctl: &Ctl) -> Result<TlsConnector, CtlError> {
    let named = match &ctl.ca_file {
        Some(file) => Some(file.clone()),
        None => variable(CA_VARIABLE)?.map(Into::into),
    };
    connector(named.as_deref())
}

/// The header with the token, if there is one.
fn token(ctl: &Ctl) -> Result<Option<HeaderValue>, CtlError> {
    let (token, from) = match &ctl.token_file {
        Some(path) => (Some(token_in(path)?), format!("--token-file {}", path.display())),
        None => (variable(TOKEN_VARIABLE)?, TOKEN_VARIABLE.to_owned()),
    };
    let Some(token) = token else { return Ok(None) };
    let token = token.trim();
    // The text is not printed: it is a secret.
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        let says = "a token has no spaces or control characters and is not empty";
        return Err(CtlError::Usage(format!("{}: {says}", shown(&from))));
    }
    let header = HeaderValue::from_str(&format!("Bearer {token}"));
    let mut header = header.expect("printable characters of ASCII");
    header.set_sensitive(true);
    Ok(Some(header))
}

fn token_in(path: &Path) -> Result<String, CtlError> {
    let failed = |why: &str| {
        CtlError::Usage(format!("--token-file {}: {why}", shown(&path.display().to_string())))
    };
    let mut text = String::new();
    let file = File::open(path).map_err(|error| match error.kind() {
        ErrorKind::PermissionDenied => {
            let owner = owner_of(path).map(|owner| format!(" or as user {owner}"));
            failed(&format!("{error}: run this as root{}", owner.unwrap_or_default()))
        }
        _ => failed(&error.to_string()),
    })?;
    let read = file.take(CTL_TOKEN_BYTES_MAX + 1).read_to_string(&mut text);
    read.map_err(|error| failed(&error.to_string()))?;
    if text.len() as u64 > CTL_TOKEN_BYTES_MAX {
        return Err(failed("it is too long for a token"));
    }
    Ok(text)
}
