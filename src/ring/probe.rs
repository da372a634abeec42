//! The features of this kernel's io_uring. They are found by trial, since distributions backport.
//!
//! ```text
//! set-up: deferred, no array ─EINVAL─► deferred ─EINVAL─► cooperative ─EINVAL─► plain ─► too old
//!         on ENOMEM again with half the entries, down to the least; then the limit is named
//! ```

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use io_uring::IoUring;
use io_uring::types::IOU_PBUF_RING_INC;
use rustix::net::{AddressFamily, SocketFlags, SocketType};

use super::buffers::Buffers;
use super::options::Options;
use super::refused::RingRefused;
use super::socket::{ListenSocket, Socket};
use super::{Completion, Key, Received, RecvMode, Ring};
use crate::chunk::{Batch, Chunk};

/// The buffer group of all receives.
pub(super) const BUFFER_GROUP: u16 = 0;

/// A buffer group that only the probe uses.
const PROBE_GROUP: u16 = 1;

/// The least size if locked memory is short: a turn can still submit and reap hundreds.
const ENTRIES_MIN: Entries = Entries { submissions: 256, completions: 2048 };

/// The most waits of a trial, each at most [`TRIAL_WAIT_MAX`]: it needs five.
const TRIAL_WAITS_MAX: usize = 32;

/// The longest time of one wait of a trial; all it waits for is in this process.
const TRIAL_WAIT_MAX: Duration = Duration::from_secs(1);

/// The way in which the kernel does the ring's work, best first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mode {
    /// Deferred, and submissions without the intermediate array (6.6).
    DeferredNoArray,
    /// In the ring's own enter call only (6.1).
    Deferred,
    /// In any syscall of the thread, without interrupting it (5.19).
    Cooperative,
    /// By interrupting the thread.
    Plain,
}

impl Mode {
    fn next(self) -> Option<Self> {
        match self {
            Self::DeferredNoArray => Some(Self::Deferred),
            Self::Deferred => Some(Self::Cooperative),
            Self::Cooperative => Some(Self::Plain),
            Self::Plain => None,
        }
    }
}

/// Sizes of the two queues, powers of two.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Entries {
    submissions: u32,
    completions: u32,
}

impl Entries {
    fn halved(self) -> Option<Self> {
        // A limit below the least was set on purpose, so it stays.
        let half = |entries: u32, least: u32| (entries / 2).max(least).min(entries);
        let halved = Self {
            submissions: half(self.submissions, ENTRIES_MIN.submissions),
            completions: half(self.completions, ENTRIES_MIN.completions),
        };
        (halved != self).then_some(halved)
    }
}

/// The features found at start. Displayed as one line for the log.
#[derive(Clone, Debug)]
pub struct Features {
    mode: Mode,
    entries: Entries,
    recv_buffers: u16,
    recv_buffer_bytes: u32,
    /// Kernel features beyond the baseline that this ring does not use yet.
    extras: Vec<&'static str>,
}

impl Features {
    /// Whether the kernel works for the ring only inside its enter call.
    pub(super) fn is_deferred(&self) -> bool {
        matches!(self.mode, Mode::DeferredNoArray | Mode::Deferred)
    }
}

impl fmt::Display for Features {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mode = match self.mode {
            Mode::DeferredNoArray => "deferred task work, no submission array",
            Mode::Deferred => "deferred task work",
            Mode::Cooperative => "cooperative task work (Linux 6.1 would defer it)",
            Mode::Plain => "interrupting task work (Linux 6.1 would defer it)",
        };
        let Entries { submissions, completions } = self.entries;
        let Self { recv_buffers, recv_buffer_bytes, .. } = self;
        write!(f, "io_uring: {submissions}/{completions} entries, {mode}; ")?;
        write!(f, "{recv_buffers} receive buffers of {recv_buffer_bytes} bytes; ")?;
        match self.extras.as_slice() {
            [] => f.write_str("no extras"),
            extras => write!(f, "unused extras: {}", extras.join(", ")),
        }
    }
}

/// Makes the kernel's ring with the best mode it allows, and registers the receive buffers.
pub(super) fn set_up(options: &Options) -> Result<(IoUring, Buffers, Features), RingRefused> {
    let wanted = Entries { submissions: options.submissions, completions: options.completions };
    let (ring, mode, entries) = climb(wanted, build)
        .map_err(|error| RingRefused::explain(error, "a valid set-up (5.13)"))?;
    if !(ring.params().is_feature_ext_arg() && ring.params().is_feature_nodrop()) {
        return Err(RingRefused::TooOld("waiting with a time-out (5.11)"));
    }
    let Options { recv_buffers, recv_buffer_bytes, .. } = *options;
    let buffers = Buffers::new(recv_buffers, recv_buffer_bytes)
        .and_then(|buffers| buffers.register(&ring.submitter(), BUFFER_GROUP, 0).map(|()| buffers))
        .map_err(|error| RingRefused::explain(error, "provided-buffer rings (5.19)"))?;
    let extras = extras(&ring);
    Ok((ring, buffers, Features { mode, entries, recv_buffers, recv_buffer_bytes, extras }))
}

