//! One stored password: how it was hashed, its salt and its hash. The cost of checking a password
//! is set by the hash, and bounded in [`crate::limits`].
//!
//! | text | hash | written by |
//! |---|---|---|
//! | `$7$ITERATIONS$SALT$HASH` | PBKDF2-HMAC-SHA512, standard base64 | `mosquitto_passwd` 2 |
//! | `$6$SALT$HASH` | SHA-512 of password, salt | `mosquitto_passwd` 1 |
//! | `$argon2id$v=19$m=…,t=…,p=…$SALT$HASH` | Argon2id, base64 unpadded | `ringmq passwd` |
//! | `$2a$COST$…`, `$2b$…`, `$2y$…` | bcrypt of the first 72 bytes | many |
//! | `$sha256$BASE64`, `$sha512$…` | 4 bytes of salt, SHA-2 of salt, password | RabbitMQ, LavinMQ |
//! | `SCRAM-SHA-256$…`, `SCRAM-SHA-512$…` | see [`super::scram`] | `ringmq passwd --scram` |

use std::fmt;

use argon2::{Algorithm, Argon2, Params};
use base64::Engine;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD, STANDARD, STANDARD_NO_PAD};
use sha2::{Digest, Sha256, Sha512};
use subtle::ConstantTimeEq;

use crate::limits;

use super::scram::{self, Mechanism, NotPrepared, Proof};

/// The alphabet of bcrypt.
const BCRYPT_BASE64: GeneralPurpose = GeneralPurpose::new(&alphabet::BCRYPT, NO_PAD);

/// Bytes of a password that bcrypt reads.
const BCRYPT_BYTES: usize = 72;

/// Bytes of salt in an export of RabbitMQ.
const RABBIT_SALT_BYTES: usize = 4;

/// A stored password.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    method: Method,
    salt: Box<[u8]>,
    hash: Box<[u8]>,
}

/// A hash method with all parameters of its cost.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) enum Method {
    /// SHA-256 of salt and password.
    SaltedSha256,
    /// SHA-512 of salt and password.
    SaltedSha512,
    /// SHA-512 of password and salt.
    Sha512Salted,
    /// PBKDF2 with HMAC-SHA512.
    Pbkdf2 { iterations: u32 },
    /// bcrypt; 2 to the power of `cost` rounds.
    Bcrypt { cost: u32 },
    /// Argon2id.
    Argon2id { memory_kib: u32, passes: u32, lanes: u32, version: u32 },
    /// SCRAM: the hash is `StoredKey` and `ServerKey`.
    Scram { mechanism: Mechanism, iterations: u32 },
}

/// The text is no stored password, or one that would cost too much; says which.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InvalidSecret(String);

impl fmt::Display for InvalidSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for InvalidSecret {}

impl InvalidSecret {
    pub(super) fn twice() -> Self {
        invalid("has two hashes of one kind; a user has one, and one for each mechanism of SCRAM")
    }
}

/// Salt and hash are not shown, because the output may be logged.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Secret").field(&self.method).finish()
    }
}

impl Secret {
    /// Reads one of the texts above.
    ///
    /// # Errors
    /// The fault. It never repeats the text, which might be a password.
    pub fn parse(text: &str) -> Result<Self, InvalidSecret> {
        let prefix = |mechanism: &Mechanism| {
            text.strip_prefix(mechanism.name())?.strip_prefix('$').map(|rest| (*mechanism, rest))
        };
        if let Some((mechanism, rest)) = Mechanism::ALL.iter().find_map(prefix) {
            return Self::parse_scram(mechanism, rest);
        }
        let mut parts = text.split('$');
        if parts.next() != Some("") {
            return Err(invalid("is no hash of a password"));
        }
        let name = parts.next().unwrap_or_default();
        let rest: Vec<&str> = parts.take(PARTS_MAX + 1).collect();
        match (name, rest.as_slice()) {
            ("7", [iterations, salt, hash]) => Self::parse_pbkdf2(iterations, salt, hash),
            ("6", [salt, hash]) => {
                let hash = decode(&STANDARD, hash, Sha512::output_size())?;
                Self::new(Method::Sha512Salted, decode_salt(&STANDARD, salt)?, hash)
            }
            ("argon2id", rest) => Self::parse_argon2id(rest),
            ("2a" | "2b" | "2y", [cost, body]) => Self::parse_bcrypt(cost, body),
            ("sha256", [body]) => Self::parse_rabbit(Method::SaltedSha256, body),
            ("sha512", [body]) => Self::parse_rabbit(Method::SaltedSha512, body),
            ("7" | "6" | "2a" | "2b" | "2y" | "sha256" | "sha512", _) => {
                Err(invalid("is cut short or has parts too many"))
            }
            _ => Err(invalid(
                "is a hash of a kind that is not known; \
                 $7$, $6$, $argon2id$, $2a$, $2b$, $2y$, $sha256$, $sha512$, SCRAM-SHA-256$ and \
                 SCRAM-SHA-512$ are",
            )),
        }
    }

