//! The broker over real sockets, beyond what the standard's statements ask: hostile and slow
//! peers, crowds, limits, MQTT 3.1, models, and the process itself.

#[path = "../common/mod.rs"]
mod common;

mod crowd;
mod exactly_once;
mod legacy;
mod limits;
mod model;
mod mutants;
mod peers;
mod process;
mod slow;
