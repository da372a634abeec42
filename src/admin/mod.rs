//! What operators and their programs ask over HTTP: metrics, health, clients and sessions.
//!
//! ```text
//!  HTTP ──► door ──► guard ──► routes ──► asker ──Ask──► shards
//!                                 ▲          ◄──Ask────┘
//!                                 └── catalogue: metrics, JSON and docs from one table
//! ```
//! One thread of a lower priority, with a runtime of its own, that no shard waits for. It learns of
//! a shard only by asking it ([`Ask`](crate::broker::inspect::Ask)), so nobody who asks costs
//! nothing.
//!
//! Invariant: whatever comes in here is bounded: connections, the time for a request, its bytes,
//! asks on their way to a shard, the bytes of an answer.
//!
//! | file | noun |
//! |---|---|
//! | `shards` | the ways to the shards, and what they have said last |
//! | `door` | listeners and connections |
//! | `guard` | who may ask what: hosts, origins, tokens, failures |
//! | `tokens` | tokens and their rights |
//! | `condition` | what the control thread knows |
//! | `state` | what routes answer from |
//! | `actor` | who changes something, and the note of it |
//! | `routes` | which path is what |
//! | `openapi` | the operations of the API in a table, and as a document |
//! | `operation` | what an operation is |
//! | `operating` | operations on the broker as a whole |
//! | `account_operations` | operations on users and vhosts |
//! | `lookups` | those about single things |
//! | `query`, `body` | parameters of a request, and the fields of its body |
//! | `answer` | answers, and errors as JSON |
//! | `broker_metrics` | metrics that no shard knows |
//! | `connection_metrics` | those of connections and clients |
//! | `message_metrics`, `log_metrics` | those of packets and messages; of the log and its disk |
//! | `metric`, `catalogue` | what a metric is; every one, in a table |
//! | `exposition` | metrics as text for Prometheus |
//! | `api` | what JSON tells of clients and sessions |
//! | `watchdog` | tells a service manager that all shards answer |
//! | `session_metrics`, `descriptions` | metrics of sessions; all as the documentation has them |
//! | `watched` | metrics of sessions |
//! | `operate`, `publish` | what changes or tells of the broker as a whole; messages |
//! | `accounts` | users, vhosts and limits |
//! | `task` | what the control thread is to do |
//! | `facts` | settings, listeners and certificates |
//! | `live`, `viewers` | figures each second, and those who look at them |
//! | `page` | the page for operators, as files |
//! | `who` | who asks, and what that one may do |
//! | `sign_ins`, `signin` | codes and tokens of the page, and how people get them |
//! | `trace_operations` | operations on traces |
//! | `traces` | traces that run, and what is kept of them |
//! | `trace` | traces of clients and topics, and streams of what they tell |
//! | `closed` | connections that ended lately |
//! | `bulk_kick` | the end of the connections of many clients |
//! | `node` | what the broker runs on, and its shards |
//! | `subscriptions` | subscriptions, who gets a topic, what a client may do |
//! | `retained` | retained messages |
//! | `waiting` | what waits in a session |
//! | `session_lists` | lists of clients and sessions |
//! | `lists`, `rows` | lists, in pages or in lines; their rows as text |
//! | `memory` | in tests: what answers take of memory |
//! | `item` | parts that the objects of several answers have |
//! | `system` | the topics `$SYS/…`, for shards with a subscriber |
//! | `process` | what the system knows of this process |
//!
//! A route more is a row of `openapi::OPERATIONS` and an arm of `routes`; a metric more is a row of
//! `catalogue::METRICS`.
//!
//! It may use `broker::inspect`, the last lines of `logging` and, to show packets, `mqtt`. It alone
//! uses HTTP and its runtime.

mod account_operations;
mod accounts;
mod actor;
mod answer;
mod api;
mod body;
mod broker_metrics;
mod bulk_kick;
mod catalogue;
mod closed;
mod condition;
mod connection_metrics;
mod descriptions;
mod door;
mod exposition;
mod facts;
mod group_events;
mod guard;
mod item;
mod lists;
mod live;
mod log_metrics;
mod lookups;
#[cfg(test)]
mod memory;
mod message_metrics;
mod metric;
mod node;
mod openapi;
mod operate;
mod operating;
mod operation;
mod page;
mod process;
mod publish;
mod query;
mod retained;
mod routes;
mod rows;
mod session_lists;
mod session_metrics;
mod shards;
mod shedding;
mod sign_ins;
mod signin;
mod state;
mod subscriptions;
mod system;
mod task;
mod tokens;
mod trace;
mod trace_operations;
mod traces;
mod vhost_metrics;
mod viewers;
mod waiting;
mod watchdog;
mod watched;
mod who;

