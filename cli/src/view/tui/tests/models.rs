//! Snapshots as the stages before would hand them over.

use std::collections::BTreeMap;

use crate::findings::{Assessment, Evidence, Finding, Fix, FixKind, Origin, Scope, Severity, Skipped};
use crate::model::{
    AcceptCalls, AcceptQueue, Buffers, Causes, Cookies, CpuSeconds, Distribution, Drops, Fds, Host,
    KernelDrops, Ledger, Limits, Listener, Memory, Model, Netns, OwnCost, Process, Quality, Switches,
    SynQueue, Syscall, Unread, Window,
};
use crate::sample::{Limit, Lost, ProbeState, ProbeStatus, Via};
use crate::view::tui::{Own, Snapshot};

const PROBES: [(&str, &str, Via); 7] = [
    ("syn-drops", "which SYNs does a listener refuse, and why", Via::TpBtf),
    ("ack-drops", "which final ACKs of a handshake does a listener refuse", Via::TpBtf),
    ("listeners", "which sockets listen", Via::TpBtf),
    ("never-accepted", "which connections end while they wait for accept()", Via::TpBtf),
    ("accept-queue", "what enters the accept queues, and how long are they then", Via::TpBtf),
    ("switches", "how often is the process switched away, and how long does it wait for a CPU", Via::TpBtf),
    (
        "syscalls",
        "which system calls, how long, with what outcome; how long did accept() let wait",
        Via::RawTp,
    ),
];

fn distribution(count: u64, values: [f64; 5], quality: Quality) -> Distribution {
    let [p50, p90, p99, p999, max] = values;
    Distribution { count, sum: p50 * count as f64, p50, p90, p99, p999, max, quality }
}

fn probe(name: &str, question: &str, state: ProbeState) -> ProbeStatus {
    let active = matches!(state, ProbeState::Active { .. });
    ProbeStatus {
        name: name.into(),
        question: question.into(),
        state,
        timed_runs: active.then_some(1_000),
        timed_run_ns: active.then_some(45_000),
        misses: active.then_some(0),
    }
}

fn active_probes() -> Vec<ProbeStatus> {
    PROBES.map(|(name, question, via)| probe(name, question, ProbeState::Active { via })).to_vec()
}

fn denied_probes() -> Vec<ProbeStatus> {
    let state = || ProbeState::Unavailable {
        reason: "bpf(BPF_PROG_LOAD): EPERM, CAP_BPF and CAP_PERFMON are missing".into(),
        remedy: Some("run with sudo".into()),
    };
    PROBES.map(|(name, question, _)| probe(name, question, state())).to_vec()
}

fn listener(address: &str, port: u16, comm: &str, pids: &[i32]) -> Listener {
    Listener {
        address: address.into(),
        port,
        netns: Some(4_026_531_840),
        sockets: 1,
        reuseport: false,
        dual_stack: address == "::",
        pids: pids.to_vec(),
        comms: if comm.is_empty() { Vec::new() } else { vec![comm.into()] },
        limit: 511,
        capacity: 512,
        accept_queue: AcceptQueue { now: 0, max: 3, depth: None },
        syn_queue: SynQueue { now: 0, max: 1 },
        entered: Some(420),
        accepted: None,
        dead_before_accept: Some(0),
        never_accepted: Some(0),
        drops: Some(Drops::default()),
        cookies: Some(Cookies { sent: 0 }),
        refused_attempts: Some(0),
        drops_hint: Some(0),
        drops_hint_total: Some(0),
        handshake_us: Some(distribution(420, [62.0, 80.0, 140.0, 300.0, 320.0], Quality::Exact)),
        accept_wait_us: Some(distribution(420, [18.0, 40.0, 95.0, 200.0, 210.0], Quality::Exact)),
        connections: Some(BTreeMap::from([("ESTAB".into(), 37)])),
        buffers: Some(Buffers {
            sockets: 37,
            receive_used_bytes: 0,
            receive_limit_bytes: 4_849_664,
            send_used_bytes: 2_304,
            send_limit_bytes: 96_993_280,
        }),
    }
}

