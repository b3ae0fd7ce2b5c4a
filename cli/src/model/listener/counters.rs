//! What the probes counted at a listening address in the window.

use std::collections::BTreeSet;

use crate::model::distribution::{self, NS_PER_US};
use crate::model::window::Ends;
use crate::model::{Causes, Cookies, Distribution, Drops, Quality, number};
use crate::sample;
use crate::sample::{Histogram, ListenerCounters, ListenerValues, Probes};

use super::Key;

/// Counters of one row. A counter that was not counted at both ends of the window is `None`.
#[derive(Default)]
pub(super) struct Counted {
    pub entered: Option<u64>,
    pub accepted: Option<u64>,
    pub dead_before_accept: Option<u64>,
    pub never_accepted: Option<u64>,
    pub drops: Option<Drops>,
    pub cookies: Option<Cookies>,
    pub refused_attempts: Option<u64>,
    pub depth: Option<Distribution>,
    pub handshake_us: Option<Distribution>,
    pub accept_wait_us: Option<Distribution>,
    deepest: u64,
}

impl Counted {
    /// The counters of `key`, whose sockets are held by `pids` and whose fullest queue holds `capacity`.
    pub fn of(ends: &Ends<'_>, key: Key, pids: &BTreeSet<i32>, capacity: u64) -> Self {
        let netns = ends.later.namespace.inode.value().copied();
        let (Some(netns), Some(_), Some((before, now))) = (netns, ends.namespaces(), ends.probes()) else {
            return Self::default();
        };
        // The programs make the counters of a listener when they find it: without any it is unknown to them.
        let Some(counters) = find(now, netns, key) else { return Self::default() };
        let window = Window::of(find(before, netns, key), counters);
        let values = &window.values;
        // A process that is not traced could take connections unseen, so all holders must be.
        let traced = |probes: &Probes| {
            let is_traced = |pid: &i32| probes.processes.iter().any(|process| process.pid == *pid);
            probes.accepts_counted && !pids.is_empty() && pids.iter().all(is_traced)
        };
        let drops = before.drops_attributed && now.drops_attributed;
        // Which of the sockets did not fit is not known, so any entry may have gone unseen.
        let entries = before.entries_counted && now.entries_counted && !ends.lost_for("listeners_full");
        let accepts = traced(before) && traced(now);
        let quality =
            |reasons: &[&str]| if ends.lost_any(reasons) { Quality::Sampled } else { Quality::Exact };
        let us = |histogram: &Histogram, reasons: &[&str]| {
            distribution::of(histogram, NS_PER_US, quality(reasons))
        };
        Self {
            entered: entries.then_some(values.entered),
            accepted: accepts.then_some(values.accepted),
            dead_before_accept: accepts.then_some(values.dead_before_accept),
            never_accepted: (entries && accepts).then_some(values.never_accepted),
            drops: drops.then(|| by_cause(values)),
            cookies: drops.then_some(Cookies { sent: values.syncookies_sent }),
            refused_attempts: drops.then_some(values.refused_attempts),
            depth: depth(&window.depth, capacity, quality(&["histogram_full"])),
            // The kernel's estimator says nothing of a repeated SYN-ACK, and something else of a cookie.
            handshake_us: distribution::of(&window.handshake_ns, NS_PER_US, Quality::Estimated),
            accept_wait_us: us(&window.accept_wait_ns, &["histogram_full", "no_child", "queued_full"]),
            deepest: distribution::highest_at_least(&window.depth).unwrap_or(0),
        }
    }

    /// A length that an accept queue of the address reached for certain: what an entry met, or a full queue when
    /// a packet was dropped because of it (the smallest of them, and only if no limit changed).
    pub fn length_reached(
        &self,
        sockets: &[&sample::Listener],
        earlier: Option<&[&sample::Listener]>,
    ) -> u64 {
        let overflowed = self.drops.is_some_and(|drops| {
            drops.by_cause.accept_queue_full_syn > 0 || drops.by_cause.accept_queue_full_ack > 0
        });
        let limits = |sockets: &[&sample::Listener]| -> Vec<(u64, u32)> {
            let mut limits: Vec<_> = sockets.iter().map(|socket| (socket.cookie, socket.limit)).collect();
            limits.sort_unstable();
            limits
        };
        if !overflowed || earlier.is_none_or(|earlier| limits(earlier) != limits(sockets)) {
            return self.deepest;
        }
        sockets.iter().copied().map(super::capacity).min().map_or(self.deepest, |full| full.max(self.deepest))
    }
}

