//! The room as its users see it.

mod secret;
