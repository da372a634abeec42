//! A password, or a proof of it, to be checked. It owns its data, so that another thread can check
//! it: a password takes milliseconds.

use std::fmt;
use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::identity::Identity;
use super::scram::Proof;
use super::secret::Secret;

/// The evidence that a client has sent.
#[derive(Clone)]
pub(super) enum Evidence {
    /// The password.
    Password(Box<[u8]>),
    /// A proof that the client knows the password.
    Proof(Proof),
}

/// The question whether a password, or a proof of it, is right.
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

/// The password is not shown, because the output may be logged.
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
    /// Asks whether `password` is that of `secret`; `known`: user and vhost exist.
    pub fn of_password(
        identity: Identity,
        password: &[u8],
        secret: Arc<Secret>,
        known: bool,
    ) -> Self {
        Self { identity, evidence: Evidence::Password(password.into()), secret, known }
    }

    /// Computes the hash, for milliseconds or longer, or verifies the proof, and returns whether it
    /// is right. For an unknown user the cost is the same and the answer is no.
    pub fn verify(&self) -> bool {
        let is_right = match &self.evidence {
            Evidence::Password(password) => self.secret.verify(password),
            Evidence::Proof(proof) => self.secret.verify_proof(proof),
        };
        is_right & self.known
    }

    /// Whether the check takes microseconds, and its answer is valid only once.
    pub fn is_proof(&self) -> bool {
        matches!(self.evidence, Evidence::Proof(_))
    }

    /// Bytes of the password or proof.
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
    /// user, password and the stored secret. Without the key the cached answers reveal no password.
    /// If a reload changes the secret, the key changes too.
    pub fn cache_key(&self, key: &[u8; 32]) -> [u8; 16] {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
        mac.update(&self.identity.vhost.to_be_bytes());
        let user = self.identity.user.as_deref().unwrap_or_default();
        let [salt, hash] = self.secret.fingerprint();
        // Each field has its length, so that no two questions give the same bytes.
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
