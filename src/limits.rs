//! Every bound of the broker in one place, each with its reason and what happens when it is
//! reached.
//!
//! Bounds that an operator may want to move are flags; their defaults stand here.

/// Most shards one broker runs: a set of shards is one 64-bit mask.
pub const SHARDS_MAX: usize = 64;

/// Bytes one link may send before its CONNECT is complete. Full: the link is closed.
/// A CONNECT with a client id, user name, password and a short will fits many times over.
pub const PRE_CONNECT_BYTES_MAX: usize = 64 * 1024;

/// Time from accept to a complete CONNECT. Over: the link is closed.
pub const CONNECT_TIMEOUT_MS: u64 = 10_000;

/// Clients whose passwords wait to be verified, on all shards together; one more is refused, as is
/// one from an address that has as many waiting as there is room left. As many as may reconnect at
/// once: their passwords take 128 MiB at worst.
pub const AUTH_WAITING_MAX: usize = 16_384;

/// Of those, clients from addresses that had wrong ones lately: they wait behind the others.
pub const AUTH_SUSPECTS_MAX: usize = 1_024;

/// Passwords that were right or wrong lately and are remembered, 64 bytes each.
pub const AUTH_REMEMBERED_MAX: usize = 131_072;

/// Addresses whose wrong passwords are counted.
pub const AUTH_ADDRESSES_MAX: usize = 65_536;

/// Largest packet a client may send by default (`--max-packet-size`), fixed header included.
/// Over: the link is closed before the body is read.
pub const PACKET_BYTES_DEFAULT: usize = 16 * 1024 * 1024;

/// Largest packet the protocol can express: a 1-byte type, a 4-byte length and 268,435,455 bytes.
pub const PACKET_BYTES_MAX: usize = 5 + 268_435_455;

/// Least `--max-packet-size`: a CONNECT with a client id of 23 bytes, which every server must take
/// [MQTT-3.1.3-5], has 37.
pub const PACKET_BYTES_MIN: usize = 64;

/// Least Maximum Packet Size of a client of MQTT 5: its CONNACK has up to 58 bytes, and a session
/// whose acknowledgements do not fit would stand still for ever. Below: CONNACK 0x95.
pub const CLIENT_PACKET_BYTES_MIN: u32 = 64;

/// Topic aliases for each direction of a connection by default (`--topic-alias-max`): most clients
/// that use any use few, and some use more than they are offered.
pub const TOPIC_ALIASES_DEFAULT: u16 = 64;

/// Bytes of topics that the aliases of one publisher stand for. Over: DISCONNECT 0x97.
pub const ALIAS_TOPIC_BYTES_MAX: usize = 64 * 1024;

/// Sessions that one turn ends, or publishes the wills of, because their time is over: others go on
/// in between.
pub const SESSIONS_DUE_MAX: usize = 256;

/// Output one link may hold by default (`--max-outgoing-bytes`). Full: publishers that feed it
/// pause for the patience below, then QoS 0 to it is dropped and counted, QoS 1 waits in the
/// session.
pub const OUTGOING_BYTES_DEFAULT: usize = 1024 * 1024;

/// Least `--max-outgoing-bytes`: one small chunk, or nothing could ever leave.
pub const OUTGOING_BYTES_MIN: usize = CHUNK_SMALL_BYTES;

/// Most `--max-outgoing-bytes`: 1 GiB for one link that does not read is a mistyped flag.
pub const OUTGOING_BYTES_MAX: usize = 1024 * 1024 * 1024;

/// How long a full link may hold its publishers back by default (`--qos0-patience`).
pub const QOS0_PATIENCE_MS_DEFAULT: u64 = 20;

/// Longest `--qos0-patience`: above a minute publishers would run into their keep alive.
pub const QOS0_PATIENCE_MS_MAX: u64 = 60_000;

/// Bytes of what a data directory says of the last reload. More faults than fit in half of it are
/// left to the log.
pub const RELOAD_TEXT_BYTES_MAX: u64 = 64 * 1024;

/// Time that `ringmq reload` waits for the broker's answer. Over: the reload counts as failed. Less
/// than the time that systemd gives `ExecReload` (`TimeoutStartSec` of the unit).
pub const RELOAD_ANSWER_S_MAX: u64 = 60;

/// Settings whose change a reload logs, one line each: as many as there are flags, and then some.
pub const CHANGES_LOGGED_MAX: usize = 100;

/// Days that a server's certificate should be valid for at a start or reload. Fewer: a warning.
/// Programs that renew certificates do so earlier, when a third of their life is left say.
pub const CERTIFICATE_DAYS_MIN: u64 = 7;

/// Faults of a configuration file that are told. More are of a file that is something else.
pub const CONFIG_FAULTS_MAX: usize = 50;

/// Bytes of a configuration file (`--config`). More: refused. Every flag with a long list of
/// listeners and host names fits many times over; a larger file is another file.
pub const CONFIG_FILE_BYTES_MAX: u64 = 256 * 1024;

/// Connections the broker accepts by default (`--max-connections`). Over: CONNACK 3.
pub const CONNECTIONS_DEFAULT: usize = 1_000_000;

/// Most `--max-connections`: a link's slot is a 32-bit number.
pub const CONNECTIONS_MAX: usize = u32::MAX as usize;

/// Most `--max-topic-levels`: no more slashes fit into a topic (the one topic of slashes alone has
/// a level more). A walk over the subscription tree goes as deep.
pub const TOPIC_LEVELS_MAX: usize = 65_535;

/// Levels a topic name or filter may have by default (`--max-topic-levels`): more than anybody
/// names things by, and so few that one SUBSCRIBE of 64 KiB does not make a path of 65,535 nodes.
/// Over: a message or will is denied (acknowledged and dropped), a filter answered 0x80.
pub const TOPIC_LEVELS_DEFAULT: usize = 1024;

/// Levels the filter of an access rule may have. Over: the file is refused.
pub const RULE_LEVELS_MAX: usize = 128;

/// Unacknowledged QoS 1 messages the broker keeps in flight towards one client by default
/// (`--max-inflight`). Full: the next message waits in the session.
pub const INFLIGHT_DEFAULT: u16 = 65_535;

