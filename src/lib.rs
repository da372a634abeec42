//! ringmq: an MQTT broker for Linux hosts that take in telemetry at high rates.
//!
//! ```text
//!             ┌──────────────── shard 0 (pinned thread) ────────────────┐
//!   clients ──┤ ring ─ links ─ transport ─ mqtt ─ broker ─ store        ├──► shard 1 … shard n
//!             └─────────────────────────────────────────────────────────┘
//!   one byte ring per ordered pair of shards; a bell rings only for a shard that sleeps
//!   helper threads: one makes and recycles segment files and looks at free space, one writes the
//!   log lines, one answers operators, others verify passwords; each shard has one that writes to
//!   files
//! ```
//!
//! Shared nothing: a shard owns its ring, its links, its sessions, its part of the retain store
//! and its log. Between shards there are only rings of messages, and two counts that are looked at
//! when a client comes or goes: of clients, and of connections by address. A ring is a way to the
//! kernel, io_uring or, where that is forbidden, epoll: the same operations and completions.
//!
//! # Names
//!
//! A *connection* is MQTT protocol state; a *link* is a socket and its transport; a *session* is
//! what outlives both; a *shard* is one core's share. A *vhost* has an exchange `mqtt.default`
//! (subscription tree and routes), sessions and a *retain store*. Elsewhere the standard's terms
//! hold.
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
//! | [`mesh`] | rings between shards; the only atomics and locks | std | what messages mean |
//! | [`ring`] | the only user of io_uring and epoll | `io-uring`, `libc`, `rustix` | MQTT, broker |
//! | [`broker`] | the state machines | `access`, `mqtt`, `store` | the ring |
//! | [`reactor`] | completions → broker → operations | all above | flags' text |
//! | [`logging`] | lines on standard error, by one thread | `env_filter`, `jiff` | who logs what |
//! | [`admin`] | operators' HTTP, their page | `access`, `broker`, `mqtt`, `hyper` | the ring |
//! | [`server`], [`config`], [`cpus`] | flags → threads, signals, end | all | – |
//! | [`ctl`] | asks a broker that runs, over that HTTP | `config`, `passwd`, `hyper` | the broker |
//! | [`passwd`] | changes password files | `access`, `config` | the broker |
//! | [`vhosts`] | lists and deletes vhosts | `config`, `disk` | the broker |
//! | [`check`] | prints what a start would stop at | `config`, `server` | how it is found |
//! | [`settings`] | lists the settings | `config` | the broker |
//! | [`reload`] | has a running broker reload, and waits for its answer | `disk` | the broker |
//! | [`sessions`] | asks the broker to delete sessions | `config`, `disk` | the broker |
//! | [`data`] | makes data directories of others | `broker`, `config`, `disk`, `store` | rings |
//!
//! `mqtt`, `transport`, `store` and `broker` are pure: no descriptor, clock, thread or atomic.
//! [`whole_file`] (files that are replaced), [`chunk`] (bytes on their way out), [`slots`] (tables
//! by number), [`shown`] (clients' text in the log), [`limits`] (every bound) and [`advice`] (what
//! to do about errors of the system) are leaves that all may use.
//! `mqtt`, `transport`, `store`, `mesh` and `ring` do not see each other; `disk` sees of `store` no
//! more than the seam. `tests/tidy.rs` holds the table, the files with `unsafe`, and the sizes.
//!
//! # Invariants
//!
//! Code cites them by number.
//!
//! 1. **Home.** Vhost and client id name one shard; a link moves there once, when its CONNECT is
//!    decoded. Until then it receives single-shot, so nothing is in flight and the link, TLS and
//!    unread bytes included, moves as a plain value. Session state is never touched from another
//!    core.
//! 2. **Join before free.** A slot, socket or buffer is released only when the kernel holds no
//!    operation on it. Slots carry generations; a stale completion is a bug that is asserted.
//! 3. **Run to completion.** No `async`, no `Rc` or `RefCell`, no locks in mqtt, transport, broker
//!    and store: state is reached through `&mut self`.
//! 4. **Time is an argument.** Nobody below the reactor reads a clock or draws randomness.
//! 5. **Everything is bounded,** in [`limits`], each bound with its reason and what happens at it.
//! 6. **No circle of full rings.** Handling another shard's message never waits for room: what has
//!    none waits in a list, and the sender stops reading from its publishers, not from its peers.
//! 7. **Order.** One publisher's messages on one topic reach one subscriber in order: those of QoS
//!    1 and 2 among themselves, those of QoS 0 among themselves.
//! 8. **Acknowledge after the promise.** A PUBACK leaves only when every session that must have the
//!    message has it at the configured durability, on every shard, or has acknowledged it; a SUBACK
//!    when every shard routes to it and the log has it. The receiving side of each mesh ring
//!    publishes how far what it handled is kept; replies wait until those marks and the shard's own
//!    log pass. No reply message is needed.
//! 9. **One send in flight for each socket.** What comes meanwhile gathers and is the next batch:
//!    that is where throughput comes from.
//! 10. **Nothing but the shard touches the shard.** What an operator wants to know or to have done
//!     reaches it in a box ([`broker::inspect`]), of which it does one bounded step a turn.
//!
//! # One PUBLISH
//!
//! A receive completes into a buffer lent by the ring → the transport opens what TLS has sealed →
//! the reactor cuts the bytes into packets, borrowed from that buffer → the broker finds the route:
//! by the connection's last topic, else by the shard's cache of routes, else by the trees → for the
//! durable sessions of the route that will acknowledge it the message is appended to the log, once,
//! with a place in each one's queue → for each session whose client is there the packet is encoded
//! once for each QoS and version and copied to the connection's output with its packet identifier
//! patched in;
//! what a clean session must wait for (no window, no room) is kept in memory, once → other shards
//! with a subscriber get one copy in their ring and do the same → at the end of the turn each
//! connection with output gets one send (with TLS, in as few records as will do), each sleeping
//! shard that was sent something one wake, and the log one write, unless one is under way → when
//! that has ended, the PUBACK goes.
//!
//! Packet identifiers come from a message's number in its session's queue, so nothing is stored for
//! them and the same message has the same identifier after a reconnect or a restart.
//!
//! # Where it is decided
//!
//! The broker is divided into rooms; its page ([`broker`]) has the table.
//!
//! | question | where |
//! |---|---|
//! | is a packet handled now, and by whom | `broker::shard` |
//! | who gets a message | `broker::exchange` (routes), `broker::shard::fan_out` |
//! | is a message at QoS 0 dropped | `broker::output`: `Outputs::write_qos0` |
//! | what is dropped, and who waits, when a session is full | `broker::full_sessions` |
//! | why is a connection not read from | `broker::read_gate`: `Pause` |
//! | why is nothing sent to a client | `broker::delivery`: `SendGate`, window, output |
//! | what does a PUBACK wait for | `Wait` in `broker::replies`; `broker::shard::fan_out` sets it |
//! | who takes over a client id, and what of the old will | `broker::shard::connect` |
//! | when does a session expire | `broker::expiry`; `broker::shard::sessions` ends it |
//! | what a CONNECT of any version asks for | `broker::connection`: `Terms` |
//! | when is a will published | `broker::shard::close`; after a delay `broker::shard::wills` |
//! | which properties a receiver gets, and how | `mqtt`; `broker::output::format` |
//! | must a publisher wait for the disk | `broker::storage::shortage` |
//! | the bytes of a record, an acknowledgement's say | `store::record` |
//! | is what a session has counted and written | [`store::SessionMut`] |
//!
//! # What is on disk
//!
//! Each shard has one log, in segment files: messages (once, with the sessions they are for),
//! acknowledgements, sessions, subscriptions, retained messages, identifiers of QoS 2, in the order
//! they happened. So what belongs together is one record or stands in one write, and one sync
//! serves everybody who waits: what gathers while a write is under way is the next (group commit
//! without a timer). There is no second file to keep in step with it. Every 64 MiB or so a
//! *checkpoint* of all sessions, and of where retained messages stand, is written into the log, a
//! bounded piece at a time while clients are served; the next segment's header says where it
//! begins, and recovery reads from there: its time depends on sessions, retained topics and what
//! was appended since, not on how much waits.
//!
//! The first record of each group says that it is. One group is in flight at a time, so it proves
//! that all before it was committed: what is no record there is damage, which is passed over and
//! told; only the last group can be torn. A file beside the segments tells how far the log goes, so
//! that one that is missing is missed (`EXTENT`, see [`disk`]).
//!
//! A session's queue keeps its beginning and its end in memory; the middle is blocks of positions
//! in the log. Messages are read from the files' own pages, mapped read-only, and written through
//! the ring (with epoll by a thread of its own): storing through a mapping would stall the loop
//! whenever a sync runs. A page that the disk cannot read is zeros to whoever reads it, and so a
//! damaged record (`disk::sigbus`). A segment goes when nothing refers to it; when few old messages
//! keep many segments, what lives in them is moved to the log's end ([`store`]). Files are short at
//! first and grow with what is written, so that an empty directory takes little and a busy one has
//! few of them.
//!
//! Times in the log are of its *time line*, which measures what is sure to have passed; a clock
//! that is set does not move it ([`store::Timeline`]).
//!
//! What a connected client acknowledges at once is acknowledged to its publisher at once: nobody
//! needs it from the disk any more. A QoS 2 message is sent only when it is committed, since a
//! crash that undid it would give its identifier to another.
//!
//! # Who comes in
//!
//! The *accept filter* looks at the address of what a listener accepts, or at the PROXY header in
//! front of it, and counts it; TLS handshakes follow, a few each turn. The login in a CONNECT names
//! the vhost, vhost and client id the home, and there the *policy* decides: a snapshot of all
//! users, rules and limits that every shard shares and SIGHUP replaces ([`access`]). A password is
//! verified by helper threads of a lower priority; until the answer is there the CONNECT stays with
//! its link, unread, as does what follows it. Right and wrong ones are remembered for a while, so
//! that ten thousand who reconnect at once do not pay ten thousand hashes.
//!
//! Rights cost a message nothing: whether a client may publish to a topic is remembered with the
//! topic it published to last, and who may not read a topic is not in its route. A session keeps
//! the name of its user, so that this holds for who is away as well, also after a restart.
//!
//! # Memory that goes back
//!
//! What is not touched costs nothing: large tables and buffers have memory of their own
//! ([`limits::OWN_MEMORY_BYTES_MIN`]). When as many clients have left a shard as are still there,
//! or as many sessions have expired, their places are taken off the ends of its tables in bounded
//! steps, receive buffers and what a busy turn had gathered are given up, and the heap is trimmed
//! (see `reactor::reclaim`).
//!
//! # What it says
//!
//! A thread that logs a line queues it; one thread writes, so that no shard waits for standard
//! error ([`logging`]). Lines about clients are bounded: by kind, with a count of the others each
//! second, or by session, with a sum each minute (`broker::client_log`). SIGUSR1 is a message to
//! each shard that it answers with its figures (`reactor::report`).
//!
//! Operators ask over HTTP ([`admin`]): metrics, clients, sessions, the end of a connection. A
//! thread of a lower priority makes an *ask* of it, a box that goes to a shard over a ring of the
//! mesh and comes back with the answer. A shard that nobody asks does nothing for it; what takes
//! time is measured once a turn, a commit group or a barrier of promises (`broker::inspect`).
//!
//! A trace tells an operator what happens to a client or a topic while it happens. It is a bit in
//! what a packet or a message passes anyway: the connection, the route, the route's target. Only
//! where it is set something is recorded (`broker::trace`), within bounds; the admin thread fetches
//! it in a box and keeps the last of it for readers (`admin::trace`).
//!
//! The topics `$SYS/…` come from that thread too (`admin::system`). It computes their values at
//! every interval, while a shard says that it has a subscriber, and hands them to such shards. They
//! are in no log (`broker::system`).
//!
//! # Many devices, few messages each
//!
//! A shard's sleep and wake cost more than a small message, so a message costs most when the shard
//! sleeps before each. A shard that is about to sleep while messages come often pauses first, for
//! `--gather-max` at most: what completes meanwhile wakes nobody and is handled in one turn (see
//! `reactor::gathering`). Ends of sends that nobody waits for end no sleep at all: they come with
//! what does ([`ring`]).
//!
//! # When it is too much
//!
//! What an address may have is settled when a link is accepted, or when the PROXY header that it
//! begins with behind a proxy has named its client (see `reactor::accept_filter`). A client that
//! publishes faster than it may is not read from for a while (see `broker::read_gate`).
//!
//! A connection has at most `--max-outgoing-bytes` of output. When it is full, the publishers that
//! feed it are not read from (TCP holds them back), each for `--qos0-patience` at most; a client
//! that takes nothing for so long is marked slow: its publishers run free, QoS 0 for it is dropped
//! and counted, QoS 1 waits in its session (see `broker::output`). A full ring to another
//! shard, or no free receive buffer, pauses reading as well. When the disk is behind, or its space
//! low, publishers whose message needs it, on this shard or another, are not read from until it is
//! not; nothing is acknowledged that is not kept. Who asks for something else that the log must
//! know, a subscription say, waits when it is behind or nearly out of room (see
//! `broker::storage::shortage`).
//!
//! A session that is full drops messages, or blocks publishers (`--session-overflow`): those are
//! acknowledged when there is room, and meanwhile read from only while they have something to
//! acknowledge themselves, so that no circle of clients waits for itself (`broker::full_sessions`).
//!
//! A disk that is full to the last file is emptied by those who consume: messages leave a reserve
//! of files alone ([`limits::RESERVE_FILES`]), so that acknowledgements are written, a checkpoint
//! is taken as soon as it would free a segment, and it is named in the newest segment's header,
//! which is written over for that, rather than in the next one's.

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
