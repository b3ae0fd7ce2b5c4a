//! Commands that run for a while: signals, several at once, children, processes that come and go.

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::{Running, free_port, listener, run, until};

fn pids(report: &Value) -> Vec<i64> {
    report["processes"].as_array().unwrap().iter().map(|row| row["pid"].as_i64().unwrap()).collect()
}

#[test]
fn ctrl_c_ends_a_report_early_with_what_was_measured() {
    let (_listener, port) = listener();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let mut running =
            Running::measuring(&["report", "--port", &port.to_string(), "--for", "1h", "--json"]);
        running.signal(signal);
        let ended = running.ended();
        assert_eq!(ended.code, Some(0), "{}", ended.stdout);
        assert!(ended.json()["window"]["seconds"].as_f64().unwrap() < 3600.0);
    }
}

#[test]
fn two_reports_at_once() {
    let (_listener, port) = listener();
    let port = port.to_string();
    let arguments = ["report", "--port", &port, "--for", "1h", "--json"];
    let both = [Running::measuring(&arguments), Running::measuring(&arguments)];
    let reports = both.map(|mut running| {
        running.signal(Signal::SIGINT);
        running.ended().json()
    });
    assert_eq!(reports[0]["probes"].as_array().map(Vec::len), reports[1]["probes"].as_array().map(Vec::len));
    for report in reports {
        assert_eq!(report["listeners"].as_array().map(Vec::len), Some(1));
    }
}

#[test]
fn a_process_that_does_not_listen_has_no_listeners_of_others() {
    let (_listener, port) = listener();
    let mut sleeper = Running::start(std::process::Command::new("sleep").arg("60"));
    let pid = sleeper.pid().to_string();
    let ended = run(&["report", "--pid", &pid, "--for", "1s", "--json"]);
    let report = ended.json();
    assert_eq!(report["listeners"], json!([]));
    assert_eq!(pids(&report), [i64::from(sleeper.pid())]);
    let text = run(&["report", "--pid", &pid, "--for", "1s"]).stdout;
    assert!(text.starts_with("No listener was watched: ") && text.contains("has no TCP listener"), "{text}");
    assert!(!text.contains(&format!("127.0.0.1:{port} ")), "{text}");
}

#[test]
fn the_successor_on_the_port_is_looked_at() {
    let port = free_port();
    let mut first = Running::server(port, &[]);
    let mut report = Running::measuring(&["report", "--port", &port.to_string(), "--for", "1h", "--json"]);
    let before = i64::from(first.pid());
    first.signal(Signal::SIGINT);
    assert_eq!(first.ended().code, Some(0));
    let mut second = Running::server(port, &[]);
    report.signal(Signal::SIGINT);
    let report = report.ended().json();
    let found = pids(&report);
    assert!(found.contains(&before) && found.contains(&i64::from(second.pid())), "{found:?}");
    assert_eq!(report["listeners"][0]["pids"], json!([second.pid()]));
}

#[test]
fn a_process_that_begins_to_listen_while_watched() {
    let child = |line: &str| {
        // A shell that becomes the server when it is told to: the same process all along.
        Running::start(std::process::Command::new("sh").args(["-c", line]))
    };
    let port = free_port();
    let directory = tempfile::tempdir().unwrap();
    let go = directory.path().join("go");
    let mut server = child(&format!(
        "while ! [ -e '{}' ]; do sleep 0.05; done; exec '{}' serve --listen 127.0.0.1:{port}",
        go.display(),
        crate::program()
    ));
    let mut report =
        Running::measuring(&["report", "--pid", &server.pid().to_string(), "--for", "1h", "--json"]);
    std::fs::write(&go, "").unwrap();
    until("the server listens", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    report.signal(Signal::SIGINT);
    let report = report.ended().json();
    assert_eq!(report["listeners"][0]["port"], port);
    assert_eq!(report["listeners"][0]["pids"], json!([server.pid()]));
}

#[test]
fn a_load_that_nobody_answers_measured_nothing() {
    let target = format!("127.0.0.1:{}", free_port());
    let ended = run(&["load", &target, "--for", "1s", "--json", "--quiet"]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains(&target) && ended.stderr.contains("ss -ltn"), "{}", ended.stderr);
    let summary = ended.json();
    assert_eq!(summary["connected"], 0);
    assert_eq!(summary["connect_failures"]["refused"], summary["attempts"]);
    let text = run(&["load", &target, "--for", "1s", "--quiet"]).stdout;
    assert!(text.contains(" refused\n") && !text.contains("latency"), "{text}");
}

#[test]
fn a_load_says_what_came_of_each_request() {
    let port = free_port();
    let _server = Running::server(port, &[]);
    let target = format!("127.0.0.1:{port}");
    let ended = run(&["load", &target, "--users", "4", "--requests", "100", "--json"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!((&ended.json()["connected"], &ended.json()["completed"]), (&json!(4), &json!(100)));
    let text = run(&["load", &target, "--users", "4", "--requests", "100", "--quiet"]);
    assert!(text.stdout.contains("100 sent, 100 completed\nfailures   connect: none\n"), "{}", text.stdout);
    assert_eq!(text.stderr, "");
}

#[test]
fn ctrl_c_ends_a_load_and_a_server_with_their_counts() {
    let port = free_port();
    let mut server = Running::server(port, &["--for", "1h"]);
    let target = format!("127.0.0.1:{port}");
    let mut load = Running::netscope(&["load", &target, "--for", "1h", "--json", "--quiet"]);
    until("the load runs", || has_connected(load.pid()));
    load.signal(Signal::SIGINT);
    let load = load.ended();
    assert_eq!(load.code, Some(0), "{}", load.stderr);
    let connected = load.json()["connected"].as_u64().unwrap();
    server.signal(Signal::SIGINT);
    let server = server.ended();
    assert_eq!(server.code, Some(0), "{}", server.stderr);
    assert_eq!(server.json()["accepted"].as_u64(), Some(connected));
}

/// Whether a process has done more than starting: it voluntarily waits again and again.
fn has_connected(pid: i32) -> bool {
    let switches = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let count = switches.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    count.and_then(|count| count.trim().parse::<u64>().ok()).is_some_and(|count| count > 50)
}

#[test]
fn a_scenario_has_a_name_of_its_own() {
    let mut server = Running::server(free_port(), &["--scenario", "healthy"]);
    let name = |pid: i32| std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap();
    assert_eq!(name(server.pid()), "netscope-demo\n");
    let mut plain = Running::server(free_port(), &[]);
    assert_eq!(name(plain.pid()), "netscope\n");
}

/// Children of a process.
fn children(pid: i32) -> Vec<i32> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

fn is_alive(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

#[test]
fn the_processes_of_a_demo_end_with_it_however_it_ends() {
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGKILL] {
        let mut demo = Running::netscope(&["live", "--demo=healthy", "--for", "1h"]);
        let pid = demo.pid();
        until("server and load run", || children(pid).len() == 2);
        let both = children(pid);
        demo.signal(signal);
        demo.ended();
        until("server and load end", || !both.iter().any(|pid| is_alive(*pid)));
    }
}

#[test]
fn a_demo_without_its_server_ends() {
    let mut demo = Running::netscope(&["live", "--demo=healthy", "--window", "1s", "--for", "1h"]);
    let pid = demo.pid();
    until("server and load run", || children(pid).len() == 2);
    let server = children(pid)[0];
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(server), Signal::SIGKILL).unwrap();
    // Either the server is gone before it is looked at, or while it is watched.
    let ended = demo.ended();
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("demo has ended") || ended.stderr.contains("no process"),
        "{}",
        ended.stderr
    );
}
