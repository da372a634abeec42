//! The event loop of one shard. It turns the ring's completions into calls of the broker, and the
//! broker's output into operations of the ring.
//!
//! A turn: sleep until something completes or is due, a little longer when messages come often →
//! handle completions → handle messages of other shards → send replies that waited → timers →
//! events → send, publish to other shards, and begin again. Only the sleep blocks.
//!
//! | file | noun |
//! |---|---|
//! | `turn` | the reactor and its turn |
//! | `receiving`, `proxied` | accepting and receiving; PROXY headers |
//! | `sending` | sending, closing |
//! | `messages` | messages from other shards and the control thread |
//!
//! These are the reactor's steps. The types below import none of them:
//!
//! | file | noun |
//! |---|---|
//! | `links`, `unread`, `link_transfer` | sockets, their unread bytes, links that move |
//! | `starved` | links that wait for a receive buffer |
//! | `cutter` | bytes cut into packets for the broker |
//! | `listener`, `accept_filter` | listeners, and the decision which links are kept |
//! | `handshakes` | TLS handshakes, a few each turn |
//! | `inboxes`, `outboxes` | the rings from and to other shards |
//! | `subscription_sync`, `stopping` | the start and the end of a shard |
//! | `storage`, `hold` | writes and files for the log; commit groups that wait for more |
//! | `asks` | asks of the admin thread, and the ring back to it |
//! | `verifier` | the interface to the threads that verify passwords |
//! | `reclaim` | memory of links that have left |
//! | `report` | a shard's counters and figures |
//! | `settings` | settings that an operator may change while the shard runs |
//! | `gathering` | the time for which a shard lets completions gather before it wakes |
//! | `wheel` | timers |

mod accept_filter;
mod asks;
mod cutter;
mod gathering;
mod handshakes;
mod hold;
mod inboxes;
mod link_transfer;
mod links;
mod listener;
mod messages;
mod outboxes;
mod proxied;
mod receiving;
mod reclaim;
mod report;
mod sending;
mod settings;
mod starved;
mod stopping;
mod storage;
mod subscription_sync;
mod turn;
mod unread;
mod verifier;
mod wheel;

pub use accept_filter::{AcceptFilter, Subnet};
pub use asks::AnswerWay;
pub use inboxes::Inbox;
pub use link_transfer::LinkTransfer;
pub use listener::{Listener, ListenerKind, Proxied};
pub use outboxes::{ControlMessage, Outbox, ShardMessage};
pub use report::Report;
pub use settings::Settings;
pub use turn::{Clock, Options, Reactor};
pub use verifier::{InlineVerifier, Verifier};
