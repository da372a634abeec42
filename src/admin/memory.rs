//! The memory that answers take, as the allocator counts it: bounded bytes for any number of
//! clients.

use std::path::Path;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use allocation_counter::measure;
use http_body_util::BodyExt;
use hyper::header::{ACCEPT, HeaderMap};
use tokio::runtime;
use tokio::sync::watch;
use tokio::task::LocalSet;
use tokio::time;

use crate::broker::inspect::{Ask, Page, Question, Reply};
use crate::limits::PAGE_ROWS_MAX;

use super::lists;
use super::openapi;
use super::process::Process;
use super::query::Query;
use super::shards::Ways;
use super::state::Admin;
use super::task::{ControlWay, Job};
use super::tokens::Tokens;
use super::{Condition, Facts};

/// One shard with `clients` clients, which answers at once.
struct Crowd {
    clients: u32,
    #[allow(clippy::vec_box, reason = "a box is given back as it came")]
    answers: Mutex<Vec<Box<Ask>>>,
}

impl Ways for Crowd {
    fn shards(&self) -> u16 {
        1
    }

    fn send(&mut self, _shard: u16, mut ask: Box<Ask>) -> Result<(), Box<Ask>> {
        if let Question::Listing(listing) = &ask.question {
            if !matches!(ask.reply, Reply::Page(_)) {
                ask.reply = Reply::Page(Page::default());
            }
            let Reply::Page(page) = &mut ask.reply else { unreachable!("it was just made") };
            let mut next = listing.from;
            while next < self.clients && !page.is_full(listing.limit) {
                page.add_example(&format!("device-with-a-usual-name-{next}"));
                next += 1;
            }
            page.next = (next < self.clients).then_some(next);
        }
        self.answers.lock().expect("nobody panics").push(ask);
        Ok(())
    }

    fn next_answer(&mut self, _shard: u16) -> Option<Box<Ask>> {
        self.answers.lock().expect("nobody panics").pop()
    }
}

/// A control thread that takes no job.
struct NoControl;

impl ControlWay for NoControl {
    fn send(&self, job: Job) -> Result<(), Job> {
        Err(job)
    }
}

fn admin_of(clients: u32) -> Rc<Admin> {
    let condition = Condition {
        is_ready: true,
        draining: false,
        facts: Arc::new(Facts::default()),
        reloaded: true,
        reloaded_at_s: 0,
        vhosts: Arc::new([(0, "/".to_owned())]),
        tokens: Arc::new(Tokens::default()),
        watched: Arc::new([]),
        tls: None,
        hosts: Arc::new([]),
        is_over: false,
    };
    let ways = Box::new(Crowd { clients, answers: Mutex::default() });
    let (_, condition) = watch::channel(condition);
    Rc::new(Admin::new(
        ways,
        Process::open(),
        condition,
        (Box::new(NoControl), None),
        Path::new("none"),
    ))
}

/// Lists all clients, page by page or as lines. Returns the number of rows and the most bytes held
/// at once.
fn list(clients: u32, accept: Option<&'static str>) -> (usize, u64) {
    let admin = admin_of(clients);
    let runtime = runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let (runtime, local) = (runtime.expect("there are resources"), LocalSet::new());
    let headers: HeaderMap =
        accept.map(|accept| (ACCEPT, accept.parse().expect("a value"))).into_iter().collect();
    let mut rows = 0;
    let used = measure(|| {
        local.block_on(&runtime, async {
            let hears = admin.clone();
            let hearing = tokio::task::spawn_local(async move {
                loop {
                    hears.asker.take_answers();
                    time::sleep(Duration::from_millis(1)).await;
                }
            });
            let operation = openapi::of_path("/clients").next().expect("there is one");
            let mut cursor = None;
            loop {
                let mut query = Query::default();
                query.set("limit", PAGE_ROWS_MAX.to_string());
                cursor.take().into_iter().for_each(|cursor| query.set("cursor", cursor));
                if accept.is_some() {
                    query = Query::default();
                }
                let answer = lists::answer(&admin, operation, &query, &headers).await;
                let mut body = answer.expect("an answer").into_body();
                let mut tail = Vec::new();
                while let Some(frame) = body.frame().await {
                    let piece = frame.expect("pieces do not fail").into_data().expect("data");
                    rows += piece.windows(5).filter(|bytes| bytes == b"\"id\":").count();
                    tail = piece[piece.len().saturating_sub(40)..].to_vec();
                }
                let tail = String::from_utf8(tail).expect("text");
                match tail.split_once("\"next\":\"") {
                    Some((_, rest)) => cursor = rest.split('"').next().map(str::to_owned),
                    None => break,
                }
            }
            hearing.abort();
        });
    });
    (rows, used.bytes_max)
}

// Large pages and lines take as much memory for ten thousand clients as for a thousand.
#[test]
fn listings_take_bounded_memory() {
    for (accept, most) in [(None, 1_500_000), (Some("application/x-ndjson"), 300_000)] {
        let (few, many) = (list(1_000, accept), list(10_000, accept));
        assert_eq!((few.0, many.0), (1_000, 10_000), "{accept:?}");
        assert!(many.1 <= most, "{accept:?}: {} bytes", many.1);
        assert!(many.1 <= few.1 + 100_000, "{accept:?}: {} bytes, not {}", many.1, few.1);
    }
}

// The largest document is as small, and equals the one built from values.
#[test]
fn answers_take_bounded_memory() {
    let document = measure(|| drop(openapi::document_text()));
    assert!(document.bytes_max <= 1_250_000, "{} bytes", document.bytes_max);
    let told: serde_json::Value = serde_json::from_str(&openapi::document_text()).expect("JSON");
    assert_eq!(told, openapi::document());
}