/// Bytes of messages one session may have waiting. Full: the oldest is dropped, counted and logged.
pub const SESSION_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Bytes beyond its bound that a session takes with `--session-overflow block`, or as many as the
/// bound if that is more: from publishers that are read from all the same since they have messages
/// to acknowledge, and what others have on its way. Full: its oldest message is dropped, counted
/// and logged.
pub const BLOCK_BYTES_MIN: u64 = 16 * 1024 * 1024;

/// Sessions that one shard names each minute in its account of what was dropped or denied. Over: it
/// is told as a sum.
pub const DROPS_NAMED_MAX: usize = 32;

/// Bytes of messages that all clean sessions of one shard may have waiting, in memory, with the
/// segments they stand in. Full: as [`SESSION_BYTES_MAX`], for the session that another message
/// comes for.
pub const LOG_BYTES_MAX: usize = 2 * 1024 * 1024 * 1024;

/// Sessions one shard keeps. Full: a client without one is answered with CONNACK 3.
pub const SESSIONS_MAX: usize = 4 * 1024 * 1024;

/// Messages of one queue kept unpacked for a client that is connected. Full: what comes waits
/// packed. More than there are packet identifiers, so that no window runs dry of them.
pub const QUEUE_HEAD_MAX: usize = 70_000;

/// Bytes of the packed end of one queue. Full: its messages become a block in the log. A buffer
/// that doubles does not get beyond it; some 2,000 messages.
pub const QUEUE_TAIL_BYTES_MAX: usize = 8 * 1024;

/// Bytes of a client id. Over: CONNACK 2. The standard asks for 23 [MQTT-3.1.3-5].
pub const CLIENT_ID_BYTES_MAX: usize = 1024;

/// Bytes of segment files that reading may have mapped into memory, more or less. Over: they are
/// unmapped until they are read again; the system keeps them in its cache as it sees fit.
pub const READ_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Bytes that nobody waits for, acknowledgements and what was acknowledged, that gather before they
/// are written. Over: they are written.
pub const LAZY_BYTES_MAX: u64 = 256 * 1024;

/// Time they may gather. Over: they are written.
pub const LAZY_MS: u64 = 10;

/// Bytes appended to a shard's log and not committed. Over: publishers that need the disk are not
/// read from until half of it is.
pub const STAGED_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Bytes of messages too large for a record that may be on their way to other shards. Full: as
/// [`MESH_RING_BYTES`].
pub const LARGE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Filters one session may hold. Over: the SUBSCRIBE is answered 0x80 for those beyond.
pub const SUBSCRIPTIONS_MAX: usize = 65_536;

/// Bytes of all filters of one session. Over: as [`SUBSCRIPTIONS_MAX`].
pub const SUBSCRIPTION_BYTES_MAX: usize = 1024 * 1024;

/// Output above `--max-outgoing-bytes` that nobody could be held back for (wills, what other shards
/// had on its way), as a multiple of it. Over: QoS 0 is dropped and counted.
pub const OUTGOING_BURST_FACTOR: usize = 4;

/// Output, as a multiple of `--max-outgoing-bytes`, at which a connection is not read from: nothing
/// but its own requests' answers makes so much for long. Over: it is read from again when it has
/// taken them.
pub const CHOKE_FACTOR: usize = 2;

/// Replies of one connection that wait for the disk or for other shards. Over: it is not read from
/// until half of them have left. More than a client has that keeps to its packet identifiers: some
/// for its own messages, as many for ours.
pub const PROMISED_MAX: u32 = 2 * 65_536;

/// Topics whose route one shard remembers. Full: another topic's is forgotten.
pub const ROUTES_MAX: usize = 65_536;

/// Targets of all routes that one shard remembers. Full: as [`ROUTES_MAX`].
pub const ROUTE_TARGETS_MAX: usize = 4 * 1024 * 1024;

/// Bytes of a topic whose route is remembered. Over: it is computed for every message.
pub const ROUTE_TOPIC_BYTES_MAX: usize = 512;

/// Messages at the head of a session's queue that are looked at, and dropped, because they may have
/// expired, when another comes to a session that is full. Each look reads a message; what is left
/// is found when the next one comes.
pub const EXPIRED_LOOKS_MAX: u64 = 16;

/// How often retained messages that have expired are looked for, ms. Until then they take room, but
/// nobody gets them.
pub const RETAINED_EXPIRY_PERIOD_MS: u64 = 60_000;

/// Topics that one step of that looks at: some 20 µs.
pub const RETAINED_EXPIRY_VISITS_MAX: usize = 256;

/// Retained topics one step of a replay looks at, so that a replay starves nobody.
pub const REPLAY_VISITS_MAX: usize = 1024;

/// Steps a connection's replays take in one turn, for the same reason.
pub const REPLAY_STEPS_MAX: usize = 8;

/// Bytes of retained messages one shard sends another for one ask.
pub const REPLAY_PAGE_BYTES: usize = 16 * 1024;

/// Live retained publishes a replay over several shards remembers, not to send an older value after
/// them. Over: the client may see an old value once more.
pub const REPLAY_SEEN_MAX: usize = 10_000;

/// Connections that wait to be accepted, for each listener and shard; the kernel cuts it to
/// `net.core.somaxconn`. Full: clients try again.
pub const LISTEN_BACKLOG: i32 = 4096;

/// Links a shard holds beyond those of connected clients: they have not sent CONNECT, or are
/// closing. Over: accepted and closed at once.
pub const PENDING_LINKS_MAX: usize = 16_384;

/// Time a link that closes has to take what is still to be said. Over: it is cut off.
pub const FLUSH_MS_MAX: u64 = 5_000;

/// Time a broker that stops gives its links. Over: they are cut off.
pub const STOP_MS_MAX: u64 = 5_000;

/// Packets handled and copies delivered for one link in one turn: a millisecond or so. Over: it
/// goes on in the next turn, after others.
pub const LINK_WORK_MAX: u64 = 16_384;

/// Time from when as many links have left a shard as are still there, or as many sessions have
/// expired, until their memory is reclaimed: who reconnects at once finds it warm.
pub const RECLAIM_DELAY_MS: u64 = 1_000;

/// Time between two steps of that.
pub const RECLAIM_STEP_MS: u64 = 10;

/// Entries of each table that one step gives back: with some 250 bytes each, the system takes a
/// millisecond at most.
pub const RECLAIM_SLOTS_MAX: usize = 16_384;