fn overloaded_listener() -> Listener {
    Listener {
        limit: 128,
        capacity: 129,
        accept_queue: AcceptQueue {
            now: 129,
            max: 129,
            depth: Some(distribution(8_420, [112.0, 127.0, 129.0, 129.0, 129.0], Quality::Exact)),
        },
        syn_queue: SynQueue { now: 12, max: 40 },
        entered: Some(8_420),
        accepted: Some(8_300),
        drops: Some(Drops {
            total: 1_394,
            by_cause: Causes { accept_queue_full_syn: 1_370, accept_queue_full_ack: 24, ..Causes::default() },
        }),
        refused_attempts: Some(1_371),
        drops_hint: Some(1_418),
        drops_hint_total: Some(20_112),
        handshake_us: Some(distribution(8_420, [82.0, 240.0, 410.0, 1_900.0, 2_100.0], Quality::Exact)),
        accept_wait_us: Some(distribution(
            8_300,
            [180_000.0, 210_000.0, 231_000.0, 240_000.0, 241_000.0],
            Quality::Exact,
        )),
        connections: Some(BTreeMap::from([
            ("CLOSE-WAIT".into(), 7),
            ("ESTAB".into(), 1_204),
            ("SYN-RECV".into(), 12),
        ])),
        buffers: Some(Buffers {
            sockets: 1_223,
            receive_used_bytes: 1_258_291,
            receive_limit_bytes: 160_432_128,
            send_used_bytes: 0,
            send_limit_bytes: 3_208_642_560,
        }),
        ..listener("127.0.0.1", 8080, "demo", &[4242])
    }
}

fn syscall(name: &str, calls: u64, total_us: f64, times: (f64, f64), errors: &[(&str, u64)]) -> Syscall {
    let (p50, p99) = times;
    Syscall {
        name: name.into(),
        calls,
        errors: errors.iter().map(|(name, count)| ((*name).into(), *count)).collect(),
        total_us,
        latency_us: distribution(calls, [p50, p50, p99, p99, p99], Quality::Exact),
    }
}

fn demo_process() -> Process {
    Process {
        pid: 4242,
        comm: "demo".into(),
        exe: Some("/usr/bin/netscope".into()),
        unit: Some("session-3.scope".into()),
        cgroup: Some("/user.slice/user-0.slice/session-3.scope".into()),
        netns: Some(4_026_531_840),
        ended: false,
        threads: 1,
        cpu_seconds: Some(CpuSeconds { user: 1.1, system: 2.7 }),
        switches: Some(Switches { voluntary: 8_211, involuntary: 310, source: "probe" }),
        run_queue_us: Some(distribution(8_521, [3.1, 40.0, 420.0, 900.0, 1_100.0], Quality::Exact)),
        syscalls: Some(vec![
            syscall("clock_nanosleep", 45, 9_000_000.0, (200_000.0, 201_000.0), &[]),
            syscall("epoll_wait", 8_120, 640_000.0, (41.0, 890.0), &[("EINTR", 2)]),
            syscall("write", 41_200, 310_000.0, (6.1, 22.0), &[("EPIPE", 3)]),
            syscall("read", 48_911, 121_000.0, (1.4, 6.8), &[("EAGAIN", 7_700), ("ECONNRESET", 12)]),
            syscall("accept4", 8_345, 61_000.0, (5.2, 19.0), &[("EAGAIN", 45)]),
            syscall("close", 8_280, 33_000.0, (2.9, 11.0), &[]),
            syscall("epoll_ctl", 8_300, 9_800.0, (0.9, 2.1), &[]),
        ]),
        accept: Some(AcceptCalls { ok: 8_300, eagain: 45, emfile: 0 }),
        fds: Some(Fds {
            open: 1_231,
            soft_limit: Some(4_096),
            hard_limit: Some(524_288),
            by_kind: BTreeMap::from([("socket".into(), 1_224), ("eventpoll".into(), 1), ("file".into(), 6)]),
            tcp_connections: Some(1_212),
            slope_per_s: Some(12.3),
        }),
        memory: Memory {
            rss_bytes: Some(12_582_912),
            pss_bytes: Some(11_000_000),
            kernel_socket_bytes: Some(4_300_000),
            bytes_per_connection: Some(14_021.0),
        },
        limits: Limits {
            nofile: Some(Limit { soft: Some(4_096), hard: Some(524_288) }),
            pids_max: Some(4_915),
            pids_current: Some(31),
            uid: 0,
            ..Limits::default()
        },
    }
}

