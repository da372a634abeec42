//! The CPUs this process may use, and what they mean for the number of shards.
//!
//! Two limits apply: the affinity mask (which CPUs) and the control group's quota (how much CPU
//! time). `ids` ascends without repetition and is never empty; a quota is above 0. The code that
//! builds the shards reads them once at start; later changes are not seen.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use rustix::thread::{CpuSet, sched_getaffinity};

use crate::limits::SHARDS_MAX;

/// The CPUs that this process may use.
#[derive(Clone, Debug, PartialEq)]
pub struct Cpus {
    /// Numbers of the CPUs in the affinity mask, ascending; at least one.
    pub ids: Vec<usize>,
    /// CPU time per unit of time, if a control group limits it; above 0. It may be below 1 and may
    /// exceed the number of CPUs.
    pub quota: Option<f64>,
}

/// Reads the affinity mask and the quota of the control group and its parents.
///
/// It never fails: a limit that cannot be read does not apply, and without a mask the CPUs are
/// counted from 0.
pub fn available() -> Cpus {
    Cpus { ids: affinity().unwrap_or_else(counted), quota: quota() }
}

impl Cpus {
    /// The default number of shards: one per CPU, or as many as the quota can keep busy. From 1 to
    /// [`SHARDS_MAX`].
    pub fn default_shards(&self) -> usize {
        let cpus = self.ids.len().clamp(1, SHARDS_MAX);
        let busy = |shards: &usize| self.quota.is_some_and(|quota| as_f64(*shards) >= quota);
        // The first number that uses up the quota: rounding the quota up would need a lossy cast.
        (1..cpus).find(busy).unwrap_or(cpus)
    }

    /// Whether `shards` threads should each be bound to a CPU of their own.
    ///
    /// Not with more shards than CPUs, and not under a quota below the number of CPUs: then other
    /// groups run on these CPUs too, and a pinned thread could not move to another one.
    pub fn should_pin(&self, shards: usize) -> bool {
        shards <= self.ids.len() && !self.is_rationed()
    }

    fn is_rationed(&self) -> bool {
        self.quota.is_some_and(|quota| quota < as_f64(self.ids.len()))
    }
}

/// The CPUs of `ids` for work that must not disturb `cpu`: all others, if there are any.
pub fn apart_from(ids: &[usize], cpu: usize) -> Vec<usize> {
    let others: Vec<usize> = ids.iter().copied().filter(|&id| id != cpu).collect();
    if others.is_empty() { ids.to_vec() } else { others }
}

/// A number of CPUs as a float. It is exact: no machine has 2^32 of them.
fn as_f64(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

/// The affinity mask's CPUs; `None` where the kernel has more CPUs than the mask's type, or an
/// empty mask was read.
fn affinity() -> Option<Vec<usize>> {
    let mask = sched_getaffinity(None).ok()?;
    let ids: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|&id| mask.is_set(id)).collect();
    (!ids.is_empty()).then_some(ids)
}

fn counted() -> Vec<usize> {
    let count = thread::available_parallelism().map_or(1, usize::from);
    (0..count).collect()
}

/// The strictest quota from this process's control group up to its mount, in every hierarchy that
/// exists.
fn quota() -> Option<f64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let of = |hierarchy: Hierarchy| {
        let mount = find_mount(&mounts, hierarchy)?;
        let group = find_group(&groups, hierarchy)?;
        let quotas = levels(&mount, Path::new(group)).into_iter();
        strictest(quotas.filter_map(|level| read_quota(&level, hierarchy)))
    };
    strictest([Hierarchy::V2, Hierarchy::V1].into_iter().filter_map(of))
}

fn read_quota(level: &Path, hierarchy: Hierarchy) -> Option<f64> {
    let read = |name: &str| fs::read_to_string(level.join(name)).ok();
    match hierarchy {
        Hierarchy::V2 => parse_cpu_max(&read("cpu.max")?),
        Hierarchy::V1 => parse_cfs(&read("cpu.cfs_quota_us")?, &read("cpu.cfs_period_us")?),
    }
}

fn strictest(quotas: impl Iterator<Item = f64>) -> Option<f64> {
    quotas.reduce(f64::min)
}

/// Control groups' two interfaces, as in cgroups(7).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Hierarchy {
    /// One tree for every controller.
    V2,
    /// A tree of its own for the `cpu` controller.
    V1,
}

