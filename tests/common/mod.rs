//! Shared parts of the black-box tests: the broker as a process, a raw client, packets as bytes.
//!
//! They do not use the crate, so they cannot share its mistakes.
//!
//! `RINGMQ_TEST_BROKER=mosquitto` runs the same tests against Debian's mosquitto, without ringmq's
//! own flags, to tell a wrong test from a wrong broker. `RINGMQ_TEST_RING=epoll` runs them on that
//! ring.

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
