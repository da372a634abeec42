//! CPU time and resident memory of a process, from the kernel.
//!
//! It reads `/proc/PID/stat` and `/proc/PID/status`, and keeps nothing open.

use std::fs;
use std::io;

/// Clock ticks a second in `/proc/PID/stat`: USER_HZ is 100 on every Linux ABI in use.
const TICKS_PER_S: f64 = 100.0;

/// A process at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Sample {
    /// User and system time of all its threads so far, in seconds, in steps of 10 ms.
    pub(crate) cpu_s: f64,
    /// Resident memory in bytes, file mappings included.
    pub(crate) rss_bytes: u64,
}

impl Sample {
    /// Reads the process `pid`.
    pub(crate) fn of(pid: u32) -> io::Result<Sample> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let read = cpu_s(&stat).zip(rss_bytes(&status));
        let (cpu_s, rss_bytes) = read.ok_or_else(|| io::Error::other("not a live process"))?;
        Ok(Sample { cpu_s, rss_bytes })
    }
}

/// utime + stime: fields 14 and 15; the name in field 2 may contain blanks and brackets.
fn cpu_s(stat: &str) -> Option<f64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some((user + system) as f64 / TICKS_PER_S)
}

fn rss_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The fields are found whatever the name of the process.
    #[test]
    fn fields_are_found() {
        let stat = "42 (a) b (c) S 1 42 42 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 1 0 9 1 1";
        assert_eq!(cpu_s(stat), Some(3.0));
        assert_eq!(cpu_s("42 (a) S 1"), None);
        assert_eq!(rss_bytes("Name:\tx\nVmRSS:\t    12 kB\n"), Some(12 * 1024));
        assert_eq!(rss_bytes("Name:\tx\n"), None);
    }

    /// This process can be read.
    #[test]
    fn own_process_is_read() {
        let sample = Sample::of(std::process::id()).expect("this process lives");
        assert!(sample.rss_bytes > 0);
    }
}
