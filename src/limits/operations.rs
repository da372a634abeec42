//! Bounds of operators' requests: requests to shards, `$SYS`, listings, traces, HTTP, the page and
//! `ringmq ctl`.

use super::SHARDS_MAX;

/// Slots that one step of a request visits, in up to 30 µs, as each may miss the cache some times.
/// The next step continues.
pub const ASK_SLOTS_MAX: u32 = 128;

/// Bytes of an answer that one step of a request writes, not counting its last row: some 20 rows of
/// clients. The next step continues.
pub const ASK_BYTES_MAX: usize = 4 * 1024;

/// Sessions whose oldest message one step of a request reads: each read may need the disk. The next
/// step continues.
pub const ASK_READS_MAX: u32 = 1;

/// Steps of a listing whose filter matches few rows. Over: the rows so far are the answer, and the
/// next page continues from there.
pub const ASK_STEPS_MAX: u32 = 512;

/// Time in a turn after which no further step of a read-only request begins, in microseconds: a
/// message waits for operators at most this long and one step. The next turn continues.
pub const ASK_TURN_US_MAX: u64 = 50;

/// Steps of requests in one turn, in case the clock does not advance. The next turn continues.
pub const ASK_TURN_STEPS_MAX: u32 = 64;

/// Messages that one step of a request drops from a session, in some 30 ns each. The next turn
/// continues.
pub const PURGE_MESSAGES_MAX: u64 = 1024;

/// Turns of other shards that a turn distinguishes when it records the latency of their messages.
/// Over: messages of later turns are counted with the last one.
pub const CROSSED_TURNS_MAX: usize = 64;

/// Messages whose time in a session's queue is measured each time a client receives some: one in
/// 64, so the bound suffices for 1,024 messages. Over: further messages are not measured.
pub const WAITS_SAMPLED_MAX: usize = 16;

/// Time for which what clients have sent and received is kept after operators have looked at rates,
/// milliseconds: 24 bytes for each session. Over: the next question looks anew.
pub const RATE_SAMPLE_MS_MAX: u64 = 10_000;

/// The least time over which a rate is taken, milliseconds: the answer waits for it.
pub const RATE_MS_MIN: u64 = 1_000;

/// Clients that one request disconnects, and how long it may take, milliseconds. Over: the answer
/// says that there may be more, and the next request goes on.
pub const BULK_KICKS_MAX: u64 = 10_000;
/// See [`BULK_KICKS_MAX`].
pub const BULK_KICK_MS_MAX: u64 = 30_000;

/// Clients that such a request disconnects each second, if it does not say: they come back, and
/// each takes a handshake.
pub const BULK_KICK_PER_SECOND: u64 = 100;

/// The most that a request may say.
pub const BULK_KICK_PER_SECOND_MAX: u64 = 10_000;

/// Listeners whose connections are counted separately. Over: they are counted with the last one.
pub const LISTENERS_COUNTED_MAX: usize = 16;

/// Ended connections that a shard remembers for operators. Over: the oldest one is forgotten.
pub const CLOSED_MAX: usize = 1000;

/// Bytes of the client id and of the user name that are remembered of an ended connection. Longer
/// ones are cut.
pub const CLOSED_TEXT_BYTES_MAX: usize = 120;

/// Bytes of a retained message's payload in an answer to operators. Over: it is cut, and the answer
/// says so.
pub const TOLD_PAYLOAD_BYTES_MAX: usize = 1024 * 1024;

/// Bytes of the topic in the cursor of a list of retained messages. Over: the list continues after
/// all topics with this beginning. In Base64 it is a third of the bound of a request's header.
pub const CURSOR_TOPIC_BYTES_MAX: usize = 4096;

/// Messages of a session that one request shows.
pub const PEEK_MESSAGES_MAX: usize = 100;

/// Bytes of the payload of each of these messages. Over: it is cut, and the answer says so.
pub const PEEK_PAYLOAD_BYTES_MAX: usize = 4 * 1024;

/// Requests that one shard processes at a time. Over: the request returns without an answer.
pub const ASKS_OPEN_MAX: usize = 4;

