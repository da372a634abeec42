//! Who may come in: between a CONNECT and its handling stands the policy, and perhaps a helper that
//! verifies the password meanwhile.
//!
//! ```text
//!  Unasked ──granted or refused at once──►
//!     └──question──► Asked ──answer──► Answered ──the CONNECT again──►
//! ```
//! Until the answer is there the CONNECT stays with its link, unread, as does what is behind it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use compact_str::CompactString;
use log::debug;

use crate::access::{Identity, Question, Refusal, Request, Verdict};
use crate::mqtt::{Connect, ConnectReturn, Version};

use super::ConnId;
use super::connection::Phase;
use super::refusal::Why;
use super::shard::{Event, Shard};
use super::vhost::VhostId;

/// Who is at the other end of a link.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Caller {
    /// Where it connected from, if that has an address.
    pub address: Option<IpAddr>,
    /// From which port.
    pub port: u16,
    /// It came in through a door that only this host can reach.
    pub local: bool,
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            Some(address) => SocketAddr::new(address, self.port).fmt(f),
            None => f.write_str("a Unix socket"),
        }
    }
}

/// How TLS has secured a link.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Secured {
    /// The version.
    pub version: &'static str,
    /// The name in the client's certificate, if it has shown one with a name.
    pub certificate: Option<Box<str>>,
}

/// A password that is to be verified off this thread.
#[derive(Debug)]
pub struct Inquiry {
    /// The connection that waits for the answer.
    pub conn: ConnId,
    /// Where it connected from.
    pub address: Option<IpAddr>,
    /// What is to be verified.
    pub question: Question,
}

/// What became of an [`Inquiry`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// The password is right.
    Right,
    /// It is wrong, or there is no such user or vhost.
    Wrong,
    /// There were too many wrong ones from this address: it was not looked at.
    Throttled,
    /// There are too many inquiries: it was not looked at.
    Busy,
}

/// A connection before its CONNECT is handled.
#[derive(Debug)]
pub(super) struct Greeting {
    pub(super) caller: Caller,
    /// How TLS has secured it.
    pub(super) secured: Option<Secured>,
    /// The user that its certificate names.
    certified: Option<CompactString>,
    admission: Admission,
}

#[derive(Debug)]
enum Admission {
    Unasked,
    Asked(Identity),
    Answered(Identity, Answer),
}

/// What is to happen with a CONNECT.
pub(super) enum Admittance {
    In(Identity),
    Out(ConnectReturn),
    Wait,
}

impl Greeting {
    pub(super) fn new(caller: Caller) -> Self {
        Self { caller, secured: None, certified: None, admission: Admission::Unasked }
    }

    /// Whether an answer must come before anything is read.
    pub(super) fn is_waiting(&self) -> bool {
        matches!(self.admission, Admission::Asked(_))
    }

    /// The user name that counts: a certificate's goes before what the client says.
    fn user_name<'a>(&'a self, connect: &Connect<'a>) -> Option<&'a str> {
        self.certified.as_deref().or(connect.username)
    }
}

/// The code of a CONNACK to who was not let in after a look at its password.
fn code_of(answer: Answer, version: Version) -> ConnectReturn {
    match answer {
        // From outside one is like the other.
        Answer::Right | Answer::Wrong | Answer::Throttled => {
            Refusal::BadUserNameOrPassword.connect_return(version)
        }
        Answer::Busy => ConnectReturn::ServerUnavailable,
    }
}

impl Shard {
    /// Notes that a link's certificate was verified, and the user it names. Who has one is as
    /// welcome as who comes in by a door of this host.
    pub fn certify(&mut self, conn: ConnId, user: Option<&str>) {
        if let Some(greeting) = self.greeting_mut(conn) {
            greeting.caller.local = true;
            greeting.certified = user.map(Into::into);
        }
    }

    /// Whether it is not known yet how TLS has secured a link that sends CONNECT.
    pub fn wants_secured(&mut self, conn: ConnId) -> bool {
        self.greeting_mut(conn).is_some_and(|greeting| greeting.secured.is_none())
    }

    /// Notes how TLS has secured it.
    pub fn note_secured(&mut self, conn: ConnId, secured: Secured) {
        if let Some(greeting) = self.greeting_mut(conn) {
            greeting.secured = Some(secured);
        }
    }

    /// Notes where a link's client really is: a proxy that is trusted has said so.
    pub fn relocate(&mut self, conn: ConnId, address: Option<IpAddr>, port: u16) {
        if let Some(greeting) = self.greeting_mut(conn) {
            (greeting.caller.address, greeting.caller.port) = (address, port);
        }
    }

