//! The system's figures of this process: memory, CPU time, open files.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::{SystemTime, UNIX_EPOCH};

use nix::time::{ClockId, clock_gettime};
use rustix::process::{Resource, getrlimit};
use rustix::system::uname;

/// Bytes of the file that are read: it has less than two thousand.
const STATUS_BYTES: usize = 4096;

/// See the module.
pub struct Process {
    /// Opened before the process changes its user, who may not open it.
    status: Option<File>,
    /// The directory of its open files.
    files: Option<File>,
    kernel: Box<str>,
    started_s: f64,
}

/// Some figures of it.
#[derive(Clone, Default, Debug)]
pub(super) struct ProcessFigures {
    /// The version of the system's kernel.
    pub(super) kernel: Box<str>,
    /// Files that it has open, if the kernel tells.
    pub(super) files: Option<u64>,
    pub(super) started_s: f64,
    pub(super) cpu_s: f64,
    pub(super) resident_bytes: u64,
    /// Of these, what is of no file.
    pub(super) heap_bytes: u64,
    pub(super) virtual_bytes: u64,
    pub(super) files_max: u64,
}

impl Process {
    /// This process, which begins now.
    pub fn open() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            status: File::open("/proc/self/status").ok(),
            files: File::open("/proc/self/fd").ok(),
            kernel: uname().release().to_string_lossy().into(),
            started_s: now.map_or(0.0, |since| since.as_secs_f64()),
        }
    }

    pub(super) fn figures(&self) -> ProcessFigures {
        let mut bytes = [0; STATUS_BYTES];
        let read = self.status.as_ref().and_then(|file| file.read_at(&mut bytes, 0).ok());
        let text = String::from_utf8_lossy(&bytes[..read.unwrap_or(0)]).into_owned();
        let kib = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            let number = line.and_then(|rest| rest.trim().strip_suffix(" kB"));
            number.and_then(|number| number.parse::<u64>().ok()).unwrap_or(0) * 1024
        };
        let cpu = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID);
        #[allow(clippy::cast_precision_loss, reason = "seconds and parts of them")]
        let cpu_s = cpu.map_or(0.0, |time| time.tv_sec() as f64 + time.tv_nsec() as f64 / 1e9);
        // From Linux 6.2 on it is their number; reading the directory takes long if there are many.
        let files = self.files.as_ref().and_then(|files| files.metadata().ok());
        let files = files.map(|files| files.len()).filter(|files| *files > 0);
        ProcessFigures {
            kernel: self.kernel.clone(),
            files,
            started_s: self.started_s,
            cpu_s,
            resident_bytes: kib("VmRSS:"),
            heap_bytes: kib("RssAnon:"),
            virtual_bytes: kib("VmSize:"),
            files_max: getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX),
        }
    }
}
