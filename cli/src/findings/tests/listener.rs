//! LSN rules.

use super::*;
use crate::findings::{FixKind, Origin};

#[test]
fn lsn_001_fails_below_100_ms_and_warns_below_a_second() {
    let at = |rate| outcomes("LSN-001", &audited(), &DeclaredLoad { rate: Some(rate), ..NO_LOAD });
    let found = finding("LSN-001", &audited(), &load(1, 2000.0));
    assert_eq!(found.severity, Severity::Fail);
    assert_eq!(found.title, "the accept queue of 129 covers a pause of 64 ms at 2000/s");
    assert!(matches!(at(1291.0).as_slice(), [Outcome::Finding(found)] if found.severity == Severity::Fail));
    assert!(matches!(at(1290.0).as_slice(), [Outcome::Finding(found)] if found.severity == Severity::Warn));
    assert!(matches!(at(130.0).as_slice(), [Outcome::Finding(found)] if found.severity == Severity::Warn));
    assert!(matches!(at(129.0).as_slice(), [Outcome::Pass { .. }]));
}

#[test]
fn lsn_001_divides_the_rate_by_the_sockets() {
    let mut model = audited();
    model.listeners[0].sockets = 4;
    assert_eq!(finding("LSN-001", &model, &load(1, 2000.0)).severity, Severity::Warn);
}

#[test]
fn lsn_001_takes_the_measured_wait_when_it_is_longer() {
    let mut model = watched();
    model.listeners[0].accept_wait_us = Some(distribution(10, 1000.0, 500_000.0));
    assert_eq!(finding("LSN-001", &model, &load(1, 300.0)).severity, Severity::Fail);
    model.listeners[0].accept_wait_us = Some(distribution(10, 1000.0, 2_000.0));
    assert_eq!(finding("LSN-001", &model, &load(1, 300.0)).severity, Severity::Warn);
}

#[test]
fn lsn_001_does_not_guess_rate_or_target() {
    assert_contains(&skips("LSN-001", &audited(), &NO_LOAD), "--rate");
    let mut model = audited();
    model.processes.clear();
    model.listeners.push(listener(22, 1, "sshd", 128));
    assert_contains(&skips("LSN-001", &model, &load(1, 2000.0)), "2 ports listen and no target was named");
    let mut other = audited();
    other.processes = vec![process(7, "cron")];
    assert_contains(&skips("LSN-001", &other, &load(1, 2000.0)), "pid 7 (cron) holds no listener");
    let mut none = unread(audited(), "listeners", "sock_diag: EPERM");
    none.listeners.clear();
    assert_contains(&skips("LSN-001", &none, &load(1, 2000.0)), "sock_diag: EPERM");
}

#[test]
fn lsn_002_names_the_application_when_it_binds() {
    let found = finding("LSN-002", &overflowing(watched()), &NO_LOAD);
    assert_eq!((found.severity, found.origin), (Severity::Fail, Origin::Measured));
    assert_eq!(
        found.title,
        "the application asked for a backlog of 128; net.core.somaxconn would allow 4096"
    );
    assert_contains(&found.detail, "raising net.core.somaxconn (4096) does nothing here");
    assert_eq!(found.fixes.len(), 1);
    assert_eq!(found.fixes[0].text, "netscope serve --backlog 1024");
    assert_contains(&found.fixes[0].verify, "ss -ltn 'sport = :8080'");
}

#[test]
fn lsn_002_names_somaxconn_when_it_clips() {
    let mut model = overflowing(watched());
    model.netns.somaxconn = Some(128);
    let found = finding("LSN-002", &model, &NO_LOAD);
    assert_eq!(found.title, "net.core.somaxconn = 128 binds the accept queue");
    let kinds: Vec<FixKind> = found.fixes.iter().map(|fix| fix.kind).collect();
    assert_eq!(kinds, [FixKind::Sysctl, FixKind::Sysctl, FixKind::Application]);
    assert_eq!(found.fixes[0].text, "sysctl -w net.core.somaxconn=1024");
    assert!(found.fixes[0].restart_needed);
    model.netns.somaxconn = Some(64);
    assert_contains(&finding("LSN-002", &model, &NO_LOAD).title, "only 64 + 1 after the next restart");
}

