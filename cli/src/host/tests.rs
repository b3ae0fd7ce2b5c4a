//! What tests of several readers need.

use std::io::{self, Read, Write};
use std::os::fd::BorrowedFd;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use nix::fcntl::{F_SETFD, FdFlag, fcntl};
use nix::sched::{CloneFlags, unshare};

/// A process that does nothing until this value is dropped.
pub(crate) struct Waiting {
    /// Waits for the end of its standard input, so that it cannot outlive the test.
    child: Child,
}

/// Held while descriptors are inheritable, so that only the process they are meant for gets them.
static SPAWNING: Mutex<()> = Mutex::new(());

impl Waiting {
    /// A process with a pipe, a pipe and a file as its standard descriptors, and copies of `given`.
    pub(crate) fn spawn(given: &[BorrowedFd<'_>]) -> Self {
        Self::start(given).unwrap()
    }

    fn start(given: &[BorrowedFd<'_>]) -> io::Result<Self> {
        let _alone = SPAWNING.lock().unwrap_or_else(PoisonError::into_inner);
        for descriptor in given {
            fcntl(descriptor, F_SETFD(FdFlag::empty()))?;
        }
        let spawned =
            Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        for descriptor in given {
            fcntl(descriptor, F_SETFD(FdFlag::FD_CLOEXEC))?;
        }
        let mut child = spawned?;
        // Its echo says that the dynamic loader has closed its own files.
        child.stdin.as_mut().unwrap().write_all(b"\n")?;
        child.stdout.as_mut().unwrap().read_exact(&mut [0])?;
        Ok(Self { child })
    }

    pub(crate) fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        self.child.wait().unwrap();
    }
}

/// A network namespace of the test's own with a process in it; both end with this value.
pub(crate) struct OtherNamespace {
    holder: Waiting,
}

impl OtherNamespace {
    /// A new namespace, or `None` (said aloud) where the test may not make one.
    pub(crate) fn create(test: &str) -> Option<Self> {
        let made = std::thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).map_err(|errno| format!("unshare(CLONE_NEWNET): {errno}"))?;
            Waiting::start(&[]).map_err(|error| format!("cat: {error}"))
        });
        match made.join().unwrap() {
            Ok(holder) => Some(Self { holder }),
            Err(reason) => {
                eprintln!("SKIPPED {test}: {reason}");
                None
            }
        }
    }

    pub(crate) fn pid(&self) -> i32 {
        self.holder.pid()
    }
}
