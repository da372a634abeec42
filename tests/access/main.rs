//! Users and rules, compared with the programs that define the file formats: Debian's mosquitto and
//! `mosquitto_passwd`. ringmq treats a file in the same way.
//!
//! The policy is tested as a library; other tests check that the broker applies it.

#[path = "../common/mod.rs"]
mod common;

mod passwd;
mod rules;
mod scene;
mod scram;