#[test]
fn lsn_002_takes_the_severity_of_what_it_explains() {
    let computed = finding("LSN-002", &audited(), &load(1, 500.0));
    assert_eq!((computed.severity, computed.origin), (Severity::Warn, Origin::Computed));
    assert_eq!(computed.threshold, "found by LSN-001");
    let measured = finding("LSN-002", &overflowing(watched()), &load(1, 500.0));
    assert_eq!(measured.severity, Severity::Fail);
    assert_eq!(measured.threshold, "found by LSN-001, LSN-006, LSN-005 and LSN-004");
}

#[test]
fn lsn_002_proposes_a_backlog_that_covers_one_second() {
    let text =
        |model: &Model, rate| finding("LSN-002", model, &load(1, rate)).fixes.last().unwrap().text.clone();
    assert_contains(&text(&audited(), 2000.0), "--backlog 2048");
    let mut model = audited();
    model.netns.somaxconn = Some(3000);
    assert_contains(&text(&model, 2500.0), "--backlog 3000");
    assert_contains(&text(&model, 3500.0), "--backlog 4096");
    assert_contains(&finding("LSN-002", &model, &load(1, 3500.0)).fixes[0].text, "net.core.somaxconn=4096");
    model.listeners[0].comms = vec!["nginx".into()];
    assert_contains(&text(&model, 200_000.0), "backlog=65535;");
}

#[test]
fn lsn_002_says_when_a_longer_queue_is_no_cure() {
    let mut model = overflowing(watched());
    model.listeners[0].accept_queue.depth = Some(distribution(860, 128.0, 129.0));
    let found = finding("LSN-002", &model, &NO_LOAD);
    assert_contains(&found.detail, "a longer queue alone only makes clients wait longer");
    assert_contains(&found.fixes[0].text, "SO_REUSEPORT");
}

#[test]
fn lsn_002_applies_only_when_something_is_wrong() {
    assert_contains(&skips("LSN-002", &watched(), &NO_LOAD), "no queue");
    let mut model = overflowing(watched());
    model.processes[0].accept = Some(AcceptCalls { ok: 0, eagain: 0, emfile: 9 });
    assert_contains(&skips("LSN-002", &model, &NO_LOAD), "FD-012");
    let mut model = unread(overflowing(watched()), "netns.somaxconn", "setns: EPERM");
    model.netns.somaxconn = None;
    assert_contains(&skips("LSN-002", &model, &NO_LOAD), "setns: EPERM");
    model.listeners.clear();
    assert_contains(&skips("LSN-002", &model, &NO_LOAD), "no TCP listener");
}

#[test]
fn lsn_004_fails_on_an_increment_and_warns_on_history() {
    let found = finding("LSN-004", &overflowing(watched()), &NO_LOAD);
    assert_eq!(found.severity, Severity::Fail);
    assert_eq!(found.title, "412 packets dropped at full accept queues in 10 s");

    let mut model = audited();
    model.netns.totals = Some(KernelDrops { ListenOverflows: 7, ListenDrops: 9, ..KernelDrops::default() });
    let history = finding("LSN-004", &model, &NO_LOAD);
    assert_eq!(history.severity, Severity::Warn);
    assert_contains(&history.title, "(history, may be old)");
    assert_contains(&history.detail, "2 more were dropped for another reason");
}

#[test]
fn lsn_004_does_not_blame_the_window_for_history() {
    let mut model = watched();
    model.netns.totals = Some(KernelDrops { ListenOverflows: 7, ListenDrops: 7, ..KernelDrops::default() });
    assert_contains(&passes("LSN-004", &model, &NO_LOAD), "ListenOverflows 0 and ListenDrops 0 in 10 s");
}

#[test]
fn lsn_004_warns_when_only_other_drops_rose() {
    let mut model = watched();
    model.netns.window_drops = Some(KernelDrops { ListenDrops: 3, ..KernelDrops::default() });
    let found = finding("LSN-004", &model, &NO_LOAD);
    assert_eq!(found.severity, Severity::Warn);
    assert_contains(&found.title, "none by a full accept queue");
    assert!(found.fixes.is_empty());
}

#[test]
fn lsn_004_reads_the_ledger_when_the_namespace_has_no_window_and_says_what_is_missing() {
    let mut model = overflowing(watched());
    let kernel = model.netns.window_drops.take().unwrap();
    model.ledger = Some(crate::model::Ledger { netns: None, kernel, attributed: kernel, unattributed: 0 });
    assert_eq!(finding("LSN-004", &model, &NO_LOAD).severity, Severity::Fail);
    model.ledger = None;
    let mut model = unread(model, "netns.counters", "/proc/net/netstat: ENOENT");
    assert_contains(&skips("LSN-004", &model, &NO_LOAD), "ENOENT");
    model.window = None;
    model.netns.totals = None;
    assert_contains(&skips("LSN-004", &model, &NO_LOAD), "ENOENT");
}

