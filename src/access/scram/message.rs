//! The messages of a client (RFC 5802, section 7).

use std::borrow::Cow;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::limits::{SCRAM_MESSAGE_BYTES_MAX, SCRAM_NONCE_BYTES_MAX};

use super::keys::prepare;

/// The rule of SCRAM that a message breaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Malformed(pub &'static str);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Malformed {}

/// `client-first-message`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::access) struct ClientFirst<'a> {
    /// The header about channel binding, both commas included.
    pub(in crate::access) header: &'a str,
    /// The rest of the message.
    pub(in crate::access) bare: &'a str,
    /// The identity that the client wants to act as.
    pub(in crate::access) acts_as: Option<String>,
    /// The user, prepared.
    pub(in crate::access) user: String,
    pub(in crate::access) nonce: &'a str,
}

/// `client-final-message`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::access) struct ClientFinal<'a> {
    /// All but the proof.
    pub(in crate::access) without_proof: &'a str,
    /// The header of the first message, repeated.
    pub(in crate::access) header: Vec<u8>,
    pub(in crate::access) nonce: &'a str,
    pub(in crate::access) proof: Vec<u8>,
}

/// The user that a `client-first-message` names, with its vhost as in a user name; `None` if it is
/// malformed.
pub fn user_of(first: &[u8]) -> Option<String> {
    ClientFirst::parse(first).ok().map(|first| first.user)
}

impl<'a> ClientFirst<'a> {
    pub(in crate::access) fn parse(message: &'a [u8]) -> Result<Self, Malformed> {
        let text = text_of(message)?;
        let mut parts = text.splitn(3, ',');
        let (Some(binding), Some(acts_as), Some(bare)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(Malformed("the first message is cut short"));
        };
        match binding {
            "n" | "y" => {}
            _ if binding.starts_with("p=") => {
                return Err(Malformed("channel binding is not offered here"));
            }
            _ => return Err(Malformed("the first message does not begin with n, y or p=")),
        }
        let acts_as = match acts_as {
            "" => None,
            name => Some(name_of(name.strip_prefix("a=").ok_or(BAD_HEADER)?)?),
        };
        let mut fields = bare.split(',');
        let user = fields.next().unwrap_or_default();
        if user.starts_with("m=") {
            return Err(Malformed("an extension that is mandatory is not known here"));
        }
        let user = name_of(user.strip_prefix("n=").ok_or(Malformed("no n= where it belongs"))?)?;
        if user.is_empty() {
            return Err(Malformed("the user has no name"));
        }
        let nonce = fields.next().and_then(|field| field.strip_prefix("r="));
        let nonce = nonce.ok_or(Malformed("no r= where it belongs"))?;
        check_nonce(nonce)?;
        check_extensions(fields)?;
        let header = &text[..text.len() - bare.len()];
        Ok(Self { header, bare, acts_as, user, nonce })
    }
}

impl<'a> ClientFinal<'a> {
    pub(in crate::access) fn parse(message: &'a [u8]) -> Result<Self, Malformed> {
        let text = text_of(message)?;
        let (without_proof, proof) = text.rsplit_once(",p=").ok_or(Malformed("no proof"))?;
        let mut fields = without_proof.split(',');
        let header = fields.next().and_then(|field| field.strip_prefix("c="));
        let header = header.ok_or(Malformed("no c= where it belongs"))?;
        let header = STANDARD.decode(header).map_err(|_| Malformed("c= is no base64"))?;
        let nonce = fields.next().and_then(|field| field.strip_prefix("r="));
        let nonce = nonce.ok_or(Malformed("no r= where it belongs"))?;
        check_extensions(fields)?;
        let proof = STANDARD.decode(proof).map_err(|_| Malformed("the proof is no base64"))?;
        Ok(Self { without_proof, header, nonce, proof })
    }
}

const BAD_HEADER: Malformed = Malformed("no a= where it belongs");

fn text_of(message: &[u8]) -> Result<&str, Malformed> {
    if message.len() > SCRAM_MESSAGE_BYTES_MAX {
        return Err(Malformed("the message is too long"));
    }
    let text = str::from_utf8(message).map_err(|_| Malformed("the message is no UTF-8"))?;
    if text.contains('\0') { Err(Malformed("the message has a NUL character")) } else { Ok(text) }
}

/// A name, unescaped and prepared.
fn name_of(escaped: &str) -> Result<String, Malformed> {
    let mut name = Cow::Borrowed(escaped);
    if escaped.contains('=') {
        let mut text = String::with_capacity(escaped.len());
        let mut parts = escaped.split('=');
        text.push_str(parts.next().unwrap_or_default());
        for part in parts {
            let (character, rest) = match part.as_bytes() {
                [b'2', b'C', ..] => (',', &part[2..]),
                [b'3', b'D', ..] => ('=', &part[2..]),
                _ => return Err(Malformed("= in a name stands before 2C or 3D")),
            };
            text.push(character);
            text.push_str(rest);
        }
        name = Cow::Owned(text);
    }
    let prepared = prepare(&name).map_err(|_| Malformed("a name that SASLprep does not allow"))?;
    Ok(prepared.into_owned())
}

fn check_nonce(nonce: &str) -> Result<(), Malformed> {
    // `printable` of RFC 5802; a comma ends the field.
    let is_printable = nonce.bytes().all(|byte| byte.is_ascii_graphic());
    if nonce.is_empty() || nonce.len() > SCRAM_NONCE_BYTES_MAX || !is_printable {
        return Err(Malformed("the nonce is empty, too long or not printable"));
    }
    Ok(())
}

/// Skips optional extensions, which have the form `letter=value`.
fn check_extensions<'a>(mut fields: impl Iterator<Item = &'a str>) -> Result<(), Malformed> {
    let is_one = |field: &str| {
        let bytes = field.as_bytes();
        bytes.len() > 2 && bytes[0].is_ascii_alphabetic() && bytes[1] == b'='
    };
    if fields.all(is_one) { Ok(()) } else { Err(Malformed("an extension is not letter=value")) }
}
