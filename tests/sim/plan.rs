//! The choices of a seed before the run: sizes, odds, and the end of the run.

use crate::random::Random;

/// The end of a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ending {
    /// The broker is stopped in the middle of it all.
    Abrupt,
    /// All clients are connected and idle, then the broker is stopped.
    Connected,
    /// All clients disconnect, then the broker is stopped.
    Empty,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) shards: u16,
    pub(crate) clients: usize,
    /// Things each client does before the run settles.
    pub(crate) acts: usize,
    /// Bytes of each ring between shards: the longest record here must fit a quarter of it.
    pub(crate) mesh_bytes: usize,
    /// Bytes a connection holds in each direction.
    pub(crate) pipe_bytes: usize,
    pub(crate) buffers: u16,
    pub(crate) buffer_bytes: usize,
    pub(crate) accept_fails_one_in: usize,
    pub(crate) outgoing_bytes_max: usize,
    pub(crate) patience_ms: u64,
    pub(crate) inflight_max: u16,
    /// In one of this many steps time passes although an actor could continue; 0: never.
    pub(crate) haste_one_in: usize,
    /// In one of this many steps a shard is suspended for a while; 0: never.
    pub(crate) freeze_one_in: usize,
    /// In one of this many steps all clients rest for a while; 0: never.
    pub(crate) rest_one_in: usize,
    /// Clients sometimes stop reading.
    pub(crate) pauses: bool,
    /// Clients write a few bytes at a time.
    pub(crate) trickle: bool,
    /// One in this many payloads is large, and shared instead of copied; 0: none.
    pub(crate) large_one_in: usize,
    /// Filters and topics in use: with few of them clients interact.
    pub(crate) filters: usize,
    pub(crate) topics: usize,
    /// Length of a segment's file, and of the first ones.
    pub(crate) segment_bytes: u64,
    pub(crate) first_segment_bytes: u64,
    /// Bytes of a queue's packed end: the rest goes into the log.
    pub(crate) tail_bytes_max: usize,
    /// Whether committed means synced.
    pub(crate) sync: bool,
    /// Parts of a file that a smaller group fills with zeros; 0: none.
    pub(crate) zeros_bytes: u64,
    /// Longest a write, or another request to the disk, takes.
    pub(crate) disk_ms_max: u64,
    /// Bytes that the disk writes whole or not at all.
    pub(crate) sector_bytes: usize,
    /// In one of this many steps the disk of some shards has a fault for a while; 0: never.
    pub(crate) fault_one_in: usize,
    /// In one of this many steps the broker dies and is started again; 0: never.
    pub(crate) crash_one_in: usize,
    /// `--session-expiry`, milliseconds; 0: never.
    pub(crate) session_expiry_ms: u64,
    /// In one of this many steps the wall clock is set; 0: never.
    pub(crate) clock_set_one_in: usize,
    pub(crate) ending: Ending,
    /// Messages and bytes that a client may publish in a second; 0: no limit. Never so few that it
    /// seems stuck.
    pub(crate) publishes_per_s: u32,
    pub(crate) publish_bytes_per_s: u64,
    /// One in this many connections uses MQTT 5, the others MQTT 3.1.1; 0: none.
    pub(crate) v5_one_in: usize,
    /// Bytes that may wait in a session, which takes nothing more then; 0: as many as come.
    pub(crate) session_bytes_max: u64,
    /// One in this many connections of MQTT 5 proves with SCRAM that it is of the run's user, the
    /// others with a password; 0: clients have no user.
    pub(crate) proofs_one_in: usize,
}

impl Plan {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        Self {
            seed,
            shards: random.pick(&[1, 2, 2, 3, 4]),
            clients: 2 + random.below(6),
            acts: random.pick(&[10, 20, 40, 80]),
            mesh_bytes: random.pick(&[1024, 1024, 2048, 4096]),
            pipe_bytes: random.pick(&[32, 128, 512, 4096]),
            buffers: random.pick(&[1, 2, 4, 16]),
            buffer_bytes: random.pick(&[16, 64, 256, 1024]),
            accept_fails_one_in: random.pick(&[0, 0, 2, 4]),
            outgoing_bytes_max: random.pick(&[512, 512, 1024, 65_536]),
            patience_ms: random.pick(&[1, 5, 20]),
            inflight_max: random.pick(&[1, 2, 10, 65_535]),
            haste_one_in: random.pick(&[0, 30, 300]),
            freeze_one_in: random.pick(&[0, 50, 200, 200]),
            rest_one_in: random.pick(&[0, 200, 1000]),
            pauses: random.one_in(2),
            trickle: random.one_in(6),
            large_one_in: random.pick(&[0, 0, 0, 60]),
            filters: random.pick(&[2, 4, usize::MAX]),
            topics: random.pick(&[1, 3, usize::MAX]),
            segment_bytes: random.pick(&[512, 512, 2048, 65_536]),
            tail_bytes_max: random.pick(&[30, 100, 8192]),
            sync: random.one_in(2),
            disk_ms_max: random.pick(&[0, 0, 3, 30]),
            sector_bytes: random.pick(&[512, 4096]),
            fault_one_in: random.pick(&[0, 0, 200, 1000]),
            crash_one_in: random.pick(&[0, 0, 400, 2000]),
            ending: random.pick(&[
                Ending::Abrupt,
                Ending::Abrupt,
                Ending::Connected,
                Ending::Connected,
                Ending::Empty,
            ]),
            publishes_per_s: random.pick(&[0, 0, 0, 50, 500]),
            publish_bytes_per_s: random.pick(&[0, 0, 0, 20_000]),
            zeros_bytes: random.pick(&[0, 128, 1024]),
            // Between the looks of all shards, four in that time each, there must be quiet.
            session_expiry_ms: random.pick(&[0, 0, 0, 8_000, 8_000, 900_000]),
            clock_set_one_in: random.pick(&[0, 100, 1000]),
            first_segment_bytes: random.pick(&[512, 512, 2048, 65_536]),
            v5_one_in: random.pick(&[0, 1, 1, 2, 2, 4]),
            session_bytes_max: random.pick(&[0, 0, 0, 0, 100, 1000]),
            proofs_one_in: 0,
        }
    }
}
