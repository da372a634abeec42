//! Foreign texts in log lines, metrics and dead letters.

use crate::limits::REASON_BYTES_MAX;

/// The text on one line and shortened.
pub(crate) fn shortened(text: &str) -> String {
    let end = text.floor_char_boundary(REASON_BYTES_MAX);
    text[..end].chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