    /// A hash of RabbitMQ's or LavinMQ's definitions: base64 of 4 bytes of salt and the hash.
    pub(super) fn parse_rabbit(method: Method, body: &str) -> Result<Self, InvalidSecret> {
        let size = match method {
            Method::SaltedSha256 => Sha256::output_size(),
            _ => Sha512::output_size(),
        };
        let bytes = decode(&STANDARD, body, RABBIT_SALT_BYTES + size)?;
        let (salt, hash) = bytes.split_at(RABBIT_SALT_BYTES);
        Self::new(method, salt.into(), hash.into())
    }

    /// `password` hashed with Argon2id and the parameters of OWASP's cheat sheet (19 MiB, 2 passes,
    /// 1 lane).
    pub fn make(password: &[u8], salt: [u8; 16]) -> Self {
        let method = Method::Argon2id {
            memory_kib: limits::PASSWD_ARGON2_MEMORY_KIB,
            passes: limits::PASSWD_ARGON2_PASSES,
            lanes: 1,
            version: ARGON2_VERSION,
        };
        let mut hash = vec![0; 32].into_boxed_slice();
        let is_made = method.hash(password, &salt, &mut hash);
        assert!(is_made, "the parameters are within Argon2's bounds and memory is there");
        Self { method, salt: salt.into(), hash }
    }

    /// The keys of `password` for SCRAM.
    ///
    /// # Errors
    /// The password has characters that SCRAM does not allow.
    pub fn make_scram(
        password: &str,
        mechanism: Mechanism,
        iterations: u32,
        salt: &[u8],
    ) -> Result<Self, NotPrepared> {
        let password = scram::prepare(password)?;
        let hash = scram::derive(mechanism, iterations, salt, &password).into();
        Ok(Self { method: Method::Scram { mechanism, iterations }, salt: salt.into(), hash })
    }

    /// Keys for SCRAM that match no password, with a salt that looks like a user's.
    pub(super) fn scram_decoy(mechanism: Mechanism, iterations: u32, salt: &[u8]) -> Self {
        let method = Method::Scram { mechanism, iterations };
        Self { salt: salt.into(), ..Self::decoy(method) }
    }

    /// A secret that no password matches, with the cost of a check by `method`.
    pub(super) fn decoy(method: Method) -> Self {
        let (salt, hash) = match method {
            Method::SaltedSha256 => (RABBIT_SALT_BYTES, Sha256::output_size()),
            Method::SaltedSha512 => (RABBIT_SALT_BYTES, Sha512::output_size()),
            Method::Sha512Salted | Method::Pbkdf2 { .. } => (12, Sha512::output_size()),
            Method::Bcrypt { .. } => (16, 23),
            Method::Argon2id { .. } => (16, 32),
            Method::Scram { mechanism, .. } => (16, 2 * mechanism.key_bytes()),
        };
        Self { method, salt: vec![0; salt].into(), hash: vec![0; hash].into() }
    }

    pub(super) const fn method(&self) -> Method {
        self.method
    }

    /// Whether `password` is the stored one. A wrong one takes as long as the right one:
    /// milliseconds to a second. Returns false if there is no memory for it (Argon2id).
    pub fn verify(&self, password: &[u8]) -> bool {
        let mut hash = vec![0; self.hash.len()];
        let is_made = self.method.hash(password, &self.salt, &mut hash);
        is_made & bool::from(hash.ct_eq(&self.hash))
    }

    /// Whether a SCRAM proof is of the stored password. It takes microseconds.
    pub(super) fn verify_proof(&self, proof: &Proof) -> bool {
        let Method::Scram { mechanism, .. } = self.method else { return false };
        proof.verify(mechanism, self.scram_keys()[0])
    }

    /// `StoredKey` and `ServerKey` of SCRAM.
    pub(super) fn scram_keys(&self) -> [&[u8]; 2] {
        let (stored, server) = self.hash.split_at(self.hash.len() / 2);
        [stored, server]
    }

    /// Salt and iterations, as SCRAM sends them to clients.
    pub(super) fn scram_salt(&self) -> (&[u8], u32) {
        match self.method {
            Method::Scram { iterations, .. } => (&self.salt, iterations),
            _ => (&self.salt, 1),
        }
    }

    /// Salt and hash: they distinguish two secrets of one user.
    pub(super) fn fingerprint(&self) -> [&[u8]; 2] {
        [&self.salt, &self.hash]
    }

    /// Checks the cost; all constructors use it.
    fn new(method: Method, salt: Box<[u8]>, hash: Box<[u8]>) -> Result<Self, InvalidSecret> {
        method.check_cost()?;
        Ok(Self { method, salt, hash })
    }

