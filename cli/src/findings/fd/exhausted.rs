//! accept() and its like that failed for want of a descriptor.

use std::collections::BTreeMap;

use super::number;
use crate::findings::rule::{ByHand, Found, Group, Outcome, Rule, Source, Verified};
use crate::findings::subject::{process, why};
use crate::findings::text::{list, plural, short};
use crate::findings::{DeclaredLoad, Fix, Origin, Severity, Subject, fix};
use crate::model::{Model, Process};

/// Out of descriptors, measured.
pub(in crate::findings) const FD_012: Rule = Rule {
    id: "FD-012",
    title: "accept(), socket() or open() failed for want of a descriptor",
    group: Group::Descriptors,
    rank: 1,
    origin: Origin::Measured,
    reads: &["processes[].accept.emfile", "processes[].syscalls[].errors", "processes[].fds"],
    applies: "The system calls of the process are traced over a window (live, attach, report).",
    formula: "fail: any call returned EMFILE or ENFILE in the window",
    explanation: "This is proof, not a forecast: connections that the kernel already completed wait in the \
                  accept queue and nobody takes them. Clients see a successful connect and then nothing; \
                  once the queue is full the kernel drops new ones.",
    mechanism: "EMFILE comes from alloc_fd() (fs/file.c): the process is at its soft RLIMIT_NOFILE. ENFILE \
                comes from alloc_empty_file() (fs/file_table.c): the host is at fs.file-max. accept() \
                fails before it takes the connection, so the listener stays readable and a level-triggered \
                loop spins.",
    by_hand: &[
        ByHand {
            command: "strace -f -c -e trace=accept4 -p PID",
            shows: "the errors column while clients connect",
        },
        ByHand {
            command: "prlimit --pid PID --nofile; ls /proc/PID/fd | wc -l",
            shows: "limit and use side by side",
        },
    ],
    not_when: "Never ignore it. If the number of descriptors grows without more connections, look for a \
               leak first: a higher limit only delays it.",
    sources: &[
        Source { reference: "accept(2), ERRORS, EMFILE and ENFILE", verified: Verified::Documentation },
        Source {
            reference: "fs/file.c alloc_fd(); fs/file_table.c alloc_empty_file()",
            verified: Verified::Source,
        },
        Source {
            reference: "40 of 40 connects succeed, accept() returns EMFILE 164000 times in 0.5 s in a \
                        level-triggered loop",
            verified: Verified::Experiment,
        },
    ],
    caused_by: &[],
    assess,
};

/// Calls that failed for want of a descriptor.
#[derive(Debug, Default)]
pub(in crate::findings) struct Exhausted {
    /// By system call.
    pub by_call: BTreeMap<String, u64>,
    /// Of these, because of the process's own limit.
    pub emfile: u64,
    /// Of these, because of the host's limit.
    pub enfile: u64,
}

impl Exhausted {
    fn total(&self) -> u64 {
        self.by_call.values().sum()
    }
}

/// What the traced calls of a process say; `None` when they were not traced.
pub(in crate::findings) fn exhausted(process: &Process) -> Option<Exhausted> {
    if process.accept.is_none() && process.syscalls.is_none() {
        return None;
    }
    let mut result = Exhausted::default();
    for call in process.syscalls.iter().flatten() {
        let errors = |name: &str| call.errors.get(name).copied().unwrap_or(0);
        let (emfile, enfile) = (errors("EMFILE"), errors("ENFILE"));
        if emfile + enfile > 0 {
            result.by_call.insert(format!("{}()", call.name), emfile + enfile);
            result.emfile += emfile;
            result.enfile += enfile;
        }
    }
    let accepts: u64 =
        result.by_call.iter().filter(|(name, _)| name.starts_with("accept")).map(|(_, count)| count).sum();
    let seen = process.accept.map_or(0, |accept| accept.emfile);
    if seen > accepts {
        result.by_call.retain(|name, _| !name.starts_with("accept"));
        result.by_call.insert("accept()".to_owned(), seen);
        result.emfile += seen - accepts;
    }
    Some(result)
}