    /// The vhost that a CONNECT is for, if there is such.
    pub(super) fn vhost_of(&self, conn: ConnId, connect: &Connect<'_>) -> Option<VhostId> {
        let connection = self.out.connections.get(conn)?;
        let Phase::Greeting(greeting) = &connection.phase else { return None };
        self.policy.login(greeting.user_name(connect)).vhost.map(VhostId)
    }

    /// Who is at the other end of a link.
    pub(super) fn caller_of(&self, conn: ConnId) -> Caller {
        match self.out.connections.get(conn).map(|connection| &connection.phase) {
            Some(Phase::Greeting(greeting)) => greeting.caller,
            Some(Phase::Open(open)) => open.caller,
            Some(Phase::Closed) | None => Caller::default(),
        }
    }

    /// Decides about a CONNECT, or puts a question.
    pub(super) fn admit(&mut self, conn: ConnId, connect: &Connect<'_>) -> Admittance {
        let policy = self.policy.clone();
        let Some(greeting) = self.greeting_mut(conn) else { return Admittance::Wait };
        match std::mem::replace(&mut greeting.admission, Admission::Unasked) {
            Admission::Answered(identity, Answer::Right) => {
                // The policy may be another by now.
                return if policy.may_stay(&identity, greeting.caller.local) {
                    Admittance::In(identity)
                } else {
                    self.notices.refused_for(Why::Revoked);
                    Admittance::Out(ConnectReturn::NotAuthorized)
                };
            }
            Admission::Answered(_, answer) => {
                self.notices.refused_for(Why::by(answer));
                return Admittance::Out(code_of(answer, connect.version));
            }
            asked @ Admission::Asked(_) => {
                greeting.admission = asked;
                return Admittance::Wait;
            }
            Admission::Unasked => {}
        }
        let verdict = policy.admit(&Request {
            local: greeting.caller.local,
            user_name: connect.username,
            password: connect.password,
            certified: greeting.certified.as_deref(),
        });
        match verdict {
            Verdict::Granted(identity) => Admittance::In(identity),
            Verdict::Refused(refusal) => {
                self.out.stats.logins_refused += 1;
                self.notices.refused_for(match refusal {
                    Refusal::NotAuthorized => Why::NoUser,
                    Refusal::BadUserNameOrPassword => Why::NoPassword,
                    Refusal::Malformed => Why::LoginTooLong,
                });
                Admittance::Out(refusal.connect_return(connect.version))
            }
            Verdict::Verify(question) => {
                greeting.admission = Admission::Asked(question.identity.clone());
                let address = greeting.caller.address;
                self.inquiries.push_back(Inquiry { conn, address, question });
                Admittance::Wait
            }
        }
    }

    /// Who is let in, and has to wait for something else, is let in when its CONNECT comes again.
    pub(super) fn keep_admitted(&mut self, conn: ConnId, identity: Identity) {
        if let Some(greeting) = self.greeting_mut(conn) {
            greeting.admission = Admission::Answered(identity, Answer::Right);
        }
    }

    /// The next password to verify; [`Shard::handle_verified`] follows.
    pub fn next_inquiry(&mut self) -> Option<Inquiry> {
        self.inquiries.pop_front()
    }

    /// An inquiry was answered: its connection goes on, if it is still there.
    pub fn handle_verified(&mut self, conn: ConnId, answer: Answer) {
        let Some(greeting) = self.greeting_mut(conn) else { return };
        let asked = std::mem::replace(&mut greeting.admission, Admission::Unasked);
        let Admission::Asked(identity) = asked else {
            greeting.admission = asked;
            return;
        };
        debug!("link {}: password: {answer:?}", conn.slot);
        greeting.admission = Admission::Answered(identity, answer);
        match answer {
            Answer::Right => {}
            Answer::Wrong => self.out.stats.passwords_wrong += 1,
            Answer::Throttled => self.out.stats.logins_throttled += 1,
            Answer::Busy => self.out.stats.logins_unheard += 1,
        }
        self.out.events.push_back(Event::Resume(conn));
    }

    fn greeting_mut(&mut self, conn: ConnId) -> Option<&mut Greeting> {
        match &mut self.out.connections.get_mut(conn)?.phase {
            Phase::Greeting(greeting) => Some(greeting),
            Phase::Open(_) | Phase::Closed => None,
        }
    }
}
