//! Why something was not done, what to do about it, and the exit code.

use std::fmt;
use std::process::ExitCode;

/// See the module.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum CtlError {
    /// The broker has not done it, or what it says cannot be shown.
    Failed(String),
    /// The command line is wrong in a way that only shows when it is followed.
    Usage(String),
    /// There is no such client, session or vhost.
    Missing(String),
    /// No broker was reached, or it does not answer.
    NotReached(String),
    /// Whoever asks may not.
    NoRight(String),
    /// Nobody reads standard output any more. That is how `head` ends, and no failure.
    Unread,
}

impl CtlError {
    /// What answers is not the broker, or none that this program knows.
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