fn assess(model: &Model, load: &DeclaredLoad) -> Vec<Outcome> {
    if model.processes.is_empty() {
        return vec![Outcome::Skip("no process traced: add --pid".to_owned())];
    }
    let Some(window) = model.window else {
        return vec![Outcome::Skip("needs a window: use live or report".to_owned())];
    };
    let judge = |process: &Process| {
        let subject = Subject::Process(process.pid);
        let scope = format!("process.{}", process.pid);
        let Some(exhausted) = exhausted(process) else {
            return Outcome::Skip(why(model, &scope, "syscalls", "system calls are not traced"));
        };
        let total = exhausted.total();
        if total == 0 {
            let accepted = process
                .accept
                .map_or_else(String::new, |accept| format!(" in {}", plural(accept.ok, "accept")));
            return Outcome::pass(subject, format!("0 calls failed for want of a descriptor{accepted}"));
        }
        let calls: Vec<String> =
            exhausted.by_call.iter().map(|(name, count)| format!("{name} {count} times")).collect();
        let seconds = short(window.seconds);
        let (name, limit) =
            if exhausted.emfile > 0 { ("EMFILE", "soft limit") } else { ("ENFILE", "fs.file-max") };
        Found {
            severity: Severity::Fail,
            origin: Origin::Measured,
            subject,
            title: format!("out of descriptors: {} failed with {name} in {seconds} s", plural(total, "call")),
            evidence: evidence(process, &exhausted),
            threshold: format!("{total} > 0 failed calls"),
            detail: format!(
                "In {seconds} s {} found no free descriptor: the {limit} is reached.",
                list(&calls)
            ),
            fixes: fixes(model, load, process, &exhausted),
        }
        .into()
    };
    model.processes.iter().map(judge).collect()
}

fn evidence(process: &Process, exhausted: &Exhausted) -> Vec<crate::findings::Evidence> {
    let failed = exhausted.by_call.iter().map(|(name, &count)| {
        fix::exact(&format!("{name} without descriptor"), number(count), "calls", "system call probe")
    });
    let pid = process.pid;
    let open = process.fds.as_ref().map(|fds| ("open descriptors", fds.open, format!("/proc/{pid}/fd")));
    let soft = process.limits.nofile.and_then(|limit| limit.soft);
    let soft = soft.map(|soft| ("soft limit", soft, format!("/proc/{pid}/limits")));
    let state = open
        .into_iter()
        .chain(soft)
        .map(|(name, value, source)| fix::exact(name, number(value), "fds", source));
    failed.chain(state).collect()
}

fn fixes(model: &Model, load: &DeclaredLoad, process: &Process, exhausted: &Exhausted) -> Vec<Fix> {
    let mut fixes = Vec::new();
    if exhausted.enfile > 0 {
        let setting = fix::Setting {
            key: "fs.file-max",
            value: "9223372036854775807",
            restart_needed: false,
            risk: "",
        };
        fixes.extend(setting.of_host());
    }
    if exhausted.emfile > 0 {
        let limit = process.limits.nofile;
        let soft = limit.and_then(|limit| limit.soft).unwrap_or(1024);
        let declared = load.connections.unwrap_or(0).saturating_add(super::need::ASSUMED_BASE);
        let wanted = soft.saturating_mul(2).max(declared).checked_next_power_of_two().unwrap_or(u64::MAX);
        let wanted = model.host.nr_open.filter(|&nr_open| nr_open > soft).map_or(wanted, |n| wanted.min(n));
        let hard = limit.and_then(|limit| limit.hard).unwrap_or(wanted);
        let wanted = if hard > soft && hard >= declared { wanted.min(hard) } else { wanted };
        fixes.extend(fix::raise_nofile(process, wanted, hard.max(wanted)));
    }
    let name = process_name(model, process.pid);
    fixes.push(fix::application(
        "keep one spare descriptor; on EMFILE close it, accept and close the connection, open the spare \
         again",
        format!("netscope report --pid {} --for 10s   # FD-012 is gone for {name}", process.pid),
        "clients are turned away at once instead of hanging: a stopgap, not a cure",
    ));
    fixes
}

fn process_name(model: &Model, pid: i32) -> String {
    process(model, pid).map_or_else(|| format!("pid {pid}"), |process| process.comm.clone())
}
