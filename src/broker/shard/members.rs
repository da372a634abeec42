//! Members of consumer groups whose sessions are here: their clients' messages, and the credit that
//! they give (see [`super::super::group`]).

use crate::limits::GROUP_DONE_MAX;
use crate::mqtt::{
    AckKind, Delivery as PacketOptions, PacketId, QoS, ReasonCode, SubscriptionId, TopicName,
};
use crate::store::SessionKey;

use super::super::delivery::DeliveryOptions;
use super::super::group::{Answered, DONE_BYTES, Done, Issued, LaneId, LeaseOf, Parked};
use super::super::names::{
    CloseReason, ConnId, Context, DEFAULT_VHOST, RouteHandle, ShardId, ShardSet,
};
use super::super::output::{Message, OutboundMessage, OwnCopy, Source};
use super::super::peer::{GroupMessage, MemberName, PeerMessage, Work};
use super::{Shard, lent};

/// The options of a member's subscription that apply to a copy.
#[derive(Clone, Copy)]
struct Terms {
    granted: QoS,
    identifier: Option<SubscriptionId>,
    retain_as_published: bool,
}

/// The result of giving a message to a member.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Taken {
    /// It was sent and will be answered.
    Sent,
    /// It needs no answer.
    Done,
    /// It waits for a packet identifier.
    Waits,
}

impl Shard {
    /// Whether a session's client has group messages to answer.
    pub(super) fn has_leases(&self, key: SessionKey) -> bool {
        self.groups.member(key).is_some_and(|member| member.in_flight() > 0)
    }

    /// Takes a message of a lane for a member here. A message for a connection that has ended is
    /// ignored: its lane sends it again.
    pub(super) fn take_work(&mut self, from: ShardId, work: &Work<'_>, context: &mut Context<'_>) {
        let MemberName { session: key, incarnation } = work.to;
        let Some(member) = self.groups.member_mut(key) else { return };
        let Some(conn) = member.conn.filter(|_| member.incarnation == incarnation) else { return };
        if work.qos == QoS::AtMostOnce {
            return self.take_qos0(from, conn, work, context);
        }
        let of = LeaseOf { shard: from, lane: LaneId(work.lane), number: work.number };
        member.note_sent(from);
        let has_parked = !member.parked.is_empty();
        let taken = if has_parked { Taken::Waits } else { self.write_work(conn, of, work) };
        match taken {
            Taken::Sent => {
                self.gates.note_to_acknowledge(conn);
                if from != self.options.shard && !self.outputs.is_low(conn) {
                    self.set_member_full(key, true, context);
                }
            }
            Taken::Done => self.finish(key, of, false, context),
            Taken::Waits => {
                let parked = Parked {
                    of,
                    membership: work.membership,
                    qos: work.qos,
                    retain: work.retain,
                    topic: work.topic.into(),
                    properties: work.properties.into(),
                    payload: work.payload.into(),
                };
                if let Some(member) = self.groups.member_mut(key) {
                    member.parked.push_back(parked);
                }
            }
        }
    }

    fn terms_of(&self, key: SessionKey, membership: u32) -> Terms {
        let member = self.groups.member(key);
        let found = member.and_then(|member| member.memberships.get(membership));
        found.map_or(
            // The client has unsubscribed meanwhile; its UNSUBACK waits behind this message.
            Terms { granted: QoS::AtLeastOnce, identifier: None, retain_as_published: false },
            |found| Terms {
                granted: found.granted,
                identifier: found.identifier,
                retain_as_published: found.retain_as_published,
            },
        )
    }

    /// Writes a message of a lane to the member's client.
    fn write_work(&mut self, conn: ConnId, of: LeaseOf, work: &Work<'_>) -> Taken {
        let key = work.to.session;
        let terms = self.terms_of(key, work.membership);
        let qos = work.qos.min(terms.granted);
        let (mut packet_id, mut dup) = (None, false);
        if qos > QoS::AtMostOnce {
            let queue = &self.catalog.session(key).queue;
            let Some(member) = self.groups.member_mut(key) else { return Taken::Done };
            match member.leases.issue(of, |id| queue.uses_identifier(id)) {
                Issued::Send { packet_id: id, again } => (packet_id, dup) = (Some(id), again),
                Issued::Settled => return Taken::Done,
                Issued::None => return Taken::Waits,
            }
        }
        let retain = work.retain && terms.retain_as_published;
        let copy = OwnCopy {
            topic: TopicName::parse(work.topic).expect("it was checked when it came"),
            route: RouteHandle::default(),
            qos,
            delivery: PacketOptions { packet_id, dup, retain },
            identifiers: terms.identifier.as_slice(),
            properties: work.properties,
            payload: work.payload,
        };
        let is_written = self.outputs.write_publish(conn, &copy);
        let Some(id) = packet_id else { return Taken::Done };
        if !is_written {
            // [MQTT-3.1.2-25] v5: it is too large for this member and is not given to another.
            if let Some(member) = self.groups.member_mut(key) {
                member.leases.answer(id);
            }
            return Taken::Done;
        }
        self.delivery.note_sent(conn, id.get(), dup, &self.meters);
        Taken::Sent
    }

