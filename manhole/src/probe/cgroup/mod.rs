//! What the process may use and what it is charged: the cgroup's limits, throttling, kills, pressure.
//!
//! Version 2 and version 1 (also mixed), inside and outside containers. A limit may sit above the
//! process's own group (a pod, a slice): the tightest one that can be seen counts, and it is said
//! where it sits. Reading everything is 10 to 25 small files, 0.1 to 0.3 ms; nothing waits.

mod place;
mod psi;

pub(crate) use place::{Mounts, Place};
pub(crate) use psi::{Pressure, Stall};

use super::procfs::{field_number, line, number, text};
use std::path::{Path, PathBuf};

/// The state of the process's cgroup; what the system does not offer is `None`.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct Cgroup {
    /// 2 or 1; `None` without any cgroup file system in sight.
    pub version: Option<u8>,
    /// The group's path as the process sees it, of the memory controller.
    pub path: Option<String>,
    /// Processor time.
    pub cpu: Cpu,
    /// Memory.
    pub memory: Memory,
    /// Processes and threads.
    pub pids: Pids,
    /// Time lost for want of processor time, memory or input and output.
    pub pressure: Pressures,
}

/// Processor time, from `cpu.max` and `cpu.stat` of the group with the tightest quota.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct Cpu {
    /// Cores the group may use on average: quota over period.
    pub limit_cores: Option<f64>,
    /// Path below the mount of the group that has this limit, when it is not the process's own.
    pub limit_above: Option<String>,
    /// Length of a period in nanoseconds.
    pub period_ns: Option<u64>,
    /// CPU time the group has used, in nanoseconds.
    pub usage_ns: Option<u64>,
    /// Periods in which the group ran.
    pub periods: Option<u64>,
    /// Periods in which it was stopped because its quota was used up.
    pub throttled_periods: Option<u64>,
    /// Time its cores stood still for that, summed over cores, in nanoseconds.
    pub throttled_ns: Option<u64>,
}

/// Memory, in bytes.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct Memory {
    /// Charged to the group with the tightest limit, page cache included.
    pub current: Option<u64>,
    /// The tightest limit: reaching it is fatal when nothing can be reclaimed.
    pub limit: Option<u64>,
    /// Path below the mount of the group that has this limit, when it is not the process's own.
    pub limit_above: Option<String>,
    /// `memory.high`: above it the group is slowed down.
    pub high: Option<u64>,
    /// Highest `current` so far.
    pub peak: Option<u64>,
    /// Cached files in `current`: what the kernel can take back.
    pub cache: Option<u64>,
    /// Swap used by the group.
    pub swap: Option<u64>,
    /// Most swap it may use.
    pub swap_limit: Option<u64>,
    /// Times `high` was exceeded.
    pub high_events: Option<u64>,
    /// Times the limit was hit and the kernel had to reclaim.
    pub limit_events: Option<u64>,
    /// Processes that were killed for it.
    pub oom_kills: Option<u64>,
}

/// Processes and threads in the group.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct Pids {
    /// There now.
    pub current: Option<u64>,
    /// Allowed.
    pub limit: Option<u64>,
}

/// Pressure by resource, of the group where it keeps books, otherwise of the whole system.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct Pressures {
    /// Waiting for a core.
    pub cpu: Option<Pressure>,
    /// Waiting for memory: reclaim, swap, refaults.
    pub memory: Option<Pressure>,
    /// Waiting for input and output.
    pub io: Option<Pressure>,
    /// The figures are those of the whole system (`/proc/pressure`).
    pub of_system: bool,
}

impl Cgroup {
    /// Finds the group and reads everything; 0.1 to 0.3 ms.
    pub(crate) fn read() -> Self {
        let place = Place::find(&Mounts::read());
        Self {
            version: place.version(),
            path: place.path.clone(),
            cpu: Cpu::read(&place),
            memory: Memory::read(&place),
            pids: Pids::read(&place),
            pressure: Pressures::read(&place),
        }
    }
}

/// What the tick keeps; three or four files, about 15 us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Vital {
    /// Charged to the group, in bytes.
    pub memory: Option<u64>,
    /// Time throttled, in nanoseconds.
    pub throttled_ns: Option<u64>,
    /// Processes killed for want of memory.
    pub oom_kills: Option<u64>,
}

