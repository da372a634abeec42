//! An authenticated requester, and its rights.

use super::tokens::{Rights, TokenHash};

/// See the module.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Who {
    pub(super) name: String,
    pub(super) rights: Rights,
    /// The only vhost that its token is valid for.
    pub(super) vhost: Option<Box<str>>,
    pub(super) origin: Origin,
    /// It is the page, with a token that it got by signing in.
    pub(super) is_page: bool,
}

/// The means of authentication.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Origin {
    /// A token.
    Token(TokenHash),
    /// The Unix socket, as a user that needs no token.
    Socket,
}
