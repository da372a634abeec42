//! Users, vhosts, limits: changes by operators are written to the files that the broker reads, and
//! take effect by a reload.
//!
//! ```text
//!  task ──► steps ──► files written ──► reload ──taken──► what was put aside goes
//!                                          └──refused──► files as they were
//! ```
//! Invariant: after a failed change every file is as before. The broker learns of a change only by
//! reading the files.
//!
//! | file | noun |
//! |---|---|
//! | `places` | the paths of each vhost's files |
//! | `file_steps` | files that are written, created and removed together, and the undo |
//! | `listing` | lists of users, vhosts and limits |
//! | `changes` | the steps of each change |
//! | `definitions` | all of them as one document |
//! | `work` | the work that a task needs |

mod changes;
mod definitions;
mod file_steps;
mod listing;
mod places;
mod work;

use serde_json::{Value, json};

use crate::access::Policy;
use crate::admin::{AccountTask, TaskError, TaskErrorKind};
use crate::config::Options;

use file_steps::{FileStep, Undo};

pub(super) use work::Work;

/// Executes a task.
///
/// # Errors
/// If it fails; nothing was changed.
pub(super) fn work(
    task: &AccountTask,
    options: &Options,
    policy: &Policy,
) -> Result<Work, TaskError> {
    let places = places::Places::new(options);
    let told = |value| Ok(Work::Told(value));
    match task {
        AccountTask::Users { vhost, after, limit } => {
            told(listing::users(&places, vhost, after.as_deref(), *limit)?)
        }
        AccountTask::User { vhost, name } => told(listing::user(&places, vhost, name)?),
        AccountTask::Vhosts => told(listing::vhosts(&places, policy)?),
        AccountTask::Vhost { name } => told(listing::vhost(&places, policy, name)?),
        AccountTask::Limits { vhost } => told(listing::limits_of(policy, vhost)?),
        AccountTask::PutUser { vhost, name, password } => {
            changes::put_user(&places, (vhost, name), password)
        }
        AccountTask::DeleteUser { vhost, name } => changes::delete_user(&places, vhost, name),
        AccountTask::PutVhost { name } => changes::put_vhost(&places, policy, name),
        AccountTask::DeleteVhost { name } => changes::delete_vhost(&places, name),
        AccountTask::PutLimits { vhost, limits } => changes::put_limits(&places, vhost, limits),
        AccountTask::DeleteLimits { vhost } => changes::delete_limits(&places, vhost),
        AccountTask::Export => told(definitions::export(&places, policy)?),
        AccountTask::Import { document, dry_run } => {
            let steps = definitions::steps(&places, document)?;
            let vhosts = document.get("vhosts").and_then(Value::as_array).map_or(0, Vec::len);
            let answer = json!({ "dry_run": dry_run, "vhosts": vhosts });
            match dry_run {
                true => {
                    definitions::check(&options.data_dir, document)?;
                    told(answer)
                }
                false => Ok(Work::Change(steps, answer)),
            }
        }
    }
}

/// Changes files.
///
/// # Errors
/// Names the file; all files are as before.
pub(super) fn apply(steps: Vec<FileStep>) -> Result<Undo, TaskError> {
    file_steps::apply(steps).map_err(|(path, error)| {
        let message = format!("cannot change {}: {error}", path.display());
        let hint = "the user that the broker runs as must be able to write the file and its \
                    directory; else change it by hand, and reload";
        TaskError::new(TaskErrorKind::System, message, hint)
    })
}
