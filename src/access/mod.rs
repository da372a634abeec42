//! Authentication and authorization: users, vhosts, access control lists, limits.
//!
//! A [`Policy`] is a snapshot: the server reads it from files, the shards share it, and a reload
//! replaces it. It only makes decisions: it has no thread, clock or socket, and files are read in
//! `load.rs` alone. Checking a password takes long, so it is a [`Question`] that the caller passes
//! to another thread.
//!
//! ```text
//! Sources ─ load ─► Policy ─ admit ─► Granted(Identity) | Refused | Verify(Question)
//!                     │                                                   │ verify: true
//!                     └─ may_publish, may_receive, may_subscribe ◄─ Identity
//! ```

mod acl;
mod decision;
mod definitions;
mod error;
mod exchange;
mod identity;
mod limits_file;
mod load;
mod passwords;
mod permission;
mod policy;
mod question;
mod scram;
mod scram_decoys;
mod secret;
mod vhost;

#[cfg(test)]
mod tests;

pub use decision::{Basis, Decision, Place};
pub use error::LoadError;
pub use exchange::{Exchange, Finish};
pub use identity::Identity;
pub use limits_file::VhostLimits;
pub use load::{Sources, check_vhost_name, decode_name as decode_vhost_name};
pub use passwords::{check_hash, check_name as check_user_name};
pub use policy::{Client, Login, Policy, Refusal, Request, Verdict};
pub use question::Question;
pub use scram::{Malformed, Mechanism, NotPrepared, is_prepared, user_of as scram_user_of};
pub use secret::{InvalidSecret, Secret};
