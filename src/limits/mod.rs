//! Every bound of the broker in one place, with its reason and the effect of reaching it.
//!
//! The bounds that operators may change are flags; their defaults are here. `access` has the bounds
//! of users and rules, `groups` those of consumer groups, `operations` those of operators'
//! requests, `storage` those of the log, the disk and stored data.

mod access;
mod groups;
mod operations;
mod storage;

pub use access::*;
pub use groups::*;
pub use operations::*;
pub use storage::*;

/// Most shards of one broker: a set of shards is one 64-bit mask.
pub const SHARDS_MAX: usize = 64;

/// Bytes that one link may send before its CONNECT is complete. Over: the link is closed. They
/// suffice for a CONNECT with a client id, a user name, a password and a short will many times
/// over.
pub const PRE_CONNECT_BYTES_MAX: usize = 64 * 1024;

/// Time from accept to a complete CONNECT. Over: the link is closed.
pub const CONNECT_TIMEOUT_MS: u64 = 10_000;

/// Largest packet a client may send by default (`--max-packet-size`), fixed header included.
/// Over: the link is closed before the body is read.
pub const PACKET_BYTES_DEFAULT: usize = 16 * 1024 * 1024;

/// Largest packet the protocol can express: a 1-byte type, a 4-byte length and 268,435,455 bytes.
pub const PACKET_BYTES_MAX: usize = 5 + 268_435_455;

/// Least `--max-packet-size`. A CONNECT with a client id of 23 bytes, which every server must
/// accept [MQTT-3.1.3-5], has 37.
pub const PACKET_BYTES_MIN: usize = 64;

/// Smallest Maximum Packet Size that an MQTT 5 client may set. A CONNACK has up to 58 bytes, and a
/// session whose acknowledgements do not fit could never make progress. Below: CONNACK 0x95.
pub const CLIENT_PACKET_BYTES_MIN: u32 = 64;

/// Topic aliases for each direction of a connection by default (`--topic-alias-max`). Most clients
/// that use aliases use few; some use more than the broker permits.
pub const TOPIC_ALIASES_DEFAULT: u16 = 64;

/// Bytes of the topics to which the aliases of one publisher refer. Over: DISCONNECT 0x97.
pub const ALIAS_TOPIC_BYTES_MAX: usize = 64 * 1024;

/// Routes whose alias towards a client is found without a look at the topic: as many as it has
/// aliases, if it takes all that there are by default. Each takes 24 bytes, of a client that was
/// sent a message with an alias.
pub const ALIAS_ROUTES: usize = TOPIC_ALIASES_DEFAULT as usize;

/// Sessions that one turn ends, or whose wills it publishes, when they are due. The bound lets
/// other work run in between.
pub const SESSIONS_DUE_MAX: usize = 256;

/// Output that one link may hold by default (`--max-outgoing-bytes`). Full: publishers to this link
/// pause for the patience below; then QoS 0 messages to it are dropped and counted, and QoS 1
/// messages wait in the session.
pub const OUTGOING_BYTES_DEFAULT: usize = 1024 * 1024;

/// Least `--max-outgoing-bytes`: one small chunk. With less, nothing could be sent.
pub const OUTGOING_BYTES_MIN: usize = CHUNK_SMALL_BYTES;

/// Most `--max-outgoing-bytes`: 1 GiB for one link that does not read is certainly a mistyped flag.
pub const OUTGOING_BYTES_MAX: usize = 1024 * 1024 * 1024;

/// Time for which a full link may pause its publishers by default (`--qos0-patience`).
pub const QOS0_PATIENCE_MS_DEFAULT: u64 = 20;

/// Time by which a shard may sleep longer, or write later, by default to handle several messages at
/// once (`--gather-max`). At 5,000 messages a second, where sleeps begin to cost more than
/// messages, two or three arrive in this time.
pub const GATHER_US_DEFAULT: u64 = 500;

/// Most `--gather-max`: with more, clients would notice it in the latency of every message.
pub const GATHER_US_MAX: u64 = 10_000;

/// Most `--qos0-patience`: with more than a minute, publishers would exceed their keep alive.
pub const QOS0_PATIENCE_MS_MAX: u64 = 60_000;

/// Bytes of the last reload's result in a data directory. Faults beyond half of it are only logged.
pub const RELOAD_TEXT_BYTES_MAX: u64 = 64 * 1024;

/// Time that `ringmq reload` waits for the broker's answer. Over: the reload counts as failed. Less
/// than the time that systemd gives `ExecReload` (`TimeoutStartSec` of the unit).
pub const RELOAD_ANSWER_S_MAX: u64 = 60;

