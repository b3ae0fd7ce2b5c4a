//! What belongs to one listener stays with it.

use crate::helper::{Helper, await_go, say};
use crate::netns::{in_namespace, leave_namespace};
use crate::traffic::{Listener, PORT, loopback, start_clients};
use crate::truth::Counters;
use crate::watch::Watch;

/// A listener on the same address and port in another network namespace, which refuses 25 of 30 clients.
pub fn neighbour() {
    leave_namespace();
    let listener = Listener::open(loopback(), 4);
    say("ready");
    await_go();
    let clients = start_clients(loopback(), 30);
    drop(clients);
    say(&Counters::settled().get("ListenDrops").to_string());
    await_go();
    drop(listener);
}

#[test]
fn the_same_port_in_another_namespace_is_another_listener() {
    in_namespace(|namespace| {
        let listener = Listener::open(loopback(), 4);
        let mut neighbour = Helper::start(&["neighbour"]);
        assert_eq!(neighbour.hear(), "ready");
        let watch = Watch::port(PORT);
        let before = Counters::settled();
        let clients = start_clients(loopback(), 50);
        neighbour.go();
        assert_eq!(neighbour.hear(), "25", "drops in the other namespace");
        drop(clients);
        let truth = Counters::settled().since(&before);
        let report = watch.finish();
        assert_eq!(truth.row(["ListenDrops", "PassiveOpens"]), [45, 5]);
        neighbour.stop();
        drop(listener);
        let Some(report) = report else { return };
        report.assert_ledger(&truth);
        let listener = report.listener("127.0.0.1", PORT);
        listener.assert_drops([45, 0, 0, 0, 0]);
        listener.assert_number("entered", 5);
        listener.assert_number("netns", namespace.inode());
        assert_eq!(report.json()["netns"]["inode"], namespace.inode());
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
