//! State that survives the broker: each test ends it with SIGKILL or SIGTERM, and starts it again
//! on the same data.

#[path = "../common/mod.rs"]
mod common;

mod allocated;
mod damage;
mod directory;
mod inbound;
mod long;
mod outbound;
mod overflow;
mod positions;
mod refused;
mod retained;
mod sessions;
mod setup;
mod trouble;
mod unreadable;
mod wills;
