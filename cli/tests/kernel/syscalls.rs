//! System calls, switches and connections of the demo server, against the server's own counters, strace,
//! the scheduler and the client.
//!
//! Both edges of the window are quiet: the server's threads sleep in the call that they slept in when it
//! opened. The truth port is asked outside, for its thread makes system calls of the same process.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use demo_server::load::Summary;
use demo_server::server::Truth;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::demo::{Server, load};
use crate::netns::{in_namespace, measured, skip};
use crate::report::Part;
use crate::truth::{self, Counters};
use crate::watch::Watch;

/// Numbers by name.
type Numbers = BTreeMap<String, u64>;

/// Calls whose number the client determines: one accept4 and one close for each connection, one sendto for
/// each request, one recvfrom for each request and for the end of each connection.
const DETERMINED: [&str; 4] = ["accept4", "recvfrom", "sendto", "close"];
const USERS: u64 = 8;
const REQUESTS: u64 = 10_000;

/// The load that determines them.
fn deterministic_load(server: &Server) -> Summary {
    let (users, requests) = (USERS.to_string(), REQUESTS.to_string());
    let summary = load(server.address(), &["--users", &users, "--requests", &requests, "--for", "60s"]);
    assert_eq!((summary.connected, summary.completed), (USERS, REQUESTS), "{summary:?}");
    summary
}

/// What the load makes of [`DETERMINED`].
fn expected() -> Numbers {
    let numbers = [USERS, REQUESTS + USERS, REQUESTS, USERS];
    DETERMINED.iter().map(|name| (*name).to_owned()).zip(numbers).collect()
}

fn determined(calls: &Numbers) -> Numbers {
    calls.iter().filter(|(name, _)| DETERMINED.contains(&name.as_str())).map(copy).collect()
}

fn copy((name, number): (&String, &u64)) -> (String, u64) {
    (name.clone(), *number)
}

/// `later` less `earlier`, without what did not grow.
fn grown(later: &Numbers, earlier: &Numbers) -> Numbers {
    let before = |name: &String| earlier.get(name).copied().unwrap_or(0);
    let growth = later.iter().map(|(name, number)| (name.clone(), number - before(name)));
    growth.filter(|(_, number)| *number > 0).collect()
}

/// Calls by name, and errors by "name errno", that the server made between two looks at its truth.
fn own_calls(later: &Truth, earlier: &Truth) -> (Numbers, Numbers) {
    let flat = |truth: &Truth| -> Numbers {
        let of_call = |(name, errors): (&String, &Numbers)| {
            let name = name.clone();
            errors
                .clone()
                .into_iter()
                .map(move |(errno, count)| (format!("{name} {errno}"), count))
                .collect::<Vec<_>>()
        };
        truth.syscall_errors.iter().flat_map(of_call).collect()
    };
    (grown(&later.syscalls, &earlier.syscalls), grown(&flat(later), &flat(earlier)))
}

/// The same of a process of the report.
fn reported_calls(process: &Part<'_>) -> Option<(Numbers, Numbers)> {
    let table = process.part("syscalls")?.value.as_array().unwrap();
    let (mut calls, mut errors) = (Numbers::new(), Numbers::new());
    for call in table {
        let name = call["name"].as_str().unwrap();
        calls.insert(name.to_owned(), call["calls"].as_u64().unwrap());
        for (errno, count) in call["errors"].as_object().unwrap() {
            errors.insert(format!("{name} {errno}"), count.as_u64().unwrap());
        }
    }
    Some((calls, errors))
}

/// strace counting all threads of a process that runs already.
struct Strace {
    child: Child,
    directory: tempfile::TempDir,
}

