//! Which processes hold a socket: the links of /proc/PID/fd.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::Roots;
use super::files::text;

/// PF_KTHREAD of include/linux/sched.h, in the flags field of /proc/PID/stat.
const KERNEL_THREAD: u64 = 0x0020_0000;

/// Holders of sockets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owners {
    /// Processes by socket inode, ascending; only inodes with a visible holder.
    pub by_inode: HashMap<u64, Vec<i32>>,
    /// Processes whose descriptors may not be read (another user's, without CAP_SYS_PTRACE): a socket without
    /// a holder may be theirs.
    pub unreadable: usize,
}

impl Owners {
    /// All holders of any of the sockets, ascending.
    #[must_use]
    pub fn pids(&self) -> Vec<i32> {
        let mut pids: Vec<i32> = self.by_inode.values().flatten().copied().collect();
        pids.sort_unstable();
        pids.dedup();
        pids
    }
}

/// Finds the processes that hold the sockets with these inodes. One pass over every descriptor of every process
/// that may be read; kernel threads have none and are left out.
#[must_use]
pub fn socket_owners(roots: &Roots, inodes: &HashSet<u64>) -> Owners {
    let mut owners = Owners::default();
    if inodes.is_empty() {
        return owners;
    }
    for pid in pids(&roots.procfs) {
        let process = roots.process(pid);
        match held(&process, inodes) {
            Ok(held) => {
                for inode in held {
                    owners.by_inode.entry(inode).or_default().push(pid);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied && !is_kernel_thread(&process) => {
                owners.unreadable += 1;
            }
            Err(_) => {}
        }
    }
    owners
}

/// Process ids of a procfs mount, ascending.
fn pids(procfs: &Path) -> Vec<i32> {
    let mut pids: Vec<i32> = fs::read_dir(procfs)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    pids.sort_unstable();
    pids
}

/// Those of `inodes` that process `pid` holds, each once.
///
/// # Errors
/// The error of reading /proc/PID/fd: EACCES for another user's process without CAP_SYS_PTRACE, ENOENT when it
/// is gone.
pub fn held_sockets(roots: &Roots, pid: i32, inodes: &HashSet<u64>) -> io::Result<HashSet<u64>> {
    held(&roots.process(pid), inodes)
}

fn held(process: &Path, inodes: &HashSet<u64>) -> io::Result<HashSet<u64>> {
    let mut held = HashSet::new();
    for entry in fs::read_dir(process.join("fd"))? {
        let Ok(entry) = entry else { break };
        let Ok(link) = fs::read_link(entry.path()) else { continue };
        if let Some(inode) = socket_inode(link.as_os_str().as_bytes()).filter(|inode| inodes.contains(inode))
        {
            held.insert(inode);
        }
    }
    Ok(held)
}

/// The inode of a link such as "socket:[4711]".
pub(super) fn socket_inode(link: &[u8]) -> Option<u64> {
    let digits = link.strip_prefix(b"socket:[")?.strip_suffix(b"]")?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn is_kernel_thread(process: &Path) -> bool {
    let Ok(stat) = text(&process.join("stat")) else { return false };
    let flags =
        stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(6)?.parse::<u64>().ok());
    flags.is_some_and(|flags| flags & KERNEL_THREAD != 0)
}

/// Name of a process, or `None` when it is gone.
#[must_use]
pub fn comm(roots: &Roots, pid: i32) -> Option<String> {
    let name = text(&roots.process(pid).join("comm")).ok()?;
    Some(name.strip_suffix('\n').unwrap_or(&name).to_owned())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::symlink;

    use super::*;

    fn inode_of(socket: &impl AsRawFd) -> u64 {
        let link = fs::read_link(format!("/proc/self/fd/{}", socket.as_raw_fd())).unwrap();
        socket_inode(link.as_os_str().as_bytes()).unwrap()
    }

    #[test]
    fn our_own_socket_is_ours_until_it_is_closed() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let copy = listener.try_clone().unwrap();
        let inode = inode_of(&listener);
        assert_eq!(inode, inode_of(&copy));
        let own = std::process::id().cast_signed();

        let owners = socket_owners(&Roots::default(), &HashSet::from([inode]));
        assert!(owners.by_inode[&inode].contains(&own));
        assert!(owners.pids().contains(&own));
        let held = held_sockets(&Roots::default(), own, &HashSet::from([inode, inode + 1_000_000])).unwrap();
        assert_eq!(held, HashSet::from([inode]));

        drop((listener, copy));
        let owners = socket_owners(&Roots::default(), &HashSet::from([inode]));
        assert!(!owners.pids().contains(&own));
    }

    #[test]
    fn a_fixture_with_several_holders_garbage_and_vanished_processes() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        for (pid, fd, link) in [
            ("30", "3", "socket:[7]"),
            ("4", "5", "socket:[7]"),
            ("4", "6", "socket:[8]"),
            ("4", "7", "socket:[9]"),
            ("4", "8", "socket:[9]x"),
            ("4", "9", "pipe:[8]"),
        ] {
            fs::create_dir_all(root.join(pid).join("fd")).unwrap();
            symlink(link, root.join(pid).join("fd").join(fd)).unwrap();
        }
        fs::create_dir_all(root.join("55")).unwrap();
        fs::create_dir_all(root.join("sys/fd")).unwrap();
        fs::write(root.join("4/fd/10"), "no link").unwrap();

        let roots = Roots { procfs: root.to_owned(), ..Roots::default() };
        let owners = socket_owners(&roots, &HashSet::from([7, 8]));
        assert_eq!(owners.by_inode, HashMap::from([(7, vec![4, 30]), (8, vec![4])]));
        assert_eq!(owners.pids(), vec![4, 30]);
        assert_eq!(owners.unreadable, 0);
    }

    #[test]
    fn kernel_threads_are_told_by_their_flag() {
        let directory = tempfile::tempdir().unwrap();
        let stat = directory.path().join("stat");
        fs::write(&stat, "2 (a) b) S 0 0 0 0 -1 2129984 0 0").unwrap();
        assert!(is_kernel_thread(directory.path()));
        fs::write(&stat, "2 (nginx) S 1 1 1 0 -1 4194560 0 0").unwrap();
        assert!(!is_kernel_thread(directory.path()));
        fs::write(&stat, b"\xff").unwrap();
        assert!(!is_kernel_thread(directory.path()));
    }

    #[test]
    fn names_are_read_and_a_missing_process_has_none() {
        let roots = Roots::default();
        let own = std::process::id().cast_signed();
        let expected = fs::read_to_string("/proc/self/comm").unwrap();
        assert_eq!(comm(&roots, own).as_deref(), Some(expected.trim_end()));
        assert_eq!(comm(&roots, i32::MAX), None);
    }
}
