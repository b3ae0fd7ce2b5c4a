//! What belongs to one listener stays with it.

use serde_json::json;

use crate::helper::{Helper, await_go, say};
use crate::netns::{Namespace, in_namespace};
use crate::traffic::{Listener, PORT, loopback, start_clients};
use crate::truth::Counters;
use crate::watch::Watch;

/// In another network namespace: a listener on the port of every test, which refuses 25 of 30 clients.
pub fn neighbour() {
    let listener = Listener::open(loopback(), 4);
    say("ready");
    await_go();
    drop(start_clients(loopback(), 30));
    Counters::settled();
    say("done");
    await_go();
    drop(listener);
}

/// The neighbour's limit of backlogs, unlike the default.
const SOMAXCONN: u32 = 77;

fn start_neighbour() -> (Helper, Namespace) {
    let prepare = |namespace: &Namespace| namespace.sysctl("core.somaxconn", SOMAXCONN);
    let (helper, namespace) = Helper::start_elsewhere(&["neighbour"], prepare);
    assert_eq!(helper.hear(), "ready");
    (helper, namespace)
}

/// 50 clients here and 30 there. Returns what the kernel counted here and there.
fn traffic_on_both_sides(neighbour: &mut Helper) -> (Counters, Counters) {
    let before = (Counters::settled(), Counters::of(neighbour.pid()));
    let clients = start_clients(loopback(), 50);
    neighbour.go();
    assert_eq!(neighbour.hear(), "done");
    drop(clients);
    let here = Counters::settled().since(&before.0);
    let there = Counters::of(neighbour.pid()).since(&before.1);
    assert_eq!(here.row(["ListenDrops", "PassiveOpens"]), [45, 5]);
    assert_eq!(there.row(["ListenDrops", "PassiveOpens"]), [25, 5]);
    (here, there)
}

#[test]
fn the_same_port_in_another_namespace_is_another_listener() {
    in_namespace(|namespace| {
        let listener = Listener::open(loopback(), 4);
        let (mut neighbour, _) = start_neighbour();
        let watch = Watch::port(PORT);
        let (here, _) = traffic_on_both_sides(&mut neighbour);
        let report = watch.finish();
        drop(listener);
        let Some(report) = report else { return };
        report.assert_ledger(&here);
        let listener = report.listener("127.0.0.1", PORT);
        listener.assert_drops([45, 0, 0, 0, 0]);
        listener.assert_number("entered", 5);
        listener.assert_number("netns", namespace.inode());
        assert_eq!(report.json()["netns"]["inode"], namespace.inode());
        assert_eq!(report.json()["netns"]["own"], true);
    });
}

#[test]
fn a_process_in_another_namespace_is_seen_with_its_own_values() {
    in_namespace(|_| {
        let listener = Listener::open(loopback(), 4);
        let (mut neighbour, elsewhere) = start_neighbour();
        let watch = Watch::pid(neighbour.pid());
        let (_, there) = traffic_on_both_sides(&mut neighbour);
        let report = watch.finish();
        drop(listener);
        let Some(report) = report else { return };
        let netns = &report.json()["netns"];
        assert_eq!((&netns["inode"], &netns["own"]), (&json!(elsewhere.inode()), &json!(false)));
        assert_eq!(netns["somaxconn"], SOMAXCONN);
        report.assert_ledger(&there);
        let listener = report.listener("127.0.0.1", PORT);
        listener.assert_drops([25, 0, 0, 0, 0]);
        listener.assert_number("entered", 5);
        listener.assert_number("netns", elsewhere.inode());
        assert_eq!(listener.value["pids"], json!([neighbour.pid()]));
    });
}

#[test]
fn a_reuseport_group_is_one_listener() {
    in_namespace(|_| {
        let group = [Listener::open_shared(loopback(), 4), Listener::open_shared(loopback(), 4)];
        let watch = Watch::port(PORT);
        let before = Counters::settled();
        drop(start_clients(loopback(), 100));
        let truth = Counters::settled().since(&before);
        let report = watch.finish();
        drop(group);
        let [drops, entered] = truth.row(["ListenDrops", "PassiveOpens"]);
        assert_eq!(drops + entered, 100);
        assert!(entered > 5, "the kernel gave all 100 clients to one socket of the group");
        let Some(report) = report else { return };
        report.assert_ledger(&truth);
        let listener = report.listener("127.0.0.1", PORT);
        listener.assert_drops([drops, 0, 0, 0, 0]);
        listener.assert_number("entered", entered);
        listener.assert_number("sockets", 2);
        assert_eq!(listener.value["reuseport"], true);
    });
}

#[test]
fn a_listener_reopened_on_its_port_goes_on_counting() {
    in_namespace(|_| {
        let first = Listener::open(loopback(), 4);
        let watch = Watch::port(PORT);
        let before = Counters::settled();
        drop(start_clients(loopback(), 50));
        Counters::settled();
        drop(first);
        let second = Listener::open(loopback(), 9);
        drop(start_clients(loopback(), 50));
        let truth = Counters::settled().since(&before);
        let report = watch.finish();
        drop(second);
        // 5 and 10 connections enter.
        assert_eq!(truth.row(["ListenDrops", "ListenOverflows", "PassiveOpens"]), [85, 85, 15]);
        let Some(report) = report else { return };
        report.assert_ledger(&truth);
        let listener = report.listener("127.0.0.1", PORT);
        listener.assert_drops([85, 0, 0, 0, 0]);
        listener.assert_number("entered", 15);
        listener.assert_number("never_accepted", 5);
        listener.assert_number("limit", 9);
    });
}

#[test]
fn two_instances_see_the_same() {
    in_namespace(|_| {
        let listener = Listener::open(loopback(), 4);
        let watches = [Watch::port(PORT), Watch::port(PORT)];
        let before = Counters::settled();
        drop(start_clients(loopback(), 50));
        let truth = Counters::settled().since(&before);
        assert_eq!(truth.row(["ListenDrops", "PassiveOpens"]), [45, 5]);
        for report in watches.into_iter().filter_map(Watch::finish) {
            report.assert_ledger(&truth);
            let listener = report.listener("127.0.0.1", PORT);
            listener.assert_drops([45, 0, 0, 0, 0]);
            listener.assert_number("entered", 5);
        }
        drop(listener);
    });
}
