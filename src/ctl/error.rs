//! Errors of `ringmq ctl`, with advice and the exit code.

use std::fmt;
use std::process::ExitCode;

/// An error of `ringmq ctl`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum CtlError {
    /// The broker has failed to execute the request, or its answer cannot be shown.
    Failed(String),
    /// The command line has a fault that only its execution reveals.
    Usage(String),
    /// There is no such client, session or vhost.
    Missing(String),
    /// No broker was reached, or it did not answer.
    NotReached(String),
    /// The token lacks the right.
    NoRight(String),
    /// Standard output is closed, as `head` closes it. That is no failure.
    Unread,
}

impl CtlError {
    /// The peer is not a broker, or one of an unknown version.
    pub(super) fn stranger(why: &str) -> Self {
        Self::Failed(format!(
            "what answers there is no ringmq, or one of another version: {why}; --at names the \
             broker's address"
        ))
    }

    pub(super) fn code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Unread => 0,
            Self::Failed(_) => 1,
            Self::Usage(_) => 2,
            Self::Missing(_) => 3,
            Self::NotReached(_) => 4,
            Self::NoRight(_) => 5,
        })
    }
}

impl fmt::Display for CtlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(says)
            | Self::Usage(says)
            | Self::Missing(says)
            | Self::NotReached(says)
            | Self::NoRight(says) => f.write_str(says),
            Self::Unread => f.write_str("nobody reads what is printed"),
        }
    }
}
