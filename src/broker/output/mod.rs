//! The output of connections that is not sent yet, and the publishers that wait for full outputs.
//!
//! ```text
//!          full                  patience over, nothing taken
//!  Free ─────────► Holding ─────────────────────────────────► Slow
//!   ▲                 │ low again, nobody waits                │ low again
//!   └─────────────────┴────────────────────────────────────────┘
//! ```
//! While a connection is `Holding`, the publishers that feed it are not read from, each for
//! `--qos0-patience` at most. When its output is low again, they go on in the order in which they
//! came, one at a time; a publisher that fills it again joins the end. A client that takes
//! something in each patience stays `Holding`. A client that takes nothing becomes `Slow`: its
//! publishers go on, QoS 0 for it is dropped, and QoS 1 waits in its session. The broker sees that
//! a client takes something when a send of about 256 KiB, or of all its output, ends.
//!
//! Invariant: a connection with output is on the list of dirty ones exactly once.
//!
//! Verbs: [`Outputs::reply`] and [`Outputs::write`] add packets, [`Outputs::take`] and
//! [`Outputs::on_sent`] remove them, [`Outputs::hold`] makes a publisher wait.
//!
//! May use `names`, `peer`, `read_gate` and `trace`.

mod aliases;
mod buffer;
mod format;
mod hold;
mod message;
mod pace;

use std::collections::VecDeque;

use crate::chunk::{Batch, ChunkPool};
use crate::limits::OUTGOING_BURST_FACTOR;
use crate::mqtt::{Delivery, QoS, SubscriptionId, Version};
use crate::store::Hashing;

use super::names::{ByKind, ByQos, ConnId, ConnTable, Options, ShardId, Stats};
use super::trace::Tap;

use buffer::Buffer;
use format::Format;
use pace::Pace;

pub(crate) use format::{FormatOptions, OwnCopy};
pub(crate) use message::{EncodeBuffers, Message, OutboundMessage, Source, put_properties};

/// The output of one connection, and its pace.
#[derive(Default, Debug)]
struct Outlet {
    buffer: Buffer,
    /// For a client of MQTT 5.
    format: Option<Box<Format>>,
    pace: Pace,
    /// QoS 0 messages dropped for it and not logged yet, plus the first one, which is logged at
    /// once; 0: none.
    qos0_dropped: u32,
    /// Bytes that were sent.
    sent_bytes: u64,
    /// Whether it is on the list of connections with output.
    dirty: bool,
    /// Whether its client is traced.
    traced: bool,
    /// Whether its output is held back.
    corked: bool,
}

/// The result of writing a QoS 0 message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Written {
    /// It is in the output; `full`: the output is full now.
    Yes { full: bool },
    /// It was dropped because the output is full; `first`: for the first time in a while.
    Dropped { first: bool },
    /// It is larger than the client allows, which counts as sent [MQTT-3.1.2-25] v5.
    TooLarge,
    /// The connection does not exist.
    Gone,
}

/// All outputs. See the module.
pub(crate) struct Outputs {
    shard: ShardId,
    /// `--max-outgoing-bytes`.
    bytes_max: usize,
    /// `--qos0-patience`.
    patience_ms: u64,
    /// The hash function for topics with aliases.
    hashing: Hashing,
    table: ConnTable<Outlet>,
    pool: ChunkPool,
    /// Connections with output to send; each once.
    dirty: Vec<ConnId>,
    /// Deadlines of patience, in order, because each patience takes the same time.
    patience: VecDeque<(u64, ConnId)>,
    /// Connections whose output is low again while publishers wait for them.
    relieving: VecDeque<ConnId>,
    /// Connections for which QoS 0 was dropped recently, each once.
    slow: Vec<ConnId>,
    /// Packets for traced clients.
    tap: Tap,
    /// Packets other than PUBLISH, by the upper half of their first byte.
    answers: ByKind,
    /// PUBLISHes above QoS 0.
    acknowledged: ByQos,
    /// Connections whose client is marked slow.
    slow_clients: u64,
    stats: Stats,
}

impl Outputs {
    /// Replaces the options. Waiting publishers go on no later than with the new patience, which
    /// keeps the deadlines in order.
    pub(crate) fn set_options(&mut self, options: &Options, now_ms: u64) {
        self.bytes_max = options.outgoing_bytes_max;
        self.patience_ms = options.qos0_patience_ms;
        let latest_ms = now_ms + self.patience_ms;
        for (deadline_ms, conn) in &mut self.patience {
            *deadline_ms = latest_ms.min(*deadline_ms);
            let pace = self.table.get_mut(*conn).map(|outlet| &mut outlet.pace);
            if let Some(Pace::Holding(holding)) = pace {
                holding.deadline_ms = latest_ms.min(holding.deadline_ms);
            }
        }
    }

