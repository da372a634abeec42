//! Tasks for the control thread: what changes the broker as a whole, one after the other.
//!
//! ```text
//!  request ──► Job ──► bounded queue ──► control thread ──Done or TaskError──► answer
//!                          └── full: 503
//! ```
//! Invariant: a job is answered once. One that the control thread drops has not been done: the
//! broker stops.

use std::path::PathBuf;
use std::time::Duration;

use hyper::StatusCode;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::limits::TASK_MS_MAX;

use super::answer::Fault;

/// What is to be done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Task {
    /// Read configuration and files again: [`Done::Reloaded`].
    Reload,
    /// Log what this filter lets through, for so long, or until the next reload or restart.
    SetLogLevel {
        /// As `--log` has it.
        filter: String,
        /// After that the configured one holds again.
        time: Option<Duration>,
    },
    /// Let nobody in any more, or again.
    Drain(bool),
    /// Tell or change users, vhosts and limits: [`Done::Document`].
    Account(Box<AccountTask>),
}

/// Limits of a vhost, in this order.
pub const LIMIT_FIELDS: [&str; 5] =
    ["max_connections", "max_sessions", "max_retained_bytes", "max_queued_bytes", "publish_rate"];

/// What is asked about users, vhosts and limits.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "each field is called what it is")]
pub enum AccountTask {
    /// The users of a vhost behind one, so many at most.
    Users { vhost: String, after: Option<String>, limit: usize },
    /// One user.
    User { vhost: String, name: String },
    /// Add a user, or set another password.
    PutUser { vhost: String, name: String, password: Password },
    /// Delete a user.
    DeleteUser { vhost: String, name: String },
    /// Every vhost.
    Vhosts,
    /// One vhost.
    Vhost { name: String },
    /// Make a vhost.
    PutVhost { name: String },
    /// Delete a vhost.
    DeleteVhost { name: String },
    /// The limits of a vhost.
    Limits { vhost: String },
    /// Set all of them.
    PutLimits { vhost: String, limits: [Option<u64>; LIMIT_FIELDS.len()] },
    /// Take all of them away.
    DeleteLimits { vhost: String },
    /// All of it as one document.
    Export,
    /// Put a document in place of what there is, or look whether that could be done.
    Import { document: Value, dry_run: bool },
}

/// A password, as it is or as a password file has it.
#[derive(Clone, PartialEq, Eq)]
pub enum Password {
    /// As it is.
    Plain(String),
    /// What stands for it in a password file.
    Hash(String),
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password")
    }
}

/// What was done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Done {
    /// All of it; there is nothing to tell.
    Plainly,
    /// The configuration holds that was read.
    Reloaded(Reloaded),
    /// What is to be told.
    Document(Value),
}

/// What a reload has changed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Reloaded {
    /// What is different now.
    pub taken: Vec<Change>,
    /// What waits for a restart.
    pub waiting: Vec<Change>,
}

/// A setting with another value than before.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    /// Its name.
    pub name: String,
    /// What it was.
    pub before: String,
    /// What it is, or is to be.
    pub after: String,
}

/// Something in a file that is wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FileFault {
    /// The file, if it is in one.
    pub file: Option<PathBuf>,
    /// The line, from 1.
    pub line: Option<usize>,
    /// The setting.
    pub key: Option<String>,
    /// What is wrong, and what to do.
    pub message: String,
}

/// Why something was not done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TaskError {
    /// Whose fault it is.
    pub kind: TaskErrorKind,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// What is wrong with files.
    pub faults: Vec<FileFault>,
}

/// Whose fault it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TaskErrorKind {
    /// What was read or sent is wrong.
    Invalid,
    /// There is no such thing.
    Missing,
    /// The broker runs without what this needs.
    Conflict,
    /// The system refuses something.
    System,
}

impl TaskError {
    /// One without faults of files.
    pub fn new(kind: TaskErrorKind, message: impl Into<String>, hint: &str) -> Self {
        let hint = Some(hint.to_owned()).filter(|hint| !hint.is_empty());
        Self { kind, message: message.into(), hint, faults: Vec::new() }
    }
}

/// A task on its way to the control thread.
#[derive(Debug)]
pub struct Job {
    /// What is to be done.
    pub task: Task,
    answer: oneshot::Sender<Result<Done, TaskError>>,
}

impl Job {
    /// Tells what came of it.
    pub fn end(self, result: Result<Done, TaskError>) {
        // Whoever asked may have gone.
        let _gone = self.answer.send(result);
    }
}

/// The way to the control thread. It does not wait.
pub trait ControlWay: Send {
    /// Sends a job.
    ///
    /// # Errors
    /// The job, if there is no room for it.
    fn send(&self, job: Job) -> Result<(), Job>;
}

/// Has something done.
pub(super) async fn run(way: &dyn ControlWay, task: Task) -> Result<Done, Fault> {
    let (answer, receiver) = oneshot::channel();
    let unavailable =
        |message: &str| Fault::new(StatusCode::SERVICE_UNAVAILABLE, "busy", message).retry_after(1);
    if way.send(Job { task, answer }).is_err() {
        return Err(unavailable("as many changes wait as may"));
    }
    match timeout(Duration::from_millis(TASK_MS_MAX), receiver).await {
        Ok(Ok(result)) => result.map_err(Fault::from),
        Ok(Err(_)) => Err(unavailable("the broker stops")),
        Err(_) => Err(unavailable("the change takes long; the log tells what becomes of it")),
    }
}

impl From<TaskError> for Fault {
    fn from(error: TaskError) -> Self {
        let (status, code) = match error.kind {
            TaskErrorKind::Invalid => (StatusCode::UNPROCESSABLE_ENTITY, "invalid"),
            TaskErrorKind::Missing => (StatusCode::NOT_FOUND, "not_found"),
            TaskErrorKind::Conflict => (StatusCode::CONFLICT, "conflict"),
            TaskErrorKind::System => (StatusCode::CONFLICT, "refused_by_system"),
        };
        let fault = Self::new(status, code, error.message);
        let fault = fault.faults(error.faults.iter().map(FileFault::json).collect());
        match error.hint {
            Some(hint) => fault.hint(hint),
            None => fault,
        }
    }
}

impl FileFault {
    fn json(&self) -> Value {
        json!({
            "file": self.file.as_ref().map(|file| file.to_string_lossy()),
            "line": self.line,
            "key": self.key,
            "message": self.message,
        })
    }
}

impl Change {
    pub(super) fn json(&self) -> Value {
        json!({ "name": self.name, "before": self.before, "after": self.after })
    }
}
