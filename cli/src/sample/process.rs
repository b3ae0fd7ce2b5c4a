//! One process.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Reading;

/// A resource limit; `None` is unlimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// Soft limit.
    pub soft: Option<u64>,
    /// Hard limit.
    pub hard: Option<u64>,
}

/// Open file descriptors.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fds {
    /// Open descriptors.
    pub open: u64,
    /// By kind: "socket", "eventpoll", "eventfd", "timerfd", "inotify", "io_uring", "bpf", "pidfd", "pipe",
    /// "file", "deleted", "other".
    pub by_kind: BTreeMap<String, u64>,
    /// Descriptors that are listening or connected TCP sockets of the target's network namespace.
    pub tcp_connections: Option<u64>,
}

/// Context switches of one thread, cumulative (/proc/PID/task/TID/status).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreadSwitches {
    /// Thread id.
    pub tid: i32,
    /// voluntary_ctxt_switches.
    pub voluntary: u64,
    /// nonvoluntary_ctxt_switches.
    pub involuntary: u64,
}

/// Limits of a cgroup, the tightest of the process's cgroup and all its ancestors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CgroupLimits {
    /// Path of the cgroup, for display.
    pub path: String,
    /// pids.max; `None` is unlimited.
    pub pids_max: Option<u64>,
    /// pids.current of the cgroup that sets `pids_max`.
    pub pids_current: Option<u64>,
    /// memory.max (v2) or memory.limit_in_bytes (v1), bytes; `None` is unlimited.
    pub memory_max: Option<u64>,
    /// memory.current or memory.usage_in_bytes of the cgroup that sets `memory_max`, bytes.
    pub memory_current: Option<u64>,
}

/// A process, as /proc shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Process id (thread group id).
    pub pid: i32,
    /// Start time, clock ticks after boot: tells a reused pid.
    pub start_ticks: u64,
    /// Name (/proc/PID/comm).
    pub comm: String,
    /// Executable.
    pub exe: Reading<String>,
    /// Command line, arguments joined by spaces.
    pub cmdline: Reading<String>,
    /// User id.
    pub uid: u32,
    /// Inode of its network namespace.
    pub netns: Reading<u64>,
    /// Effective capabilities (CapEff).
    pub cap_effective: Reading<u64>,
    /// Threads.
    pub threads: u64,
    /// Processor time in user mode, microseconds, cumulative.
    pub cpu_user_us: u64,
    /// Processor time in kernel mode, microseconds, cumulative.
    pub cpu_system_us: u64,
    /// Resident memory, bytes.
    pub rss_bytes: Reading<u64>,
    /// Proportional set size, bytes (smaps_rollup; read once, it is expensive).
    pub pss_bytes: Reading<u64>,
    /// Memory maps (lines of /proc/PID/maps); read once.
    pub maps: Reading<u64>,
    /// Open descriptors.
    pub fds: Reading<Fds>,
    /// RLIMIT_NOFILE.
    pub nofile: Reading<Limit>,
    /// RLIMIT_NPROC.
    pub nproc: Reading<Limit>,
    /// Limits of its cgroup.
    pub cgroup: Reading<CgroupLimits>,
    /// systemd unit, from the cgroup path.
    pub unit: Option<String>,
    /// Context switches of every thread.
    pub switches: Reading<Vec<ThreadSwitches>>,
}
