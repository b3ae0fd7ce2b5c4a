//! Listening addresses: their queues as they are, and what happened to their connections in the window.

mod counters;

use core::net::{IpAddr, Ipv6Addr};
use std::collections::{BTreeMap, BTreeSet};

use crate::sample;

use super::window::Ends;
use super::{AcceptQueue, Buffers, Listener, SynQueue};
use counters::Counted;

pub(super) use counters::increments_in;

/// Canonical address (IPv4 as such) and port: all sockets that share them are one row.
type Key = (IpAddr, u16);
type Groups<'a> = BTreeMap<Key, Vec<&'a sample::Listener>>;

/// One row for each listening address, most harmed first: dropped packets, then how full the accept queue was,
/// then connections entered, then port. A listener that was closed in the window keeps its row, with no sockets,
/// if connections entered or were dropped.
pub(super) fn rows(ends: &Ends<'_>) -> Vec<Listener> {
    let Some(now) = groups(&ends.later.namespace) else {
        return Vec::new();
    };
    let before = ends.namespaces().and_then(|(earlier, _)| groups(earlier));
    let earlier_of = |key: &Key| before.as_ref().map(|groups| groups.get(key).map_or(&[][..], Vec::as_slice));
    let mut rows: Vec<Listener> =
        now.iter().filter_map(|(key, sockets)| row(ends, *key, sockets, earlier_of(key))).collect();
    for (key, sockets) in before.iter().flatten().filter(|(key, _)| !now.contains_key(key)) {
        rows.extend(closed(ends, *key, sockets));
    }
    rows.sort_by(|a, b| {
        harm(b).cmp(&harm(a)).then_with(|| fill(b).total_cmp(&fill(a))).then_with(|| calm(a).cmp(&calm(b)))
    });
    rows
}

fn groups(namespace: &sample::Namespace) -> Option<Groups<'_>> {
    let mut groups = Groups::new();
    for socket in namespace.listeners.value()? {
        groups.entry((socket.address.to_canonical(), socket.port)).or_default().push(socket);
    }
    Some(groups)
}

/// The row of a group. `earlier` holds the sockets of the same address at the start of the window; `None` when
/// there is nothing to compare with.
fn row(
    ends: &Ends<'_>,
    (address, port): Key,
    sockets: &[&sample::Listener],
    earlier: Option<&[&sample::Listener]>,
) -> Option<Listener> {
    let fullest = fullest(sockets)?;
    let namespace = &ends.later.namespace;
    let capacity = capacity(fullest);
    let pids: BTreeSet<i32> = sockets.iter().flat_map(|socket| &socket.pids).copied().collect();
    let counted = Counted::of(ends, (address, port), &pids, capacity);
    let seen = ends.peaks().map(|peaks| peaks.of(namespace.inode.value().copied(), address, port));
    let both_ends = || sockets.iter().chain(earlier.into_iter().flatten());
    let looks = both_ends().map(|socket| socket.waiting).chain(seen.map(|peak| peak.waiting)).max();
    let half_open = both_ends().map(|socket| socket.half_open).chain(seen.map(|peak| peak.half_open)).max();
    let reached = counted.length_reached(sockets, earlier);
    Some(Listener {
        address: address.to_string(),
        port,
        netns: namespace.inode.value().copied(),
        sockets: u32::try_from(sockets.len()).unwrap_or(u32::MAX),
        reuseport: sockets.len() > 1,
        dual_stack: address == Ipv6Addr::UNSPECIFIED && sockets.iter().any(|socket| !socket.v6_only),
        comms: comms(ends, &pids),
        pids: pids.into_iter().collect(),
        limit: fullest.limit,
        capacity,
        accept_queue: AcceptQueue {
            now: u64::from(fullest.waiting),
            max: u64::from(looks.unwrap_or(0)).max(reached),
            depth: counted.depth,
        },
        // Every socket of a group carries the number of the whole group.
        syn_queue: SynQueue {
            now: sockets.iter().map(|socket| u64::from(socket.half_open)).max().unwrap_or(0),
            max: u64::from(half_open.unwrap_or(0)),
        },
        entered: counted.entered,
        accepted: counted.accepted,
        dead_before_accept: counted.dead_before_accept,
        never_accepted: counted.never_accepted,
        drops: counted.drops,
        cookies: counted.cookies,
        refused_attempts: counted.refused_attempts,
        drops_hint: earlier.and_then(|earlier| hint_increment(sockets, earlier)),
        drops_hint_total: hint_total(sockets),
        handshake_us: counted.handshake_us,
        accept_wait_us: counted.accept_wait_us,
        connections: connections(namespace, port),
        buffers: buffers(namespace, port),
    })
}

