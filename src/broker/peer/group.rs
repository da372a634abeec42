//! Messages between shards about consumer groups.
//!
//! A member is named by its shard, its session there, and the number of its connection.

use crate::mqtt::QoS;
use crate::store::SessionKey;

use super::super::names::ConnId;
use super::layout::{Layout, QOS_BITS, RETAIN, flag};

/// The first byte of each kind of message.
mod kind {
    pub(super) const JOIN: u8 = 32;
    pub(super) const LEAVE: u8 = 33;
    pub(super) const BEGIN: u8 = 34;
    pub(super) const AWAY: u8 = 35;
    pub(super) const GONE: u8 = 36;
    pub(super) const CREDIT: u8 = 37;
    pub(super) const WANT: u8 = 38;
    pub(super) const RECALL: u8 = 39;
    pub(super) const RETURN: u8 = 40;
    pub(super) const FULL: u8 = 41;
    pub(super) const WORK: u8 = 42;
    pub(super) const DONE: u8 = 43;
    pub(super) const FORGET: u8 = 44;
    pub(super) const LAST: u8 = FORGET;
}

pub(super) fn is_kind(kind: u8) -> bool {
    (kind::JOIN..=kind::LAST).contains(&kind)
}

/// A member's session, and its connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct MemberName {
    pub(crate) session: SessionKey,
    pub(crate) incarnation: u32,
}

impl MemberName {
    fn put(self) -> ConnId {
        ConnId { slot: self.session, generation: self.incarnation }
    }

    fn of(conn: ConnId) -> Self {
        Self { session: conn.slot, incarnation: conn.generation }
    }
}

/// A message for a member.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Work<'a> {
    pub(crate) to: MemberName,
    /// The number of its subscription.
    pub(crate) membership: u32,
    /// The lane and the low bits of the message's number there. At QoS 0 there is no lane: then
    /// this is the publisher's connection, or `u64::MAX`.
    pub(crate) lane: u64,
    pub(crate) number: u32,
    pub(crate) retain: bool,
    pub(crate) qos: QoS,
    pub(crate) topic: &'a str,
    pub(crate) properties: &'a [u8],
    pub(crate) payload: &'a [u8],
}

/// See the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum GroupMessage<'a> {
    /// A session of the sender becomes a member; `weight`: see `group::turn`.
    Join {
        session: SessionKey,
        membership: u32,
        durable: bool,
        weight: u64,
        share: &'a str,
    },
    /// It ceases to be one. `unsubscribed`: by UNSUBSCRIBE; `suspended`: it may be one again.
    Leave {
        session: SessionKey,
        unsubscribed: bool,
        suspended: bool,
        share: &'a str,
    },
    /// A member's client is connected and takes `credit` messages from the receiver.
    Begin {
        member: MemberName,
        credit: u32,
        weight: u64,
    },
    /// A member's client is disconnected and may return.
    Away {
        session: SessionKey,
    },
    /// The wait for its client is over, or its session has `ended`.
    Gone {
        session: SessionKey,
        ended: bool,
    },
    /// The client takes `count` more messages.
    Credit {
        member: MemberName,
        count: u32,
    },
    /// The sender has messages for the member and no credit.
    Want {
        member: MemberName,
    },
    /// The receiver should return unused credit.
    Recall {
        member: MemberName,
    },
    /// The sender returns unused credit.
    Return {
        member: MemberName,
        count: u32,
    },
    /// The member's output is full, or has room again.
    Full {
        member: MemberName,
        full: bool,
    },
    Work(Work<'a>),
    /// Answers of the sender's members (see `group::Done`).
    Done {
        answered: &'a [u8],
    },
    /// The receiver has processed a late answer and does not send the message again.
    Forget {
        session: SessionKey,
        lane: u64,
        number: u32,
    },
}

/// In a leave.
const UNSUBSCRIBED: u8 = 1 << 3;
const SUSPENDED: u8 = 1 << 4;
/// In a join, an end of a session, or a full output.
const SET: u8 = 1 << 3;