/// Copies of $SYS values that one step sends; the copies of the last topic may exceed it. The next
/// turn continues.
pub const SYSTEM_COPIES_MAX: usize = 1024;

/// Clients that wait for the $SYS values and receive them in one step. The next turn continues.
pub const SYSTEM_REPLAYS_MAX: usize = 16;

/// Bounds and default of the time between two updates of the $SYS topics, milliseconds. Shards
/// report these figures at most once a second, so a lower value would have no effect.
pub const SYSTEM_MS_MIN: u64 = 1_000;
/// See [`SYSTEM_MS_MIN`]; the same as Mosquitto's.
pub const SYSTEM_MS_DEFAULT: u64 = 10_000;
/// See [`SYSTEM_MS_MIN`]; a day.
pub const SYSTEM_MS_MAX: u64 = 24 * 60 * 60 * 1000;

/// Session limits for some clients (`--session-limit`). Over: the broker does not start. Each
/// message for a durable session is compared with them.
pub const SESSION_LIMITS_MAX: usize = 16;

/// Patterns of sessions with their own metrics (`--watch-session`). Over: the broker does not
/// start.
pub const WATCH_PATTERNS_MAX: usize = 16;

/// Sessions with their own metrics. Over: sessions that are found later are only counted. Many
/// series burden a metrics database, and each lengthens a scrape.
pub const WATCHED_SESSIONS_MAX: usize = 100;

/// Rows of one page of a listing.
pub const PAGE_ROWS_MAX: usize = 1000;

/// Bytes of one page, not counting its last row. Over: the page ends, and the next page continues
/// from there.
pub const PAGE_BYTES_MAX: usize = 256 * 1024;

/// Sessions in the answer to a request for the largest ones: each costs a read of its oldest
/// message, which may be on the disk.
pub const TOP_ROWS_MAX: usize = 50;

/// Rows in one piece of a list that is read line by line: some 50 KB.
pub const LINES_PIECE_ROWS: usize = 100;

/// Times that a piece of such a list is requested again when a shard has no time for it. Over: the
/// list ends with a line that says so.
pub const LINES_RETRIES_MAX: u32 = 5;

/// Time for a shard to report its figures. Over: the operator gets its last ones.
pub const ASK_MS_MAX: u64 = 500;

/// Time for a shard to answer a request. A busy moment of the machine must not make a request fail.
/// Over: 503.
pub const ANSWER_MS_MAX: u64 = 5_000;

/// Time without an answer after which a shard counts as stuck: `/healthz` reports it.
pub const SHARD_SILENT_MS_MAX: u64 = 10_000;

/// Age up to which a shard's figures are reused, so that several scrapes request them only once.
pub const FIGURES_REUSE_MS: u64 = 1000;

/// Time for a listing whose filter matches little. Over: the rows so far are the answer, and the
/// next page continues from there.
pub const LISTING_MS_MAX: u64 = 50;

/// Traces at a time: each costs a check in all places that a message passes. Over: 409.
pub const TRACES_MAX: usize = 8;

/// Bytes of one trace's events that wait on one shard. Over: further events are skipped and
/// counted.
pub const TRACE_BYTES_MAX: usize = 256 * 1024;

/// Events of one trace that one shard records in a second, in some microseconds each: a trace of
/// all clients takes a few thousandths of a core. Over: further events are skipped and counted.
pub const TRACE_EVENTS_MAX: u32 = 1000;

/// Bytes of packets of traced clients that wait for the next event of their shard, or for the end
/// of its turn. Over: further packets are skipped and counted.
pub const TRACE_TAP_BYTES_MAX: usize = 64 * 1024;

/// Bytes of a packet in an event. The event of a PUBLISH is exempt: it has everything except the
/// payload. Over: the packet is cut.
pub const TRACE_PACKET_BYTES_MAX: usize = 4096;

/// Bytes of a payload in an event: the maximum and default of `--payload`.
pub const TRACE_PAYLOAD_BYTES_MAX: usize = 4096;

/// See [`TRACE_PAYLOAD_BYTES_MAX`].
pub const TRACE_PAYLOAD_BYTES_DEFAULT: usize = 64;

/// Sessions that the event of one message lists. Over: the event has the number of further
/// sessions.
pub const TRACE_TARGETS_MAX: usize = 16;

