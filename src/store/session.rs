//! Sessions: state that outlives a connection (3.1.2.4), namely subscriptions and messages that are
//! not acknowledged.
//!
//! The state of a session in a checkpoint, after its key:
//!
//! | bytes | what |
//! |---|---|
//! | 2 | vhost |
//! | 8 | serial: the mark of the record that opened it (see [`super::Log::mark_of`]) |
//! | 8 | when its client left, milliseconds of the time line; 0: connected; bits 61 up: see below |
//! | *text* | client id |
//! | *text* | user name of its owner; empty: none |
//! | | subscriptions: number *v*, then for each options (see `subscription`), filter *text* |
//! | | received: number *v*, then packet identifiers 2 |
//! | rest | queue (see `queue`) |
//!
//! If bit 63 is set, the settings for the time after its connection precede the subscriptions:
//! expiry interval *v* (0 the broker's default, else seconds + 1), will *bytes* (see `will`; empty:
//! none). If bit 62 is set, the bound of its reserved leases *v* precedes the subscriptions (see
//! [`Session::leases_below`]). If bit 61 is set, `identified_from` follows the subscriptions.
//!
//! A *lane* is a session without a client: a part of the backlog of a consumer group. Its client id
//! begins with U+0000, which no client's id contains [MQTT-1.5.4-2].

use std::collections::BTreeSet;
use std::num::NonZero;

use compact_str::CompactString;

use super::cursor::{Cursor, put_bytes, put_varint};
use super::identified_from::IdentifiedFrom;
use super::queue::Queue;
use super::subscription::SubscriptionOptions;
use super::subscriptions::Subscriptions;
use super::will::{KeptWill, Will};

/// The bit of the time in a session's state that announces settings.
const HAS_MORE: u64 = 1 << 63;

/// The bit that announces reserved leases.
const HAS_LEASES: u64 = 1 << 62;

/// The bit that announces filters with the number from which they are identified.
const HAS_IDENTIFIED_FROM: u64 = 1 << 61;

/// The first character of the names of lanes.
pub(super) const LANE: char = '\0';

/// The most messages that a lane keeps unpacked; further ones wait packed.
const LANE_NEAR_MAX: u64 = 1024;

/// The connection that uses a session now, as named by its owner.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Holder(pub NonZero<u64>);

/// See the file.
#[derive(Debug)]
pub struct Session {
    /// The client id, unique in its vhost.
    pub client_id: CompactString,
    /// The number of the vhost.
    pub vhost: u16,
    /// Whether it ends with its connection and is not on disk.
    pub clean: bool,
    /// Whether its acknowledgements wait to be appended.
    pub(super) noted: bool,
    /// The connection of its client.
    pub holder: Option<Holder>,
    /// The time at which its client left, in milliseconds of the log's time line; 0: connected.
    pub left_ms: u64,
    /// A number that no other session of the shard ever has, not even one that a crash undid. Other
    /// shards know the QoS 2 messages of its client by it.
    pub serial: u64,
    /// Its filters.
    pub subscriptions: Subscriptions,
    /// Messages that its client must still acknowledge.
    pub queue: Queue,
    rare: Option<Box<Rare>>,
    /// The number of messages that were dropped because it was full.
    pub dropped: u32,
    /// The bytes of its queue that are counted with those of its vhost.
    pub(super) counted_bytes: u64,
}

/// Fields that many sessions do not need.
#[derive(Default, Debug)]
struct Rare {
    /// Identifiers of QoS 2 messages that were routed and are not released; they are not routed
    /// again [MQTT-4.3.3-2].
    received: BTreeSet<u16>,
    /// The user that owns it; empty: none.
    owner: CompactString,
    /// The number below which messages were queued under other access rules or for another user.
    screened_below: u64,
    /// Whether waiting messages must not be sent.
    withheld: bool,
    /// Whether it has its own expiry interval, in seconds.
    has_expiry: bool,
    expiry_s: u32,
    /// The will that is published some time after its client has left.
    will: Option<Box<KeptWill>>,
    /// See [`Session::leases_below`].
    leases_below: u64,
    /// See [`Session::may_carry`].
    identified_from: Option<Box<IdentifiedFrom>>,
}

