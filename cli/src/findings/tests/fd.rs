//! FD rules.

use super::*;

#[test]
fn fd_001_fires_when_the_soft_limit_is_too_low() {
    let found = finding("FD-001", &audited(), &load(10_000, 2000.0));
    assert_eq!(found.severity, Severity::Fail);
    assert_eq!(found.title, "soft limit of 1024 open files, 10037 needed");
    assert_contains(&found.detail, "10000 connections + 37 others = 10037");
    assert_eq!(found.fixes[0].text, "prlimit --pid 4242 --nofile=16384:524288");
    assert_eq!(found.fixes[0].verify, "prlimit --pid 4242 --nofile");
}

#[test]
fn fd_001_warns_between_the_even_share_and_everything_in_one_worker() {
    let mut model = audited();
    model.listeners[0].pids = vec![4242, 4243];
    assert_eq!(finding("FD-001", &model, &load(1900, 10.0)).severity, Severity::Warn);
    assert_eq!(finding("FD-001", &model, &load(2000, 10.0)).severity, Severity::Fail);
    assert_contains(&passes("FD-001", &model, &load(977, 10.0)), "soft limit 1024");
    assert_eq!(finding("FD-001", &model, &load(978, 10.0)).severity, Severity::Warn);
}

#[test]
fn fd_001_passes_at_the_exact_need() {
    assert_eq!(
        passes("FD-001", &audited(), &DeclaredLoad { connections: Some(987), ..NO_LOAD }),
        "soft limit 1024, needed 987 connections + 37 others = 1024"
    );
    assert_eq!(finding("FD-001", &audited(), &load(988, 0.0)).severity, Severity::Fail);
}

#[test]
fn fd_001_needs_declared_connections() {
    assert_contains(&skips("FD-001", &audited(), &NO_LOAD), "--connections");
}

#[test]
fn fd_001_says_why_the_limit_is_unknown() {
    let mut model = unread(audited(), "process.4242.nofile", "/proc/4242/limits: EACCES");
    model.processes[0].limits.nofile = None;
    model.processes[0].fds = None;
    assert_contains(&skips("FD-001", &model, &load(10_000, 1.0)), "/proc/4242/limits: EACCES");
}

#[test]
fn fd_001_assumes_64_when_descriptors_cannot_be_counted() {
    let mut model = audited();
    model.processes[0].fds = None;
    let found = finding("FD-001", &model, &load(1000, 1.0));
    assert_contains(&found.detail, "1000 connections + 64 others (assumed) = 1064");
    assert!(
        found.evidence.iter().any(|one| one.name == "other descriptors" && one.quality == Quality::Estimated)
    );
}

#[test]
fn fd_001_takes_tcp_sockets_for_clients_when_connections_cannot_be_listed() {
    let mut model = audited();
    model.listeners[0].connections = None;
    assert_contains(&finding("FD-001", &model, &load(1000, 1.0)).detail, "1000 connections + 37 others");
    model.processes[0].fds.as_mut().unwrap().tcp_connections = None;
    assert_contains(&finding("FD-001", &model, &load(1000, 1.0)).detail, "64 others (assumed)");
}

#[test]
fn fd_001_without_a_process_says_what_would_be_needed() {
    let mut model = audited();
    model.processes.clear();
    let found = finding("FD-001", &model, &load(10_000, 1.0));
    assert_eq!(found.severity, Severity::Info);
    assert_contains(&found.title, "10064 descriptors");
    assert_contains(&skips("FD-001", &model, &load(500, 1.0)), "564 descriptors");
}

#[test]
fn fd_001_speaks_once_for_equal_workers() {
    let mut model = audited();
    model.processes.push(process(4243, "demo"));
    model.processes[1].limits.nofile = Some(Limit { soft: Some(512), hard: Some(512) });
    model.listeners[0].pids = vec![4242, 4243];
    let found = finding("FD-001", &model, &load(10_000, 1.0));
    assert_eq!(found.subject, Subject::Process(4243));
    assert_contains(&found.detail, "1 more process");
}

