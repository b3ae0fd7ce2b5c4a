//! CLI, THR, CPU and BAD rules.

use super::*;

fn local(connections: u64) -> DeclaredLoad {
    DeclaredLoad { connections: Some(connections), local_clients: true, ..NO_LOAD }
}

#[test]
fn cli_001_counts_ports() {
    let found = finding("CLI-001", &audited(), &local(28_233));
    assert_eq!(found.severity, Severity::Fail);
    assert_eq!(found.title, "28233 connections from one address, 28232 local ports");
    assert_contains(&found.fixes[0].text, "net.ipv4.ip_local_port_range=\"15000 64999\"");
    assert_eq!(finding("CLI-001", &audited(), &local(28_232)).severity, Severity::Warn);
    assert_eq!(finding("CLI-001", &audited(), &local(14_117)).severity, Severity::Warn);
    assert_contains(&passes("CLI-001", &audited(), &local(14_116)), "28232 ports");
}

#[test]
fn cli_001_takes_reserved_ports_out_and_knows_when_it_cannot_tell() {
    let mut model = audited();
    model.netns.reserved_ports = Some(232);
    assert_eq!(finding("CLI-001", &model, &local(28_001)).severity, Severity::Fail);
    assert_contains(&skips("CLI-001", &model, &NO_LOAD), "--connections");
    assert_contains(&skips("CLI-001", &model, &load(100_000, 1.0)), "elsewhere");
    model.netns.port_range = None;
    let model = unread(model, "netns.port_range", "EACCES");
    assert_contains(&skips("CLI-001", &model, &local(100)), "EACCES");
}

#[test]
fn cli_001_does_not_propose_a_range_that_is_too_small() {
    let found = finding("CLI-001", &audited(), &local(100_000));
    assert_eq!(found.fixes.len(), 1);
    assert_contains(&found.fixes[0].text, "4 source addresses");
}

/// 100 connections, served by 102 threads.
fn threaded() -> Model {
    let mut model = audited();
    model.processes[0].threads = 102;
    model
}

#[test]
fn thr_001_names_the_smallest_limit() {
    let found = finding("THR-001", &threaded(), &load(10_000, 100.0));
    assert_eq!(found.severity, Severity::Fail);
    assert_eq!(found.title, "9900 more threads needed, pids.max leaves room for 9395");
    let mut unit = threaded();
    unit.processes[0].unit = Some("demo.service".into());
    let found = finding("THR-001", &unit, &load(10_000, 100.0));
    assert_eq!(found.fixes[0].text, "systemctl set-property demo.service TasksMax=16384");
    assert_eq!(found.fixes[0].verify, "systemctl show -p TasksMax demo.service");
}

#[test]
fn thr_001_passes_just_below_and_warns_at_the_edge() {
    assert_contains(&passes("THR-001", &threaded(), &load(9_495 - 100, 100.0)), "room for 9395 (pids.max)");
    assert_eq!(finding("THR-001", &threaded(), &load(9_495, 100.0)).severity, Severity::Warn);
    assert_eq!(finding("THR-001", &threaded(), &load(9_496, 100.0)).severity, Severity::Fail);
}

#[test]
fn thr_001_does_not_take_a_pool_or_a_loop_for_a_thread_per_connection() {
    let with = |threads, connections: u64| {
        let mut model = audited();
        model.processes[0].threads = threads;
        model.listeners[0].connections = Some(BTreeMap::from([("ESTAB".to_owned(), connections)]));
        skips("THR-001", &model, &load(10_000, 100.0))
    };
    assert_contains(&with(1, 100), "not a thread per connection");
    assert_contains(&with(50, 100), "not a thread per connection");
    assert_contains(&with(8, 10), "not a thread per connection");
    assert_contains(&with(230, 10), "not a thread per connection");
    assert_contains(&with(7, 7), "too few to tell");
}

#[test]
fn thr_001_counts_nproc_for_users_and_not_for_root() {
    let mut model = threaded();
    model.processes[0].limits.nproc = Some(Limit { soft: Some(500), hard: Some(500) });
    let found = finding("THR-001", &model, &load(1_000, 1.0));
    assert_contains(&found.title, "RLIMIT_NPROC leaves room for 398");
    assert_contains(&found.fixes[0].text, "prlimit --pid 4242 --nproc=");
    model.processes[0].limits.uid = 0;
    assert_contains(&passes("THR-001", &model, &load(1_000, 1.0)), "pids.max");
}

#[test]
fn thr_001_skips_without_load_process_or_limits() {
    assert_contains(&skips("THR-001", &threaded(), &NO_LOAD), "--connections");
    let mut model = threaded();
    model.host.threads = None;
    model.processes[0].limits = Limits::default();
    assert_contains(&skips("THR-001", &model, &load(10_000, 1.0)), "no limit of threads could be read");
    model.listeners[0].connections = None;
    let mut model = unread(model, "connections", "sock_diag: EPERM");
    assert_contains(&skips("THR-001", &model, &load(10_000, 1.0)), "sock_diag: EPERM");
    model.processes.clear();
    assert_contains(&skips("THR-001", &model, &load(10_000, 1.0)), "--pid");
}

fn switching(voluntary: u64, involuntary: u64, cpu: f64) -> Model {
    let mut model = watched();
    model.processes[0].switches = Some(Switches { voluntary, involuntary, source: "tp_btf" });
    model.processes[0].cpu_seconds = Some(CpuSeconds { user: cpu, system: 0.0 });
    model
}

#[test]
fn cpu_005_tells_pushed_aside_from_busy() {
    let found = finding("CPU-005", &switching(280, 720, 5.0), &NO_LOAD);
    assert_eq!(found.severity, Severity::Warn);
    assert_eq!(found.title, "72 % of 1000 switches in 10 s were involuntary");
    assert_eq!(finding("CPU-005", &switching(280, 720, 9.6), &NO_LOAD).severity, Severity::Info);
    assert_contains(&passes("CPU-005", &switching(500, 500, 5.0), &NO_LOAD), "50 % of 1000 switches");
}

#[test]
fn cpu_005_needs_a_window_and_enough_switches() {
    assert_contains(&skips("CPU-005", &switching(0, 99, 5.0), &NO_LOAD), "only 99 switches");
    assert_contains(&skips("CPU-005", &audited(), &NO_LOAD), "window");
    let mut model = unread(watched(), "process.4242.switches", "the process ended");
    model.processes[0].switches = None;
    assert_contains(&skips("CPU-005", &model, &NO_LOAD), "the process ended");
    model.processes.clear();
    assert_contains(&skips("CPU-005", &model, &NO_LOAD), "--pid");
}

#[test]
fn bad_005_accepts_only_the_default() {
    let with = |value| {
        let mut model = watched();
        model.netns.tcp_syncookies = value;
        model
    };
    let off = finding("BAD-005", &with(Some(0)), &NO_LOAD);
    assert_eq!(off.severity, Severity::Warn);
    assert_contains(&off.detail, "at most 1536 of the 2048 of tcp_max_syn_backlog");
    assert_eq!(off.fixes[0].text, "sysctl -w net.ipv4.tcp_syncookies=1");
    assert_contains(&finding("BAD-005", &with(Some(2)), &NO_LOAD).title, "tcp_syncookies = 2");
    assert_eq!(passes("BAD-005", &with(Some(1)), &NO_LOAD), "tcp_syncookies = 1");
    let blind = unread(with(None), "netns.tcp_syncookies", "setns: EPERM");
    assert_contains(&skips("BAD-005", &blind, &NO_LOAD), "setns: EPERM");
}