/// Links and sessions that must have gone for the heap to be asked as well: it looks at every free
/// piece of some pages.
pub const RECLAIM_HEAP_LINKS_MIN: usize = 256;

/// Bytes from which on an allocation has memory of its own, which goes back to the system with it
/// and grows without a copy; pages of it that are not touched cost nothing. Most messages are
/// smaller: each would cost some page faults.
pub const OWN_MEMORY_BYTES_MIN: usize = 1024 * 1024;

/// Bytes of a table from which on it grows to [`OWN_MEMORY_BYTES_MIN`] at once: what it leaves in
/// the heap as it grows is too large for what comes next there.
pub const TABLE_HEAP_BYTES_MAX: usize = 32 * 1024;

/// Messages of one other shard handled in one turn.
pub const INBOX_RECORDS_MAX: usize = 1024;

/// Receive buffers of one shard. With [`RECV_BUFFER_BYTES`] 4 MiB: enough for every completion of
/// one turn. Starved: the link that found none is armed again when buffers came back.
pub const RECV_BUFFERS: u16 = 256;

/// Bytes of one receive buffer: some hundred telemetry messages, so that a receive's fixed cost
/// spreads over them.
pub const RECV_BUFFER_BYTES: usize = 16 * 1024;

/// Bytes of a small output chunk: acknowledgements and single messages.
pub const CHUNK_SMALL_BYTES: usize = 512;

/// Bytes of a large output chunk: what one send gathers of a fast stream.
pub const CHUNK_LARGE_BYTES: usize = 16 * 1024;

/// Free output chunks a shard keeps for reuse, per class. Over: the memory goes back.
pub const CHUNKS_KEPT_MAX: usize = 1024;

/// Of those, the ones that stay when memory is reclaimed: a turn of a quiet shard takes no more.
pub const CHUNKS_KEPT_IDLE: usize = 16;

/// Chunks one send may carry; the rest follows in the next. Small enough that the progress of a
/// slow reader is seen within a patience.
pub const SEND_CHUNKS_MAX: usize = 16;

/// Bytes above which a payload is shared by reference instead of copied: below it a copy is cheaper
/// than the bookkeeping.
pub const SHARE_BYTES_MIN: usize = 16 * 1024;

/// Bytes of one mesh ring (one per ordered pair of shards). Full: see invariant 6.
pub const MESH_RING_BYTES: usize = 1024 * 1024;

/// Bytes of one commit group, unless a single record is larger: a disk writes and syncs a megabyte
/// in a millisecond or so. Full: the next group gathers behind it.
pub const GROUP_BYTES_MAX: usize = 1024 * 1024;

/// Buffers of commit groups that a log keeps for reuse. Over: the memory goes back.
pub const GROUP_BUFFERS_KEPT_MAX: usize = 4;

/// Segment files a log has ready beyond those it writes to: its reserve, and one so that it never
/// waits while the disk has room. None: what is staged waits, and with it its acknowledgements.
pub const SPARE_FILES: usize = RESERVE_FILES + 1;

/// Unused segment files that messages leave alone, the longest there are, so that a disk that is
/// full can be emptied again: acknowledgements, checkpoints and cleaning need one, and each start
/// begins another segment, which the checkpoint after the next start gives back. What is on its way
/// from other shards has files on top, up to what the log has itself, and so have two checkpoints
/// beyond half a segment. Not there: publishers whose message needs the disk are not read from
/// until it is. A broker that is killed on a full disk so often, each time before it has taken a
/// checkpoint, has none left and needs room from outside.
pub const RESERVE_FILES: usize = 2;

/// Failed writes in a row after which a log asks for no more files until its owner says so: a disk
/// that fails at once would be asked in a circle.
pub const WRITE_FAILURES_MAX: u32 = 2;
/// How long the session of a client that stays away is kept by default (`--session-expiry`). Over:
/// it is deleted. Longer than a device is off for a holiday or a repair.
pub const SESSION_EXPIRY_MS_DEFAULT: u64 = 14 * 24 * 60 * 60 * 1000;

/// How long the wall clock has to run evenly before it is asked how long the machine was off: NTP
/// sets it some seconds or minutes after the start.
pub const CLOCK_SETTLE_MS: u64 = 10 * 60 * 1000;

/// Time between two looks at the clocks, while there are sessions. Also the time that does not
/// count for their expiry when the power goes.
pub const CLOCK_LOOK_MS: u64 = 60 * 1000;

/// A wall clock that runs so much ahead of the monotonic one between two looks, or behind, was set.
/// One that is only corrected is off by 30 ms in a minute at most.
pub const CLOCK_JUMP_MS: u64 = 2_000;

/// The start of 2025: a wall clock that shows an earlier time was not set since the machine was
/// started.
pub const CLOCK_PLAUSIBLE_MS: u64 = 1_735_689_600_000;

/// Gaps that a log's time line has: one for each time that the machine was off, or suspended, while
/// there were sessions. Over: the oldest is forgotten, and what left before it is kept longer.
pub const TIME_GAPS_MAX: usize = 64;

/// In a log of format 1, the longest absence that is believed, a year.
pub const UNMARKED_AGE_MS_MAX: u64 = 365 * 24 * 60 * 60 * 1000;

/// Longest `--session-expiry`, ten years: who wants more wants 0, for ever.
pub const SESSION_EXPIRY_MS_MAX: u64 = 3650 * 24 * 60 * 60 * 1000;

/// Bytes of messages one session may have waiting by default (`--session-max-bytes`), unless
/// [`SESSION_QUOTA_PERCENT_DEFAULT`] is more: a day and more of a busy device's messages. Full: as
/// `--session-overflow` says.
pub const SESSION_QUOTA_BYTES_DEFAULT: u64 = 1024 * 1024 * 1024;

/// The same as hundredths of the file system: of a consumer that takes all there is, hours. Some of
/// them may be away at once before the disk is low.
pub const SESSION_QUOTA_PERCENT_DEFAULT: u8 = 10;

/// Least `--session-max-bytes`: room for some hundred telemetry messages, or every short absence
/// would lose some.
pub const SESSION_QUOTA_BYTES_MIN: u64 = 64 * 1024;

/// Most `--session-max-bytes`: 1 PiB is more than one host's disks have.
pub const SESSION_QUOTA_BYTES_MAX: u64 = 1 << 50;

