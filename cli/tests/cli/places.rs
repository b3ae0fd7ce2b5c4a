//! Strange places: other PID namespaces, no privileges, no kernel type information.

use std::{
    fs,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    process::Command,
};

use serde_json::Value;

use crate::{Ended, Running, free_port, is_root, listener, program, run, skip};

/// User and group "nobody".
const NOBODY: u32 = 65_534;

/// Why a probe is not active, or `None` if it is.
fn why_not(doctor: &Value, probe: &str) -> Option<String> {
    let rows = doctor.as_array().unwrap();
    let row = rows.iter().find(|row| row["name"] == probe).expect("the probe has a row");
    (row["status"] == "unavailable").then(|| row["reason"].as_str().unwrap().to_owned())
}

/// Whether the probes of a process are active for root on this host.
fn traced_here(test: &str) -> bool {
    let reason = why_not(&run(&["doctor", "--json"]).json(), "syscalls");
    if let Some(reason) = &reason {
        skip(test, reason);
    }
    reason.is_none()
}

/// Runs the binary as the first child in a PID namespace of its own.
fn in_own_pid_namespace(options: &[&str], arguments: &[&str]) -> Ended {
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--kill-child"]).args(options).arg(program()).args(arguments);
    Running::start(&mut command).ended()
}

#[test]
fn processes_of_another_pid_namespace_are_not_counted_by_their_ids() {
    let test = "processes_of_another_pid_namespace_are_not_counted_by_their_ids";
    if !is_root(test) || !traced_here(test) {
        return;
    }
    let inside = in_own_pid_namespace(&["--mount-proc"], &["doctor", "--json"]);
    assert_eq!(inside.code, Some(1), "{}", inside.stderr);
    let doctor = inside.json();
    for probe in ["switches", "syscalls"] {
        let why = why_not(&doctor, probe).expect("ids of another namespace are of no use");
        assert!(why.contains("PID namespace"), "{why}");
    }
    assert_eq!(why_not(&doctor, "accept-queue"), None);

    // The host's procfs has the ids that the kernel's programs see.
    let outside = in_own_pid_namespace(&[], &["doctor", "--json"]).json();
    for probe in ["switches", "syscalls"] {
        assert_eq!(why_not(&outside, probe), None);
    }
}

#[test]
fn a_demo_runs_as_the_first_process_of_a_container() {
    if !is_root("a_demo_runs_as_the_first_process_of_a_container") {
        return;
    }
    let ended =
        in_own_pid_namespace(&["--mount-proc"], &["live", "--demo=healthy", "--for", "2s", "--window", "1s"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stdout.contains("netscope-demo"), "{}", ended.stdout);
}

#[test]
fn doctor_without_type_information() {
    let ended = run(&["doctor", "--btf", "/nonexistent"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stdout.starts_with("0 of "), "{}", ended.stdout);
    assert_eq!(ended.stdout.matches("/nonexistent").count(), 1, "{}", ended.stdout);
    assert!(ended.stdout.contains("ENOENT") && ended.stdout.contains("--btf"), "{}", ended.stdout);
    assert!(ended.stdout.lines().all(|line| line.chars().count() <= 80), "{}", ended.stdout);
}

#[test]
fn a_report_without_type_information_still_shows_listeners() {
    let (_listener, port) = listener();
    let port = port.to_string();
    let ended = run(&["report", "--port", &port, "--for", "1s", "--json", "--btf", "/nonexistent"]);
    assert!(matches!(ended.code, Some(0 | 1)), "{}", ended.stderr);
    assert_eq!(ended.json()["listeners"].as_array().map(Vec::len), Some(1));
}

#[test]
fn type_information_that_is_none() {
    let garbage = tempfile::NamedTempFile::new().unwrap();
    fs::write(&garbage, "not type information, but long enough to hold a header of it").unwrap();
    let ended = run(&["doctor", "--btf", garbage.path().to_str().unwrap()]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stdout.contains("not BTF data"), "{}", ended.stdout);
}

#[test]
fn a_user_without_privileges_is_told_what_helps() {
    if !is_root("a_user_without_privileges_is_told_what_helps") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let everybody = || fs::Permissions::from_mode(0o755);
    // The build directory may be private.
    let copy = directory.path().join("netscope");
    fs::copy(program(), &copy).unwrap();
    fs::set_permissions(&directory, everybody()).unwrap();
    fs::set_permissions(&copy, everybody()).unwrap();
    let run = |arguments: &[&str]| {
        let mut command = Command::new(&copy);
        Running::start(command.args(arguments).uid(NOBODY).gid(NOBODY).current_dir("/")).ended()
    };
    let doctor = run(&["doctor"]);
    assert_eq!(doctor.code, Some(1));
    assert_eq!(doctor.stdout.matches("not permitted, needs").count(), 1, "{}", doctor.stdout);
    assert!(doctor.stdout.contains("EPERM") && doctor.stdout.contains("CAP_BPF"), "{}", doctor.stdout);

    let demo = run(&["live", "--demo=healthy", "--for", "2s", "--window", "1s"]);
    assert_eq!(demo.code, Some(0), "{}", demo.stderr);
    assert!(demo.stdout.contains("netscope-demo"), "{}", demo.stdout);

    let port = free_port().to_string();
    let nobody = run(&["audit", "--port", &port]);
    assert_eq!(nobody.code, Some(2));
    let low = run(&["serve", "--listen", "127.0.0.1:1"]);
    assert_eq!(low.code, Some(2));
    assert!(low.stderr.contains("EACCES") && low.stderr.contains("use a higher port"), "{}", low.stderr);
}
