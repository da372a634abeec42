//! The HTTP interface for operators and their programs: metrics, health, clients and sessions.
//!
//! ```text
//!  HTTP ──► door ──► guard ──► routes ──► asker ──Ask──► shards
//!                                 ▲          ◄──Ask────┘
//!                                 └── catalogue: metrics, JSON, $SYS and docs from one table
//! ```
//! It is one thread of a lower priority with its own runtime; no shard waits for it. It learns
//! about a shard only by asking it ([`Ask`](crate::broker::inspect::Ask)), so it causes no work
//! while there are no requests.
//!
//! Invariant: all input is bounded: the connections, the time and bytes of a request, the asks on
//! their way to a shard, the bytes of an answer.
//!
//! | file | noun |
//! |---|---|
//! | `shards` | the channels to the shards, and their last figures |
//! | `door` | listeners and connections |
//! | `guard` | access control: hosts, origins, tokens, failures |
//! | `tokens` | tokens and their rights |
//! | `condition` | state that the control thread shares |
//! | `state` | state that the routes answer from |
//! | `actor` | the author of a change, and the audit line of it |
//! | `routes` | paths and their handlers |
//! | `openapi` | the operations of the API in a table, and as a document |
//! | `operation` | the row type of that table |
//! | `operating` | operations on the broker as a whole |
//! | `account_operations` | operations on users and vhosts |
//! | `lookups` | operations on single objects |
//! | `query`, `body` | parameters of a request, and the fields of its body |
//! | `answer` | answers, and errors as JSON |
//! | `broker_metrics` | metrics that no shard knows |
//! | `connection_metrics` | those of connections and clients |
//! | `message_metrics`, `log_metrics` | those of packets and messages; of the log and its disk |
//! | `metric`, `catalogue` | what a metric is; every one, in a table |
//! | `topic` | topics of `$SYS`, as rows of that table name them |
//! | `exposition` | metrics as text for Prometheus |
//! | `api` | clients and sessions as JSON |
//! | `watchdog` | tells a service manager that all shards answer |
//! | `session_metrics`, `descriptions` | metrics of sessions; metrics and topics as documented |
//! | `watched` | answers with the metrics of sessions |
//! | `operate`, `publish` | changes and settings of the broker as a whole; messages |
//! | `accounts` | users, vhosts and limits |
//! | `task` | tasks for the control thread |
//! | `facts` | settings, listeners and certificates |
//! | `live`, `viewers` | figures each second, and their viewers |
//! | `page` | the page for operators, as files |
//! | `who` | an authenticated requester and its rights |
//! | `sign_ins`, `signin` | codes and tokens of the page, and how people get them |
//! | `trace_operations` | operations on traces |
//! | `traces` | running traces and their kept events |
//! | `trace` | traces of clients and topics, and streams of their events |
//! | `closed` | recently closed connections |
//! | `bulk_kick` | the end of the connections of many clients |
//! | `node` | what the broker runs on, and its shards |
//! | `subscriptions` | subscriptions, receivers of a topic, rights of a client |
//! | `retained` | retained messages |
//! | `waiting` | the messages that wait in a session |
//! | `session_lists` | lists of clients and sessions |
//! | `lists`, `rows` | lists, in pages or in lines; their rows as text |
//! | `memory` | in tests: the memory that answers take |
//! | `item` | parts that the objects of several answers share |
//! | `system` | the topics `$SYS/…`, for shards with a subscriber |
//! | `process` | the system's figures of this process |
//!
//! A new route is a row of `openapi::OPERATIONS` and an arm of `routes`; a new metric is a row of
//! `catalogue::METRICS`.
//!
//! It may use `broker::inspect`, the last lines of `logging` and, to show packets, `mqtt`. It is
//! the only user of the HTTP library and its runtime.

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
mod group_actions;
mod group_events;
mod group_metrics;
mod group_operations;
mod groups;
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
mod topic;
mod trace;
mod trace_operations;
mod traces;
mod vhost_metrics;
mod vhost_reports;
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
pub use descriptions::{Description, TopicDescription, TopicMetric, descriptions, system_topics};
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

/// A lower priority than shards and the threads that verify passwords.
const NICENESS: i32 = 10;

/// The time at the end for writing the files of traces.
const FILES_PATIENCE: Duration = Duration::from_secs(1);

/// The parameters of the thread.
pub struct Options {
    /// The TCP listener. If other hosts can reach it, [`Condition::tls`] is set.
    pub tcp: Option<TcpListener>,
    /// The Unix listener.
    pub unix: Option<UnixListener>,
    /// The channels to the shards.
    pub ways: Box<dyn Ways>,
    /// The end of a pipe that shards write to when they have answered; it does not block.
    pub bell: OwnedFd,
    /// The system's figures of this process.
    pub process: Process,
    /// The time between two updates of the system's topics; `None`: there are none.
    pub system_interval: Option<Duration>,
    /// Set if a service manager wants to be told that the broker is well.
    pub watchdog: Option<Watchdog>,
    /// The data directory.
    pub data_dir: PathBuf,
    /// The channel to the control thread.
    pub control: Box<dyn ControlWay>,
    /// The state that the control thread shares at the start.
    pub condition: Condition,
    /// Moves the thread to a CPU where it disturbs no shard.
    pub settle: Box<dyn FnOnce() + Send>,
}

/// The owner's handle of the thread. Dropping it ends the thread.
pub struct Handle {
    condition: watch::Sender<Condition>,
    thread: Option<thread::JoinHandle<()>>,
}

/// Starts the thread.
///
/// # Errors
/// If the system cannot start a thread.
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
    /// Changes the shared state.
    pub fn update(&self, change: impl FnOnce(&mut Condition)) {
        self.condition.send_modify(change);
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.update(|condition| condition.is_over = true);
        // A panic was logged by the thread.
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
        // An error means that the owner is gone, which ends the thread as well.
        let _over = until_over.wait_for(|condition| condition.is_over).await;
        hears.abort();
        traces.abort();
        system.iter().chain(&watchdog).for_each(JoinHandle::abort);
        Ok(())
    });
    // A disk that does not answer does not delay the broker's end.
    runtime.shutdown_timeout(FILES_PATIENCE);
    served
}
