//! That the scenarios do to the kernel's queues what they say, in a network namespace of their own.

#![cfg(test)]

mod common;

use std::fs;
use std::process::Command;
use std::thread;
use std::time::Duration;

use common::{Running, exact, produce, skipped};
use demo_server::load::Summary;
use demo_server::scenario;
use demo_server::server::{Options, Stall, Truth};
use nix::sched::{CloneFlags, unshare};

/// Runs `test` in a thread with its own network namespace and loopback, or says why not.
fn in_own_namespace(name: &str, test: impl FnOnce() + Send + 'static) {
    let result = thread::spawn(move || {
        unshare(CloneFlags::CLONE_NEWNET)
            .map_err(|errno| format!("cannot make a network namespace: {errno}"))?;
        // A child of this thread is in its namespace.
        match Command::new("ip").args(["link", "set", "lo", "up"]).status() {
            Ok(status) if status.success() => {}
            Ok(status) => return Err(format!("ip link set lo up: {status}")),
            Err(error) => return Err(format!("cannot start ip: {error}")),
        }
        test();
        Ok(())
    });
    if let Err(reason) = result.join().unwrap() {
        skipped(name, &reason);
    }
}

/// One counter of the TcpExt lines of the calling thread's namespace.
fn counter(name: &str) -> u64 {
    let text = fs::read_to_string("/proc/thread-self/net/netstat").unwrap();
    let mut lines = text.lines().filter(|line| line.starts_with("TcpExt:"));
    let (names, values) = (lines.next().unwrap(), lines.next().unwrap());
    let place = names.split_whitespace().position(|known| known == name).unwrap();
    values.split_whitespace().nth(place).unwrap().parse().unwrap()
}

fn run(name: &str, seconds: u64) -> (Truth, Summary, u64) {
    let scenario = scenario::find(name).unwrap();
    let before = counter("ListenOverflows");
    let server = Running::start(&scenario.server);
    let summary = produce(&scenario.load_on(server.bound.listen, Duration::from_secs(seconds)));
    (server.end(), summary, counter("ListenOverflows") - before)
}

#[test]
fn a_stall_overflows_a_short_queue_and_none_overflows_nothing() {
    in_own_namespace("a_stall_overflows_a_short_queue_and_none_overflows_nothing", || {
        let calm = Running::start(&Options { backlog: 4, ..Options::default() });
        produce(&exact(calm.bound.listen, 100, 100, 1));
        calm.end();
        assert_eq!(counter("ListenOverflows"), 0);
        // The loop sleeps nearly always: 100 connections at once meet a queue for 5.
        let stall = Stall { duration: Duration::from_millis(190), every: Duration::from_millis(200) };
        let server = Running::start(&Options { backlog: 4, stall: Some(stall), ..Options::default() });
        server.wait_for(|truth| truth.stalls > 0);
        let summary = produce(&exact(server.bound.listen, 100, 100, 100));
        assert!(counter("ListenOverflows") > 0, "{summary:?}");
    });
}

#[test]
fn default_scenario_overflows_its_queue() {
    in_own_namespace("default_scenario_overflows_its_queue", || {
        let (truth, summary, overflows) = run("stall", 3);
        assert!(overflows > 0 && truth.stalls >= 2, "{truth:?} {summary:?}");
        assert_eq!(truth.requests, summary.completed);
        // Whoever is dropped repeats its SYN after a second at the earliest (tcp_timeout_init).
        assert!(summary.connect_us.unwrap().max >= 900_000, "{summary:?}");
    });
}

#[test]
fn descriptor_scenario_runs_out_of_descriptors() {
    // In a process of its own: the limit is one of the process.
    let scenario = scenario::find("descriptors").unwrap();
    let server = common::Process::start(&[], &scenario.server);
    produce(&scenario.load_on(server.bound.listen, Duration::from_secs(2)));
    let pid = server.pid();
    let truth = server.end(pid);
    assert!(truth.emfile > 0, "{truth:?}");
}