#[test]
fn fd_002_fires_below_the_hard_limit_and_informs_between() {
    let mut model = audited();
    model.processes[0].limits.nofile = Some(Limit { soft: Some(1024), hard: Some(4096) });
    let found = finding("FD-002", &model, &load(10_000, 1.0));
    assert_eq!(found.severity, Severity::Fail);
    assert_contains(&found.title, "hard limit of 4096 open files, 10037 needed");
    assert_eq!(found.fixes[0].text, "prlimit --pid 4242 --nofile=16384:16384");
    assert_contains(&found.fixes[0].risk, "CAP_SYS_RESOURCE");

    let informed = finding("FD-002", &model, &load(4059, 1.0));
    assert_eq!(informed.severity, Severity::Info);
    assert_eq!(finding("FD-002", &model, &load(4060, 1.0)).severity, Severity::Fail);
}

#[test]
fn fd_002_passes_skips_and_explains() {
    assert_contains(&passes("FD-002", &audited(), &load(100, 1.0)), "hard limit 524288");
    assert_contains(&skips("FD-002", &audited(), &NO_LOAD), "--connections");
    let mut model = unread(audited(), "process.4242.limits.nofile", "EACCES");
    model.processes[0].limits.nofile = None;
    model.processes[0].fds = None;
    assert_contains(&skips("FD-002", &model, &load(10_000, 1.0)), "EACCES");
    model.processes.clear();
    assert_contains(&skips("FD-002", &model, &load(10_000, 1.0)), "--pid");
}

#[test]
fn fd_003_compares_the_ceiling_with_the_need() {
    let mut model = audited();
    model.host.nr_open = Some(10_036);
    let found = finding("FD-003", &model, &load(10_000, 1.0));
    assert_eq!(found.severity, Severity::Fail);
    assert_eq!(found.fixes[0].text, "sysctl -w fs.nr_open=16384");
    model.host.nr_open = Some(10_037);
    assert_eq!(passes("FD-003", &model, &load(10_000, 1.0)), "fs.nr_open 10037, needed 10037");
    assert_contains(&skips("FD-003", &model, &NO_LOAD), "--connections");
    model.host.nr_open = None;
    let model = unread(model, "host.nr_open", "ENOENT");
    assert_contains(&skips("FD-003", &model, &load(10_000, 1.0)), "host.nr_open: ENOENT");
}

#[test]
fn fd_003_assumes_a_base_without_a_process() {
    let mut model = audited();
    model.processes.clear();
    model.host.nr_open = Some(10_063);
    assert_contains(&finding("FD-003", &model, &load(10_000, 1.0)).title, "10064 descriptors");
}

#[test]
fn fd_004_counts_both_sides_of_local_clients() {
    let mut model = audited();
    model.host.file_handles = Some(812_000);
    model.host.file_max = Some(820_000);
    let far = load(5_000, 100.0);
    assert_contains(&passes("FD-004", &model, &far), "fs.file-max 820000");
    assert_eq!(finding("FD-004", &model, &load(7_950, 100.0)).severity, Severity::Warn);
    let local = DeclaredLoad { local_clients: true, ..far };
    let found = finding("FD-004", &model, &local);
    assert_eq!(found.severity, Severity::Fail);
    assert_eq!(found.title, "822000 file handles needed on a host that allows 820000");

    model.processes[0].limits.cap_sys_admin = Some(true);
    let exempt = finding("FD-004", &model, &local);
    assert_eq!(exempt.severity, Severity::Warn);
    assert_contains(&exempt.detail, "CAP_SYS_ADMIN");
}