fn fix(scope: Scope, kind: FixKind, text: &str, verify: &str, restart_needed: bool) -> Fix {
    Fix { scope, kind, text: text.into(), verify: verify.into(), restart_needed, risk: String::new() }
}

fn overflow_finding() -> Finding {
    let evidence = |name: &str, value: f64, unit, source: &str| Evidence {
        name: name.into(),
        value,
        unit,
        source: source.into(),
        quality: Quality::Exact,
    };
    Finding {
        id: "LSN-001",
        severity: Severity::Fail,
        origin: Origin::Measured,
        subject: "127.0.0.1:8080 (demo, pid 4242)".into(),
        title: "the accept queue overflowed: 1,371 attempts refused in 10 s, the application asked for a backlog of 128".into(),
        evidence: vec![
            evidence("drops", 1_394.0, "packets", "eBPF consume_skb"),
            evidence("refused attempts", 1_371.0, "clients", "eBPF consume_skb"),
            evidence("backlog in force", 128.0, "connections", "sock_diag idiag_wqueue"),
            evidence("somaxconn", 4_096.0, "connections", "/proc/sys/net/core/somaxconn"),
        ],
        threshold: "any drop at a listener".into(),
        explanation: "Clients finish the handshake or wait for it, but the program does not call accept() \
                      often enough: its loop sleeps 200 ms at a time. A refused client retries after 1 s, 3 s \
                      and 7 s, so users see pauses of whole seconds while the program's own latency looks fine."
            .into(),
        fixes: vec![
            Fix {
                risk: "a longer queue hides the stall; it does not shorten the wait".into(),
                ..fix(
                    Scope::Lasting,
                    FixKind::Application,
                    "pass at least 1024 to listen(): netscope serve --backlog 1024",
                    "ss -ltn 'sport = :8080'   # Send-Q must read 1024",
                    true,
                )
            },
            fix(
                Scope::Lasting,
                FixKind::Application,
                "move the blocking work out of the event loop, or accept in a thread of its own",
                "netscope report --port 8080 --for 10s   # accept wait p99 below 10 ms",
                true,
            ),
        ],
        see: "netscope explain LSN-001".into(),
    }
}

fn folklore_finding() -> Finding {
    Finding {
        id: "LSN-011",
        severity: Severity::Info,
        origin: Origin::Configured,
        subject: "netns 4026531840".into(),
        title: "raising tcp_max_syn_backlog would do nothing here: SYN cookies are on".into(),
        evidence: Vec::new(),
        threshold: "tcp_syncookies = 1".into(),
        explanation: "With SYN cookies the kernel never drops a SYN for a full SYN queue.".into(),
        fixes: Vec::new(),
        see: "netscope explain LSN-011".into(),
    }
}

fn fd_finding() -> Finding {
    Finding {
        id: "FD-003",
        severity: Severity::Warn,
        origin: Origin::Measured,
        subject: "pid 4242 (demo)".into(),
        title:
            "30 % of the 4,096 descriptors are in use and 12 more are opened each second: full in 4 minutes"
                .into(),
        evidence: Vec::new(),
        threshold: "full within 15 minutes at the present slope".into(),
        explanation: "When the last descriptor is taken accept() fails with EMFILE and the queue fills up."
            .into(),
        fixes: vec![fix(
            Scope::Now,
            FixKind::Prlimit,
            "prlimit --pid 4242 --nofile=65536:524288",
            "grep 'open files' /proc/4242/limits",
            false,
        )],
        see: "netscope explain FD-003".into(),
    }
}

