//! The broker's state machines: connections, sessions, routing, delivery, retained messages, wills.
//!
//! Pure: no socket, clock, thread or atomic. Packets, peer messages and the time come in as
//! arguments. Results go out as bytes in connections' outputs, messages to [`Peers`] and
//! [`Event`]s. One [`Shard`] is one core's share; it is entered only through `&mut self`.
//!
//! # Rooms
//!
//! A room is a directory. It owns its state: a struct with private fields, which is one field of
//! [`Shard`]. Its state for each connection is in a table of its own (`names::ConnTable`), so no
//! room reads or writes another's part of a connection. Its verbs are `pub(crate)`; the rooms are
//! private modules, so nothing outside the broker sees them. A room may call the verbs of the rooms
//! in its last column, which its caller lends it as arguments. It returns work for other rooms to
//! its caller. `tests/tidy` enforces the last column.
//!
//! | room | what it owns | may use |
//! |---|---|---|
//! | `names` | ids, events, options, reasons, counters; `placement`; no state | – |
//! | `peer` | the messages between shards, as bytes | `names` |
//! | `read_gate` | the reasons not to read from a connection; the reactor's events | `names` |
//! | `meters` | how long things take; how busy the shard is | `names` |
//! | `replies` | replies that wait for other shards or the disk | `names` |
//! | `connection` | phases of connections, their wills | `names` |
//! | `exchange` | vhosts, filters, routes; the last topic of each publisher | `names` |
//! | `quota` | what a vhost may use; counters by vhost | `names` |
//! | `expiry` | sessions of absent clients; deadlines of sessions | `names` |
//! | `trace` | traces of clients and topics; their gathered events | `names` |
//! | `group` | consumer groups: lanes, members, credit, leases | `names` |
//! | `output` | bytes to send; publishers that wait for full outputs | and three, see there |
//! | `storage` | requests to the disk, and the clients that wait for them | and `read_gate` |
//! | `client_log` | log lines about clients, and their bounds | and `connection` |
//! | `admission` | the access policy, passwords to verify, rights | and `connection` |
//! | `publish` | QoS 2 messages in transit; memory for one message | and `output` |
//! | `retained` | walks over retained messages for subscriptions | and `output`, `peer` |
//! | `system` | topics with the broker's own state | `names` |
//! | `delivery` | handing messages to sessions; the reasons not to send | and seven, see there |
//! | `full_sessions` | full sessions, and publishers that wait for them | and three, see there |
//! | `inspect` | an operator's asks and answers, as values | and four, see there |
//! | `shard` | the hub: what a reactor calls, a handler for each packet | all |
//!
//! Every room may use `names`.

mod admission;
mod client_log;
mod connection;
mod delivery;
mod exchange;
mod expiry;
mod full_sessions;
mod group;
pub mod inspect;
mod meters;
mod names;
mod output;
mod peer;
mod publish;
mod quota;
mod read_gate;
mod replies;
mod retained;
mod shard;
mod storage;
mod system;
mod trace;

pub use admission::PasswordCheck;
pub use client_log::LineLimit;
pub use connection::{Answer, TlsInfo};
pub use inspect::{SessionName, VhostReport};
pub use names::placement::{home_of, keeper_of};
pub use names::{
    ClientAddress, ClientLimit, CloseReason, ConnId, Context, Event, Flow, GroupOrder, OnDenied,
    Options, Overflow, Peers, PublishRate, SessionLimit, ShardId, ShardSet, Stats, Takeover,
    Threshold, TransportKind,
};
pub use shard::Shard;
