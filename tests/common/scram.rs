//! SCRAM as a client computes it (RFC 5802), and the keys that a password file has.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256, Sha512};

/// A client's side.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scram {
    /// `SCRAM-SHA-256` or `SCRAM-SHA-512`.
    pub(crate) method: &'static str,
    pub(crate) user: &'static str,
    pub(crate) password: &'static str,
}

/// The nonce of all clients here.
const NONCE: &str = "fyko+d2lbbFgONRv9qkxdawL";

/// The client's last message, and the expected answer of the server.
pub(crate) struct Last {
    pub(crate) message: String,
    pub(crate) answer: String,
}

impl Scram {
    pub(crate) fn first(&self) -> String {
        format!("n,,{}", self.bare())
    }

    /// Answers the server's message; a wrong password gives a wrong proof.
    #[track_caller]
    pub(crate) fn last(&self, server_first: &str) -> Last {
        let mut fields = server_first.split(',');
        let mut field = |name: &str| {
            let field = fields.next().and_then(|field| field.strip_prefix(name));
            field.unwrap_or_else(|| panic!("no {name}: {server_first}"))
        };
        let (nonce, salt, iterations) = (field("r="), field("s="), field("i="));
        assert!(nonce.len() > NONCE.len() + 15 && nonce.starts_with(NONCE), "{nonce}");
        let salt = STANDARD.decode(salt).expect("a salt in base64");
        let iterations = iterations.parse().expect("a number");
        let keys = Keys::of(self.method, self.password, &salt, iterations);
        let without_proof = format!("c=biws,r={nonce}");
        let said = format!("{},{server_first},{without_proof}", self.bare());
        let signature = hmac(self.method, &keys.stored, &said);
        let proof: Vec<u8> = keys.client.iter().zip(signature).map(|(a, b)| a ^ b).collect();
        let answer = hmac(self.method, &keys.server, &said);
        Last {
            message: format!("{without_proof},p={}", STANDARD.encode(proof)),
            answer: format!("v={}", STANDARD.encode(answer)),
        }
    }

    /// The user's keys, as a password file has them.
    pub(crate) fn keys(&self) -> String {
        let (salt, iterations) = (b"a salt of sixteen", 7);
        let keys = Keys::of(self.method, self.password, salt, iterations);
        let [salt, stored, server] =
            [&salt[..], &keys.stored, &keys.server].map(|bytes| STANDARD.encode(bytes));
        format!("{}${iterations}:{salt}${stored}:{server}", self.method)
    }

    fn bare(&self) -> String {
        let user = self.user.replace('=', "=3D").replace(',', "=2C");
        format!("n={user},r={NONCE}")
    }
}

struct Keys {
    client: Vec<u8>,
    stored: Vec<u8>,
    server: Vec<u8>,
}

impl Keys {
    fn of(method: &str, password: &str, salt: &[u8], iterations: u32) -> Self {
        let mut block = hmac(method, password.as_bytes(), [salt, &[0, 0, 0, 1]].concat());
        let mut salted = block.clone();
        for _ in 1..iterations {
            block = hmac(method, password.as_bytes(), &block);
            salted.iter_mut().zip(&block).for_each(|(sum, byte)| *sum ^= byte);
        }
        let client = hmac(method, &salted, "Client Key");
        let stored = match method {
            "SCRAM-SHA-256" => Sha256::digest(&client).to_vec(),
            _ => Sha512::digest(&client).to_vec(),
        };
        Self { stored, client, server: hmac(method, &salted, "Server Key") }
    }
}

fn hmac(method: &str, key: &[u8], bytes: impl AsRef<[u8]>) -> Vec<u8> {
    macro_rules! of {
        ($hash:ty) => {{
            let mut mac = Hmac::<$hash>::new_from_slice(key).expect("a key of any length");
            mac.update(bytes.as_ref());
            mac.finalize().into_bytes().to_vec()
        }};
    }
    match method {
        "SCRAM-SHA-256" => of!(Sha256),
        "SCRAM-SHA-512" => of!(Sha512),
        other => panic!("{other} is no method"),
    }
}
