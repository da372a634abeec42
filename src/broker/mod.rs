//! The broker's state machines: connections, sessions, routing, delivery, retained messages, wills.
//!
//! Pure: no socket, clock, thread or atomic. Input comes as packets, peer messages and the time;
//! what is to happen comes out as bytes in connections' outputs, messages to [`Peers`] and
//! [`Event`]s. One [`Shard`] is one core's share; it is entered only through `&mut self`.
//!
//! # Rooms
//!
//! A room is a directory. It owns its state: a struct with private fields, which is one field of
//! [`Shard`]. What it keeps of each connection stands in a table of its own
//! (`names::ConnTable`), so no room reads or writes another's part of a connection. Its verbs are
//! `pub(crate)`; the rooms are private modules, so nothing outside the broker sees them. A room may
//! call the verbs of rooms above it in this table, which it is lent as arguments; what must happen
//! in a room below it, it returns. `tests/tidy` holds the last column.
//!
//! | room | what it owns | may use |
//! |---|---|---|
//! | `names` | ids, events, options, reasons, counters; `placement`; no state | – |
//! | `peer` | the messages between shards, as bytes | `names` |
//! | `read_gate` | why a connection is not read from; what the reactor is to do | `names` |
//! | `meters` | how long things take, how busy the shard is | `names` |
//! | `replies` | replies that wait for other shards or the disk | `names` |
//! | `connection` | phases of connections, their wills | `names` |
//! | `exchange` | vhosts, filters, routes; what each connection published to last | `names` |
//! | `quota` | what a vhost may use, and counters by vhost | `names` |
//! | `expiry` | sessions whose clients are away, and which have expired | `names` |
//! | `trace` | traces of clients and topics; what has gathered of them | `names` |
//! | `group` | consumer groups: lanes, members, credit, leases | `names` |
//! | `output` | bytes to send; publishers that wait for full outputs | and three, see there |
//! | `storage` | what the disk is asked for, and what waits for it | and `read_gate` |
//! | `client_log` | what the log says of clients, and how often | and `connection` |
//! | `admission` | the access policy, passwords to verify, rights | and `connection` |
//! | `publish` | QoS 2 messages in transit; memory for one message | and `output` |
//! | `retained` | walks over retained messages for subscriptions | and `output`, `peer` |
//! | `system` | topics under which the broker tells of itself | `names` |
//! | `delivery` | handing messages to sessions; why nothing is sent | and six, see there |
//! | `full_sessions` | full sessions, and publishers that wait for them | and `delivery`, `quota` |
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
