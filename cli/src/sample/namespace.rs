//! One network namespace.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::Reading;

/// A network namespace: its sysctls, counters and sockets, read inside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Namespace {
    /// Inode number of the namespace.
    pub inode: Reading<u64>,
    /// Values of /proc/sys/net inside the namespace.
    pub sysctls: Sysctls,
    /// Counters of /proc/net/netstat and /proc/net/snmp.
    pub counters: Reading<TcpCounters>,
    /// A second reading of the counters, taken after the probes' counters were read: the two bracket them.
    pub counters_after: Option<TcpCounters>,
    /// Listening TCP sockets.
    pub listeners: Reading<Vec<Listener>>,
    /// Names of the processes that hold listeners, by process id.
    pub owner_names: BTreeMap<i32, String>,
    /// Why some listener has no visible holder; `None` when all have one, or when it has really none.
    pub hidden_owners: Option<String>,
    /// Connections of all states but LISTEN, by local address and port of a listener.
    pub established: Reading<Vec<Established>>,
    /// TIME_WAIT sockets of the namespace (/proc/net/sockstat, `tw`; includes FIN_WAIT_2 mini sockets).
    pub time_wait: Reading<u64>,
}

/// Sysctls of a network namespace; see Documentation/networking/ip-sysctl.rst of the kernel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sysctls {
    /// net.core.somaxconn.
    pub somaxconn: Reading<u64>,
    /// net.ipv4.tcp_max_syn_backlog.
    pub tcp_max_syn_backlog: Reading<u64>,
    /// net.ipv4.tcp_syncookies.
    pub tcp_syncookies: Reading<u64>,
    /// net.ipv4.tcp_abort_on_overflow.
    pub tcp_abort_on_overflow: Reading<u64>,
    /// net.ipv4.ip_local_port_range, both ends included.
    pub port_range: Reading<(u16, u16)>,
    /// net.ipv4.ip_local_reserved_ports that lie inside the port range.
    pub reserved_ports: Reading<u64>,
    /// net.ipv4.tcp_tw_reuse.
    pub tcp_tw_reuse: Reading<u64>,
}

/// Cumulative TCP counters of a namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TcpCounters {
    /// TcpExt ListenOverflows.
    pub listen_overflows: u64,
    /// TcpExt ListenDrops.
    pub listen_drops: u64,
    /// TcpExt TCPReqQFullDrop.
    pub reqq_full_drop: u64,
    /// TcpExt TCPReqQFullDoCookies.
    pub reqq_full_do_cookies: u64,
    /// TcpExt SyncookiesSent.
    pub syncookies_sent: u64,
    /// TcpExt SyncookiesRecv.
    pub syncookies_recv: u64,
    /// TcpExt SyncookiesFailed.
    pub syncookies_failed: u64,
    /// Tcp PassiveOpens.
    pub passive_opens: u64,
    /// Tcp ActiveOpens.
    pub active_opens: u64,
    /// Tcp EstabResets.
    pub estab_resets: u64,
}

/// A listening TCP socket (sock_diag).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    /// Local address; unspecified for a wildcard.
    pub address: IpAddr,
    /// Local port.
    pub port: u16,
    /// IPV6_V6ONLY, for IPv6 sockets; `false` means that IPv4 clients reach it as well.
    pub v6_only: bool,
    /// Socket inode (ties it to processes).
    pub inode: u64,
    /// Socket cookie (ties it to the probes' counters).
    pub cookie: u64,
    /// Connections waiting for accept() (idiag_rqueue).
    pub waiting: u32,
    /// `sk_max_ack_backlog` (idiag_wqueue); the queue holds one more.
    pub limit: u32,
    /// `sk_drops`; a hint, not a count of packets. `None` when the kernel did not say.
    pub drops_hint: Option<u32>,
    /// Half-open requests (SYN_RECV sockets of this address and port).
    pub half_open: u32,
    /// User id of the owner.
    pub uid: u32,
    /// Processes that hold the socket; empty when none could be seen.
    pub pids: Vec<i32>,
}

/// Connections accepted on one local address and port, summed up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Established {
    /// Local port.
    pub port: u16,
    /// Sockets by TCP state name as in ss ("ESTAB", "CLOSE-WAIT", "FIN-WAIT-1", ...).
    pub states: BTreeMap<String, u64>,
    /// Memory of these sockets; `None` when the kernel did not say.
    pub memory: Option<SocketMemory>,
    /// Sockets not accepted yet (inode 0); they still sit in an accept queue.
    pub unaccepted: u64,
    /// Sum of smoothed round-trip times, microseconds, over `rtt_samples` sockets.
    pub rtt_sum_us: u64,
    /// Sockets with a round-trip time.
    pub rtt_samples: u64,
}

/// Socket memory as of INET_DIAG_SKMEMINFO, bytes, summed over sockets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SocketMemory {
    /// Sockets summed up.
    pub sockets: u64,
    /// SK_MEMINFO_RMEM_ALLOC: received, not read yet.
    pub receive_allocated: u64,
    /// SK_MEMINFO_RCVBUF: the limits.
    pub receive_limit: u64,
    /// SK_MEMINFO_WMEM_QUEUED: written, not acknowledged yet.
    pub send_queued: u64,
    /// SK_MEMINFO_SNDBUF: the limits.
    pub send_limit: u64,
    /// SK_MEMINFO_FWD_ALLOC: reserved ahead.
    pub forward_allocated: u64,
}
