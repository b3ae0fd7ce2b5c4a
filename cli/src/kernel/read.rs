//! From maps to [`Probes`].

use std::{collections::BTreeMap, net::IpAddr};

use aya::maps::{Map, MapData};
use probe_common::{
    histogram::{LISTENER_SUB_BITS, RUN_QUEUE_SUB_BITS},
    limits::SYSCALL_NUMBERS,
    listener::{Bind, BindKey, Bucket, BucketKey, ListenerStats, Measure, mib},
    loss,
    process::{ErrorKey, SchedStats, SyscallStats},
};

use super::{Kernel, catalogue::name, maps, status};
use crate::sample::{
    Histogram, ListenerCounters, ListenerValues, Probes, ProcessCounters, Scale, SyscallCounters,
};

/// Everything counted so far.
pub fn probes(kernel: &Kernel) -> Probes {
    let statuses = kernel.statuses();
    if kernel.ebpf.is_none() {
        return Probes { statuses, ..Probes::default() };
    }
    let counters: Vec<u64> =
        (0..loss::COUNT).map(|index| element::<u64>(kernel, "LOSS", index).iter().sum()).collect();
    Probes {
        statuses,
        lost: status::lost(kernel, &counters),
        listeners: listeners(kernel),
        processes: processes(kernel),
        drops_attributed: kernel.is_active(name::SYN_DROPS)
            && kernel.is_active(name::ACK_DROPS)
            && kernel.is_active(name::LISTENERS),
        entries_counted: kernel.is_active(name::ACCEPT_QUEUE) && kernel.is_active(name::LISTENERS),
        accepts_counted: kernel.is_active(name::ACCEPT_QUEUE) && kernel.is_active(name::SYSCALLS),
    }
}

fn map<'a>(kernel: &'a Kernel, name: &str) -> Option<&'a MapData> {
    match kernel.ebpf.as_ref()?.map(name)? {
        Map::Array(data)
        | Map::HashMap(data)
        | Map::LruHashMap(data)
        | Map::PerCpuArray(data)
        | Map::PerCpuHashMap(data) => Some(data),
        _ => None,
    }
}

/// Elements of a hash map; `per_cpu` says whether it has one value per CPU. A failure gives none: the
/// reading is complete again next time, since counters are never reset.
fn entries<K: maps::Shared, V: maps::Shared>(kernel: &Kernel, name: &str, per_cpu: bool) -> Vec<(K, Vec<V>)> {
    let copies = if per_cpu { kernel.cpus } else { 1 };
    map(kernel, name).and_then(|map| maps::entries(map, copies).ok()).unwrap_or_default()
}

fn element<V: maps::Shared>(kernel: &Kernel, name: &str, index: u32) -> Vec<V> {
    map(kernel, name).and_then(|map| maps::element(map, index, kernel.cpus).ok()).unwrap_or_default()
}

fn listeners(kernel: &Kernel) -> Vec<ListenerCounters> {
    let stats: BTreeMap<u64, Vec<ListenerStats>> = entries(kernel, "LISTENERS", true).into_iter().collect();
    let mut histograms = histograms(entries(kernel, "BUCKETS", true));
    let mut take = |id: u64, measure: Measure| {
        histograms.remove(&(id, measure as u32)).unwrap_or(Histogram::new(Scale::Linear(LISTENER_SUB_BITS)))
    };
    entries::<BindKey, Bind>(kernel, "BINDS", false)
        .into_iter()
        .filter_map(|(key, bind)| {
            let id = bind.first()?.id;
            Some(ListenerCounters {
                netns: u64::from(key.netns),
                address: address(key.address),
                port: key.port,
                stats: sum(stats.get(&id)?),
                depth: take(id, Measure::Depth),
                accept_wait_ns: take(id, Measure::AcceptWait),
                handshake_ns: take(id, Measure::Handshake),
            })
        })
        .collect()
}

fn address(bytes: [u8; 16]) -> IpAddr {
    let address = std::net::Ipv6Addr::from(bytes);
    address.to_ipv4_mapped().map_or(IpAddr::V6(address), IpAddr::V4)
}

fn histograms(buckets: Vec<(BucketKey, Vec<Bucket>)>) -> BTreeMap<(u64, u32), Histogram> {
    let mut found = BTreeMap::new();
    for (key, copies) in buckets {
        let histogram: &mut Histogram = found
            .entry((key.listener, key.measure))
            .or_insert_with(|| Histogram::new(Scale::Linear(LISTENER_SUB_BITS)));
        histogram.counts.insert(key.bucket, copies.iter().map(|bucket| bucket.count).sum());
        histogram.sum += copies.iter().map(|bucket| bucket.sum).sum::<u64>();
    }
    found
}

