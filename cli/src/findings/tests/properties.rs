//! What must hold for every load.

use proptest::prelude::*;

use super::*;

fn severity(id: &str, model: &Model, load: &DeclaredLoad) -> Severity {
    let outcomes = outcomes(id, model, load);
    outcomes.iter().filter_map(Outcome::found).map(|found| found.severity).max().unwrap_or(Severity::Pass)
}

proptest! {
    #[test]
    fn more_connections_never_need_fewer_descriptors(
        one in 0_u64..200_000,
        more in 0_u64..200_000,
        soft in 1_u64..200_000,
        workers in 1_i32..32,
        rate in 0.0..10_000.0_f64,
    ) {
        let mut model = audited();
        model.processes[0].limits.nofile = Some(Limit { soft: Some(soft), hard: Some(soft) });
        model.listeners[0].pids = (4242..4242 + workers).collect();
        for id in ["FD-001", "FD-002", "FD-003"] {
            let few = severity(id, &model, &load(one, rate));
            let many = severity(id, &model, &load(one + more, rate));
            prop_assert!(few <= many, "{id}: {few:?} at {one}, {many:?} at {}", one + more);
        }
    }

    #[test]
    fn a_higher_rate_never_makes_the_queue_longer(
        rate in 0.1..100_000.0_f64,
        faster in 0.0..100_000.0_f64,
        limit in 0_u32..65_535,
        sockets in 1_u32..64,
        longest_wait_us in 0.0..5e6_f64,
    ) {
        let mut model = watched();
        model.listeners[0].limit = limit;
        model.listeners[0].capacity = u64::from(limit) + 1;
        model.listeners[0].sockets = sockets;
        model.listeners[0].accept_wait_us = Some(distribution(5, longest_wait_us / 2.0, longest_wait_us));
        let slow = severity("LSN-001", &model, &load(1, rate));
        let fast = severity("LSN-001", &model, &load(1, rate + faster));
        prop_assert!(slow <= fast, "{slow:?} at {rate}, {fast:?} at {}", rate + faster);
    }

    #[test]
    fn the_proposed_backlog_covers_the_declared_rate(rate in 130.0..60_000.0_f64, somaxconn in 1_u64..100_000) {
        let mut model = audited();
        model.netns.somaxconn = Some(somaxconn);
        let found = finding("LSN-002", &model, &load(1, rate));
        let text = &found.fixes.last().unwrap().text;
        let proposed: u64 = text.rsplit(' ').next().unwrap().parse().unwrap();
        prop_assert!(proposed >= 1024 && proposed as f64 >= rate.min(65_535.0), "{text} for {rate}");
        let raises = found.fixes.iter().any(|fix| fix.text.starts_with("sysctl -w net.core.somaxconn="));
        prop_assert_eq!(raises, proposed > somaxconn);
    }

    #[test]
    fn every_finding_is_kept_and_the_worst_is_first(
        drops in 0_u64..1000,
        emfile in 0_u64..3,
        cookies in 0_u64..3,
        abort in 0_u64..2,
        connections in 1_u64..100_000,
        rate in 1.0..50_000.0_f64,
    ) {
        let mut model = watched();
        model.netns.tcp_syncookies = Some(cookies);
        model.netns.tcp_abort_on_overflow = Some(abort);
        model.netns.window_drops =
            Some(KernelDrops { ListenOverflows: drops, ListenDrops: drops, ..KernelDrops::default() });
        model.listeners[0].drops =
            Some(Drops { total: drops, by_cause: Causes { accept_queue_full_syn: drops, ..Causes::default() } });
        model.processes[0].accept = Some(AcceptCalls { ok: 1, eagain: 0, emfile });
        let load = load(connections, rate);
        let assessment = assess(&model, &load);
        let outcomes: Vec<Outcome> =
            crate::findings::RULES.iter().flat_map(|rule| (rule.assess)(&model, &load)).collect();
        let found = outcomes.iter().filter(|outcome| outcome.found().is_some()).count();
        let absorbed = assessment.skipped.iter().filter(|skip| skip.reason.contains("FD-012 measured")).count();
        prop_assert_eq!(assessment.findings.len() + absorbed, found);
        let worst = assessment.findings.iter().map(|finding| finding.severity).max();
        prop_assert_eq!(assessment.findings.first().map(|finding| finding.severity), worst);
    }
}