impl Strace {
    /// Starts to count; `None`, said on stderr, where strace is not installed or may not trace.
    fn attach(pid: u32) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let child = Command::new("strace")
            .args(["-f", "-q", "-c", "-o"])
            .arg(directory.path().join("table"))
            .args(["-p", &pid.to_string()])
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = match child {
            Ok(child) => child,
            Err(error) => {
                skip(&format!("not compared with strace, which cannot be started: {error}"));
                return None;
            }
        };
        let deadline = Instant::now() + Duration::from_secs(20);
        while !traces_all(child.id(), pid) {
            if child.try_wait().unwrap().is_some() {
                let said = child.wait_with_output().unwrap().stderr;
                skip(&format!(
                    "not compared with strace, which may not trace: {}",
                    String::from_utf8_lossy(&said).trim()
                ));
                return None;
            }
            assert!(Instant::now() < deadline, "strace did not attach");
            std::thread::sleep(Duration::from_millis(10));
        }
        Some(Self { child, directory })
    }

    /// Detaches and reads the calls by name.
    fn finish(mut self) -> Numbers {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), Signal::SIGINT).unwrap();
        self.child.wait().unwrap();
        // Per cent, seconds, time per call, calls, perhaps errors, name.
        let table = fs::read_to_string(self.directory.path().join("table")).unwrap();
        let rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let rows = rows.filter(|words| words.len() >= 5 && words[0].parse::<f64>().is_ok());
        rows.filter(|words| *words.last().unwrap() != "total")
            .map(|words| ((*words.last().unwrap()).to_owned(), words[3].parse().unwrap()))
            .collect()
    }
}

