//! What waits in the broker for each flow: messages that the broker has stored for the flow's
//! session and that the bridge has not acknowledged, and the age of the oldest. Of a member of a
//! group, it is what waits for the whole group. The broker's HTTP for operators tells it. Without
//! it the bridge knows only the messages that it holds.

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{AUTHORIZATION, HOST, HeaderValue};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use log::{info, warn};
use serde_json::Value;
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::config::{Admin, AdminAddress, Flow, Input, MqttInput};
use crate::limits::{ANSWER_BYTES_MAX, BACKLOG_INTERVAL, CONNECT_TIMEOUT};
use crate::metrics::FlowMetrics;
use crate::mqtt::secure;
use crate::shown::shortened;

/// What waits for a flow.
#[derive(Debug)]
pub struct Backlog {
    /// Paths and queries that ask for it, without the vhost. Each asks for a part.
    paths: Vec<String>,
    metrics: FlowMetrics,
}

/// The backlogs of flows that read from the broker of `[broker]`.
pub fn backlogs(flows: &[Flow], metrics: &[FlowMetrics]) -> Vec<Backlog> {
    let pairs = flows.iter().zip(metrics);
    let backlog = |(flow, metrics): (&Flow, &FlowMetrics)| match &flow.input {
        Input::Mqtt(input) if input.peer == flow.home => {
            Some(Backlog { paths: paths(input), metrics: metrics.clone() })
        }
        _ => None,
    };
    pairs.filter_map(backlog).collect()
}

fn paths(input: &MqttInput) -> Vec<String> {
    if input.group.is_none() {
        return vec![format!("/api/v1/session?id={}", encoded(&input.client_id))];
    }
    let path = |group: &String| format!("/api/v1/group?group={}", encoded(group));
    input.subscriptions().iter().map(path).collect()
}

/// Asks the broker again and again.
pub async fn watch(admin: Admin, backlogs: Vec<Backlog>) {
    let mut ticks = interval(BACKLOG_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut sender = None;
    let mut is_away = false;
    loop {
        ticks.tick().await;
        let asked = timeout(CONNECT_TIMEOUT, ask_all(&admin, &backlogs, &mut sender)).await;
        match asked.unwrap_or_else(|_| Err("it takes too long".to_owned())) {
            Ok(()) if is_away => {
                is_away = false;
                info!("the broker tells what waits again");
            }
            Ok(()) => {}
            Err(says) => {
                sender = None;
                backlogs.iter().for_each(|backlog| backlog.metrics.set_told(None));
                if !is_away {
                    is_away = true;
                    warn!("the broker does not tell what waits: {}", shortened(&says));
                }
            }
        }
    }
}

type Sender = SendRequest<Empty<Bytes>>;

async fn ask_all(
    admin: &Admin,
    backlogs: &[Backlog],
    sender: &mut Option<Sender>,
) -> Result<(), String> {
    let mut open = match sender.take().filter(|sender| !sender.is_closed()) {
        Some(sender) => sender,
        None => connect(admin).await?,
    };
    for backlog in backlogs {
        let (mut messages, mut age_ms) = (0, 0);
        for path in &backlog.paths {
            let part = ask(admin, &mut open, path).await?;
            messages += part.0;
            age_ms = age_ms.max(part.1);
        }
        backlog.metrics.set_told(Some((messages, age_ms)));
    }
    *sender = Some(open);
    Ok(())
}

/// Messages that wait in a session or a group, and the age of the oldest in milliseconds.
async fn ask(admin: &Admin, sender: &mut Sender, path: &str) -> Result<(u64, u64), String> {
    let path = format!("{path}&vhost={}", encoded(&admin.vhost));
    let mut request = Request::new(Empty::new());
    *request.uri_mut() = path.parse().map_err(|error| format!("{path}: {error}"))?;
    let text = |text: &str| HeaderValue::from_str(text).map_err(|error| error.to_string());
    let host = match &admin.address {
        AdminAddress::Unix(_) => "localhost".to_owned(),
        AdminAddress::Tcp { host, port, .. } => format!("{host}:{port}"),
    };
    request.headers_mut().insert(HOST, text(&host)?);
    if let Some(token) = &admin.token {
        request.headers_mut().insert(AUTHORIZATION, text(&format!("Bearer {}", token.0))?);
    }
    sender.ready().await.map_err(|error| error.to_string())?;
    let answer = sender.send_request(request).await.map_err(|error| error.to_string())?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
    let body = body.map_err(|error| error.to_string())?.to_bytes();
    match status {
        StatusCode::OK => told(&body).ok_or_else(|| "its answer has no backlog".to_owned()),
        // The session or the group has not begun.
        StatusCode::NOT_FOUND => Ok((0, 0)),
        _ => Err(format!("{status}: {}", String::from_utf8_lossy(&body).trim())),
    }
}

/// Reads the broker's answer.
fn told(body: &[u8]) -> Option<(u64, u64)> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    let backlog = &answer["backlog"];
    let seconds = backlog["lag_seconds"].as_f64().unwrap_or(0.0).clamp(0.0, 1e12);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is clamped")]
    let ms = (seconds * 1000.0) as u64;
    // Those that were sent are not among those that wait.
    Some((backlog["messages"].as_u64()? + answer["inflight"].as_u64()?, ms))
}

async fn connect(admin: &Admin) -> Result<Sender, String> {
    let told = |error: std::io::Error| error.to_string();
    match &admin.address {
        AdminAddress::Unix(path) => {
            let stream = UnixStream::connect(path).await;
            shake_hands(stream.map_err(|error| format!("{}: {error}", path.display()))?).await
        }
        AdminAddress::Tcp { host, port, tls } => {
            let stream = TcpStream::connect((host.as_str(), *port)).await;
            let stream = stream.map_err(|error| format!("{host}:{port}: {error}"))?;
            match tls {
                false => shake_hands(stream).await,
                true => shake_hands(secure(stream, host, &admin.tls).await.map_err(told)?).await,
            }
        }
    }
}

async fn shake_hands<T>(stream: T) -> Result<Sender, String>
where
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let made = handshake(TokioIo::new(stream)).await;
    let (sender, connection) = made.map_err(|error| error.to_string())?;
    // It ends with its sender; the request reports the error.
    tokio::spawn(async move {
        let _ = connection.await;
    });
    Ok(sender)
}

/// A text in a query.
fn encoded(text: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(byte);
    let encode = |byte: u8| match plain(&byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    // The answer of the broker has both figures; a session without messages has no lag.
    #[test]
    fn answers_are_read() {
        let full = br#"{"inflight":3,"backlog":{"messages":7,"bytes":9,"lag_seconds":1.5}}"#;
        assert_eq!(told(full), Some((10, 1500)));
        let empty = br#"{"inflight":0,"backlog":{"messages":0,"bytes":0}}"#;
        assert_eq!(told(empty), Some((0, 0)));
        assert_eq!(told(b"{}"), None);
        assert_eq!(encoded("a b/\u{e4}-1"), "a%20b%2F%C3%A4-1");
    }
}
