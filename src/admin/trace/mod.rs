//! Traces: the running ones, their kept events, and their readers.
//!
//! ```text
//!  POST ──► Running ◄── events ── boxes of shards
//!             └── kept, the last of them ──► readers: JSON lines, text or pcapng
//! ```
//! Shards are asked for events only while a trace runs. The last events are kept in one place for
//! each trace, and a reader is the number of the next event that it needs. So a slow reader delays
//! nothing; it is told how many events it missed.
//!
//! Invariant: a trace's number is reused only after every shard has ended the trace.
//!
//! | file | noun |
//! |---|---|
//! | `asked` | the parameters of a trace |
//! | `running` | a running trace and its kept events |
//! | `files` | traces in files of the data directory |
//! | `reader` | a stream of a trace's events |
//! | `packet` | a parsed packet of an event |
//! | `object`, `text`, `pcapng` | an event in the three formats |

mod files;
mod object;
mod packet;
mod pcapng;
mod reader;
mod text;

use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use hyper::{Response, StatusCode};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::spawn_local;
use tokio::time::{self, Instant};

use crate::broker::inspect::{Question, Reply, TraceOrder};
use crate::limits::{TRACE_FETCH_MS, TRACE_READERS_MAX, TRACES_MAX};

use super::actor::Actor;
use super::answer::{Body, Fault, json_of, streamed};
use super::operation::Operation;
use super::query::Query;
use super::shards::NoAnswer;
use super::state::Admin;
use super::traces::{Asked, Running};

use reader::Format;

type Answer = Result<Response<Body>, Fault>;

/// Takes the events of shards while traces run, and ends traces whose time is over.
pub(super) async fn serve(admin: Rc<Admin>) {
    let traces = &admin.traces;
    loop {
        let deadline = traces.next_end();
        {
            let (came, changed) =
                (pin!(admin.asker.traced_come()), pin!(traces.changed.notified()));
            let either = reader::either(came, changed);
            match deadline {
                Some(deadline) => drop(time::timeout_at(deadline, either).await),
                None => either.await,
            }
        }
        absorb(&admin);
        let now = Instant::now();
        let over = |running: &&Rc<Running>| running.ends <= now;
        let due: Vec<Rc<Running>> = traces.running.borrow().iter().filter(over).cloned().collect();
        for running in due {
            end(&admin, &running, "its time is over").await;
        }
        end_again(&admin).await;
        if !traces.running.borrow().is_empty() {
            // A pause, so that a busy shard is not woken for each event.
            time::sleep(Duration::from_millis(TRACE_FETCH_MS)).await;
            admin.asker.await_traced();
        }
    }
}

/// Takes the received events.
fn absorb(admin: &Admin) {
    while let Some((shard, batch)) = admin.asker.next_traced() {
        admin.traces.spread(shard, *batch);
    }
}

/// Has a shard begin or end a trace, and takes the events that it had gathered before.
async fn order(admin: &Admin, shard: u16, order: TraceOrder) -> Result<(), NoAnswer> {
    let Reply::Traced(batch) = admin.asker.ask(shard, Question::Trace(order)).await? else {
        unreachable!("an order for a trace is answered with events")
    };
    // Batches received earlier are older.
    absorb(admin);
    admin.traces.spread(shard, *batch);
    Ok(())
}

/// Ends a trace for all its readers, unless it has ended.
async fn end(admin: &Admin, running: &Rc<Running>, why: &'static str) {
    if !running.begin_end() {
        return;
    }
    let mut silent = Vec::new();
    for shard in 0..admin.asker.shards() {
        if order(admin, shard, TraceOrder::end(running.number, running.id)).await.is_err() {
            silent.push(shard);
        }
    }
    let traces = &admin.traces;
    running.end(why);
    traces.running.borrow_mut().retain(|other| !Rc::ptr_eq(other, running));
    if !silent.is_empty() {
        traces.ending.borrow_mut().push((running.clone(), silent));
        traces.changed.notify_one();
    }
}

/// Ends traces on shards that did not answer before.
async fn end_again(admin: &Admin) {
    let ending = admin.traces.ending.borrow().clone();
    for (running, shards) in ending {
        let mut silent = Vec::new();
        for shard in shards {
            if order(admin, shard, TraceOrder::end(running.number, running.id)).await.is_err() {
                silent.push(shard);
            }
        }
        let mut ending = admin.traces.ending.borrow_mut();
        if let Some(at) = ending.iter().position(|(other, _)| Rc::ptr_eq(other, &running)) {
            ending[at].1 = silent;
            ending.retain(|(_, silent)| !silent.is_empty());
        }
    }
}

/// Runs an operation of [`TRACES`](super::trace_operations::TRACES).
pub(super) async fn answer(
    admin: &Rc<Admin>,
    operation: &Operation,
    query: &Query<'_>,
    by: &Actor,
) -> Answer {
    match (operation.method, operation.path) {
        ("GET", "/traces") => list(admin),
        ("POST", "/traces") => start(admin, query, by).await,
        ("DELETE", "/trace") => stop(admin, query, by).await,
        ("GET", "/trace/stream") => stream(admin, query),
        ("GET", "/trace/files") => files::list(admin).await,
        ("GET", "/trace/file") => files::fetch(admin, query).await,
        ("DELETE", "/trace/file") => {
            if let Some(running) = files::writer(admin, query)? {
                end(admin, &running, "its file was deleted").await;
            }
            files::delete(admin, query, by).await
        }
        (method, path) => unreachable!("{method} {path} is in the table and has no arm"),
    }
}

