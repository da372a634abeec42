//! One HTTP connection to a server, opened on demand and kept.

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::config::{Secret, TlsFiles};
use crate::limits::{ANSWER_BYTES_MAX, CONNECT_TIMEOUT, WRITE_TIMEOUT};
use crate::mqtt::secure;

/// A server.
pub(super) struct HttpClient {
    host: String,
    port: u16,
    tls: Option<TlsFiles>,
    authorization: Option<Secret>,
    sender: Option<SendRequest<Full<Bytes>>>,
}

/// The answer of a server.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// The first bytes of the body.
    pub(super) body: String,
}

impl HttpClient {
    pub(super) fn new(
        host: String,
        port: u16,
        tls: Option<TlsFiles>,
        authorization: Option<Secret>,
    ) -> Self {
        Self { host, port, tls, authorization, sender: None }
    }

    /// Sends one POST and waits for the answer. After an error the connection is closed.
    pub(super) async fn post(&mut self, path: &str, body: Bytes) -> Result<Answer, String> {
        let mut sender = match self.sender.take().filter(|sender| !sender.is_closed()) {
            Some(sender) => sender,
            None => timeout(CONNECT_TIMEOUT, self.connect())
                .await
                .map_err(|_| "the connection takes too long".to_owned())??,
        };
        let request = self.request(path, body)?;
        let exchange = async {
            sender.ready().await.map_err(|error| error.to_string())?;
            let answer = sender.send_request(request).await.map_err(|error| error.to_string())?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
            // The status of an answer that is too long or breaks off is used nevertheless.
            let bytes = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
            let body = String::from_utf8_lossy(&bytes).trim().to_owned();
            Ok::<Answer, String>(Answer { status, body })
        };
        let answer = timeout(WRITE_TIMEOUT, exchange)
            .await
            .map_err(|_| "the server does not answer".to_owned())??;
        self.sender = Some(sender);
        Ok(answer)
    }

    fn request(&self, path: &str, body: Bytes) -> Result<Request<Full<Bytes>>, String> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = path.parse().map_err(|error| format!("{path}: {error}"))?;
        let host = format!("{}:{}", self.host, self.port);
        let header = |text: &str| HeaderValue::from_str(text).map_err(|error| error.to_string());
        request.headers_mut().insert(HOST, header(&host)?);
        let plain = HeaderValue::from_static("text/plain; charset=utf-8");
        request.headers_mut().insert(CONTENT_TYPE, plain);
        if let Some(secret) = &self.authorization {
            request.headers_mut().insert(AUTHORIZATION, header(&secret.0)?);
        }
        Ok(request)
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, String> {
        let told = |error: std::io::Error| error.to_string();
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await.map_err(told)?;
        stream.set_nodelay(true).map_err(told)?;
        match &self.tls {
            None => Self::shake_hands(TokioIo::new(stream)).await,
            Some(tls) => {
                let stream = secure(stream, &self.host, tls).await.map_err(told)?;
                Self::shake_hands(TokioIo::new(stream)).await
            }
        }
    }

    async fn shake_hands<T>(stream: T) -> Result<SendRequest<Full<Bytes>>, String>
    where
        T: hyper::rt::Read + hyper::rt::Write + Unpin + 'static,
    {
        let (sender, connection) = handshake(stream).await.map_err(|error| error.to_string())?;
        // It ends with its sender; the request reports the error.
        tokio::task::spawn_local(async move {
            let _ = connection.await;
        });
        Ok(sender)
    }
}
