//! The page for operators: files in the program, which are sent as they are.
//!
//! The files are not secret: every client that reaches the port may load them. The page gets its
//! data from the API, with the token of its viewer.
//!
//! A browser that accepts gzip gets them compressed.
//!
//! Invariant: the files load nothing of another origin, and take
//! [`PAGE_FILES_BYTES_MAX`] bytes together at most.

use std::io::Write;
use std::sync::LazyLock;

use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::header::{self, HeaderMap, HeaderValue};
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

const SCRIPTS: [File; 15] = scripts!(
    "access.js",
    "api.js",
    "app.js",
    "chart.js",
    "clients.js",
    "closed.js",
    "detail.js",
    "dom.js",
    "groups.js",
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

/// All files compressed (about 40 KB, for slow tunnels), made when a browser first asks for one.
static COMPRESSED: LazyLock<Vec<(&str, Bytes)>> =
    LazyLock::new(|| files().map(|file| (file.path, compressed(file.bytes).into())).collect());

fn compressed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let written = encoder.write_all(bytes).and_then(|()| encoder.finish());
    written.expect("memory takes all of it")
}

/// The encoding of a file. Each has its own entity tag.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Coding {
    Plain,
    Gzip,
}

impl Coding {
    /// The best encoding that a request accepts.
    fn of(headers: &HeaderMap) -> Self {
        let given = headers.get_all(header::ACCEPT_ENCODING).iter();
        let given = given.filter_map(|value| value.to_str().ok()).flat_map(|it| it.split(','));
        let accepts = |part: &str| {
            let mut parts = part.split(';').map(str::trim);
            let is_gzip = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
            let refuses = parts.any(|part| {
                part.strip_prefix("q=").and_then(|q| q.parse::<f32>().ok()) == Some(0.0)
            });
            is_gzip && !refuses
        };
        if given.into_iter().any(accepts) { Self::Gzip } else { Self::Plain }
    }

    fn tag(self) -> HeaderValue {
        let ending = if self == Self::Gzip { "-gzip" } else { "" };
        let tag = format!("\"{}{ending}\"", *VERSION);
        HeaderValue::from_str(&tag).expect("hexadecimal digits")
    }
}

/// The version of all files together: files of different versions do not fit each other.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut hash = Sha256::new();
    files().for_each(|file| hash.update(file.bytes));
    hash.finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
});

/// The file at a path, if there is one; without its content if the browser has it already.
pub(super) fn file(path: &str, request: &Request<()>) -> Option<Response<Body>> {
    let file = files().find(|file| file.path == path)?;
    let coding = Coding::of(request.headers());
    let tag = coding.tag();
    let known = request.headers().get_all(header::IF_NONE_MATCH).iter();
    let is_known = known.filter_map(|value| value.to_str().ok()).any(|value| {
        value.split(',').any(|it| it.trim().trim_start_matches("W/").as_bytes() == tag.as_bytes())
    });
    let small = || COMPRESSED.iter().find(|(known, _)| *known == path).map(|(_, it)| it.clone());
    let bytes = match coding {
        Coding::Gzip if !is_known => small()?,
        Coding::Gzip | Coding::Plain => Bytes::from_static(file.bytes),
    };
    let mut response = whole(StatusCode::OK, file.content_type, bytes);
    let headers = response.headers_mut();
    headers.insert(header::ETAG, tag);
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    // The browser asks again each time, because another broker may answer at the same address.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if is_known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        *response.body_mut() = Empty::new().boxed_unsync();
    } else if coding == Coding::Gzip {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    Some(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    // A client that accepts gzip, and does not refuse it, gets compressed files.
    #[test]
    fn codings_are_chosen() {
        for (accept, coding) in [
            (None, Coding::Plain),
            (Some("gzip"), Coding::Gzip),
            (Some("br;q=1, GZIP;q=0.5"), Coding::Gzip),
            (Some("gzip;q=0"), Coding::Plain),
            (Some("gzip; q=0.0, br"), Coding::Plain),
            (Some("identity"), Coding::Plain),
            (Some("x-gzipped"), Coding::Plain),
        ] {
            let value = accept.map(|it| (header::ACCEPT_ENCODING, it.parse().expect("a value")));
            assert_eq!(Coding::of(&value.into_iter().collect()), coding, "{accept:?}");
        }
    }
}
