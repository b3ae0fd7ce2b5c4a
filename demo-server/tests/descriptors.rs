//! A server that is out of descriptors counts it, tells the truth meanwhile, and goes on afterwards.

#![cfg(test)]

mod common;

use std::fs;

use common::{Process, connect, wait_for};
use demo_server::server::{Options, Truth};

const LIMIT: u64 = 32;
const CLIENTS: u64 = 60;

fn options(emfile_backoff: bool) -> Options {
    let truth = Some(([127, 0, 0, 1], 0).into());
    Options { truth, max_fds: Some(LIMIT), emfile_backoff, ..Options::default() }
}

fn truth_when(server: &Process, what: impl Fn(&Truth) -> bool) -> Truth {
    wait_for(|| Some(server.truth()).filter(&what))
}

fn descriptors_below_limit(pid: u32) -> u64 {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let numbers = entries.map(|entry| entry.unwrap().file_name().to_str().unwrap().parse::<u64>().unwrap());
    numbers.filter(|number| *number < LIMIT).map(|_| 1).sum()
}

fn runs_out_and_recovers(emfile_backoff: bool) -> Truth {
    let server = Process::start(&[], &options(emfile_backoff));
    let streams: Vec<_> = (0..CLIENTS).map(|_| connect(server.bound.listen)).collect();
    let truth = truth_when(&server, |truth| truth.emfile >= 3);
    // All numbers below the limit are taken; what was inherited may lie above it.
    wait_for(|| (descriptors_below_limit(server.pid()) == LIMIT).then_some(()));
    assert!(truth.active < LIMIT && truth.active > LIMIT / 2, "{truth:?}");
    assert_eq!(truth.pid, server.pid());
    // Each connection that leaves makes room for one that waits.
    drop(streams);
    truth_when(&server, |truth| truth.accepted == CLIENTS && truth.active == 0);
    let pid = server.pid();
    let end = server.end(pid);
    assert_eq!(end.syscall_errors["accept4"]["EMFILE"], end.emfile);
    assert_eq!(end.syscalls["accept4"], CLIENTS + end.emfile);
    end
}

#[test]
fn emfile_is_counted_and_the_listener_keeps_waking() {
    let end = runs_out_and_recovers(false);
    assert_eq!(end.syscalls["epoll_ctl"], CLIENTS);
}

#[test]
fn backoff_leaves_the_listener_alone_for_a_while() {
    let end = runs_out_and_recovers(true);
    // One MOD for each pause and one for its end.
    assert_eq!(end.syscalls["epoll_ctl"], CLIENTS + 2 * end.emfile);
}

#[test]
fn limit_above_the_hard_one_is_refused() {
    let options = Options { max_fds: Some(u64::MAX - 1), ..Options::default() };
    let error = demo_server::server::run(&options, &demo_server::Stop::new().unwrap()).unwrap_err();
    assert!(error.to_string().starts_with("option max_fds: "), "{error}");
}
