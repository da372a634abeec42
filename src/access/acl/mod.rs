//! An access control list: what is not allowed is forbidden.
//!
//! The order is Mosquitto's. The section of the client's user is asked first, for a client without
//! user that of the lines before the first `user`: a filter that denies wins, then one that allows,
//! then `permission`. What the section leaves open the patterns decide, again those that deny
//! first. So a pattern cannot deny what the section allows.
//!
//! A client whose user name or client id has a `+` or `#` in it gets nothing from any pattern.

mod list;
mod parse;
mod reach;
mod section;
mod shape;

pub(super) use list::Acl;
pub(super) use section::Access;