use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use log::{debug, error};
use tokio::runtime;
use tokio::sync::watch;
use tokio::task::{JoinHandle, LocalSet};

use crate::limits::FILE_THREADS_MAX;

pub use condition::{Condition, WatchedSessions};
pub use descriptions::{Description, descriptions};
pub use facts::{CertificateFact, Facts, ListenerFact, Setting};
pub use openapi::document;
pub use process::Process;
pub use shards::Ways;
pub use task::{
    AccountTask, Change, ControlWay, Done, FileFault, Job, LIMIT_FIELDS, Password, Reloaded, Task,
    TaskError, TaskErrorKind,
};
pub use tokens::{Right, Rights, TokenError, Tokens};
pub use watchdog::Watchdog;

use state::Admin;

/// Stands behind the shards and the threads that verify passwords.
const NICENESS: i32 = 10;

/// At the end, the time for what is being written into files of traces.
const FILES_PATIENCE: Duration = Duration::from_secs(1);

/// What the thread begins with.
pub struct Options {
    /// Where it answers over TCP. What other hosts reach has [`Condition::tls`].
    pub tcp: Option<TcpListener>,
    /// Where it answers over a Unix socket.
    pub unix: Option<UnixListener>,
    /// The ways to the shards.
    pub ways: Box<dyn Ways>,
    /// The end of a pipe that shards write to when they have answered; it does not block.
    pub bell: OwnedFd,
    /// What the system knows of this process.
    pub process: Process,
    /// The time between two updates of the system's topics; none: there are none.
    pub system_interval: Option<Duration>,
    /// A service manager wants to be told that the broker is well.
    pub watchdog: Option<Watchdog>,
    /// The data directory.
    pub data_dir: PathBuf,
    /// The way to the control thread.
    pub control: Box<dyn ControlWay>,
    /// What the control thread knows at the start.
    pub condition: Condition,
    /// Has the thread run where it disturbs no shard.
    pub settle: Box<dyn FnOnce() + Send>,
}

/// The thread, as its owner holds it. Dropping it ends the thread.
pub struct Handle {
    condition: watch::Sender<Condition>,
    thread: Option<thread::JoinHandle<()>>,
}

/// Starts the thread.
///
/// # Errors
/// If the system has no thread for it.
pub fn start(options: Options) -> io::Result<Handle> {
    let (sender, receiver) = watch::channel(options.condition.clone());
    let run = move || {
        if let Err(error) = rustix::process::nice(NICENESS) {
            debug!("cannot lower the priority of a thread: {error}");
        }
        if let Err(error) = serve(options, receiver) {
            error!("operators are not answered: {error}");
        }
    };
    let thread = thread::Builder::new().name("admin".to_owned()).spawn(run)?;
    Ok(Handle { condition: sender, thread: Some(thread) })
}

impl Handle {
    /// Tells the thread what has changed.
    pub fn update(&self, change: impl FnOnce(&mut Condition)) {
        self.condition.send_modify(change);
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.update(|condition| condition.is_over = true);
        // One that has panicked has said so.
        self.thread.take().map(thread::JoinHandle::join);
    }
}

fn serve(options: Options, condition: watch::Receiver<Condition>) -> io::Result<()> {
    let Options { tcp, unix, ways, bell, process, settle, system_interval, .. } = options;
    let (watchdog, control, data_dir) = (options.watchdog, options.control, options.data_dir);
    settle();
    let address = tcp.as_ref().and_then(|tcp| tcp.local_addr().ok());
    let mut runtime = runtime::Builder::new_current_thread();
    let runtime = runtime.enable_io().enable_time().thread_name("admin-files");
    let runtime = runtime.max_blocking_threads(FILE_THREADS_MAX).build()?;
    let mut until_over = condition.clone();
    let served = LocalSet::new().block_on(&runtime, async move {
        let admin = Rc::new(Admin::new(ways, process, condition, (control, address), &data_dir));
        let hears = tokio::task::spawn_local(shards::hear(bell, {
            let admin = admin.clone();
            move || admin.asker.take_answers()
        }));
        let system = system_interval
            .map(|interval| tokio::task::spawn_local(system::serve(admin.clone(), interval)));
        let watchdog = watchdog
            .map(|watchdog| tokio::task::spawn_local(watchdog::serve(admin.clone(), watchdog)));
        let traces = tokio::task::spawn_local(trace::serve(admin.clone()));
        door::open(tcp, unix, &admin)?;
        // An error: the owner is gone, which is over as well.
        let _over = until_over.wait_for(|condition| condition.is_over).await;
        hears.abort();
        traces.abort();
        system.iter().chain(&watchdog).for_each(JoinHandle::abort);
        Ok(())
    });
    // A disk that answers nothing does not keep the broker from its end.
    runtime.shutdown_timeout(FILES_PATIENCE);
    served
}
