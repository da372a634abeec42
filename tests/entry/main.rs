//! Authentication and authorization of the real process: users, vhosts, access rules, takeovers,
//! and their reloads.

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
