//! What the black-box tests share: the broker as a process, a raw client, packets as bytes.
//!
//! None of it uses the crate, so it cannot share a mistake with it.
//!
//! `RINGMQ_TEST_BROKER=mosquitto` runs the same tests against Debian's mosquitto (ringmq's own
//! flags are then left out): a way to tell a wrong test from a wrong broker.
//! `RINGMQ_TEST_RING=epoll` runs them on that ring.

#![allow(dead_code, reason = "each test target uses its own part")]

mod broker;
mod client;
mod data;
mod packet;
mod port;
mod program;
mod random;
pub(crate) mod scram;
pub(crate) mod v5;
mod v5_client;
pub(crate) mod websocket;

#[allow(unused_imports, reason = "each test target uses its own part")]
pub(crate) use {
    broker::{
        BROKER_ENDS, Broker, End, PATIENCE, Resources, on_shards, run_to_exit, run_under, until,
    },
    client::{Client, ENDS, reconnect_as, resume_as, socket_from},
    data::{DataDir, ring, session_expiry},
    packet::{
        Connect, DISCONNECT, PINGREQ, PINGRESP, Publish, connack, connect, frame, puback, pubcomp,
        publish, pubrec, pubrel, string, suback, subscribe, unsuback, unsubscribe,
    },
    port::ReservedPort,
    program::{in_repository, run, run_in_time},
    random::Random,
};
