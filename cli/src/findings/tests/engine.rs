//! De-duplication, order, the first action and the verdict.

use super::*;
use crate::findings::listener_name;

#[test]
fn the_cause_comes_first_and_its_consequences_follow() {
    let mut model = overflowing(watched());
    model.netns.tcp_abort_on_overflow = Some(1);
    let assessment = assess(&model, &NO_LOAD);
    assert_eq!(
        ids(&assessment),
        ["LSN-002", "LSN-005", "LSN-004", "LSN-006", "LSN-011", "LSN-016", "FD-013"]
    );
    let first = &assessment.findings[0];
    assert_eq!(first.severity, Severity::Fail);
    assert_eq!(first.subject, "127.0.0.1:8080 (demo, pid 4242)");
    assert_eq!(first.see, "netscope explain LSN-002");
    assert_eq!(first.fixes[0].text, "netscope serve --backlog 1024");
}

#[test]
fn the_first_finding_is_always_one_of_the_worst() {
    let mut model = overflowing(watched());
    model.netns.tcp_syncookies = Some(0);
    model.netns.tcp_abort_on_overflow = Some(1);
    let assessment = assess(&model, &load(10_000, 2000.0));
    let worst = assessment.findings.iter().map(|finding| finding.severity).max().unwrap();
    assert_eq!(assessment.findings[0].severity, worst);
    assert_eq!(assessment.findings[0].id, "LSN-002");
}

#[test]
fn a_measurement_absorbs_its_forecast_and_comes_before_the_queue() {
    let mut model = overflowing(watched());
    model.processes[0].accept = Some(AcceptCalls { ok: 10, eagain: 0, emfile: 412 });
    let assessment = assess(&model, &load(10_000, 2000.0));
    assert_eq!(assessment.findings[0].id, "FD-012");
    assert!(!ids(&assessment).contains(&"FD-001"));
    assert!(!ids(&assessment).contains(&"LSN-002"));
    let absorbed = assessment.skipped.iter().find(|skipped| skipped.id == "FD-001").unwrap();
    assert_contains(&absorbed.reason, "FD-012 measured");
    let drops = ids(&assessment).iter().position(|id| *id == "LSN-005").unwrap();
    assert!(drops < ids(&assessment).iter().position(|id| *id == "LSN-001").unwrap_or(usize::MAX));
    assert_contains(
        &assessment.verdict,
        "pid 4242 (demo): out of descriptors: 412 calls failed with EMFILE in 10 s",
    );
}

#[test]
fn the_ceiling_comes_before_the_limits_below_it() {
    let mut model = audited();
    model.host.nr_open = Some(4096);
    model.processes[0].limits.nofile = Some(Limit { soft: Some(1024), hard: Some(4096) });
    let assessment = assess(&model, &DeclaredLoad { connections: Some(10_000), ..NO_LOAD });
    assert_eq!(ids(&assessment)[..3], ["FD-003", "FD-002", "FD-001"]);
}

#[test]
fn rules_are_ignored_by_id_and_group_and_say_so() {
    let options = Options { ignore: vec!["lsn".into(), "FD-013".into()], only: Vec::new() };
    let assessment = super::super::assess(&overflowing(watched()), &NO_LOAD, &options);
    assert!(assessment.findings.is_empty());
    assert!(
        assessment.skipped.iter().any(|skip| skip.id == "LSN-005" && skip.reason == "ignored on request")
    );
    assert_contains(
        &assessment.verdict,
        "412 packets dropped in 10 s, and the rules that explain drops are switched off",
    );
    let only = Options { ignore: Vec::new(), only: vec!["BAD-005".into()] };
    let assessment = super::super::assess(&overflowing(watched()), &NO_LOAD, &only);
    assert_eq!(assessment.passed.len(), 1);
    assert!(assessment.skipped.is_empty());
}

#[test]
fn every_rule_says_something_about_every_model() {
    for model in [watched(), audited(), overflowing(watched())] {
        for rule in crate::findings::RULES {
            assert!(!(rule.assess)(&model, &NO_LOAD).is_empty(), "{}", rule.id);
        }
    }
}

#[test]
fn an_explanation_starts_with_this_case_and_ends_with_the_rule() {
    let assessment = assess(&overflowing(watched()), &NO_LOAD);
    for finding in &assessment.findings {
        let rule = rule(finding.id).unwrap();
        assert!(finding.explanation.ends_with(rule.explanation), "{}", finding.explanation);
        assert!(finding.explanation.len() > rule.explanation.len(), "{}", finding.explanation);
        assert!(!finding.explanation.contains(".."), "{}", finding.explanation);
    }
}

#[test]
fn the_verdict_names_listener_share_depth_and_the_limit_that_binds() {
    let mut model = overflowing(watched());
    assert_eq!(
        assess(&model, &NO_LOAD).verdict,
        "127.0.0.1:8080 (demo, pid 4242) refuses 14 % of attempts: accept queue 129/129, the application \
         asked for 128"
    );
    model.netns.somaxconn = Some(128);
    assert_contains(&assess(&model, &NO_LOAD).verdict, "accept queue 129/129, net.core.somaxconn allows 128");
    model.listeners[0].refused_attempts = None;
    assert_contains(&assess(&model, &NO_LOAD).verdict, "dropped 412 packets in 10 s: accept queue 129/129");
    model.listeners[0].drops = None;
    model.listeners[0].drops_hint = Some(420);
    assert_contains(&assess(&model, &NO_LOAD).verdict, "dropped about 420 packets in 10 s (estimated)");
}

