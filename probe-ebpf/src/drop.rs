//! Which packets a listener refused, and why.
//!
//! A refused SYN is consumed like an accepted one (net/ipv4/tcp_input.c, tcp_rcv_state_process), so no drop
//! reason tells them apart. What does: the kernel counts the refusal in this CPU's SNMP counters of the
//! namespace a moment before, in the same softirq, which does not migrate. The difference to the value last
//! seen on this CPU belongs to the packet at hand.

use aya_ebpf::{helpers::bpf_get_smp_processor_id, macros::btf_tracepoint, programs::BtfTracePointContext};
use probe_common::{
    limits,
    listener::{Baseline, BaselineKey, Bind, BindKey, ListenerStats, Tuple, mapped, mib},
    loss::Loss,
};

use crate::{
    config, connection,
    listener::cookie_of,
    loss::lost,
    maps::{BASELINES, CPU_OFFSETS, LISTENERS, NAMESPACES, REFUSED, SOCKETS},
    read::{TCP_LISTEN, add, direct, netns_of, probe, value},
};

/// What a packet moved, by `mib` index.
type Moved = [u64; mib::COUNT];

/// Judges a SYN when the kernel is done with it.
#[btf_tracepoint(function = "consume_skb")]
pub fn ns_consume_skb(ctx: BtfTracePointContext) -> i32 {
    if config::HAS_CONSUME_LOCATION.load() == 1 {
        // Almost every packet of the host ends here: one comparison tells those that met a listener or a
        // socket in a handshake.
        let caller: u64 = ctx.arg(1);
        let start = config::SYN_CONSUMER_START.load();
        if start != 0 && (caller < start || caller >= config::SYN_CONSUMER_END.load()) {
            return 0;
        }
    }
    let packet: *const u8 = ctx.arg(0);
    judge_syn(packet);
    0
}

/// Judges the final ACK of a handshake (net/ipv4/tcp_ipv4.c, tcp_v4_rcv, discard_and_relse).
#[btf_tracepoint(function = "kfree_skb")]
pub fn ns_kfree_skb(ctx: BtfTracePointContext) -> i32 {
    let socket: *const u8 = ctx.arg(3);
    if socket.is_null() {
        return 0;
    }
    if direct::<u8>(socket, config::OFF_SKC_STATE.load()).is_some_and(|state| i32::from(state) == TCP_LISTEN)
    {
        let packet: *const u8 = ctx.arg(0);
        judge_ack(packet, socket);
    }
    0
}

#[inline(always)]
fn judge_syn(packet: *const u8) -> Option<()> {
    let head: u64 = direct(packet, config::OFF_SKB_HEAD.load())?;
    let transport: u16 = direct(packet, config::OFF_SKB_TRANSPORT.load())?;
    // Ports, sequence numbers, offset and flags of the TCP header (RFC 9293, 3.1).
    let tcp: [u8; 16] = probe(head + u64::from(transport), 0)?;
    const SYN: u8 = 0x02;
    const ACK: u8 = 0x10;
    if tcp[13] & (SYN | ACK) != SYN {
        return None;
    }
    // The socket is not known here, but the route is still attached; its lowest bit is a flag.
    let route: u64 = direct(packet, config::OFF_SKB_REFDST.load())?;
    let device: u64 = probe(route & !1, config::OFF_DST_DEV.load())?;
    let net: u64 = probe(device, config::OFF_DEV_NET.load())?;
    let netns: u32 = probe(net, config::OFF_NET_INUM.load())?;
    NAMESPACES.get_ptr(netns)?;
    let moved = moved(net, netns)?;
    if still(&moved) {
        return None;
    }
    let (client, local) = addresses(packet, head)?;
    let key = BindKey { netns, port: u16::from_be_bytes([tcp[2], tcp[3]]), pad: 0, address: local };
    let Some(bind) = connection::listener_of(key) else {
        lost(Loss::UnknownListener);
        return None;
    };
    let bind = value(bind);
    let stats = LISTENERS.get_ptr_mut(bind.id)?;
    count_syn(stats, &moved, net, &bind);
    if moved[mib::LISTEN_DROPS] > 0 {
        refused(stats, bind.id, client, u16::from_be_bytes([tcp[0], tcp[1]]));
    }
    Some(())
}

