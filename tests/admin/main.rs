//! Operators' HTTP: metrics that Prometheus takes, clients and sessions, who may ask, and what
//! attackers get.

#[path = "../common/mod.rs"]
mod common;

mod access;
mod clients;
mod ctl;
mod hostile;
mod http;
mod lookups;
mod metrics;
mod openapi;
mod places;
mod terminal;