/// The row of a listener that is gone, if anything happened to it.
fn closed(ends: &Ends<'_>, key: Key, sockets: &[&sample::Listener]) -> Option<Listener> {
    let mut row = row(ends, key, sockets, Some(sockets))?;
    let dropped = row.drops.map_or(0, |drops| drops.total);
    if dropped == 0 && row.entered.unwrap_or(0) == 0 {
        return None;
    }
    row.sockets = 0;
    row.accept_queue.now = 0;
    row.syn_queue.now = 0;
    (row.drops_hint, row.drops_hint_total) = (None, None);
    Some(row)
}

/// Connections the accept queue of a socket holds (`sk_acceptq_is_full` of include/net/sock.h compares with
/// "above", not with "at").
fn capacity(socket: &sample::Listener) -> u64 {
    u64::from(socket.limit) + 1
}

/// The socket with the highest share of its queue in use; among equals the one with the smallest queue.
fn fullest<'a>(sockets: &[&'a sample::Listener]) -> Option<&'a sample::Listener> {
    sockets.iter().copied().max_by(|a, b| {
        let shares = (u64::from(a.waiting) * capacity(b)).cmp(&(u64::from(b.waiting) * capacity(a)));
        shares.then(b.limit.cmp(&a.limit)).then(b.cookie.cmp(&a.cookie))
    })
}

/// Names of the holders, without repetition; those of traced processes are read with the process.
fn comms(ends: &Ends<'_>, pids: &BTreeSet<i32>) -> Vec<String> {
    let sample = ends.later;
    let name = |pid: &i32| {
        let traced = sample.processes.iter().find(|process| process.pid == *pid);
        traced.map(|process| process.comm.as_str()).or_else(|| Some(sample.namespace.owner_names.get(pid)?))
    };
    let names: BTreeSet<&str> = pids.iter().filter_map(name).collect();
    names.into_iter().map(str::to_owned).collect()
}

/// `sk_drops` of all sockets; `None` when the kernel did not say it of each.
fn hint_total(sockets: &[&sample::Listener]) -> Option<u64> {
    sockets.iter().map(|socket| socket.drops_hint.map(u64::from)).sum()
}

/// Increments of `sk_drops`. A socket that is new in the window started at zero.
fn hint_increment(sockets: &[&sample::Listener], earlier: &[&sample::Listener]) -> Option<u64> {
    let increment = |socket: &&sample::Listener| {
        let now = socket.drops_hint?;
        let before = match earlier.iter().find(|other| other.cookie == socket.cookie) {
            Some(other) => other.drops_hint?,
            None => 0,
        };
        Some(u64::from(now.saturating_sub(before)))
    };
    sockets.iter().map(increment).sum()
}

/// Connections of a local port by state; empty when there are none.
fn connections(namespace: &sample::Namespace, port: u16) -> Option<BTreeMap<String, u64>> {
    let mut states = BTreeMap::new();
    for group in namespace.established.value()?.iter().filter(|group| group.port == port) {
        for (state, &sockets) in &group.states {
            let total: &mut u64 = states.entry(state.clone()).or_default();
            *total = total.saturating_add(sockets);
        }
    }
    Some(states)
}

/// Socket buffers of the connections of a local port; `None` without connections, or when the kernel did not say.
fn buffers(namespace: &sample::Namespace, port: u16) -> Option<Buffers> {
    let mut total: Option<Buffers> = None;
    for group in namespace.established.value()?.iter().filter(|group| group.port == port) {
        let memory = group.memory?;
        let sum = total.get_or_insert(Buffers {
            sockets: 0,
            receive_used_bytes: 0,
            receive_limit_bytes: 0,
            send_used_bytes: 0,
            send_limit_bytes: 0,
        });
        sum.sockets = sum.sockets.saturating_add(memory.sockets);
        sum.receive_used_bytes = sum.receive_used_bytes.saturating_add(memory.receive_allocated);
        sum.receive_limit_bytes = sum.receive_limit_bytes.saturating_add(memory.receive_limit);
        sum.send_used_bytes = sum.send_used_bytes.saturating_add(memory.send_queued);
        sum.send_limit_bytes = sum.send_limit_bytes.saturating_add(memory.send_limit);
    }
    total.filter(|buffers| buffers.sockets > 0)
}

/// Dropped packets; without probes the kernel's hint.
fn harm(row: &Listener) -> u64 {
    row.drops.map(|drops| drops.total).or(row.drops_hint).unwrap_or(0)
}

fn fill(row: &Listener) -> f64 {
    super::number(row.accept_queue.max) / super::number(row.capacity)
}

/// Busiest first, then by port and address.
fn calm(row: &Listener) -> (std::cmp::Reverse<u64>, u16, &str) {
    (std::cmp::Reverse(row.entered.unwrap_or(0)), row.port, &row.address)
}

#[cfg(test)]
mod tests;
