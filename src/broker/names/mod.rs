//! The shared types of the broker: names of connections, shards and vhosts, and the types that the
//! reactor and the rooms exchange. It has no state but [`ConnTable`], in which each room keeps its
//! own.
//!
//! It uses no other room.

mod address_range;
mod client_address;
mod close_reason;
mod conn;
mod context;
mod group_counts;
mod options;
pub(crate) mod placement;
mod rate;
mod refusal;
mod route_handle;
mod shards;
mod stats;
mod table;
mod trace_set;
mod transport;
mod user_property;
mod vhost;

pub use address_range::AddressRange;
pub use client_address::ClientAddress;
pub use close_reason::CloseReason;
pub use conn::ConnId;
pub use context::{Context, Event, Flow};
pub use group_counts::GroupCounts;
pub use options::{GroupOrder, OnDenied, Options, Overflow, SessionLimit, Takeover, Threshold};
pub use rate::PublishRate;
pub use shards::{ClientLimit, Peers, ShardId, ShardSet};
pub use stats::Stats;
pub use trace_set::TraceSet;
pub use transport::TransportKind;

pub(crate) use rate::Budget;
pub(crate) use refusal::RefusalReason;
pub(crate) use route_handle::RouteHandle;
pub(crate) use stats::{ByKind, ByQos};
pub(crate) use table::ConnTable;
pub(crate) use user_property::{
    EPOCH_PROPERTY, NUMBER_PROPERTY, POSITION_PROPERTY, STORED_PROPERTY,
};
pub(crate) use vhost::{DEFAULT_VHOST, VhostId};
