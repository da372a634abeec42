//! The body of a request: an object of JSON that is read up to a bound, and its fields.
//!
//! Invariant: all bodies being read take [`HTTP_BODIES_BYTES_MAX`] bytes together at most, and each
//! takes [`HTTP_BODY_MS_MAX`] at most. A slow body occupies its own bytes and nothing else. A body
//! is read only after its sender was authenticated and has the right to the operation.

use std::error::Error;
use std::time::Duration;

use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::StatusCode;
use hyper::body::{self, Bytes};
use hyper::header::{self, HeaderMap};
use serde_json::{Map, Value};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::limits::{HTTP_BODIES_BYTES_MAX, HTTP_BODY_MS_MAX};

use super::answer::Fault;

/// The unit in bytes in which room is granted.
const PIECE: usize = 1024;

/// The room for all bodies being read.
pub(super) struct Bodies(Semaphore);

impl Bodies {
    pub(super) fn new() -> Self {
        Self(Semaphore::new(HTTP_BODIES_BYTES_MAX / PIECE))
    }

    /// Reads a body of at most `bytes_max` bytes that is a JSON object.
    pub(super) async fn read(
        &self,
        headers: &HeaderMap,
        body: impl body::Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>>,
        bytes_max: usize,
    ) -> Result<Fields, Fault> {
        check_type(headers)?;
        let told = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
        let told = told.and_then(|text| text.parse::<usize>().ok());
        if told.is_some_and(|bytes| bytes > bytes_max) {
            return Err(too_large(bytes_max));
        }
        let pieces = told.unwrap_or(bytes_max).div_ceil(PIECE);
        let pieces = u32::try_from(pieces).expect("bodies are small");
        let Ok(_room) = self.0.try_acquire_many(pieces) else {
            let message = "as many bodies are being read as may be";
            let fault = Fault::new(StatusCode::SERVICE_UNAVAILABLE, "busy", message);
            return Err(fault.retry_after(1));
        };
        let whole = Limited::new(body, bytes_max).collect();
        let Ok(read) = timeout(Duration::from_millis(HTTP_BODY_MS_MAX), whole).await else {
            let message = format!("the body has not come within {HTTP_BODY_MS_MAX} ms");
            return Err(Fault::new(StatusCode::REQUEST_TIMEOUT, "slow_body", message));
        };
        match read {
            Ok(read) => Fields::parse(&read.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => Err(too_large(bytes_max)),
            Err(_) => {
                let message = "the body ends too early or is not framed as HTTP says";
                Err(Fault::new(StatusCode::BAD_REQUEST, "broken_body", message))
            }
        }
    }
}

/// Requires the type JSON: a foreign page cannot make a browser send it without a preflight
/// request.
fn check_type(headers: &HeaderMap) -> Result<(), Fault> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = given.map(|given| given.split(';').next().unwrap_or_default().trim());
    if kind.is_some_and(|kind| kind.eq_ignore_ascii_case("application/json")) {
        return Ok(());
    }
    let message = match given {
        Some(given) => format!("the body is {given:.100?}"),
        None => "the body has no type".to_owned(),
    };
    let fault = Fault::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_type", message);
    Err(fault.hint("send JSON, with the header `Content-Type: application/json`"))
}

fn too_large(bytes_max: usize) -> Fault {
    let message = format!("the body has more than {bytes_max} bytes");
    Fault::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message)
}

/// The fields of a body. Each is taken once by its name. [`Fields::end`] refuses the remaining
/// ones: to ignore a mistyped name would do something other than what was meant.
#[derive(Debug, Default)]
pub(super) struct Fields {
    given: Map<String, Value>,
    known: Vec<&'static str>,
}

impl Fields {
    fn parse(body: &Bytes) -> Result<Self, Fault> {
        if body.is_empty() {
            return Ok(Self::default());
        }
        match serde_json::from_slice(body) {
            Ok(Value::Object(given)) => Ok(Self { given, known: Vec::new() }),
            Ok(_) => Err(Fault::of_field("body", "the body is no object")),
            Err(error) => {
                Err(Fault::of_field("body", format!("the body is no JSON: {error:.200}")))
            }
        }
    }

    /// A field, if it is given and not null.
    pub(super) fn take(&mut self, name: &'static str) -> Option<Value> {
        self.known.push(name);
        self.given.remove(name).filter(|value| !value.is_null())
    }

