//! The truth against strace: every system call of a loop, by name and errno.

#![cfg(test)]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{self, Command};
use std::time::Duration;

use common::{Process, connect, exact, produce, skipped, wait_for};
use demo_server::server::{Options, Stall, Truth};

/// Whether strace is here and may trace.
fn strace_works(test: &str) -> bool {
    match Command::new("strace").args(["-o", "/dev/null", "true"]).output() {
        Ok(output) if output.status.success() => true,
        Ok(output) => {
            skipped(
                test,
                &format!("strace cannot trace: {}", String::from_utf8_lossy(&output.stderr).trim()),
            );
            false
        }
        Err(error) => {
            skipped(test, &format!("cannot start strace: {error}"));
            false
        }
    }
}

/// A directory of this test, removed at the end.
struct Directory(std::path::PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("demo-server-{name}-{}", process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> String {
        self.0.join("trace").to_str().unwrap().to_owned()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The process that strace started.
fn traced(strace: u32) -> u32 {
    wait_for(|| {
        let children = fs::read_to_string(format!("/proc/{strace}/task/{strace}/children")).ok()?;
        children.split_whitespace().next()?.parse().ok()
    })
}

type Calls = BTreeMap<String, u64>;

/// Calls and errors of the thread with this name, between its first and its last wait or close: without what
/// starts and ends a thread.
fn calls_of_loop(directory: &Path, name: &str) -> (Calls, BTreeMap<String, Calls>) {
    let texts =
        fs::read_dir(directory).unwrap().map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap());
    let set_name = format!("prctl(PR_SET_NAME, \"{name}\"");
    let text = texts.into_iter().find(|text| text.contains(&set_name)).unwrap();
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with(['+', '-'])).collect();
    let bounds =
        |line: &&str| ["epoll_wait(", "epoll_pwait(", "close("].iter().any(|call| line.starts_with(call));
    let first = lines.iter().position(bounds).unwrap();
    let last = lines.iter().rposition(bounds).unwrap();
    let (mut calls, mut errors) = (Calls::new(), BTreeMap::<String, Calls>::new());
    for line in &lines[first..=last] {
        let call = line.split('(').next().unwrap().to_owned();
        if let Some((_, error)) = line.split_once(" = -1 ") {
            let errno = error.split_whitespace().next().unwrap().to_owned();
            *errors.entry(call.clone()).or_default().entry(errno).or_default() += 1;
        }
        *calls.entry(call).or_default() += 1;
    }
    (calls, errors)
}

#[test]
fn every_call_of_a_loop_is_in_the_truth_and_no_other() {
    if !strace_works("every_call_of_a_loop_is_in_the_truth_and_no_other") {
        return;
    }
    let directory = Directory::new("threads");
    let options = Options {
        stall: Some(Stall { duration: Duration::from_millis(5), every: Duration::from_millis(50) }),
        accept_batch: Some(16),
        body_bytes: 200_000,
        ..Options::default()
    };
    let server = Process::start(&["strace", "-ff", "-o", &directory.file()], &options);
    produce(&exact(server.bound.listen, 40, 200, 8));
    // A request in parts, answers that do not fit, and a connection that is open at the end.
    let mut stream = connect(server.bound.listen);
    let request = b"GET / HTTP/1.1\r\nHost: demo\r\n\r\n";
    stream.write_all(&request.repeat(40)[..1000]).unwrap();
    stream.write_all(&request.repeat(40)[1000..]).unwrap();
    let mut bytes = vec![0; 40 * 200_000];
    stream.read_exact(&mut bytes).unwrap();
    let pid = traced(server.pid());
    let truth = server.end(pid);
    let (calls, errors) = calls_of_loop(&directory.0, "demo-loop-0");
    assert_eq!(truth.syscalls, calls);
    assert_eq!(truth.syscall_errors, errors);
    assert!(truth.accept_eagain > 0 && truth.stalls > 0 && truth.requests == 240, "{truth:?}");
    drop(stream);
}

/// Calls by name from the table of `strace -c`: time, seconds, time per call, calls, perhaps errors, name.
fn calls_of_table(table: &str) -> Calls {
    let rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let rows = rows.filter(|words| words.len() >= 5 && words[0].parse::<f64>().is_ok());
    rows.map(|words| ((*words.last().unwrap()).to_owned(), words[3].parse().unwrap())).collect()
}

/// The summary of `strace -f -c` and the truth of a run with so many requests.
fn counted_run(connections: u32, requests: u64) -> (Calls, Truth) {
    let directory = Directory::new(&format!("table-{connections}"));
    let server = Process::start(&["strace", "-f", "-c", "-o", &directory.file()], &Options::default());
    produce(&exact(server.bound.listen, connections, requests, 1));
    let pid = traced(server.pid());
    let truth = server.end(pid);
    (calls_of_table(&fs::read_to_string(directory.file()).unwrap()), truth)
}

#[test]
fn summary_of_the_whole_process_shows_the_same_calls() {
    if !strace_works("summary_of_the_whole_process_shows_the_same_calls") {
        return;
    }
    // What the process does besides serving is the same for any number of requests, and cancels out.
    let (few_calls, few) = counted_run(1, 1);
    let (many_calls, many) = counted_run(30, 500);
    for call in ["accept4", "epoll_ctl", "epoll_wait", "epoll_pwait", "recvfrom", "sendto", "close"] {
        let of = |calls: &Calls| calls.get(call).copied().unwrap_or(0);
        assert_eq!(of(&many.syscalls) - of(&few.syscalls), of(&many_calls) - of(&few_calls), "{call}");
    }
    for call in ["accept4", "recvfrom", "sendto"] {
        assert_eq!(many.syscalls[call], many_calls[call], "{call}");
    }
    assert_eq!((many.syscalls["recvfrom"], many.syscalls["sendto"]), (530, 500));
}
