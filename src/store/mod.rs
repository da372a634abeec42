//! What outlives a packet: the message log, session queues, retained messages.
//!
//! A message is stored once per shard, in the [`MessageLog`]; every session that must still get it
//! holds the position in its [`SessionQueue`]. The [`RetainStore`] keeps the last retained message
//! of each topic. All three live in memory for now; their interfaces speak of positions and pages
//! so that segment files can stand behind them.

mod cursor;
mod medium;
mod messages;
mod old_queue;
mod position;
mod queue;
mod record;
mod retained;
mod segment;

pub use medium::{Answer as MediumAnswer, FileId, Found, Mapping, Medium, Request};
pub use messages::{MessageLog, StoredMessage};
pub use old_queue::{Answer, Entry, EntryTerms, Next, SessionQueue};
pub use position::Position;
pub use queue::{
    Acks as QueueAcks, Answer as QueueAnswer, Entry as QueueEntry, Next as QueueNext, Queue,
    QueueLog, Terms as QueueTerms,
};
pub use record::{BlockRecord, MessageRecord, Origin, SessionKey, Target, Targets};
pub use retained::{RetainStore, Retained, ScanEnd};
pub use segment::{FORMAT_VERSION, HEADER_BYTES};
