//! The report, version 1. Fields are only ever added.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::sample::{Limit, Lost, ProbeStatus};

/// How a number was obtained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Quality {
    /// Every event was counted, or the kernel's own value was read.
    Exact,
    /// A part of the events was looked at.
    Sampled,
    /// Derived from something else.
    Estimated,
}

/// A distribution over the window. Percentiles are interpolated inside a bucket of the raw histogram.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Distribution {
    /// Samples.
    pub count: u64,
    /// Sum of the samples.
    pub sum: f64,
    /// Median.
    pub p50: f64,
    /// 90th percentile.
    pub p90: f64,
    /// 99th percentile.
    pub p99: f64,
    /// 99.9th percentile.
    pub p999: f64,
    /// Upper end of the highest bucket in use.
    pub max: f64,
    /// How it was obtained.
    pub quality: Quality,
}

/// The whole report, without findings.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Model {
    /// "netscope.report/1".
    pub schema: &'static str,
    /// The host.
    pub host: Host,
    /// The window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
    /// Every probe, active or not.
    pub probes: Vec<ProbeStatus>,
    /// Events that could not be recorded, over the window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lost: Option<Lost>,
    /// Cost of the probes themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub own_cost: Option<OwnCost>,
    /// The network namespace of the target.
    pub netns: Netns,
    /// Listening addresses, most harmed first.
    pub listeners: Vec<Listener>,
    /// The drop ledger of the namespace; absent without probes or without a window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ledger: Option<Ledger>,
    /// Traced processes.
    pub processes: Vec<Process>,
    /// What could not be read, and why.
    pub unread: Vec<Unread>,
}

/// A value that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unread {
    /// Dotted name: "host.file_max", "netns.somaxconn", "listeners", "process.4242.fds", ...
    pub what: String,
    /// Why.
    pub reason: String,
}

/// The host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Host {
    /// Kernel release.
    pub kernel: String,
    /// CPUs online.
    pub cpus: u32,
    /// Installed memory, bytes.
    pub memory_bytes: u64,
    /// Boot id.
    pub boot_id: String,
    /// Open file handles of the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_handles: Option<u64>,
    /// fs.file-max.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_max: Option<u64>,
    /// fs.nr_open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nr_open: Option<u64>,
    /// kernel.threads-max.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads_max: Option<u64>,
    /// kernel.pid_max.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid_max: Option<u64>,
    /// vm.max_map_count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_map_count: Option<u64>,
    /// Threads of the whole host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads: Option<u64>,
}

/// The time the report covers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Window {
    /// Start, milliseconds since the epoch.
    pub start_unix_ms: u64,
    /// Length.
    pub seconds: f64,
}

/// Run time of the probes in the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct OwnCost {
    /// Nanoseconds per run, mean over the timed runs of all programs.
    pub ns_per_run: f64,
    /// Timed runs in the window.
    pub timed_runs: u64,
    /// How it was obtained: the kernel times a part of the runs.
    pub quality: Quality,
}

/// The network namespace of the target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Netns {
    /// Inode number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inode: Option<u64>,
    /// Whether it is the namespace that netscope itself runs in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub own: Option<bool>,
    /// net.core.somaxconn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub somaxconn: Option<u64>,
    /// net.ipv4.tcp_max_syn_backlog.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tcp_max_syn_backlog: Option<u64>,
    /// net.ipv4.tcp_syncookies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tcp_syncookies: Option<u64>,
    /// net.ipv4.tcp_abort_on_overflow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tcp_abort_on_overflow: Option<u64>,
    /// net.ipv4.ip_local_port_range, both ends included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port_range: Option<(u16, u16)>,
    /// Reserved ports inside the range.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reserved_ports: Option<u64>,
    /// net.ipv4.tcp_tw_reuse.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tcp_tw_reuse: Option<u64>,
    /// TIME_WAIT sockets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_wait: Option<u64>,
    /// Counters since the namespace exists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub totals: Option<KernelDrops>,
    /// The same counters over the window; needs no probes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window_drops: Option<KernelDrops>,
    /// Passive opens (connections that entered an accept queue) in the window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passive_opens: Option<u64>,
}

/// The kernel's own drop counters, under their own names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[expect(non_snake_case, reason = "the kernel's names, as nstat prints them")]
pub struct KernelDrops {
    /// The accept queue was full.
    pub ListenOverflows: u64,
    /// Any drop at a listener.
    pub ListenDrops: u64,
    /// The SYN queue was full and SYN cookies are off.
    pub TCPReqQFullDrop: u64,
    /// The SYN queue was full, or cookies are forced.
    pub TCPReqQFullDoCookies: u64,
    /// SYN cookies sent.
    pub SyncookiesSent: u64,
}

