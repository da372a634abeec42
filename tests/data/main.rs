//! `ringmq data` and `ringmq-store` on directories of real brokers: another number of shards,
//! backups, and directories in use.

#[path = "../common/mod.rs"]
mod common;

mod backup;
mod live;
mod load;
mod reshard;
mod tools;
mod trouble;
