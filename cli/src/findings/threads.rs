//! Threads and their limits.

use super::rule::{ByHand, Found, Group, Outcome, Rule, Source, Verified};
use super::subject::why;
use super::text::{ceil, number, plural, short};
use super::{DeclaredLoad, Evidence, Fix, FixKind, Origin, Scope, Severity, Subject, fix};
use crate::model::{Model, Process};

/// Fewer connections than this say nothing about the concurrency model.
const ENOUGH_CONNECTIONS: u64 = 8;

/// Too few threads for a thread per connection.
pub(super) const THR_001: Rule = Rule {
    id: "THR-001",
    title: "A thread for every connection runs into a limit of threads",
    group: Group::Threads,
    rank: 15,
    origin: Origin::Computed,
    reads: &[
        "processes[].threads",
        "processes[].limits",
        "listeners[].connections",
        "host.threads",
        "host.threads_max",
        "host.pid_max",
        "host.max_map_count",
    ],
    applies: "The number of connections is declared and the threads of the target follow its connections: \
              at least 8 connections, more than half as many threads, not many more, and more than a pool \
              sized by the number of processors explains.",
    formula: "ratio = threads / established connections, at most 1\n\
              new threads = (declared - established connections) * ratio\n\
              room = the smallest of threads-max - threads of the host, pid_max - threads of the host, \
              pids.max - pids.current, RLIMIT_NPROC - threads of the process (not for root), \
              (max_map_count - maps) / 2\n\
              fail: new threads > room\n\
              warn: new threads + one second of new connections > room",
    explanation: "At the limit clone() fails with EAGAIN: Java reports OutOfMemoryError (\"unable to \
                  create native thread\") with memory to spare, Python \"can't start new thread\". \
                  Connections beyond it are accepted and then dropped, or wait in the accept queue.",
    mechanism: "copy_process() (kernel/fork.c) returns EAGAIN when the user is above RLIMIT_NPROC and has \
                neither CAP_SYS_RESOURCE nor CAP_SYS_ADMIN, or when nr_threads reaches max_threads \
                (kernel.threads-max); alloc_pid() (kernel/pid.c) when pid_max is used up; pids_can_fork() \
                (kernel/cgroup/pids.c) when pids.max of the cgroup or of any ancestor is reached. Each \
                thread stack takes two memory maps (stack and guard), so vm.max_map_count ends it as well.",
    by_hand: &[
        ByHand {
            command: "grep Threads /proc/PID/status; ss -tn state established 'sport = :PORT' | wc -l",
            shows: "whether threads follow connections",
        },
        ByHand { command: "systemctl show -p TasksMax,TasksCurrent UNIT", shows: "pids.max of the unit" },
        ByHand {
            command: "sysctl kernel.threads-max kernel.pid_max vm.max_map_count",
            shows: "the limits of the host",
        },
    ],
    not_when: "The pool has a fixed size and the match is chance: look whether the number of threads moves \
               with the connections.",
    sources: &[
        Source { reference: "kernel/fork.c copy_process()", verified: Verified::Source },
        Source {
            reference: "Documentation/admin-guide/cgroup-v2.rst, PID",
            verified: Verified::Documentation,
        },
        Source {
            reference: "one idle thread: 2.07 memory maps, 16 KB resident",
            verified: Verified::Experiment,
        },
    ],
    caused_by: &[],
    assess,
};

fn assess(model: &Model, load: &DeclaredLoad) -> Vec<Outcome> {
    let Some(connections) = load.connections else {
        return vec![Outcome::Skip("no number of connections declared: add --connections N".to_owned())];
    };
    if model.processes.is_empty() {
        return vec![Outcome::Skip("no process named: add --pid or --port".to_owned())];
    }
    model.processes.iter().map(|process| of_process(model, load, connections, process)).collect()
}

fn of_process(model: &Model, load: &DeclaredLoad, connections: u64, process: &Process) -> Outcome {
    let (established, ratio) = match per_connection(model, process) {
        Ok(known) => known,
        Err(reason) => return Outcome::Skip(reason),
    };
    let needed = ceil(number(connections.saturating_sub(established)) * ratio);
    let rooms = rooms(model, process);
    let Some(tightest) = rooms.iter().min_by_key(|room| room.left) else {
        return Outcome::Skip(format!("pid {}: no limit of threads could be read", process.pid));
    };
    let subject = Subject::Process(process.pid);
    let spare = load.rate.map_or(0, |rate| ceil(rate * ratio));
    let severity = if needed > tightest.left {
        Severity::Fail
    } else if needed.saturating_add(spare) > tightest.left {
        Severity::Warn
    } else {
        let text =
            format!("{} to come, room for {} ({})", plural(needed, "thread"), tightest.left, tightest.name);
        return Outcome::pass(subject, text);
    };
    Found {
        severity,
        origin: Origin::Computed,
        subject,
        title: format!("{needed} more threads needed, {} leaves room for {}", tightest.name, tightest.left),
        evidence: evidence(process, established, needed, &rooms),
        threshold: format!("{needed} new threads, room {}", tightest.left),
        detail: format!(
            "{} threads serve {established} connections ({} per connection), so {connections} connections \
             need {needed} more; {} = {} ends it first.",
            process.threads,
            short(ratio),
            tightest.name,
            tightest.limit
        ),
        fixes: vec![
            raise(process, tightest, needed.saturating_add(spare)),
            fix::application(
                "serve connections from an event loop, virtual threads, or a pool of fixed size",
                format!("grep Threads /proc/{}/status", process.pid),
                "",
            ),
        ],
    }
    .into()
}

