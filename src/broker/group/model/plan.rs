//! What one exploration may do, and the flaw that is in it, if one is.

use super::super::super::names::GroupOrder;

/// A fault of the protocol that the oracle must notice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Flaw {
    /// PUBACK precedes the commit of the message.
    PromiseBeforeCommit,
    /// A message leaves its lane when it is sent.
    EndWhenSent,
    /// Credit is renewed when a message is sent.
    CreditBeforeAnswer,
    /// What a lost member had is not made the next again.
    NoRewind,
    /// A lane may have a new owner while messages are with the old one.
    MoveInFlight,
    /// A message for an earlier connection is sent on the present one.
    AnyConnection,
    /// A member's answers follow its leave.
    AnswersAfterLeave,
    /// The answers that a member gave before are not sent when it is lost.
    AnswersLost,
    /// Lanes of a lost member are not given to others.
    LanesStay,
    /// A late answer is forgotten at once.
    LateForgotten,
    /// Lease numbers are used before they are reserved in the log.
    NoReservation,
    /// A member that joins or returns is not asked for credit.
    NotAsked,
    /// A shard does not return credit.
    NoReturn,
    /// A lane begins behind what its lost owner was sent.
    SkipSent,
}

/// All of them.
pub(super) const FLAWS: [Flaw; 14] = [
    Flaw::PromiseBeforeCommit,
    Flaw::EndWhenSent,
    Flaw::CreditBeforeAnswer,
    Flaw::NoRewind,
    Flaw::MoveInFlight,
    Flaw::AnyConnection,
    Flaw::AnswersAfterLeave,
    Flaw::AnswersLost,
    Flaw::LanesStay,
    Flaw::LateForgotten,
    Flaw::NoReservation,
    Flaw::NotAsked,
    Flaw::NoReturn,
    Flaw::SkipSent,
];

/// See the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    /// The shard and the lane of each message, in the order in which they are published.
    pub(super) messages: [(usize, u16); 3],
    /// Whether each member's session is durable. The first one always is.
    pub(super) durable: [bool; 2],
    /// The second member is there from the start. The first one always is.
    pub(super) both: bool,
    /// The shard of each member.
    pub(super) homes: [usize; 2],
    pub(super) window: u32,
    pub(super) order: GroupOrder,
    /// Connections that may break.
    pub(super) losses: u8,
    /// Times that the broker may be killed.
    pub(super) crashes: u8,
    /// Answers to messages of earlier connections.
    pub(super) late: u8,
    pub(super) flaw: Option<Flaw>,
}

impl Plan {
    pub(super) fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }
}
