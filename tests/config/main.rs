//! Sources and effects of settings: configuration file, environment and flags, `ringmq check`,
//! `ringmq config show`, reloads of the configuration, `ringmq reload`.

#[path = "../common/mod.rs"]
mod common;

#[path = "../entry/files.rs"]
#[allow(dead_code, reason = "each test target uses its own part")]
mod files;

mod ask;
mod check;
mod layers;
mod reload;
mod restart;
mod tool;
