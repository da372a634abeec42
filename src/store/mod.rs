//! State that outlives a packet or the process: sessions with their queues, retained messages, and
//! the log from which they are recovered.
//!
//! ```text
//!  Catalog: sessions (each with its Queue), retained messages ──changes──► Log ──groups──► files
//!      ▲                                                                    │
//!      └──────────────────────── replay (when opened) ◄─────────────────────┘
//! ```
//! A message is stored once on each shard, however many sessions wait for it. One log takes all
//! records in order: messages, acknowledgements, sessions, subscriptions, and at times a
//! checkpoint, from which recovery reads on. So related changes are recovered together, and one
//! sync serves all of them.
//!
//! Deterministic, and without I/O: a store returns requests for files (see [`Medium`]) and writes
//! (see [`GroupWrite`]), and is told their results.
//!
//! | file | noun |
//! |---|---|
//! | `open`, `replay` | a shard's store; recovery |
//! | `catalog`, `session`, `sessions`, `subscriptions`, `subscription`, `retained` | the state |
//! | `own_identifiers`, `identified_from` | which messages carry which subscription identifiers |
//! | `session_end`, `will` | a session's state for the time after its connection |
//! | `lifetime`, `retained_expiry` | expiry of messages |
//! | `queue/` | messages that a session's client must still acknowledge |
//! | `log/`, `segment`, `record`, `cursor` | the log and its bytes |
//! | `timeline` | the age of things |
//! | `housekeeping`, `cleaning` | checkpoints; moving live records out of old segments |
//! | `logs`, `messages`, `position` | the log on disk and the one in memory; places in them |
//! | `medium` | the interface to the disk |
//! | `transfer` | taking over the state of another store |
//! | `mend` | the one wrong byte under a checksum |
//! | `hashing` | the hash of maps with keys that clients choose |

mod catalog;
mod cleaning;
mod cursor;
#[cfg(test)]
mod golden;
mod hashing;
mod housekeeping;
mod identified_from;
mod lane;
mod lifetime;
mod log;
mod logs;
mod medium;
mod mend;
mod messages;
mod open;
mod own_identifiers;
mod position;
mod queue;
mod record;
mod replay;
mod retained;
mod retained_expiry;
mod segment;
mod session;
mod session_end;
mod session_mut;
mod sessions;
mod subscription;
mod subscriptions;
mod timeline;
mod transfer;
mod will;

pub use catalog::{Catalog, CatalogLimits, NewMessage};
pub use hashing::{Hashing, Map};
pub use housekeeping::{Housekeeping, HousekeepingStats};
pub use lane::{lane_name, lane_of_name};
pub use lifetime::{Lifetime, expiry_interval_s};
pub use log::{
    Fault, FaultKind, GroupWrite, Log, LogEnd, LogOptions, OpenError, OpenReport, SegmentFacts,
    SegmentWalk, TornTail, Walked, segment_walks,
};
pub use logs::{Logs, StoredMessage};
pub use medium::{Answer as MediumAnswer, Extent, FileId, Found, Mapping, Medium, Request};
pub use messages::MessageLog;
pub use open::{Opened, Store, StoreOptions};
pub use own_identifiers::OwnIdentifiers;
pub use position::Position;
pub use queue::{
    Acks as QueueAcks, Answer as QueueAnswer, Entry as QueueEntry, Item as QueueItem,
    Next as QueueNext, Queue, QueueLog, TakeBound, Terms as QueueTerms,
};
pub use record::{BlockRecord, MessageRecord, Origin, SessionKey, Target, Targets};
pub use replay::Losses;
pub use retained::{RetainStore, Retained, ScanEnd};
pub use segment::{FORMAT_VERSION, HEADER_BYTES, SegmentIdentity};
pub use session::{Holder, Session};
pub use session_mut::{SessionMut, SessionTotals};
pub use sessions::Sessions;
pub use subscription::{SUBSCRIPTION_IDENTIFIER_MAX, SubscriptionOptions};
pub use subscriptions::Subscriptions;
pub use timeline::{ClockReading, Gap, Timeline, clock_set_ms};
pub use will::Will;
