//! A password to be checked. It is owned, so that another thread can check it, which takes
//! milliseconds.

use std::fmt;
use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::identity::Identity;
use super::secret::Secret;

/// Whether a password is right.
#[derive(Clone)]
pub struct Question {
    /// The client's identity if the password is right.
    pub identity: Identity,
    /// The client's password.
    pub password: Box<[u8]>,
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
    /// Computes the hash, for milliseconds or longer, and says whether the password is right. For
    /// one that is not known it computes as much and says no.
    pub fn verify(&self) -> bool {
        self.secret.verify(&self.password) & self.known
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
        for field in [user.as_bytes(), &self.password, salt, hash, &[u8::from(self.known)]] {
            mac.update(&(field.len() as u64).to_be_bytes());
            mac.update(field);
        }
        let digest = mac.finalize().into_bytes();
        let mut key = [0; 16];
        key.copy_from_slice(&digest[..16]);
        key
    }
}
