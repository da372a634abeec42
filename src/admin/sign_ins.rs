//! Codes for signing in, and the tokens that pages got for them.
//!
//! Invariant: a page may never do more than the token that its code was made with may do now. Only
//! hashes are kept, in memory.

use std::cell::RefCell;
use std::time::Instant;

use subtle::ConstantTimeEq;

use crate::limits::{SIGN_IN_CODES_MAX, SIGN_INS_MAX};

use super::tokens::{TokenHash, Tokens, hash_of};
use super::who::{Origin, Who};

/// A secret: its hash, its owner, and the end of its validity.
#[derive(Debug)]
struct Secret {
    hash: TokenHash,
    who: Who,
    until: Instant,
}

/// Secrets of one kind, the oldest first.
#[derive(Default, Debug)]
struct Secrets(Vec<Secret>);

impl Secrets {
    fn add(&mut self, text: &str, who: Who, until: Instant, most: usize) {
        if self.0.len() >= most {
            self.0.remove(0);
        }
        self.0.push(Secret { hash: hash_of(text.as_bytes()), who, until });
    }

    /// The position of a secret in the list.
    fn position(&mut self, shown: &[u8], now: Instant) -> Option<usize> {
        self.0.retain(|secret| secret.until > now);
        let hash = hash_of(shown);
        // All are compared, so that the time does not disclose the secret.
        self.0.iter().enumerate().fold(None, |found, (at, secret)| {
            let is_equal = bool::from(secret.hash.ct_eq(&hash));
            found.or(is_equal.then_some(at))
        })
    }
}

/// Unused codes, and tokens of pages.
#[derive(Default, Debug)]
pub(super) struct SignIns {
    codes: RefCell<Secrets>,
    pages: RefCell<Secrets>,
}

impl SignIns {
    /// Takes a code and returns its owner; the code cannot be used again.
    pub(super) fn take_code(&self, shown: &[u8], now: Instant) -> Option<Who> {
        let code: Vec<u8> = shown.iter().filter(|byte| **byte != b'-').copied().collect();
        let mut codes = self.codes.borrow_mut();
        let at = codes.position(&code.to_ascii_uppercase(), now)?;
        Some(codes.0.remove(at).who)
    }

    /// The owner of a page's token, with its present rights.
    pub(super) fn find_page(&self, shown: &[u8], now: Instant, tokens: &Tokens) -> Option<Who> {
        let mut pages = self.pages.borrow_mut();
        let at = pages.position(shown, now)?;
        let who = pages.0[at].who.clone();
        let rights = match who.origin {
            Origin::Token(hash) => who.rights.both(tokens.rights_of(&hash)?),
            Origin::Socket => who.rights,
        };
        Some(Who { rights, is_page: true, ..who })
    }

    /// Adds a code that is valid until `until`.
    pub(super) fn add_code(&self, code: &str, who: Who, until: Instant) {
        self.codes.borrow_mut().add(code, who, until, SIGN_IN_CODES_MAX);
    }

    /// Adds a page's token that is valid until `until`.
    pub(super) fn add_page(&self, token: &str, who: Who, until: Instant) {
        self.pages.borrow_mut().add(token, who, until, SIGN_INS_MAX);
    }

    /// Revokes the token of a page.
    pub(super) fn forget_page(&self, shown: &[u8]) {
        let mut pages = self.pages.borrow_mut();
        if let Some(at) = pages.position(shown, Instant::now()) {
            pages.0.remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::admin::tokens::Rights;

    fn ann() -> Who {
        Who {
            name: "ann".to_owned(),
            vhost: None,
            rights: Rights::ALL,
            origin: Origin::Token([7; 32]),
            is_page: false,
        }
    }

    // A code can be used once, in any spelling, before its time ends; the number of codes is
    // bounded.
    #[test]
    fn codes_are_used_once() {
        let (ins, now) = (SignIns::default(), Instant::now());
        let until = now + Duration::from_secs(9);
        ins.add_code("ABCD2345", ann(), until);
        assert_eq!(ins.take_code(b"ABCD2346", now), None);
        assert_eq!(ins.take_code(b"abcd-2345", now), Some(ann()));
        assert_eq!(ins.take_code(b"abcd-2345", now), None);
        ins.add_code("A", ann(), until);
        assert_eq!(ins.take_code(b"A", until), None);
        for number in 0..=SIGN_IN_CODES_MAX {
            ins.add_code(&number.to_string(), ann(), until);
        }
        assert_eq!(ins.take_code(b"0", now), None);
        assert_eq!(ins.take_code(b"1", now), Some(ann()));
    }

    // A page has no more rights than the token of its code has now, and none when that is gone.
    #[test]
    fn pages_follow_their_token() {
        let (ins, now) = (SignIns::default(), Instant::now());
        let until = now + Duration::from_secs(9);
        let root = Who { name: "user 0".to_owned(), origin: Origin::Socket, ..ann() };
        ins.add_page("t", ann(), until);
        ins.add_page("r", root.clone(), until);
        let none = Tokens::default();
        assert_eq!(ins.find_page(b"t", now, &none), None);
        assert_eq!(ins.find_page(b"r", now, &none), Some(Who { is_page: true, ..root }));
        assert_eq!(ins.find_page(b"r", until, &none), None);
    }
}