/// Increments over the window for every address of namespace `netns`, open or not; empty without a baseline.
pub(in crate::model) fn increments_in(ends: &Ends<'_>, netns: u64) -> Vec<ListenerValues> {
    let Some((before, now)) = ends.probes() else {
        return Vec::new();
    };
    let here = now.listeners.iter().filter(|counters| counters.netns == netns);
    here.map(|counters| {
        let key = (counters.address.to_canonical(), counters.port);
        increment(find(before, netns, key).map(|counters| &counters.stats), &counters.stats)
    })
    .collect()
}

fn find(probes: &Probes, netns: u64, (address, port): Key) -> Option<&ListenerCounters> {
    probes.listeners.iter().find(|counters| {
        counters.netns == netns && counters.port == port && counters.address.to_canonical() == address
    })
}

/// Increments of one address. Without counters before, it was opened in the window, and they began at zero.
struct Window {
    values: ListenerValues,
    depth: Histogram,
    accept_wait_ns: Histogram,
    handshake_ns: Histogram,
}

impl Window {
    fn of(before: Option<&ListenerCounters>, now: &ListenerCounters) -> Self {
        let histogram = |of: fn(&ListenerCounters) -> &Histogram| {
            before.map_or_else(|| of(now).clone(), |before| of(before).until(of(now)))
        };
        Self {
            values: increment(before.map(|before| &before.stats), &now.stats),
            depth: histogram(|counters| &counters.depth),
            accept_wait_ns: histogram(|counters| &counters.accept_wait_ns),
            handshake_ns: histogram(|counters| &counters.handshake_ns),
        }
    }
}

fn increment(before: Option<&ListenerValues>, now: &ListenerValues) -> ListenerValues {
    let before = before.copied().unwrap_or_default();
    ListenerValues {
        entered: now.entered.saturating_sub(before.entered),
        accepted: now.accepted.saturating_sub(before.accepted),
        dead_before_accept: now.dead_before_accept.saturating_sub(before.dead_before_accept),
        never_accepted: now.never_accepted.saturating_sub(before.never_accepted),
        accept_queue_full_syn: now.accept_queue_full_syn.saturating_sub(before.accept_queue_full_syn),
        accept_queue_full_ack: now.accept_queue_full_ack.saturating_sub(before.accept_queue_full_ack),
        syn_queue_full: now.syn_queue_full.saturating_sub(before.syn_queue_full),
        max_syn_backlog: now.max_syn_backlog.saturating_sub(before.max_syn_backlog),
        other: now.other.saturating_sub(before.other),
        refused_attempts: now.refused_attempts.saturating_sub(before.refused_attempts),
        listen_overflows: now.listen_overflows.saturating_sub(before.listen_overflows),
        listen_drops: now.listen_drops.saturating_sub(before.listen_drops),
        reqq_full_drop: now.reqq_full_drop.saturating_sub(before.reqq_full_drop),
        reqq_full_do_cookies: now.reqq_full_do_cookies.saturating_sub(before.reqq_full_do_cookies),
        syncookies_sent: now.syncookies_sent.saturating_sub(before.syncookies_sent),
    }
}

fn by_cause(values: &ListenerValues) -> Drops {
    let by_cause = Causes {
        accept_queue_full_syn: values.accept_queue_full_syn,
        accept_queue_full_ack: values.accept_queue_full_ack,
        syn_queue_full: values.syn_queue_full,
        max_syn_backlog: values.max_syn_backlog,
        other: values.other,
    };
    let total = by_cause
        .accept_queue_full_syn
        .saturating_add(by_cause.accept_queue_full_ack)
        .saturating_add(by_cause.syn_queue_full)
        .saturating_add(by_cause.max_syn_backlog)
        .saturating_add(by_cause.other);
    Drops { total, by_cause }
}

/// The depth distribution. A bucket above 64 holds several lengths; those that no queue of this capacity can
/// have are cut off.
fn depth(histogram: &Histogram, capacity: u64, quality: Quality) -> Option<Distribution> {
    let ceiling = number(capacity.max(distribution::highest_at_least(histogram)?));
    let depth = distribution::of(histogram, 1.0, quality)?;
    Some(Distribution {
        p50: depth.p50.min(ceiling),
        p90: depth.p90.min(ceiling),
        p99: depth.p99.min(ceiling),
        p999: depth.p999.min(ceiling),
        max: depth.max.min(ceiling),
        ..depth
    })
}
