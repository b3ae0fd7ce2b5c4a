//! Readers of the host that need no probes: /proc, /sys and sock_diag, one file per source.
//!
//! Every reader takes [`Roots`], so that a container reads the host's tree and a test reads a fixture. What
//! cannot be read becomes [`crate::sample::Reading::Unreadable`] with a sentence, never a zero.

mod cgroup;
mod diag_message;
mod diag_request;
mod facts;
mod fds;
mod files;
mod limits;
mod loopback;
mod namespace;
mod netns;
mod netstat;
mod owners;
mod pace;
mod proc_tcp;
mod process;
mod sock_diag;
mod sockets;
mod switches;
mod sysctl;

pub use facts::host;
pub use loopback::loopback_up;
pub use namespace::NamespaceReader;
pub use netns::{NetnsError, NetnsRef};
pub use owners::{Owners, comm, held_sockets, socket_owners};
pub use proc_tcp::{ListeningSocket, listening_sockets};
pub use process::{ProcessError, ProcessReader, thread_group};

use std::path::PathBuf;

/// Where the kernel's trees are mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roots {
    /// A procfs mount, /proc by default.
    pub procfs: PathBuf,
    /// A sysfs mount, /sys by default.
    pub sysfs: PathBuf,
}

impl Default for Roots {
    fn default() -> Self {
        Self { procfs: PathBuf::from("/proc"), sysfs: PathBuf::from("/sys") }
    }
}

impl Roots {
    /// Directory of a process, such as /proc/42.
    #[must_use]
    pub fn process(&self, pid: i32) -> PathBuf {
        self.procfs.join(pid.to_string())
    }
}

#[cfg(test)]
pub(crate) mod tests;
