//! The broker over real sockets, beyond the statements of the standard: hostile and slow peers,
//! crowds, limits, MQTT 3.1, models, and the process itself.

#[path = "../common/mod.rs"]
mod common;

mod abuse;
mod ack_runs;
mod bench;
mod crowd;
mod exactly_once;
mod legacy;
mod limits;
mod log;
mod log_pipe;
mod model;
mod mutants;
mod peers;
mod places;
mod privileges;
mod process;
mod proxied;
mod ring;
mod slow;
mod system;
mod told;
mod unix;
mod v5_packets;
