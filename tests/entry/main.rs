//! Who may come in and what they may do there, on the real process: users, vhosts, access rules,
//! takeovers, and reloads of all that.

#[path = "../common/mod.rs"]
mod common;

mod deletion;
mod files;
mod limits;
mod lockout;
mod log;
mod mistakes;
mod reload;
mod rights;
mod users;
mod vhosts;
