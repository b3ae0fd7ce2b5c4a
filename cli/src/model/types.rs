//! The report, version 1. Fields are only ever added.

mod listener;
mod process;

pub use listener::{AcceptQueue, Buffers, Causes, Cookies, Drops, Listener, SynQueue};
pub use process::{AcceptCalls, CpuSeconds, Fds, Limits, Memory, Process, Switches, Syscall};

use serde::Serialize;

use crate::sample::{Lost, ProbeStatus};

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