#[inline(always)]
fn judge_ack(packet: *const u8, socket: *const u8) -> Option<()> {
    let (net, netns) = netns_of(socket)?;
    NAMESPACES.get_ptr(netns)?;
    let moved = moved(net, netns)?;
    if still(&moved) {
        return None;
    }
    let Some(known) = SOCKETS.get_ptr(cookie_of(socket)) else {
        lost(Loss::UnknownListener);
        return None;
    };
    let listener = value(known).listener;
    let stats = LISTENERS.get_ptr_mut(listener)?;
    // SAFETY: a non-null per-CPU map value.
    unsafe {
        add(&raw mut (*stats).accept_queue_full_ack, moved[mib::LISTEN_OVERFLOWS]);
        add(&raw mut (*stats).other, moved[mib::LISTEN_DROPS].saturating_sub(moved[mib::LISTEN_OVERFLOWS]));
    }
    attribute(stats, &moved);
    if moved[mib::LISTEN_DROPS] > 0 {
        let head: u64 = direct(packet, config::OFF_SKB_HEAD.load())?;
        let transport: u16 = direct(packet, config::OFF_SKB_TRANSPORT.load())?;
        let source_port: [u8; 2] = probe(head + u64::from(transport), 0)?;
        let (client, _) = addresses(packet, head)?;
        refused(stats, listener, client, u16::from_be_bytes(source_port));
    }
    Some(())
}

/// Whether nothing moved; without a comparison of arrays, which would call memcmp.
#[inline(always)]
fn still(moved: &Moved) -> bool {
    moved[0] | moved[1] | moved[2] | moved[3] | moved[4] == 0
}

/// Splits what a SYN moved into causes (net/ipv4/tcp_input.c, tcp_conn_request): a full SYN queue without
/// cookies counts TCPReqQFullDrop, a full accept queue counts ListenOverflows, and each drop ListenDrops.
#[inline(always)]
fn count_syn(stats: *mut ListenerStats, moved: &Moved, net: u64, bind: &Bind) {
    let drops = moved[mib::LISTEN_DROPS];
    let explained = moved[mib::LISTEN_OVERFLOWS] + moved[mib::REQQ_FULL_DROP];
    let rest = drops.saturating_sub(explained);
    // SAFETY: a non-null per-CPU map value.
    unsafe {
        add(&raw mut (*stats).accept_queue_full_syn, moved[mib::LISTEN_OVERFLOWS]);
        add(&raw mut (*stats).syn_queue_full, moved[mib::REQQ_FULL_DROP]);
        if rest > 0 {
            if three_quarters_full(net, bind.socket) {
                add(&raw mut (*stats).max_syn_backlog, rest);
            } else {
                add(&raw mut (*stats).other, rest);
            }
        }
    }
    attribute(stats, moved);
}

/// The rule of tcp_conn_request that only counts ListenDrops: without cookies, a quarter of
/// tcp_max_syn_backlog is kept for clients that have proven themselves.
#[inline(always)]
fn three_quarters_full(net: u64, socket: u64) -> bool {
    let cookies: Option<u8> = probe(net, config::OFF_NET_SYNCOOKIES.load());
    let maximum: Option<u32> = probe(net, config::OFF_NET_MAX_SYN_BACKLOG.load());
    let length: Option<u32> = probe(socket, config::OFF_SYN_QUEUE_LEN.load());
    match (cookies, maximum, length) {
        (Some(0), Some(maximum), Some(length)) => {
            i64::from(maximum) - i64::from(length) < i64::from(maximum >> 2)
        }
        _ => false,
    }
}

#[inline(always)]
fn attribute(stats: *mut ListenerStats, moved: &Moved) {
    // SAFETY: a non-null per-CPU map value.
    unsafe {
        add(&raw mut (*stats).mib[0], moved[0]);
        add(&raw mut (*stats).mib[1], moved[1]);
        add(&raw mut (*stats).mib[2], moved[2]);
        add(&raw mut (*stats).mib[3], moved[3]);
        add(&raw mut (*stats).mib[4], moved[4]);
    }
}

