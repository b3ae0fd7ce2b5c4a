//! What leaves the accept queues.

use aya_ebpf::{
    helpers::{bpf_get_current_task, bpf_ktime_get_ns},
    macros::btf_tracepoint,
    programs::BtfTracePointContext,
};
use probe_common::listener::{Measure, mib};

use crate::{
    config, listener,
    maps::{BINDS, LISTENERS, QUEUED},
    read::{TCP_CLOSE, add, bind_key, probe, value},
};

/// Counts a connection that was destroyed while it still waited (net/ipv4/tcp_ipv4.c, tcp_v4_destroy_sock).
#[btf_tracepoint(function = "tcp_destroy_sock")]
pub fn ns_destroy_sock(ctx: BtfTracePointContext) -> i32 {
    let socket: u64 = ctx.arg(0);
    if let Some(queued) = QUEUED.get_ptr(socket) {
        let listener = value(queued).listener;
        let _ = QUEUED.remove(socket);
        if let Some(stats) = LISTENERS.get_ptr_mut(listener) {
            // SAFETY: a non-null per-CPU map value.
            add(unsafe { &raw mut (*stats).never_accepted }, 1);
        }
    }
    0
}

/// Counts the connection that accept() of a traced process just returned as descriptor `fd`.
///
/// Called at the system call's exit, not inside accept(): the softirq that queued the connection holds its
/// lock until after `sk_data_ready`, and `inet_accept` takes that lock, so the entry is always there by now.
#[inline(always)]
pub fn accepted(fd: u64) -> Option<()> {
    let socket = socket_of(fd)?;
    if let Some(queued) = QUEUED.get_ptr(socket) {
        let queued = value(queued);
        // SAFETY: no memory is touched.
        let now = unsafe { bpf_ktime_get_ns() };
        let _ = QUEUED.remove(socket);
        let stats = LISTENERS.get_ptr_mut(queued.listener)?;
        // SAFETY: a non-null per-CPU map value.
        unsafe {
            add(&raw mut (*stats).accepted, 1);
            add(&raw mut (*stats).dead_before_accept, u64::from(is_closed(socket)));
        }
        listener::record(queued.listener, Measure::AcceptWait, now.saturating_sub(queued.since_ns));
        return Some(());
    }
    // It entered before the probes did: counted without a wait.
    let net: u64 = probe(socket, config::OFF_SKC_NET.load())?;
    let key = bind_key(socket, probe(net, config::OFF_NET_INUM.load())?)?;
    let bind = value(listener_of(key)?);
    // SAFETY: a non-null per-CPU map value.
    add(unsafe { &raw mut (*LISTENERS.get_ptr_mut(bind.id)?).accepted }, 1);
    Some(())
}

/// Whether the peer reset the connection while it waited.
#[inline(always)]
fn is_closed(socket: u64) -> bool {
    probe::<u8>(socket, config::OFF_SKC_STATE.load()).is_some_and(|state| i32::from(state) == TCP_CLOSE)
}

/// The listening address that receives connections to `key`: the exact one before the wildcard of its family
/// before the dual-stack wildcard, as in net/ipv4/inet_hashtables.c, __inet_lookup_listener.
#[inline(always)]
pub fn listener_of(key: probe_common::listener::BindKey) -> Option<*const probe_common::listener::Bind> {
    if let Some(bind) = BINDS.get_ptr(key) {
        return Some(bind);
    }
    let mut wildcard = key;
    wildcard.address = [0; 16];
    if key.address[10] == 0xff && key.address[11] == 0xff {
        wildcard.address = probe_common::listener::mapped([0; 4]);
        if let Some(bind) = BINDS.get_ptr(wildcard) {
            return Some(bind);
        }
        wildcard.address = [0; 16];
    }
    BINDS.get_ptr(wildcard)
}

/// The `struct sock` behind descriptor `fd` of the current task (fs/file.c, files_lookup_fd_raw).
#[inline(always)]
fn socket_of(fd: u64) -> Option<u64> {
    const S_IFMT: u16 = 0o170_000;
    const S_IFSOCK: u16 = 0o140_000;
    // SAFETY: no memory is touched.
    let task = unsafe { bpf_get_current_task() };
    let files: u64 = probe(task, config::OFF_TASK_FILES.load())?;
    let table: u64 = probe(files, config::OFF_FILES_FDT.load())?;
    let size: u32 = probe(table, config::OFF_FDT_MAX_FDS.load())?;
    if fd >= u64::from(size) {
        return None;
    }
    let array: u64 = probe(table, config::OFF_FDT_FD.load())?;
    let file: u64 = probe(array + fd * 8, 0)?;
    let inode: u64 = probe(file, config::OFF_FILE_INODE.load())?;
    let mode: u16 = probe(inode, config::OFF_INODE_MODE.load())?;
    if mode & S_IFMT != S_IFSOCK {
        return None;
    }
    let socket: u64 = probe(file, config::OFF_FILE_PRIVATE.load())?;
    probe(socket, config::OFF_SOCKET_SK.load())
}

const _: () = assert!(mib::COUNT == 5, "drop.rs reads five counters");
