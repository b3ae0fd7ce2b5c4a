//! Open descriptors of a process by kind: the links of /proc/PID/fd.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::sys::statfs::{PROC_SUPER_MAGIC, statfs};

use super::files::refusal;
use super::owners::socket_inode;
use super::pace::Pace;
use crate::sample::{Fds, Reading};

/// Above this many descriptors their kinds are looked up once in a while only ([`Pace`]): each costs a system
/// call.
const FEW: u64 = 5_000;

/// Reads descriptors, and remembers the kinds when there are many.
#[derive(Debug, Default)]
pub(super) struct FdReader {
    last: Option<(Pace, Fds)>,
}

impl FdReader {
    /// Descriptors of the process at `process` (/proc/PID). The count is of now; the kinds of more than
    /// [`FEW`] descriptors are as old as [`Pace`] allows.
    pub(super) fn read(&mut self, process: &Path, tcp_inodes: Option<&HashSet<u64>>) -> Reading<Fds> {
        let path = process.join("fd");
        self.try_read(&path, tcp_inodes).map_err(|error| refusal(&path, &error)).into()
    }

    fn try_read(&mut self, path: &Path, tcp_inodes: Option<&HashSet<u64>>) -> io::Result<Fds> {
        let open = count(path)?;
        if let Some((pace, fds)) = &self.last
            && open > FEW
            && !pace.due()
        {
            return Ok(Fds { open, ..fds.clone() });
        }
        let (fds, pace) = Pace::time(|| scan(path, tcp_inodes));
        let fds = fds?;
        self.last = Some((pace, fds.clone()));
        Ok(fds)
    }
}

/// Number of descriptors: the size of the directory where the kernel gives it (6.2 and newer,
/// fs/proc/fd.c, proc_readfd_count), else its entries.
fn count(path: &Path) -> io::Result<u64> {
    let size = fs::metadata(path)?.len();
    if size > 0 && statfs(path).is_ok_and(|statfs| statfs.filesystem_type() == PROC_SUPER_MAGIC) {
        return Ok(size);
    }
    Ok(fs::read_dir(path)?.map_while(Result::ok).fold(0, |count, _| count + 1))
}

/// Looks at every descriptor. One that is closed meanwhile is left out.
fn scan(path: &Path, tcp_inodes: Option<&HashSet<u64>>) -> io::Result<Fds> {
    let mut fds = Fds { tcp_connections: tcp_inodes.map(|_| 0), ..Fds::default() };
    for entry in fs::read_dir(path)?.map_while(Result::ok) {
        let Ok(link) = fs::read_link(entry.path()) else { continue };
        let link = link.as_os_str().as_bytes();
        fds.open += 1;
        let kind = kind(link);
        match fds.by_kind.get_mut(kind) {
            Some(count) => *count += 1,
            None => {
                fds.by_kind.insert(kind.to_owned(), 1);
            }
        }
        if let (Some(inodes), Some(connections)) = (tcp_inodes, fds.tcp_connections.as_mut())
            && socket_inode(link).is_some_and(|inode| inodes.contains(&inode))
        {
            *connections += 1;
        }
    }
    Ok(fds)
}

/// Kind of a descriptor by its link. Anonymous inodes are named by the subsystem that made them, with or
/// without brackets; a memfd looks like a deleted file but holds no disk space.
fn kind(link: &[u8]) -> &'static str {
    if let Some(name) = link.strip_prefix(b"anon_inode:") {
        let name = name.strip_prefix(b"[").unwrap_or(name);
        let name = name.strip_suffix(b"]").unwrap_or(name);
        return match name {
            b"eventpoll" => "eventpoll",
            b"eventfd" => "eventfd",
            b"timerfd" => "timerfd",
            b"inotify" => "inotify",
            b"io_uring" => "io_uring",
            b"pidfd" => "pidfd",
            _ if name.starts_with(b"bpf") => "bpf",
            _ => "other",
        };
    }
    match link {
        _ if link.starts_with(b"socket:[") => "socket",
        _ if link.starts_with(b"pipe:[") => "pipe",
        _ if link.starts_with(b"pidfd:[") => "pidfd",
        _ if link.starts_with(b"/memfd:") => "other",
        _ if link.starts_with(b"/") && link.ends_with(b" (deleted)") => "deleted",
        _ if link.starts_with(b"/") => "file",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_of_the_kernel_have_a_kind() {
        for (link, expected) in [
            ("socket:[1]", "socket"),
            ("pipe:[1]", "pipe"),
            ("anon_inode:[eventpoll]", "eventpoll"),
            ("anon_inode:[eventfd]", "eventfd"),
            ("anon_inode:[timerfd]", "timerfd"),
            ("anon_inode:inotify", "inotify"),
            ("anon_inode:[io_uring]", "io_uring"),
            ("anon_inode:bpf-map", "bpf"),
            ("anon_inode:bpf_link", "bpf"),
            ("anon_inode:[pidfd]", "pidfd"),
            ("anon_inode:[signalfd]", "other"),
            ("/dev/null", "file"),
            ("/var/log/x (deleted)", "deleted"),
            ("/memfd:pool (deleted)", "other"),
            ("net:[4026531840]", "other"),
            ("", "other"),
        ] {
            assert_eq!(kind(link.as_bytes()), expected, "{link}");
        }
    }

    #[test]
    fn a_fixture_directory_is_counted_entry_by_entry() {
        let directory = tempfile::tempdir().unwrap();
        let fd = directory.path().join("fd");
        assert!(FdReader::default().read(directory.path(), None).reason().unwrap().contains("ENOENT"));

        fs::create_dir(&fd).unwrap();
        assert_eq!(FdReader::default().read(directory.path(), None), Reading::Value(Fds::default()));

        for (number, link) in ["socket:[5]", "socket:[6]", "/dev/null"].iter().enumerate() {
            symlink(link, fd.join(number.to_string())).unwrap();
        }
        let inodes = HashSet::from([6, 7]);
        let expected = Fds {
            open: 3,
            by_kind: BTreeMap::from([("file".to_owned(), 1), ("socket".to_owned(), 2)]),
            tcp_connections: Some(1),
        };
        assert_eq!(FdReader::default().read(directory.path(), Some(&inodes)), Reading::Value(expected));
    }

    #[test]
    fn kinds_of_many_descriptors_are_remembered_while_the_count_stays_fresh() {
        let directory = tempfile::tempdir().unwrap();
        let fd = directory.path().join("fd");
        fs::create_dir(&fd).unwrap();
        for number in 0..=FEW {
            symlink("socket:[1]", fd.join(number.to_string())).unwrap();
        }
        let mut reader = FdReader::default();
        let first = reader.read(directory.path(), None);
        assert_eq!(first.value().unwrap().by_kind["socket"], FEW + 1);

        symlink("/dev/null", fd.join("more")).unwrap();
        let second = reader.read(directory.path(), None);
        assert_eq!(second.value().unwrap().open, FEW + 2);
        assert_eq!(second.value().unwrap().by_kind, first.value().unwrap().by_kind);

        reader.last.as_mut().unwrap().0 = Pace::overdue();
        let third = reader.read(directory.path(), None);
        assert_eq!(third.value().unwrap().by_kind["file"], 1);
    }
}