/// Counts the client as refused if it has not been seen before.
#[inline(always)]
fn refused(stats: *mut ListenerStats, listener: u64, client: [u8; 16], port: u16) {
    const BPF_NOEXIST: u64 = 1;
    let tuple = Tuple { listener, client, client_port: u32::from(port), pad: 0 };
    if REFUSED.insert(tuple, 1, BPF_NOEXIST).is_ok() {
        // SAFETY: a non-null per-CPU map value.
        add(unsafe { &raw mut (*stats).refused_attempts }, 1);
    }
}

/// Source and destination of a packet whose IP header starts at the network header.
#[inline(always)]
fn addresses(packet: *const u8, head: u64) -> Option<([u8; 16], [u8; 16])> {
    const ETH_P_IPV6: u16 = 0x86dd;
    let protocol: u16 = direct(packet, config::OFF_SKB_PROTOCOL.load())?;
    let network: u16 = direct(packet, config::OFF_SKB_NETWORK.load())?;
    let header = head + u64::from(network);
    if u16::from_be(protocol) == ETH_P_IPV6 {
        Some((probe(header, 8)?, probe(header, 24)?))
    } else {
        Some((mapped(probe(header, 12)?), mapped(probe(header, 16)?)))
    }
}

/// What the namespace's counters of this CPU moved since they were last looked at.
#[inline(always)]
fn moved(net: u64, netns: u32) -> Option<Moved> {
    // SAFETY: no memory is touched.
    let cpu = unsafe { bpf_get_smp_processor_id() };
    let Some(now) = counters(net, cpu) else {
        lost(Loss::ReadFailed);
        return None;
    };
    let Some(baseline) = BASELINES.get_ptr_mut(BaselineKey { netns, cpu }) else {
        lost(Loss::NoBaseline);
        let _ = BASELINES.insert(BaselineKey { netns, cpu }, Baseline { mib: now }, 0);
        return None;
    };
    let last = value(baseline).mib;
    // SAFETY: a non-null map value that only this CPU writes.
    unsafe { (*baseline).mib = now };
    Some([
        now[0].wrapping_sub(last[0]),
        now[1].wrapping_sub(last[1]),
        now[2].wrapping_sub(last[2]),
        now[3].wrapping_sub(last[3]),
        now[4].wrapping_sub(last[4]),
    ])
}

/// The SNMP counters of namespace `net` on `cpu` (include/net/netns/mib.h, net_statistics).
#[inline(always)]
fn counters(net: u64, cpu: u32) -> Option<Moved> {
    let offset = value(CPU_OFFSETS.get_ptr(cpu)?);
    let statistics: u64 = probe(net, config::OFF_NET_STATISTICS.load())?;
    let table = statistics.wrapping_add(offset).wrapping_add(u64::from(config::OFF_MIB.load()));
    Some([
        probe(table, 8 * config::MIB_LISTEN_OVERFLOWS.load())?,
        probe(table, 8 * config::MIB_LISTEN_DROPS.load())?,
        probe(table, 8 * config::MIB_REQQ_FULL_DROP.load())?,
        probe(table, 8 * config::MIB_REQQ_FULL_DO_COOKIES.load())?,
        probe(table, 8 * config::MIB_SYNCOOKIES_SENT.load())?,
    ])
}

/// Takes the counters of every CPU as the baseline of a namespace, unless it has one. Drops need a listener,
/// so doing this when the first one appears misses nothing.
#[inline(never)]
pub fn take_baselines(net: u64, netns: u32) -> u32 {
    const BPF_NOEXIST: u64 = 1;
    let count = config::POSSIBLE_CPUS.load();
    for cpu in 0..limits::CPUS {
        if cpu >= count {
            break;
        }
        let key = BaselineKey { netns, cpu };
        if BASELINES.get_ptr(key).is_some() {
            continue;
        }
        if let Some(now) = counters(net, cpu) {
            let _ = BASELINES.insert(key, Baseline { mib: now }, BPF_NOEXIST);
        }
    }
    count
}