#[test]
fn fd_004_is_usually_unlimited_and_may_be_unreadable() {
    assert_eq!(passes("FD-004", &audited(), &load(1_000_000, 1.0)), "fs.file-max is effectively unlimited");
    let mut model = unread(audited(), "host.file_max", "EACCES");
    model.host.file_max = None;
    assert_contains(&skips("FD-004", &model, &NO_LOAD), "host.file_max: EACCES");
    model.host.file_max = Some(1);
    model.host.file_handles = None;
    assert_contains(&skips("FD-004", &model, &NO_LOAD), "host.file_handles");
}

#[test]
fn fd_012_fires_on_the_first_failed_accept() {
    let mut model = watched();
    model.processes[0].accept = Some(AcceptCalls { ok: 10, eagain: 0, emfile: 412 });
    let found = finding("FD-012", &model, &NO_LOAD);
    assert_eq!((found.severity, found.origin), (Severity::Fail, crate::findings::Origin::Measured));
    assert_eq!(found.title, "out of descriptors: 412 calls failed with EMFILE in 10 s");
    assert_eq!(found.fixes[0].text, "prlimit --pid 4242 --nofile=2048:524288");
}

#[test]
fn fd_012_counts_a_call_once_and_tells_the_host_limit_from_the_process_limit() {
    let mut model = watched();
    model.processes[0].accept = Some(AcceptCalls { ok: 10, eagain: 0, emfile: 5 });
    model.processes[0].syscalls =
        Some(vec![failing_call("accept4", "ENFILE", 5), failing_call("openat", "ENFILE", 2)]);
    let found = finding("FD-012", &model, &NO_LOAD);
    assert_contains(&found.title, "7 calls failed with ENFILE");
    assert_contains(&found.detail, "accept4() 5 times and openat() 2 times");
    assert_contains(&found.fixes[0].text, "fs.file-max");
}

#[test]
fn fd_012_passes_skips_and_explains() {
    assert_contains(&passes("FD-012", &watched(), &NO_LOAD), "0 calls failed");
    assert_contains(&skips("FD-012", &audited(), &NO_LOAD), "window");
    let mut model = unread(watched(), "process.4242.syscalls", "the system call probe needs CAP_BPF");
    model.processes[0].accept = None;
    model.processes[0].syscalls = None;
    assert_contains(&skips("FD-012", &model, &NO_LOAD), "CAP_BPF");
    model.processes.clear();
    assert_contains(&skips("FD-012", &model, &NO_LOAD), "--pid");
}

#[test]
fn fd_013_lists_the_kinds_most_first() {
    let found = finding("FD-013", &watched(), &NO_LOAD);
    assert_eq!(found.severity, Severity::Info);
    assert_eq!(found.title, "137 of 1024 descriptors open: socket 103, file 31, eventpoll 3");
    let mut empty = watched();
    empty.processes[0].fds.as_mut().unwrap().by_kind.clear();
    assert_eq!(finding("FD-013", &empty, &NO_LOAD).title, "137 of 1024 descriptors open");
    let mut model = unread(watched(), "process.4242.fds", "/proc/4242/fd: EACCES");
    model.processes[0].fds = None;
    assert_contains(&skips("FD-013", &model, &NO_LOAD), "EACCES");
    model.processes.clear();
    assert_contains(&skips("FD-013", &model, &NO_LOAD), "--pid");
}

#[test]
fn a_unit_or_a_container_gets_its_own_lasting_fix() {
    let mut model = audited();
    model.processes[0].unit = Some("demo.service".into());
    let lasting = |model: &Model| finding("FD-001", model, &load(10_000, 1.0)).fixes[1].clone();
    assert_contains(&lasting(&model).text, "/etc/systemd/system/demo.service.d/nofile.conf");
    assert_contains(&lasting(&model).verify, "systemctl show -p LimitNOFILE");
    model.processes[0].cgroup = Some("/docker/0123456789ab".into());
    assert_contains(&lasting(&model).text, "docker run --ulimit nofile=16384:524288");
}
