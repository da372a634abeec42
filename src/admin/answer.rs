//! Answers: their common headers, and errors as JSON.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{self, Bytes, Frame};
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::{Value, json};
use tokio::sync::mpsc;

/// The body of an answer: one piece, or a stream of pieces.
pub(super) type Body = UnsyncBoxBody<Bytes, Infallible>;

/// The answer to a request, or a fault.
pub(super) type Answer = Result<Response<Body>, Fault>;

/// Headers of every answer. A page loads, runs and shows content of this origin only, and cannot be
/// framed by another.
const HEADERS: [(HeaderName, HeaderValue); 5] = [
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
             img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
             require-trusted-types-for 'script'; trusted-types 'none'",
        ),
    ),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
];

/// An answer of one piece.
pub(super) fn whole(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Response<Body> {
    let mut response = Response::new(Full::new(body.into()).boxed_unsync());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.extend(HEADERS);
    response
}

/// An answer whose pieces are sent one after the other.
pub(super) fn stream(content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = whole(StatusCode::OK, content_type, Bytes::new());
    *response.body_mut() = body;
    response
}

/// An answer that is streamed until the sender of pieces is dropped.
pub(super) fn streamed(
    content_type: &'static str,
    pieces: mpsc::Receiver<Bytes>,
) -> Response<Body> {
    let mut response = Response::new(Pieces(pieces).boxed_unsync());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.extend(HEADERS);
    response
}

/// The body of a streamed answer.
struct Pieces(mpsc::Receiver<Bytes>);

impl body::Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }
}

/// Plain text.
pub(super) fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Body> {
    whole(status, "text/plain; charset=utf-8", body)
}

/// JSON, with a line end for terminals.
pub(super) fn json_of(status: StatusCode, value: &Value) -> Response<Body> {
    whole(status, "application/json", format!("{value}\n"))
}

/// A fault as the client sees it. It discloses nothing that the client may not know.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Fault {
    status: StatusCode,
    code: &'static str,
    message: Box<str>,
    hint: Option<Box<str>>,
    /// The parameter that is wrong.
    field: Option<&'static str>,
    /// Seconds after which to try again.
    retry_after_s: Option<u64>,
    /// The faults in files.
    faults: Box<[Value]>,
}

impl Fault {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        let message = message.into().into();
        Self {
            status,
            code,
            message,
            hint: None,
            field: None,
            retry_after_s: None,
            faults: Box::default(),
        }
    }

    /// A parameter is wrong.
    pub(super) fn of_field(field: &'static str, message: impl Into<String>) -> Self {
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        Self { field: Some(field), ..Self::new(status, "invalid", message) }
    }

    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into().into()), ..self }
    }

    pub(super) fn retry_after(self, seconds: u64) -> Self {
        Self { retry_after_s: Some(seconds), ..self }
    }

    /// Seconds after which to try again, if a retry may help.
    pub(super) fn retry_after_s(&self) -> Option<u64> {
        self.retry_after_s
    }

    /// The tokens were read again while an answer was on its way.
    pub(super) fn tokens_changed() -> Self {
        let message = "the tokens were read again: what follows needs another request";
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
    }

    pub(super) fn faults(self, faults: Vec<Value>) -> Self {
        Self { faults: faults.into(), ..self }
    }

    /// The status of the answer.
    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    /// Whether somebody asked what it may not.
    pub(super) fn is_refusal(&self) -> bool {
        let refusals = [
            StatusCode::UNAUTHORIZED,
            StatusCode::FORBIDDEN,
            StatusCode::MISDIRECTED_REQUEST,
            StatusCode::TOO_MANY_REQUESTS,
        ];
        refusals.contains(&self.status)
    }

    /// The JSON object of the fault.
    pub(super) fn json(&self) -> Value {
        let mut error = json!({ "code": self.code, "message": self.message });
        let more = [("hint", self.hint.as_deref()), ("field", self.field)];
        for (name, value) in more.into_iter().filter_map(|(name, value)| Some((name, value?))) {
            error[name] = value.into();
        }
        if !self.faults.is_empty() {
            error["faults"] = self.faults.to_vec().into();
        }
        error
    }

    /// The response.
    pub(super) fn response(&self) -> Response<Body> {
        let mut response = json_of(self.status, &json!({ "error": self.json() }));
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            let value = HeaderValue::from_static("Bearer realm=\"ringmq\", charset=\"UTF-8\"");
            headers.insert(header::WWW_AUTHENTICATE, value);
        }
        response
    }
}