fn sum(copies: &[ListenerStats]) -> ListenerValues {
    let total = |field: fn(&ListenerStats) -> u64| copies.iter().map(field).sum();
    ListenerValues {
        entered: total(|stats| stats.entered),
        accepted: total(|stats| stats.accepted),
        dead_before_accept: total(|stats| stats.dead_before_accept),
        never_accepted: total(|stats| stats.never_accepted),
        accept_queue_full_syn: total(|stats| stats.accept_queue_full_syn),
        accept_queue_full_ack: total(|stats| stats.accept_queue_full_ack),
        syn_queue_full: total(|stats| stats.syn_queue_full),
        max_syn_backlog: total(|stats| stats.max_syn_backlog),
        other: total(|stats| stats.other),
        refused_attempts: total(|stats| stats.refused_attempts),
        listen_overflows: total(|stats| stats.mib[mib::LISTEN_OVERFLOWS]),
        listen_drops: total(|stats| stats.mib[mib::LISTEN_DROPS]),
        reqq_full_drop: total(|stats| stats.mib[mib::REQQ_FULL_DROP]),
        reqq_full_do_cookies: total(|stats| stats.mib[mib::REQQ_FULL_DO_COOKIES]),
        syncookies_sent: total(|stats| stats.mib[mib::SYNCOOKIES_SENT]),
    }
}

fn processes(kernel: &Kernel) -> Vec<ProcessCounters> {
    let switches = kernel.is_active(name::SWITCHES);
    let errors: Vec<(ErrorKey, Vec<u64>)> =
        if kernel.is_active(name::SYSCALLS) { entries(kernel, "ERRORS", true) } else { Vec::new() };
    (0_u32..)
        .zip(&kernel.slots)
        .filter_map(|(slot, pid)| {
            let stats = switches.then(|| element::<SchedStats>(kernel, "SCHED", slot));
            let total =
                |field: fn(&SchedStats) -> u64| stats.as_ref().map(|stats| stats.iter().map(field).sum());
            Some(ProcessCounters {
                pid: (*pid)?,
                voluntary: total(|stats| stats.voluntary),
                involuntary: total(|stats| stats.involuntary),
                run_queue_ns: stats.as_deref().map(run_queue),
                syscalls: kernel.is_active(name::SYSCALLS).then(|| syscalls(kernel, slot, &errors)),
            })
        })
        .collect()
}

fn run_queue(copies: &[SchedStats]) -> Histogram {
    let mut histogram = Histogram::new(Scale::Linear(RUN_QUEUE_SUB_BITS));
    for stats in copies {
        histogram.sum += stats.run_queue_sum;
        for (index, &count) in (0_u32..).zip(&stats.run_queue).filter(|(_, count)| **count > 0) {
            *histogram.counts.entry(index).or_default() += count;
        }
    }
    histogram
}

fn syscalls(kernel: &Kernel, slot: u32, errors: &[(ErrorKey, Vec<u64>)]) -> Vec<SyscallCounters> {
    let Some(map) = map(kernel, "SYSCALLS") else { return Vec::new() };
    let first = slot * SYSCALL_NUMBERS;
    let found = maps::range::<SyscallStats>(map, first, SYSCALL_NUMBERS, kernel.cpus).unwrap_or_default();
    found
        .into_iter()
        .filter(|(_, copies)| copies.iter().any(|stats| stats.calls > 0))
        .map(|(index, copies)| {
            let number = index - first;
            let of_this = errors
                .iter()
                .filter(|(key, _)| u32::from(key.slot) == slot && u32::from(key.number) == number);
            SyscallCounters {
                number,
                calls: copies.iter().map(|stats| stats.calls).sum(),
                errors: of_this.map(|(key, copies)| (key.errno, copies.iter().sum())).collect(),
                latency_ns: latency(&copies),
            }
        })
        .collect()
}

fn latency(copies: &[SyscallStats]) -> Histogram {
    let mut histogram = Histogram::new(Scale::Syscall);
    for stats in copies {
        histogram.sum += stats.total_ns;
        for (index, &count) in (0_u32..).zip(&stats.buckets).filter(|(_, count)| **count > 0) {
            *histogram.counts.entry(index).or_default() += count;
        }
    }
    histogram
}