#[test]
fn lsn_005_counts_by_cause_and_names_the_refused_share() {
    let found = finding("LSN-005", &overflowing(watched()), &NO_LOAD);
    assert_eq!(found.severity, Severity::Fail);
    assert_eq!(found.title, "412 packets dropped in 10 s, 140 attempts refused (14 %)");
    assert_contains(&found.detail, "400 SYNs and 12 final ACKs met a full accept queue");
    assert!(found.evidence.iter().all(|one| one.quality == Quality::Exact));
    assert_eq!(found.fixes.len(), 1);
    assert_contains(&passes("LSN-005", &watched(), &NO_LOAD), "0 packets dropped in 10 s, 1000 entered");
}

#[test]
fn lsn_005_falls_back_to_the_hint_and_checks_it_against_the_namespace() {
    let mut model = overflowing(watched());
    model.listeners[0].drops = None;
    model.listeners[0].drops_hint = Some(14);
    let found = finding("LSN-005", &model, &NO_LOAD);
    assert_eq!(found.severity, Severity::Fail);
    assert_eq!(found.title, "about 14 packets dropped in 10 s");
    assert_eq!(found.evidence[0].quality, Quality::Estimated);
    model.netns.window_drops = Some(KernelDrops::default());
    assert_contains(&passes("LSN-005", &model, &NO_LOAD), "nothing dropped");
}

#[test]
fn lsn_005_warns_about_history_in_an_audit() {
    let mut model = audited();
    assert_contains(&passes("LSN-005", &model, &NO_LOAD), "sk_drops 0");
    model.listeners[0].drops_hint_total = Some(14);
    assert_contains(&passes("LSN-005", &model, &NO_LOAD), "ListenDrops 0");
    model.netns.totals = Some(KernelDrops { ListenDrops: 14, ..KernelDrops::default() });
    assert_eq!(finding("LSN-005", &model, &NO_LOAD).severity, Severity::Warn);
}

#[test]
fn lsn_005_says_why_it_cannot_count() {
    let mut model = unread(watched(), "listeners.drops", "the drop probe is not attached");
    model.listeners[0].drops = None;
    model.listeners[0].drops_hint = None;
    assert_contains(&skips("LSN-005", &model, &NO_LOAD), "the drop probe is not attached");
    model.listeners.clear();
    assert_contains(&skips("LSN-005", &model, &NO_LOAD), "no TCP listener");
}

#[test]
fn lsn_005_with_cookies_off_proposes_cookies_not_a_backlog() {
    let mut model = watched();
    model.listeners[0].drops =
        Some(Drops { total: 5, by_cause: Causes { max_syn_backlog: 5, ..Causes::default() } });
    let found = finding("LSN-005", &model, &NO_LOAD);
    assert_contains(&found.fixes[0].text, "sysctl -w net.ipv4.tcp_syncookies=1");
    assert_contains(&skips("LSN-002", &model, &NO_LOAD), "no queue");
}

#[test]
fn lsn_006_judges_the_fill() {
    let with = |now, max| {
        let mut model = watched();
        model.listeners[0].accept_queue = AcceptQueue { now, max, depth: None };
        model
    };
    let full = finding("LSN-006", &with(129, 129), &NO_LOAD);
    assert_eq!(full.severity, Severity::Fail);
    assert_eq!(full.title, "the accept queue is full: 129 of 129 wait for accept()");
    assert_eq!(finding("LSN-006", &with(0, 129), &NO_LOAD).severity, Severity::Warn);
    assert_eq!(finding("LSN-006", &with(65, 70), &NO_LOAD).severity, Severity::Warn);
    assert_eq!(passes("LSN-006", &with(64, 128), &NO_LOAD), "64 of 129 waiting for accept(), at most 128");
    let mut calm = with(65, 70);
    calm.listeners[0].accept_queue.depth = Some(distribution(100, 2.0, 70.0));
    assert_contains(&passes("LSN-006", &calm, &NO_LOAD), "65 of 129");
}

