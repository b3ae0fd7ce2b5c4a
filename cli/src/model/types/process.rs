//! A process in the report.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Distribution;
use crate::sample::Limit;

/// A traced process.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Process {
    /// Process id.
    pub pid: i32,
    /// Name.
    pub comm: String,
    /// Executable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exe: Option<String>,
    /// systemd unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// cgroup.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cgroup: Option<String>,
    /// Inode of its network namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub netns: Option<u64>,
    /// Whether it ended during the window.
    pub ended: bool,
    /// Threads.
    pub threads: u64,
    /// Processor time in the window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_seconds: Option<CpuSeconds>,
    /// Context switches in the window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub switches: Option<Switches>,
    /// Time between being runnable and running.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_queue_us: Option<Distribution>,
    /// System calls in the window, most time first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub syscalls: Option<Vec<Syscall>>,
    /// Outcomes of accept() and accept4() in the window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accept: Option<AcceptCalls>,
    /// Open descriptors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fds: Option<Fds>,
    /// Memory.
    pub memory: Memory,
    /// Limits in force.
    pub limits: Limits,
}

/// Processor time, seconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct CpuSeconds {
    /// In user mode.
    pub user: f64,
    /// In kernel mode.
    pub system: f64,
}

/// Context switches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Switches {
    /// Because a thread waited.
    pub voluntary: u64,
    /// Although a thread could have run on.
    pub involuntary: u64,
    /// "probe": the scheduler probe, exact. "procfs": /proc/PID/task, where threads that ended in the window are
    /// missing.
    pub source: &'static str,
}

/// One system call of a process.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Syscall {
    /// Name, or "syscall_N".
    pub name: String,
    /// Calls that returned.
    pub calls: u64,
    /// Calls by errno name.
    pub errors: BTreeMap<String, u64>,
    /// Time between entry and return, microseconds. Left out of the output when no call was timed.
    #[serde(skip_serializing_if = "is_zero")]
    pub total_us: f64,
    /// The same as a distribution, microseconds. Its count is below `calls` when a call was already running as
    /// the probe was attached; at count 0 nothing was timed, and it is left out of the output.
    #[serde(skip_serializing_if = "is_empty")]
    pub latency_us: Distribution,
}

/// Outcomes of accept().
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AcceptCalls {
    /// Returned a connection.
    pub ok: u64,
    /// Found the queue empty.
    pub eagain: u64,
    /// Out of descriptors: EMFILE or ENFILE.
    pub emfile: u64,
}

/// Open descriptors.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fds {
    /// Open now.
    pub open: u64,
    /// Soft limit; absent when unlimited or unreadable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub soft_limit: Option<u64>,
    /// Hard limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hard_limit: Option<u64>,
    /// Open descriptors by kind.
    pub by_kind: BTreeMap<String, u64>,
    /// TCP connections among them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tcp_connections: Option<u64>,
    /// Growth over the window, descriptors per second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slope_per_s: Option<f64>,
}

/// Memory of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Memory {
    /// Resident, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rss_bytes: Option<u64>,
    /// Proportional set size, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pss_bytes: Option<u64>,
    /// Socket buffers of its listeners' connections, bytes. Absent when other processes that hold the same
    /// listeners have connections too: the kernel does not say whose they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel_socket_bytes: Option<u64>,
    /// (resident + socket buffers) / connections: an upper bound, the program itself is in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_per_connection: Option<f64>,
}

/// Limits of a process and its cgroup.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// RLIMIT_NOFILE.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nofile: Option<Limit>,
    /// RLIMIT_NPROC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nproc: Option<Limit>,
    /// pids.max of the tightest ancestor cgroup; absent when unlimited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pids_max: Option<u64>,
    /// pids.current of that cgroup.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pids_current: Option<u64>,
    /// memory.max of the tightest ancestor cgroup, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_max_bytes: Option<u64>,
    /// Memory in use in that cgroup, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_current_bytes: Option<u64>,
    /// Memory maps of the process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maps: Option<u64>,
    /// Whether the process has CAP_SYS_ADMIN (it passes fs.file-max).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cap_sys_admin: Option<bool>,
    /// User id of the process.
    pub uid: u32,
}

/// Whether no call was timed: a timed call takes some time.
fn is_zero(total_us: &f64) -> bool {
    *total_us == 0.0
}

fn is_empty(distribution: &Distribution) -> bool {
    distribution.count == 0
}