impl Drop for Strace {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether `tracer` traces every thread of `pid` (/proc/PID/task/*/status).
fn traces_all(tracer: u32, pid: u32) -> bool {
    fs::read_dir(format!("/proc/{pid}/task")).unwrap().all(|task| {
        let status = fs::read_to_string(task.unwrap().path().join("status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("TracerPid:")).unwrap();
        line.trim() == tracer.to_string()
    })
}

#[test]
fn ten_thousand_requests_are_counted_call_by_call_and_switch_by_switch() {
    in_namespace(|_| {
        let server = Server::start(&[]);
        let before = server.truth();
        let switches_before = truth::switches(server.pid());
        let watch = Watch::pid(server.pid());
        deterministic_load(&server);
        let switches_after = truth::switches(server.pid());
        let report = watch.finish();
        let (calls, errors) = own_calls(&server.truth(), &before);
        measured(&format!("the server's own counters: {calls:?}, errors {errors:?}"));
        assert_eq!(determined(&calls), expected());
        let Some(report) = report else { return };
        report.assert_nothing_lost();
        let process = report.process(server.pid());
        if let Some(reported) = reported_calls(&process) {
            measured(&format!("the report: {:?}, errors {:?}", reported.0, reported.1));
            assert_eq!(reported, (calls, errors));
        }
        if let Some(switches) = process.part("switches") {
            let voluntary = switches_after.0 - switches_before.0;
            let involuntary = switches_after.1 - switches_before.1;
            measured(&format!("{voluntary} voluntary and {involuntary} involuntary switches"));
            switches.assert_number("voluntary", voluntary);
            switches.assert_number("involuntary", involuntary);
        }
    });
}

#[test]
fn ten_thousand_requests_are_what_strace_counts() {
    in_namespace(|_| {
        let server = Server::start(&[]);
        truth::switches(server.pid());
        let Some(strace) = Strace::attach(server.pid()) else { return };
        deterministic_load(&server);
        truth::switches(server.pid());
        let traced = strace.finish();
        measured(&format!("strace -f -c: {traced:?}"));
        assert_eq!(determined(&traced), expected());
        drop(server);

        let server = Server::start(&[]);
        truth::switches(server.pid());
        let watch = Watch::pid(server.pid());
        deterministic_load(&server);
        truth::switches(server.pid());
        let Some(report) = watch.finish() else { return };
        let process = report.process(server.pid());
        let Some((calls, _)) = reported_calls(&process) else { return };
        assert_eq!(determined(&calls), determined(&traced));
    });
}

#[test]
fn errors_by_errno_equal_the_servers_own() {
    in_namespace(|_| {
        // It accepts until nothing waits (EAGAIN), and has descriptors for a part of the clients (EMFILE).
        let server = Server::start(&[
            "--accept-delay",
            "1ms",
            "--max-fds",
            "24",
            "--emfile-backoff",
            "--workers",
            "2",
        ]);
        let before = server.truth();
        truth::switches(server.pid());
        let watch = Watch::pid(server.pid());
        let summary = load(server.address(), &["--users", "40", "--requests", "2000", "--for", "60s"]);
        assert_eq!(summary.completed, 2000, "{summary:?}");
        truth::switches(server.pid());
        let report = watch.finish();
        let own = own_calls(&server.truth(), &before);
        measured(&format!("errors by the server's own counters: {:?}", own.1));
        assert!(own.1.contains_key("accept4 EAGAIN") && own.1.contains_key("accept4 EMFILE"), "{own:?}");
        let Some(report) = report else { return };
        report.assert_nothing_lost();
        let process = report.process(server.pid());
        if let Some(accept) = process.part("accept") {
            accept.assert_number("ok", own.0["accept4"] - own.1["accept4 EAGAIN"] - own.1["accept4 EMFILE"]);
            accept.assert_number("eagain", own.1["accept4 EAGAIN"]);
            accept.assert_number("emfile", own.1["accept4 EMFILE"]);
        }
        let Some(reported) = reported_calls(&process) else { return };
        assert_eq!(reported, own);
    });
}

#[test]
fn what_enters_the_queue_is_what_the_client_connected_and_the_server_accepted() {
    in_namespace(|_| {
        let server = Server::start(&[]);
        let before = server.truth();
        let kernel_before = Counters::settled();
        let watch = Watch::pid(server.pid());
        let summary = load(server.address(), &["--rate", "500", "--for", "2s"]);
        let kernel = Counters::settled().since(&kernel_before);
        let report = watch.finish();
        let accepted = server.truth().accepted - before.accepted;
        measured(&format!(
            "{} connected, PassiveOpens {}, {accepted} accepted by the server",
            summary.connected,
            kernel.get("PassiveOpens")
        ));
        assert!(summary.connected > 100, "{summary:?}");
        assert_eq!([kernel.get("PassiveOpens"), accepted], [summary.connected; 2]);
        let Some(report) = report else { return };
        report.assert_ledger(&kernel);
        let listener = report.listener("127.0.0.1", server.port());
        listener.assert_number("entered", summary.connected);
        listener.assert_number("accepted", accepted);
        if let Some(wait) = listener.part("accept_wait_us") {
            wait.assert_number("count", accepted);
        }
    });
}

/// What the server sleeps between its wake-up and accept().
const DELAY_US: f64 = 100_000.0;
const TOLERANCE_US: f64 = 5000.0;

#[test]
fn an_accept_delay_is_the_wait_in_the_queue() {
    in_namespace(|_| {
        let server = Server::start(&["--accept-delay", "100ms"]);
        let before = server.truth();
        let watch = Watch::pid(server.pid());
        // One user: each connection finds the server waiting for it.
        let load = load(server.address(), &["--users", "1", "--requests-per-connection", "1", "--for", "3s"]);
        truth::switches(server.pid());
        let report = watch.finish();
        let accepted = server.truth().accepted - before.accepted;
        assert_eq!(load.connected, accepted);
        let Some(report) = report else { return };
        let listener = report.listener("127.0.0.1", server.port());
        listener.assert_number("entered", accepted);
        let Some(wait) = listener.part("accept_wait_us") else { return };
        wait.assert_number("count", accepted);
        let median_us = wait.value["p50"].as_f64().unwrap();
        measured(&format!("median wait {median_us:.0} us over {accepted} connections"));
        assert!((median_us - DELAY_US).abs() <= TOLERANCE_US, "{median_us} us: {:#}", wait.value);
    });
}
