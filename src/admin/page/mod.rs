//! The page for operators: files that are part of the program, and sent as they are.
//!
//! None of it is secret: everybody who reaches the port may load it. What it shows it asks of the
//! API, with the token of the person who looks.
//!
//! Invariant: the files load nothing of another origin, and take
//! [`PAGE_FILES_BYTES_MAX`] bytes together at most.

use std::sync::LazyLock;

use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::header::{self, HeaderValue};
use hyper::{Request, Response, StatusCode};
use sha2::{Digest, Sha256};

use crate::limits::PAGE_FILES_BYTES_MAX;

use super::answer::{Body, whole};

/// One file.
struct File {
    path: &'static str,
    content_type: &'static str,
    bytes: &'static [u8],
}

const SCRIPT: &str = "text/javascript; charset=utf-8";

macro_rules! scripts {
    ($($name:literal),* $(,)?) => {
        [$(File {
            path: concat!("/page/", $name),
            content_type: SCRIPT,
            bytes: include_bytes!($name),
        }),*]
    };
}

const SCRIPTS: [File; 14] = scripts!(
    "access.js",
    "api.js",
    "app.js",
    "chart.js",
    "clients.js",
    "closed.js",
    "detail.js",
    "dom.js",
    "live.js",
    "log.js",
    "overview.js",
    "retained.js",
    "sessions.js",
    "trace.js",
);

const OTHERS: [File; 3] = [
    File {
        path: "/",
        content_type: "text/html; charset=utf-8",
        bytes: include_bytes!("index.html"),
    },
    File {
        path: "/page/style.css",
        content_type: "text/css; charset=utf-8",
        bytes: include_bytes!("style.css"),
    },
    File {
        path: "/page/icon.svg",
        content_type: "image/svg+xml",
        bytes: include_bytes!("icon.svg"),
    },
];

const fn bytes_of(files: &[File]) -> usize {
    let (mut sum, mut at) = (0, 0);
    while at < files.len() {
        sum += files[at].bytes.len();
        at += 1;
    }
    sum
}

const _: () = assert!(bytes_of(&SCRIPTS) + bytes_of(&OTHERS) <= PAGE_FILES_BYTES_MAX);

fn files() -> impl Iterator<Item = &'static File> {
    const { &OTHERS }.iter().chain(const { &SCRIPTS })
}

/// Names this version of all files: they fit each other and no others.
static ETAG: LazyLock<HeaderValue> = LazyLock::new(|| {
    let mut hash = Sha256::new();
    files().for_each(|file| hash.update(file.bytes));
    let digest: String = hash.finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    HeaderValue::from_str(&format!("\"{digest}\"")).expect("hexadecimal digits")
});

/// The file at a path, if there is one; nothing of it if the browser has it already.
pub(super) fn file(path: &str, request: &Request<()>) -> Option<Response<Body>> {
    let file = files().find(|file| file.path == path)?;
    let known = request.headers().get_all(header::IF_NONE_MATCH).iter();
    let is_known = known.filter_map(|value| value.to_str().ok()).any(|value| {
        value
            .split(',')
            .any(|tag| tag.trim().trim_start_matches("W/").as_bytes() == ETAG.as_bytes())
    });
    let mut response = whole(StatusCode::OK, file.content_type, Bytes::from_static(file.bytes));
    let headers = response.headers_mut();
    headers.insert(header::ETAG, ETAG.clone());
    // It is asked for again each time: another broker may answer at the same address.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if is_known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        *response.body_mut() = Empty::new().boxed_unsync();
    }
    Some(response)
}