/// Starts a trace.
async fn start(admin: &Rc<Admin>, query: &Query<'_>, by: &Actor) -> Answer {
    let format = query.word("file", &Format::NAMES)?;
    let asked = Asked::read(query, |name| admin.vhost(name))?;
    let running = begin(admin, asked, format, by).await?;
    Ok(json_of(StatusCode::OK, &running.told()))
}

/// What happens to clients from now on: a trace that ends with its only reader.
pub(super) async fn events(admin: &Rc<Admin>, query: &Query<'_>, by: &Actor) -> Answer {
    let format = query.word("format", &[("json", Format::Json), ("text", Format::Text)])?;
    let asked = Asked::read_events(query, |name| admin.vhost(name))?;
    check_readers(admin)?;
    let running = begin(admin, asked, None, by).await?;
    Ok(read(admin, running, format.unwrap_or(Format::Json), true))
}

async fn begin(
    admin: &Rc<Admin>,
    asked: Asked,
    format: Option<Format>,
    by: &Actor,
) -> Result<Rc<Running>, Fault> {
    let traces = &admin.traces;
    let Some(number) = traces.free_number() else {
        let says = format!("{TRACES_MAX} traces run, and there are no more at once");
        let hint = "GET /api/v1/traces lists them; DELETE /api/v1/trace ends one";
        return Err(Fault::new(StatusCode::CONFLICT, "too_many", says).hint(hint));
    };
    traces.last_id.set(traces.last_id.get() + 1);
    let (id, says) = (traces.last_id.get(), asked.says());
    let (spec, ms) = (asked.spec.clone(), u64::from(asked.seconds) * 1000);
    let running = Rc::new(Running::new(id, number, asked, by.name()));
    // From here on the number is taken.
    traces.running.borrow_mut().push(running.clone());
    let recording = match format {
        Some(format) => match files::create(&traces.directory, id, format).await {
            Ok(recording) => Some(recording),
            Err(fault) => {
                traces.running.borrow_mut().retain(|other| !Rc::ptr_eq(other, &running));
                return Err(fault);
            }
        },
        None => None,
    };
    recording.iter().for_each(|recording| running.note_file(&recording.name));
    for shard in 0..admin.asker.shards() {
        let begins = TraceOrder::begin(number, id, spec.clone(), ms);
        if let Err(no_answer) = order(admin, shard, begins).await {
            end(admin, &running, "a shard was silent").await;
            return Err(no_answer.into());
        }
    }
    if running.is_ending() {
        // It was ended meanwhile, perhaps before it began on a shard.
        let shards = (0..admin.asker.shards()).collect();
        traces.ending.borrow_mut().push((running, shards));
        traces.changed.notify_one();
        let says = "the trace was ended before it had begun on every shard";
        return Err(Fault::new(StatusCode::CONFLICT, "ended", says));
    }
    running.note_begun();
    if let Some(recording) = recording {
        let (admin, running) = (admin.clone(), running.clone());
        spawn_local(async move {
            if let Some(why) = files::record(&admin, &running, recording).await {
                end(&admin, &running, why).await;
            }
        });
    }
    by.audit_of("start trace", &id.to_string(), &says);
    admin.asker.await_traced();
    traces.changed.notify_one();
    Ok(running)
}

/// The running traces.
fn list(admin: &Admin) -> Answer {
    let running = admin.traces.running.borrow();
    let begun = running.iter().filter(|running| running.is_begun());
    let items: Vec<Value> = begun.map(|running| running.told()).collect();
    Ok(json_of(StatusCode::OK, &json!({ "items": items })))
}

/// Ends a trace.
async fn stop(admin: &Admin, query: &Query<'_>, by: &Actor) -> Answer {
    let running = admin.traces.find(query.need("id")?)?;
    end(admin, &running, "it was ended").await;
    by.audit_of("end trace", &running.id.to_string(), "ended");
    Ok(json_of(StatusCode::OK, &running.told()))
}

/// The events of a trace, until it ends.
fn stream(admin: &Rc<Admin>, query: &Query<'_>) -> Answer {
    let running = admin.traces.find(query.need("id")?)?;
    let format = query.word("format", &Format::NAMES)?.unwrap_or(Format::Json);
    let ends = query.word("end", &[("true", true), ("false", false)])?.unwrap_or(false);
    check_readers(admin)?;
    Ok(read(admin, running, format, ends))
}

/// Whether there may be one reader more.
fn check_readers(admin: &Admin) -> Result<(), Fault> {
    if admin.traces.readers.get() >= TRACE_READERS_MAX {
        let says = format!("{TRACE_READERS_MAX} readers of traces are there, and no more may be");
        let fault = Fault::new(StatusCode::SERVICE_UNAVAILABLE, "busy", says);
        return Err(fault.retry_after(1));
    }
    Ok(())
}

/// A stream of what a trace tells; `ends`: the trace ends with it.
fn read(admin: &Rc<Admin>, running: Rc<Running>, format: Format, ends: bool) -> Response<Body> {
    let readers = &admin.traces.readers;
    readers.set(readers.get() + 1);
    let (admin, (sender, pieces)) = (admin.clone(), mpsc::channel(1));
    spawn_local(async move {
        reader::feed(&admin, &running, format, sender).await;
        admin.traces.readers.set(admin.traces.readers.get() - 1);
        if ends {
            end(&admin, &running, "its reader has gone").await;
        }
    });
    streamed(format.content_type(), pieces)
}
