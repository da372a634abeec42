//! The operators' HTTP interface: metrics for Prometheus, clients and sessions, access control, and
//! hostile requests.

#[path = "../common/mod.rs"]
mod common;

mod access;
mod accounts;
mod bodies;
mod clients;
mod ctl;
mod disconnects;
mod disk;
mod fleet;
mod groups;
mod hostile;
mod http;
mod kinds;
mod lists;
mod lookups;
mod metrics;
mod openapi;
mod operate;
mod page;
mod places;
mod prometheus;
mod publish;
mod sessions;
mod terminal;
mod trace;
mod trace_files;
mod vhosts;
mod waits;
mod watchdog;
