//! HTTP for operators: `/metrics`, `/healthz`, `/readyz`.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::limits::{HTTP_CONNECTIONS_MAX, HTTP_REQUEST_TIMEOUT};
use crate::metrics::{FlowMetrics, State, render};

/// Listens, and answers requests until the process ends.
///
/// # Errors
/// The address cannot be bound.
pub async fn listen(address: SocketAddr, flows: Vec<FlowMetrics>) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    let places = Arc::new(Semaphore::new(HTTP_CONNECTIONS_MAX));
    tokio::spawn(async move {
        loop {
            let Ok(place) = places.clone().acquire_owned().await else { return };
            // An error concerns one connection, or too many files are open: later ones may succeed.
            let Ok((stream, _)) = listener.accept().await else {
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                continue;
            };
            let flows = flows.clone();
            tokio::spawn(async move {
                let service = service_fn(move |request| {
                    let answer = answer(&request, &flows);
                    async move { Ok::<_, Infallible>(answer) }
                });
                let served = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(HTTP_REQUEST_TIMEOUT)
                    .serve_connection(TokioIo::new(stream), service);
                // The request was wrong, or the client disconnected.
                let _ = served.await;
                drop(place);
            });
        }
    });
    Ok(address)
}

fn answer(request: &Request<Incoming>, flows: &[FlowMetrics]) -> Response<Full<Bytes>> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return text(StatusCode::METHOD_NOT_ALLOWED, "GET only\n".to_owned());
    }
    match request.uri().path() {
        "/metrics" => text(StatusCode::OK, render(flows)),
        // The process runs.
        "/healthz" => text(StatusCode::OK, "ok\n".to_owned()),
        "/readyz" => ready(flows),
        _ => text(StatusCode::NOT_FOUND, "there are /metrics, /healthz and /readyz\n".to_owned()),
    }
}

/// Whether each flow reads and its target accepts messages, with the state of each.
fn ready(flows: &[FlowMetrics]) -> Response<Full<Bytes>> {
    let mut says = String::new();
    let mut is_ready = true;
    for flow in flows {
        let glance = flow.glance();
        let is_well =
            flow.is_connected() && !matches!(flow.state(), State::Stopped | State::Retrying);
        is_ready &= is_well;
        let input = if flow.is_connected() { "connected" } else { "not connected" };
        says.push_str(&format!("{}: {}, input {input}\n", glance.name, glance.state));
    }
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    text(status, says)
}

fn text(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}