    pub(crate) fn new(options: &Options) -> Self {
        Self {
            shard: options.shard,
            bytes_max: options.outgoing_bytes_max,
            patience_ms: options.qos0_patience_ms,
            hashing: Hashing::with_seed(options.seed),
            table: ConnTable::default(),
            pool: ChunkPool::default(),
            dirty: Vec::new(),
            patience: VecDeque::new(),
            relieving: VecDeque::new(),
            slow: Vec::new(),
            tap: Tap::default(),
            answers: ByKind::default(),
            acknowledged: ByQos::default(),
            slow_clients: 0,
            stats: Stats::default(),
        }
    }

    pub(crate) fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Adds its counts.
    pub(crate) fn add_stats(&self, sum: &mut Stats) {
        *sum += &self.stats;
        sum.add_answers(&self.answers);
        sum.publishes_out_qos1 += self.acknowledged[QoS::AtLeastOnce as usize];
        sum.publishes_out_qos2 += self.acknowledged[QoS::ExactlyOnce as usize];
    }

    /// Connections whose client is marked slow.
    pub(crate) fn slow_clients(&self) -> u64 {
        self.slow_clients
    }

    pub(crate) fn open(&mut self, conn: ConnId) {
        self.table.open(conn, Outlet::default());
    }

    /// Removes a connection and discards its output.
    pub(crate) fn remove(&mut self, conn: ConnId) {
        if let Some(mut outlet) = self.table.remove(conn) {
            self.slow_clients -= u64::from(matches!(outlet.pace, Pace::Slow));
            outlet.buffer.discard(&mut self.pool);
        }
    }

    /// Bytes that wait or are being sent.
    #[inline]
    pub(crate) fn bytes(&self, conn: ConnId) -> usize {
        self.table.get(conn).map_or(0, |outlet| outlet.buffer.bytes())
    }

    /// The size at which an output is full.
    #[inline]
    pub(crate) fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    /// Whether waiting messages of the session may be added: half of the output is kept for new
    /// ones.
    #[inline]
    pub(crate) fn is_low(&self, conn: ConnId) -> bool {
        self.bytes(conn) <= self.bytes_max / 2
    }

    /// As [`Outputs::reply`] for an acknowledgement: its size is known to the compiler.
    #[inline]
    pub(crate) fn reply_ack(&mut self, conn: ConnId, bytes: [u8; 4]) {
        self.append_reply(conn, &bytes);
    }

    /// Appends a reply of one packet.
    pub(crate) fn reply(&mut self, conn: ConnId, bytes: &[u8]) {
        self.append_reply(conn, bytes);
    }

    #[expect(clippy::inline_always, reason = "most replies are acknowledgements of one size")]
    #[inline(always)]
    fn append_reply(&mut self, conn: ConnId, bytes: &[u8]) {
        let Some(outlet) = self.table.get_mut(conn) else { return };
        outlet.buffer.room(bytes.len(), &mut self.pool).extend_from_slice(bytes);
        outlet.note_dirty(conn, &mut self.dirty);
        if outlet.traced {
            self.tap.note(conn, outlet.version(), bytes);
        }
        self.answers[usize::from(bytes[0] >> 4)] += 1;
    }

    /// Sets the format of a connection with an MQTT 5 client.
    pub(crate) fn set_format(&mut self, conn: ConnId, options: FormatOptions) {
        if let Some(outlet) = self.table.get_mut(conn) {
            outlet.format = Some(Box::new(Format::new(options)));
        }
    }

    /// A version whose packets, except for CONNACK, a connection's client understands.
    pub(crate) fn version(&self, conn: ConnId) -> Version {
        if self.format(conn).is_some() { Version::V5 } else { Version::V311 }
    }

    /// The limits of a connection's client, if it speaks MQTT 5.
    pub(crate) fn format(&self, conn: ConnId) -> Option<&FormatOptions> {
        self.table.get(conn)?.format.as_ref().map(|format| format.options())
    }