fn passed(id: &'static str, title: &str) -> Finding {
    Finding { id, severity: Severity::Pass, title: title.into(), fixes: Vec::new(), ..folklore_finding() }
}

fn model(listeners: Vec<Listener>, processes: Vec<Process>) -> Model {
    Model {
        schema: "netscope.report/1",
        host: Host {
            kernel: "6.18.2".into(),
            cpus: 2,
            memory_bytes: 8 << 30,
            boot_id: "0".into(),
            file_handles: None,
            file_max: None,
            nr_open: None,
            threads_max: None,
            pid_max: None,
            max_map_count: None,
            threads: None,
        },
        window: Some(Window { start_unix_ms: 1_700_000_000_000, seconds: 10.0 }),
        probes: active_probes(),
        lost: Some(Lost::default()),
        own_cost: Some(OwnCost { ns_per_run: 45.2, timed_runs: 12_000, quality: Quality::Sampled }),
        netns: Netns {
            inode: Some(4_026_531_840),
            own: Some(true),
            somaxconn: Some(4_096),
            tcp_max_syn_backlog: Some(512),
            tcp_syncookies: Some(1),
            tcp_abort_on_overflow: Some(0),
            port_range: Some((32_768, 60_999)),
            reserved_ports: Some(0),
            tcp_tw_reuse: Some(2),
            time_wait: Some(12),
            totals: None,
            window_drops: None,
            passive_opens: Some(8_840),
        },
        listeners,
        ledger: None,
        processes,
        unread: Vec::new(),
    }
}

fn snapshot(model: Model, findings: Vec<Finding>, passed: Vec<Finding>, verdict: &str) -> Snapshot {
    Snapshot {
        model,
        assessment: Assessment {
            findings,
            passed,
            skipped: vec![Skipped { id: "CLI-001", reason: "no declared rate (--rate)".into() }],
            verdict: verdict.into(),
        },
        own: Own { cpu_percent: Some(0.4), rss_bytes: Some(21 << 20) },
        unix_ms: 1_700_000_010_000,
    }
}

/// The demo whose loop stalls until its accept queue overflows.
pub(in super::super) fn overload() -> Snapshot {
    let others = vec![
        listener("::", 443, "nginx", &[811, 812, 813]),
        Listener {
            accept_wait_us: None,
            accepted: None,
            entered: Some(0),
            ..listener("127.0.0.1", 6379, "redis-server", &[702])
        },
        listener("2001:db8:85a3:8d3:1319:8a2e:370:7348", 8443, "envoy", &[1_044]),
    ];
    let mut listeners = vec![overloaded_listener()];
    listeners.extend(others);
    let mut model = model(listeners, vec![demo_process()]);
    let drops = KernelDrops { ListenOverflows: 1_394, ListenDrops: 1_394, ..KernelDrops::default() };
    model.netns.window_drops = Some(drops);
    model.ledger =
        Some(Ledger { netns: Some(4_026_531_840), kernel: drops, attributed: drops, unattributed: 0 });
    let verdict = "127.0.0.1:8080 (demo, pid 4242) refuses 14 % of attempts: accept queue 129/129, the \
                   application asked for 128";
    snapshot(
        model,
        vec![overflow_finding(), fd_finding(), folklore_finding()],
        vec![passed("FD-001", "soft limit 4,096, 1,231 open"), passed("CPU-005", "run queue p99 0.4 ms")],
        verdict,
    )
}

