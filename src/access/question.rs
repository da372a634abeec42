//! A password or a proof of it to be checked. It is owned, so that another thread can check it: a
//! password takes milliseconds.

use std::fmt;
use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::identity::Identity;
use super::scram::Proof;
use super::secret::Secret;

/// What a client has shown of a password.
#[derive(Clone)]
pub(super) enum Evidence {
    /// The password.
    Password(Box<[u8]>),
    /// A proof that it knows it.
    Proof(Proof),
}

/// Whether a password, or a proof of it, is right.
#[derive(Clone)]
pub struct Question {
    /// The client's identity if the password is right.
    pub identity: Identity,
    pub(super) evidence: Evidence,
    /// The secret that it is checked against; for an unknown user or vhost, a decoy of the usual
    /// kind and cost, so that the time of the check does not reveal which users exist.
    pub secret: Arc<Secret>,
    /// Whether user and vhost exist.
    pub known: bool,
}

/// Shows no password: it may end in a log.
impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { identity, secret, known, .. } = self;
        f.debug_struct("Question")
            .field("identity", identity)
            .field("secret", secret)
            .field("known", known)
            .finish_non_exhaustive()
    }
}

impl Question {
    /// Whether `password` is the one of `secret`; `known`: user and vhost exist.
    pub fn of_password(
        identity: Identity,
        password: &[u8],
        secret: Arc<Secret>,
        known: bool,
    ) -> Self {
        Self { identity, evidence: Evidence::Password(password.into()), secret, known }
    }

    /// Computes the hash, for milliseconds or longer, or verifies the proof, and says whether it is
    /// right. For one that is not known it computes as much and says no.
    pub fn verify(&self) -> bool {
        let is_right = match &self.evidence {
            Evidence::Password(password) => self.secret.verify(password),
            Evidence::Proof(proof) => self.secret.verify_proof(proof),
        };
        is_right & self.known
    }

    /// Whether the answer takes microseconds, and holds for this once only.
    pub fn is_proof(&self) -> bool {
        matches!(self.evidence, Evidence::Proof(_))
    }

    /// Bytes of the password, or of the proof.
    pub fn evidence_bytes(&self) -> usize {
        self.evidence().len()
    }

    fn evidence(&self) -> &[u8] {
        match &self.evidence {
            Evidence::Password(password) => password,
            Evidence::Proof(proof) => proof.bytes(),
        }
    }

    /// The key that an answer is cached under: HMAC-SHA256 under `key`, cut to 16 bytes, of vhost,
    /// user, password and the stored secret. The remembered answers reveal no password without the
    /// key, and a secret that a reload has changed gives another key.
    pub fn cache_key(&self, key: &[u8; 32]) -> [u8; 16] {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
        mac.update(&self.identity.vhost.to_be_bytes());
        let user = self.identity.user.as_deref().unwrap_or_default();
        let [salt, hash] = self.secret.fingerprint();
        // Each with its length, so that no two questions give the same bytes.
        for field in [user.as_bytes(), self.evidence(), salt, hash, &[u8::from(self.known)]] {
            mac.update(&(field.len() as u64).to_be_bytes());
            mac.update(field);
        }
        let digest = mac.finalize().into_bytes();
        let mut key = [0; 16];
        key.copy_from_slice(&digest[..16]);
        key
    }
}
