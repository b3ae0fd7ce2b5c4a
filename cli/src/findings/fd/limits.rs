//! RLIMIT_NOFILE and fs.nr_open against the declared load.

use super::need::{ASSUMED_BASE, Need, needs};
use super::number;
use crate::findings::rule::{ByHand, Found, Group, Outcome, Rule, Source, Verified};
use crate::findings::subject::why;
use crate::findings::text::plural;
use crate::findings::{DeclaredLoad, Origin, Severity, Subject, fix};
use crate::model::Model;

/// The soft limit that shells and systemd give by default.
const USUAL_SOFT_LIMIT: u64 = 1024;

/// Soft RLIMIT_NOFILE below the need.
pub(in crate::findings) const FD_001: Rule = Rule {
    id: "FD-001",
    title: "The soft limit of open files is below what this load needs",
    group: Group::Descriptors,
    rank: 4,
    origin: Origin::Computed,
    reads: &["processes[].limits.nofile", "processes[].fds", "listeners[].pids", "listeners[].connections"],
    applies: "The number of connections is declared (--connections) and the limits of the target are \
              readable.",
    formula: "others = open descriptors - established connections of the target's listeners (64 when they \
              cannot be counted); W = processes that hold the same listener\n\
              need = ceil(connections / W) + others\n\
              fail: soft limit < need\n\
              warn: soft limit < connections + others + one second of new connections, since one worker \
              may get them all",
    explanation: "Every accepted connection costs one descriptor. At the soft limit accept() fails with \
                  EMFILE: clients still connect, because the kernel completes handshakes alone, then hang \
                  without an answer until the accept queue is full and the kernel drops them too.",
    mechanism: "accept4() takes a descriptor number before it takes a connection: __sys_accept4_file() \
                (net/socket.c) calls get_unused_fd_flags(), and alloc_fd() (fs/file.c) returns EMFILE when \
                the lowest free number reaches the soft limit, rlimit(RLIMIT_NOFILE). The connection stays \
                in the accept queue, so the listener stays readable and a level-triggered event loop is \
                woken again at once: it spins at 100 % of a processor without doing anything.",
    by_hand: &[
        ByHand { command: "prlimit --pid PID --nofile", shows: "SOFT is what accept() runs into" },
        ByHand { command: "ls /proc/PID/fd | wc -l", shows: "descriptors open now" },
    ],
    not_when: "The server limits its own connections below the soft limit on purpose (nginx \
               worker_connections, redis maxclients), or a proxy in front opens far fewer connections than \
               there are clients.",
    sources: &[
        Source { reference: "fs/file.c alloc_fd()", verified: Verified::Source },
        Source {
            reference: "40 clients, limit reached after 7: accept() returns EMFILE, ss shows the other 33 \
                        waiting",
            verified: Verified::Experiment,
        },
        Source { reference: "accept(2), ERRORS, EMFILE", verified: Verified::Documentation },
    ],
    caused_by: &["FD-002", "FD-003"],
    assess: soft_limit,
};

fn soft_limit(model: &Model, load: &DeclaredLoad) -> Vec<Outcome> {
    if let (true, Some(connections)) = (model.processes.is_empty(), load.connections) {
        return vec![without_process(model, connections, load)];
    }
    each(model, load, |need| {
        let subject = Subject::Process(need.process.pid);
        let Some(soft) = need.soft else {
            return Outcome::pass(subject, format!("no limit of open files; {} are needed", need.least));
        };
        let (severity, threshold) = if soft < need.least {
            (Severity::Fail, format!("soft limit {soft} < {} needed", need.least))
        } else if soft < need.comfortable {
            let all = need.comfortable;
            (
                Severity::Warn,
                format!("soft limit {soft} < {all}, the need if one process gets every connection"),
            )
        } else {
            return Outcome::pass(subject, format!("soft limit {soft}, needed {}", need.arithmetic()));
        };
        let title = if severity == Severity::Fail {
            format!("soft limit of {soft} open files, {} needed", need.least)
        } else {
            format!("soft limit of {soft} open files, {} needed, up to {}", need.least, need.comfortable)
        };
        Found {
            severity,
            origin: Origin::Computed,
            subject,
            title,
            evidence: need.evidence(),
            threshold,
            detail: detail(&need, soft),
            fixes: raise(model, &need),
        }
        .into()
    })
}

