//! Who asks, and what that one may do.

use super::tokens::{Rights, TokenHash};

/// See the module.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Who {
    pub(super) name: String,
    pub(super) rights: Rights,
    /// The only vhost that it is for.
    pub(super) vhost: Option<Box<str>>,
    pub(super) origin: Origin,
    /// It is the page, for whom this is.
    pub(super) is_page: bool,
}

/// How somebody has come in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Origin {
    /// With a token.
    Token(TokenHash),
    /// Over the Unix socket, as a user that needs none.
    Socket,
}
