//! Which ring the shards use: io_uring or epoll, the same for all.
//!
//! ```text
//!            every shard has tried
//!  Trying ──────────────────────────► io_uring, if it may be used and none was refused
//!                                     else epoll, if that may be
//! ```
//! Each shard tries to create a ring in its own thread, because a ring belongs to the thread that
//! created it. It keeps the ring until all shards have tried: a resource that one shard gets, such
//! as locked memory, may not be enough for all.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Barrier, Mutex};

use log::warn;

use crate::config::RingKind;
use crate::ring::{Epoll, ListenSocket, Options, Ring, RingRefused, Socket, Uring, Waker};

use super::StartError;

/// A kernel interface that a shard can use.
pub(super) trait SystemRing:
    Ring<Socket = Socket, Listener = ListenSocket, Waker = Waker, File = Arc<OwnedFd>>
{
    /// Its name in the kernel.
    const NAME: &str;

    /// A description in one line for the log.
    fn describe(&self) -> String;
}

impl SystemRing for Uring {
    const NAME: &str = "io_uring";

    fn describe(&self) -> String {
        self.features().to_string()
    }
}

impl SystemRing for Epoll {
    const NAME: &str = "epoll";

    fn describe(&self) -> String {
        self.features().to_owned()
    }
}

/// The ring of one shard.
#[expect(clippy::large_enum_variant, reason = "there is one for each shard, on its way once")]
pub(super) enum ShardRing {
    Uring(Uring),
    Epoll(Epoll),
}

/// The choice of the ring, shared by all shards.
pub(super) struct RingChoice {
    kind: RingKind,
    all: Barrier,
    /// Why a shard could not use io_uring, if one could not.
    refused: Mutex<Option<RingRefused>>,
}

impl RingChoice {
    pub(super) fn new(kind: RingKind, shards: usize) -> Self {
        Self { kind, all: Barrier::new(shards), refused: Mutex::new(None) }
    }

    /// Creates the calling shard's ring; waits for the other shards where the choice depends on
    /// them.
    pub(super) fn ring(&self, options: &Options) -> Result<ShardRing, StartError> {
        match self.kind {
            RingKind::IoUring => {
                Uring::new(options).map(ShardRing::Uring).map_err(StartError::Ring)
            }
            RingKind::Epoll => epoll(options).map_err(StartError::Epoll),
            RingKind::Auto => self.choose(options).map_err(StartError::Epoll),
        }
    }

    fn choose(&self, options: &Options) -> io::Result<ShardRing> {
        let tried = match Uring::new(options) {
            Ok(ring) => Some(ring),
            Err(refused) => {
                *self.refused.lock().expect("no holder panics") = Some(refused);
                None
            }
        };
        let is_first = self.all.wait().is_leader();
        let refused = self.refused.lock().expect("no holder panics");
        match (refused.as_ref(), tried) {
            (None, Some(ring)) => Ok(ShardRing::Uring(ring)),
            (refused, _) => {
                if let Some(refused) = refused.filter(|_| is_first) {
                    warn!(
                        "running on epoll, which takes more CPU time for each message: {refused}"
                    );
                }
                epoll(options)
            }
        }
    }
}

fn epoll(options: &Options) -> io::Result<ShardRing> {
    Epoll::new(options).map(ShardRing::Epoll)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::thread;

    use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter};

    use super::*;

    const SHARDS: usize = 3;

    /// Forbids io_uring to this thread.
    fn forbid() {
        let rules = BTreeMap::from([(libc::SYS_io_uring_setup, Vec::new())]);
        let arch = std::env::consts::ARCH.try_into().expect("one that seccomp knows");
        let refuse = SeccompAction::Errno(libc::EPERM.unsigned_abs());
        let filter = SeccompFilter::new(rules, SeccompAction::Allow, refuse, arch);
        let filter = filter.expect("it is well formed");
        let program: BpfProgram = filter.try_into().expect("it is short");
        apply_filter(&program).expect("a thread may forbid itself");
    }

    /// Whether each shard got io_uring; `None`: its request was refused. io_uring is forbidden to
    /// the first `forbidden` shards.
    fn choose(kind: RingKind, forbidden: usize) -> Vec<Option<bool>> {
        let ring_choice = RingChoice::new(kind, SHARDS);
        let vote = |shard: usize| {
            if shard < forbidden {
                forbid();
            }
            match ring_choice.ring(&Options::default()) {
                Ok(ShardRing::Uring(_)) => Some(true),
                Ok(ShardRing::Epoll(_)) => Some(false),
                Err(_) => None,
            }
        };
        let vote = &vote;
        thread::scope(|scope| {
            let shards: Vec<_> =
                (0..SHARDS).map(|shard| scope.spawn(move || vote(shard))).collect();
            shards.into_iter().map(|shard| shard.join().expect("it votes")).collect()
        })
    }

    /// All shards have the same ring: io_uring if all may use it. A flag for one ring is always
    /// obeyed.
    #[test]
    fn shards_have_the_same_ring() {
        assert_eq!(choose(RingKind::Auto, 0), [Some(true); SHARDS]);
        for forbidden in 1..=SHARDS {
            assert_eq!(choose(RingKind::Auto, forbidden), [Some(false); SHARDS], "{forbidden}");
        }
        assert_eq!(choose(RingKind::Epoll, 0), [Some(false); SHARDS]);
        assert_eq!(choose(RingKind::IoUring, 1), [None, Some(true), Some(true)]);
    }
}
