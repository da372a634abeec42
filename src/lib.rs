//! ringmq: an MQTT broker for Linux hosts that receive telemetry at high rates.
//!
//! ```text
//!             ┌──────────────── shard 0 (pinned thread) ────────────────┐
//!   clients ──┤ ring ─ links ─ transport ─ mqtt ─ broker ─ store        ├──► shard 1 … shard n
//!             └─────────────────────────────────────────────────────────┘
//!   one byte ring for each ordered pair of shards; a bell rings only for a shard that sleeps
//!   helper threads: one makes and recycles segment files and checks the free space, one writes the
//!   log lines, one answers operators, others verify passwords; each shard has one that writes to
//!   files
//! ```
//!
//! Shards share nothing: a shard owns its ring, its links, its sessions, its part of the retain
//! store and its log. Between shards there are only rings of messages, and counts that do not
//! change with messages: of clients, of sessions, and of connections by address. A ring is the
//! interface to the kernel: io_uring or, where that is forbidden, epoll. Both have the same
//! operations and completions.
//!
//! # Names
//!
//! A *connection* is MQTT protocol state. A *link* is a socket and its transport. A *session* is
//! the state that outlives both. A *shard* is the share of one core. A *vhost* has an exchange
//! `mqtt.default` (subscription tree and routes), sessions and a *retain store*. All other terms
//! are those of the standard.
//!
//! # Rooms
//!
//! | room | what it is | may use | must not know |
//! |---|---|---|---|
//! | [`mqtt`] | bytes ⇄ packets; topics, filters | `bytes` | sessions, sockets, time |
//! | [`access`] | users, vhosts, rules: a snapshot that decides | `mqtt` | connections, sessions |
//! | [`transport`] | wire ⇄ application bytes: TCP, TLS, WebSocket | `rustls` | MQTT, descriptors |
//! | [`store`] | sessions, queues, retained messages, their log | – | packets, sockets, files |
//! | [`disk`] | the data directory, its files and helper | `store`, `memmap2` | what a log is |
//! | [`mesh`] | rings between shards; the only atomics and locks there | std | what messages mean |
//! | [`ring`] | the only user of io_uring and epoll | `io-uring`, `libc`, `rustix` | MQTT, broker |
//! | [`broker`] | the state machines | `access`, `mqtt`, `store` | the ring |
//! | [`reactor`] | completions → broker → operations | all above | flags' text |
//! | [`logging`] | lines on standard error, by one thread | `env_filter`, `jiff` | who logs what |
//! | [`admin`] | operators' HTTP, their page | `access`, `broker`, `logging`, `hyper` | the ring |
//! | [`server`] | flags → threads, signals, end | all | – |
//! | [`config`], [`cpus`] | the flags; the CPUs | `access`, `clap`; `rustix` | the broker |
//! | [`ctl`] | sends requests over that HTTP | `config`, `passwd`, `hyper` | the broker |
//! | [`passwd`] | changes password files | `access`, `config` | the broker |
//! | [`vhosts`] | lists and deletes vhosts | `config`, `disk` | the broker |
//! | [`check`] | prints the faults that would prevent a start | `config`, `server` | the checks |
//! | [`settings`] | lists the settings | `config` | the broker |
//! | [`reload`] | requests a reload of a broker and waits for its answer | `disk` | the broker |
//! | [`sessions`] | requests the deletion of sessions | `config`, `disk` | the broker |
//! | [`data`] | makes data directories of others | `broker`, `config`, `disk`, `store` | rings |
//!
//! `mqtt`, `transport`, `store` and `broker` are pure: no descriptor, clock, thread or atomic.
//! [`whole_file`] (files that are replaced), [`chunk`] (output bytes), [`slots`] (tables by
//! number), [`shown`] (clients' text in the log), [`limits`] (every bound) and [`advice`] (advice
//! about system errors) are leaves that all may use. `mqtt`, `transport`, `store`, `mesh` and
//! `ring` do not see each other; `disk` sees only the interface of `store` to the disk.
//! `tests/tidy.rs` enforces the table, the files with `unsafe`, and the sizes.
//!
//! # Invariants
//!
//! Code cites them by number.
//!
//! 1. **Home.** Vhost and client id determine one shard. A link moves there once, when its CONNECT
//!    is decoded. Until then its receives are single-shot, so no operation is in flight and the
//!    link moves as a plain value, with its TLS state and unread bytes. No other core accesses
//!    session state.
//! 2. **Join before free.** A slot, socket or buffer is released only when the kernel has no
//!    operation on it. Slots have generations; a stale completion is a bug and fails an assertion.
//! 3. **Run to completion.** `mqtt`, `transport`, `broker` and `store` have no `async`, `Rc`,
//!    `RefCell` or locks: state is reached through `&mut self`.
//! 4. **Time is an argument.** No code below the reactor reads a clock or draws random numbers.
//! 5. **Everything is bounded,** in [`limits`], each bound with its reason and its effect.
//! 6. **No circle of full rings.** Handling another shard's message never waits for space in a
//!    ring. A message without space waits in a list, and the sending shard stops reading from its
//!    publishers, but not from other shards.
//! 7. **Order.** Messages of one publisher on one topic reach a subscriber in order: those of QoS 1
//!    and 2 among themselves, those of QoS 0 among themselves.
//! 8. **Acknowledge after the promise.** A PUBACK is sent only when every session that must have
//!    the message, on every shard, has it at the configured durability or has acknowledged it. A
//!    SUBACK is sent when every shard routes to the subscription and the log has it. The receiver
//!    of each mesh ring publishes how many messages it has kept; replies wait for those marks and
//!    for the shard's own log. No reply message is needed.
//! 9. **One send in flight for each socket.** Output gathers meanwhile and is the next batch: the
//!    throughput comes from that.
//! 10. **Only the shard accesses the shard.** An operator's request reaches it in a box
//!     ([`broker::inspect`]), of which it does one bounded step in a turn.
//!
//! # One PUBLISH
//!
//! 1. A receive completes into a buffer of the ring. The transport decrypts TLS. The reactor cuts
//!    the bytes into packets, which borrow from that buffer.
//! 2. The broker finds the route: by the connection's last topic, the shard's cache of routes, or
//!    the trees.
//! 3. For the durable sessions that get it at QoS 1 or 2, the message is appended to the log once,
//!    with a place in the queue of each session.
//! 4. For the connected clients of the route, the packet is encoded once for each QoS and version,
//!    and copied to each connection's output with its packet identifier. A message that must wait
//!    in a clean session (no window, no space) is kept in memory, once.
//! 5. Each other shard with a subscriber gets one copy in its ring, and does the same.
//! 6. At the end of the turn each connection with output gets one send (with TLS, in as few records
//!    as possible), each sleeping shard with new messages one wake, and the log one write, unless
//!    one is in progress. When that has ended, the PUBACK is sent.
//!
//! Packet identifiers are computed from a message's number in its session's queue, so they are not
//! stored, and a message has the same identifier after a reconnect or a restart.
//!
//! # Where it is decided
//!
//! The broker is divided into rooms. A room is a directory; it changes only its own state and calls
//! only the rooms in the last column. `shard` joins them and may call all. Each may use
//! `broker::names`; the broker's page ([`broker`]) has the table of all rooms.
//!
//! | question | where | may call |
//! |---|---|---|
//! | which handler gets a packet, and when | `broker::shard` | all |
//! | which sessions get a message | `broker::exchange`: routes; `shard::fan_out` | –; all |
//! | is a QoS 0 message dropped | `broker::output`: `write_qos0` | `peer`, `read_gate`, `trace` |
//! | what happens when a session is full | `broker::full_sessions` | `delivery` and others |
//! | why is a connection not read | `broker::read_gate`: `Pause` | – |
//! | why is nothing sent to a client | `broker::delivery`: `SendGate` | `output` and others |
//! | what does a PUBACK wait for | `broker::replies`: `Wait`; `shard::fan_out` sets it | –; all |
//! | who takes over a client id; the old will | `broker::shard::connect`: `take_over` | all |
//! | when does a session expire | `broker::expiry`; `shard::sessions` ends it | –; all |
//! | the content of a CONNECT of any version | `broker::connection`: `Terms` | – |
//! | when is a will published | `broker::shard::close`; after a delay `shard::wills` | all |
//! | which properties a receiver gets | `mqtt`; `broker::output::format` | as `output` |
//! | must a publisher wait for the disk | `broker::storage::shortage` | `read_gate` |
//! | the bytes of a log record, such as an acknowledgement's | `store::record` | bytes: no file |
//! | when acknowledgements are recorded | `store::queue::acks`: at the end of a turn | the same |
//! | is a change of a session counted and recorded | [`store::SessionMut`] | the same |
//!
//! # What is on disk
//!
//! Each shard has one log in segment files. It has messages (once, with the sessions that they are
//! for), acknowledgements, sessions, subscriptions, retained messages and QoS 2 identifiers, in the
//! order of the changes. Related changes are one record or part of one write, so no second file
//! must be kept consistent. One sync serves all clients that wait: records that gather during a
//! write are the next write (group commit without a timer). After every 64 MiB or so a *checkpoint*
//! of all sessions, and of the positions of retained messages, is written into the log, in bounded
//! pieces while clients are served. The next segment's header names its start, and recovery reads
//! from there: its time depends on the sessions, the retained topics and the records since the
//! checkpoint, not on the number of waiting messages.
//!
//! The first record of each group is marked. Only one group is in flight, so the mark proves that
//! all earlier records were committed. Bytes before it that are no record are damage, which is
//! skipped and reported; only the last group can be torn. A file beside the segments (`EXTENT`, see
//! [`disk`]) has the end of the log, so that a missing segment is noticed.
//!
//! A session's queue keeps its beginning and its end in memory; the middle is blocks of positions
//! in the log. Messages are read from the files through a read-only mapping, and written by the
//! ring's thread for files: stores through a mapping would stall the loop during a sync. A page
//! that the disk cannot read is read as zeros, which is a damaged record (`disk::sigbus`). A
//! segment is removed when nothing refers to it. When few old messages keep many segments, their
//! live records are moved to the log's end ([`store`]). The first files are short and later ones
//! longer, so that an empty directory takes little space and a busy one has few files.
//!
//! Times in the log are of its *time line*, which measures only time that has certainly passed. It
//! does not move when a clock is set ([`store::Timeline`]).
//!
//! A message that its receivers acknowledge at once is acknowledged to its publisher at once: no
//! session needs it from the disk any more. A QoS 2 message is sent only when it is committed: if a
//! crash removed it from the log, another message would get its identifier.
//!
//! # How clients connect
//!
//! The *accept filter* counts the address of an accepted link, or the address in its PROXY header.
//! TLS handshakes follow, a few in each turn. The login in a CONNECT names the vhost; vhost and
//! client id determine the home shard, where the *policy* decides. It is a snapshot of all users,
//! rules and limits, which all shards share and SIGHUP replaces ([`access`]). Helper threads with a
//! lower priority verify passwords. Until the answer arrives, the CONNECT and all later bytes stay
//! unread with the link. Recent results are remembered, so that ten thousand clients that reconnect
//! at once do not cost ten thousand hashes.
//!
//! Rights cost a message nothing. The right to publish is remembered with the client's last topic,
//! and a client that may not read a topic is not in its route. A session keeps the name of its
//! user, so that this also holds for disconnected clients and after a restart.
//!
//! # Memory is returned
//!
//! Large tables and buffers have their own mappings ([`limits::OWN_MEMORY_BYTES_MIN`]), of which
//! unused pages cost nothing. When as many clients have left a shard as remain, or as many sessions
//! have expired, the vacant ends of its tables, receive buffers and buffers of busy turns are freed
//! in bounded steps, and the heap is trimmed (`reactor::reclaim`).
//!
//! # What operators see
//!
//! Threads queue their log lines, and one thread writes them, so that no shard waits for standard
//! error ([`logging`]). Lines about clients are bounded: for each kind, with a count of the other
//! lines each second, or for each session, with a sum each minute (`broker::client_log`). At
//! SIGUSR1 each shard answers with its figures, which the control thread logs (`reactor::report`).
//!
//! Operators send requests over HTTP ([`admin`]): for metrics, clients, sessions, or to end a
//! connection. A thread with a lower priority makes an *ask* of a request, a box that goes to a
//! shard over a ring of the mesh and returns with the answer. A shard without asks has no cost.
//! Durations are measured once in a turn, a commit group or a barrier of replies
//! (`broker::inspect`).
//!
//! A trace shows an operator what happens to a client or a topic. It is a bit in the connection,
//! the route or the target of a route; only where it is set, events are recorded, within bounds
//! (`broker::trace`). The admin thread fetches them in a box and keeps the last ones for readers
//! (`admin::trace`).
//!
//! The admin thread also computes the values of the topics `$SYS/…` at every interval while a shard
//! has a subscriber to them, and passes them to such shards (`admin::system`). They are in no log
//! (`broker::system`).
//!
//! # Many devices, few messages each
//!
//! A shard's sleep and wake cost more than a small message, so a message costs most when the shard
//! sleeps before each one. If messages arrive often, a shard pauses before it sleeps, for at most
//! `--gather-max`: operations that complete meanwhile do not wake it and are handled in one turn
//! (`reactor::gathering`). Ends of sends that nothing waits for do not wake it at all: they are
//! returned with other completions ([`ring`]).
//!
//! # Overload
//!
//! The limits of an address are checked when a link is accepted, or when its PROXY header has named
//! the client (`reactor::accept_filter`). A client that publishes faster than permitted is not read
//! for a while (`broker::read_gate`).
//!
//! A connection has at most `--max-outgoing-bytes` of output. When it is full, the broker does not
//! read the publishers that send to it (TCP stops them), each for at most `--qos0-patience`. A
//! client that receives nothing for so long is marked slow: its publishers continue, QoS 0 messages
//! to it are dropped and counted, and QoS 1 messages wait in its session (`broker::output`). A full
//! ring to another shard, or no free receive buffer, also pauses reading. When the disk is slow, or
//! its space low, publishers whose message needs it, on this shard or another, are not read until
//! that ends; no message is acknowledged that is not stored. Clients with other requests that the
//! log must record, such as a subscription, wait while the log is late or nearly out of space
//! (`broker::storage::shortage`).
//!
//! A full session drops messages or blocks its publishers (`--session-overflow`). Blocked
//! publishers get their acknowledgements when there is space. Meanwhile they are read only while
//! they have messages to acknowledge themselves, so that no circle of clients waits for itself
//! (`broker::full_sessions`).
//!
//! Consumers can empty a disk that is completely full: messages do not use a reserve of files
//! ([`limits::RESERVE_FILES`]), so that acknowledgements can be written. A checkpoint is taken as
//! soon as it would free a segment. The newest segment's header is overwritten to name it, instead
//! of the next segment's.

pub mod access;
pub mod admin;
pub mod advice;
pub mod broker;
pub mod check;
pub mod chunk;
pub mod config;
pub mod cpus;
pub mod ctl;
pub mod data;
pub mod disk;
pub mod limits;
pub mod logging;
pub mod mesh;
pub mod mqtt;
pub mod passwd;
pub mod reactor;
pub mod reload;
pub mod ring;
pub mod server;
pub mod sessions;
pub mod settings;
pub mod shown;
pub mod slots;
pub mod store;
pub mod transport;
pub mod vhosts;
pub mod whole_file;
