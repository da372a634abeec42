//! Tasks for the control thread: changes of the broker as a whole, one after the other.
//!
//! ```text
//!  request ──► Job ──► bounded queue ──► control thread ──Done or TaskError──► answer
//!                          └── full: 503
//! ```
//! Invariant: a job is answered once. If the control thread drops a job, it was not done, because
//! the broker stops.

use std::path::PathBuf;
use std::time::Duration;

use hyper::StatusCode;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::limits::TASK_MS_MAX;

use super::answer::Fault;

/// A task.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Task {
    /// Reload configuration and files: [`Done::Reloaded`].
    Reload,
    /// Log the lines that this filter passes, for `time`, or until the next reload or restart.
    SetLogLevel {
        /// In the syntax of `--log`.
        filter: String,
        /// The time after which the configured filter is used again.
        time: Option<Duration>,
    },
    /// Stop accepting clients (true), or accept them again.
    Drain(bool),
    /// Read or change users, vhosts and limits: [`Done::Document`].
    Account(Box<AccountTask>),
}

/// Limits of a vhost, in this order.
pub const LIMIT_FIELDS: [&str; 5] =
    ["max_connections", "max_sessions", "max_retained_bytes", "max_queued_bytes", "publish_rate"];

/// A task about users, vhosts and limits.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "each field is called what it is")]
pub enum AccountTask {
    /// The users of a vhost after the given one, at most `limit`.
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
    /// Set all limits of a vhost.
    PutLimits { vhost: String, limits: [Option<u64>; LIMIT_FIELDS.len()] },
    /// Remove all limits of a vhost.
    DeleteLimits { vhost: String },
    /// All users, vhosts and limits as one document.
    Export,
    /// Replace everything with a document, or only check whether that is possible.
    Import { document: Value, dry_run: bool },
}

/// A password in plain text or hashed.
#[derive(Clone, PartialEq, Eq)]
pub enum Password {
    /// Plain text.
    Plain(String),
    /// A hash in the format of a password file.
    Hash(String),
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password")
    }
}

/// The result of a task.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Done {
    /// It is done, and there is nothing to report.
    Plainly,
    /// The configuration was reloaded.
    Reloaded(Reloaded),
    /// The requested document.
    Document(Value),
}

/// The changes of a reload.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Reloaded {
    /// Changes that are in effect.
    pub taken: Vec<Change>,
    /// Changes that wait for a restart.
    pub waiting: Vec<Change>,
}

/// A changed setting.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    /// Its name.
    pub name: String,
    /// The old value.
    pub before: String,
    /// The new value.
    pub after: String,
}

/// An error in a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FileFault {
    /// The file, if it is in one.
    pub file: Option<PathBuf>,
    /// The line, from 1.
    pub line: Option<usize>,
    /// The setting.
    pub key: Option<String>,
    /// The error, and how to correct it.
    pub message: String,
}

/// The error of a task.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TaskError {
    /// The cause.
    pub kind: TaskErrorKind,
    /// The field of the request's body, or the parameter, that is wrong.
    pub field: Option<&'static str>,
    /// The error message.
    pub message: String,
    /// How to correct it.
    pub hint: Option<String>,
    /// The errors in files.
    pub faults: Vec<FileFault>,
}

/// The cause of a task's error.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TaskErrorKind {
    /// The content of a file or request is wrong.
    Invalid,
    /// The object does not exist.
    Missing,
    /// The broker runs without a setting that the task needs.
    Conflict,
    /// The system refused an operation.
    System,
}

impl TaskError {
    /// An error without errors in files.
    pub fn new(kind: TaskErrorKind, message: impl Into<String>, hint: &str) -> Self {
        let hint = Some(hint.to_owned()).filter(|hint| !hint.is_empty());
        Self { kind, field: None, message: message.into(), hint, faults: Vec::new() }
    }

    /// A field of the request's body, or a parameter, is wrong.
    pub fn of_field(field: &'static str, message: impl Into<String>, hint: &str) -> Self {
        Self { field: Some(field), ..Self::new(TaskErrorKind::Invalid, message, hint) }
    }
}

/// A task on its way to the control thread.
#[derive(Debug)]
pub struct Job {
    /// The task.
    pub task: Task,
    answer: oneshot::Sender<Result<Done, TaskError>>,
}

impl Job {
    /// Answers the job.
    pub fn end(self, result: Result<Done, TaskError>) {
        // The request may have given up.
        let _gone = self.answer.send(result);
    }
}

/// The channel to the control thread. It never blocks.
pub trait ControlWay: Send {
    /// Sends a job.
    ///
    /// # Errors
    /// The job, if there is no room for it.
    fn send(&self, job: Job) -> Result<(), Job>;
}

/// Has the control thread run a task.
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
        let fault = match error.field {
            Some(field) => Self::of_field(field, error.message),
            None => Self::new(status, code, error.message),
        };
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
