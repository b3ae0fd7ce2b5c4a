//! A listening address in the report.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Distribution;

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
    /// Sockets on this address; above 1 with SO_REUSEPORT, 0 when it was closed during the window.
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
    /// Highest length seen in the window: at each look, and when the probes run at each entry and drop. Above 64
    /// an entry's length is known to 3 % and counts with the lower end.
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