    /// Takes a QoS 0 message for a member here.
    fn take_qos0(
        &mut self,
        from: ShardId,
        conn: ConnId,
        work: &Work<'_>,
        context: &mut Context<'_>,
    ) {
        let key = work.to.session;
        let terms = self.terms_of(key, work.membership);
        let publisher = (work.lane != u64::MAX).then(|| {
            let bits = |at: u32| u32::try_from(work.lane >> at & 0xffff_ffff).expect("32 bits");
            ConnId { slot: bits(32), generation: bits(0) }
        });
        let source = match publisher {
            Some(publisher) if from == self.options.shard => Source::Here(publisher),
            Some(publisher) => Source::There(from, publisher),
            None => Source::Nobody,
        };
        let message = Message {
            topic: TopicName::parse(work.topic).expect("it was checked when it came"),
            properties: work.properties,
            payload: work.payload,
            qos: QoS::AtMostOnce,
            retain: work.retain,
        };
        let time_ms = self.time_ms(context.now_ms);
        let encode = &mut self.publishing.working().encode;
        let mut outbound = OutboundMessage::new(&message, time_ms, encode);
        let retain = work.retain && terms.retain_as_published;
        let identifiers = terms.identifier.as_slice();
        let options = DeliveryOptions { retain, source, identifiers, keeps_identifiers: false };
        let session = self.catalog.session(key);
        self.delivery.deliver_qos0(session, &mut outbound, options, lent!(self), context);
        if !self.outputs.is_low(conn) {
            self.set_member_full(key, true, context);
        }
    }

    /// Tells every shard whether a member's output is full.
    pub(super) fn set_member_full(
        &mut self,
        key: SessionKey,
        full: bool,
        context: &mut Context<'_>,
    ) {
        let Some(member) = self.groups.member_mut(key) else { return };
        if member.is_full == full {
            return;
        }
        member.is_full = full;
        let incarnation = member.incarnation;
        if let Some(at) = self.groups.partition.peer_of(self.options.shard, key) {
            self.groups.partition.set_full(at, full);
        }
        let member = MemberName { session: key, incarnation };
        let message = PeerMessage::Group(GroupMessage::Full { member, full });
        self.send_to_all(DEFAULT_VHOST, &message, context);
    }

    /// Resumes a member whose output may have room again, or takes back unused credit that its
    /// session's own messages may need.
    pub(super) fn resume_member(&mut self, key: SessionKey, context: &mut Context<'_>) {
        let Some(member) = self.groups.member(key) else { return };
        let Some(conn) = member.conn else { return };
        let (is_full, is_limited) = (member.is_full, member.is_limited);
        if is_full && self.outputs.is_low(conn) {
            self.set_member_full(key, false, context);
            self.give_credit(key, context);
            if let Some(at) = self.groups.partition.peer_of(self.options.shard, key) {
                self.serve(at, context);
            }
            self.send_wishes(context);
        }
        if is_limited && self.catalog.session(key).queue.waiting() > 0 {
            self.recall_credit(key, true, context);
        } else if is_limited {
            self.give_credit(key, context);
            self.send_wishes(context);
        }
    }

    /// Handles a client's answer to a group message; returns whether it was one.
    pub(super) fn answer_lease(
        &mut self,
        conn: ConnId,
        key: SessionKey,
        (packet_id, reason): (PacketId, ReasonCode),
        kind: AckKind,
        context: &mut Context<'_>,
    ) -> bool {
        let Some(member) = self.groups.member_mut(key) else { return false };
        if !member.leases.uses(packet_id.get()) {
            return false;
        }
        if kind != AckKind::Puback {
            self.close(conn, CloseReason::WrongAnswer, context);
            return true;
        }
        let answered = member.leases.answer(packet_id);
        if let Some(stamp) = self.delivery.take_timed(conn, packet_id) {
            self.meters.note_client_ack(stamp);
        }
        match answered {
            Some(Answered::Sent(of)) => self.finish(key, of, reason.is_error(), context),
            Some(Answered::Late(of)) => self.tell_done(key, of, (true, reason.is_error()), context),
            None => {}
        }
        if self.catalog.session(key).queue.waiting() > 0 {
            self.make_progress(conn, context);
        }
        self.send_wishes(context);
        true
    }