/// Tries modes and sizes until one is accepted; returns the last error if none is.
fn climb<T>(
    wanted: Entries,
    mut build: impl FnMut(Mode, Entries) -> io::Result<T>,
) -> io::Result<(T, Mode, Entries)> {
    let (mut mode, mut entries) = (Mode::DeferredNoArray, wanted);
    loop {
        let error = match build(mode, entries) {
            Ok(ring) => return Ok((ring, mode, entries)),
            Err(error) => error,
        };
        match (error.raw_os_error(), mode.next(), entries.halved()) {
            (Some(libc::EINVAL), Some(next), _) => mode = next,
            (Some(libc::ENOMEM), _, Some(halved)) => entries = halved,
            _ => return Err(error),
        }
    }
}

fn build(mode: Mode, entries: Entries) -> io::Result<IoUring> {
    let mut builder = IoUring::builder();
    builder.dontfork().setup_cqsize(entries.completions);
    if mode != Mode::Plain {
        builder.setup_submit_all().setup_single_issuer().setup_taskrun_flag();
    }
    match mode {
        Mode::DeferredNoArray => builder.setup_defer_taskrun().setup_no_sqarray(),
        Mode::Deferred => builder.setup_defer_taskrun(),
        Mode::Cooperative => builder.setup_coop_taskrun(),
        Mode::Plain => &mut builder,
    };
    builder.build(entries.submissions)
}

fn extras(ring: &IoUring) -> Vec<&'static str> {
    let params = ring.params();
    let found = [
        (params.is_feature_recvsend_bundle(), "bundles"),
        (params.is_feature_min_timeout(), "minimum wait"),
        (has_incremental_buffers(ring), "incremental buffers"),
        (params.is_feature_no_iowait(), "no iowait"),
    ];
    found.into_iter().filter_map(|(has, name)| has.then_some(name)).collect()
}

fn has_incremental_buffers(ring: &IoUring) -> bool {
    let Ok(mut buffers) = Buffers::new(1, 1) else {
        return false;
    };
    let submitter = ring.submitter();
    let flags = u16::try_from(IOU_PBUF_RING_INC).expect("the kernel's flags have 16 bits");
    if buffers.register(&submitter, PROBE_GROUP, flags).is_err() {
        return false;
    }
    if submitter.unregister_buf_ring(PROBE_GROUP).is_err() {
        buffers.leak();
    }
    true
}

/// Sends itself a few bytes, with each operation that the ring needs.
///
/// # Errors
/// If the kernel lacks one of them.
pub(super) fn try_out(
    ring: &mut impl Ring<Socket = Socket, Listener = ListenSocket>,
) -> Result<(), RingRefused> {
    let mut trial = Trial::start(ring).map_err(RingRefused::Other)?;
    let mut completions = Vec::new();
    for _ in 0..TRIAL_WAITS_MAX {
        ring.wait(Some(TRIAL_WAIT_MAX), &mut completions)
            .map_err(|error| RingRefused::explain(error, "waiting with a time-out (5.11)"))?;
        for completion in completions.drain(..) {
            trial.handle(ring, completion)?;
        }
        if trial.accepted && trial.sent && trial.ended {
            return Ok(());
        }
    }
    Err(RingRefused::Other(io::Error::new(io::ErrorKind::TimedOut, "a trial did not complete")))
}

/// One of each operation, and which of them have completed.
struct Trial {
    sender: Socket,
    /// Kept open while the receive is armed.
    _receiver: Socket,
    accepted: bool,
    sent: bool,
    ended: bool,
}

impl Trial {
    const KEY: Key = Key { slot: 0, generation: 0 };

    fn start(ring: &mut impl Ring<Socket = Socket, Listener = ListenSocket>) -> io::Result<Self> {
        let kind = SocketType::STREAM;
        let (sender, receiver) =
            rustix::net::socketpair(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None)?;
        let (sender, receiver) = (Socket::from(sender), Socket::from(receiver));
        // It is not a listener: a kernel with the operation reports that, without any network.
        let listener =
            ring.add_listener(ListenSocket::from(OwnedFd::from(std::fs::File::open("/")?)));
        ring.submit_accept(listener);
        ring.submit_recv(Self::KEY, &receiver, RecvMode::Multishot);
        let mut batch = Batch::default();
        batch.push(Chunk::Owned(b"ring".to_vec()));
        batch.push(Chunk::Owned(b"mq".to_vec()));
        ring.submit_send(Self::KEY, &sender, batch);
        Ok(Self { sender, _receiver: receiver, accepted: false, sent: false, ended: false })
    }

