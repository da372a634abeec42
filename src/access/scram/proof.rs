//! A client's proof that it knows a password.

use subtle::ConstantTimeEq;

use super::mechanism::Mechanism;

/// A proof to be verified.
#[derive(Clone)]
pub(in crate::access) struct Proof {
    proof: Box<[u8]>,
    /// `AuthMessage` of RFC 5802.
    message: Box<str>,
}

impl Proof {
    pub(in crate::access) fn new(proof: Vec<u8>, message: String) -> Self {
        Self { proof: proof.into(), message: message.into() }
    }

    /// Whether the client that made it knows the password of `stored_key`.
    pub(in crate::access) fn verify(&self, mechanism: Mechanism, stored_key: &[u8]) -> bool {
        let signature = mechanism.hmac(stored_key, self.message.as_bytes());
        let bytes = self.proof.iter().zip(&signature);
        let client_key: Vec<u8> = bytes.map(|(proof, signature)| proof ^ signature).collect();
        mechanism.hash(&client_key).ct_eq(stored_key).into()
    }

    pub(in crate::access) fn bytes(&self) -> &[u8] {
        &self.proof
    }
}