/// Topics with a retained message by default (`--retained-max-count`), in the whole broker. Full:
/// the message is delivered and not retained, counted and logged. The index of so many takes a
/// gigabyte or so of memory.
pub const RETAINED_TOTAL_DEFAULT: u64 = 10_000_000;

/// Most `--retained-max-count`: no host has the memory for an index of more.
pub const RETAINED_TOTAL_MAX: u64 = u32::MAX as u64;

/// Bytes of retained messages by default (`--retained-max-bytes`), in the whole broker. Full: as
/// [`RETAINED_TOTAL_DEFAULT`], of whose messages each may have some 800 bytes.
pub const RETAINED_TOTAL_BYTES_DEFAULT: u64 = 8 * 1024 * 1024 * 1024;

/// Least `--retained-max-bytes`: [`SHARDS_MAX`] shards share it, and each is to have room for a
/// message of 16 KiB.
pub const RETAINED_TOTAL_BYTES_MIN: u64 = 1024 * 1024;

/// Most `--retained-max-bytes`: as [`SESSION_QUOTA_BYTES_MAX`].
pub const RETAINED_TOTAL_BYTES_MAX: u64 = SESSION_QUOTA_BYTES_MAX;

/// Free space of the file system below which publishers wait by default (`--disk-low`), unless
/// [`DISK_LOW_PERCENT_DEFAULT`] is less: seconds of the fastest stream, with the files that are
/// allocated ahead.
pub const DISK_LOW_BYTES_DEFAULT: u64 = 1024 * 1024 * 1024;

/// The same as hundredths of a small file system.
pub const DISK_LOW_PERCENT_DEFAULT: u8 = 5;

/// Most `--disk-low` in bytes: as [`SESSION_QUOTA_BYTES_MAX`].
pub const DISK_LOW_BYTES_MAX: u64 = SESSION_QUOTA_BYTES_MAX;

/// Bytes of a segment file by default (`--segment-bytes`): a fast stream fills it in a fraction of
/// a second, and a broker with a terabyte of messages maps 16,384 of the 65,530 files it may.
pub const SEGMENT_BYTES_DEFAULT: u64 = 64 * 1024 * 1024;

/// Bytes of the first segment files: so that an empty directory takes little. Not less than the
/// least `--segment-bytes`.
pub const SEGMENT_BYTES_FIRST: u64 = SEGMENT_BYTES_MIN;

/// How much longer than others the next segment files are, when about as much was written as one of
/// those has: a fast stream is at the full length after ten of them.
pub const SEGMENT_GROWTH: u64 = 4;

/// Least `--segment-bytes`: one commit group's write, or a fast stream would wait for files.
pub const SEGMENT_BYTES_MIN: u64 = 1024 * 1024;

/// Most `--segment-bytes`: a few are allocated ahead for each shard, and space comes back by whole
/// segments.
pub const SEGMENT_BYTES_MAX: u64 = 1024 * 1024 * 1024;

/// Bytes that are read of a data directory's `FORMAT`. It has some thirty; the rest is a mistake.
pub const FORMAT_TEXT_BYTES_MAX: u64 = 4096;

/// Vhosts that a data directory ever has. Each costs every shard two empty trees, and a restart
/// reads them all.
pub const VHOSTS_MAX: usize = 4096;

/// Bytes of the name of a vhost. Over: its folder is refused. Each may take three of the 255 that a
/// file system allows, when it is percent-encoded.
pub const VHOST_NAME_BYTES_MAX: usize = 255;

/// Of a data directory's `VHOSTS`, more is not read.
pub const VHOSTS_TEXT_BYTES_MAX: u64 = 4 << 20;

/// Of a data directory's `DELETIONS`; beyond that no more may be asked for until the broker has
/// taken them.
pub const DELETIONS_TEXT_BYTES_MAX: u64 = 4 << 20;

const _: () =
    assert!((VHOSTS_MAX * (VHOST_NAME_BYTES_MAX * 3 + 8)) as u64 <= VHOSTS_TEXT_BYTES_MAX);

/// Sessions whose queues `ringmq data reshard` reads together, each with a block of 2,000 messages
/// in memory: 256 MiB in all. Over: it takes them in turns, and a message that sessions of several
/// turns wait for is written once for each turn.
pub const MERGED_SESSIONS_MAX: usize = 8 * 1024;

/// Times that a directory in use is looked at anew when it has changed meanwhile. Over: whoever
/// looks is told that it changes too fast.
pub const LIVE_LOOKS_MAX: u32 = 1000;

/// Free segment files one shard keeps for reuse: as many as a store has ahead, and as many again
/// for those it retires in a burst. Over: the file is removed.
pub const FREE_FILES_MAX: usize = 4;

/// Bytes of zeros one write puts into a segment file, where the file system cannot allocate without
/// that: more take more of the CPU, since they do not stay in its cache, and less are more calls.
pub const ZEROS_WRITE_BYTES: usize = 64 * 1024;

/// Bytes of the parts of a segment file that a smaller commit group fills with zeros when it enters
/// them: of groups of a kilobyte one in 256 pays for that. More would take a slow disk too long.
pub const ZEROS_AHEAD_BYTES: u64 = 256 * 1024;

const _: () = assert!(ZEROS_AHEAD_BYTES <= GROUP_BYTES_MAX as u64);

/// How often the space of the file system is looked at: a disk that takes 1 GB/s moves by no more
/// than the default `--disk-low` meanwhile.
pub const SPACE_LOOK_MS: u64 = 1000;

/// Wrong passwords from one address within a minute by default (`--auth-failures-max`). Over: its
/// CONNECTs are refused before anything is hashed.
pub const AUTH_FAILURES_DEFAULT: u32 = 60;

/// Bytes of a CONNECT's user name, the vhost before the colon included. Over: CONNACK 4.
pub const LOGIN_BYTES_MAX: usize = VHOST_NAME_BYTES_MAX + 1 + USER_NAME_BYTES_MAX;

/// Bytes of the name of a user. Over: the password file is refused, and no such user exists.
pub const USER_NAME_BYTES_MAX: usize = 1024;

/// Bytes of a password. Over: CONNACK 4, and `ringmq passwd` takes none. Every check hashes all of
/// it; tokens that stand for passwords have some 2,000.
pub const PASSWORD_BYTES_MAX: usize = 8192;

/// Bytes of a stored password's salt. Over: the password file is refused. 64 is what
/// `mosquitto_passwd` writes at most.
pub const SALT_BYTES_MAX: usize = 64;

