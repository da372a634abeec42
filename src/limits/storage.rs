//! Bounds of the log, the data directory and the disk, and of stored data: sessions, retained
//! messages, vhosts.

use super::GROUP_BYTES_MAX;

/// Segment files that a log has ready besides those to which it writes: its reserve, and one more,
/// so that it never waits while the disk has space. None: staged records wait, and their
/// acknowledgements too.
pub const SPARE_FILES: usize = RESERVE_FILES + 1;

/// Unused segment files, of the greatest length, that messages do not use, so that a full disk can
/// be emptied again. Acknowledgements, checkpoints and cleaning need one file. Each start begins
/// another segment, which the checkpoint after the next start releases. Messages that other shards
/// have sent may use further files, up to the log's own amount, and so may two checkpoints larger
/// than half a segment. Missing: the broker does not read publishers whose message needs the disk
/// until the files exist. A broker that is killed this often on a full disk, each time before its
/// checkpoint, has none left; an operator must then free space.
pub const RESERVE_FILES: usize = 2;

/// Failed writes in a row after which a log requests no more files until its owner allows it.
/// Without this bound the log would retry in an endless loop if the disk fails at once.
pub const WRITE_FAILURES_MAX: u32 = 2;
/// Time for which the session of a disconnected client is kept by default (`--session-expiry`).
/// Over: it is deleted. Devices are usually off for less time in a holiday or a repair.
pub const SESSION_EXPIRY_MS_DEFAULT: u64 = 14 * 24 * 60 * 60 * 1000;

/// The share of a session's expiry interval that a kill of the broker may cost the session: 1/64. A
/// client that was disconnected for longer than that gets its CONNACK only when the log contains
/// its return: otherwise a broker that was killed then would count the time from the earlier
/// disconnection. Other clients need not wait for the disk.
pub const EXPIRY_LOST_SHARE: u64 = 64;

/// Time for which the wall clock must run evenly before it determines how long the machine was off:
/// NTP sets it seconds or minutes after the start.
pub const CLOCK_SETTLE_MS: u64 = 10 * 60 * 1000;

/// Time between two readings of the clocks while there are sessions. A power failure can hide this
/// much time from the expiry of sessions.
pub const CLOCK_LOOK_MS: u64 = 60 * 1000;

/// Difference between the progress of the wall clock and of the monotonic clock from which on the
/// wall clock counts as set. A clock that is only corrected differs by at most 30 ms in a minute.
pub const CLOCK_JUMP_MS: u64 = 2_000;

/// The start of 2025. A wall clock that shows an earlier time has not been set since the machine
/// started.
pub const CLOCK_PLAUSIBLE_MS: u64 = 1_735_689_600_000;

/// Gaps in a log's time line: one for each time that the machine was off or suspended while there
/// were sessions. Over: the oldest is forgotten, and sessions of clients that left before it are
/// kept longer.
pub const TIME_GAPS_MAX: usize = 64;

/// The longest absence that is accepted from a log of format 1: a year.
pub const UNMARKED_AGE_MS_MAX: u64 = 365 * 24 * 60 * 60 * 1000;

/// Most `--session-expiry`: ten years. A longer time is set as 0, for ever.
pub const SESSION_EXPIRY_MS_MAX: u64 = 3650 * 24 * 60 * 60 * 1000;

/// Bytes of messages that may wait in one session by default (`--session-max-bytes`), unless
/// [`SESSION_QUOTA_PERCENT_DEFAULT`] is more: a busy device's messages of more than a day. Full: as
/// `--session-overflow` says.
pub const SESSION_QUOTA_BYTES_DEFAULT: u64 = 1024 * 1024 * 1024;

/// The same limit in hundredths of the file system: hours of a consumer that subscribes to all
/// messages. Several such consumers may be disconnected at once before the disk is low.
pub const SESSION_QUOTA_PERCENT_DEFAULT: u8 = 10;

/// Least `--session-max-bytes`: some hundred telemetry messages. With less, every short absence
/// would lose some.
pub const SESSION_QUOTA_BYTES_MIN: u64 = 64 * 1024;

/// Most `--session-max-bytes`: 1 PiB. The disks of one host have less.
pub const SESSION_QUOTA_BYTES_MAX: u64 = 1 << 50;

/// Topics with a retained message by default (`--retained-max-count`), in the whole broker. Full:
/// the message is delivered but not retained; that is counted and logged. The index of this many
/// topics takes about a gigabyte of memory.
pub const RETAINED_TOTAL_DEFAULT: u64 = 10_000_000;

/// Most `--retained-max-count`. No host has the memory for a larger index.
pub const RETAINED_TOTAL_MAX: u64 = u32::MAX as u64;

/// Bytes of retained messages by default (`--retained-max-bytes`), in the whole broker: some 800
/// bytes for each of [`RETAINED_TOTAL_DEFAULT`]. Full: as for that bound.
pub const RETAINED_TOTAL_BYTES_DEFAULT: u64 = 8 * 1024 * 1024 * 1024;

