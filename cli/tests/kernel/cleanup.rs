//! Nothing of `live --demo` stays, whichever way it ends.

use std::collections::BTreeSet;
use std::fs;
use std::ops::RangeInclusive;
use std::os::unix::fs::MetadataExt;
use std::process::Command;
use std::time::Duration;

use nix::sys::prctl::set_child_subreaper;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::netns::{in_namespace, measured, skip};
use crate::terminal::{Session, children, wait_for};
use crate::watch::scenario_only;

/// Ids of one kind of BPF object.
type Ids = BTreeSet<u64>;

/// What a running `live --demo` holds.
#[derive(Debug)]
struct Holdings {
    /// Programs, maps and links.
    bpf: [Ids; 3],
    /// netscope, the demo's server and load, and the guard of the terminal: process id and start time.
    processes: Vec<(u32, u64)>,
    /// Inode of the demo's network namespace.
    namespace: u64,
}

/// Kinds of BPF objects, as bpftool and /proc/PID/fdinfo name them.
const KINDS: [&str; 3] = ["prog", "map", "link"];

/// The ids of the BPF objects that the descriptors of `pid` refer to.
fn bpf_of(pid: u32) -> [Ids; 3] {
    let mut found = [Ids::new(), Ids::new(), Ids::new()];
    for entry in fs::read_dir(format!("/proc/{pid}/fdinfo")).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap_or_default();
        for (ids, kind) in found.iter_mut().zip(KINDS) {
            let line = format!("{kind}_id:");
            ids.extend(text.lines().filter_map(|text| text.strip_prefix(&line)?.trim().parse::<u64>().ok()));
        }
    }
    found
}

/// All objects of a kind that the kernel has, by bpftool: id and name.
fn bpf_loaded(kind: &str) -> Option<Vec<(u64, String)>> {
    let output = Command::new("bpftool").args([kind, "show", "-j"]).output().ok()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let objects: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let name = |object: &Value| object["name"].as_str().unwrap_or_default().to_owned();
    Some(objects.iter().map(|object| (object["id"].as_u64().unwrap(), name(object))).collect())
}

/// Start time of a process in clock ticks, `None` when it is gone or only waits to be reaped.
fn started(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    (fields[0] != "Z" && fields[0] != "X").then(|| fields[19].parse().unwrap())
}

fn namespace_of(pid: u32) -> Option<u64> {
    fs::metadata(format!("/proc/{pid}/ns/net")).map(|metadata| metadata.ino()).ok()
}

/// Waits until everything runs, and notes it.
fn holdings(netscope: u32) -> Holdings {
    let own = namespace_of(std::process::id());
    let bpf = wait_for("attached program", || Some(bpf_of(netscope)).filter(|ids| ids[2].len() >= 5));
    let processes = wait_for("server, load and guard", || {
        Some(children(netscope)).filter(|children| children.len() == 3)
    });
    let elsewhere = processes.iter().filter_map(|pid| namespace_of(*pid)).find(|inode| Some(*inode) != own);
    let namespace = elsewhere.expect("the demo has a network namespace of its own");
    let mut processes: Vec<_> = processes.into_iter().map(|pid| (pid, started(pid).unwrap())).collect();
    processes.push((netscope, started(netscope).unwrap()));
    Holdings { bpf, processes, namespace }
}

impl Holdings {
    /// The kernel knows them, under the names that are looked for.
    fn assert_seen(&self) {
        let [programs, maps, links] = &self.bpf;
        assert!(programs.len() >= 5 && maps.len() >= 10 && links.len() >= 5, "{self:?}");
        let Some(loaded) = bpf_loaded("prog") else {
            return skip("BPF objects are not looked for, bpftool is not installed");
        };
        let own = loaded.iter().filter(|(id, _)| programs.contains(id));
        let names: Vec<_> = own.map(|(_, name)| name.as_str()).collect();
        assert_eq!(names.len(), programs.len());
        assert!(names.iter().all(|name| name.starts_with("ns_")), "{names:?}");
    }

