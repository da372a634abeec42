//! Every bound of the bridge, with its reason and what happens at it.

use std::time::Duration;

/// Largest configuration file. A longer one is refused: it is the wrong file.
pub const CONFIG_BYTES_MAX: u64 = 1 << 20;

/// Faults of a file that are listed. The rest are listed after these were corrected.
pub const CONFIG_FAULTS_MAX: usize = 20;

/// Largest file with a secret. A longer one is refused.
pub const SECRET_BYTES_MAX: u64 = 64 * 1024;

/// Sinks and sources of one process. Each has a thread; more are refused.
pub const FLOWS_MAX: usize = 64;

/// Filters of one flow. They fit one SUBSCRIBE of moderate size; more are refused.
pub const FILTERS_MAX: usize = 256;

/// Columns of a table, tags and fields of a line, headers of a record. More are refused.
pub const COLUMNS_MAX: usize = 256;

/// Messages in flight from a broker. Twice this number is below 65,535, the number of packet
/// identifiers, so an identifier is unambiguous (see `flow::numbers`).
pub const WINDOW_MAX: u16 = 32_767;

/// Bytes that one flow holds by default. Reading stops at this limit; the messages wait in the
/// broker.
pub const BUFFER_BYTES: usize = 16 << 20;
/// Least buffer: one batch of moderate size.
pub const BUFFER_BYTES_MIN: usize = 64 * 1024;
/// Largest buffer.
pub const BUFFER_BYTES_MAX: usize = 1 << 30;

/// Messages of a batch.
pub const BATCH_MESSAGES: usize = 5000;
/// A batch is less than the window, so that the next one gathers while it is written.
pub const BATCH_MESSAGES_MAX: usize = WINDOW_MAX as usize;
/// Bytes of a batch.
pub const BATCH_BYTES: usize = 1 << 20;
/// Largest batch; the buffer must hold it.
pub const BATCH_BYTES_MAX: usize = 256 << 20;
/// Time that a batch waits for more messages.
pub const LINGER: Duration = Duration::from_millis(10);
/// Longest such time. The messages are in flight while they wait.
pub const LINGER_MAX: Duration = Duration::from_mins(1);

/// Bytes asked for in one read from a broker: some hundred small messages.
pub const READ_BYTES: usize = 128 * 1024;

/// Largest packet taken from a broker, and the largest of MQTT: the broker's own limit decides.
pub const PACKET_BYTES_MAX: usize = 268_435_460;

/// Chunks between a reader and its sink. Their bytes are bounded by the buffer; this bounds the
/// number of small ones.
pub const CHUNKS_MAX: usize = 1024;

/// Output for a broker above which a batch of publishes pauses.
pub const OUTPUT_BYTES: usize = 256 * 1024;

/// Messages in flight to a broker that sets no limit (3.1.1, or MQTT 5's default).
pub const PUBLISH_WINDOW: u16 = 1000;

/// The keep alive: a ping is sent after half of it.
pub const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// The time for a connection, a handshake or its answer. After that it has failed and is tried
/// again.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The time for one write to a target. After that the write has failed and is tried again.
pub const WRITE_TIMEOUT: Duration = Duration::from_mins(1);

/// The time for a server of NATS to acknowledge a message. After that it is sent again.
pub const NATS_ACK_TIMEOUT: Duration = Duration::from_secs(10);

/// How long brokers of Kafka may acknowledge nothing on an open connection, unless the target says
/// another time. Then another producer sends again what they have not acknowledged.
pub const KAFKA_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest time of that.
pub const KAFKA_TIMEOUT_MAX: Duration = Duration::from_hours(1);

/// Messages of a stream that are in flight to a broker, unless a source says another number. Each
/// of them is told to be in work from time to time.
pub const NATS_WINDOW: u16 = 1000;
/// Messages asked for at once.
pub const NATS_FETCH: usize = 250;
/// Bytes of these, so that a source holds no more than a buffer of moderate size.
pub const NATS_FETCH_BYTES: usize = 4 << 20;
/// How long a server keeps a request for messages that it does not have. Then it is asked again.
pub const NATS_FETCH_TIMEOUT: Duration = Duration::from_secs(30);
/// When a server delivers again what is not acknowledged, unless a source says another time. A
/// restart waits for so long.
pub const NATS_ACK_WAIT: Duration = Duration::from_secs(5);
/// Least time of that: it is three times what a tick may be late.
pub const NATS_ACK_WAIT_MIN: Duration = Duration::from_secs(1);
/// Longest time.
pub const NATS_ACK_WAIT_MAX: Duration = Duration::from_hours(1);

/// Bytes of an envelope: servers take 1 MiB by default, and a part of it is cheaper to replicate.
pub const ENVELOPE_BYTES: usize = 64 * 1024;
/// Largest envelope.
pub const ENVELOPE_BYTES_MAX: usize = 1 << 20;

/// How often the broker is asked what waits: metrics are not older than twice this time.
pub const BACKLOG_INTERVAL: Duration = Duration::from_millis(400);

/// First pause after a failure.
pub const BACKOFF_MIN: Duration = Duration::from_millis(100);
/// Longest pause.
pub const BACKOFF_MAX: Duration = Duration::from_secs(30);

/// The time that the end of the process waits for current batches.
pub const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes of a reason in a dead letter, in a metric or a log line. The rest is cut off.
pub const REASON_BYTES_MAX: usize = 512;

/// Bytes of a target's HTTP answer that are read: enough for its error.
pub const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Connections of operators' HTTP at once. More wait.
pub const HTTP_CONNECTIONS_MAX: usize = 32;
/// The time for receiving an operator's request.
pub const HTTP_REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

const _: () = assert!(2 * (WINDOW_MAX as usize) < 65_535);
const _: () = assert!(BATCH_BYTES <= BUFFER_BYTES && BATCH_MESSAGES <= BATCH_MESSAGES_MAX);
const _: () = assert!(BUFFER_BYTES_MIN <= BUFFER_BYTES && BUFFER_BYTES <= BUFFER_BYTES_MAX);
