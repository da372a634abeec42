//! The work that a task needs.

use serde_json::Value;

use super::file_steps::FileStep;

/// An answer at once, or a change and its answer.
pub(in super::super) enum Work {
    /// No file is changed.
    Told(Value),
    /// These files are changed, and then the broker reloads.
    Change(Vec<FileStep>, Value),
}
