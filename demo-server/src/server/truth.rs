//! What the server really did, as plain data.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The server's own account, summed over its loops. All counts since the start and exact; taken while the loops
/// run, single counters may be one operation apart from each other.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Truth {
    /// Process id of the server.
    pub pid: u32,
    /// Connections that accept4 returned.
    pub accepted: u64,
    /// Connections open now: accepted and not closed.
    pub active: u64,
    /// Connections that the server closed, for whatever reason, those closed at its end included.
    pub closed: u64,
    /// Complete requests that were answered with 200; the write of the answer may still have failed.
    pub requests: u64,
    /// Requests refused with another status, after which the connection is closed.
    pub refused_requests: u64,
    /// Bytes that reads returned.
    pub bytes_read: u64,
    /// Bytes that the kernel took from writes.
    pub bytes_written: u64,
    /// Passes of the loops: epoll_wait calls that returned without an error.
    pub loop_passes: u64,
    /// Events that these passes returned.
    pub events: u64,
    /// Passes by number of events: the first counts passes with none (a timeout), number n those with
    /// 2^(n-1) up to 2^n - 1 events. Trailing zeros are left out.
    pub events_per_wait: Vec<u64>,
    /// Stalls made, see [`super::Stall`].
    pub stalls: u64,
    /// accept4 calls that failed with EMFILE.
    pub emfile: u64,
    /// accept4 calls that found an empty queue.
    pub accept_eagain: u64,
    /// Every system call of the loops by its name in the kernel's table, failed ones included. Counted when
    /// the call returns: a wait that has not ended is not in yet.
    pub syscalls: BTreeMap<String, u64>,
    /// Those that failed, by name of the call and of the errno.
    pub syscall_errors: BTreeMap<String, BTreeMap<String, u64>>,
    /// Each loop's share.
    pub threads: Vec<Thread>,
}

/// One loop's share of the work: shows the skew between workers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thread {
    /// Name of the thread, as in /proc/PID/task/TID/comm.
    pub name: String,
    /// Its thread id; absent until it runs.
    pub tid: Option<u32>,
    /// Connections it accepted.
    pub accepted: u64,
    /// Requests it answered with 200.
    pub requests: u64,
    /// Passes of its loop.
    pub loop_passes: u64,
}
