//! What there is to be done for a task.

use serde_json::Value;

use super::file_steps::FileStep;

/// An answer at once, or a change and its answer.
pub(in super::super) enum Work {
    /// Nothing is changed.
    Told(Value),
    /// These files are changed, and then the broker reloads.
    Change(Vec<FileStep>, Value),
}
