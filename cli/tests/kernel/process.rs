//! System calls and context switches of a process, against its own counts and the scheduler's.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Barrier};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage, setrlimit};
use nix::unistd::{close, dup, getppid, pipe2, read, write};

use crate::helper::{Helper, await_go, processors, say, stay_on};
use crate::netns::{in_namespace, measured};
use crate::truth;
use crate::watch::Watch;

const PARENT_ASKED: u64 = 1000;
const READS: u64 = 500;
const WRITES: u64 = 700;
const EMPTY_READS: u64 = 300;
const BAD_CLOSES: u64 = 200;
const FAILED_DUPS: u64 = 100;
const YIELDS: u64 = 50;
const NAPS: u64 = 20;
const NAP: Duration = Duration::from_millis(1);

/// Makes known numbers of system calls between two signs of its parent, and no other call.
pub fn make_calls() {
    let zero = File::open("/dev/zero").unwrap();
    let null = File::options().write(true).open("/dev/null").unwrap();
    let (empty, _keeps_it_open): (OwnedFd, OwnedFd) = pipe2(OFlag::O_NONBLOCK).unwrap();
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    // Every descriptor below it is in use.
    setrlimit(Resource::RLIMIT_NOFILE, 3, hard).unwrap();
    let mut buffer = [0; 64];
    say("ready");
    await_go();
    for _ in 0..PARENT_ASKED {
        getppid();
    }
    for _ in 0..READS {
        assert_eq!(read(&zero, &mut buffer), Ok(64));
    }
    for _ in 0..WRITES {
        assert_eq!(write(&null, &buffer), Ok(64));
    }
    for _ in 0..EMPTY_READS {
        assert_eq!(read(&empty, &mut buffer), Err(Errno::EAGAIN));
    }
    for _ in 0..BAD_CLOSES {
        assert_eq!(close(-1), Err(Errno::EBADF));
    }
    for _ in 0..FAILED_DUPS {
        assert_eq!(dup(&zero).err(), Some(Errno::EMFILE));
    }
    for _ in 0..YIELDS {
        std::thread::yield_now();
    }
    for _ in 0..NAPS {
        std::thread::sleep(NAP);
    }
    say("done");
    await_go();
}

/// Calls and errors by name, as [`make_calls`] makes them: besides the loops one read() of the sign, which
/// was under way when the window opened, and one write() that says "done".
fn calls_made() -> BTreeMap<String, (u64, BTreeMap<String, u64>)> {
    let none: &[(&str, u64)] = &[];
    [
        ("getppid", PARENT_ASKED, none),
        ("read", 1 + READS + EMPTY_READS, &[("EAGAIN", EMPTY_READS)]),
        ("write", WRITES + 1, none),
        ("close", BAD_CLOSES, &[("EBADF", BAD_CLOSES)]),
        ("dup", FAILED_DUPS, &[("EMFILE", FAILED_DUPS)]),
        ("sched_yield", YIELDS, none),
        ("clock_nanosleep", NAPS, none),
    ]
    .into_iter()
    .map(|(name, calls, errors)| {
        let errors = errors.iter().map(|(errno, count)| ((*errno).to_owned(), *count)).collect();
        (name.to_owned(), (calls, errors))
    })
    .collect()
}

#[test]
fn system_calls_and_errors_equal_those_made() {
    in_namespace(|_| {
        let mut child = Helper::start(&["calls"]);
        assert_eq!(child.hear(), "ready");
        truth::switches(child.pid());
        let watch = Watch::pid(child.pid());
        child.go();
        assert_eq!(child.hear(), "done");
        truth::switches(child.pid());
        let report = watch.finish();
        let Some(report) = report else { return };
        report.assert_nothing_lost();
        let process = report.process(child.pid());
        let Some(syscalls) = process.part("syscalls") else { return };
        let table = syscalls.value.as_array().unwrap();
        let reported: BTreeMap<_, _> = table
            .iter()
            .map(|call| {
                let errors: BTreeMap<String, u64> = serde_json::from_value(call["errors"].clone()).unwrap();
                (call["name"].as_str().unwrap().to_owned(), (call["calls"].as_u64().unwrap(), errors))
            })
            .collect();
        assert_eq!(reported, calls_made());
        let call = |name: &str| table.iter().find(|call| call["name"] == name).unwrap();
        assert_eq!(call("getppid")["latency_us"]["count"], PARENT_ASKED);
        // The kernel never ends a sleep early.
        let slept_us = call("clock_nanosleep")["total_us"].as_f64().unwrap();
        assert!(
            slept_us >= 1000.0 * f64::from(u32::try_from(NAPS).unwrap()),
            "{slept_us} us in clock_nanosleep"
        );
    });
}