#[test]
fn lsn_006_estimates_the_wait_by_littles_law_unless_it_was_measured() {
    let mut model = watched();
    model.listeners[0].accept_queue = AcceptQueue { now: 129, max: 129, depth: None };
    assert_contains(
        &finding("LSN-006", &model, &NO_LOAD).detail,
        "At 100/s the 129 that wait now need 1.3 s",
    );
    model.listeners[0].accept_wait_us = Some(distribution(10, 200_000.0, 900_000.0));
    assert_contains(&finding("LSN-006", &model, &NO_LOAD).detail, "200 ms at the median and 900 ms");
}

#[test]
fn lsn_006_takes_one_look_only_when_the_queue_is_full() {
    assert_contains(&skips("LSN-006", &audited(), &NO_LOAD), "one look");
    let mut model = audited();
    model.listeners[0].accept_queue.now = 129;
    assert_eq!(finding("LSN-006", &model, &NO_LOAD).severity, Severity::Fail);
    let mut none = unread(audited(), "listeners", "EPERM");
    none.listeners.clear();
    assert_contains(&skips("LSN-006", &none, &NO_LOAD), "EPERM");
}

#[test]
fn lsn_007_applies_littles_law_to_half_open_requests() {
    let at = |rate, rtt| DeclaredLoad { rate: Some(rate), rtt_seconds: Some(rtt), ..NO_LOAD };
    let found = finding("LSN-007", &audited(), &at(20_000.0, 0.2));
    assert_eq!(found.severity, Severity::Fail);
    assert_eq!(found.title, "4000 half-open requests expected, the SYN queue holds 129");
    assert_eq!(finding("LSN-007", &audited(), &at(1290.0, 0.1)).severity, Severity::Warn);
    assert_contains(&passes("LSN-007", &audited(), &at(645.0, 0.1)), "room for 129");
}

#[test]
fn lsn_007_knows_three_sources_of_the_round_trip() {
    let rate = DeclaredLoad { rate: Some(1000.0), ..NO_LOAD };
    assert_contains(&skips("LSN-007", &audited(), &rate), "--rtt");
    assert_contains(&passes("LSN-007", &audited(), &DeclaredLoad { local_clients: true, ..rate }), "100 µs");
    let mut model = watched();
    model.listeners[0].handshake_us = Some(distribution(10, 200_000.0, 200_000.0));
    assert_eq!(finding("LSN-007", &model, &rate).severity, Severity::Fail);
}

#[test]
fn lsn_007_counts_three_quarters_of_the_sysctl_without_cookies() {
    let mut model = audited();
    model.netns.tcp_syncookies = Some(0);
    model.netns.tcp_max_syn_backlog = Some(64);
    let load = DeclaredLoad { rate: Some(1000.0), rtt_seconds: Some(0.05), ..NO_LOAD };
    assert_contains(&finding("LSN-007", &model, &load).title, "the SYN queue holds 48");
    model.netns.tcp_max_syn_backlog = None;
    let model = unread(model, "netns.tcp_max_syn_backlog", "EACCES");
    assert_contains(&skips("LSN-007", &model, &load), "EACCES");
    assert_contains(&skips("LSN-007", &model, &NO_LOAD), "--rate");
}

#[test]
fn lsn_008_tells_drops_cookies_and_history_apart() {
    let with = |model: Model, drops| {
        let mut model = model;
        if model.window.is_some() {
            model.netns.window_drops = Some(drops);
        } else {
            model.netns.totals = Some(drops);
        }
        model
    };
    let cookies = KernelDrops { SyncookiesSent: 10, TCPReqQFullDoCookies: 10, ..KernelDrops::default() };
    let drops = KernelDrops { TCPReqQFullDrop: 3, ListenDrops: 3, ..KernelDrops::default() };
    assert_eq!(finding("LSN-008", &with(watched(), drops), &NO_LOAD).severity, Severity::Fail);
    let warned = finding("LSN-008", &with(watched(), cookies), &NO_LOAD);
    assert_eq!(warned.severity, Severity::Warn);
    assert_eq!(warned.title, "10 SYN cookies sent in 10 s: the SYN queue was full");
    assert_eq!(finding("LSN-008", &with(audited(), cookies), &NO_LOAD).severity, Severity::Info);
    assert_contains(&passes("LSN-008", &watched(), &NO_LOAD), "0 SYN cookies");

    let mut forced = with(watched(), cookies);
    forced.netns.tcp_syncookies = Some(2);
    assert_contains(&skips("LSN-008", &forced, &NO_LOAD), "tcp_syncookies = 2");
    let mut blind = unread(audited(), "netns.counters", "EACCES");
    blind.netns.totals = None;
    assert_contains(&skips("LSN-008", &blind, &NO_LOAD), "EACCES");
}