/// Settings whose change a reload logs, one line each. There are fewer flags.
pub const CHANGES_LOGGED_MAX: usize = 100;

/// Days for which a server's certificate should still be valid at a start or reload. Fewer: a
/// warning. Programs that renew certificates do it earlier, for instance when a third of the
/// lifetime is left.
pub const CERTIFICATE_DAYS_MIN: u64 = 7;

/// Faults of a configuration file that are reported. More of them mean that the file is not a
/// configuration.
pub const CONFIG_FAULTS_MAX: usize = 50;

/// Bytes of a configuration file (`--config`). Over: the file is refused. They suffice for all
/// flags with a long list of listeners and host names many times over.
pub const CONFIG_FILE_BYTES_MAX: u64 = 256 * 1024;

/// Connections the broker accepts by default (`--max-connections`). Over: CONNACK 3.
pub const CONNECTIONS_DEFAULT: usize = 1_000_000;

/// Most `--max-connections`: a link's slot is a 32-bit number.
pub const CONNECTIONS_MAX: usize = u32::MAX as usize;

/// Most `--max-topic-levels`. A topic has at most 65,535 bytes (a topic of only slashes has one
/// level more). A walk over the subscription tree goes as deep.
pub const TOPIC_LEVELS_MAX: usize = 65_535;

/// Levels of a topic name or filter by default (`--max-topic-levels`). Naming schemes use fewer,
/// and one SUBSCRIBE of 64 KiB must not create a path of 65,535 nodes. Over: a message or will is
/// denied (acknowledged and dropped), a filter is answered with 0x80.
pub const TOPIC_LEVELS_DEFAULT: usize = 1024;

/// Levels of a filter in an access rule. Over: the file is refused.
pub const RULE_LEVELS_MAX: usize = 128;

/// Unacknowledged QoS 1 messages that the broker sends to one client by default (`--max-inflight`).
/// Full: the next message waits in the session.
pub const INFLIGHT_DEFAULT: u16 = 65_535;

/// Bytes of messages that may wait in one session. Full: the oldest is dropped, counted and logged.
pub const SESSION_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Bytes beyond its bound that a session accepts with `--session-overflow block`, unless the bound
/// itself is larger. They come from publishers that the broker still reads because they have
/// messages to acknowledge, and from messages that other shards have already sent. Full: the
/// session's oldest message is dropped, counted and logged; a message of an MQTT 5 publisher is
/// refused with 0x97 instead.
pub const BLOCK_BYTES_MIN: u64 = 16 * 1024 * 1024;

/// Time between two searches for expired messages in full sessions for which publishers wait. Only
/// this search can make space in such a session, because its client is disconnected.
pub const FULL_SESSIONS_LOOK_MS: u64 = 500;

/// Sessions that one such search visits. The bound lets other work run in between; the next search
/// continues after them.
pub const FULL_SESSIONS_LOOKS_MAX: usize = 256;

/// Sessions that one shard names each minute in its log of dropped or denied messages. Over: the
/// others are logged as a sum.
pub const DROPS_NAMED_MAX: usize = 32;

/// Bytes of messages that may wait in memory for all clean sessions of one shard, including the
/// segments that hold them. Full: as [`SESSION_BYTES_MAX`], for the next message's session.
pub const LOG_BYTES_MAX: usize = 2 * 1024 * 1024 * 1024;

/// Sessions of one shard. Full: a client without a session is answered with CONNACK 3.
pub const SESSIONS_MAX: usize = 4 * 1024 * 1024;

/// Messages of one queue that are kept unpacked for a connected client. Full: further messages wait
/// packed. The bound exceeds the number of packet identifiers, so unpacking never limits the send
/// window.
pub const QUEUE_HEAD_MAX: usize = 70_000;

/// Bytes of the packed end of one queue: some 2,000 messages. Full: its messages become a block in
/// the log. A buffer that doubles its size does not exceed it.
pub const QUEUE_TAIL_BYTES_MAX: usize = 8 * 1024;

/// Bytes of a client id. Over: CONNACK 2. The standard requires 23 [MQTT-3.1.3-5].
pub const CLIENT_ID_BYTES_MAX: usize = 1024;

