//! The keys that the broker keeps of a password: `StoredKey` and `ServerKey` (RFC 5802, section 3),
//! and their text in a password file, which is PostgreSQL's as well:
//! `SCRAM-SHA-256$ITERATIONS:SALT$STOREDKEY:SERVERKEY`, in standard base64.

use std::borrow::Cow;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::mechanism::Mechanism;

/// The text has characters that SASLprep (RFC 4013) does not allow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotPrepared;

impl fmt::Display for NotPrepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("has characters that SCRAM does not allow (SASLprep, RFC 4013)")
    }
}

impl std::error::Error for NotPrepared {}

/// The prepared form of a user name or password, which is compared or hashed.
pub(in crate::access) fn prepare(text: &str) -> Result<Cow<'_, str>, NotPrepared> {
    stringprep::saslprep(text).map_err(|_| NotPrepared)
}

/// Whether a user name is in its prepared form.
pub fn is_prepared(name: &str) -> bool {
    prepare(name).is_ok_and(|prepared| prepared == name)
}

/// `StoredKey` followed by `ServerKey` of a prepared password. The time grows with the iterations.
pub(in crate::access) fn derive(
    mechanism: Mechanism,
    iterations: u32,
    salt: &[u8],
    password: &str,
) -> Vec<u8> {
    let salted = mechanism.stretch(password.as_bytes(), salt, iterations);
    let client_key = mechanism.hmac(&salted, b"Client Key");
    let server_key = mechanism.hmac(&salted, b"Server Key");
    [mechanism.hash(&client_key), server_key].concat()
}

/// The parts of a text in a password file after the name of the mechanism: iterations, salt,
/// `StoredKey` and `ServerKey`, each still encoded.
pub(in crate::access) fn parse(text: &str) -> Option<[&str; 4]> {
    let (cost, keys) = text.split_once('$')?;
    let ((iterations, salt), (stored, server)) = (cost.split_once(':')?, keys.split_once(':')?);
    Some([iterations, salt, stored, server])
}

/// Writes the text of a password file; `keys` has the form that [`derive()`] returns.
pub(in crate::access) fn encode(
    f: &mut fmt::Formatter<'_>,
    (mechanism, iterations): (Mechanism, u32),
    salt: &[u8],
    keys: &[u8],
) -> fmt::Result {
    let (stored, server) = keys.split_at(mechanism.key_bytes());
    let [salt, stored, server] = [salt, stored, server].map(|bytes| STANDARD.encode(bytes));
    write!(f, "{}${iterations}:{salt}${stored}:{server}", mechanism.name())
}
