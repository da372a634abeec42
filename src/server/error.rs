//! Why the broker could not start, and what to do.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::access::LoadError;
use crate::admin::TokenError;
use crate::advice;
use crate::config::Fault;
use crate::disk::DirectoryError;
use crate::ring::RingRefused;
use crate::store::OpenError;

use super::places::ListenError;
use super::privileges::{self, PrivilegeError};
use super::tls::TlsError;

/// Why a Unix socket cannot be bound.
#[derive(Debug)]
pub enum SocketError {
    /// Another process listens there.
    InUse,
    /// The path exists and is not a socket.
    NotASocket,
    /// The system refused an operation: which, and why.
    System(&'static str, io::Error),
}

impl fmt::Display for SocketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse => f.write_str(
                "another process answers there; stop it or choose another path with --listen",
            ),
            Self::NotASocket => f.write_str(
                "there is a file that is no socket; remove it or choose another path with --listen",
            ),
            Self::System(what, error) => {
                write!(f, "cannot {what}: {error}{}", advice::of(error))
            }
        }
    }
}

/// Why the broker could not start.
#[derive(Debug)]
pub enum StartError {
    /// An address cannot be listened on.
    Listen(ListenError),
    /// The broker cannot listen on a Unix socket.
    Socket(PathBuf, SocketError),
    /// The operators' HTTP interface cannot listen on this address.
    Http(SocketAddr, io::Error),
    /// The operators' tokens cannot be read or created.
    Tokens(TokenError),
    /// The broker cannot run as the requested user.
    Privileges(PrivilegeError),
    /// io_uring cannot be used, and a flag requires it.
    Ring(RingRefused),
    /// epoll cannot be used.
    Epoll(io::Error),
    /// The data directory cannot be used.
    Data(DirectoryError),
    /// The user of `--user` may not use the data directory.
    DataOf(String, DirectoryError),
    /// A TLS file cannot be used.
    Tls(TlsError),
    /// This shard's part of the data directory cannot be used.
    Store(u16, OpenError),
    /// A file of users, rules or limits is faulty.
    Access(LoadError),
    /// This user may not read a file.
    Unreadable(String, Box<StartError>),
    /// The limit of open files, and the number that the broker needs without any client.
    Files(u64, u64),
    /// The thread that writes the log cannot be started, so this error cannot be logged.
    Log(io::Error),
    /// The system refused another operation: which, and why.
    System(&'static str, io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen(error) => error.fmt(f),
            Self::Socket(path, error) => {
                write!(f, "cannot listen on unix:{}: {error}", path.display())
            }
            Self::Http(address, error) => {
                write!(f, "--http-listen: cannot listen on {address}: {error}")?;
                match error.kind() {
                    io::ErrorKind::AddrInUse => f.write_str(
                        "; stop what listens there, choose another address, or say --http-listen \
                         none",
                    ),
                    _ => f.write_str(&advice::of(error)),
                }
            }
            Self::Tokens(error) if error.is_own() => write!(f, "--data-dir: {error}"),
            Self::Tokens(error) => write!(f, "--http-tokens: {error}"),
            Self::Privileges(error) => error.fmt(f),
            Self::Ring(refused) => refused.fmt(f),
            Self::Epoll(error) => {
                write!(f, "epoll cannot be set up: {error}{}", advice::of(error))
            }
            Self::Tls(error) => error.fmt(f),
            Self::Data(text @ DirectoryError::System { error, .. }) => {
                write!(f, "--data-dir: {text}{}", advice::of(error))
            }
            Self::Data(error) => error.fmt(f),
            Self::DataOf(user, error) => write!(
                f,
                "--data-dir: {error}; ringmq runs as {user}, who must be able to enter the \
                 directories above, and own it and all that is in it: as root, mkdir -p DIR and \
                 chown -R {user} DIR"
            ),
            Self::Access(error) => error.fmt(f),
            Self::Unreadable(user, error) => write!(f, "{error}; {}", unreadable(user)),
            Self::Store(shard, error) => write!(f, "--data-dir, shard-{shard}: {error}"),
            Self::Files(limit, needed) => write!(
                f,
                "the broker itself needs some {needed} open files; {}",
                advice::raise_files(Some(*limit))
            ),
            Self::Log(error) => write!(f, "cannot start the thread that logs: {error}"),
            Self::System(what, error) => {
                write!(f, "cannot {what}: {error}{}", advice::of(error))
            }
        }
    }
}

impl std::error::Error for StartError {}

fn unreadable(user: &str) -> String {
    format!(
        "ringmq runs as {user}, who must be able to read it, and to enter the directories above it"
    )
}

impl StartError {
    /// The error as data.
    pub(super) fn fault(&self) -> Fault {
        match self {
            Self::Access(error) => Fault {
                file: Some(error.path.clone()),
                line: error.line,
                key: error.flag.map(str::to_owned),
                says: error.says.clone(),
            },
            Self::Tls(error) => error.fault(),
            Self::Tokens(error) => {
                let (file, line, says) = error.place();
                let key = (!error.is_own()).then(|| "--http-tokens".to_owned());
                Fault { file: Some(file.to_owned()), line, key, says }
            }
            Self::Unreadable(user, error) => {
                let mut fault = error.fault();
                fault.says = format!("{}; {}", fault.says, unreadable(user));
                fault
            }
            error => Fault::plain(error.to_string()),
        }
    }

    /// The error with the user added, if it is about a file that the user may not read.
    pub(super) fn with_user(self) -> Self {
        let is_denied = match &self {
            Self::Tls(error) => error.is_denied(),
            Self::Access(error) => error.is_denied,
            Self::Tokens(error) => error.is_denied() && !error.is_own(),
            _ => false,
        };
        if is_denied { Self::Unreadable(privileges::own_name(), Box::new(self)) } else { self }
    }
}
