//! The path of messages from an input to a target, the same for all inputs and targets.
//!
//! ```text
//! input ─ chunks ─► driver ─ batches ─► target
//!   ▲                  │
//!   └──── confirmed ───┘
//! ```
//!
//! An input numbers messages in order of receipt. The driver writes them in this order, one batch
//! at a time, and confirms a batch when the target has acknowledged all of it; the input then
//! acknowledges to its broker. So `confirmed <= written <= received`, and after a crash the
//! messages in between are delivered again. A flow has its own thread and shares nothing with other
//! flows.

mod backoff;
mod budget;
mod driver;
mod letters;
mod message;
mod numbers;
mod positions;
mod progress;
mod run;

pub use backoff::Backoff;
pub use budget::{Budget, Lease};
pub(crate) use message::Span;
pub use message::{Batch, Chunk, Message, Position};
pub use positions::Positions;
pub use progress::Progress;
pub use run::run;
