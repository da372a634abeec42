//! Error texts for TLS files: missing PEM blocks, and keys that cannot be used.

use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem;

/// Object identifiers in a key: secp521r1 and RSA.
const P521: &[u8] = &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23];
const RSA: &[u8] = &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];

/// The kinds of keys that are accepted.
const KEYS: &str = "P-256, P-384, Ed25519, or RSA of 2048 to 8192 bits";

/// Why a file has no block of the expected kind.
pub(super) fn broken(error: &pem::Error) -> String {
    match error {
        pem::Error::MissingSectionEnd { end_marker } => {
            let end = String::from_utf8_lossy(end_marker);
            let end = end.trim_end_matches('-').trim_start_matches('-').trim_start_matches("END ");
            format!("its block {end} has no end; is the file cut off?")
        }
        pem::Error::IllegalSectionStart { line } => {
            let line = String::from_utf8_lossy(line);
            format!("the line {:.80?} begins no block: five dashes must end it", line.trim_end())
        }
        pem::Error::Base64Decode(_) => "a PEM block in it has something that is no base64; is the \
                                        file damaged, or its END line?"
            .to_owned(),
        pem::Error::SectionTooLarge => "a PEM block in it is too large".to_owned(),
        error => format!("is no good PEM: {error}"),
    }
}

/// Why a file has no private key.
pub(super) fn no_key(text: &[u8], error: &pem::Error) -> String {
    if is_encrypted(text) {
        return "the key has a password: take it off with openssl pkey -in FILE -out NEW, and let \
                nobody else read NEW"
            .to_owned();
    }
    match error {
        pem::Error::NoItemsFound => "has no PEM block PRIVATE KEY".to_owned(),
        error => broken(error),
    }
}

/// PKCS #8 shows encryption in the block's name, PKCS #1 and SEC 1 in header lines above the key
/// (RFC 1421, 4.6.1).
fn is_encrypted(text: &[u8]) -> bool {
    ["ENCRYPTED PRIVATE KEY-----", "Proc-Type: 4,ENCRYPTED"]
        .iter()
        .any(|mark| has(text, mark.as_bytes()))
}

/// Why a private key cannot be used.
pub(super) fn unusable_key(key: &PrivateKeyDer<'_>) -> String {
    let der = key.secret_der();
    let why = match key {
        _ if has(der, P521) => "keys of P-521 are not supported",
        PrivateKeyDer::Pkcs1(_) => "an RSA key must have 2048 to 8192 bits",
        _ if has(der, RSA) => "an RSA key must have 2048 to 8192 bits",
        _ => "keys of its kind are not supported, or it is damaged",
    };
    format!("the key cannot be used: {why}; make one of {KEYS}, and a certificate for it")
}

fn has(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}