/// The drop ledger: the kernel's counters over the window against what the probes attributed to listeners.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ledger {
    /// Network namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub netns: Option<u64>,
    /// Increments of the kernel's counters. Read before and after the probes' counters; under traffic the
    /// value inside that bracket nearest to `attributed`.
    pub kernel: KernelDrops,
    /// Increments attributed to a listener.
    pub attributed: KernelDrops,
    /// ListenDrops that no listener explains; negative when more were attributed than the kernel counted.
    pub unattributed: i64,
}

/// A listening address: one socket, or all sockets of a SO_REUSEPORT group.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Listener {
    /// Local address, "::" or "0.0.0.0" for a wildcard.
    pub address: String,
    /// Local port.
    pub port: u16,
    /// Network namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub netns: Option<u64>,
    /// Sockets on this address; above 1 with SO_REUSEPORT.
    pub sockets: u32,
    /// Whether several sockets share the address.
    pub reuseport: bool,
    /// Whether IPv4 clients reach an IPv6 wildcard as well.
    pub dual_stack: bool,
    /// Processes that hold it.
    pub pids: Vec<i32>,
    /// Their names, without repetition.
    pub comms: Vec<String>,
    /// `sk_max_ack_backlog` of the fullest socket.
    pub limit: u32,
    /// Connections the accept queue of that socket holds: limit + 1.
    pub capacity: u64,
    /// The accept queue.
    pub accept_queue: AcceptQueue,
    /// The SYN queue.
    pub syn_queue: SynQueue,
    /// Connections that entered the accept queue in the window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entered: Option<u64>,
    /// Connections taken by accept() in the window; only for traced processes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accepted: Option<u64>,
    /// Closed by the peer before accept() returned them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dead_before_accept: Option<u64>,
    /// Destroyed while waiting.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub never_accepted: Option<u64>,
    /// Dropped packets in the window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drops: Option<Drops>,
    /// SYN cookies in the window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cookies: Option<Cookies>,
    /// Distinct client 4-tuples that met a drop in the window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused_attempts: Option<u64>,
    /// `sk_drops` over the window, summed over the sockets: a hint that needs no probes, not a count of
    /// packets (a dropped final ACK counts twice, a repeated SYN once).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drops_hint: Option<u64>,
    /// `sk_drops` since the sockets exist.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drops_hint_total: Option<u64>,
    /// SYN-ACK to final ACK.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handshake_us: Option<Distribution>,
    /// Wait in the accept queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accept_wait_us: Option<Distribution>,
    /// Connections of this port by TCP state as in ss.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections: Option<BTreeMap<String, u64>>,
    /// Socket buffers of these connections.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub buffers: Option<Buffers>,
}

/// The accept queue of a listener.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AcceptQueue {
    /// Waiting now, in the fullest socket.
    pub now: u64,
    /// Highest length seen in the window, at each entry when the probes run, else at each look.
    pub max: u64,
    /// Length at the moment a connection entered, itself included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub depth: Option<Distribution>,
}

/// The SYN queue of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SynQueue {
    /// Half-open requests now.
    pub now: u64,
    /// Highest number seen at a look in the window.
    pub max: u64,
}

/// Dropped packets by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Drops {
    /// Sum of the causes.
    pub total: u64,
    /// The causes.
    pub by_cause: Causes,
}

/// Causes of a drop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Causes {
    /// A SYN met a full accept queue.
    pub accept_queue_full_syn: u64,
    /// The final ACK of the handshake met a full accept queue.
    pub accept_queue_full_ack: u64,
    /// A SYN met a full SYN queue, SYN cookies off.
    pub syn_queue_full: u64,
    /// A SYN met the three-quarters rule of tcp_max_syn_backlog, SYN cookies off.
    pub max_syn_backlog: u64,
    /// Anything else: memory, route, security module.
    pub other: u64,
}

/// SYN cookies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Cookies {
    /// SYN-ACKs sent with a cookie.
    pub sent: u64,
}

/// Socket buffers of the connections of a listener, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Buffers {
    /// Sockets summed up.
    pub sockets: u64,
    /// Received, not read yet.
    pub receive_used_bytes: u64,
    /// Sum of the receive limits.
    pub receive_limit_bytes: u64,
    /// Written, not acknowledged yet.
    pub send_used_bytes: u64,
    /// Sum of the send limits.
    pub send_limit_bytes: u64,
}

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
    /// "tp_btf" style name of the source: the scheduler probe, or /proc.
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
    /// Time between entry and return, microseconds.
    pub total_us: f64,
    /// The same as a distribution, microseconds.
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
    /// Socket buffers of its listeners' connections, bytes.
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

impl Model {
    /// Why `what` is absent, if a reader said so.
    #[must_use]
    pub fn why_unread(&self, what: &str) -> Option<&str> {
        self.unread.iter().find(|entry| entry.what == what).map(|entry| entry.reason.as_str())
    }
}