#[test]
fn lsn_008_names_the_listener_under_pressure() {
    let mut model = watched();
    model.netns.window_drops = Some(KernelDrops { SyncookiesSent: 10, ..KernelDrops::default() });
    model.listeners[0].syn_queue = SynQueue { now: 0, max: 129 };
    let found = finding("LSN-008", &model, &NO_LOAD);
    assert_contains(&found.detail, "127.0.0.1:8080 with 129 of 129 half-open");
    assert_eq!(found.fixes.len(), 1);
}

#[test]
fn lsn_011_gets_worse_with_overflows() {
    let mut model = watched();
    model.netns.tcp_abort_on_overflow = Some(1);
    let found = finding("LSN-011", &model, &NO_LOAD);
    assert_eq!(found.severity, Severity::Warn);
    assert_eq!(found.fixes[0].text, "sysctl -w net.ipv4.tcp_abort_on_overflow=0");
    let mut overflowing = overflowing(watched());
    overflowing.netns.tcp_abort_on_overflow = Some(1);
    assert_eq!(finding("LSN-011", &overflowing, &NO_LOAD).severity, Severity::Fail);
    assert_contains(&passes("LSN-011", &watched(), &NO_LOAD), "= 0");
    let mut blind = unread(watched(), "netns.tcp_abort_on_overflow", "EACCES");
    blind.netns.tcp_abort_on_overflow = None;
    assert_contains(&skips("LSN-011", &blind, &NO_LOAD), "EACCES");
}

#[test]
fn lsn_016_speaks_up_when_somebody_would_reach_for_the_sysctl() {
    let found = finding("LSN-016", &overflowing(watched()), &NO_LOAD);
    assert_eq!(found.severity, Severity::Info);
    assert_eq!(found.title, "raising tcp_max_syn_backlog (2048) would do nothing here: tcp_syncookies = 1");
    assert_contains(&found.detail, "412 packets dropped");
    assert_contains(&found.detail, "127.0.0.1:8080 is its backlog, 128");

    let mut pressed = watched();
    pressed.listeners[0].syn_queue = SynQueue { now: 65, max: 65 };
    assert_contains(&finding("LSN-016", &pressed, &NO_LOAD).threshold, "65 of 129 half-open");
    pressed.listeners[0].syn_queue = SynQueue { now: 64, max: 64 };
    assert_contains(&passes("LSN-016", &pressed, &NO_LOAD), "no SYN queue is short of room");

    let mut history = audited();
    history.netns.totals = Some(KernelDrops { SyncookiesSent: 1, ..KernelDrops::default() });
    assert_contains(&finding("LSN-016", &history, &NO_LOAD).threshold, "1 SYN cookie sent");
}

#[test]
fn lsn_016_is_silent_where_the_sysctl_counts_or_is_unknown() {
    let mut model = overflowing(watched());
    model.netns.tcp_syncookies = Some(0);
    assert_contains(&skips("LSN-016", &model, &NO_LOAD), "does count");
    model.netns.tcp_syncookies = None;
    let model = unread(model, "netns.tcp_syncookies", "EACCES");
    assert_contains(&skips("LSN-016", &model, &NO_LOAD), "EACCES");
}

#[test]
fn commands_reach_into_the_targets_namespace() {
    let mut model = overflowing(watched());
    model.netns.own = Some(false);
    model.netns.somaxconn = Some(128);
    let found = finding("LSN-002", &model, &NO_LOAD);
    let texts: Vec<&str> = found.fixes.iter().map(|fix| fix.text.as_str()).collect();
    assert_eq!(texts[0], "nsenter -t 4242 -n sysctl -w net.core.somaxconn=1024");
    assert_eq!(texts[1], "docker run --sysctl net.core.somaxconn=1024 ...");
    assert_contains(texts[2], "--allowed-unsafe-sysctls");
    assert_eq!(found.fixes[0].verify, "nsenter -t 4242 -n sysctl -n net.core.somaxconn");
    assert_contains(&found.fixes[3].verify, "nsenter -t 4242 -n ss -ltn 'sport = :8080'");
    model.listeners[0].pids.clear();
    assert_contains(&finding("LSN-002", &model, &NO_LOAD).fixes[0].text, "lsns -nt net");
}
