//! The loop of one shard: completions of the ring become calls of the broker, and what the broker
//! wants becomes operations.
//!
//! A turn: sleep until something completes or is due → handle completions → handle what other
//! shards sent → replies that waited for them → timers → events → send, publish to other shards,
//! and begin again. Nothing in it waits but the sleep at its top.
//!
//! | file | noun |
//! |---|---|
//! | `turn` | the reactor and its turn |
//! | `intake` | accepting, receiving, cutting bytes into packets |
//! | `handshakes` | TLS handshakes, a few each turn |
//! | `outflow` | sending, closing |
//! | `crossing` | what comes from other shards; stopping |
//! | `storage` | writes to the disk, and what the disk has to say |
//! | `door`, `gate` | where links come in, and which may |
//! | `verifier` | the way to who verifies passwords |
//! | `reclaim` | memory of links that have left |
//! | `report` | what a shard tells of itself when it is asked |
//! | `settings` | what an operator may set of a shard while it runs |
//! | `links`, `outboxes`, `wheel` | sockets; the way to other shards; timers |

mod crossing;
mod door;
mod gate;
mod handshakes;
mod intake;
mod links;
mod outboxes;
mod outflow;
mod reclaim;
mod report;
mod settings;
mod storage;
mod turn;
mod verifier;
mod wheel;

pub use door::{Door, DoorKind, Proxied};
pub use gate::{Gate, Subnet};
pub use outboxes::{Outbox, Parcel, Traveller};
pub use report::Report;
pub use settings::Settings;
pub use turn::{Clock, Inbox, Options, Reactor};
pub use verifier::{AtOnce, Verifier};