    fn handle(
        &mut self,
        ring: &mut impl Ring<Socket = Socket>,
        completion: Completion<Socket>,
    ) -> Result<(), RingRefused> {
        match completion {
            Completion::Accepted { result: Err(error), .. } => {
                if error.raw_os_error() != Some(libc::ENOTSOCK) {
                    return Err(RingRefused::explain(error, "multishot accept (5.19)"));
                }
                self.accepted = true;
            }
            Completion::Sent { result, .. } => {
                result.map_err(|error| RingRefused::explain(error, "SENDMSG (5.3)"))?;
                self.sent = true;
            }
            Completion::Received { received: Received::Data(buffer), .. } => {
                ring.recycle(buffer);
                ring.shutdown(&self.sender);
            }
            Completion::Received { received: Received::Failed(error), .. } => {
                return Err(RingRefused::explain(error, "multishot receive (6.0)"));
            }
            Completion::Received { more, .. } => self.ended = !more,
            Completion::Accepted { result: Ok(_), .. } | Completion::Woken => {}
            Completion::Written { .. } => unreachable!("a trial writes to no file"),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A kernel that knows `known` and has memory for `completions_max` completions.
    fn kernel(known: Mode, completions_max: u32) -> impl FnMut(Mode, Entries) -> io::Result<()> {
        move |mode, entries| {
            if (mode as u8) < known as u8 {
                Err(io::Error::from_raw_os_error(libc::EINVAL))
            } else if entries.completions > completions_max {
                Err(io::Error::from_raw_os_error(libc::ENOMEM))
            } else {
                Ok(())
            }
        }
    }

    /// The search ends at the best mode and the largest size that the kernel accepts.
    #[test]
    fn ladder_takes_the_best() {
        let wanted = Entries { submissions: 1024, completions: 16384 };
        let modes = [Mode::DeferredNoArray, Mode::Deferred, Mode::Cooperative, Mode::Plain];
        let sizes = [(16384, 1024, 16384), (9000, 512, 8192), (4096, 256, 4096), (2048, 256, 2048)];
        for known in modes {
            for (completions_max, submissions, completions) in sizes {
                let found = climb(wanted, kernel(known, completions_max)).expect("it fits");
                assert_eq!(found, ((), known, Entries { submissions, completions }));
            }
            let error = climb(wanted, kernel(known, 2047)).expect_err("nothing fits");
            assert_eq!(error.raw_os_error(), Some(libc::ENOMEM));
        }
    }

    /// Sizes below the least are never raised.
    #[test]
    fn sizes_only_shrink() {
        let table = [
            ((1024, 16384), Some((512, 8192))),
            ((256, 4096), Some((256, 2048))),
            ((8, 4096), Some((8, 2048))),
            ((300, 16), Some((256, 16))),
            ((256, 2048), None),
            ((8, 16), None),
        ];
        for ((submissions, completions), wanted) in table {
            let halved = Entries { submissions, completions }.halved();
            assert_eq!(halved.map(|half| (half.submissions, half.completions)), wanted);
        }
    }

    /// An error that does not depend on flags or sizes is reported at once.
    #[test]
    fn ladder_gives_up_on_the_rest() {
        for errno in [libc::EPERM, libc::ENOSYS, libc::EACCES, libc::EMFILE] {
            let mut tries = 0;
            let refused = climb(ENTRIES_MIN, |_, _| {
                tries += 1;
                Err::<(), _>(io::Error::from_raw_os_error(errno))
            });
            let error = refused.expect_err("refused");
            assert_eq!((error.raw_os_error(), tries), (Some(errno), 1));
        }
        let error =
            climb(ENTRIES_MIN, |_, _| Err::<(), _>(io::Error::from_raw_os_error(libc::EINVAL)));
        assert_eq!(error.expect_err("refused").raw_os_error(), Some(libc::EINVAL));
    }

    /// The features are one line.
    #[test]
    fn features_are_one_line() {
        let features = Features {
            mode: Mode::Deferred,
            entries: Entries { submissions: 512, completions: 8192 },
            recv_buffers: 256,
            recv_buffer_bytes: 16384,
            extras: vec!["bundles", "no iowait"],
        };
        let line = "io_uring: 512/8192 entries, deferred task work; \
                    256 receive buffers of 16384 bytes; unused extras: bundles, no iowait";
        assert_eq!(features.to_string(), line);
    }
}
