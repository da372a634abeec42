//! An access control list: access that is not allowed is denied.
//!
//! The order is Mosquitto's. The section of the client's user decides first; for a client without a
//! user that is the part before the first `user`. In a section a filter that denies wins, then one
//! that allows, then `permission`. If the section has no matching rule, the patterns decide, again
//! with denying filters first. So a pattern cannot deny what the section allows.
//!
//! Patterns grant no access to a client whose user name or client id contains `+` or `#`.

mod list;
mod parse;
mod reach;
mod section;
mod shape;

pub(super) use list::Acl;
pub(super) use section::Access;