/// Where a hierarchy is mounted.
#[derive(PartialEq, Eq, Debug)]
struct Mount<'a> {
    /// Directory of the mount in the file system.
    point: &'a Path,
    /// Control group that the mount shows as its top.
    root: &'a Path,
}

/// Finds a hierarchy in `/proc/self/mountinfo`: `id parent dev root point options … - type source
/// super-options`, see proc_pid_mountinfo(5).
fn find_mount(mountinfo: &str, hierarchy: Hierarchy) -> Option<Mount<'_>> {
    mountinfo.lines().find_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        let mut kind = after.split(' ');
        let (file_system, super_options) = (kind.next()?, kind.nth(1)?);
        let found = match hierarchy {
            Hierarchy::V2 => file_system == "cgroup2",
            Hierarchy::V1 => {
                file_system == "cgroup" && super_options.split(',').any(|option| option == "cpu")
            }
        };
        let mut fields = before.split(' ').skip(3);
        let (root, point) = (fields.next()?, fields.next()?);
        found.then_some(Mount { point: Path::new(point), root: Path::new(root) })
    })
}

/// Finds this process's group in `/proc/self/cgroup`: lines of `id:controllers:path`, where version
/// 2 has id 0 and no controllers.
fn find_group(groups: &str, hierarchy: Hierarchy) -> Option<&str> {
    groups.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':');
        let (id, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
        let found = match hierarchy {
            Hierarchy::V2 => id == "0" && controllers.is_empty(),
            Hierarchy::V1 => controllers.split(',').any(|controller| controller == "cpu"),
        };
        found.then_some(path)
    })
}

/// Directories from the group's own up to the mount's. If the group is outside the mounted tree, as
/// a container sees it, only the mount's directory is returned.
fn levels(mount: &Mount<'_>, group: &Path) -> Vec<PathBuf> {
    let outside = group.components().any(|part| part.as_os_str() == "..");
    let below = match group.strip_prefix(mount.root) {
        Ok(below) if !outside => below,
        _ => Path::new(""),
    };
    let own = mount.point.join(below);
    own.ancestors()
        .take_while(|level| level.starts_with(mount.point))
        .map(Path::to_path_buf)
        .collect()
}

/// Version 2's `cpu.max`: `QUOTA PERIOD` in microseconds, or `max PERIOD`.
fn parse_cpu_max(text: &str) -> Option<f64> {
    let (quota, period) = text.trim_end().split_once(' ')?;
    parse_cfs(quota, period)
}

/// Version 1's `cpu.cfs_quota_us` (-1: none) and `cpu.cfs_period_us`.
fn parse_cfs(quota: &str, period: &str) -> Option<f64> {
    let quota: u32 = quota.trim_end().parse().ok()?;
    let period: u32 = period.trim_end().parse().ok()?;
    (quota > 0 && period > 0).then(|| f64::from(quota) / f64::from(period))
}

#[cfg(test)]
mod tests {
    use super::*;

    // On the machine of the test: the mask is not empty and ascends, and numbers are in range.
    #[test]
    fn of_this_machine() {
        let cpus = available();
        assert!(cpus.ids.is_sorted_by(|a, b| a < b) && !cpus.ids.is_empty(), "{cpus:?}");
        assert!(cpus.quota.is_none_or(|quota| quota > 0.0), "{cpus:?}");
        assert!((1..=cpus.ids.len()).contains(&cpus.default_shards()), "{cpus:?}");
    }

    // Shards: the quota rounded up, at most one per CPU, 1 to SHARDS_MAX. Pinned only where every
    // shard has a CPU and the group is given all of the CPUs' time.
    #[test]
    fn shards_and_pinning() {
        for (cpus, quota, shards, pin) in [
            (1, None, 1, true),
            (2, None, 2, true),
            (64, None, 64, true),
            (65, None, 64, true),
            (4, Some(0.1), 1, false),
            (4, Some(1.0), 1, false),
            (4, Some(1.01), 2, false),
            (4, Some(3.0), 3, false),
            (4, Some(3.5), 4, false),
            (4, Some(4.0), 4, true),
            (4, Some(100.0), 4, true),
            (128, Some(100.0), 64, false),
        ] {
            let given = Cpus { ids: (0..cpus).collect(), quota };
            assert_eq!(given.default_shards(), shards, "{cpus} CPUs, quota {quota:?}");
            assert_eq!(given.should_pin(shards), pin, "{cpus} CPUs, quota {quota:?}");
            assert!(!given.should_pin(cpus + 1), "{cpus} CPUs, one more shard");
        }
    }