    /// Finishes a message that was counted as sent: tells its shard, and renews the credit that it
    /// used.
    fn finish(&mut self, key: SessionKey, of: LeaseOf, refused: bool, context: &mut Context<'_>) {
        let here = self.options.shard;
        let Some(member) = self.groups.member_mut(key) else { return };
        member.note_answered(of.shard);
        let (conn, is_limited) = (member.conn, member.is_limited);
        if is_limited && let Some(conn) = conn {
            // The session's own messages come first: groups have other members.
            self.update_leased(key);
            if self.catalog.session(key).queue.waiting() > 0 {
                self.make_progress(conn, context);
            }
        }
        let own = if is_limited { self.own_in_flight(key) } else { 0 };
        let Some(member) = self.groups.member_mut(key) else { return };
        let renewed = member.renew(of.shard, 1, own);
        if of.shard == here {
            if let Some(at) = self.groups.partition.peer_of(here, key) {
                self.groups.partition.add_credit(at, renewed);
            }
            self.tell_done(key, of, (false, refused), context);
            if let Some(at) = self.groups.partition.peer_of(here, key) {
                self.serve(at, context);
            }
        } else {
            self.groups.add_renewed(of.shard, key, renewed);
            self.tell_done(key, of, (false, refused), context);
        }
        self.unpark(key, context);
        self.give_credit(key, context);
        self.reserve_leases(key);
    }

    fn own_in_flight(&self, key: SessionKey) -> u32 {
        self.catalog.session(key).queue.unacked()
    }

    /// Tells a lane's shard about an answer.
    fn tell_done(
        &mut self,
        key: SessionKey,
        of: LeaseOf,
        (late, refused): (bool, bool),
        context: &mut Context<'_>,
    ) {
        let Some(member) = self.groups.member(key) else { return };
        let incarnation = member.incarnation;
        let done =
            Done { session: key, incarnation, lane: of.lane, number: of.number, late, refused };
        if of.shard == self.options.shard {
            self.lane_answered(of.shard, done, context);
        } else {
            self.groups.add_done(of.shard, done);
        }
    }

    /// Lets the member's shard forget a late answer: the lane has processed it.
    pub(super) fn forget_lease(&mut self, shard: ShardId, done: Done, context: &mut Context<'_>) {
        let Done { session, lane, number, .. } = done;
        if shard == self.options.shard {
            self.handle_forget(shard, session, lane, number);
        } else {
            let message = GroupMessage::Forget { session, lane: lane.0, number };
            let message = PeerMessage::Group(message);
            message.send(DEFAULT_VHOST, ShardSet::of(shard), context.peers);
        }
    }

    pub(super) fn handle_forget(
        &mut self,
        from: ShardId,
        key: SessionKey,
        lane: LaneId,
        number: u32,
    ) {
        if let Some(member) = self.groups.member_mut(key) {
            member.leases.forget(LeaseOf { shard: from, lane, number });
        }
    }

    /// Another shard has messages for a member here, and no credit.
    pub(super) fn handle_want(
        &mut self,
        from: ShardId,
        name: MemberName,
        context: &mut Context<'_>,
    ) {
        let MemberName { session: key, incarnation } = name;
        let Some(member) = self.groups.member_mut(key) else { return };
        if member.incarnation == incarnation && member.conn.is_some() {
            member.want(from);
            self.give_credit(key, context);
        }
    }

    /// Gives the available credit to the shards that want it. If there is none, asks the shards
    /// that do not use theirs.
    pub(super) fn give_credit(&mut self, key: SessionKey, context: &mut Context<'_>) {
        let own = self.groups.member(key).is_some_and(|member| member.is_limited);
        let own = if own { self.own_in_flight(key) } else { 0 };
        let Some(member) = self.groups.member_mut(key) else { return };
        let (here, mut here_got) = (self.options.shard, 0);
        let mut others = [(ShardId(0), 0); 64];
        let mut count = 0;
        member.distribute(own, |shard, got| {
            if shard == here {
                here_got = got;
            } else {
                others[count] = (shard, got);
                count += 1;
            }
        });
        for (shard, count) in &others[..count] {
            self.groups.add_renewed(*shard, key, *count);
        }
        self.update_leased(key);
        if here_got > 0
            && let Some(at) = self.groups.partition.peer_of(here, key)
        {
            self.groups.partition.add_credit(at, here_got);
            self.serve(at, context);
        }
        self.recall_credit(key, false, context);
    }

    /// Makes a shard return unused credit, if it is wanted.
    fn recall_credit(&mut self, key: SessionKey, own: bool, context: &mut Context<'_>) {
        let Some(member) = self.groups.member_mut(key) else { return };
        let incarnation = member.incarnation;
        let Some(shard) = member.recall(own) else { return };
        let name = MemberName { session: key, incarnation };
        if shard != self.options.shard {
            // It returns what it has got.
            self.send_renewed(shard, key, context);
            let message = PeerMessage::Group(GroupMessage::Recall { member: name });
            return message.send(DEFAULT_VHOST, ShardSet::of(shard), context.peers);
        }
        let at = self.groups.partition.peer_of(shard, key);
        let count = at.map_or(0, |at| self.groups.partition.take_credit(at));
        self.handle_return(shard, name, count, context);
    }

