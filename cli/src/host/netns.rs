//! A network namespace, by an open descriptor, and code that runs inside it.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;

use nix::errno::Errno;
use nix::sched::{CloneFlags, setns};

use super::Roots;

/// Why a network namespace could not be opened or entered.
#[derive(Debug, thiserror::Error)]
pub enum NetnsError {
    /// The process is gone.
    #[error("process {pid} is gone; its network namespace cannot be opened any more")]
    Gone {
        /// Process id.
        pid: i32,
    },
    /// The namespace file could not be opened.
    #[error("cannot open the network namespace {path}: {errno:?}{}", open_remedy(*.errno))]
    Open {
        /// What was opened.
        path: PathBuf,
        /// Why not.
        errno: Errno,
    },
    /// setns(2) was refused.
    #[error(
        "cannot enter network namespace {inode} with setns(CLONE_NEWNET): {errno:?}; needs CAP_SYS_ADMIN, run \
         as root"
    )]
    Enter {
        /// Inode number of the namespace.
        inode: u64,
        /// Why not.
        errno: Errno,
    },
    /// No thread for the work inside the namespace.
    #[error("cannot start a thread for network namespace {inode}: {errno:?}; check the limits of threads")]
    Thread {
        /// Inode number of the namespace.
        inode: u64,
        /// Why not.
        errno: Errno,
    },
}

impl NetnsError {
    /// Whether more privileges would help.
    #[must_use]
    pub const fn is_permission(&self) -> bool {
        match self {
            Self::Open { errno, .. } | Self::Enter { errno, .. } => {
                matches!(errno, Errno::EACCES | Errno::EPERM)
            }
            Self::Gone { .. } | Self::Thread { .. } => false,
        }
    }
}

fn open_remedy(errno: Errno) -> &'static str {
    match errno {
        Errno::EACCES | Errno::EPERM => "; needs the same user or CAP_SYS_PTRACE, run as root",
        Errno::ENOENT => "; is this a procfs mount, and does the kernel have network namespaces?",
        _ => "",
    }
}

fn errno(error: &io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::UnknownErrno, Errno::from_raw)
}

/// A network namespace that stays alive as long as this value does.
#[derive(Debug)]
pub struct NetnsRef {
    /// Open namespace; not needed for the own one.
    file: Option<File>,
    inode: u64,
}

impl NetnsRef {
    /// The namespace that netscope itself runs in.
    ///
    /// # Errors
    /// [`NetnsError::Open`] when `self/ns/net` of the procfs mount cannot be opened.
    pub fn own(roots: &Roots) -> Result<Self, NetnsError> {
        let path = own_path(roots);
        let inode = inode_of(&path).map_err(|error| NetnsError::Open { path, errno: errno(&error) })?;
        Ok(Self { file: None, inode })
    }

    /// The namespace of process `pid`.
    ///
    /// An unprivileged user may not look at the namespace of another user's process. Whether it is the own one
    /// is still visible: every namespace numbers its /proc/PID/net files on its own (fs/proc/proc_net.c), so
    /// equal inode numbers mean the same namespace.
    ///
    /// # Errors
    /// [`NetnsError::Gone`] when the process does not exist, [`NetnsError::Open`] when its namespace may not
    /// be opened and is not ours.
    pub fn of_process(roots: &Roots, pid: i32) -> Result<Self, NetnsError> {
        let path = roots.process(pid).join("ns/net");
        let opened = File::open(&path).and_then(|file| Ok((file.metadata()?.ino(), file)));
        match opened {
            Ok((inode, _)) if inode_of(&own_path(roots)).is_ok_and(|own| own == inode) => {
                Ok(Self { file: None, inode })
            }
            Ok((inode, file)) => Ok(Self { file: Some(file), inode }),
            Err(error) => {
                if !roots.process(pid).exists() {
                    return Err(NetnsError::Gone { pid });
                }
                if error.kind() == io::ErrorKind::PermissionDenied && shares_own_tables(roots, pid) {
                    return Self::own(roots);
                }
                Err(NetnsError::Open { path, errno: errno(&error) })
            }
        }
    }

    /// Inode number, as in `ls -l /proc/PID/ns/net`.
    #[must_use]
    pub const fn inode(&self) -> u64 {
        self.inode
    }

    /// Whether it is the namespace that netscope itself runs in.
    #[must_use]
    pub const fn is_own(&self) -> bool {
        self.file.is_none()
    }

