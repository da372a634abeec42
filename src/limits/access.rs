//! Bounds of users, passwords and access rules.

use super::VHOST_NAME_BYTES_MAX;

/// Clients whose passwords wait to be verified, on all shards together. Over: a client is refused.
/// A client is also refused if its address already has as many waiting as there is room left. The
/// bound is the number of clients that may reconnect at once; their passwords take at most 128 MiB.
pub const AUTH_WAITING_MAX: usize = 16_384;

/// The share of these clients whose addresses recently sent wrong passwords. They wait behind the
/// others.
pub const AUTH_SUSPECTS_MAX: usize = 1_024;

/// Results of recent password checks that are remembered, 64 bytes each.
pub const AUTH_REMEMBERED_MAX: usize = 131_072;

/// Addresses whose wrong passwords are counted.
pub const AUTH_ADDRESSES_MAX: usize = 65_536;

/// Wrong passwords from one address within a minute by default (`--auth-failures-max`). Over:
/// CONNECTs of the address are refused before any password is hashed.
pub const AUTH_FAILURES_DEFAULT: u32 = 60;

/// Bytes of the user name in a CONNECT, including the vhost before the colon. Over: CONNACK 4.
pub const LOGIN_BYTES_MAX: usize = VHOST_NAME_BYTES_MAX + 1 + USER_NAME_BYTES_MAX;

/// Bytes of the name of a user. Over: the password file is refused, and no such user exists.
pub const USER_NAME_BYTES_MAX: usize = 1024;

/// Bytes of a password. Over: CONNACK 4, and `ringmq passwd` refuses it. Each check hashes all of
/// them; tokens that serve as passwords have some 2,000.
pub const PASSWORD_BYTES_MAX: usize = 8192;

/// Bytes of a stored password's salt. Over: the password file is refused. `mosquitto_passwd` writes
/// at most 64.
pub const SALT_BYTES_MAX: usize = 64;

/// Iterations of PBKDF2-HMAC-SHA512 that a password file may require: about a second of a core.
/// Over: the file is refused. OWASP recommends 210,000.
pub const PBKDF2_ITERATIONS_MAX: u32 = 1_000_000;

/// Iterations of PBKDF2 that `ringmq passwd --scram` uses by default. Each connecting client
/// computes as many: some 10 ms of a fast core. RFC 7677 requires at least 4,096.
pub const SCRAM_ITERATIONS_DEFAULT: u32 = 15_000;

/// Least iterations that `ringmq passwd --scram` accepts, as RFC 7677 requires.
pub const SCRAM_ITERATIONS_MIN: u32 = 4_096;

/// Bytes of one message of a SCRAM exchange. The first message holds a login, a nonce and a few
/// other fields. Over: reason code 0x82.
pub const SCRAM_MESSAGE_BYTES_MAX: usize = 4 * LOGIN_BYTES_MAX;

/// Bytes of the nonce with which a client begins a SCRAM exchange; common ones have 18 to 64. Over:
/// reason code 0x82.
pub const SCRAM_NONCE_BYTES_MAX: usize = 256;

/// Least Maximum Packet Size of a client that uses an authentication method: an AUTH with both
/// nonces and a salt must fit, and a CONNACK with the broker's signature. Below: CONNACK 0x95.
pub const SCRAM_PACKET_BYTES_MIN: u32 = 1024;

/// Cost of bcrypt, as a power of two, that a password file may require: a second or two of a core.
/// Over: the file is refused.
pub const BCRYPT_COST_MAX: u32 = 14;

/// Memory of Argon2id, in KiB, that a password file may require: each helper thread uses this much
/// during a check. Over: the file is refused.
pub const ARGON2_MEMORY_KIB_MAX: u32 = 256 * 1024;

/// Memory times passes of Argon2id, in KiB, that a password file may require: about a second of a
/// core. Over: the file is refused.
pub const ARGON2_WORK_KIB_MAX: u64 = 512 * 1024;

/// Lanes of Argon2id that a password file may require. They are computed one after the other. Over:
/// the file is refused.
pub const ARGON2_LANES_MAX: u32 = 16;

/// Memory of Argon2id, in KiB, that `ringmq passwd` uses: OWASP's recommendation with two passes.
pub const PASSWD_ARGON2_MEMORY_KIB: u32 = 19 * 1024;

/// Passes of Argon2id that `ringmq passwd` uses.
pub const PASSWD_ARGON2_PASSES: u32 = 2;

/// Bytes of a password file: a million users. Over: it is refused.
pub const PASSWORD_FILE_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Bytes of an access control list. Over: it is refused.
pub const ACL_FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Lines with a rule in an access control list. Over: it is refused.
pub const ACL_RULES_MAX: usize = 1_000_000;

/// Bytes of a vhost's file of limits. Over: it is refused.
pub const LIMITS_FILE_BYTES_MAX: u64 = 64 * 1024;

/// Bytes that one regular expression of a permission may take when compiled. Over: the file is
/// refused.
pub const REGEX_BYTES_MAX: usize = 256 * 1024;

/// Nesting depth of a regular expression. Over: as [`REGEX_BYTES_MAX`].
pub const REGEX_NESTING_MAX: u32 = 32;

// The salt of unknown users is a part of one SHA-512 hash.
const _: () = assert!(SALT_BYTES_MAX <= 64);

const _: () = assert!(
    SCRAM_ITERATIONS_MIN <= SCRAM_ITERATIONS_DEFAULT
        && SCRAM_ITERATIONS_DEFAULT <= PBKDF2_ITERATIONS_MAX
);

const _: () = assert!(PASSWD_ARGON2_MEMORY_KIB <= ARGON2_MEMORY_KIB_MAX);