/// Traced clients of one shard whose CONNECT waits. Over: they are traced when they are accepted.
pub const TRACE_CONNECTING_MAX: usize = 64;

/// Notes that the broker pauses or resumes reading a traced client, until the end of a turn. Over:
/// further ones are not recorded.
pub const TRACE_PAUSES_MAX: usize = 256;

/// Duration of a trace by default, seconds: long enough to observe a fault, and short enough that a
/// forgotten trace costs little.
pub const TRACE_SECONDS_DEFAULT: u32 = 10 * 60;

/// Longest duration of a trace, seconds.
pub const TRACE_SECONDS_MAX: u32 = 24 * 60 * 60;

/// Time between two fetches of a shard's events, so that a busy shard is not woken for each event.
pub const TRACE_FETCH_MS: u64 = 50;

/// Bytes of one trace's events that are kept for readers. Over: the oldest are dropped, and a
/// reader that has not received them learns their number.
pub const TRACE_KEPT_BYTES_MAX: usize = 512 * 1024;

/// Bytes of a trace that a reader receives at once.
pub const TRACE_CHUNK_BYTES: usize = 32 * 1024;

/// Readers of all traces together. Over: 503.
pub const TRACE_READERS_MAX: usize = 16;

/// Bytes of one file of a trace. Over: the trace ends.
pub const TRACE_FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Files of traces in a data directory: 2 GiB with the bound above. Over: 409.
pub const TRACE_FILES_MAX: usize = 32;

/// Threads that read and write files for the admin thread. A thread ends when it had no work for a
/// while. Over: a file waits for another.
pub const FILE_THREADS_MAX: usize = 2;

/// Port of the operators' HTTP interface by default (`--http-listen`).
pub const HTTP_PORT_DEFAULT: u16 = 9883;

/// HTTP connections over TCP, and as many over the Unix socket. Full: the next one waits in the
/// kernel until one is closed. An idle one is closed after [`HTTP_HEADER_MS_MAX`].
pub const HTTP_CONNECTIONS_MAX: usize = 64;

/// Time for the header of an HTTP request, from the accept or from the end of the previous answer.
/// Over: the connection is closed.
pub const HTTP_HEADER_MS_MAX: u64 = 5_000;

/// Time for which the peer of an HTTP connection may receive nothing of an answer. Over: the
/// connection is closed.
pub const HTTP_WRITE_MS_MAX: u64 = 10_000;

/// Bytes of the header of an HTTP request. Over: 431.
pub const HTTP_HEADER_BYTES_MAX: usize = 16 * 1024;

/// Lines of the header of an HTTP request. Over: 431.
pub const HTTP_HEADERS_MAX: usize = 64;

/// Wrong tokens from one address within a minute. Over: 429 for any token.
pub const HTTP_FAILURES_MAX: u32 = 20;

/// Bytes of the body of an HTTP request. Over: 413.
pub const HTTP_BODY_BYTES_MAX: usize = 1024 * 1024;

/// Bytes of a body with definitions. Over: 413.
pub const HTTP_DEFINITIONS_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Bytes of all bodies that are being read, according to the lengths that their requests declare.
/// Over: 503.
pub const HTTP_BODIES_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Time for the body of an HTTP request. Over: 408.
pub const HTTP_BODY_MS_MAX: u64 = 10_000;

/// Messages from operators that wait at one shard for their storage. Over: 503.
pub const PUBLISHES_OPEN_MAX: usize = 16;

/// Time for the storage of a message from an operator. Over: 503; the message may still be stored
/// later.
pub const PUBLISH_MS_MAX: u64 = 10_000;

/// Tasks that wait for the control thread. Over: 503.
pub const TASKS_WAITING_MAX: usize = 8;

/// Time for a task of the control thread: a reload may read large files. Over: 503; the task may
/// still be done later.
pub const TASK_MS_MAX: u64 = 60_000;

/// Most time over which a drain disconnects clients: a day. Its default follows.
pub const DRAIN_S_MAX: u64 = 24 * 60 * 60;
/// See [`DRAIN_S_MAX`].
pub const DRAIN_S_DEFAULT: u64 = 60;