    fn parse_pbkdf2(iterations: &str, salt: &str, hash: &str) -> Result<Self, InvalidSecret> {
        let method = Method::Pbkdf2 { iterations: number(iterations)? };
        let hash = decode(&STANDARD, hash, Sha512::output_size())?;
        Self::new(method, decode_salt(&STANDARD, salt)?, hash)
    }

    fn parse_scram(mechanism: Mechanism, text: &str) -> Result<Self, InvalidSecret> {
        let parts = scram::parse(text);
        let parts = parts.ok_or_else(|| invalid("is not ITERATIONS:SALT$STOREDKEY:SERVERKEY"))?;
        let [iterations, salt, stored, server] = parts;
        let method = Method::Scram { mechanism, iterations: number(iterations)? };
        let key = |text| decode(&STANDARD, text, mechanism.key_bytes());
        let keys = [key(stored)?, key(server)?].concat();
        Self::new(method, decode_salt(&STANDARD, salt)?, keys.into())
    }

    fn parse_bcrypt(cost: &str, body: &str) -> Result<Self, InvalidSecret> {
        let cost = number(cost)?;
        // 16 bytes of salt in 22 letters, then 23 bytes of hash in 31.
        let (salt, hash) = body.split_at_checked(22).ok_or_else(|| invalid("is cut short"))?;
        let salt = decode(&BCRYPT_BASE64, salt, 16)?;
        Self::new(Method::Bcrypt { cost }, salt, decode(&BCRYPT_BASE64, hash, 23)?)
    }

    /// The PHC string format; a missing version is the first one.
    fn parse_argon2id(parts: &[&str]) -> Result<Self, InvalidSecret> {
        let (version, costs, salt, hash) = match *parts {
            [version, costs, salt, hash] => {
                let version = version.strip_prefix("v=").map(number).transpose()?;
                (version.unwrap_or_default(), costs, salt, hash)
            }
            [costs, salt, hash] => (0x10, costs, salt, hash),
            _ => return Err(invalid("is cut short or has parts too many")),
        };
        if argon2::Version::try_from(version).is_err() {
            return Err(invalid("is of a version of Argon2 that is not known"));
        }
        let mut costs = costs.split(',');
        let mut cost = |key: &str| {
            let value = costs.next().and_then(|cost| cost.strip_prefix(key));
            value.ok_or_else(|| invalid("has not m=, t= and p=")).and_then(number)
        };
        let (memory_kib, passes, lanes) = (cost("m=")?, cost("t=")?, cost("p=")?);
        let method = Method::Argon2id { memory_kib, passes, lanes, version };
        let hash = STANDARD_NO_PAD.decode(hash).map_err(|_| invalid("is no base64"))?;
        if !(16..=64).contains(&hash.len()) {
            return Err(invalid("has a hash that is not 16 to 64 bytes long"));
        }
        Self::new(method, decode_salt(&STANDARD_NO_PAD, salt)?, hash.into())
    }
}

/// The most parts of a text after its name.
const PARTS_MAX: usize = 4;

/// The version of Argon2 in new hashes: 1.3.
const ARGON2_VERSION: u32 = 0x13;

impl Method {
    /// Fills `hash`; false if there is no memory for it.
    fn hash(self, password: &[u8], salt: &[u8], hash: &mut [u8]) -> bool {
        match self {
            Self::SaltedSha256 => hash.copy_from_slice(&sha2::<Sha256>(salt, password)),
            Self::SaltedSha512 => hash.copy_from_slice(&sha2::<Sha512>(salt, password)),
            Self::Sha512Salted => hash.copy_from_slice(&sha2::<Sha512>(password, salt)),
            Self::Pbkdf2 { iterations } => {
                return pbkdf2::pbkdf2::<hmac::Hmac<Sha512>>(password, salt, iterations, hash)
                    .is_ok();
            }
            Self::Bcrypt { cost } => {
                let mut text = [0; BCRYPT_BYTES];
                let length = password.len().min(BCRYPT_BYTES);
                text[..length].copy_from_slice(&password[..length]);
                // The terminating zero is hashed too if there is room.
                let text = &text[..(length + 1).min(BCRYPT_BYTES)];
                let Ok(salt) = salt.try_into() else { return false };
                hash.copy_from_slice(&bcrypt::bcrypt(cost, salt, text)[..23]);
            }
            Self::Argon2id { memory_kib, passes, lanes, version } => {
                let params = Params::new(memory_kib, passes, lanes, Some(hash.len()));
                let (Ok(params), Ok(version)) = (params, version.try_into()) else { return false };
                let argon2 = Argon2::new(Algorithm::Argon2id, version, params);
                return argon2.hash_password_into(password, salt, hash).is_ok();
            }
            Self::Scram { mechanism, iterations } => {
                let text = str::from_utf8(password).ok();
                let text = text.and_then(|text| scram::prepare(text).ok());
                // A password that cannot be prepared is wrong, and takes as long.
                let is_password = text.is_some();
                let text = text.unwrap_or_default();
                hash.copy_from_slice(&scram::derive(mechanism, iterations, salt, &text));
                return is_password;
            }
        }
        true
    }

