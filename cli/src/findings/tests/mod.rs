//! Tests of the rules and the engine: every rule fires, stays silent just below its threshold, does not
//! apply, and says why it could not read what it needs.

mod engine;
mod fd;
mod listener;
mod others;
mod pages;
mod properties;

use std::collections::BTreeMap;

use super::{Assessment, DeclaredLoad, Found, Options, Outcome, Severity, Subject, rule};
use crate::model::{
    AcceptCalls, AcceptQueue, Causes, CpuSeconds, Distribution, Drops, Fds, Host, KernelDrops, Limits,
    Listener, Memory, Model, Netns, Process, Quality, Switches, SynQueue, Syscall, Unread, Window,
};
use crate::sample::Limit;

/// A healthy demo server, watched for 10 s with the probes.
fn watched() -> Model {
    Model {
        schema: "netscope.report/1",
        host: Host {
            kernel: "6.18.44".into(),
            cpus: 2,
            memory_bytes: 8 << 30,
            boot_id: "b".into(),
            file_handles: Some(1000),
            file_max: Some(i64::MAX.unsigned_abs()),
            nr_open: Some(1 << 20),
            threads_max: Some(60_000),
            pid_max: Some(32_768),
            max_map_count: Some(65_530),
            threads: Some(200),
        },
        window: Some(Window { start_unix_ms: 0, seconds: 10.0 }),
        probes: Vec::new(),
        lost: None,
        own_cost: None,
        netns: Netns {
            inode: Some(4_026_531_840),
            own: Some(true),
            somaxconn: Some(4096),
            tcp_max_syn_backlog: Some(2048),
            tcp_syncookies: Some(1),
            tcp_abort_on_overflow: Some(0),
            port_range: Some((32_768, 60_999)),
            reserved_ports: Some(0),
            tcp_tw_reuse: Some(2),
            time_wait: Some(0),
            totals: Some(KernelDrops::default()),
            window_drops: Some(KernelDrops::default()),
            passive_opens: Some(1000),
        },
        listeners: vec![listener(8080, 4242, "demo", 128)],
        ledger: None,
        processes: vec![process(4242, "demo")],
        unread: Vec::new(),
    }
}

/// The same server, looked at once and without probes.
fn audited() -> Model {
    let mut model = watched();
    model.window = None;
    model.netns.window_drops = None;
    for listener in &mut model.listeners {
        listener.entered = None;
        listener.accepted = None;
        listener.drops = None;
        listener.refused_attempts = None;
        listener.drops_hint_total = Some(0);
    }
    for process in &mut model.processes {
        process.accept = None;
        process.switches = None;
        process.syscalls = None;
    }
    model
}

fn listener(port: u16, pid: i32, comm: &str, limit: u32) -> Listener {
    Listener {
        address: "127.0.0.1".into(),
        port,
        netns: None,
        sockets: 1,
        reuseport: false,
        dual_stack: false,
        pids: vec![pid],
        comms: vec![comm.into()],
        limit,
        capacity: u64::from(limit) + 1,
        accept_queue: AcceptQueue { now: 0, max: 3, depth: None },
        syn_queue: SynQueue { now: 0, max: 0 },
        entered: Some(1000),
        accepted: Some(1000),
        dead_before_accept: None,
        never_accepted: None,
        drops: Some(Drops::default()),
        cookies: None,
        refused_attempts: Some(0),
        drops_hint: Some(0),
        drops_hint_total: None,
        handshake_us: None,
        accept_wait_us: None,
        connections: Some(BTreeMap::from([("ESTAB".to_owned(), 100)])),
        buffers: None,
    }
}