    /// Appends a PUBLISH that is encoded for one client; returns false if it is larger than the
    /// client allows.
    pub(crate) fn write_publish(&mut self, conn: ConnId, copy: &OwnCopy<'_>) -> bool {
        let Some(outlet) = self.table.get_mut(conn) else { return true };
        match &mut outlet.format {
            None => {
                let publish = copy.publish();
                let bytes = publish.encoded_bytes(Version::V311);
                publish.encode(Version::V311, outlet.buffer.room(bytes, &mut self.pool));
            }
            Some(format) => {
                let to = (&mut outlet.buffer, &mut self.pool);
                if !format.write(copy, None, &self.hashing, to) {
                    self.stats.publishes_too_large += 1;
                    return false;
                }
            }
        }
        outlet.note_dirty(conn, &mut self.dirty);
        if outlet.traced {
            self.tap.note_publish(conn, outlet.version(), &copy.publish());
        }
        self.stats.publishes_out += 1;
        self.acknowledged[copy.qos as usize] += 1;
        self.stats.payload_bytes_out += copy.payload.len() as u64;
        true
    }

    /// Appends a PUBLISH that the client must acknowledge; returns false if it is larger than the
    /// client allows.
    pub(crate) fn write(
        &mut self,
        conn: ConnId,
        qos: QoS,
        delivery: Delivery,
        identifiers: &[SubscriptionId],
        message: &mut OutboundMessage<'_>,
    ) -> bool {
        let Some(outlet) = self.table.get_mut(conn) else { return true };
        if !outlet.put(qos, delivery, identifiers, message, (&mut self.pool, &self.hashing)) {
            self.stats.publishes_too_large += 1;
            return false;
        }
        outlet.note_dirty(conn, &mut self.dirty);
        if outlet.traced {
            self.tap.note_publish(conn, outlet.version(), &message.packet(qos, delivery));
        }
        self.stats.publishes_out += 1;
        self.acknowledged[qos as usize] += 1;
        self.stats.payload_bytes_out += message.message.payload.len() as u64;
        true
    }

    /// Appends a QoS 0 PUBLISH, or drops it if the client is too slow. A retained message of a
    /// replay is not dropped: a replay is bounded and follows the pace of the output.
    #[inline]
    pub(crate) fn write_qos0(
        &mut self,
        conn: ConnId,
        retain: bool,
        identifiers: &[SubscriptionId],
        message: &mut OutboundMessage<'_>,
    ) -> Written {
        let Some(outlet) = self.table.get_mut(conn) else { return Written::Gone };
        let bytes = outlet.buffer.bytes();
        let is_slow = matches!(outlet.pace, Pace::Slow);
        let is_full = is_slow && bytes > self.bytes_max / 2
            || bytes >= self.bytes_max * OUTGOING_BURST_FACTOR;
        if is_full && !retain {
            self.stats.qos0_dropped_slow += 1;
            outlet.qos0_dropped = outlet.qos0_dropped.saturating_add(1);
            let first = outlet.qos0_dropped == 1;
            if first {
                self.slow.push(conn);
            }
            return Written::Dropped { first };
        }
        let delivery = Delivery { packet_id: None, dup: false, retain };
        let qos = QoS::AtMostOnce;
        if !outlet.put(qos, delivery, identifiers, message, (&mut self.pool, &self.hashing)) {
            self.stats.publishes_too_large += 1;
            return Written::TooLarge;
        }
        outlet.note_dirty(conn, &mut self.dirty);
        if outlet.traced {
            let packet = message.packet(QoS::AtMostOnce, delivery);
            self.tap.note_publish(conn, outlet.version(), &packet);
        }
        self.stats.publishes_out += 1;
        self.stats.payload_bytes_out += message.message.payload.len() as u64;
        Written::Yes { full: outlet.buffer.bytes() >= self.bytes_max }
    }

    /// The next connection with output to send.
    pub(crate) fn next_dirty(&mut self) -> Option<ConnId> {
        let conn = self.dirty.pop()?;
        if let Some(outlet) = self.table.get_mut(conn) {
            outlet.dirty = false;
        }
        Some(conn)
    }

    /// Takes the output of a connection; empty if there is none or it is corked. `spare` is an
    /// empty batch for reuse.
    pub(crate) fn take(&mut self, conn: ConnId, spare: Batch) -> Batch {
        match self.table.get_mut(conn) {
            Some(outlet) if outlet.buffer.is_waiting() && !outlet.corked => {
                outlet.buffer.take(spare)
            }
            _ => spare,
        }
    }