    /// A file may not demand more than the limits allow: a check occupies a whole thread.
    fn check_cost(self) -> Result<(), InvalidSecret> {
        let is_within = match self {
            Self::SaltedSha256 | Self::SaltedSha512 | Self::Sha512Salted => true,
            Self::Pbkdf2 { iterations } | Self::Scram { iterations, .. } => {
                (1..=limits::PBKDF2_ITERATIONS_MAX).contains(&iterations)
            }
            Self::Bcrypt { cost } => (4..=limits::BCRYPT_COST_MAX).contains(&cost),
            Self::Argon2id { memory_kib, passes, lanes, .. } => {
                let work = u64::from(memory_kib) * u64::from(passes);
                memory_kib <= limits::ARGON2_MEMORY_KIB_MAX
                    && work <= limits::ARGON2_WORK_KIB_MAX
                    && (1..=limits::ARGON2_LANES_MAX).contains(&lanes)
                    && Params::new(memory_kib, passes, lanes, None).is_ok()
            }
        };
        if is_within {
            return Ok(());
        }
        Err(invalid(match self {
            Self::Bcrypt { .. } => {
                format!("has a cost that is not 4 to {}", limits::BCRYPT_COST_MAX)
            }
            Self::Argon2id { .. } => format!(
                "asks for more than m={} KiB, m times t = {} KiB or p={}, or for less than \
                 t=1 and m=8p",
                limits::ARGON2_MEMORY_KIB_MAX,
                limits::ARGON2_WORK_KIB_MAX,
                limits::ARGON2_LANES_MAX
            ),
            _ => format!("has iterations that are not 1 to {}", limits::PBKDF2_ITERATIONS_MAX),
        }))
    }
}

/// The text in a password file. Only results of [`Secret::make`] and [`Secret::make_scram`] are
/// written.
impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (salt, hash) = (&self.salt, &self.hash);
        match self.method {
            Method::SaltedSha256 | Method::SaltedSha512 => {
                let name = if self.method == Method::SaltedSha256 { "sha256" } else { "sha512" };
                let body = [&salt[..], &hash[..]].concat();
                write!(f, "${name}${}", STANDARD.encode(body))
            }
            Method::Sha512Salted => {
                write!(f, "$6${}${}", STANDARD.encode(salt), STANDARD.encode(hash))
            }
            Method::Pbkdf2 { iterations } => {
                let (salt, hash) = (STANDARD.encode(salt), STANDARD.encode(hash));
                write!(f, "$7${iterations}${salt}${hash}")
            }
            Method::Bcrypt { cost } => {
                let (salt, hash) = (BCRYPT_BASE64.encode(salt), BCRYPT_BASE64.encode(hash));
                write!(f, "$2b${cost:02}${salt}{hash}")
            }
            Method::Argon2id { memory_kib, passes, lanes, version } => {
                let (salt, hash) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(hash));
                let costs = format_args!("m={memory_kib},t={passes},p={lanes}");
                write!(f, "$argon2id$v={version}${costs}${salt}${hash}")
            }
            Method::Scram { mechanism, iterations } => {
                scram::encode(f, (mechanism, iterations), salt, hash)
            }
        }
    }
}

fn sha2<D: Digest>(first: &[u8], second: &[u8]) -> sha2::digest::Output<D> {
    D::new().chain_update(first).chain_update(second).finalize()
}

fn invalid(says: impl Into<String>) -> InvalidSecret {
    InvalidSecret(says.into())
}

fn number(text: &str) -> Result<u32, InvalidSecret> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|_| is_plain);
    number.ok_or_else(|| invalid("has something else where a number belongs"))
}

fn decode(engine: &GeneralPurpose, text: &str, size: usize) -> Result<Box<[u8]>, InvalidSecret> {
    let bytes = engine.decode(text).map_err(|_| invalid("is no base64"))?;
    if bytes.len() != size {
        return Err(invalid(format!("has {} bytes where {size} belong", bytes.len())));
    }
    Ok(bytes.into())
}

fn decode_salt(engine: &GeneralPurpose, text: &str) -> Result<Box<[u8]>, InvalidSecret> {
    let bytes = engine.decode(text).map_err(|_| invalid("has a salt that is no base64"))?;
    if !(1..=limits::SALT_BYTES_MAX).contains(&bytes.len()) {
        return Err(invalid(format!(
            "has a salt that is not 1 to {} bytes",
            limits::SALT_BYTES_MAX
        )));
    }
    Ok(bytes.into())
}