/// Iterations of PBKDF2-HMAC-SHA512 that a password file may ask for: about a second of a core.
/// Over: the file is refused. OWASP asks for 210,000.
pub const PBKDF2_ITERATIONS_MAX: u32 = 1_000_000;

/// Cost of bcrypt, as a power of two, that a password file may ask for: a second or two of a
/// core. Over: the file is refused.
pub const BCRYPT_COST_MAX: u32 = 14;

/// Memory of Argon2id, in KiB, that a password file may ask for: each helper thread takes so much
/// while it checks. Over: the file is refused.
pub const ARGON2_MEMORY_KIB_MAX: u32 = 256 * 1024;

/// Memory times passes of Argon2id, in KiB, that a password file may ask for: about a second of a
/// core. Over: the file is refused.
pub const ARGON2_WORK_KIB_MAX: u64 = 512 * 1024;

/// Lanes of Argon2id that a password file may ask for. They are computed one after the other.
/// Over: the file is refused.
pub const ARGON2_LANES_MAX: u32 = 16;

/// Memory of Argon2id, in KiB, that `ringmq passwd` uses: OWASP's recommendation with two passes.
pub const PASSWD_ARGON2_MEMORY_KIB: u32 = 19 * 1024;

/// Passes of Argon2id that `ringmq passwd` uses.
pub const PASSWD_ARGON2_PASSES: u32 = 2;

/// Bytes of a password file: a million users. Over: it is refused.
pub const PASSWORD_FILE_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Bytes of an access control list. Over: it is refused.
pub const ACL_FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Lines with a rule in an access control list. Over: it is refused.
pub const ACL_RULES_MAX: usize = 1_000_000;

/// Bytes of a vhost's file of limits. Over: it is refused.
pub const LIMITS_FILE_BYTES_MAX: u64 = 64 * 1024;

/// Bytes that one regular expression of a permission may take when it is compiled. Over: the file
/// is refused.
pub const REGEX_BYTES_MAX: usize = 256 * 1024;

/// How deep a regular expression may be nested. Over: as [`REGEX_BYTES_MAX`].
pub const REGEX_NESTING_MAX: u32 = 32;
/// Bytes of a TLS record that a link keeps until its end is received: one record with its header
/// and the most that sealing may add (RFC 5246, 6.2.3), and a message of the handshake that spans
/// several, a chain of certificates say. Over: the link is closed.
pub const TLS_PARTIAL_BYTES_MAX: usize = 18 * 1024;

/// Bytes that sealing adds to a record at most: 29 with AES-GCM in TLS 1.2, 22 in TLS 1.3, where
/// two key updates of 27 may go before it.
pub const TLS_RECORD_EXTRA_BYTES: usize = 128;

/// Flights of TLS handshakes one shard takes on in one turn: half a millisecond or so, the cost of
/// keys and signatures. Over: they wait for the next turns, in order; the time to CONNECT bounds
/// how long.
pub const HANDSHAKE_STEPS_MAX: usize = 8;

/// Bytes of the HTTP request that opens a WebSocket: browsers send some hundred, and cookies. Over:
/// 431, and the link is closed.
pub const WEBSOCKET_REQUEST_BYTES_MAX: usize = 8 * 1024;

/// Lines of that request. Over: as [`WEBSOCKET_REQUEST_BYTES_MAX`].
pub const WEBSOCKET_HEADERS_MAX: usize = 64;

/// Bytes of a WebSocket control frame's payload (RFC 6455, 5.5). Over: the link is closed.
pub const WEBSOCKET_CONTROL_BYTES_MAX: usize = 125;

/// Bytes of a file with certificates, a key or revoked certificates. Over: it is refused. A list of
/// a million revoked certificates has less.
pub const TLS_FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Bytes of a user name from a client certificate. Over: it is none.
pub const CERTIFIED_NAME_BYTES_MAX: usize = 1024;
/// Bytes of a Unix socket's path: what the kernel's address has room for, with a 0 at its end.
pub const UNIX_PATH_BYTES_MAX: usize = 107;
/// Bytes of a host's name in `--listen`: what the domain name system has room for (RFC 1035).
pub const HOST_NAME_BYTES_MAX: usize = 253;

/// Bytes of a PROXY protocol header, version 1, its end of line included (2.1 of its
/// specification). Over: the link is closed.
pub const PROXY_V1_BYTES_MAX: usize = 107;

/// Bytes of a PROXY protocol header, version 2. Senders keep to 536, so that it fits one segment;
/// cloud balancers add a few hundred. Over: the link is closed.
pub const PROXY_V2_BYTES_MAX: usize = 2048;

/// Most `--address-connections-max`: a mistyped flag above that.
pub const ADDRESS_CONNECTIONS_MAX: u32 = 10_000_000;

/// Most of what is counted for a second: above that a limit is none.
pub const RATE_MAX: u32 = 100_000_000;

/// Most `--client-publish-bytes`: 1 TiB a second, as [`RATE_MAX`].
pub const PUBLISH_BYTES_PER_S_MAX: u64 = 1 << 40;

/// Addresses that are counted at once, all shards together: some 100 bytes each. Full: others are
/// let in uncounted, and that is counted: refusing them would let an attacker with many addresses
/// lock everybody out.
pub const ADDRESSES_MAX: usize = 1024 * 1024;

/// Addresses known at which those are looked for that need not be any more; after that at each
/// doubling.
pub const ADDRESSES_SWEEP_MIN: usize = 1024;

/// Open files of the process that belong to no shard: its streams, the lock of the directory, the
/// pipe of signals, and what is read at start. Under it, with those of the shards: no start.
pub const FILES_OF_PROCESS: u64 = 16;
/// Open files of a shard, its listeners aside: its ring and bell, its directory, the segment files
/// of a log in which little is needed, and those that are ready to be written.
pub const FILES_OF_SHARD: u64 = 16;

/// The time between two warnings of one kind about links that are refused.
pub const REFUSED_WARN_MS: u64 = 60_000;

/// Slots that one step of an ask looks at: some 20 µs of a turn. The rest follows in the next.
pub const ASK_SLOTS_MAX: u32 = 1024;

/// Bytes of an answer that one step of an ask writes, but for its last row. The rest follows in the
/// next turn.
pub const ASK_BYTES_MAX: usize = 32 * 1024;