    /// Calls `work` inside the namespace: directly for the own one, else on a thread that enters it first and
    /// ends afterwards, so that no other code ever runs in the foreign namespace. Inside, `/proc/thread-self`
    /// and `/proc/sys/net` are the namespace's; `/proc/self` is not.
    ///
    /// # Errors
    /// [`NetnsError::Enter`] when setns(2) is refused, [`NetnsError::Thread`] when no thread could be started.
    pub fn run_inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, NetnsError> {
        let inode = self.inode;
        let Some(file) = &self.file else {
            return Ok(work());
        };
        thread::scope(|scope| {
            let worker = thread::Builder::new()
                .name("netns".to_owned())
                .spawn_scoped(scope, || {
                    setns(file, CloneFlags::CLONE_NEWNET)
                        .map_err(|errno| NetnsError::Enter { inode, errno })
                        .map(|()| work())
                })
                .map_err(|error| NetnsError::Thread { inode, errno: errno(&error) })?;
            worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}

fn own_path(roots: &Roots) -> PathBuf {
    roots.procfs.join("self/ns/net")
}

fn inode_of(path: &Path) -> io::Result<u64> {
    fs::metadata(path).map(|file| file.ino())
}

fn shares_own_tables(roots: &Roots, pid: i32) -> bool {
    let own = inode_of(&roots.procfs.join("self/net/netstat"));
    let other = inode_of(&roots.process(pid).join("net/netstat"));
    matches!((own, other), (Ok(own), Ok(other)) if own == other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::tests::OtherNamespace;

    #[test]
    fn our_own_process_is_in_our_own_namespace() {
        let roots = Roots::default();
        let own = NetnsRef::own(&roots).unwrap();
        let ours = NetnsRef::of_process(&roots, std::process::id().cast_signed()).unwrap();
        assert!(own.is_own() && ours.is_own());
        assert_eq!(own.inode(), ours.inode());
        let caller = thread::current().id();
        assert_eq!(ours.run_inside(|| thread::current().id()).unwrap(), caller);
    }

    #[test]
    fn a_missing_process_is_gone() {
        let error = NetnsRef::of_process(&Roots::default(), i32::MAX).unwrap_err();
        assert!(matches!(error, NetnsError::Gone { pid: i32::MAX }), "{error}");
    }

    #[test]
    fn work_runs_in_the_other_namespace_and_leaves_ours_alone() {
        let Some(other) = OtherNamespace::create("work_runs_in_the_other_namespace_and_leaves_ours_alone")
        else {
            return;
        };
        let roots = Roots::default();
        let netns = NetnsRef::of_process(&roots, other.pid()).unwrap();
        assert!(!netns.is_own());
        let inside = || fs::metadata("/proc/thread-self/ns/net").unwrap().ino();
        assert_eq!(netns.run_inside(inside).unwrap(), netns.inode());
        assert_ne!(inside(), netns.inode());
    }

    #[test]
    fn a_file_that_is_no_namespace_names_setns_and_the_capability() {
        let file = tempfile::tempfile().unwrap();
        let netns = NetnsRef { file: Some(file), inode: 7 };
        let message = netns.run_inside(|| ()).unwrap_err().to_string();
        assert!(message.contains("setns(CLONE_NEWNET)"), "{message}");
        assert!(message.contains("EINVAL") || message.contains("EPERM"), "{message}");
        assert!(message.contains("CAP_SYS_ADMIN"), "{message}");
    }

    #[test]
    fn an_unreadable_namespace_with_our_tables_is_ours() {
        let directory = tempfile::tempdir().unwrap();
        let roots = Roots { procfs: directory.path().to_owned(), ..Roots::default() };
        for path in ["self/ns", "self/net", "42/net", "43/net"] {
            fs::create_dir_all(directory.path().join(path)).unwrap();
        }
        fs::write(directory.path().join("self/ns/net"), "").unwrap();
        fs::write(directory.path().join("self/net/netstat"), "").unwrap();
        fs::hard_link(directory.path().join("self/net/netstat"), directory.path().join("42/net/netstat"))
            .unwrap();
        fs::write(directory.path().join("43/net/netstat"), "").unwrap();
        assert!(shares_own_tables(&roots, 42));
        assert!(!shares_own_tables(&roots, 43));
        assert!(!shares_own_tables(&roots, 44));
        let missing = NetnsRef::of_process(&roots, 42).unwrap_err().to_string();
        assert!(missing.contains("ENOENT"), "{missing}");
    }
}