    /// Nothing of it is left, once the kernel had the time to free it (RCU, deferred work).
    fn assert_gone(&self) {
        for (pid, start) in &self.processes {
            wait_for(&format!("end of process {pid}"), || (started(*pid) != Some(*start)).then_some(()));
        }
        for (ids, kind) in self.bpf.iter().zip(KINDS) {
            wait_for(&format!("end of {kind} {ids:?}"), || {
                let Some(loaded) = bpf_loaded(kind) else { return Some(()) };
                (!loaded.iter().any(|(id, _)| ids.contains(id))).then_some(())
            });
        }
        wait_for("end of the network namespace", || {
            (!namespaces_in_use().contains(&self.namespace)).then_some(())
        });
        measured(&format!(
            "gone: {} programs, {} maps, {} links, {} processes, network namespace {}",
            self.bpf[0].len(),
            self.bpf[1].len(),
            self.bpf[2].len(),
            self.processes.len(),
            self.namespace
        ));
    }
}

/// Inodes of the network namespaces that a process is in, holds open, or has mounted.
fn namespaces_in_use() -> Ids {
    let inode_of = |link: &str| link.strip_prefix("net:[")?.strip_suffix(']')?.parse::<u64>().ok();
    let mut found = Ids::new();
    for entry in fs::read_dir("/proc").unwrap() {
        let path = entry.unwrap().path();
        if !path.join("ns/net").exists() {
            continue;
        }
        found.extend(fs::metadata(path.join("ns/net")).map(|metadata| metadata.ino()));
        let descriptors = fs::read_dir(path.join("fd")).into_iter().flatten().flatten();
        let links = descriptors.filter_map(|entry| fs::read_link(entry.path()).ok());
        found.extend(links.filter_map(|link| inode_of(link.to_str()?)));
    }
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    found.extend(mounts.split_whitespace().filter_map(inode_of));
    found
}

/// Lets `live --demo` run on a terminal until it measures, ends it by `way`, and looks for what stays.
/// Returns the exit code that the shell saw, where the terminal is still there.
fn ended_by(way: impl FnOnce(&mut Session)) -> u8 {
    let mut session = Session::start(&["live", "--demo"]);
    session.await_text("refuses");
    let holdings = holdings(session.pid());
    holdings.assert_seen();
    way(&mut session);
    holdings.assert_gone();
    wait_for("end of everything on the terminal", || session.others().is_empty().then_some(()));
    session.assert_given_back();
    assert!(!session.screen().contains("panicked"), "{}", session.screen());
    session.exit_code()
}

fn send(pid: u32, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(pid).unwrap()), signal).unwrap();
}

/// Whether there is nothing to run, said on stderr.
pub fn without_binary() -> bool {
    if scenario_only() {
        skip("needs netscope, NETSCOPE_TEST_SCENARIO_ONLY is set");
    }
    scenario_only()
}

#[test]
fn killed() {
    in_namespace(|_| {
        if without_binary() {
            return;
        }
        // 128 + SIGKILL.
        assert_eq!(ended_by(|session| send(session.pid(), Signal::SIGKILL)), 137);
    });
}

#[test]
fn terminated_hung_up_interrupted() {
    in_namespace(|_| {
        if without_binary() {
            return;
        }
        for signal in [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGINT] {
            assert_eq!(ended_by(|session| send(session.pid(), signal)), 0, "{signal}");
        }
    });
}

#[test]
fn left_by_a_key() {
    in_namespace(|_| {
        if without_binary() {
            return;
        }
        // q, and Ctrl-C as a terminal in raw mode passes it on.
        for key in [b"q", b"\x03"] {
            assert_eq!(ended_by(|session| session.press(key)), 0, "{key:?}");
        }
    });
}

#[test]
fn its_terminal_closed() {
    in_namespace(|_| {
        if without_binary() {
            return;
        }
        let mut session = Session::start(&["live", "--demo"]);
        session.await_text("refuses");
        let holdings = holdings(session.pid());
        holdings.assert_seen();
        session.close();
        holdings.assert_gone();
        assert_eq!(session.others(), Vec::<u32>::new());
    });
}

/// Moments of the start at which it is killed, in milliseconds.
const EARLY_MS: RangeInclusive<u64> = 1..=40;

#[test]
fn killed_while_it_starts() {
    in_namespace(|_| {
        if without_binary() {
            return;
        }
        // Orphans fall to this process, as they do to a service manager, and not to process 1.
        set_child_subreaper(true).unwrap();
        for moment in EARLY_MS {
            let session = Session::start(&["live", "--demo"]);
            let pid = session.pid();
            std::thread::sleep(Duration::from_millis(moment));
            send(pid, Signal::SIGKILL);
            assert_eq!(session.exit_code(), 137);
            wait_for("end of every child", || session.others().is_empty().then_some(()));
            session.assert_mode_as_before();
        }
    });
}
