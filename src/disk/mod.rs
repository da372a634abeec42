//! The data directory: its lock and format, the segment files of each shard, and the helper thread.
//!
//! ```text
//! DIR/LOCK       empty; locked by the one process that uses the directory (see `user`)
//! DIR/FORMAT     "ringmq data, format 5", "shards N", and their sum in a third line; written once
//! DIR/VHOSTS     numbers of vhosts (see `vhosts`); missing while there is but one
//! DIR/DELETIONS  sessions to be deleted (see `deletions`); missing while there is none
//! DIR/RELOAD     what became of the last reload (see `reload`)
//! DIR/shard-K/   for each K below N; its files are named by a number of 20 digits:
//!     EXTENT                                   how far the log goes (see `extent`)
//!     00000000000000000007.segment             a segment, or a free file (64 zeros in front)
//!     00000000000000000008.segment.new         being made; removed at the next start
//!     00000000000000000004.segment.damaged     set aside; a second one ends in .damaged.1
//! ```
//!
//! A directory in the making has `FORMAT.unfinished` instead of `FORMAT` (see [`Making`]).
//!
//! A directory of format 1 has neither sums nor `EXTENT` files, the logs of format 2 have no
//! records of MQTT 5, those of format 3 no lanes of groups, and those of format 4 do not say which
//! messages carry which subscription identifiers. Opening one for writing makes each missing
//! `EXTENT` and then converts it to format 5, which older versions refuse.
//!
//! A file gets its final name only when it is complete and durable. A number is never used twice: a
//! new file's number is above all that are found, including the files set aside, and the file with
//! the highest number is never removed.
//!
//! A [`Directory`] gives each shard its [`ShardFiles`]. The one [`Helper`] makes a [`FileMedium`]
//! from them, which is the shard's [`crate::store::Medium`]. The helper's thread does everything
//! that may wait for the disk, except the writes of the ring.

mod clocks;
mod deletions;
mod directory;
mod error;
mod extent;
mod files;
mod format;
mod helper;
mod live;
mod live_files;
mod lock;
mod making;
mod mapping;
mod medium;
mod note;
mod reload;
mod sigbus;
mod supply;
mod sync;
#[cfg(test)]
mod tests;
mod user;
mod vhosts;

pub use self::clocks::Clocks;
pub use self::deletions::Deletion;
pub use self::directory::Directory;
pub use self::error::DirectoryError;
pub use self::files::{ShardFiles, segment_path};
pub use self::helper::Helper;
pub use self::making::Making;
pub use self::mapping::map;
pub use self::medium::FileMedium;
pub use self::reload::{ReloadAsker, ReloadNote, monotonic_us};
pub use self::user::{UserError, user_of};
pub use self::vhosts::Vhosts;