    /// A text.
    pub(super) fn text(&mut self, name: &'static str) -> Result<Option<String>, Fault> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Fault::of_field(name, format!("{name} is a text"))),
        }
    }

    /// A text that must be given.
    pub(super) fn need_text(&mut self, name: &'static str) -> Result<String, Fault> {
        let missing = || Fault::of_field(name, format!("the field {name} is missing"));
        self.text(name)?.ok_or_else(missing)
    }

    /// A flag; false if it is absent.
    pub(super) fn flag(&mut self, name: &'static str) -> Result<bool, Fault> {
        match self.take(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(_) => Err(Fault::of_field(name, format!("{name} is true or false"))),
        }
    }

    /// An integer within the bounds.
    pub(super) fn number(
        &mut self,
        name: &'static str,
        (least, most): (u64, u64),
    ) -> Result<Option<u64>, Fault> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let number = value.as_u64().filter(|number| (least..=most).contains(number));
        let wrong = || Fault::of_field(name, format!("{name} is a number from {least} to {most}"));
        number.ok_or_else(wrong).map(Some)
    }

    /// Refuses the fields that were not taken.
    pub(super) fn end(self) -> Result<(), Fault> {
        let Some(name) = self.given.keys().next() else { return Ok(()) };
        let hint = match &*self.known {
            [] => "the body has none".to_owned(),
            known => format!("it has {}", known.join(", ")),
        };
        Err(Fault::of_field("body", format!("there is no field {name:.64?} here")).hint(hint))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(text: &'static str) -> Result<Fields, Fault> {
        Fields::parse(&Bytes::from_static(text.as_bytes()))
    }

    // A body is an object; an empty body is an object without fields.
    #[test]
    fn bodies_are_objects() {
        for (text, is_one) in
            [("", true), ("{}", true), (" {\"a\":1} ", true), ("[]", false), ("{", false)]
        {
            assert_eq!(fields(text).is_ok(), is_one, "{text}");
        }
    }

    // Fields have types and bounds, and an unknown field is refused.
    #[test]
    fn fields_are_checked() {
        let text = r#"{"t":"x","f":true,"n":7,"nothing":null}"#;
        let mut all = fields(text).expect("an object");
        assert_eq!(all.text("t"), Ok(Some("x".to_owned())));
        assert_eq!((all.flag("f"), all.flag("g")), (Ok(true), Ok(false)));
        assert_eq!(all.number("n", (7, 7)), Ok(Some(7)));
        assert_eq!(all.text("nothing"), Ok(None));
        assert_eq!(all.end(), Ok(()));
        let wrong: [fn(&mut Fields) -> bool; 5] = [
            |it| it.text("n").is_err(),
            |it| it.flag("t").is_err(),
            |it| it.number("n", (8, 9)).is_err(),
            |it| it.number("t", (0, 9)).is_err(),
            |it| it.need_text("missing").is_err(),
        ];
        for (at, wrong) in wrong.into_iter().enumerate() {
            assert!(wrong(&mut fields(text).expect("an object")), "{at}");
        }
        let left = fields(text).expect("an object").end().expect_err("nobody took it");
        assert!(format!("{left:?}").contains("no field"), "{left:?}");
    }

    // The type must be JSON, with or without a character set.
    #[test]
    fn types() {
        for (given, is_taken) in [
            (Some("application/json"), true),
            (Some("Application/JSON; charset=utf-8"), true),
            (Some("text/plain"), false),
            (Some("application/jsonp"), false),
            (None, false),
        ] {
            let given = given.map(|kind| (header::CONTENT_TYPE, kind.parse().expect("a value")));
            let headers: HeaderMap = given.into_iter().collect();
            assert_eq!(check_type(&headers).is_ok(), is_taken, "{headers:?}");
        }
    }

    /// A body that never yields data.
    struct Silent;

    impl body::Body for Silent {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            self: std::pin::Pin<&mut Self>,
            _context: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<body::Frame<Bytes>, Self::Error>>> {
            std::task::Poll::Pending
        }
    }

    // A body that is not received in time is given up, and its room is free for others.
    #[test]
    fn slow_bodies_are_given_up() {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        let runtime = runtime.expect("there are resources");
        let kind = (header::CONTENT_TYPE, "application/json".parse().expect("a value"));
        let headers: HeaderMap = [kind].into_iter().collect();
        runtime.block_on(async {
            let bodies = Bodies::new();
            for _ in 0..2 * HTTP_BODIES_BYTES_MAX / crate::limits::HTTP_BODY_BYTES_MAX {
                let began = tokio::time::Instant::now();
                let read = bodies.read(&headers, Silent, crate::limits::HTTP_BODY_BYTES_MAX);
                let fault = read.await.expect_err("nothing came");
                assert_eq!(fault.response().status(), StatusCode::REQUEST_TIMEOUT);
                assert_eq!(fault.json()["code"], "slow_body");
                assert_eq!(began.elapsed(), Duration::from_millis(HTTP_BODY_MS_MAX));
            }
        });
    }
}
