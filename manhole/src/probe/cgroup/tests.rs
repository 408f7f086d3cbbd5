//! Made-up cgroup directories of both versions, read as if they were the process's own.

use super::*;
use std::{fs, sync::atomic::AtomicU32, sync::atomic::Ordering};

/// A directory that goes away at the end of a test.
struct Tree(PathBuf);

impl Tree {
    fn new(files: &[(&str, &str)]) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "manhole-cgroup-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let tree = Tree(std::env::temp_dir().join(name));
        for (path, content) in files {
            let path = tree.0.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        tree
    }

    fn dir(&self, below: &str, v2: bool) -> Option<Dir> {
        Some(Dir {
            path: self.0.join(below),
            mount: self.0.clone(),
            v2,
        })
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_limit_above_the_own_group_counts_and_is_located() {
    let tree = Tree::new(&[
        ("pod/cpu.max", "150000 100000\n"),
        (
            "pod/cpu.stat",
            "usage_usec 9\nnr_periods 50\nnr_throttled 5\nthrottled_usec 2000\n",
        ),
        ("pod/app/cpu.max", "max 100000\n"),
        (
            "pod/app/cpu.stat",
            "usage_usec 1\nnr_periods 0\nnr_throttled 0\nthrottled_usec 0\n",
        ),
        ("pod/memory.max", "4096\n"),
        ("pod/memory.current", "4000\n"),
        ("pod/app/memory.max", "2048\n"),
        ("pod/app/memory.current", "1000\n"),
        (
            "pod/app/memory.events",
            "low 0\nhigh 1\nmax 2\noom 3\noom_kill 4\n",
        ),
        ("pod/memory.events", "max 7\noom_kill 4\n"),
        ("pod/memory.stat", "anon 3000\nfile 600\nshmem 100\n"),
    ]);
    let place = Place {
        cpu: tree.dir("pod/app", true),
        memory: tree.dir("pod/app", true),
        ..Place::default()
    };
    let cpu = Cpu::read(&place);
    assert_eq!(cpu.limit_cores, Some(1.5));
    assert_eq!(cpu.limit_above.as_deref(), Some("/pod"));
    assert_eq!(
        (cpu.throttled_periods, cpu.throttled_ns),
        (Some(5), Some(2_000_000))
    );
    let memory = Memory::read(&place);
    assert_eq!((memory.current, memory.limit), (Some(4000), Some(4096)));
    assert_eq!(memory.limit_above.as_deref(), Some("/pod"));
    assert_eq!(
        (memory.cache, memory.limit_events, memory.oom_kills),
        (Some(500), Some(7), Some(4))
    );
}

#[test]
fn version_1_has_other_names_and_a_huge_number_for_no_limit() {
    let tree = Tree::new(&[
        ("cpu.cfs_quota_us", "-1\n"),
        ("cpu.cfs_period_us", "100000\n"),
        (
            "cpu.stat",
            "nr_periods 4\nnr_throttled 1\nthrottled_time 77\n",
        ),
        ("memory.limit_in_bytes", "9223372036854771712\n"),
        ("memory.usage_in_bytes", "1000\n"),
        (
            "memory.oom_control",
            "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
        ),
        ("memory.stat", "cache 1\ntotal_cache 10\n"),
    ]);
    let place = Place {
        cpu: tree.dir("", false),
        memory: tree.dir("", false),
        ..Place::default()
    };
    let cpu = Cpu::read(&place);
    assert_eq!((cpu.limit_cores, cpu.throttled_ns), (None, Some(77)));
    let memory = Memory::read(&place);
    assert_eq!(
        (memory.current, memory.limit, memory.cache),
        (Some(1000), None, Some(10))
    );
    assert_eq!(memory.oom_kills, Some(2));
}

#[test]
fn nothing_is_known_of_an_empty_directory() {
    let tree = Tree::new(&[("x", "")]);
    let place = Place {
        cpu: tree.dir("", true),
        memory: tree.dir("", true),
        pids: tree.dir("", true),
        ..Place::default()
    };
    assert_eq!(Cpu::read(&place), Cpu::default());
    assert_eq!(Memory::read(&place), Memory::default());
    assert_eq!(Pids::read(&place), Pids::default());
}

#[test]
fn reading_the_real_one_never_fails() {
    let group = Cgroup::read();
    assert!(group.memory.limit.is_none_or(|limit| limit > 0));
    let _ = Vital::read(&Mounts::read());
}
