//! An access control list: access that is not allowed is denied.
//!
//! The order is Mosquitto's. The section of the client's user is asked first, for a client without
//! user that of the lines before the first `user`: a filter that denies wins, then one that allows,
//! then `permission`. If the section has no matching rule the patterns decide, again those that
//! deny first. So a pattern cannot deny what the section allows.
//!
//! A client whose user name or client id has a `+` or `#` in it is granted no access by patterns.

mod list;
mod parse;
mod reach;
mod section;
mod shape;

pub(super) use list::Acl;
pub(super) use section::Access;