/// Sessions whose oldest message one step of an ask looks at: each look may have to come from the
/// disk. The rest follows in the next turn.
pub const ASK_READS_MAX: u32 = 16;

/// Steps of a listing whose filter finds little. Over: what was found is the answer, and the next
/// page goes on from there.
pub const ASK_STEPS_MAX: u32 = 64;

/// Turns of other shards that a turn tells apart when it records how long their messages took.
/// Over: those of later turns count with the last.
pub const CROSSED_TURNS_MAX: usize = 64;

/// Messages that waited in a session and that are looked at, how long, each time a client takes
/// some: one in 64, so that this is enough for 1,024 of them. Over: they are not looked at.
pub const WAITS_SAMPLED_MAX: usize = 16;
/// Connections that have ended which a shard keeps for operators. Over: the oldest one is
/// forgotten.
pub const CLOSED_MAX: usize = 1000;

/// Bytes of a client id, and of a user, that are kept of a connection which has ended. Longer ones
/// are cut.
pub const CLOSED_TEXT_BYTES_MAX: usize = 120;

/// Bytes of a retained message's payload that operators are told. Over: it is cut, and they are
/// told so.
pub const TOLD_PAYLOAD_BYTES_MAX: usize = 1024 * 1024;

/// Bytes of a topic that the cursor of a list of retained messages has. Over: the list goes on
/// behind all topics that begin so. In Base64 it is a third of what a request's header may have.
pub const CURSOR_TOPIC_BYTES_MAX: usize = 4096;

/// Messages of a session that a look at them shows. Over: as many are shown.
pub const PEEK_MESSAGES_MAX: usize = 100;

/// Bytes of the payload of each of them. Over: it is cut, and operators are told so.
pub const PEEK_PAYLOAD_BYTES_MAX: usize = 4 * 1024;

/// Asks that one shard has open. Over: the box goes back without an answer.
pub const ASKS_OPEN_MAX: usize = 4;

/// Copies of values of the system's topics that one step sends, but for the last topic's. The rest
/// follows in the next turn.
pub const SYSTEM_COPIES_MAX: usize = 1024;

/// Clients that wait for the values of the system's topics and that one step sends them to. The
/// rest follows in the next turn.
pub const SYSTEM_REPLAYS_MAX: usize = 16;

/// Bounds and default of the time between two updates of the system's topics, milliseconds. Below,
/// a subscriber would get figures that shards are asked for once a second at most.
pub const SYSTEM_MS_MIN: u64 = 1_000;
/// See [`SYSTEM_MS_MIN`]; as Mosquitto's.
pub const SYSTEM_MS_DEFAULT: u64 = 10_000;
/// See [`SYSTEM_MS_MIN`]; a day.
pub const SYSTEM_MS_MAX: u64 = 24 * 60 * 60 * 1000;

/// Patterns of sessions that have metrics of their own (`--watch-session`). Over: no start.
pub const WATCH_PATTERNS_MAX: usize = 16;

/// Sessions that have metrics of their own. Over: those that are found later are counted alone. A
/// database of metrics takes many series for none of them, and a scrape grows with each.
pub const WATCHED_SESSIONS_MAX: usize = 100;

/// Rows of one page.
pub const PAGE_ROWS_MAX: usize = 1000;

/// Bytes of one page, but for its last row. Over: the page ends, and the next one begins there.
pub const PAGE_BYTES_MAX: usize = 256 * 1024;

/// Sessions that an ask for those that have most of something names: each of them costs a look at
/// its oldest message, which may be on the disk.
pub const TOP_ROWS_MAX: usize = 50;

/// Time that a shard has to answer an ask. Over: whoever asked is told that it is silent, or gets
/// its last figures.
pub const ASK_MS_MAX: u64 = 500;

/// A shard that has not answered for so long is stuck: `/healthz` says so.
pub const SHARD_SILENT_MS_MAX: u64 = 10_000;

/// Figures of a shard that are so young are given again: several who scrape ask it once.
pub const FIGURES_REUSE_MS: u64 = 1000;

/// Time that a listing takes whose filter finds little. Over: what was found is the answer, and the
/// next page goes on from there.
pub const LISTING_MS_MAX: u64 = 50;

/// Traces at once: each costs a bit wherever a message passes. Over: 409.
pub const TRACES_MAX: usize = 8;

/// Bytes of one trace's events that wait on one shard to be fetched. Over: they are skipped, and
/// counted.
pub const TRACE_BYTES_MAX: usize = 256 * 1024;

/// Events of one trace that one shard records in a second: some microseconds each, so that a trace
/// of everything takes a few thousandths of a core. Over: they are skipped, and counted.
pub const TRACE_EVENTS_MAX: u32 = 1000;

/// Bytes of packets for traced clients that wait for the next event of their shard, or for the end
/// of its turn. Over: they are skipped, and counted.
pub const TRACE_TAP_BYTES_MAX: usize = 64 * 1024;

/// Bytes of a packet that an event has, but for a PUBLISH, of which it has all but the payload.
/// Over: its end is left out.
pub const TRACE_PACKET_BYTES_MAX: usize = 4096;

/// Bytes of a payload that an event has at most (`--payload`), and by default.
pub const TRACE_PAYLOAD_BYTES_MAX: usize = 4096;

/// See [`TRACE_PAYLOAD_BYTES_MAX`].
pub const TRACE_PAYLOAD_BYTES_DEFAULT: usize = 64;

/// Sessions whose part in one message is told. Over: how many more there were.
pub const TRACE_TARGETS_MAX: usize = 16;

/// Traced clients of one shard whose CONNECT waits. Over: they are traced once they are let in.
pub const TRACE_CONNECTING_MAX: usize = 64;

/// Notes that traced clients are not read from, or are again, that wait for the end of a turn.
/// Over: they are left out.
pub const TRACE_PAUSES_MAX: usize = 256;

/// Seconds that a trace takes by default: long enough to see a fault happen, and short enough to
/// cost nothing when it is forgotten.
pub const TRACE_SECONDS_DEFAULT: u32 = 10 * 60;

/// Seconds that a trace takes at most.
pub const TRACE_SECONDS_MAX: u32 = 24 * 60 * 60;

/// Time between two looks for a shard's events, so that one that is busy is not woken for each.
pub const TRACE_FETCH_MS: u64 = 10;