/// Approximate bytes of segment files that may be mapped into memory for reading. Over: they are
/// unmapped until they are read again. The system decides how long its cache keeps them.
pub const READ_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Bytes of records without a waiting client (acknowledgements, and messages that were
/// acknowledged) that may gather in memory. Over: they are written.
pub const LAZY_BYTES_MAX: u64 = 256 * 1024;

/// Time for which these records may gather. Over: they are written.
pub const LAZY_MS: u64 = 10;

/// Bytes that are appended to a shard's log but not committed. Over: publishers that need the disk
/// are not read from until half of them are committed.
pub const STAGED_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Bytes of messages that are sent to other shards and are too large for a record. Full: as
/// [`MESH_RING_BYTES`].
pub const LARGE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Filters of one session. Over: further filters of a SUBSCRIBE are answered with 0x80.
pub const SUBSCRIPTIONS_MAX: usize = 65_536;

/// Bytes of all filters of one session. Over: as [`SUBSCRIPTIONS_MAX`].
pub const SUBSCRIPTION_BYTES_MAX: usize = 1024 * 1024;

/// Output above `--max-outgoing-bytes` from sources that cannot be paused (wills, messages that
/// other shards had already sent), as a multiple of that flag. Over: QoS 0 messages are dropped and
/// counted.
pub const OUTGOING_BURST_FACTOR: usize = 4;

/// Output, as a multiple of `--max-outgoing-bytes`, at which the broker stops reading a connection:
/// only answers to the client's own requests produce so much for long. The broker reads the
/// connection again when the client has received the answers.
pub const CHOKE_FACTOR: usize = 2;

/// Replies to one connection that wait for the disk or for other shards. Over: the broker does not
/// read the connection until half of them are sent. A client that respects its packet identifiers
/// has fewer: at most one for each identifier in each direction.
pub const PROMISED_MAX: u32 = 2 * 65_536;

/// Topics whose route one shard caches. Full: the route of another topic is evicted.
pub const ROUTES_MAX: usize = 65_536;

/// Targets of all routes that one shard caches. Full: as [`ROUTES_MAX`].
pub const ROUTE_TARGETS_MAX: usize = 4 * 1024 * 1024;

/// Bytes of a topic whose route is cached. Over: the route is computed for every message.
pub const ROUTE_TOPIC_BYTES_MAX: usize = 512;

/// Messages at the head of a full session's queue that are checked for expiry, and dropped, when
/// another message arrives. Each check reads a message; the next arrival continues.
pub const EXPIRED_LOOKS_MAX: u64 = 16;

/// Time between searches for expired retained messages. Until then they occupy memory, but are not
/// sent.
pub const RETAINED_EXPIRY_PERIOD_MS: u64 = 60_000;

/// Topics that one step of this search checks, in some 20 µs.
pub const RETAINED_EXPIRY_VISITS_MAX: usize = 256;

/// Retained topics that one step of a replay visits, so that a replay does not starve other
/// clients.
pub const REPLAY_VISITS_MAX: usize = 1024;

/// Steps that a connection's replays take in one turn, for the same reason.
pub const REPLAY_STEPS_MAX: usize = 8;

/// Bytes of retained messages that one shard sends another for one request.
pub const REPLAY_PAGE_BYTES: usize = 16 * 1024;

/// Publishes to retained topics that a replay over several shards remembers, so that it does not
/// send older values after them. Over: the client may receive an old value once more.
pub const REPLAY_SEEN_MAX: usize = 10_000;

/// Connections that wait to be accepted, for each listener and shard; the kernel reduces it to
/// `net.core.somaxconn`. Full: clients must try again.
pub const LISTEN_BACKLOG: i32 = 4096;

/// Links of a shard in addition to those of connected clients: links before their CONNECT, and
/// closing links. Over: a connection is accepted and closed at once.
pub const PENDING_LINKS_MAX: usize = 16_384;

/// Time for the last output of a closing link. Over: the connection is cut off.
pub const FLUSH_MS_MAX: u64 = 5_000;

/// Time for the last output of all links when the broker stops. Over: they are cut off.
pub const STOP_MS_MAX: u64 = 5_000;

/// Packets handled and copies delivered for one link in one turn: about a millisecond. Over: the
/// link continues in the next turn, after others.
pub const LINK_WORK_MAX: u64 = 16_384;

/// Delay before a shard reclaims memory. It begins when as many links have left as are still
/// connected, or as many sessions have expired as remain. A client that reconnects within it finds
/// the memory still allocated.
pub const RECLAIM_DELAY_MS: u64 = 1_000;

/// Time between two steps of reclaiming memory.
pub const RECLAIM_STEP_MS: u64 = 10;

/// Entries of each table that one step returns to the system: with some 250 bytes each, that takes
/// a millisecond at most.
pub const RECLAIM_SLOTS_MAX: usize = 16_384;

/// Links and sessions that must have gone before the heap is trimmed too: trimming visits every
/// free piece of some pages.
pub const RECLAIM_HEAP_LINKS_MIN: usize = 256;

/// Size of allocations that have their own mapping. A mapping returns to the system when it is
/// freed, and grows without a copy; pages that are never written do not count as used. Most
/// messages are smaller: a mapping for each would cost some page faults.
pub const OWN_MEMORY_BYTES_MIN: usize = 1024 * 1024;

/// Size at which a table grows to [`OWN_MEMORY_BYTES_MIN`] at once. If it grew in steps, it would
/// leave free pieces in the heap that are too small for its later allocations.
pub const TABLE_HEAP_BYTES_MAX: usize = 32 * 1024;

/// Messages from one other shard that are handled in one turn.
pub const INBOX_RECORDS_MAX: usize = 1024;

/// Receive buffers of one shard. With [`RECV_BUFFER_BYTES`] they take 4 MiB: enough for every
/// completion of one turn. None left: the receive is armed again when buffers are returned.
pub const RECV_BUFFERS: u16 = 256;

/// Bytes of one receive buffer: some hundred telemetry messages, which share the fixed cost of a
/// receive.
pub const RECV_BUFFER_BYTES: usize = 16 * 1024;

/// Bytes of a small output chunk, for acknowledgements and single messages.
pub const CHUNK_SMALL_BYTES: usize = 512;

/// Bytes of a large output chunk: one send of a fast stream gathers this much data.
pub const CHUNK_LARGE_BYTES: usize = 16 * 1024;

/// Free output chunks of each size that a shard keeps for reuse. Over: the memory is freed.
pub const CHUNKS_KEPT_MAX: usize = 1024;

/// Free output chunks that remain when memory is reclaimed: a turn of a quiet shard needs no more.
pub const CHUNKS_KEPT_IDLE: usize = 16;

/// Bytes of a send whose end may be reported late if nothing waits for it: some messages, whose
/// memory is not needed at once.
pub const QUIET_SEND_BYTES_MAX: usize = 4096;

/// Chunks that one send may carry; the others follow in the next send. The number is small, so that
/// the broker notices the progress of a slow reader within a patience.
pub const SEND_CHUNKS_MAX: usize = 16;

/// Bytes above which a payload is shared by reference instead of copied. A smaller copy is cheaper
/// than the bookkeeping.
pub const SHARE_BYTES_MIN: usize = 16 * 1024;

/// Bytes of one mesh ring (one for each ordered pair of shards). Full: see invariant 6.
pub const MESH_RING_BYTES: usize = 1024 * 1024;

/// Bytes of one commit group, unless a single record is larger. A disk writes and syncs a megabyte
/// in a millisecond or so. Full: the next group begins.
pub const GROUP_BYTES_MAX: usize = 1024 * 1024;

/// Buffers of commit groups that a log keeps for reuse. Over: the memory is freed.
pub const GROUP_BUFFERS_KEPT_MAX: usize = 4;

/// Bytes of a TLS record that a link keeps until the record is complete: one record with its header
/// and the most that encryption may add (RFC 5246, 6.2.3), and a handshake message that spans
/// several records, for example a certificate chain. Over: the link is closed.
pub const TLS_PARTIAL_BYTES_MAX: usize = 18 * 1024;

/// Bytes that encryption adds to a record at most: 29 with AES-GCM in TLS 1.2, 22 in TLS 1.3, where
/// two key updates of 27 may precede the record.
pub const TLS_RECORD_EXTRA_BYTES: usize = 128;

/// Flights of TLS handshakes that one shard handles in one turn: about half a millisecond, the cost
/// of keys and signatures. Over: they wait for the next turns, in order; the time limit of CONNECT
/// bounds the wait.
pub const HANDSHAKE_STEPS_MAX: usize = 8;

/// Bytes of the HTTP request that opens a WebSocket. Browsers send some hundred, and cookies. Over:
/// 431, and the link is closed.
pub const WEBSOCKET_REQUEST_BYTES_MAX: usize = 8 * 1024;

/// Lines of this request. Over: as [`WEBSOCKET_REQUEST_BYTES_MAX`].
pub const WEBSOCKET_HEADERS_MAX: usize = 64;

/// Bytes of a WebSocket control frame's payload (RFC 6455, 5.5). Over: the link is closed.
pub const WEBSOCKET_CONTROL_BYTES_MAX: usize = 125;

/// Bytes of a file with certificates, a key or revoked certificates. Over: it is refused. A list of
/// a million revoked certificates is smaller.
pub const TLS_FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Bytes of a user name from a client certificate. Over: the certificate gives no user name.
pub const CERTIFIED_NAME_BYTES_MAX: usize = 1024;
/// Bytes of a Unix socket's path: the kernel's address has space for this many and a terminating 0.
pub const UNIX_PATH_BYTES_MAX: usize = 107;
/// Bytes of a host name in `--listen`: the limit of the domain name system (RFC 1035).
pub const HOST_NAME_BYTES_MAX: usize = 253;

/// Bytes of a PROXY protocol header, version 1, its end of line included (2.1 of its
/// specification). Over: the link is closed.
pub const PROXY_V1_BYTES_MAX: usize = 107;

/// Bytes of a PROXY protocol header, version 2. Most senders use at most 536, which fit one
/// segment; cloud balancers add a few hundred. Over: the link is closed.
pub const PROXY_V2_BYTES_MAX: usize = 2048;

/// Most `--address-connections-max`. A higher value is certainly a typing error.
pub const ADDRESS_CONNECTIONS_MAX: u32 = 10_000_000;

/// Most events counted in a second. A higher limit would have no effect.
pub const RATE_MAX: u32 = 100_000_000;

/// Most `--client-publish-bytes`: 1 TiB a second, as [`RATE_MAX`].
pub const PUBLISH_BYTES_PER_S_MAX: u64 = 1 << 40;

/// Addresses that are counted at once, on all shards together, with some 100 bytes each. Full:
/// further addresses are accepted without a count, and their number is counted. If they were
/// refused, an attacker with many addresses could lock out all clients.
pub const ADDRESSES_MAX: usize = 1024 * 1024;

/// Number of known addresses at which stale ones are removed first; later they are removed at each
/// doubling.
pub const ADDRESSES_SWEEP_MIN: usize = 1024;

/// Open files of the process that belong to no shard: its streams, the lock of the directory, the
/// pipe of signals, and the files that it reads at its start. If the system's limit is lower than
/// these and the shards' files, the broker does not start.
pub const FILES_OF_PROCESS: u64 = 16;
/// Open files of a shard without its listeners: its ring and bell, its directory, the segment files
/// of a small log, and the files that are ready to be written.
pub const FILES_OF_SHARD: u64 = 16;

/// The time between two warnings of one kind about refused links.
pub const REFUSED_WARN_MS: u64 = 60_000;

/// Lines of the log that wait to be written. Full: further lines are counted, and the count is
/// logged later. The bound covers a burst of lines while standard error is briefly slow.
pub const LOG_QUEUE_LINES: usize = 4096;

/// Bytes of the last log lines that are kept for operators. Over: the oldest are dropped.
pub const LOG_RECENT_BYTES_MAX: usize = 128 * 1024;

/// Lines of the log in one answer to an operator. Over: the older ones are left out.
pub const LOG_RECENT_LINES_MAX: usize = 500;

/// Bytes of lines in one write.
pub const LOG_BATCH_BYTES: usize = 32 * 1024;

/// Bytes of the message in one line. Over: it is cut.
pub const LOG_MESSAGE_BYTES_MAX: usize = 4096;

/// Bytes of one field in a JSON line: the bound of a client id. Over: it is cut.
pub const LOG_FIELD_BYTES_MAX: usize = CLIENT_ID_BYTES_MAX;

/// Bytes of a text from a client, for example a topic, within a log line. Over: it is cut.
pub const SHOWN_BYTES_MAX: usize = 256;

/// Time for writing the queued lines when the broker ends. Over: they are lost.
pub const LOG_FLUSH_MS_MAX: u64 = 1_000;

/// Client ids with recent takeovers that one shard watches, to find clients that repeatedly take
/// over from each other. Full: further ids are not watched.
pub const FLAPPING_IDS_MAX: usize = 1024;

/// Lines of one kind that one shard may log in a burst, so that each client of a starting site has
/// its line. Over: as [`LOG_LINE_MS`].
pub const LOG_LINES_MAX: u32 = 500;

/// Time after which one more line of a kind may follow: 20 a second. Until then lines are counted,
/// and the count is logged once a second.
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
const _: () = assert!(GATHER_US_DEFAULT <= GATHER_US_MAX);
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
const _: () = assert!(PROXY_V1_BYTES_MAX < PRE_CONNECT_BYTES_MAX);
const _: () = assert!(PROXY_V2_BYTES_MAX < PRE_CONNECT_BYTES_MAX);
const _: () = assert!(ADDRESSES_SWEEP_MIN < ADDRESSES_MAX);