/// Nothing is wrong.
pub(super) fn healthy() -> Snapshot {
    let process = Process {
        pid: 811,
        comm: "nginx".into(),
        run_queue_us: Some(distribution(900, [3.1, 8.0, 22.0, 30.0, 31.0], Quality::Sampled)),
        ..demo_process()
    };
    let listeners = vec![
        listener("::", 443, "nginx", &[811, 812, 813]),
        listener("127.0.0.1", 6379, "redis-server", &[702]),
    ];
    snapshot(
        model(listeners, vec![process]),
        Vec::new(),
        vec![passed("LSN-001", "no drop at any listener"), passed("FD-001", "soft limit 4,096, 1,231 open")],
        "no connection was refused in 10 s: 2 listeners, 840 new connections, no queue above 1 %",
    )
}

/// An ordinary user: no probes, owners of other users' sockets unknown, descriptors unreadable.
pub(super) fn unprivileged() -> Snapshot {
    let without_probes = |found: Listener| Listener {
        entered: None,
        accepted: None,
        dead_before_accept: None,
        never_accepted: None,
        drops: None,
        cookies: None,
        refused_attempts: None,
        handshake_us: None,
        accept_wait_us: None,
        accept_queue: AcceptQueue { depth: None, ..found.accept_queue },
        ..found
    };
    let process = Process {
        exe: None,
        fds: None,
        run_queue_us: None,
        syscalls: None,
        accept: None,
        switches: Some(Switches { voluntary: 8_211, involuntary: 310, source: "procfs" }),
        memory: Memory { rss_bytes: Some(12_582_912), ..Memory::default() },
        ..demo_process()
    };
    let foreign = Listener { pids: Vec::new(), comms: Vec::new(), ..listener("::", 443, "", &[]) };
    let listeners = vec![without_probes(overloaded_listener()), without_probes(foreign)];
    let mut model =
        Model { probes: denied_probes(), lost: None, own_cost: None, ..model(listeners, vec![process]) };
    model.unread = vec![Unread {
        what: "process.4242.fds".into(),
        reason: "/proc/4242/fd: EACCES, needs the same user or CAP_SYS_PTRACE".into(),
    }];
    let finding = Finding {
        title: "the accept queue is full: 129 of 129 waiting, the kernel hints at 1,418 drops in 10 s".into(),
        ..overflow_finding()
    };
    snapshot(
        model,
        vec![finding],
        Vec::new(),
        "127.0.0.1:8080 (demo, pid 4242) is full: 129 of 129 connections wait for accept()",
    )
}

/// The first frame: one look through sock_diag, no window, no probes yet.
pub(super) fn first_frame() -> Snapshot {
    let unwatched = |found: Listener| Listener {
        entered: None,
        accepted: None,
        drops: None,
        cookies: None,
        refused_attempts: None,
        drops_hint: None,
        handshake_us: None,
        accept_wait_us: None,
        ..found
    };
    let listeners = vec![
        unwatched(listener("127.0.0.1", 8080, "demo", &[4242])),
        unwatched(listener("::", 443, "nginx", &[811, 812, 813])),
    ];
    let mut first = snapshot(
        Model {
            window: None,
            probes: Vec::new(),
            lost: None,
            own_cost: None,
            ..model(listeners, Vec::new())
        },
        Vec::new(),
        Vec::new(),
        "2 listeners; watching for drops",
    );
    first.assessment.skipped.clear();
    first.own = Own::default();
    first
}

/// One probe is missing and events were lost.
pub(super) fn partly_blind() -> Snapshot {
    let mut partly = overload();
    if let Some(status) = partly.model.probes.get_mut(5) {
        status.state = ProbeState::Unavailable {
            reason: "tracepoint sched_switch not in this kernel's BTF (ENOENT)".into(),
            remedy: None,
        };
    }
    for process in &mut partly.model.processes {
        process.run_queue_us = None;
        process.switches = Some(Switches { voluntary: 8_211, involuntary: 310, source: "procfs" });
    }
    partly.model.lost = Some(Lost { reasons: BTreeMap::from([("map_full".into(), 12)]), recursion: 3 });
    partly
}
