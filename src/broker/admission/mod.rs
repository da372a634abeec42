//! Applies the access policy to clients, and holds the passwords that wait for verification.
//!
//! Verbs: [`Admission::decide`] about a CONNECT, [`Admission::next_password_check`] for the threads
//! that verify passwords, and the questions of `rights`.
//!
//! It uses `names` and `connection`.

mod rights;

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;

use crate::access::{Identity, Mechanism, Policy, Question, Refusal, Request, Verdict};
use crate::mqtt::{Connect, ConnectReturn, Version};

use super::connection::{Answer, Connecting};
use super::names::{ConnId, RefusalReason, Stats, VhostId};

pub(crate) use rights::client_of;

/// A password for a thread that verifies passwords.
#[derive(Debug)]
pub struct PasswordCheck {
    /// The connection that waits for the answer.
    pub conn: ConnId,
    /// The client's address.
    pub address: Option<IpAddr>,
    /// The password and its hash.
    pub question: Question,
}

/// The decision about a CONNECT.
pub(crate) enum Admittance {
    In(Identity),
    Out(ConnectReturn, RefusalReason),
    Wait,
}

/// See the room.
pub(crate) struct Admission {
    policy: Arc<Policy>,
    /// The passwords that wait for verification.
    password_checks: VecDeque<PasswordCheck>,
    /// The source of nonces, and how many there were.
    nonce_key: [u8; 32],
    nonces: u64,
    stats: Stats,
}

impl Admission {
    /// A policy that allows everything to all clients. `nonce_key` is a secret of this start.
    pub(crate) fn open(nonce_key: [u8; 32]) -> Self {
        let (policy, password_checks) = (Arc::new(Policy::open()), VecDeque::new());
        Self { policy, password_checks, nonce_key, nonces: 0, stats: Stats::default() }
    }

    pub(crate) fn stats(&self) -> &Stats {
        &self.stats
    }

    pub(crate) fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }

    /// Replaces the policy; returns the old one.
    pub(crate) fn set_policy(&mut self, policy: Arc<Policy>) -> Arc<Policy> {
        std::mem::replace(&mut self.policy, policy)
    }

    /// The vhost that a CONNECT names, if it exists.
    pub(crate) fn vhost_of(
        &self,
        connecting: &Connecting,
        connect: &Connect<'_>,
    ) -> Option<VhostId> {
        self.policy.login(connecting.user_name(connect)).vhost.map(VhostId)
    }

    /// Decides about a CONNECT, or queues its password for verification: then the CONNECT comes
    /// again.
    pub(crate) fn decide(
        &mut self,
        conn: ConnId,
        connecting: &mut Connecting,
        connect: &Connect<'_>,
    ) -> Admittance {
        if connecting.is_waiting() {
            return Admittance::Wait;
        }
        let policy = &self.policy;
        let is_proof = connecting.introduction().is_some();
        match connecting.take_answer() {
            // The policy may have changed meanwhile.
            Some((identity, Answer::Right)) => {
                return if policy.may_stay(&identity, connecting.client_address().local) {
                    Admittance::In(identity)
                } else {
                    Admittance::Out(ConnectReturn::NotAuthorized, RefusalReason::Revoked)
                };
            }
            Some((_, answer)) => {
                let why = match why_of(answer) {
                    RefusalReason::WrongPassword if is_proof => RefusalReason::WrongProof,
                    RefusalReason::ShutOut if is_proof => RefusalReason::ProofShutOut,
                    why => why,
                };
                return Admittance::Out(code_of(answer, connect.version), why);
            }
            None => {}
        }
        let verdict = policy.admit(&Request {
            local: connecting.client_address().local,
            user_name: connect.username,
            password: connect.password,
            certified: connecting.certified(),
        });
        match verdict {
            Verdict::Granted(identity) => Admittance::In(identity),
            Verdict::Refused(refusal) => {
                self.stats.logins_refused += 1;
                let why = match refusal {
                    Refusal::NotAuthorized => RefusalReason::NoUser,
                    Refusal::BadUserNameOrPassword => RefusalReason::NoPassword,
                    Refusal::Malformed => RefusalReason::LoginTooLong,
                };
                Admittance::Out(refusal.connect_return(connect.version), why)
            }
            Verdict::Verify(question) => {
                connecting.ask(question.identity.clone());
                let address = connecting.client_address().address;
                self.password_checks.push_back(PasswordCheck { conn, address, question });
                Admittance::Wait
            }
        }
    }

    /// Has a proof verified: it has an answer before the client's packet is to come again.
    pub(crate) fn check_proof(
        &mut self,
        conn: ConnId,
        connecting: &mut Connecting,
        question: Question,
    ) {
        connecting.ask(question.identity.clone());
        let address = connecting.client_address().address;
        self.password_checks.push_back(PasswordCheck { conn, address, question });
    }

    /// A text that cannot be predicted, and that no exchange had before.
    pub(crate) fn next_nonce(&mut self) -> String {
        self.nonces += 1;
        Mechanism::nonce(&self.nonce_key, self.nonces)
    }

    /// The next password to verify.
    pub(crate) fn next_password_check(&mut self) -> Option<PasswordCheck> {
        self.password_checks.pop_front()
    }

    /// Passwords that wait to be verified.
    pub(crate) fn password_checks(&self) -> usize {
        self.password_checks.len()
    }

    /// Counts the result of a verification.
    pub(crate) fn count_answer(&mut self, answer: Answer) {
        match answer {
            Answer::Right => {}
            Answer::Wrong => self.stats.passwords_wrong += 1,
            Answer::Throttled => self.stats.logins_throttled += 1,
            Answer::Busy => self.stats.logins_unheard += 1,
        }
    }
}

/// The code of the CONNACK that refuses a client for its user name or password.
fn code_of(answer: Answer, version: Version) -> ConnectReturn {
    match answer {
        // The client cannot tell the reasons apart.
        Answer::Right | Answer::Wrong | Answer::Throttled => {
            Refusal::BadUserNameOrPassword.connect_return(version)
        }
        Answer::Busy => ConnectReturn::ServerUnavailable,
    }
}

fn why_of(answer: Answer) -> RefusalReason {
    match answer {
        Answer::Right => RefusalReason::Revoked,
        Answer::Wrong => RefusalReason::WrongPassword,
        Answer::Throttled => RefusalReason::ShutOut,
        Answer::Busy => RefusalReason::Busy,
    }
}