/// Least `--retained-max-bytes`. [`SHARDS_MAX`](super::SHARDS_MAX) shards share it, and each must
/// have space for a message of 16 KiB.
pub const RETAINED_TOTAL_BYTES_MIN: u64 = 1024 * 1024;

/// Most `--retained-max-bytes`: as [`SESSION_QUOTA_BYTES_MAX`].
pub const RETAINED_TOTAL_BYTES_MAX: u64 = SESSION_QUOTA_BYTES_MAX;

/// Free space of the file system below which publishers wait by default (`--disk-low`), unless
/// [`DISK_LOW_PERCENT_DEFAULT`] is less: some seconds of the fastest stream, and the files that are
/// allocated ahead.
pub const DISK_LOW_BYTES_DEFAULT: u64 = 1024 * 1024 * 1024;

/// The same limit in hundredths of a small file system.
pub const DISK_LOW_PERCENT_DEFAULT: u8 = 5;

/// Most `--disk-low` in bytes: as [`SESSION_QUOTA_BYTES_MAX`].
pub const DISK_LOW_BYTES_MAX: u64 = SESSION_QUOTA_BYTES_MAX;

/// Bytes of a segment file by default (`--segment-bytes`). A fast stream fills it in a fraction of
/// a second, and a broker with a terabyte of messages maps 16,384 of the permitted 65,530 files.
pub const SEGMENT_BYTES_DEFAULT: u64 = 64 * 1024 * 1024;

/// Bytes of the first segment files, so that an empty directory takes little space. Not less than
/// the least `--segment-bytes`.
pub const SEGMENT_BYTES_FIRST: u64 = SEGMENT_BYTES_MIN;

/// Factor by which the segment files grow after about one file's length was written. A fast stream
/// reaches the full length after ten files.
pub const SEGMENT_GROWTH: u64 = 4;

/// Least `--segment-bytes`: one write of a commit group. With less, a fast stream would wait for
/// files.
pub const SEGMENT_BYTES_MIN: u64 = 1024 * 1024;

/// Most `--segment-bytes`: a few files are allocated ahead for each shard, and space is freed in
/// whole segments.
pub const SEGMENT_BYTES_MAX: u64 = 1024 * 1024 * 1024;

/// Bytes of a data directory's `FORMAT` that are read. The file has some fifty.
pub const FORMAT_TEXT_BYTES_MAX: u64 = 4096;

/// Vhosts of a data directory over its lifetime. Each costs every shard two empty trees, and a
/// restart reads all of them.
pub const VHOSTS_MAX: usize = 4096;

/// Bytes of the name of a vhost. Over: its folder is refused. In the percent-encoded folder name
/// each byte may take three of the 255 that a file system allows.
pub const VHOST_NAME_BYTES_MAX: usize = 255;

/// Bytes of a data directory's `VHOSTS` that are read.
pub const VHOSTS_TEXT_BYTES_MAX: u64 = 4 << 20;

/// Bytes of a data directory's `DELETIONS`. Full: further requests are refused until the broker has
/// processed the earlier ones.
pub const DELETIONS_TEXT_BYTES_MAX: u64 = 4 << 20;

const _: () =
    assert!((VHOSTS_MAX * (VHOST_NAME_BYTES_MAX * 3 + 8)) as u64 <= VHOSTS_TEXT_BYTES_MAX);

/// Sessions whose queues `ringmq data reshard` reads together, each with a block of 2,000 messages
/// in memory: 256 MiB in all. Over: it reads them in several passes, and writes a message that
/// waits in sessions of several passes once in each.
pub const MERGED_SESSIONS_MAX: usize = 8 * 1024;

/// Notes of `ringmq data reshard` on sessions with a QoS 2 message that the publisher sends again,
/// each some 80 bytes of memory for the broker. Over: such messages may be delivered twice, and the
/// command reports their number.
pub const COPIES_MAX: usize = 1_000_000;

/// Attempts to read a directory in use that changes meanwhile. Over: the command reports that it
/// changes too fast.
pub const LIVE_LOOKS_MAX: u32 = 1000;

/// Free segment files that one shard keeps for reuse: as many as a store has ahead, and as many
/// again for files that it retires in a burst. Over: the file is removed.
pub const FREE_FILES_MAX: usize = 4;

/// Bytes of zeros in one write to a segment file, on file systems that cannot allocate without
/// writing. Larger writes take more CPU time because they exceed the CPU's cache; smaller ones need
/// more calls.
pub const ZEROS_WRITE_BYTES: usize = 64 * 1024;

/// Size of the parts of a segment file that a smaller commit group fills with zeros when it reaches
/// them. One in 256 groups of a kilobyte has this cost. On a slow disk a larger size would take too
/// long.
pub const ZEROS_AHEAD_BYTES: u64 = 256 * 1024;

const _: () = assert!(ZEROS_AHEAD_BYTES <= GROUP_BYTES_MAX as u64);

/// Time between two checks of the file system's free space: a disk that writes 1 GB/s uses no more
/// than the default `--disk-low` in this time.
pub const SPACE_LOOK_MS: u64 = 1000;