impl Vital {
    /// Reads the process's own group, without looking above it.
    pub(crate) fn read(mounts: &Mounts) -> Self {
        let place = Place::find(mounts);
        let memory = place.memory.as_ref();
        Self {
            memory: memory
                .and_then(|dir| number(dir.file("memory.current", "memory.usage_in_bytes"))),
            throttled_ns: place
                .cpu
                .as_ref()
                .and_then(|dir| text(dir.path.join("cpu.stat")))
                .and_then(|stat| throttled_ns(&stat)),
            oom_kills: memory.and_then(oom_kills),
        }
    }
}

/// A directory of a controller, with the version of its files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dir {
    /// The process's own group.
    pub path: PathBuf,
    /// Where the hierarchy is mounted: the top of what can be seen.
    pub mount: PathBuf,
    /// Whether the files are those of version 2.
    pub v2: bool,
}

impl Dir {
    /// The file by its name in version 2 or 1.
    fn file(&self, v2: &str, v1: &str) -> PathBuf {
        self.path.join(if self.v2 { v2 } else { v1 })
    }

    /// The group and those above it, as far as they can be seen.
    fn upwards(&self) -> impl Iterator<Item = Dir> + '_ {
        let seen = self
            .path
            .ancestors()
            .take_while(|path| path.starts_with(&self.mount));
        seen.take(32).map(|path| Dir {
            path: path.to_owned(),
            ..self.clone()
        })
    }

    /// The group with the least of `figure`, and that least.
    fn tightest(&self, figure: impl Fn(&Dir) -> Option<f64>) -> Option<(Dir, f64)> {
        self.upwards()
            .filter_map(|dir| figure(&dir).map(|value| (dir, value)))
            .min_by(|(_, a), (_, b)| a.total_cmp(b))
    }

    /// `dir`'s path below the mount, unless it is this group itself.
    fn above(&self, dir: &Path) -> Option<String> {
        let below = dir.strip_prefix(&self.mount).ok()?;
        (dir != self.path).then(|| format!("/{}", below.display()))
    }
}

impl Cpu {
    /// Finds the group and reads its processor time alone; 40 us.
    pub(crate) fn read_own() -> Self {
        Self::read(&Place::find(&Mounts::read()))
    }

    fn read(place: &Place) -> Self {
        let Some(own) = &place.cpu else {
            return Self::default();
        };
        let tightest = own.tightest(|dir| quota(dir).map(|(cores, _)| cores));
        let dir = tightest.as_ref().map_or(own, |(dir, _)| dir);
        let stat = text(dir.path.join("cpu.stat")).unwrap_or_default();
        let usage_v1 = || number(place.cpuacct.as_ref()?.path.join("cpuacct.usage"));
        Self {
            limit_cores: tightest.as_ref().map(|(_, cores)| *cores),
            limit_above: own.above(&dir.path),
            period_ns: quota(dir).map(|(_, period_ns)| period_ns),
            usage_ns: field_number::<u64>(&stat, "usage_usec")
                .map(|us| us.saturating_mul(1000))
                .or_else(usage_v1),
            periods: field_number(&stat, "nr_periods"),
            throttled_periods: field_number(&stat, "nr_throttled"),
            throttled_ns: throttled_ns(&stat),
        }
    }
}

/// Cores allowed, and the period in nanoseconds; `None` without a limit.
fn quota(dir: &Dir) -> Option<(f64, u64)> {
    let (quota, period) = match dir.v2 {
        true => parse_cpu_max(&line(dir.path.join("cpu.max"))?)?,
        false => (
            number::<i64>(dir.path.join("cpu.cfs_quota_us"))
                .and_then(|quota| u64::try_from(quota).ok())?,
            number(dir.path.join("cpu.cfs_period_us"))?,
        ),
    };
    (period > 0).then(|| (quota as f64 / period as f64, period.saturating_mul(1000)))
}

/// Quota and period in microseconds out of `cpu.max`; `None` for "max".
fn parse_cpu_max(text: &str) -> Option<(u64, u64)> {
    let (quota, period) = text.split_once(' ')?;
    Some((quota.parse().ok()?, period.trim().parse().ok()?))
}

/// Version 2 counts microseconds, version 1 nanoseconds under another name.
fn throttled_ns(stat: &str) -> Option<u64> {
    field_number::<u64>(stat, "throttled_usec")
        .map(|us| us.saturating_mul(1000))
        .or_else(|| field_number(stat, "throttled_time"))
}