/// Sleeps of one thread, and turns that each of the two others takes.
pub const SLEEPS: u64 = 200;
pub const TURNS: u64 = 3000;

/// Three threads on one processor between two signs of the parent: one sleeps, two take turns.
pub fn make_switches() {
    stay_on(processors()[0]);
    let gate = Arc::new(Barrier::new(4));
    let works: [fn(); 3] = [sleep_often, take_turns, take_turns];
    for work in works {
        let gate = Arc::clone(&gate);
        std::thread::spawn(move || {
            gate.wait();
            work();
            gate.wait();
            gate.wait();
        });
    }
    say("ready");
    await_go();
    gate.wait();
    gate.wait();
    say("done");
    await_go();
}

fn sleep_often() {
    for _ in 0..SLEEPS {
        std::thread::sleep(Duration::from_micros(100));
    }
}

fn take_turns() {
    for _ in 0..TURNS {
        std::thread::yield_now();
    }
}

#[test]
fn switches_equal_those_of_the_scheduler() {
    in_namespace(|_| {
        let mut child = Helper::start(&["switches"]);
        assert_eq!(child.hear(), "ready");
        let before = truth::switches(child.pid());
        let watch = Watch::pid(child.pid());
        child.go();
        assert_eq!(child.hear(), "done");
        let after = truth::switches(child.pid());
        let report = watch.finish();
        let (voluntary, involuntary) = (after.0 - before.0, after.1 - before.1);
        measured(&format!("{voluntary} voluntary and {involuntary} involuntary switches"));
        assert!(voluntary >= SLEEPS, "each sleep is a voluntary switch");
        assert!(involuntary > 0, "two threads that yield to each other are switched");
        let Some(report) = report else { return };
        report.assert_nothing_lost();
        let process = report.process(child.pid());
        let Some(switches) = process.part("switches") else { return };
        switches.assert_number("voluntary", voluntary);
        switches.assert_number("involuntary", involuntary);
    });
}

const ENDING: i64 = 10;

/// Threads that live and end between two signs of the parent, which is told the voluntary switches that
/// getrusage() counts for them and for the thread that waits for them.
pub fn end_threads() {
    say("ready");
    await_go();
    let before = getrusage(UsageWho::RUSAGE_SELF).unwrap().voluntary_context_switches();
    for _ in 0..ENDING {
        std::thread::spawn(|| (0..5).for_each(|_| std::thread::sleep(NAP))).join().unwrap();
    }
    // The last thread is waited for before its exit is complete.
    std::thread::sleep(Duration::from_millis(50));
    let after = getrusage(UsageWho::RUSAGE_SELF).unwrap().voluntary_context_switches();
    say(&(after - before).to_string());
    await_go();
}

#[test]
fn switches_of_threads_that_end_are_counted() {
    in_namespace(|_| {
        let mut child = Helper::start(&["ending-threads"]);
        assert_eq!(child.hear(), "ready");
        truth::switches(child.pid());
        let watch = Watch::pid(child.pid());
        child.go();
        let counted: i64 = child.hear().parse().unwrap();
        truth::switches(child.pid());
        let report = watch.finish();
        measured(&format!("{counted} voluntary switches by getrusage()"));
        assert!(counted >= ENDING * 5, "each sleep is a voluntary switch");
        let Some(report) = report else { return };
        report.assert_nothing_lost();
        let process = report.process(child.pid());
        let Some(switches) = process.part("switches") else { return };
        // getrusage() does not see the last switch of a thread, away from its dead self (kernel/exit.c,
        // release_task before do_task_dead), nor the wait for the second sign.
        switches.assert_number("voluntary", u64::try_from(counted + ENDING + 1).unwrap());
    });
}