fn process(pid: i32, comm: &str) -> Process {
    Process {
        pid,
        comm: comm.into(),
        exe: None,
        unit: None,
        cgroup: None,
        netns: None,
        ended: false,
        threads: 1,
        cpu_seconds: Some(CpuSeconds { user: 1.0, system: 1.0 }),
        switches: Some(Switches { voluntary: 900, involuntary: 100, source: "tp_btf" }),
        run_queue_us: None,
        syscalls: Some(Vec::new()),
        accept: Some(AcceptCalls { ok: 1000, eagain: 0, emfile: 0 }),
        fds: Some(Fds {
            open: 137,
            soft_limit: Some(1024),
            hard_limit: Some(524_288),
            by_kind: BTreeMap::from([
                ("socket".to_owned(), 103),
                ("file".to_owned(), 31),
                ("eventpoll".to_owned(), 3),
            ]),
            tcp_connections: Some(101),
            slope_per_s: None,
        }),
        memory: Memory::default(),
        limits: Limits {
            nofile: Some(Limit { soft: Some(1024), hard: Some(524_288) }),
            nproc: Some(Limit { soft: Some(30_000), hard: Some(30_000) }),
            pids_max: Some(9_445),
            pids_current: Some(50),
            maps: Some(30),
            cap_sys_admin: Some(false),
            uid: 1000,
            ..Limits::default()
        },
    }
}

fn load(connections: u64, rate: f64) -> DeclaredLoad {
    DeclaredLoad { connections: Some(connections), rate: Some(rate), ..DeclaredLoad::default() }
}

const NO_LOAD: DeclaredLoad =
    DeclaredLoad { connections: None, rate: None, rtt_seconds: None, local_clients: false };

fn distribution(count: u64, p50: f64, max: f64) -> Distribution {
    let sum = p50 * count as f64;
    Distribution { count, sum, p50, p90: max, p99: max, p999: max, max, quality: Quality::Exact }
}

/// `syn` SYNs dropped at the full accept queue of the first listener, 14 % of the attempts refused.
fn overflowing(mut model: Model) -> Model {
    let listener = &mut model.listeners[0];
    listener.accept_queue = AcceptQueue { now: 129, max: 129, depth: None };
    listener.drops = Some(Drops {
        total: 412,
        by_cause: Causes { accept_queue_full_syn: 400, accept_queue_full_ack: 12, ..Causes::default() },
    });
    listener.refused_attempts = Some(140);
    listener.entered = Some(860);
    model.netns.window_drops =
        Some(KernelDrops { ListenOverflows: 412, ListenDrops: 412, ..KernelDrops::default() });
    model
}

fn unread(mut model: Model, what: &str, reason: &str) -> Model {
    model.unread.push(Unread { what: what.into(), reason: reason.into() });
    model
}

fn failing_call(name: &str, errno: &str, times: u64) -> Syscall {
    Syscall {
        name: name.into(),
        calls: times,
        errors: BTreeMap::from([(errno.to_owned(), times)]),
        total_us: 0.0,
        latency_us: distribution(times, 1.0, 1.0),
    }
}

fn outcomes(id: &str, model: &Model, load: &DeclaredLoad) -> Vec<Outcome> {
    (rule(id).unwrap().assess)(model, load)
}

/// The only finding of the rule.
#[track_caller]
fn finding(id: &str, model: &Model, load: &DeclaredLoad) -> Found {
    let outcomes = outcomes(id, model, load);
    let [Outcome::Finding(found)] = outcomes.as_slice() else { panic!("{id}: {outcomes:?}") };
    (**found).clone()
}

/// The sentence of the only pass of the rule.
#[track_caller]
fn passes(id: &str, model: &Model, load: &DeclaredLoad) -> String {
    let outcomes = outcomes(id, model, load);
    let [Outcome::Pass { number, .. }] = outcomes.as_slice() else { panic!("{id}: {outcomes:?}") };
    number.clone()
}

/// The reason of the only skip of the rule.
#[track_caller]
fn skips(id: &str, model: &Model, load: &DeclaredLoad) -> String {
    let outcomes = outcomes(id, model, load);
    let [Outcome::Skip(reason)] = outcomes.as_slice() else { panic!("{id}: {outcomes:?}") };
    reason.clone()
}

fn assess(model: &Model, load: &DeclaredLoad) -> Assessment {
    super::assess(model, load, &Options::default())
}

fn ids(assessment: &Assessment) -> Vec<&'static str> {
    assessment.findings.iter().map(|finding| finding.id).collect()
}

#[track_caller]
fn assert_contains(text: &str, part: &str) {
    assert!(text.contains(part), "{part:?} is not in {text:?}");
}
