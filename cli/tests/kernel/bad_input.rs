//! Targets that are not there, and hosts that do not let netscope look.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::Command;

use nix::libc::SIGPIPE;

use crate::helper::Helper;
use crate::netns::{in_namespace, skip};
use crate::report::Report;
use crate::traffic::{Listener, PORT, loopback};
use crate::watch::{Ended, Running, Watch, netscope, run, scenario_only};

/// User and group "nobody".
const NOBODY: u32 = 65_534;

/// Runs `body`, unless only scenarios are asked for.
fn with_binary(body: impl FnOnce()) {
    if scenario_only() { skip("needs netscope, NETSCOPE_TEST_SCENARIO_ONLY is set") } else { body() }
}

fn assert_refused(ended: &Ended, mentions: &[&str]) {
    assert_eq!(ended.status.code(), Some(2), "{}", ended.stderr);
    assert_no_panic(ended);
    for text in mentions {
        assert!(ended.stderr.contains(text), "{text:?} is not in:\n{}", ended.stderr);
    }
}

fn assert_no_panic(ended: &Ended) {
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    assert_ne!(ended.status.code(), Some(101), "{}", ended.stderr);
}

/// The listener is there without the numbers that need probes, and each probe says why it is not.
fn assert_without_probes(report: &Report) -> String {
    assert!(report.active_probes().is_empty(), "active: {:?}", report.active_probes());
    let listener = report.listener("127.0.0.1", PORT);
    assert_eq!(listener.value["limit"], 4);
    for name in ["drops", "entered", "accepted", "accept_wait_us"] {
        assert!(listener.value.get(name).is_none_or(serde_json::Value::is_null), "{name} without probes");
    }
    let why = report.why_unavailable();
    assert!(!why.is_empty(), "no probe says why it is not active");
    why
}

#[test]
fn a_pid_that_does_not_exist() {
    in_namespace(|_| {
        with_binary(|| {
            let child = Helper::start(&["idle"]);
            let pid = child.pid().to_string();
            child.stop();
            assert_refused(&run(&["report", "--pid", &pid, "--for", "1s", "--json"]), &[&pid]);
        });
    });
}

#[test]
fn a_port_without_a_listener() {
    in_namespace(|_| {
        with_binary(|| {
            let _listener = Listener::open(loopback(), 4);
            let ended = run(&["report", "--port", "7778", "--for", "1s", "--json"]);
            assert_refused(&ended, &["7778", &PORT.to_string()]);
        });
    });
}

#[test]
fn a_process_that_dies_while_watched() {
    in_namespace(|_| {
        let child = Helper::start(&["idle"]);
        assert_eq!(child.hear(), "ready");
        let pid = child.pid();
        let watch = Watch::pid(pid);
        child.stop();
        let Some(report) = watch.finish() else { return };
        assert_eq!(report.process(pid).value["ended"], true);
    });
}

#[test]
fn standard_output_closed_early() {
    in_namespace(|_| {
        with_binary(|| {
            let _listener = Listener::open(loopback(), 4);
            let command = netscope(&["report", "--port", &PORT.to_string(), "--for", "60s", "--json"]);
            let mut running = Running::start(command, false);
            running.await_ready();
            running.interrupt();
            let ended = running.ended();
            assert_no_panic(&ended);
            assert!(matches!(ended.status.signal(), None | Some(SIGPIPE)), "{}", ended.status);
        });
    });
}

#[test]
fn a_kernel_without_type_information() {
    in_namespace(|_| {
        with_binary(|| {
            let _listener = Listener::open(loopback(), 4);
            let port = PORT.to_string();
            let ended = run(&["report", "--port", &port, "--for", "1s", "--json", "--btf", "/nonexistent"]);
            assert_no_panic(&ended);
            let why = assert_without_probes(&ended.report());
            assert!(why.contains("/nonexistent"), "{why}");
        });
    });
}

#[test]
fn a_user_without_privileges() {
    in_namespace(|_| {
        with_binary(|| {
            let _listener = Listener::open(loopback(), 4);
            let port = PORT.to_string();
            let directory = tempfile::tempdir().unwrap();
            let ended = run_as_nobody(&directory, &["report", "--port", &port, "--for", "1s", "--json"]);
            assert_no_panic(&ended);
            let why = assert_without_probes(&ended.report());
            assert!(why.contains("CAP_BPF") || why.contains("root"), "{why}");

            let ended = run_as_nobody(&directory, &["report", "--port", &port, "--for", "1s"]);
            assert!(matches!(ended.status.code(), Some(0 | 1)), "{}", ended.stderr);
            assert!(ended.stdout.contains("probe"), "the text says nothing of probes:\n{}", ended.stdout);

            let ended = run_as_nobody(&directory, &["audit", "--port", &port, "--json"]);
            assert_no_panic(&ended);
            let report = ended.report();
            assert_eq!(report.listener("127.0.0.1", PORT).value["limit"], 4);
            // The owner of the listener belongs to root.
            let unread = report.json()["unread"].as_array().unwrap();
            assert!(unread.iter().any(|entry| entry["reason"] != ""), "nothing is said to be unreadable");
        });
    });
}

/// Runs a copy of the binary that everybody may read: the build directory may be private.
fn run_as_nobody(directory: &tempfile::TempDir, arguments: &[&str]) -> Ended {
    let everybody = || fs::Permissions::from_mode(0o755);
    fs::set_permissions(directory, everybody()).unwrap();
    let copy = directory.path().join("netscope");
    if !copy.exists() {
        fs::copy(netscope(&[]).get_program(), &copy).unwrap();
        fs::set_permissions(&copy, everybody()).unwrap();
    }
    let mut command = Command::new(copy);
    command.args(arguments).uid(NOBODY).gid(NOBODY).current_dir("/");
    Running::start(command, true).ended()
}