    /// Handles credit that a shard returns.
    pub(super) fn handle_return(
        &mut self,
        from: ShardId,
        name: MemberName,
        count: u32,
        context: &mut Context<'_>,
    ) {
        let MemberName { session: key, incarnation } = name;
        let Some(member) = self.groups.member_mut(key) else { return };
        let Some(conn) = member.conn.filter(|_| member.incarnation == incarnation) else { return };
        let is_limited = member.is_limited;
        if !member.note_returned(from, count) {
            return;
        }
        if is_limited {
            self.update_leased(key);
            if self.catalog.session(key).queue.waiting() > 0 {
                self.make_progress(conn, context);
            }
        }
        self.give_credit(key, context);
    }

    /// Tells the delivery of the session's own messages which part of the Receive Maximum groups
    /// have.
    pub(super) fn update_leased(&mut self, key: SessionKey) {
        if let Some(member) = self.groups.member(key)
            && let Some(conn) = member.conn
            && member.is_limited
        {
            let granted = u16::try_from(member.granted()).unwrap_or(u16::MAX);
            self.delivery.set_leased(conn, granted);
        }
    }

    /// Sends messages that waited for a packet identifier, as far as identifiers are free now.
    fn unpark(&mut self, key: SessionKey, context: &mut Context<'_>) {
        while let Some(member) = self.groups.member_mut(key)
            && let Some(conn) = member.conn
            && let Some(parked) = member.parked.pop_front()
        {
            let incarnation = member.incarnation;
            let work = Work {
                to: MemberName { session: key, incarnation },
                membership: parked.membership,
                lane: parked.of.lane.0,
                number: parked.of.number,
                retain: parked.retain,
                qos: parked.qos,
                topic: &parked.topic,
                properties: &parked.properties,
                payload: &parked.payload,
            };
            match self.write_work(conn, parked.of, &work) {
                Taken::Sent => {}
                Taken::Done => self.finish(key, parked.of, false, context),
                Taken::Waits => {
                    if let Some(member) = self.groups.member_mut(key) {
                        member.parked.push_front(parked);
                    }
                    return;
                }
            }
        }
    }

    /// Reserves numbers of leases for a durable session that has few left.
    pub(super) fn reserve_leases(&mut self, key: SessionKey) {
        let Some(member) = self.groups.member_mut(key) else { return };
        if let Some(below) = member.leases.wants_reserved() {
            self.catalog.reserve_leases(key, below, &mut self.logs);
            member.leases.note_reserving(self.logs.disk.appended(), below);
            self.groups.reserving.push(key);
        }
    }

    /// Allows the use of committed numbers of leases.
    pub(super) fn end_reserving(&mut self, context: &mut Context<'_>) {
        let committed = self.logs.disk.committed();
        for key in std::mem::take(&mut self.groups.reserving) {
            let Some(member) = self.groups.member_mut(key) else { continue };
            member.leases.note_committed(committed);
            if member.leases.is_reserving() {
                self.groups.reserving.push(key);
            } else {
                self.unpark(key, context);
                self.give_credit(key, context);
            }
        }
        self.send_wishes(context);
    }

    /// Sends other shards the answers of members here and their new credit.
    pub(super) fn flush_groups(&mut self, context: &mut Context<'_>) {
        while let Some(conn) = self.delivery.next_squeezed() {
            if let Some(key) = self.connections.session(conn) {
                self.recall_credit(key, true, context);
            }
        }
        if !self.groups.has_news() {
            return;
        }
        for shard in self.groups.shards_with_done().iter() {
            let answered = self.groups.take_done(shard);
            for answered in answered.chunks(GROUP_DONE_MAX * DONE_BYTES) {
                let message = PeerMessage::Group(GroupMessage::Done { answered });
                message.send(DEFAULT_VHOST, ShardSet::of(shard), context.peers);
            }
            self.groups.recycle_done(shard, answered);
        }
        while let Some((shard, key)) = self.groups.next_renewed() {
            self.send_renewed(shard, key, context);
        }
    }

    /// Sends a shard the credit that a member here has added for it.
    fn send_renewed(&mut self, shard: ShardId, key: SessionKey, context: &mut Context<'_>) {
        let Some(member) = self.groups.member_mut(key) else { return };
        let (count, incarnation) = (member.take_renewed(shard), member.incarnation);
        if count > 0 {
            let member = MemberName { session: key, incarnation };
            let message = PeerMessage::Group(GroupMessage::Credit { member, count });
            message.send(DEFAULT_VHOST, ShardSet::of(shard), context.peers);
        }
    }
}