/// Time between two steps in which a drain disconnects clients.
pub const DRAIN_STEP_MS: u64 = 100;

/// Connections that one step of a request ends: each may publish a will. The next step continues.
pub const DRAIN_CLOSES_MAX: usize = 64;

/// Most time for a temporary log level. Without a time it applies until the next reload.
pub const LOG_LEVEL_S_MAX: u64 = 7 * 24 * 60 * 60;

/// Addresses whose wrong tokens are counted. Full: all further addresses count as one until the
/// minute is over.
pub const HTTP_ADDRESSES_MAX: usize = 1024;

/// Bytes of all files of the operators' page, so that it loads fast over a slow tunnel. Over: the
/// program does not compile.
pub const PAGE_FILES_BYTES_MAX: usize = 150_000;

/// Time between two lines of `/api/v1/live`: a person can read this rate.
pub const LIVE_MS: u64 = 1000;

/// Time between two looks at how far sessions are behind, while somebody views live figures: each
/// takes a look at every session.
pub const LIVE_LAG_MS: u64 = 30_000;

/// Viewers of live figures; the other connections stay free for other requests. Over: 503.
pub const LIVE_VIEWERS_MAX: usize = 16;

/// Lines that wait for a viewer that does not read them. Over: the viewer misses some.
pub const LIVE_LINES_WAITING_MAX: usize = 2;

/// Unused one-time codes for the page. Over: the oldest becomes invalid.
pub const SIGN_IN_CODES_MAX: usize = 8;

/// Lifetime of a code: long enough to switch from a terminal to a browser. Over: the code is
/// invalid.
pub const SIGN_IN_CODE_MS: u64 = 120_000;

/// Sign-ins to the page by a code. Over: the oldest sign-in ends.
pub const SIGN_INS_MAX: usize = 64;

/// Lifetime of a sign-in by a code: a working day. Over: the sign-in ends.
pub const SIGN_IN_MS: u64 = 8 * 3_600_000;

/// Bytes of a token file. Over: it is refused.
pub const TOKEN_FILE_BYTES_MAX: u64 = 256 * 1024;
/// Tokens in a token file: each request is compared with all of them. Over: it is refused.
pub const TOKENS_MAX: usize = 1000;

/// Open files of the admin thread: its runtime, listeners and connections.
pub const FILES_OF_ADMIN: u64 = 8 + 2 * HTTP_CONNECTIONS_MAX as u64;

/// Bytes of an answer to `ringmq ctl`: several times the largest page, for JSON escapes. Over: the
/// command fails with an error.
pub const CTL_ANSWER_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Time for `ringmq ctl` to connect to a broker. Over: the broker counts as unreachable.
pub const CTL_CONNECT_MS_MAX: u64 = 5_000;

/// Time for a broker's answer to `ringmq ctl`: enough even if no shard answers. Over: the broker
/// counts as unreachable.
pub const CTL_ANSWER_MS_MAX: u64 = 10_000 + ASK_MS_MAX * SHARDS_MAX as u64;

/// Bounds of the time between two requests of `ringmq ctl --watch`: more frequent requests would
/// load the broker without showing more.
pub const CTL_WATCH_MS_MIN: u64 = 100;
/// See [`CTL_WATCH_MS_MIN`].
pub const CTL_WATCH_MS_MAX: u64 = 24 * 3_600_000;

/// Bytes of a file with a token. Over: the file is refused.
pub const CTL_TOKEN_BYTES_MAX: u64 = 4096;

/// Bytes of a line that `ringmq ctl` reads of a trace: a packet of many filters with every
/// character escaped. Over: the peer is not a broker.
pub const CTL_LINE_BYTES_MAX: usize = 1024 * 1024;

/// Columns of a table cell on a terminal. Over: it is cut; `--json` and a pipe are not.
pub const CTL_CELL_COLUMNS_MAX: usize = 60;

// A body is accepted whenever no other is being read, whatever its size.
const _: () = assert!(HTTP_DEFINITIONS_BYTES_MAX <= HTTP_BODIES_BYTES_MAX);
const _: () = assert!(HTTP_BODY_BYTES_MAX <= HTTP_DEFINITIONS_BYTES_MAX);