fn detail(need: &Need<'_>, soft: u64) -> String {
    let others = match need.others {
        0 => String::new(),
        count => format!(" The same holds for {} of this listener.", plural(count, "more process")),
    };
    format!("{}, but the process may open {soft}.{others}", need.arithmetic())
}

fn raise(model: &Model, need: &Need<'_>) -> Vec<crate::findings::Fix> {
    let value = need.proposal(model.host.nr_open);
    let hard = need.hard.map_or(value, |hard| hard.max(value));
    let mut fixes = fix::raise_nofile(need.process, value, hard);
    if need.hard.is_some_and(|hard| hard < value)
        && let Some(first) = fixes.first_mut()
    {
        first.risk = format!("raises the hard limit too: needs root (CAP_SYS_RESOURCE); {}", first.risk);
    }
    fixes
}

fn without_process(model: &Model, connections: u64, load: &DeclaredLoad) -> Outcome {
    let need = connections.saturating_add(ASSUMED_BASE);
    if need <= USUAL_SOFT_LIMIT {
        return Outcome::Skip(format!(
            "no process named, so no limit was read; {need} descriptors ({connections} connections and \
             {ASSUMED_BASE} others, assumed) would fit the usual soft limit of {USUAL_SOFT_LIMIT}"
        ));
    }
    let comfortable = need.saturating_add(load.rate.map_or(0, crate::findings::text::ceil));
    let wanted = comfortable.checked_next_power_of_two().unwrap_or(u64::MAX);
    let wanted =
        model.host.nr_open.filter(|&nr_open| nr_open >= comfortable).map_or(wanted, |n| wanted.min(n));
    Found {
        severity: Severity::Info,
        origin: Origin::Computed,
        subject: Subject::Host,
        title: format!(
            "{connections} connections need about {need} descriptors; no process named, no \
                        limit read"
        ),
        evidence: vec![fix::estimated(
            "descriptors needed",
            number(need),
            "fds",
            "connections + 64 assumed \
                                                                                  others",
        )],
        threshold: format!("the usual soft limit is {USUAL_SOFT_LIMIT}"),
        detail: format!(
            "Shells and systemd usually start a server with a soft limit of {USUAL_SOFT_LIMIT}; name the \
             running one with --pid to read its own."
        ),
        fixes: vec![fix::application(
            format!("ulimit -n {wanted}   # before the server starts, or LimitNOFILE={wanted} in its unit"),
            "ulimit -n",
            "",
        )],
    }
    .into()
}

