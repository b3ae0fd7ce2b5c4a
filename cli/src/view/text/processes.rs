//! The traced processes.

use super::page::{Page, Paint};
use super::units::{ABSENT, TIE, bytes, count, duration_us, quality, quantity};
use crate::model::{Fds, Limit, Limits, Model, Process, Syscall, number};

/// System calls shown for each process.
const SYSCALLS: usize = 12;

/// One block for each process.
pub(super) fn section(page: &mut Page, model: &Model) {
    if model.processes.is_empty() {
        return;
    }
    page.heading("Processes");
    for (index, process) in model.processes.iter().enumerate() {
        if index > 0 {
            page.gap();
        }
        block(page, model, process);
    }
}

fn block(page: &mut Page, model: &Model, process: &Process) {
    let mut title = format!("pid {} {}", process.pid, process.comm);
    if process.ended {
        title.push_str(" (ended)");
    }
    title.extend(process.exe.as_ref().map(|exe| format!(", {exe}")));
    title.extend(process.unit.as_ref().map(|unit| format!(", {unit}")));
    page.paragraph("", &title, Paint::Bold);
    if !process.ended {
        page.entry("threads", &count(process.threads));
    }
    if model.window.is_some() {
        page.entry("cpu", &processor(model, process));
        page.entry("switches", &switches(process));
        page.entry("run queue", &run_queue(process));
    }
    if !process.ended {
        let fds = process.fds.as_ref().map(|fds| descriptors(fds, process.limits.nofile));
        page.entry("fds", fds.as_deref().unwrap_or(ABSENT));
        page.entry("memory", &memory(process));
    }
    let limits = limits(&process.limits);
    if !limits.is_empty() {
        page.entry("limits", &limits.join("; "));
    }
    if let Some(accept) = process.accept {
        let (ok, eagain, emfile) = (count(accept.ok), count(accept.eagain), count(accept.emfile));
        let text = format!(
            "{ok} connections; {eagain} found none (EAGAIN), {emfile} had no descriptor (EMFILE, ENFILE)"
        );
        page.entry("accept()", &text);
    }
    if model.window.is_some() {
        syscalls(page, process);
    }
}

fn processor(model: &Model, process: &Process) -> String {
    let Some((cpu, window)) = process.cpu_seconds.zip(model.window) else {
        return ABSENT.to_owned();
    };
    let share = quantity(((cpu.user + cpu.system) / window.seconds * 100.0).round());
    let (user, system) = (duration_us(cpu.user * 1e6), duration_us(cpu.system * 1e6));
    format!("{user} user, {system} system: {share}{TIE}% of one CPU")
}

fn switches(process: &Process) -> String {
    let Some(switches) = process.switches else {
        return ABSENT.to_owned();
    };
    let (voluntary, involuntary) = (count(switches.voluntary), count(switches.involuntary));
    let source = match switches.source {
        "procfs" => " (from /proc: without threads that ended)",
        _ => "",
    };
    format!("{voluntary} voluntary, {involuntary} involuntary{source}")
}

fn run_queue(process: &Process) -> String {
    process.run_queue_us.as_ref().map_or_else(
        || ABSENT.to_owned(),
        |wait| {
            let [p50, p99, max] = [wait.p50, wait.p99, wait.max].map(duration_us);
            format!("waited to run p50 {p50}, p99 {p99}, at most {max}{}", quality(wait.quality))
        },
    )
}

fn descriptors(fds: &Fds, nofile: Option<Limit>) -> String {
    let limit = |of: fn(Limit) -> Option<u64>| match nofile.map(of) {
        Some(Some(limit)) => count(limit),
        Some(None) => "unlimited".to_owned(),
        None => ABSENT.to_owned(),
    };
    let (soft, hard) = (limit(|limit| limit.soft), limit(|limit| limit.hard));
    let mut text = format!("{} of {soft}", count(fds.open));
    if soft != hard {
        text.push_str(&format!(" (hard limit {hard})"));
    }
    if let Some(slope) = fds.slope_per_s.filter(|slope| *slope != 0.0) {
        let sign = if slope > 0.0 { "+" } else { "" };
        text.push_str(&format!(", {sign}{} a second", quantity(slope)));
    }
    let mut kinds: Vec<_> = fds.by_kind.iter().filter(|&(_, &open)| open > 0).collect();
    kinds.sort_by(|a, b| b.1.cmp(a.1));
    let kinds: Vec<_> = kinds.iter().map(|&(kind, &open)| format!("{}{TIE}{kind}", count(open))).collect();
    if !kinds.is_empty() {
        text.push_str(&format!(": {}", kinds.join(", ")));
    }
    text
}

fn memory(process: &Process) -> String {
    let memory = process.memory;
    let resident = memory.rss_bytes.map(|rss| bytes(number(rss)));
    let mut text = format!("{} resident", resident.as_deref().unwrap_or(ABSENT));
    if let Some(buffers) = memory.kernel_socket_bytes {
        text.push_str(&format!(", {} in socket buffers", bytes(number(buffers))));
    }
    if let Some(each) = memory.bytes_per_connection {
        text.push_str(&format!(", at most {} a connection (the program included)", bytes(each)));
    }
    text
}

fn limits(limits: &Limits) -> Vec<String> {
    let mut parts = Vec::new();
    let used = |now: Option<String>, max: String| format!("{} of {max}", now.as_deref().unwrap_or(ABSENT));
    if let Some(max) = limits.pids_max {
        let tasks = used(limits.pids_current.map(count), count(max));
        parts.push(format!("{tasks} tasks in the cgroup"));
    }
    if let Some(max) = limits.memory_max_bytes {
        let now = limits.memory_current_bytes.map(|now| bytes(number(now)));
        parts.push(format!("{} memory in the cgroup", used(now, bytes(number(max)))));
    }
    parts
}

fn syscalls(page: &mut Page, process: &Process) {
    let Some(calls) = &process.syscalls else {
        return page.entry("syscalls", ABSENT);
    };
    if calls.is_empty() {
        return page.entry("syscalls", "none");
    }
    let head = ["calls", "time", "p50", "p99"].map(str::to_owned);
    page.line(&format!("{}  errors", columns("system call", head)), Paint::Plain);
    for call in calls.iter().take(SYSCALLS) {
        page.paragraph(&format!("{}  ", row(call)), &errors(call), Paint::Plain);
    }
    if let Some(more) = calls.len().checked_sub(SYSCALLS).filter(|&more| more > 0) {
        page.line(&format!("  and {more} more with less time"), Paint::Plain);
    }
}

fn row(call: &Syscall) -> String {
    let timed = call.latency_us.count > 0;
    let time = |microseconds: f64| if timed { duration_us(microseconds) } else { ABSENT.to_owned() };
    let times = [time(call.total_us), time(call.latency_us.p50), time(call.latency_us.p99)];
    let [total, p50, p99] = times;
    columns(&call.name, [count(call.calls), total, p50, p99])
}

fn columns(name: &str, [calls, total, p50, p99]: [String; 4]) -> String {
    format!("  {name:<20}{calls:>12}{total:>9}{p50:>9}{p99:>9}")
}

fn errors(call: &Syscall) -> String {
    let errors: Vec<_> =
        call.errors.iter().map(|(name, &calls)| format!("{name}{TIE}{}", count(calls))).collect();
    errors.join(", ")
}