/// Established connections and threads per connection, or why this is no thread per connection.
fn per_connection(model: &Model, process: &Process) -> Result<(u64, f64), String> {
    let pid = process.pid;
    let mut ports = Vec::new();
    let mut established = 0_u64;
    for listener in model.listeners.iter().filter(|listener| listener.pids.contains(&pid)) {
        if !ports.contains(&listener.port) {
            ports.push(listener.port);
            let Some(states) = &listener.connections else {
                return Err(why(model, "connections", "listed", "the connections were not listed"));
            };
            established += states.get("ESTAB").copied().unwrap_or(0);
        }
    }
    if established < ENOUGH_CONNECTIONS {
        return Err(format!(
            "pid {pid}: {established} connections are too few to tell whether threads follow them \
             ({ENOUGH_CONNECTIONS} are needed)"
        ));
    }
    let threads = process.threads;
    let ratio = number(threads) / number(established);
    let explained_by_pool = threads <= u64::from(model.host.cpus).saturating_mul(4);
    if ratio <= 0.5 || explained_by_pool || threads > established.saturating_mul(2).saturating_add(16) {
        return Err(format!(
            "pid {pid}: {} for {established} connections: not a thread per connection",
            plural(threads, "thread")
        ));
    }
    Ok((established, ratio.min(1.0)))
}

/// What a limit leaves for new threads.
struct Room {
    name: &'static str,
    limit: u64,
    left: u64,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    Sysctl,
    Cgroup,
    Rlimit,
}

fn rooms(model: &Model, process: &Process) -> Vec<Room> {
    let host = &model.host;
    let limits = &process.limits;
    let room = |name, limit: Option<u64>, used: Option<u64>, kind| {
        let (limit, used) = (limit?, used?);
        Some(Room { name, limit, left: limit.saturating_sub(used), kind })
    };
    let nproc = limits.nproc.and_then(|nproc| nproc.soft).filter(|_| limits.uid != 0);
    let maps = room("vm.max_map_count", host.max_map_count, limits.maps, Kind::Sysctl);
    [
        room("kernel.threads-max", host.threads_max, host.threads, Kind::Sysctl),
        room("kernel.pid_max", host.pid_max, host.threads, Kind::Sysctl),
        room("pids.max", limits.pids_max, limits.pids_current, Kind::Cgroup),
        room("RLIMIT_NPROC", nproc, Some(process.threads), Kind::Rlimit),
        maps.map(|room| Room { left: room.left / 2, ..room }),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn evidence(process: &Process, established: u64, needed: u64, rooms: &[Room]) -> Vec<Evidence> {
    let mut evidence = vec![
        fix::exact("threads", number(process.threads), "threads", format!("/proc/{}/status", process.pid)),
        fix::exact("established connections", number(established), "connections", "sock_diag"),
        fix::estimated(
            "new threads",
            number(needed),
            "threads",
            "declared connections * threads per connection",
        ),
    ];
    evidence.extend(rooms.iter().map(|room| {
        fix::exact(&format!("room under {}", room.name), number(room.left), "threads", "limit - use")
    }));
    evidence
}

fn raise(process: &Process, room: &Room, needed: u64) -> Fix {
    let used = room.limit.saturating_sub(room.left);
    let pid = process.pid;
    match room.kind {
        Kind::Sysctl => {
            let factor = if room.name == "vm.max_map_count" { 2 } else { 1 };
            let value = used.saturating_add(needed.saturating_mul(factor)).checked_next_power_of_two();
            let value = value.unwrap_or(u64::MAX);
            let most = if room.name == "kernel.pid_max" { 4_194_304 } else { u64::MAX };
            let text = format!("sysctl -w {}={}", room.name, value.min(most));
            change(Scope::Now, FixKind::Sysctl, text, format!("sysctl -n {}", room.name), false)
        }
        Kind::Rlimit => {
            let value = used.saturating_add(needed).checked_next_power_of_two().unwrap_or(u64::MAX);
            let text = format!("prlimit --pid {pid} --nproc={value}:{value}");
            change(Scope::Now, FixKind::Prlimit, text, format!("prlimit --pid {pid} --nproc"), false)
        }
        Kind::Cgroup => cgroup(process, used.saturating_add(needed)),
    }
}

fn cgroup(process: &Process, needed: u64) -> Fix {
    let value = needed.checked_next_power_of_two().unwrap_or(u64::MAX);
    let of_process = format!(
        "find /sys/fs/cgroup -path \"*$(sed -n 's/^[0-9]*:[^:]*pids[^:]*://p; s/^0:://p' /proc/{}/cgroup | \
         head -1)/pids.max\" -exec cat {{}} +",
        process.pid
    );
    match &process.unit {
        _ if fix::in_container(process) => {
            let text =
                format!("docker run --pids-limit {value} ...   # Kubernetes: podPidsLimit of the kubelet");
            change(Scope::Lasting, FixKind::Docker, text, of_process, true)
        }
        Some(unit) => {
            let text = format!("systemctl set-property {unit} TasksMax={value}");
            change(
                Scope::Lasting,
                FixKind::Systemd,
                text,
                format!("systemctl show -p TasksMax {unit}"),
                false,
            )
        }
        None => {
            let at = process.cgroup.as_deref().unwrap_or("of the process");
            let text = format!("echo {value} > pids.max in the cgroup {at}, or in the ancestor that sets it");
            change(Scope::Now, FixKind::Application, text, of_process, false)
        }
    }
}

fn change(scope: Scope, kind: FixKind, text: String, verify: String, restart_needed: bool) -> Fix {
    let risk = "each thread costs at least 20 KB of kernel memory".to_owned();
    Fix { scope, kind, text, verify, restart_needed, risk }
}