    /// Holds back a connection's output until [`Outputs::uncork`].
    pub(crate) fn cork(&mut self, conn: ConnId) {
        if let Some(outlet) = self.table.get_mut(conn) {
            outlet.corked = true;
        }
    }

    /// Sends a connection's output, beginning with what was held back.
    pub(crate) fn uncork(&mut self, conn: ConnId) {
        if let Some(outlet) = self.table.get_mut(conn) {
            outlet.corked = false;
            outlet.note_dirty(conn, &mut self.dirty);
        }
    }

    /// Whether a connection has output.
    pub(crate) fn is_waiting(&self, conn: ConnId) -> bool {
        self.table.get(conn).is_some_and(|outlet| outlet.buffer.is_waiting())
    }

    /// Notes that `bytes` of a connection's output were sent, so its client has taken something;
    /// returns false if the connection does not exist.
    pub(crate) fn on_sent(&mut self, conn: ConnId, bytes: usize) -> bool {
        let Some(outlet) = self.table.get_mut(conn) else { return false };
        outlet.buffer.sent(bytes);
        outlet.sent_bytes += bytes as u64;
        outlet.pace.note_taken();
        true
    }

    /// Bytes that were sent to a connection's client.
    pub(crate) fn sent_bytes(&self, conn: ConnId) -> u64 {
        self.table.get(conn).map_or(0, |outlet| outlet.sent_bytes)
    }

    /// Takes the connections for which QoS 0 was dropped since the last call.
    pub(crate) fn take_slow(&mut self) -> Vec<ConnId> {
        std::mem::take(&mut self.slow)
    }

    /// The number of connections that [`Outputs::take_slow`] returns.
    pub(crate) fn slow_count(&self) -> usize {
        self.slow.len()
    }

    /// Messages dropped for a connection since the last call, without the first one, which was
    /// logged at once.
    pub(crate) fn take_dropped(&mut self, conn: ConnId) -> u32 {
        let Some(outlet) = self.table.get_mut(conn) else { return 0 };
        std::mem::take(&mut outlet.qos0_dropped).saturating_sub(1)
    }

    /// Counts further drops for a connection without a log line for the first.
    pub(crate) fn expect_drops(&mut self, conn: ConnId) {
        if let Some(outlet) = self.table.get_mut(conn) {
            outlet.qos0_dropped = 1;
            self.slow.push(conn);
        }
    }

    /// Sets whether the packets for a connection are recorded.
    pub(crate) fn set_traced(&mut self, conn: ConnId, traced: bool) {
        if let Some(outlet) = self.table.get_mut(conn) {
            outlet.traced = traced;
        }
    }

    /// The recorded packets for traced clients.
    #[inline]
    pub(crate) fn tap(&mut self) -> &mut Tap {
        &mut self.tap
    }

    /// Free memory for output.
    pub(crate) fn pool(&mut self) -> &mut ChunkPool {
        &mut self.pool
    }

    /// Returns memory of `slots_max` connections at most; returns whether there is more to do.
    pub(crate) fn reclaim(&mut self, slots_max: usize) -> bool {
        self.pool.reclaim();
        self.dirty.shrink_to(0);
        self.patience.shrink_to(0);
        self.table.reclaim(slots_max)
    }
}

impl Outlet {
    /// A version whose packets, except for CONNACK, its client understands.
    fn version(&self) -> Version {
        if self.format.is_some() { Version::V5 } else { Version::V311 }
    }

    /// Adds a message; returns false if it is larger than the client allows.
    #[expect(
        clippy::inline_always,
        reason = "each message passes here, most of them by one of the callers"
    )]
    #[inline(always)]
    fn put(
        &mut self,
        qos: QoS,
        delivery: Delivery,
        identifiers: &[SubscriptionId],
        message: &mut OutboundMessage<'_>,
        (pool, hashing): (&mut ChunkPool, &Hashing),
    ) -> bool {
        let Some(format) = &mut self.format else {
            message.write(qos, delivery, &mut self.buffer, pool);
            return true;
        };
        let to = (format.as_mut(), hashing, &mut self.buffer);
        message.write_v5(qos, delivery, identifiers, to, pool)
    }

    #[inline]
    fn note_dirty(&mut self, conn: ConnId, dirty: &mut Vec<ConnId>) {
        if !std::mem::replace(&mut self.dirty, true) {
            dirty.push(conn);
        }
    }
}
