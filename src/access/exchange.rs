//! The broker's side of one exchange of SCRAM.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::identity::Identity;
use super::policy::Policy;
use super::question::{Evidence, Question};
use super::scram::{ClientFinal, ClientFirst, Malformed, Mechanism, Proof};
use super::secret::Secret;

/// An exchange whose client was sent the salt and must send its proof.
#[derive(Debug)]
pub struct Exchange {
    mechanism: Mechanism,
    identity: Identity,
    /// For an unknown user a decoy, whose salt does not change.
    secret: Arc<Secret>,
    known: bool,
    /// The user, with its vhost, as named by the client.
    user: Box<str>,
    header: Box<str>,
    client_first_bare: Box<str>,
    server_first: Box<str>,
    /// Both nonces, concatenated.
    nonce: Box<str>,
}

/// The result of a client's last message.
#[derive(Debug)]
pub struct Finish {
    /// The question whether the proof is right; it is cheap to verify.
    pub question: Question,
    /// The message to the client if it is right.
    pub server_final: String,
}

impl Exchange {
    /// Takes a `client-first-message`. `nonce` must be printable, without a comma, and
    /// unpredictable for clients.
    ///
    /// # Errors
    /// The rule that the message breaks.
    pub fn begin(
        policy: &Policy,
        mechanism: Mechanism,
        message: &[u8],
        nonce: &str,
    ) -> Result<Self, Malformed> {
        let first = ClientFirst::parse(message)?;
        let (identity, secret, known) = policy.scram_secret(mechanism, &first.user);
        let (salt, iterations) = secret.scram_salt();
        let nonce = format!("{}{nonce}", first.nonce);
        let server_first = format!("r={nonce},s={},i={iterations}", STANDARD.encode(salt));
        // No client may act as another user.
        let known = known && first.acts_as.as_ref().is_none_or(|name| *name == first.user);
        Ok(Self {
            mechanism,
            identity,
            known,
            header: first.header.into(),
            client_first_bare: first.bare.into(),
            server_first: server_first.into(),
            nonce: nonce.into(),
            user: first.user.into(),
            secret,
        })
    }

    /// The `server-first-message`.
    pub fn server_first(&self) -> &str {
        &self.server_first
    }

    /// The user, with its vhost, as named by the client.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The identity that the client claims.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Takes a `client-final-message`.
    ///
    /// # Errors
    /// The rule that the message breaks.
    pub fn finish(self, message: &[u8]) -> Result<Finish, Malformed> {
        let last = ClientFinal::parse(message)?;
        if last.header != self.header.as_bytes() {
            return Err(Malformed("c= is another header than the first message's"));
        }
        if *last.nonce != *self.nonce {
            return Err(Malformed("r= is another nonce than this exchange's"));
        }
        if last.proof.len() != self.mechanism.key_bytes() {
            return Err(Malformed("the proof has another length than the hash"));
        }
        let (first, server) = (&self.client_first_bare, &self.server_first);
        let message = format!("{first},{server},{}", last.without_proof);
        let [_, server_key] = self.secret.scram_keys();
        let signature = self.mechanism.hmac(server_key, message.as_bytes());
        let server_final = format!("v={}", STANDARD.encode(signature));
        let proof = Proof::new(last.proof, message);
        let question = Question {
            identity: self.identity,
            evidence: Evidence::Proof(proof),
            secret: self.secret,
            known: self.known,
        };
        Ok(Finish { question, server_final })
    }
}