impl Session {
    pub(super) fn new(client_id: &str, vhost: u16, clean: bool) -> Self {
        Self {
            client_id: client_id.into(),
            vhost,
            clean,
            noted: false,
            holder: None,
            left_ms: 0,
            serial: 0,
            subscriptions: Subscriptions::default(),
            queue: if clean { Queue::volatile() } else { Queue::default() },
            rare: None,
            dropped: 0,
            counted_bytes: 0,
        }
    }

    /// Whether it is a part of a consumer group's backlog and has no client.
    #[inline]
    pub fn is_lane(&self) -> bool {
        self.client_id.as_bytes().first() == Some(&0)
    }

    /// Whether a message for it stays unpacked: its client is connected, or it is a lane with few.
    #[inline]
    pub(super) fn is_near(&self) -> bool {
        self.holder.is_some() || self.queue.waiting() < LANE_NEAR_MAX && self.is_lane()
    }

    /// The bound of the lease numbers for messages of consumer groups to its client; no number from
    /// this on was ever used (see [`super::Catalog::reserve_leases`]).
    pub fn leases_below(&self) -> u64 {
        self.rare.as_ref().map_or(0, |rare| rare.leases_below)
    }

    /// Of a lane: a message's number, and how many members were lost with it one after the other
    /// (see [`super::Catalog::note_losses`]). It stands where clients' sessions have their leases.
    pub fn losses(&self) -> Option<(u64, u8)> {
        let noted = Some(self.leases_below()).filter(|noted| self.is_lane() && *noted > 0)?;
        Some((noted >> 8, u8::try_from(noted & 0xff).expect("8 bits")))
    }

    pub(super) fn set_leases_below(&mut self, below: u64) {
        if self.leases_below() != below {
            self.rare.get_or_insert_default().leases_below = below;
            self.forget_rare();
        }
    }

    /// The user that owns it, if any.
    pub fn owner(&self) -> Option<&str> {
        let owner = self.rare.as_ref().map(|rare| rare.owner.as_str());
        owner.filter(|owner| !owner.is_empty())
    }

    pub(super) fn set_owner(&mut self, user: &str) {
        if self.owner().unwrap_or_default() != user {
            self.rare.get_or_insert_default().owner = user.into();
            self.forget_rare();
        }
    }

    /// Names it uniquely: this store never opens another session with the same epoch, not even for
    /// the same client. The numbers of its queue's messages belong to it (see `queue`). 0: it is
    /// clean.
    pub fn epoch(&self) -> u64 {
        self.serial
    }

    /// The seconds for which it is kept after its client has left; [`u32::MAX`]: forever; `None`:
    /// the broker's default.
    pub fn expiry_s(&self) -> Option<u32> {
        self.rare.as_ref().filter(|rare| rare.has_expiry).map(|rare| rare.expiry_s)
    }

    /// Whether it ends when its client leaves. A durable session of that kind is recovered after a
    /// restart and must be ended then.
    pub fn ends_with_connection(&self) -> bool {
        self.clean || self.expiry_s() == Some(0)
    }

    pub(super) fn set_expiry(&mut self, interval_s: Option<u32>) {
        if self.expiry_s() != interval_s {
            let rare = self.rare.get_or_insert_default();
            rare.has_expiry = interval_s.is_some();
            rare.expiry_s = interval_s.unwrap_or(0);
            self.forget_rare();
        }
    }