    // The CPUs other than a given one: all except that one, unless it is the only one.
    #[test]
    fn others() {
        assert_eq!(apart_from(&[0, 2, 5], 2), [0, 5]);
        assert_eq!(apart_from(&[0, 2], 0), [2]);
        assert_eq!(apart_from(&[3], 3), [3]);
    }

    // cpu.max as the kernel writes it; other text sets no limit.
    #[test]
    fn version_2_quota() {
        for (text, quota) in [
            ("max 100000\n", None),
            ("150000 100000\n", Some(1.5)),
            ("1000 100000", Some(0.01)),
            ("1000 1000", Some(1.0)),
            ("0 100000", None),
            ("100000 0", None),
            ("100000", None),
            ("", None),
            ("a b", None),
        ] {
            assert_eq!(parse_cpu_max(text), quota, "{text:?}");
        }
    }

    // cpu.cfs_quota_us and cpu.cfs_period_us as the kernel writes them.
    #[test]
    fn version_1_quota() {
        for (given, period, quota) in [
            ("-1\n", "100000\n", None),
            ("50000\n", "100000\n", Some(0.5)),
            ("400000\n", "100000\n", Some(4.0)),
            ("", "100000\n", None),
        ] {
            assert_eq!(parse_cfs(given, period), quota, "{given:?}");
        }
    }

    // /proc/self/cgroup of the three layouts there are.
    #[test]
    fn groups() {
        let unified = "0::/system.slice/ringmq.service\n";
        let hybrid = "4:memory:/a\n3:cpu,cpuacct:/b:c\n2:cpuset:/d\n1:name=systemd:/e\n0::/f\n";
        let legacy = "2:cpuset:/d\n1:cpu:/\n";
        for (text, hierarchy, group) in [
            (unified, Hierarchy::V2, Some("/system.slice/ringmq.service")),
            (unified, Hierarchy::V1, None),
            (hybrid, Hierarchy::V2, Some("/f")),
            (hybrid, Hierarchy::V1, Some("/b:c")),
            (legacy, Hierarchy::V2, None),
            (legacy, Hierarchy::V1, Some("/")),
            ("", Hierarchy::V2, None),
            ("0:", Hierarchy::V2, None),
        ] {
            assert_eq!(find_group(text, hierarchy), group, "{text:?} {hierarchy:?}");
        }
    }

    // /proc/self/mountinfo: the hierarchy's own line, with optional fields or without.
    #[test]
    fn mounts() {
        let text = "23 1 8:1 / / rw,relatime shared:1 - ext4 /dev/vda rw\n\
                    34 31 0:31 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n\
                    32 31 0:29 /docker/ab /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n\
                    41 31 0:38 / /sys/fs/cgroup/unified rw shared:9 - cgroup2 cgroup2 rw\n";
        let mount = |root, point| Some(Mount { point: Path::new(point), root: Path::new(root) });
        assert_eq!(find_mount(text, Hierarchy::V2), mount("/", "/sys/fs/cgroup/unified"));
        assert_eq!(find_mount(text, Hierarchy::V1), mount("/docker/ab", "/sys/fs/cgroup/cpu"));
        assert_eq!(find_mount("", Hierarchy::V2), None);
        assert_eq!(find_mount("41 31 0:38 / /x rw - cgroup2", Hierarchy::V2), None);
    }

    // The walk starts at the group's own directory and ends at the mount's.
    #[test]
    fn levels_of_a_group() {
        for (root, group, expected) in [
            ("/", "/", vec!["/cg"]),
            ("/", "/a", vec!["/cg/a", "/cg"]),
            ("/", "/a/b", vec!["/cg/a/b", "/cg/a", "/cg"]),
            ("/docker/ab", "/docker/ab", vec!["/cg"]),
            ("/docker/ab", "/docker/ab/c", vec!["/cg/c", "/cg"]),
            ("/docker/ab", "/", vec!["/cg"]),
            ("/", "/../other", vec!["/cg"]),
        ] {
            let mount = Mount { point: Path::new("/cg"), root: Path::new(root) };
            let found = levels(&mount, Path::new(group));
            let expected: Vec<PathBuf> = expected.into_iter().map(PathBuf::from).collect();
            assert_eq!(found, expected, "{group} under {root}");
        }
    }
}
