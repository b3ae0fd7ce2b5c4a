//! Which descriptors are open.

use super::number;
use crate::findings::rule::{ByHand, Found, Group, Outcome, Rule, Source, Verified};
use crate::findings::subject::why;
use crate::findings::{DeclaredLoad, Origin, Severity, Subject, fix};
use crate::model::{Fds, Model, Process};

/// Descriptors by kind.
pub(in crate::findings) const FD_013: Rule = Rule {
    id: "FD-013",
    title: "Who uses the descriptors",
    group: Group::Descriptors,
    rank: 40,
    origin: Origin::Measured,
    reads: &["processes[].fds"],
    applies: "A process is named and its descriptors are readable (same user, or CAP_SYS_PTRACE).",
    formula: "info: always",
    explanation: "Shows which layer owns the descriptors: client connections and pools are sockets, event \
                  loops are eventpoll, eventfd and timerfd. \"deleted\" are files that were removed but \
                  are still held open, such as rotated logs that nobody reopened.",
    mechanism: "Every entry of /proc/PID/fd is a link whose target names the kind: socket:[inode], \
                anon_inode:[eventpoll], pipe:[inode], a path, or a path that ends in \"(deleted)\" \
                (fs/proc/fd.c proc_fd_link()).",
    by_hand: &[
        ByHand {
            command: "ls -l /proc/PID/fd | sed -n 's/.*-> //p' | sed 's/[0-9]*//g' | sort | uniq -c | sort \
                      -rn",
            shows: "descriptors by kind",
        },
        ByHand {
            command: "stat -c %s /proc/PID/fd",
            shows: "their number without walking them (Linux 6.2 and later)",
        },
    ],
    not_when: "It is an inventory. Act on it only when a kind grows without an end.",
    sources: &[Source { reference: "proc(5), /proc/PID/fd", verified: Verified::Experiment }],
    caused_by: &["FD-012"],
    assess,
};

fn assess(model: &Model, _load: &DeclaredLoad) -> Vec<Outcome> {
    if model.processes.is_empty() {
        return vec![Outcome::Skip("no process named: add --pid".to_owned())];
    }
    let judge = |process: &Process| match &process.fds {
        None => Outcome::Skip(why(model, &format!("process.{}", process.pid), "fds", "not read")),
        Some(fds) => inventory(process, fds),
    };
    model.processes.iter().map(judge).collect()
}

fn inventory(process: &Process, fds: &Fds) -> Outcome {
    let mut kinds: Vec<(&String, u64)> = fds.by_kind.iter().map(|(kind, &count)| (kind, count)).collect();
    kinds.retain(|(_, count)| *count > 0);
    kinds.sort_by_key(|&(kind, count)| (std::cmp::Reverse(count), kind));
    let text: Vec<String> = kinds.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
    let limit = fds.soft_limit.map_or_else(String::new, |limit| format!(" of {limit}"));
    let listing = if text.is_empty() { String::new() } else { format!(": {}", text.join(", ")) };
    let tcp =
        fds.tcp_connections.map_or_else(String::new, |count| format!("{count} of them are TCP sockets."));
    let source = format!("/proc/{}/fd", process.pid);
    Found {
        severity: Severity::Info,
        origin: Origin::Measured,
        subject: Subject::Process(process.pid),
        title: format!("{}{limit} descriptors open{listing}", fds.open),
        evidence: std::iter::once(fix::exact("open descriptors", number(fds.open), "fds", source.clone()))
            .chain(kinds.iter().map(|&(kind, count)| fix::exact(kind, number(count), "fds", source.clone())))
            .collect(),
        threshold: "none: an inventory".to_owned(),
        detail: tcp,
        fixes: Vec::new(),
    }
    .into()
}
