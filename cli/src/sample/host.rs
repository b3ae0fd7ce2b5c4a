//! The host.

use serde::{Deserialize, Serialize};

use super::Reading;

/// Facts and global limits of the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// Kernel release (uname -r).
    pub kernel: String,
    /// CPUs online.
    pub cpus: u32,
    /// Installed memory, bytes.
    pub memory_bytes: u64,
    /// /proc/sys/kernel/random/boot_id.
    pub boot_id: String,
    /// Inode of the caller's own network namespace.
    pub own_netns: Reading<u64>,
    /// /proc/sys/fs/file-nr, first field: open file handles of the host.
    pub file_handles: Reading<u64>,
    /// /proc/sys/fs/file-max.
    pub file_max: Reading<u64>,
    /// /proc/sys/fs/nr_open.
    pub nr_open: Reading<u64>,
    /// /proc/sys/kernel/threads-max.
    pub threads_max: Reading<u64>,
    /// /proc/sys/kernel/pid_max.
    pub pid_max: Reading<u64>,
    /// /proc/sys/vm/max_map_count.
    pub max_map_count: Reading<u64>,
    /// Threads of the whole host (/proc/loadavg, fourth field).
    pub threads: Reading<u64>,
}
