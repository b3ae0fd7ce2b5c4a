//! How many descriptors a declared load needs.

use crate::findings::subject::why;
use crate::findings::text::ceil;
use crate::findings::{DeclaredLoad, Evidence, fix};
use crate::model::{Model, Process, Quality};

/// Descriptors besides client connections when the process cannot be looked at.
pub(in crate::findings) const ASSUMED_BASE: u64 = 64;

/// The descriptors a process needs for the declared connections.
pub(super) struct Need<'a> {
    /// The process.
    pub process: &'a Process,
    /// Declared connections.
    pub connections: u64,
    /// Descriptors besides the clients'.
    pub base: u64,
    /// How `base` is known.
    pub base_quality: Quality,
    /// Processes that share the listeners.
    pub workers: u64,
    /// With connections spread evenly.
    pub least: u64,
    /// With all connections in this process, and one second of new ones whose predecessors are not closed
    /// yet.
    pub comfortable: u64,
    /// Soft limit; `None` is unlimited.
    pub soft: Option<u64>,
    /// Hard limit; `None` is unlimited.
    pub hard: Option<u64>,
    /// Further processes of the same listener and name that this one stands for.
    pub others: u64,
}

impl Need<'_> {
    /// "10000 connections + 37 other descriptors = 10037".
    pub fn arithmetic(&self) -> String {
        let Self { connections, base, workers, least, .. } = self;
        let assumed = if self.base_quality == Quality::Exact { "" } else { " (assumed)" };
        if *workers > 1 {
            let share = connections.div_ceil(*workers);
            format!(
                "{connections} / {workers} workers = {share} connections + {base} others{assumed} = {least}"
            )
        } else {
            format!("{connections} connections + {base} others{assumed} = {least}")
        }
    }

    /// The value to raise the soft limit to: a power of two with room, inside what hard limit and nr_open
    /// allow when they allow enough.
    pub fn proposal(&self, nr_open: Option<u64>) -> u64 {
        let wanted = self.comfortable.checked_next_power_of_two().unwrap_or(u64::MAX).max(1024);
        let within = |value: u64, bound: Option<u64>| match bound {
            Some(bound) if bound < value && bound >= self.comfortable => bound,
            _ => value,
        };
        within(within(wanted, self.hard), nr_open)
    }

    /// The numbers behind the need.
    pub fn evidence(&self) -> Vec<Evidence> {
        let pid = self.process.pid;
        let source = if self.base_quality == Quality::Exact {
            format!("/proc/{pid}/fd less the connections of its listeners")
        } else {
            "assumed: the descriptors could not be counted".to_owned()
        };
        let mut evidence = vec![
            fix::estimated(
                "descriptors needed",
                super::number(self.least),
                "fds",
                "connections / workers + others",
            ),
            Evidence {
                quality: self.base_quality,
                ..fix::exact("other descriptors", super::number(self.base), "fds", source)
            },
        ];
        let limits = [("soft limit", self.soft), ("hard limit", self.hard)];
        for (name, limit) in limits.into_iter().filter_map(|(name, limit)| limit.map(|limit| (name, limit))) {
            evidence.push(fix::exact(name, super::number(limit), "fds", format!("/proc/{pid}/limits")));
        }
        evidence
    }
}

/// The need of the tightest process of every group that shares listeners and name, or why it is unknown.
pub(super) fn needs<'a>(model: &'a Model, load: &DeclaredLoad) -> Vec<Result<Need<'a>, String>> {
    let Some(connections) = load.connections else {
        return vec![Err("no number of connections declared: add --connections N".to_owned())];
    };
    let mut groups: Vec<(Vec<usize>, Need<'a>)> = Vec::new();
    let mut results = Vec::new();
    for process in &model.processes {
        let need = match need(model, load, connections, process) {
            Ok(need) => need,
            Err(reason) => {
                results.push(Err(reason));
                continue;
            }
        };
        let held = held_by(model, process.pid);
        let same = groups
            .iter_mut()
            .find(|(of, other)| !held.is_empty() && *of == held && other.process.comm == process.comm);
        match same {
            Some((_, other)) => {
                let others = other.others + 1;
                if headroom(&need) < headroom(other) {
                    *other = need;
                }
                other.others = others;
            }
            None => groups.push((held, need)),
        }
    }
    results.extend(groups.into_iter().map(|(_, need)| Ok(need)));
    results
}

fn headroom(need: &Need<'_>) -> i128 {
    i128::from(need.soft.unwrap_or(u64::MAX)) - i128::from(need.least)
}

fn held_by(model: &Model, pid: i32) -> Vec<usize> {
    let held = model.listeners.iter().enumerate().filter(|(_, listener)| listener.pids.contains(&pid));
    held.map(|(index, _)| index).collect()
}

fn need<'a>(
    model: &Model,
    load: &DeclaredLoad,
    connections: u64,
    process: &'a Process,
) -> Result<Need<'a>, String> {
    let scope = format!("process.{}", process.pid);
    let (soft, hard) = match (process.limits.nofile, process.fds.as_ref()) {
        (Some(limit), _) => (limit.soft, limit.hard),
        (None, Some(fds)) if fds.soft_limit.is_some() => (fds.soft_limit, fds.hard_limit),
        _ => return Err(why(model, &scope, "nofile", "not read")),
    };
    let held = held_by(model, process.pid);
    let sharing =
        held.iter().filter_map(|&index| model.listeners.get(index)).map(|listener| listener.pids.len());
    let workers = sharing.max().and_then(|count| u64::try_from(count).ok()).unwrap_or(1).max(1);
    let (base, base_quality) = match other_descriptors(model, process, &held, workers) {
        Some(base) => (base, Quality::Exact),
        None => (ASSUMED_BASE, Quality::Estimated),
    };
    let comfortable = connections.saturating_add(base).saturating_add(load.rate.map_or(0, ceil));
    let least = connections.div_ceil(workers).saturating_add(base);
    let others = 0;
    Ok(Need { process, connections, base, base_quality, workers, least, comfortable, soft, hard, others })
}

/// Open descriptors that are not connections of the audited listeners.
fn other_descriptors(model: &Model, process: &Process, held: &[usize], workers: u64) -> Option<u64> {
    let fds = process.fds.as_ref()?;
    let accepted = established(model, held);
    let listening = u64::try_from(held.len()).unwrap_or(u64::MAX);
    let clients = match (accepted, fds.tcp_connections.map(|sockets| sockets.saturating_sub(listening))) {
        (Some(accepted), Some(sockets)) => accepted.min(sockets),
        (Some(accepted), None) => accepted / workers,
        (None, Some(sockets)) => sockets,
        (None, None) => return None,
    };
    Some(fds.open.saturating_sub(clients))
}

/// Established connections of these listeners that accept() has taken, each port counted once; `None` when
/// they could not be listed.
fn established(model: &Model, held: &[usize]) -> Option<u64> {
    let mut ports = Vec::new();
    let mut sum = 0_u64;
    for listener in held.iter().filter_map(|&index| model.listeners.get(index)) {
        if ports.contains(&listener.port) {
            continue;
        }
        ports.push(listener.port);
        let states = listener.connections.as_ref()?;
        let open = |state: &str| states.get(state).copied().unwrap_or(0);
        let connections = open("ESTAB").saturating_add(open("CLOSE-WAIT"));
        sum = sum.saturating_add(connections.saturating_sub(listener.accept_queue.now));
    }
    Some(sum)
}
