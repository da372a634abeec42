//! The reason why io_uring is refused, as an error that says what to do.

use std::fmt;
use std::io;

use rustix::process::{Resource, getrlimit};

use crate::advice;

/// The oldest Linux with everything that this ring needs.
pub(super) const LINUX_MIN: &str = "6.1";

/// The kernel, or a sandbox, refuses io_uring.
#[derive(Debug)]
pub enum RingRefused {
    /// `kernel.io_uring_disabled` is 1, and this user is not exempt.
    DisabledForUsers,
    /// `kernel.io_uring_disabled` is 2.
    DisabledForAll,
    /// The call is forbidden by a seccomp filter, not by the sysctl.
    Filtered,
    /// A security module denied it.
    Denied,
    /// The kernel does not know the call.
    Unknown,
    /// There is no memory for the smallest rings. The value is the limit in bytes; `None` is
    /// unlimited.
    Memory(Option<u64>),
    /// The kernel lacks the named feature.
    TooOld(&'static str),
    /// Anything else.
    Other(io::Error),
}

impl RingRefused {
    /// Finds the reason of a failed set-up. `lacks` is the missing feature if the kernel reports an
    /// invalid request.
    pub(super) fn explain(error: io::Error, lacks: &'static str) -> Self {
        let disabled = std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled")
            .ok()
            .and_then(|text| text.trim().parse().ok());
        let settings =
            HostSettings { disabled, locked_bytes_max: getrlimit(Resource::Memlock).current };
        Self::classify(error, lacks, &settings)
    }

    fn classify(error: io::Error, lacks: &'static str, settings: &HostSettings) -> Self {
        match (error.raw_os_error(), settings.disabled) {
            (Some(libc::EPERM), Some(1)) => Self::DisabledForUsers,
            (Some(libc::EPERM), Some(2)) => Self::DisabledForAll,
            (Some(libc::EPERM), _) => Self::Filtered,
            (Some(libc::EACCES), _) => Self::Denied,
            (Some(libc::ENOSYS), _) => Self::Unknown,
            (Some(libc::ENOMEM), _) => Self::Memory(settings.locked_bytes_max),
            (Some(libc::EINVAL), _) => Self::TooOld(lacks),
            _ => Self::Other(error),
        }
    }
}

/// Settings of this host that explain the error.
struct HostSettings {
    /// `kernel.io_uring_disabled`; kernels before 6.6 do not have it.
    disabled: Option<u8>,
    /// `RLIMIT_MEMLOCK`; `None` is unlimited.
    locked_bytes_max: Option<u64>,
}

impl fmt::Display for RingRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DisabledForUsers => f.write_str(
                "io_uring is disabled for ordinary users (sysctl kernel.io_uring_disabled = 1); \
                 set it to 0, or put this user in the group named by kernel.io_uring_group",
            ),
            Self::DisabledForAll => f.write_str(
                "io_uring is disabled on this host (sysctl kernel.io_uring_disabled = 2); \
                 set it to 0: sysctl -w kernel.io_uring_disabled=0",
            ),
            Self::Filtered => f.write_str(
                "io_uring is forbidden to this process, most likely by the container's seccomp \
                 filter; allow io_uring_setup, io_uring_enter and io_uring_register in it \
                 (docker: --security-opt seccomp=<profile>)",
            ),
            Self::Denied => f.write_str(
                "io_uring is denied by a security module (SELinux, AppArmor); its audit log names \
                 the rule",
            ),
            Self::Unknown => write!(
                f,
                "this kernel has no io_uring; it takes Linux {LINUX_MIN} or later, and a sandbox \
                 that passes it on (gVisor does not)",
            ),
            Self::Memory(limit) => {
                f.write_str("no memory for io_uring's queues; locked memory is limited to ")?;
                match limit {
                    Some(bytes) => write!(f, "{} KiB", bytes / 1024)?,
                    None => f.write_str("nothing, so memory itself is short")?,
                }
                f.write_str(
                    "; raise it: LimitMEMLOCK=infinity (systemd), ulimit -l unlimited (shell), \
                     --ulimit memlock=-1 (docker)",
                )
            }
            Self::TooOld(lacks) => {
                write!(
                    f,
                    "this kernel's io_uring lacks {lacks}; it takes Linux {LINUX_MIN} or later"
                )
            }
            Self::Other(error) => {
                write!(f, "io_uring cannot be set up: {error}{}", advice::of(error))
            }
        }
    }
}

impl std::error::Error for RingRefused {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Other(error) => Some(error),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each errno, with the settings of the host, leads to the right advice.
    #[test]
    fn reasons_name_their_remedy() {
        let table = [
            (libc::EPERM, Some(1), "kernel.io_uring_group"),
            (libc::EPERM, Some(2), "sysctl -w kernel.io_uring_disabled=0"),
            (libc::EPERM, Some(0), "io_uring_setup, io_uring_enter and io_uring_register"),
            (libc::EPERM, None, "seccomp"),
            (libc::EACCES, Some(0), "SELinux"),
            (libc::ENOSYS, None, "gVisor"),
            (libc::ENOMEM, Some(0), "limited to 8192 KiB; raise it: LimitMEMLOCK=infinity"),
            (libc::EINVAL, None, "lacks wings; it takes Linux 6.1"),
            (libc::EMFILE, Some(2), "LimitNOFILE=N (systemd)"),
            (libc::ENFILE, None, "sysctl -w fs.file-max=N"),
        ];
        for (errno, disabled, words) in table {
            let settings = HostSettings { disabled, locked_bytes_max: Some(8 << 20) };
            let error = io::Error::from_raw_os_error(errno);
            let text = RingRefused::classify(error, "wings", &settings).to_string();
            assert!(text.contains(words), "errno {errno}, {disabled:?}: {text}");
        }
    }
}
