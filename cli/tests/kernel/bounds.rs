//! Maps that are too small for what happens: what did not fit is named, and what is left is right.

use std::collections::BTreeMap;

use crate::helper::Helper;
use crate::netns::{in_namespace, measured};
use crate::process;
use crate::report::Report;
use crate::traffic::{Listener, PORT, loopback, start_clients};
use crate::truth::{self, Counters};
use crate::watch::Watch;

/// Lost events by reason.
type Lost = BTreeMap<String, u64>;

fn lost(report: &Report) -> Lost {
    let lost: Lost = serde_json::from_value(report.json()["lost"]["reasons"].clone()).unwrap();
    measured(&format!("lost: {lost:?}"));
    lost
}

fn names(lost: &Lost) -> Vec<&str> {
    lost.keys().map(String::as_str).collect()
}

#[test]
fn more_connections_wait_than_are_remembered() {
    in_namespace(|_| {
        let listener = Listener::open(loopback(), 9);
        let watch = Watch::with(&["--port", &PORT.to_string(), "--map-entries", "4"]);
        let before = Counters::settled();
        // 10 fit into the queue.
        let clients = start_clients(loopback(), 50);
        let accepted = listener.accept_all();
        assert_eq!(accepted.len(), 10);
        let truth = Counters::settled().since(&before);
        let report = watch.finish();
        drop((clients, accepted));
        let Some(report) = report else { return };
        assert_eq!(truth.row(["ListenDrops", "PassiveOpens"]), [40, 10]);
        report.assert_ledger_despite_losses(&truth);
        let lost = lost(&report);
        assert_eq!(names(&lost), ["histogram_full", "queued_full"]);
        // Four of the ten are remembered.
        assert_eq!(lost["queued_full"], 6);
        let listener = report.listener("127.0.0.1", PORT);
        listener.assert_drops([40, 0, 0, 0, 0]);
        for (name, expected) in [("entered", 10), ("accepted", 10), ("never_accepted", 0)] {
            listener.assert_number(name, expected);
        }
        // Four buckets for three histograms: each sample is in one or is counted as lost.
        let samples = ["accept_wait_us", "handshake_us"]
            .map(|name| listener.value[name]["count"].as_u64().unwrap_or(0))
            .iter()
            .sum::<u64>()
            + listener.value["accept_queue"]["depth"]["count"].as_u64().unwrap_or(0);
        let handshakes = 10;
        assert_eq!(samples + lost["histogram_full"], 10 + 4 + handshakes, "depths, waits and handshakes");
    });
}

#[test]
fn more_listeners_than_are_known() {
    in_namespace(|_| {
        let first = Listener::open(loopback(), 4);
        let others: Vec<_> = (1..=6).map(|step| Listener::open(at(step), 4)).collect();
        let watch = Watch::with(&["--map-entries", "4"]);
        let before = Counters::settled();
        for step in 0..=6 {
            drop(start_clients(at(step), 15));
        }
        let truth = Counters::settled().since(&before);
        let report = watch.finish();
        drop((first, others));
        let Some(report) = report else { return };
        assert_eq!(truth.row(["ListenDrops", "PassiveOpens"]), [70, 35]);
        let lost = lost(&report);
        let ledger = &report.json()["ledger"];
        assert_eq!(ledger["kernel"]["ListenDrops"], 70);
        // Four of seven listeners, with 10 drops each.
        assert_eq!(ledger["attributed"]["ListenDrops"], 40, "{ledger:#}");
        assert_eq!(ledger["unattributed"], 30, "{ledger:#}");
        assert_eq!((lost["listeners_full"], lost["unknown_listener"]), (3, 30));
        let mut measured = 0;
        for step in 0..=6 {
            let listener = report.listener("127.0.0.1", PORT + step);
            // Not measured is absent, never 0.
            let drops = listener.value["drops"]["total"].as_u64();
            assert!(matches!(drops, None | Some(10)), "{:#}", listener.value);
            measured += u64::from(drops.is_some());
        }
        assert_eq!(measured, 4);
    });
}

fn at(step: u16) -> std::net::SocketAddr {
    (std::net::Ipv4Addr::LOCALHOST, PORT + step).into()
}

#[test]
fn more_kinds_of_errors_than_are_told_apart() {
    in_namespace(|_| {
        // It makes 300 EAGAIN, then 200 EBADF, then 100 EMFILE.
        let mut child = Helper::start(&["calls"]);
        assert_eq!(child.hear(), "ready");
        truth::switches(child.pid());
        let watch = Watch::with(&["--pid", &child.pid().to_string(), "--map-entries", "2"]);
        child.go();
        assert_eq!(child.hear(), "done");
        truth::switches(child.pid());
        let Some(report) = watch.finish() else { return };
        let lost = lost(&report);
        assert_eq!(lost.get("errors_full"), Some(&100));
        let process = report.process(child.pid());
        let Some(table) = process.part("syscalls") else { return };
        let row = |name: &str| {
            let row = table.value.as_array().unwrap().iter().find(|row| row["name"] == name).unwrap();
            (row["calls"].as_u64().unwrap(), row["errors"].to_string())
        };
        assert_eq!(row("read"), (801, "{\"EAGAIN\":300}".to_owned()));
        assert_eq!(row("close"), (200, "{\"EBADF\":200}".to_owned()));
        assert_eq!(row("dup"), (100, "{}".to_owned()));
    });
}

#[test]
fn more_threads_than_are_followed() {
    in_namespace(|_| {
        // One thread sleeps, two take turns, and one waits for them.
        let mut child = Helper::start(&["switches"]);
        assert_eq!(child.hear(), "ready");
        let before = truth::switches(child.pid());
        let watch = Watch::with(&["--pid", &child.pid().to_string(), "--map-entries", "2"]);
        child.go();
        assert_eq!(child.hear(), "done");
        let after = truth::switches(child.pid());
        let Some(report) = watch.finish() else { return };
        let lost = lost(&report);
        assert_eq!(names(&lost), ["threads_full"]);
        let process = report.process(child.pid());
        if let Some(switches) = process.part("switches") {
            // The kind of a switch of a thread that is not followed is a guess, their number is not.
            let total = |part: &serde_json::Value| {
                part["voluntary"].as_u64().unwrap() + part["involuntary"].as_u64().unwrap()
            };
            assert_eq!(total(switches.value), after.0 + after.1 - before.0 - before.1);
        }
        let Some(table) = process.part("syscalls") else { return };
        let row = |name: &str| table.value.as_array().unwrap().iter().find(|row| row["name"] == name);
        assert_eq!(row("sched_yield").unwrap()["calls"], 2 * process::TURNS);
        assert_eq!(row("clock_nanosleep").unwrap()["calls"], process::SLEEPS);
    });
}