impl<'a> GroupMessage<'a> {
    /// Whether a reply to a client may wait until this is handled.
    pub(super) fn is_awaited(&self) -> bool {
        matches!(self, Self::Join { .. } | Self::Begin { .. } | Self::Leave { .. })
    }

    pub(super) fn layout(&self, plain: Layout<'a>) -> Layout<'a> {
        let of = |kind, session| Layout {
            kind,
            conn: MemberName { session, incarnation: 0 }.put(),
            ..plain
        };
        let about = |kind, member: MemberName| Layout { kind, conn: member.put(), ..plain };
        match *self {
            Self::Join { session, membership, durable, weight, share } => Layout {
                serial: membership,
                flags: flag(durable, SET),
                session: weight,
                text: share,
                ..of(kind::JOIN, session)
            },
            Self::Leave { session, unsubscribed, suspended, share } => Layout {
                flags: flag(unsubscribed, UNSUBSCRIBED) | flag(suspended, SUSPENDED),
                text: share,
                ..of(kind::LEAVE, session)
            },
            Self::Begin { member, credit, weight } => {
                Layout { number: credit, session: weight, ..about(kind::BEGIN, member) }
            }
            Self::Away { session } => of(kind::AWAY, session),
            Self::Gone { session, ended } => {
                Layout { flags: flag(ended, SET), ..of(kind::GONE, session) }
            }
            Self::Credit { member, count } => {
                Layout { number: count, ..about(kind::CREDIT, member) }
            }
            Self::Want { member } => about(kind::WANT, member),
            Self::Recall { member } => about(kind::RECALL, member),
            Self::Return { member, count } => {
                Layout { number: count, ..about(kind::RETURN, member) }
            }
            Self::Full { member, full } => {
                Layout { flags: flag(full, SET), ..about(kind::FULL, member) }
            }
            Self::Work(work) => Layout {
                serial: work.membership,
                session: work.lane,
                number: work.number,
                flags: work.qos as u8 | flag(work.retain, RETAIN),
                text: work.topic,
                properties: work.properties,
                rest: work.payload,
                ..about(kind::WORK, work.to)
            },
            Self::Done { answered } => Layout { kind: kind::DONE, rest: answered, ..plain },
            Self::Forget { session, lane, number } => {
                Layout { session: lane, number, ..of(kind::FORGET, session) }
            }
        }
    }

    pub(super) fn from_layout(layout: &Layout<'a>) -> Self {
        let Layout { flags, number, text, .. } = *layout;
        let member = MemberName::of(layout.conn);
        let session = member.session;
        match layout.kind {
            kind::JOIN => Self::Join {
                session,
                membership: layout.serial,
                durable: flags & SET != 0,
                weight: layout.session,
                share: text,
            },
            kind::LEAVE => Self::Leave {
                session,
                unsubscribed: flags & UNSUBSCRIBED != 0,
                suspended: flags & SUSPENDED != 0,
                share: text,
            },
            kind::BEGIN => Self::Begin { member, credit: number, weight: layout.session },
            kind::AWAY => Self::Away { session },
            kind::GONE => Self::Gone { session, ended: flags & SET != 0 },
            kind::CREDIT => Self::Credit { member, count: number },
            kind::WANT => Self::Want { member },
            kind::RECALL => Self::Recall { member },
            kind::RETURN => Self::Return { member, count: number },
            kind::FULL => Self::Full { member, full: flags & SET != 0 },
            kind::WORK => Self::Work(Work {
                to: member,
                membership: layout.serial,
                lane: layout.session,
                number,
                retain: flags & RETAIN != 0,
                qos: QoS::try_from(flags & QOS_BITS).expect("a peer sends a QoS it has checked"),
                topic: text,
                properties: layout.properties,
                payload: layout.rest,
            }),
            kind::DONE => Self::Done { answered: layout.rest },
            _ => Self::Forget { session, lane: layout.session, number },
        }
    }
}
