//! Facts and global limits of the host.

use std::fs;
use std::path::Path;

use sysinfo::System;

use super::Roots;
use super::files::{self, parse_word, refusal, text, unexpected};
use crate::sample::{Host, Reading};

/// Reads the host.
///
/// Kernel release, processors and memory come from the given trees; where a tree lacks them (a partial bind
/// mount), the running kernel is asked instead, since there is only one.
#[must_use]
pub fn host(roots: &Roots) -> Host {
    let sys = roots.procfs.join("sys");
    Host {
        kernel: text(&sys.join("kernel/osrelease"))
            .ok()
            .map(|release| release.trim().to_owned())
            .filter(|release| !release.is_empty())
            .or_else(System::kernel_version)
            .unwrap_or_else(|| "unknown".to_owned()),
        cpus: online_cpus(&roots.sysfs.join("devices/system/cpu/online")).unwrap_or_else(running_cpus),
        memory_bytes: installed_memory(&roots.procfs.join("meminfo")).unwrap_or_else(running_memory),
        boot_id: text(&sys.join("kernel/random/boot_id"))
            .map_or_else(|_| "unknown".to_owned(), |id| id.trim().to_owned()),
        own_netns: own_netns(roots),
        file_handles: files::word(&sys.join("fs/file-nr"), 0),
        file_max: files::number(&sys.join("fs/file-max")),
        nr_open: files::number(&sys.join("fs/nr_open")),
        threads_max: files::number(&sys.join("kernel/threads-max")),
        pid_max: files::number(&sys.join("kernel/pid_max")),
        max_map_count: files::number(&sys.join("vm/max_map_count")),
        threads: threads(&roots.procfs.join("loadavg")),
    }
}

fn own_netns(roots: &Roots) -> Reading<u64> {
    use std::os::unix::fs::MetadataExt;
    let path = roots.procfs.join("self/ns/net");
    fs::metadata(&path).map(|file| file.ino()).map_err(|error| refusal(&path, &error)).into()
}

/// Threads of the host: the part behind the slash of /proc/loadavg's fourth field ("2/345").
fn threads(path: &Path) -> Reading<u64> {
    let read = || {
        let text = text(path)?;
        let field: String = parse_word(path, &text, 3)?;
        field
            .split_once('/')
            .and_then(|(_, threads)| threads.parse().ok())
            .ok_or_else(|| unexpected(path, &text))
    };
    read().into()
}

fn installed_memory(path: &Path) -> Option<u64> {
    let text = text(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

fn running_memory() -> u64 {
    let mut system = System::new();
    system.refresh_memory();
    system.total_memory()
}

/// Number of processors in a list such as "0-3,8".
fn online_cpus(path: &Path) -> Option<u32> {
    let text = text(path).ok()?;
    let mut cpus = 0_u32;
    for part in text.trim().split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.parse::<u32>().ok()?, last.parse::<u32>().ok()?);
        cpus = cpus.checked_add(last.checked_sub(first)?.checked_add(1)?)?;
    }
    Some(cpus)
}

fn running_cpus() -> u32 {
    let mut system = System::new();
    system.refresh_cpu_list(sysinfo::CpuRefreshKind::nothing());
    u32::try_from(system.cpus().len()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, path: &str, content: &[u8]) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn fixture(directory: &Path) -> Roots {
        Roots { procfs: directory.join("proc"), sysfs: directory.join("sys") }
    }

    #[test]
    fn this_host_agrees_with_independent_sources() {
        let host = host(&Roots::default());
        assert_eq!(host.kernel, nix::sys::utsname::uname().unwrap().release().to_str().unwrap());
        assert_eq!(Some(&host.memory_bytes), Some(&running_memory()));
        assert_eq!(i64::from(host.cpus), online_processors());
        assert_eq!(host.boot_id.len(), 36);
        assert!(*host.threads.value().unwrap() >= 1);
        assert!(host.nr_open.value().is_some());
        assert!(host.own_netns.value().is_some());
    }

    fn online_processors() -> i64 {
        nix::unistd::sysconf(nix::unistd::SysconfVar::_NPROCESSORS_ONLN).unwrap().unwrap()
    }

    #[test]
    fn a_fixture_tree_is_read_instead_of_this_host() {
        let directory = tempfile::tempdir().unwrap();
        let roots = fixture(directory.path());
        write(&roots.procfs, "sys/kernel/osrelease", b"5.10.0-fixture\n");
        write(&roots.procfs, "meminfo", b"MemTotal:        1024 kB\nMemFree: 1 kB\n");
        write(&roots.procfs, "sys/fs/file-nr", b"2720\t0\t100000\n");
        write(&roots.procfs, "loadavg", b"0.00 0.01 0.05 2/345 6789\n");
        write(&roots.sysfs, "devices/system/cpu/online", b"0-3,8\n");

        let host = host(&roots);
        assert_eq!(host.kernel, "5.10.0-fixture");
        assert_eq!(host.memory_bytes, 1024 * 1024);
        assert_eq!(host.cpus, 5);
        assert_eq!(host.file_handles, Reading::Value(2720));
        assert_eq!(host.threads, Reading::Value(345));
        assert!(host.file_max.reason().unwrap().contains("ENOENT"));
        assert!(host.own_netns.reason().unwrap().contains("ENOENT"));
    }

    #[test]
    fn garbage_is_unreadable_and_never_zero() {
        let directory = tempfile::tempdir().unwrap();
        let roots = fixture(directory.path());
        write(&roots.procfs, "sys/fs/file-nr", b"\xff\xff");
        write(&roots.procfs, "sys/fs/nr_open", b"");
        write(&roots.procfs, "loadavg", b"0.00 0.01 0.05 345\n");
        write(&roots.procfs, "meminfo", b"MemTotal: many\n");
        write(&roots.sysfs, "devices/system/cpu/online", b"3-0\n");

        let host = host(&roots);
        assert!(host.file_handles.value().is_none());
        assert!(host.nr_open.value().is_none());
        assert!(host.threads.value().is_none());
        assert_eq!(host.memory_bytes, running_memory());
        assert_eq!(i64::from(host.cpus), online_processors());
    }
}