    /// The will that is kept with it.
    pub fn will(&self) -> Option<Will<'_>> {
        self.kept_will().map(KeptWill::get)
    }

    fn kept_will(&self) -> Option<&KeptWill> {
        self.rare.as_ref()?.will.as_deref()
    }

    /// Replaces its will; returns whether it has one now or had one.
    pub(super) fn set_will(&mut self, will: Option<&Will<'_>>) -> bool {
        let had_any = self.rare.as_ref().is_some_and(|rare| rare.will.is_some());
        if will.is_some() || had_any {
            let will = will.map(|will| Box::new(KeptWill::new(will)));
            self.rare.get_or_insert_default().will = will;
            self.forget_rare();
        }
        will.is_some() || had_any
    }

    /// Sets the grant of a filter; `None` if it may not have another filter.
    pub(super) fn subscribe(&mut self, filter: &str, options: SubscriptionOptions) -> Option<()> {
        let has_now = options.identifier > 0;
        let is_changed = (has_now || self.rare.is_some()) && {
            let before = self.subscriptions.get(filter);
            before.is_some_and(|before| before.identifier > 0) != has_now
        };
        self.subscriptions.set(filter, options)?;
        if is_changed {
            self.set_identified_from(filter, has_now);
        }
        Some(())
    }

    /// Removes a filter; returns whether it was there.
    pub(super) fn unsubscribe(&mut self, filter: &str) -> bool {
        self.set_identified_from(filter, false);
        self.subscriptions.remove(filter)
    }

    /// Whether the message of its queue with this number may carry the identifier of a filter that
    /// matches it: the filter had one when the message came.
    pub fn may_carry(&self, filter: &str, number: u64) -> bool {
        let from = self.rare.as_ref().and_then(|rare| rare.identified_from.as_ref());
        from.is_none_or(|from| from.includes(filter, number))
    }

    /// Notes that a filter has an identifier from now on, or none.
    fn set_identified_from(&mut self, filter: &str, has_identifier: bool) {
        self.forget_identified_from();
        if has_identifier && !self.queue.is_empty() {
            let number = self.queue.end();
            let rare = self.rare.get_or_insert_default();
            rare.identified_from.get_or_insert_default().set(filter, number);
        } else if let Some(rare) = &mut self.rare
            && let Some(from) = &mut rare.identified_from
        {
            from.remove(filter);
            self.forget_identified_from();
        }
    }

    /// Forgets from when on filters are identified, if all messages that came before are complete.
    pub(super) fn forget_identified_from(&mut self) {
        let Some(rare) = &mut self.rare else { return };
        let Some(from) = &rare.identified_from else { return };
        if from.is_past(self.queue.first()) {
            rare.identified_from = None;
            self.forget_rare();
        }
    }

    /// Copies the numbers from which another session's filters are identified. The messages have
    /// the same numbers in both.
    pub(super) fn adopt_identified_from(&mut self, other: &Self) {
        let from = other.rare.as_ref().and_then(|rare| rare.identified_from.as_ref());
        if let Some(from) = from {
            self.rare.get_or_insert_default().identified_from = Some(from.clone());
        }
    }

    /// Notes a change of access rules or of its user: waiting messages must be checked again.
    pub(super) fn screen_waiting(&mut self) {
        if !self.queue.is_empty() {
            self.rare.get_or_insert_default().screened_below = self.queue.end();
        }
    }

    /// Whether the message with this number, which is about to be sent, must be checked.
    pub(super) fn must_screen(&mut self, number: u64) -> bool {
        let Some(rare) = &mut self.rare else { return false };
        if self.queue.first() >= rare.screened_below {
            rare.screened_below = 0;
            self.forget_rare();
            return false;
        }
        number < rare.screened_below
    }

    /// Sets whether waiting messages are withheld, because its client may read none of its
    /// subscriptions.
    pub(super) fn withhold(&mut self, withheld: bool) {
        if self.is_withheld() != withheld {
            self.rare.get_or_insert_default().withheld = withheld;
            self.forget_rare();
        }
    }

    /// Whether waiting messages are withheld.
    pub fn is_withheld(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.withheld)
    }

    /// Whether a QoS 2 message with this identifier came before.
    pub fn has_received(&self, packet_id: u16) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.received.contains(&packet_id))
    }

    /// Identifiers of QoS 2 messages that were received and are not released, in order.
    pub fn received(&self) -> impl ExactSizeIterator<Item = u16> {
        const NONE: &BTreeSet<u16> = &BTreeSet::new();
        self.rare.as_ref().map_or(NONE, |rare| &rare.received).iter().copied()
    }

    /// Notes the identifier of a QoS 2 message; returns whether it is new.
    pub(super) fn receive(&mut self, packet_id: u16) -> bool {
        self.rare.get_or_insert_default().received.insert(packet_id)
    }

    /// Frees an identifier; returns whether it was in use.
    pub(super) fn free(&mut self, packet_id: u16) -> bool {
        let rare = self.rare.as_mut();
        let was = rare.is_some_and(|rare| rare.received.remove(&packet_id));
        self.forget_rare();
        was
    }

    fn forget_rare(&mut self) {
        let nothing = |rare: &Rare| {
            let Rare { received, owner, screened_below, withheld, has_expiry, will, .. } = rare;
            let has_leases = rare.leases_below > 0;
            let is_identified = rare.identified_from.is_some();
            received.is_empty()
                && owner.is_empty()
                && *screened_below == 0
                && !withheld
                && !has_expiry
                && will.is_none()
                && !has_leases
                && !is_identified
        };
        if self.rare.as_deref().is_some_and(nothing) {
            self.rare = None;
        }
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.vhost.to_le_bytes());
        out.extend_from_slice(&self.serial.to_le_bytes());
        let (expiry_s, will) = (self.expiry_s(), self.will());
        let has_more = expiry_s.is_some() || will.is_some();
        let bit = |set: bool, bit: u64| if set { bit } else { 0 };
        let leases_below = self.leases_below();
        let identified_from = self.rare.as_ref().and_then(|rare| rare.identified_from.as_ref());
        let flags = bit(has_more, HAS_MORE)
            | bit(leases_below > 0, HAS_LEASES)
            | bit(identified_from.is_some(), HAS_IDENTIFIED_FROM);
        out.extend_from_slice(&(self.left_ms | flags).to_le_bytes());
        put_bytes(out, self.client_id.as_bytes());
        put_bytes(out, self.owner().unwrap_or_default().as_bytes());
        if has_more {
            put_varint(out, expiry_s.map_or(0, |seconds| u64::from(seconds) + 1));
            put_bytes(out, self.kept_will().map_or(&[], KeptWill::bytes));
        }
        if leases_below > 0 {
            put_varint(out, leases_below);
        }
        self.subscriptions.encode(out);
        if let Some(from) = identified_from {
            from.encode(out);
        }
        put_varint(out, self.received().len() as u64);
        self.received().for_each(|packet_id| out.extend_from_slice(&packet_id.to_le_bytes()));
        self.queue.encode(out);
    }

    pub(super) fn decode(mut state: Cursor<'_>) -> Option<Self> {
        let (vhost, serial, flagged) = (state.u16()?, state.u64()?, state.u64()?);
        let left_ms = flagged & !(HAS_MORE | HAS_LEASES | HAS_IDENTIFIED_FROM);
        let mut session = Self::new(state.text()?, vhost, false);
        (session.serial, session.left_ms) = (serial, left_ms);
        session.set_owner(state.text()?);
        if flagged & HAS_MORE != 0 {
            let interval_s = state.varint()?.checked_sub(1).map(u32::try_from);
            session.set_expiry(interval_s.transpose().ok()?);
            let will = state.bytes()?;
            if !will.is_empty() {
                session.set_will(Some(&Will::read(&mut Cursor(will))?));
            }
        }
        if flagged & HAS_LEASES != 0 {
            session.set_leases_below(state.varint()?);
        }
        session.subscriptions = Subscriptions::decode(&mut state)?;
        if flagged & HAS_IDENTIFIED_FROM != 0 {
            let from = Box::new(IdentifiedFrom::decode(&mut state)?);
            session.rare.get_or_insert_default().identified_from = Some(from);
        }
        for _ in 0..state.varint()? {
            session.receive(state.u16()?);
        }
        session.queue = Queue::decode(&mut state)?;
        state.is_empty().then_some(session)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A session with one filter and no connected client is small.
    #[test]
    fn is_small() {
        assert!(size_of::<Session>() <= 168, "{}", size_of::<Session>());
        // With the heap's head before it, that is six times 16 bytes.
        assert!(size_of::<Rare>() <= 88, "{}", size_of::<Rare>());
    }

    /// A value that is set is kept, and one that is not set takes no memory; the interval 0 is a
    /// value.
    #[test]
    fn keeps_what_it_has_for_afterwards() {
        let mut session = Session::new("a", 0, false);
        assert!(!session.ends_with_connection() && !session.set_will(None));
        assert!(session.rare.is_none());
        for interval_s in [Some(0), Some(1), Some(u32::MAX), None] {
            session.set_expiry(interval_s);
            assert_eq!(session.expiry_s(), interval_s);
            assert_eq!(session.ends_with_connection(), interval_s == Some(0));
        }
        assert!(session.rare.is_none());
        let will =
            Will { topic: "t", payload: b"p", properties: &[], qos: 1, retain: false, delay_s: 5 };
        assert!(session.set_will(Some(&will)));
        session.set_expiry(Some(7));
        session.set_owner("ann");
        assert_eq!((session.will(), session.expiry_s()), (Some(will), Some(7)));
        assert!(session.set_will(None) && session.will().is_none());
        session.set_owner("");
        session.set_expiry(None);
        assert!(session.rare.is_none());
    }
}
