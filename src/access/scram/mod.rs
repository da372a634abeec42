//! SCRAM: a client proves that it knows a password, and the broker that it knows the user, without
//! the password on the wire or in a file (RFC 5802, RFC 7677).
//!
//! ```text
//!  client                                   broker
//!    ── n,,n=user,r=NONCE ────────────────────►   Exchange::begin
//!    ◄──────────── r=NONCE MORE,s=SALT,i=4096 ──   Exchange::server_first
//!    ── c=biws,r=NONCE MORE,p=PROOF ──────────►   Exchange::finish: a Question
//!    ◄─────────────────────────── v=SIGNATURE ──   Finish::server_final
//! ```
//! Only deriving the keys from a password takes long, and only clients and `ringmq passwd` do it. A
//! proof takes three HMACs. Channel binding (`-PLUS`) is not offered.

mod keys;
mod mechanism;
mod message;
mod proof;

pub use keys::{NotPrepared, is_prepared};
pub use mechanism::Mechanism;
pub use message::{Malformed, user_of};

pub(super) use keys::{derive, encode, parse, prepare};
pub(super) use message::{ClientFinal, ClientFirst};
pub(super) use proof::Proof;
