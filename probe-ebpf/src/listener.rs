//! Which sockets listen, and what enters their accept queues.

use core::ffi::c_void;

use aya_ebpf::{
    helpers::{bpf_get_current_pid_tgid, bpf_ktime_get_ns, generated::bpf_get_socket_cookie},
    macros::btf_tracepoint,
    programs::BtfTracePointContext,
};
use probe_common::{
    histogram,
    listener::{Bind, BindKey, Bucket, BucketKey, ListenerStats, Measure, Queued, Socket},
    loss::Loss,
};

use crate::{
    config, drop,
    loss::lost,
    maps::{BINDS, BUCKETS, CHILD, LISTENERS, NAMESPACES, QUEUED, SOCKETS},
    read::{TCP_ESTABLISHED, TCP_LISTEN, TCP_SYN_RECV, add, bind_key, direct, netns_of, probe, store, value},
    syscall::slot_of,
};

/// Follows sockets through their states (net/ipv4/af_inet.c, inet_sk_set_state): listen(), its end, and the
/// child that is about to enter an accept queue.
#[btf_tracepoint(function = "inet_sock_set_state")]
pub fn ns_set_state(ctx: BtfTracePointContext) -> i32 {
    let socket: *const u8 = ctx.arg(0);
    let old: i32 = ctx.arg(1);
    let new: i32 = ctx.arg(2);
    if new == TCP_LISTEN {
        if direct::<u16>(socket, config::OFF_SK_PROTOCOL.load()) == Some(6) {
            register(socket);
        }
    } else if old == TCP_LISTEN {
        let _ = SOCKETS.remove(cookie_of(socket));
    } else if old == TCP_SYN_RECV && new == TCP_ESTABLISHED {
        if let Some(child) = CHILD.get_ptr_mut(0) {
            store(child, socket as u64);
        }
    }
    0
}

/// Counts a connection that entered an accept queue: net/ipv4/tcp_minisocks.c, tcp_child_process, and
/// net/ipv4/tcp_input.c, tcp_conn_request (fast open) call `sk_data_ready` of the listener just then.
#[btf_tracepoint(function = "sk_data_ready")]
pub fn ns_data_ready(ctx: BtfTracePointContext) -> i32 {
    let socket: *const u8 = ctx.arg(0);
    if direct::<u8>(socket, config::OFF_SKC_STATE.load()).is_some_and(|state| i32::from(state) == TCP_LISTEN)
    {
        entered(socket);
    }
    0
}

#[inline(always)]
fn entered(socket: *const u8) -> Option<()> {
    let child = CHILD.get_ptr_mut(0)?;
    let stashed = value(child);
    store(child, 0);
    let known = value(SOCKETS.get_ptr(cookie_of(socket))?);
    let stats = LISTENERS.get_ptr_mut(known.listener)?;
    // SAFETY: a non-null per-CPU map value.
    add(unsafe { &raw mut (*stats).entered }, 1);
    if let Some(depth) = direct::<u32>(socket, config::OFF_SK_ACK_BACKLOG.load()) {
        record(known.listener, Measure::Depth, u64::from(depth));
    }
    let child_address = if stashed == 0 { newest(socket) } else { stashed };
    if child_address == 0 {
        lost(Loss::NoChild);
        return None;
    }
    if let Some(srtt) = probe::<u32>(child_address, config::OFF_SRTT_US.load())
        && srtt > 0
    {
        // `srtt_us` holds eight times the smoothed value (net/ipv4/tcp_input.c, tcp_rtt_estimator).
        record(known.listener, Measure::Handshake, u64::from(srtt >> 3) * 1000);
    }
    if known.traced == 1 {
        // SAFETY: no memory is touched.
        let since_ns = unsafe { bpf_ktime_get_ns() };
        let queued = Queued { since_ns, listener: known.listener };
        if QUEUED.insert(child_address, queued, 0).is_err() {
            lost(Loss::QueuedFull);
        }
    }
    Some(())
}

/// The connection at the end of the accept queue, or 0: the one that just entered, unless another CPU added one
/// since. Needed when the kernel skipped `ns_set_state` because it interrupted itself, and for fast open.
#[inline(always)]
fn newest(listener: *const u8) -> u64 {
    let request = probe::<u64>(listener as u64, config::OFF_ACCEPT_TAIL.load()).unwrap_or(0);
    probe(request, config::OFF_REQUEST_SK.load()).unwrap_or(0)
}

/// Notes a listening socket and its address, and takes the namespace's baseline before its first drop.
#[inline(always)]
pub fn register(socket: *const u8) -> Option<()> {
    let (net, netns) = netns_of(socket)?;
    NAMESPACES.get_ptr(netns)?;
    let key = bind_key(socket as u64, netns)?;
    drop::take_baselines(net, netns);
    let cookie = cookie_of(socket);
    let id = BINDS.get_ptr(key).map_or(cookie, |bind| value(bind).id);
    let known = insert_bind(&key, Bind { id, socket: socket as u64 }) && insert_stats(id);
    let socket = Socket { listener: id, traced: u64::from(called_by_target()) };
    if !known || SOCKETS.insert(cookie, socket, 0).is_err() {
        lost(Loss::ListenersFull);
    }
    Some(())
}

#[inline(always)]
fn insert_bind(key: &BindKey, bind: Bind) -> bool {
    BINDS.insert(key, bind, 0).is_ok()
}

/// Makes the counters of listener `id` exist without touching those that do.
#[inline(never)]
fn insert_stats(id: u64) -> bool {
    const BPF_NOEXIST: u64 = 1;
    let zero = ListenerStats {
        entered: 0,
        accepted: 0,
        dead_before_accept: 0,
        never_accepted: 0,
        accept_queue_full_syn: 0,
        accept_queue_full_ack: 0,
        syn_queue_full: 0,
        max_syn_backlog: 0,
        other: 0,
        refused_attempts: 0,
        mib: [0; probe_common::listener::mib::COUNT],
    };
    LISTENERS.insert(id, zero, BPF_NOEXIST).is_ok() || LISTENERS.get_ptr(id).is_some()
}

/// Whether the current process is traced; in the iterator that is the loader itself, which is not.
#[inline(always)]
fn called_by_target() -> bool {
    slot_of((bpf_get_current_pid_tgid() >> 32) as u32).is_some()
}

/// The socket's cookie, made on first use (net/core/sock_diag.c, __sock_gen_cookie).
#[inline(always)]
pub fn cookie_of(socket: *const u8) -> u64 {
    // SAFETY: the verifier checks that `socket` is a socket.
    unsafe { bpf_get_socket_cookie(socket.cast_mut().cast::<c_void>()) }
}

/// Adds a sample to a histogram of a listener.
#[inline(never)]
pub fn record(listener: u64, measure: Measure, sample: u64) {
    let bucket = histogram::bucket(sample, histogram::LISTENER_SUB_BITS);
    let key = BucketKey { listener, measure: measure as u32, bucket };
    if let Some(found) = BUCKETS.get_ptr_mut(key) {
        // SAFETY: a non-null per-CPU map value.
        unsafe {
            add(&raw mut (*found).count, 1);
            add(&raw mut (*found).sum, sample);
        }
    } else if BUCKETS.insert(key, Bucket { count: 1, sum: sample }, 0).is_err() {
        lost(Loss::HistogramFull);
    }
}
