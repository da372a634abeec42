//! Users and rules against the programs whose files they come from: what Debian's mosquitto and
//! `mosquitto_passwd` make of a file, ringmq makes of it too.
//!
//! The policy is asked as a library; that the broker heeds it is for other tests.

#[path = "../common/mod.rs"]
mod common;

mod passwd;
mod rules;
mod scene;
mod scram;