/// One outcome for every process group whose need is known; the reason for every other.
fn each(model: &Model, load: &DeclaredLoad, judge: impl Fn(Need<'_>) -> Outcome) -> Vec<Outcome> {
    if model.processes.is_empty() {
        return vec![Outcome::Skip("no process named: add --pid or --port".to_owned())];
    }
    let needs = needs(model, load).into_iter();
    needs.map(|need| need.map_or_else(Outcome::Skip, &judge)).collect()
}

/// Hard RLIMIT_NOFILE below the need.
pub(in crate::findings) const FD_002: Rule = Rule {
    id: "FD-002",
    title: "The hard limit of open files is below what this load needs",
    group: Group::Descriptors,
    rank: 3,
    origin: Origin::Computed,
    reads: &["processes[].limits.nofile", "processes[].fds", "listeners[].pids"],
    applies: "The number of connections is declared and the limits of the target are readable, as for \
              FD-001.",
    formula: "need as in FD-001\n\
              fail: hard limit < need\n\
              info: soft limit < need <= hard limit: the owner can raise it without root",
    explanation: "A process without CAP_SYS_RESOURCE raises its soft limit up to the hard limit and no \
                  further. `ulimit -n` in the start script then prints \"Operation not permitted\", and \
                  the server starts with the old value.",
    mechanism: "do_prlimit() (kernel/sys.c) returns EPERM when the new hard limit is above the old one and \
                the caller lacks CAP_SYS_RESOURCE in the initial user namespace, so root inside a \
                container cannot raise it either. Limits are inherited at fork(): a running server keeps \
                what its parent had.",
    by_hand: &[ByHand { command: "prlimit --pid PID --nofile", shows: "HARD is the ceiling without root" }],
    not_when: "As FD-001. Several runtimes (Go, Java, node) raise the soft limit to the hard limit \
               themselves: then only the hard limit matters.",
    sources: &[
        Source { reference: "kernel/sys.c do_prlimit()", verified: Verified::Source },
        Source { reference: "getrlimit(2)", verified: Verified::Documentation },
    ],
    caused_by: &["FD-003", "FD-012"],
    assess: hard_limit,
};

fn hard_limit(model: &Model, load: &DeclaredLoad) -> Vec<Outcome> {
    each(model, load, |need| {
        let subject = Subject::Process(need.process.pid);
        let Some(hard) = need.hard else {
            return Outcome::pass(subject, format!("no hard limit of open files; {} are needed", need.least));
        };
        let soft_suffices = need.soft.is_none_or(|soft| soft >= need.least);
        if hard >= need.least && soft_suffices {
            return Outcome::pass(subject, format!("hard limit {hard}, needed {}", need.least));
        }
        let (severity, title, detail) = if hard < need.least {
            let title =
                format!("hard limit of {hard} open files, {} needed: only root can raise it", need.least);
            (Severity::Fail, title, format!("{}, above the hard limit of {hard}.", need.arithmetic()))
        } else {
            let title =
                format!("hard limit {hard} covers {}: no root needed to raise the soft limit", need.least);
            (
                Severity::Info,
                title,
                format!("The owner of the process may raise its soft limit up to {hard}."),
            )
        };
        Found {
            severity,
            origin: Origin::Computed,
            subject,
            title,
            evidence: need.evidence(),
            threshold: format!("hard limit {hard}, need {}", need.least),
            detail,
            fixes: raise(model, &need),
        }
        .into()
    })
}

/// fs.nr_open below the need.
pub(in crate::findings) const FD_003: Rule = Rule {
    id: "FD-003",
    title: "fs.nr_open caps the limit of open files below what this load needs",
    group: Group::Descriptors,
    rank: 2,
    origin: Origin::Computed,
    reads: &["host.nr_open", "processes[].fds", "listeners[].pids"],
    applies: "The number of connections is declared.",
    formula: "need as in FD-001, the largest of all processes; connections + 64 without a process\n\
              fail: fs.nr_open < need",
    explanation: "No hard limit of open files can exceed fs.nr_open, not even for root: setrlimit() \
                  returns EPERM and the old limit stays, it is not cut to fit.",
    mechanism: "do_prlimit() (kernel/sys.c) compares the new hard limit with sysctl_nr_open before it \
                looks at any capability. The value is global, 1048576 by default, and is no part of any \
                namespace.",
    by_hand: &[ByHand {
        command: "sysctl -n fs.nr_open",
        shows: "the highest possible limit of one process",
    }],
    not_when: "The connections are spread over more processes than were seen.",
    sources: &[
        Source { reference: "kernel/sys.c do_prlimit()", verified: Verified::Source },
        Source {
            reference: "Documentation/admin-guide/sysctl/fs.rst, nr_open",
            verified: Verified::Documentation,
        },
    ],
    caused_by: &["FD-012"],
    assess: highest_limit,
};

fn highest_limit(model: &Model, load: &DeclaredLoad) -> Vec<Outcome> {
    let Some(connections) = load.connections else {
        return vec![Outcome::Skip("no number of connections declared: add --connections N".to_owned())];
    };
    let Some(nr_open) = model.host.nr_open else {
        return vec![Outcome::Skip(why(model, "host", "nr_open", "not read"))];
    };
    let known = needs(model, load).into_iter().filter_map(Result::ok).map(|need| need.least).max();
    let need = known.unwrap_or_else(|| connections.saturating_add(ASSUMED_BASE));
    if nr_open >= need {
        return vec![Outcome::pass(Subject::Host, format!("fs.nr_open {nr_open}, needed {need}"))];
    }
    let value = need.checked_next_power_of_two().unwrap_or(u64::MAX).to_string();
    let setting = fix::Setting {
        key: "fs.nr_open",
        value: &value,
        restart_needed: false,
        risk: "raises only the ceiling: RLIMIT_NOFILE must follow (FD-001)",
    };
    let found = Found {
        severity: Severity::Fail,
        origin: Origin::Computed,
        subject: Subject::Host,
        title: format!("fs.nr_open = {nr_open}, {need} descriptors needed in one process"),
        evidence: vec![
            fix::exact("fs.nr_open", number(nr_open), "fds", "/proc/sys/fs/nr_open"),
            fix::estimated("descriptors needed", number(need), "fds", "connections / workers + others"),
        ],
        threshold: format!("fs.nr_open {nr_open} < {need}"),
        detail: format!("One process needs {need} descriptors; the host allows {nr_open}."),
        fixes: setting.of_host(),
    };
    vec![found.into()]
}