/// Bytes of one trace's events that are kept for whoever reads them. Over: the oldest go, and
/// readers that have not had them are told how many.
pub const TRACE_KEPT_BYTES_MAX: usize = 512 * 1024;

/// Bytes of a trace that a reader is handed at once.
pub const TRACE_CHUNK_BYTES: usize = 32 * 1024;

/// Readers of all traces. Over: 503.
pub const TRACE_READERS_MAX: usize = 16;

/// Where operators are answered by default (`--http-listen`).
pub const HTTP_PORT_DEFAULT: u16 = 9883;

/// HTTP connections over TCP, and as many over the Unix socket. Full: the next one waits in the
/// kernel until one is closed; none is idle for longer than [`HTTP_HEADER_MS_MAX`].
pub const HTTP_CONNECTIONS_MAX: usize = 64;

/// Time for the header of an HTTP request, from when the connection was accepted or the answer
/// before was sent. Over: it is closed.
pub const HTTP_HEADER_MS_MAX: u64 = 5_000;

/// Time in which the peer of an HTTP connection takes nothing of an answer. Over: it is closed.
pub const HTTP_WRITE_MS_MAX: u64 = 10_000;

/// Bytes of the header of an HTTP request. Over: 431.
pub const HTTP_HEADER_BYTES_MAX: usize = 16 * 1024;

/// Lines of the header of an HTTP request. Over: 431.
pub const HTTP_HEADERS_MAX: usize = 64;

/// Wrong tokens from one address within a minute. Over: 429, whatever the token.
pub const HTTP_FAILURES_MAX: u32 = 20;

/// Bytes of the body of an HTTP request. Over: 413.
pub const HTTP_BODY_BYTES_MAX: usize = 1024 * 1024;

/// Bytes of a body with definitions. Over: 413.
pub const HTTP_DEFINITIONS_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Bytes of all bodies that are being read at once, by the lengths that their requests name. Over:
/// 503.
pub const HTTP_BODIES_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Time for the body of an HTTP request. Over: 408.
pub const HTTP_BODY_MS_MAX: u64 = 10_000;

/// Messages of operators that wait at one shard until they are stored. Over: 503.
pub const PUBLISHES_OPEN_MAX: usize = 16;

/// Time until a message of an operator is stored. Over: 503, and it may be stored later.
pub const PUBLISH_MS_MAX: u64 = 10_000;

/// Tasks that wait for the control thread. Over: 503.
pub const TASKS_WAITING_MAX: usize = 8;

/// Time for a task of the control thread: a reload may read large files. Over: 503, and it may be
/// done later.
pub const TASK_MS_MAX: u64 = 60_000;

/// Time over which clients are disconnected when the broker is drained: a day, and by default.
pub const DRAIN_S_MAX: u64 = 24 * 60 * 60;
/// See [`DRAIN_S_MAX`].
pub const DRAIN_S_DEFAULT: u64 = 60;

/// Time between two times that a broker which is drained disconnects some clients.
pub const DRAIN_STEP_MS: u64 = 100;

/// Connections that one step of an ask ends: each may publish a will. The rest follows in the next.
pub const DRAIN_CLOSES_MAX: usize = 64;

/// Time for which another log level holds, if it does not until the next reload.
pub const LOG_LEVEL_S_MAX: u64 = 7 * 24 * 60 * 60;

/// Addresses whose wrong tokens are counted. Full: all count as one until the minute is over.
pub const HTTP_ADDRESSES_MAX: usize = 1024;

/// Bytes of the page for operators, all its files together: it is there at once over a slow tunnel
/// too. Over: the program does not compile.
pub const PAGE_FILES_BYTES_MAX: usize = 150_000;

/// Time between two lines of `/api/v1/live`: what a person can follow.
pub const LIVE_MS: u64 = 1000;

/// Viewers of live figures: connections are left for everything else. Over: 503.
pub const LIVE_VIEWERS_MAX: usize = 16;

/// Lines that wait for a viewer who does not take them. Over: it misses some.
pub const LIVE_LINES_WAITING_MAX: usize = 2;

/// One-time codes for the page that wait for somebody to sign in with them. Over: the oldest is
/// not valid any more.
pub const SIGN_IN_CODES_MAX: usize = 8;

/// Time in which a code is used: long enough to go from a terminal to a browser. Over: it is not
/// valid any more.
pub const SIGN_IN_CODE_MS: u64 = 120_000;

/// People who are signed in to the page with a code. Over: the one who signed in first has to do
/// so again.
pub const SIGN_INS_MAX: usize = 64;

/// Time for which somebody is signed in with a code: a working day. Over: as above.
pub const SIGN_IN_MS: u64 = 8 * 3_600_000;

/// Bytes of a file of tokens, and tokens in it. Over: it is refused.
pub const TOKEN_FILE_BYTES_MAX: u64 = 256 * 1024;
/// See [`TOKEN_FILE_BYTES_MAX`]: each request looks at all of them.
pub const TOKENS_MAX: usize = 1000;

/// Open files of the admin thread: its runtime, listeners and connections.
pub const FILES_OF_ADMIN: u64 = 8 + 2 * HTTP_CONNECTIONS_MAX as u64;

/// Bytes of an answer that `ringmq ctl` takes: several times the largest page, whose text JSON has
/// made longer. Over: it says so and fails.
pub const CTL_ANSWER_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Time in which a broker takes the connection of `ringmq ctl`. Over: it was not reached.
pub const CTL_CONNECT_MS_MAX: u64 = 5_000;

/// Time that a broker has for one answer to `ringmq ctl`: as much as if every shard were silent.
/// Over: it was not reached.
pub const CTL_ANSWER_MS_MAX: u64 = 10_000 + ASK_MS_MAX * SHARDS_MAX as u64;

/// Time between two questions of `ringmq ctl --watch`: below the least, the broker would have more
/// to do with them than is seen.
pub const CTL_WATCH_MS_MIN: u64 = 100;
/// See [`CTL_WATCH_MS_MIN`].
pub const CTL_WATCH_MS_MAX: u64 = 24 * 3_600_000;

/// Bytes of a file with a token. Over: it is no such file.
pub const CTL_TOKEN_BYTES_MAX: u64 = 4096;