impl Memory {
    /// What cannot simply be taken back, in bytes: `current` without cached files.
    pub(crate) fn held(&self) -> Option<u64> {
        Some(self.current?.saturating_sub(self.cache.unwrap_or(0)))
    }

    fn read(place: &Place) -> Self {
        let Some(own) = &place.memory else {
            return Self::default();
        };
        // The least room decides, not the least limit: a pod may be full while its container is not.
        let tightest =
            own.tightest(|dir| Some(limit(dir)? as f64 - current(dir).unwrap_or(0) as f64));
        let dir = tightest.as_ref().map_or(own, |(dir, _)| dir);
        let events = text(dir.path.join("memory.events")).unwrap_or_default();
        let stat = text(dir.path.join("memory.stat")).unwrap_or_default();
        Self {
            current: current(dir),
            limit: limit(dir),
            limit_above: own.above(&dir.path),
            high: bound(dir.path.join("memory.high")),
            peak: number(dir.file("memory.peak", "memory.max_usage_in_bytes")),
            cache: cache(&stat),
            swap: number(dir.path.join("memory.swap.current")),
            swap_limit: bound(dir.path.join("memory.swap.max")),
            high_events: field_number(&events, "high"),
            limit_events: field_number(&events, "max")
                .or_else(|| number(dir.path.join("memory.failcnt"))),
            oom_kills: oom_kills(own),
        }
    }
}

/// Cached files, without shared memory, which the kernel can only swap.
fn cache(stat: &str) -> Option<u64> {
    let v2 = || {
        Some((
            field_number::<u64>(stat, "file")?,
            field_number(stat, "shmem"),
        ))
    };
    let v1 = || {
        Some((
            field_number(stat, "total_cache")?,
            field_number(stat, "total_shmem"),
        ))
    };
    let (files, shared) = v2().or_else(v1)?;
    Some(files.saturating_sub(shared.unwrap_or(0)))
}

fn current(dir: &Dir) -> Option<u64> {
    number(dir.file("memory.current", "memory.usage_in_bytes"))
}

fn limit(dir: &Dir) -> Option<u64> {
    bound(dir.file("memory.max", "memory.limit_in_bytes"))
}

/// A limit in bytes; `None` for "max" and for version 1's nearly 2^63.
fn bound(path: PathBuf) -> Option<u64> {
    number::<u64>(path).filter(|bytes| *bytes < 1 << 60)
}

fn oom_kills(dir: &Dir) -> Option<u64> {
    let file = dir.file("memory.events", "memory.oom_control");
    field_number(&text(file)?, "oom_kill")
}

impl Pids {
    fn read(place: &Place) -> Self {
        let Some(own) = &place.pids else {
            return Self::default();
        };
        let count = |dir: &Dir, name: &str| number::<u64>(dir.path.join(name));
        let room = |dir: &Dir| {
            Some(count(dir, "pids.max")? as f64 - count(dir, "pids.current").unwrap_or(0) as f64)
        };
        let tightest = own.tightest(room);
        let dir = tightest.as_ref().map_or(own, |(dir, _)| dir);
        Self {
            current: count(dir, "pids.current"),
            limit: count(dir, "pids.max"),
        }
    }
}

impl Pressures {
    fn read(place: &Place) -> Self {
        // The root group's books are the machine's, and only the root lacks this file.
        let is_group = |dir: &&Path| dir.join("cgroup.events").exists();
        let group = place
            .unified
            .as_ref()
            .map(|dir| dir.path.as_path())
            .filter(is_group);
        let of_group = group.map(|dir| Self::at(|name| dir.join(format!("{name}.pressure"))));
        of_group.filter(Self::any).unwrap_or_else(|| Self {
            of_system: true,
            ..Self::at(|name| Path::new("/proc/pressure").join(name))
        })
    }

    fn at(file: impl Fn(&str) -> PathBuf) -> Self {
        let read = |name| text(file(name)).and_then(|text| Pressure::parse(&text));
        Self {
            cpu: read("cpu"),
            memory: read("memory"),
            io: read("io"),
            of_system: false,
        }
    }

    /// Whether anything is known.
    pub(crate) fn any(&self) -> bool {
        self.cpu.is_some() || self.memory.is_some() || self.io.is_some()
    }
}

#[cfg(test)]
mod tests;
