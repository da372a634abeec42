//! Messages of other shards about consumer groups.

use super::super::group::{DONE_BYTES, Done, LaneId};
use super::super::names::{Context, DEFAULT_VHOST, ShardId, ShardSet, VhostId};
use super::super::peer::{GroupMessage, MemberName, PeerMessage};
use super::Shard;
use super::group_life::Leave;

impl Shard {
    /// Handles a message of another shard about groups.
    pub(super) fn handle_group(
        &mut self,
        from: ShardId,
        vhost: VhostId,
        message: &GroupMessage<'_>,
        context: &mut Context<'_>,
    ) {
        match *message {
            GroupMessage::Join { session, membership, durable, weight, share } => {
                let who = (from, session, weight);
                self.handle_join(who, (vhost, share), membership, durable, context);
            }
            GroupMessage::Leave { session, unsubscribed, suspended, share } => {
                let how = match (unsubscribed, suspended) {
                    (true, _) => Leave::Unsubscribed,
                    (false, true) => Leave::Suspended,
                    (false, false) => Leave::Ended,
                };
                self.handle_leave(from, session, (vhost, share), how, context);
            }
            GroupMessage::Begin { member, credit, weight } => {
                self.handle_begin((from, member), credit, weight, context);
            }
            GroupMessage::Away { session } => self.handle_away(from, session, context),
            GroupMessage::Gone { session, ended } => {
                self.handle_gone(from, session, ended, context);
            }
            GroupMessage::Credit { member, count } => {
                self.handle_credit(from, member, count, context);
            }
            GroupMessage::Want { member } => {
                self.handle_want(from, member, context);
                self.send_wishes(context);
            }
            GroupMessage::Recall { member } => {
                let count = self
                    .peer_named(from, member)
                    .map_or(0, |at| self.groups.partition.take_credit(at));
                let message = PeerMessage::Group(GroupMessage::Return { member, count });
                message.send(DEFAULT_VHOST, ShardSet::of(from), context.peers);
            }
            GroupMessage::Return { member, count } => {
                self.handle_return(from, member, count, context);
                self.send_wishes(context);
            }
            GroupMessage::Full { member, full } => {
                if let Some(at) = self.peer_named(from, member) {
                    self.groups.partition.set_full(at, full);
                    self.serve(at, context);
                    self.send_wishes(context);
                }
            }
            GroupMessage::Work(work) => self.take_work(from, &work, context),
            GroupMessage::Done { answered } => {
                for done in answered.chunks_exact(DONE_BYTES) {
                    self.lane_answered(from, Done::read(done), context);
                }
                self.send_wishes(context);
            }
            GroupMessage::Forget { session, lane, number } => {
                self.handle_forget(from, session, LaneId(lane), number);
            }
        }
    }

    /// A member of another shard, if it still has this connection.
    fn peer_named(&self, from: ShardId, name: MemberName) -> Option<u32> {
        let at = self.groups.partition.peer_of(from, name.session)?;
        let peer = self.groups.partition.peer(at)?;
        (peer.incarnation == name.incarnation && peer.is_live).then_some(at)
    }

    fn handle_credit(
        &mut self,
        from: ShardId,
        name: MemberName,
        count: u32,
        context: &mut Context<'_>,
    ) {
        if let Some(at) = self.peer_named(from, name) {
            self.groups.partition.add_credit(at, count);
            self.serve(at, context);
            self.send_wishes(context);
        }
    }
}