/// Bytes of a line that `ringmq ctl` reads of a trace: a packet of many filters, each character of
/// it escaped. Over: what answers is no broker.
pub const CTL_LINE_BYTES_MAX: usize = 1024 * 1024;

/// Columns of a cell of a table on a terminal. Over: it is cut; `--json` and a pipe have all.
pub const CTL_CELL_COLUMNS_MAX: usize = 60;

/// Lines of the log that wait to be written. Full: the next one is counted, and said when there is
/// room. As many as a storm brings that standard error takes a moment to swallow.
pub const LOG_QUEUE_LINES: usize = 4096;

/// Bytes of the last lines of the log that are kept for operators who look at it. Over: the oldest
/// go.
pub const LOG_RECENT_BYTES_MAX: usize = 128 * 1024;

/// Lines of the log in one answer to an operator. Over: the older ones are left out.
pub const LOG_RECENT_LINES_MAX: usize = 500;

/// Bytes of lines that are written at once.
pub const LOG_BATCH_BYTES: usize = 32 * 1024;

/// Bytes of what one line says. Over: it is cut.
pub const LOG_MESSAGE_BYTES_MAX: usize = 4096;

/// Bytes of one field of a line of JSON: a client id has no more. Over: it is cut.
pub const LOG_FIELD_BYTES_MAX: usize = CLIENT_ID_BYTES_MAX;

/// Bytes of a text from a client, as a topic, within what a line says. Over: it is cut.
pub const SHOWN_BYTES_MAX: usize = 256;

/// Time that what is queued has to be written when the broker ends. Over: it is lost.
pub const LOG_FLUSH_MS_MAX: u64 = 1_000;

/// Client ids that were taken over lately and are watched for going back and forth, on one shard.
/// Full: others are not.
pub const FLAPPING_IDS_MAX: usize = 1024;

/// Lines of one kind that one shard logs at once, so that a site that starts is seen client by
/// client. Over: as [`LOG_LINE_MS`].
pub const LOG_LINES_MAX: u32 = 500;

/// Time after which one line more of its kind may follow: 20 a second. Until then lines are
/// counted, and the count is logged once a second.
pub const LOG_LINE_MS: u64 = 50;

const _: () = assert!((LOG_LINES_MAX as usize) < LOG_QUEUE_LINES);
const _: () = assert!(SHOWN_BYTES_MAX < LOG_FIELD_BYTES_MAX);
const _: () = assert!(TABLE_HEAP_BYTES_MAX < OWN_MEMORY_BYTES_MIN);
const _: () = assert!(CHUNKS_KEPT_IDLE < CHUNKS_KEPT_MAX);
const _: () = assert!(CHUNK_SMALL_BYTES < CHUNK_LARGE_BYTES);
const _: () = assert!(TLS_RECORD_EXTRA_BYTES < CHUNK_SMALL_BYTES);
const _: () = assert!(WEBSOCKET_CONTROL_BYTES_MAX + 2 + 10 <= CHUNK_SMALL_BYTES);
const _: () = assert!(TLS_PARTIAL_BYTES_MAX > 5 + 16 * 1024 + 1024);
const _: () = assert!(SHARE_BYTES_MIN < MESH_RING_BYTES / 4);
const _: () = assert!(PACKET_BYTES_MIN <= PACKET_BYTES_DEFAULT);
const _: () = assert!(CHOKE_FACTOR < OUTGOING_BURST_FACTOR);
const _: () = assert!(PACKET_BYTES_DEFAULT <= PACKET_BYTES_MAX);
const _: () = assert!(OUTGOING_BYTES_MIN <= OUTGOING_BYTES_DEFAULT);
const _: () = assert!(OUTGOING_BYTES_DEFAULT <= OUTGOING_BYTES_MAX);
const _: () = assert!(QOS0_PATIENCE_MS_DEFAULT <= QOS0_PATIENCE_MS_MAX);
const _: () = assert!(CONNECTIONS_DEFAULT <= CONNECTIONS_MAX);
const _: () = assert!(SHARDS_MAX <= u64::BITS as usize);
const _: () = assert!(SESSION_EXPIRY_MS_DEFAULT <= SESSION_EXPIRY_MS_MAX);
const _: () = assert!(SESSION_QUOTA_BYTES_MIN <= SESSION_QUOTA_BYTES_DEFAULT);
const _: () = assert!(SESSION_QUOTA_BYTES_DEFAULT <= SESSION_QUOTA_BYTES_MAX);
const _: () = assert!(RETAINED_TOTAL_DEFAULT <= RETAINED_TOTAL_MAX);
const _: () = assert!(RETAINED_TOTAL_BYTES_MIN / SHARDS_MAX as u64 >= 16 * 1024);
const _: () = assert!(RETAINED_TOTAL_BYTES_MIN <= RETAINED_TOTAL_BYTES_DEFAULT);
const _: () = assert!(RETAINED_TOTAL_BYTES_DEFAULT <= RETAINED_TOTAL_BYTES_MAX);
const _: () = assert!(DISK_LOW_BYTES_DEFAULT <= DISK_LOW_BYTES_MAX);
const _: () = assert!(DISK_LOW_PERCENT_DEFAULT < 100);
const _: () = assert!(SEGMENT_BYTES_FIRST <= SEGMENT_BYTES_MIN);
const _: () = assert!(SEGMENT_BYTES_MIN <= SEGMENT_BYTES_DEFAULT);
const _: () = assert!(SEGMENT_BYTES_DEFAULT <= SEGMENT_BYTES_MAX);
const _: () = assert!(LOGIN_BYTES_MAX + PASSWORD_BYTES_MAX < PRE_CONNECT_BYTES_MAX);
const _: () = assert!(PASSWD_ARGON2_MEMORY_KIB <= ARGON2_MEMORY_KIB_MAX);
const _: () = assert!(PROXY_V1_BYTES_MAX < PRE_CONNECT_BYTES_MAX);
const _: () = assert!(PROXY_V2_BYTES_MAX < PRE_CONNECT_BYTES_MAX);
const _: () = assert!(ADDRESSES_SWEEP_MIN < ADDRESSES_MAX);

// A body is let in when nothing else is being read, however large it may be.
const _: () = assert!(HTTP_DEFINITIONS_BYTES_MAX <= HTTP_BODIES_BYTES_MAX);
const _: () = assert!(HTTP_BODY_BYTES_MAX <= HTTP_DEFINITIONS_BYTES_MAX);
