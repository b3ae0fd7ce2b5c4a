//! What the eBPF programs counted.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::Histogram;

/// How a probe gets its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// BTF tracepoint program.
    TpBtf,
    /// Raw tracepoint program.
    RawTp,
    /// Classic tracepoint.
    Tracepoint,
    /// Function entry or exit through a BPF trampoline.
    Fentry,
    /// Kprobe.
    Kprobe,
    /// BPF iterator.
    Iter,
    /// Perf event.
    PerfEvent,
    /// Uprobe.
    Uprobe,
    /// Netlink sock_diag.
    SockDiag,
    /// /proc.
    Procfs,
}

/// Whether a probe runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum ProbeState {
    /// Attached and counting.
    Active {
        /// By which hook.
        via: Via,
    },
    /// Not attached.
    Unavailable {
        /// Why, in words a user understands.
        reason: String,
        /// What would enable it.
        remedy: Option<String>,
    },
}

/// State and cost of one probe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeStatus {
    /// Name, as in `netscope doctor`.
    pub name: String,
    /// The question it answers.
    pub question: String,
    /// Whether it runs.
    #[serde(flatten)]
    pub state: ProbeState,
    /// Runs that the kernel timed (BPF_ENABLE_STATS is on for a part of the time only).
    pub timed_runs: Option<u64>,
    /// Time of these runs, nanoseconds.
    pub timed_run_ns: Option<u64>,
    /// Runs skipped by the recursion guard (`bpf_prog_info.recursion_misses`): lost events.
    pub misses: Option<u64>,
}

/// Events that could not be recorded, cumulative.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    /// By reason, see [`probe_common::loss`]; only those above zero.
    pub reasons: BTreeMap<String, u64>,
    /// Runs skipped by the recursion guard, all programs.
    pub recursion: u64,
}

/// Counters of one listening address; the fields are those of [`probe_common::listener::ListenerStats`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListenerCounters {
    /// Network namespace.
    pub netns: u64,
    /// Local address; IPv4 as such.
    pub address: IpAddr,
    /// Local port.
    pub port: u16,
    /// The counters.
    pub stats: ListenerValues,
    /// Accept-queue length at the moment a connection entered, itself included.
    pub depth: Histogram,
    /// Wait in the accept queue, nanoseconds.
    pub accept_wait_ns: Histogram,
    /// SYN-ACK to final ACK, nanoseconds.
    pub handshake_ns: Histogram,
}

/// Serializable copy of [`probe_common::listener::ListenerStats`], summed over CPUs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListenerValues {
    /// Connections that entered the accept queue.
    pub entered: u64,
    /// Connections taken by accept().
    pub accepted: u64,
    /// Closed by the peer before accept() returned them.
    pub dead_before_accept: u64,
    /// Destroyed while waiting.
    pub never_accepted: u64,
    /// SYNs dropped, accept queue full.
    pub accept_queue_full_syn: u64,
    /// Final ACKs dropped, accept queue full.
    pub accept_queue_full_ack: u64,
    /// SYNs dropped, SYN queue full.
    pub syn_queue_full: u64,
    /// SYNs dropped by the tcp_max_syn_backlog rule.
    pub max_syn_backlog: u64,
    /// Other drops.
    pub other: u64,
    /// Distinct refused 4-tuples.
    pub refused_attempts: u64,
    /// Attributed increments of ListenOverflows.
    pub listen_overflows: u64,
    /// Attributed increments of ListenDrops.
    pub listen_drops: u64,
    /// Attributed increments of TCPReqQFullDrop.
    pub reqq_full_drop: u64,
    /// Attributed increments of TCPReqQFullDoCookies.
    pub reqq_full_do_cookies: u64,
    /// Attributed increments of SyncookiesSent.
    pub syncookies_sent: u64,
}

/// Counters of one system call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyscallCounters {
    /// System call number.
    pub number: u32,
    /// Calls that returned.
    pub calls: u64,
    /// Calls by positive errno.
    pub errors: BTreeMap<u32, u64>,
    /// Time between entry and return, nanoseconds.
    pub latency_ns: Histogram,
}

/// Scheduler and system call counters of one traced process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessCounters {
    /// Process id.
    pub pid: i32,
    /// Voluntary switches; `None` when the scheduler probe is off.
    pub voluntary: Option<u64>,
    /// Involuntary switches.
    pub involuntary: Option<u64>,
    /// Run-queue latency, nanoseconds.
    pub run_queue_ns: Option<Histogram>,
    /// System calls; `None` when the system call probe is off.
    pub syscalls: Option<Vec<SyscallCounters>>,
}

/// Everything the probes know at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probes {
    /// State of every probe.
    pub statuses: Vec<ProbeStatus>,
    /// What was lost.
    pub lost: Lost,
    /// Listening addresses.
    pub listeners: Vec<ListenerCounters>,
    /// Traced processes.
    pub processes: Vec<ProcessCounters>,
    /// Whether drops are attributed (the consume_skb and kfree_skb programs run and have baselines).
    pub drops_attributed: bool,
    /// Whether connections entering accept queues are counted.
    pub entries_counted: bool,
    /// Whether accept() is seen for the traced processes.
    pub accepts_counted: bool,
}