#[test]
fn the_verdict_names_the_syn_queue_when_that_was_the_obstacle() {
    let mut model = watched();
    model.netns.tcp_syncookies = Some(0);
    model.listeners[0].refused_attempts = Some(100);
    model.listeners[0].entered = Some(100);
    model.listeners[0].drops =
        Some(Drops { total: 9, by_cause: Causes { max_syn_backlog: 9, ..Causes::default() } });
    assert_eq!(
        assess(&model, &NO_LOAD).verdict,
        "127.0.0.1:8080 (demo, pid 4242) refuses 50 % of attempts: three quarters of tcp_max_syn_backlog \
         (2048) are taken, SYN cookies are off"
    );
}

#[test]
fn the_verdict_of_a_healthy_window_counts_what_was_watched() {
    let mut model = watched();
    assert_eq!(assess(&model, &NO_LOAD).verdict, "No listener refuses anyone: 1 listener watched for 10 s");
    model.listeners.push(listener(22, 1, "sshd", 128));
    assert_eq!(assess(&model, &NO_LOAD).verdict, "No listener refuses anyone: 2 listeners watched for 10 s");
    model.netns.tcp_syncookies = Some(2);
    assert_contains(
        &assess(&model, &NO_LOAD).verdict,
        "No listener refuses anyone, but the network namespace: tcp_syncookies = 2",
    );
}

#[test]
fn the_verdict_is_never_a_false_all_clear() {
    let mut model = watched();
    model.netns.window_drops = None;
    model.listeners[0].drops = None;
    model.listeners[0].drops_hint = None;
    assert_contains(&assess(&model, &NO_LOAD).verdict, "nothing is known about refusals");
    let mut blind = unread(watched(), "listeners", "sock_diag: ENOENT");
    blind.listeners.clear();
    assert_contains(
        &assess(&blind, &NO_LOAD).verdict,
        "No listener was watched: listeners could not be read: sock_diag: ENOENT",
    );
    blind.netns = Netns {
        inode: None,
        own: None,
        somaxconn: None,
        tcp_max_syn_backlog: None,
        tcp_syncookies: None,
        tcp_abort_on_overflow: None,
        port_range: None,
        reserved_ports: None,
        tcp_tw_reuse: None,
        time_wait: None,
        totals: None,
        window_drops: None,
        passive_opens: None,
    };
    blind.processes.clear();
    blind.host.file_max = None;
    assert_contains(&assess(&blind, &NO_LOAD).verdict, "Nothing could be checked");
}

#[test]
fn the_verdict_of_an_audit_says_what_breaks_first() {
    assert_eq!(
        assess(&audited(), &load(10_000, 2000.0)).verdict,
        "10000 connections at 2000/s: pid 4242 (demo) breaks first: soft limit of 1024 open files, 10037 \
         needed"
    );
    assert_eq!(
        assess(&audited(), &load(500, 2000.0)).verdict,
        "500 connections at 2000/s: 127.0.0.1:8080 (demo, pid 4242) breaks first: the accept queue of 129 \
         covers a pause of 64 ms at 2000/s, the application asked for 128"
    );
    assert_contains(&assess(&audited(), &load(500, 200.0)).verdict, "nothing breaks for certain");
}

#[test]
fn the_verdict_of_a_clean_audit_names_what_was_not_checked() {
    let mut model = audited();
    assert_eq!(assess(&model, &load(100, 10.0)).verdict, "Nothing found that stops 100 connections at 10/s");
    model.processes.clear();
    assert_contains(
        &assess(&model, &load(10_000, 10.0)).verdict,
        "Nothing found that stops 10000 connections at 10/s, but not checked: open files (10000 \
         connections need about",
    );
    model.listeners.push(listener(22, 1, "sshd", 128));
    assert_contains(&assess(&model, &load(10_000, 10.0)).verdict, "cannot tell, not checked: open files");
    assert_contains(&assess(&model, &NO_LOAD).verdict, "Nothing stands out on 2 listeners");
}

#[test]
fn subjects_have_readable_names() {
    let mut one = listener(8080, 4242, "demo", 128);
    assert_eq!(listener_name(&one), "127.0.0.1:8080 (demo, pid 4242)");
    one.address = "::".into();
    one.pids = vec![1, 2];
    assert_eq!(listener_name(&one), "[::]:8080 (demo, pids 1, 2)");
    one.pids = vec![1, 2, 3, 4];
    assert_eq!(listener_name(&one), "[::]:8080 (demo, 4 processes)");
    one.pids.clear();
    one.comms.clear();
    assert_eq!(listener_name(&one), "[::]:8080");
    let model = watched();
    assert_eq!(Subject::Process(4242).name(&model), "pid 4242 (demo)");
    assert_eq!(Subject::Netns.name(&model), "netns 4026531840");
}
