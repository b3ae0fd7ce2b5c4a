//! The tools that are compared, and how each is called to look at the system calls of one process.

use std::path::PathBuf;

use crate::workspace;

/// One tool.
#[derive(Clone, Debug)]
pub struct Peer {
    /// As in the table.
    pub name: &'static str,
    /// What it records.
    pub records: &'static str,
    /// Its program, or why there is no row.
    pub program: Result<PathBuf, String>,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// What its output holds once it has seen the server's system calls.
    pub proof: &'static str,
}

/// Every tool, for the process `pid`; `netscope` is the program under test, or why it is absent. `seconds` is
/// how long netscope watches; the others end when they are interrupted.
#[must_use]
pub fn all(pid: u32, seconds: u32, netscope: Result<PathBuf, String>) -> Vec<Peer> {
    let process = pid.to_string();
    let seconds = format!("{seconds}s");
    let script = |text: String| vec!["-e".to_owned(), text];
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let enter = "tracepoint:raw_syscalls:sys_enter";
    let exit = "tracepoint:raw_syscalls:sys_exit";
    let peer = |name, records, program: &str, arguments, proof| {
        let missing = || format!("{program} is not installed: cargo xtask setup --bench");
        let program = workspace::executable(program).ok_or_else(missing);
        Peer { name, records, program, arguments, proof }
    };
    vec![
        peer(
            "empty pair",
            "nothing: two empty programs at raw_syscalls sys_enter and sys_exit",
            "bpftrace",
            script(format!("{enter} {{ }} {exit} {{ }}")),
            "Attaching",
        ),
        Peer {
            name: "netscope report",
            records: "everything",
            program: netscope,
            arguments: words(&["report", "--pid", &process, "--for", &seconds, "--json"]),
            proof: "epoll_wait",
        },
        peer("syscount -L", "calls and total time", "syscount", words(&["-L", "-p", &process]), "epoll_wait"),
        peer(
            "bpftrace, count",
            "calls",
            "bpftrace",
            script(format!("{enter} /pid == {process}/ {{ @[args->id] = count(); }}")),
            "@[",
        ),
        peer(
            "bpftrace, histogram",
            "calls and histogram of time",
            "bpftrace",
            script(format!(
                "{enter} /pid == {process}/ {{ @start[tid] = nsecs; }} \
                 {exit} /@start[tid]/ {{ @ns[args->id] = hist(nsecs - @start[tid]); delete(@start[tid]); }}"
            )),
            "@ns[",
        ),
        peer(
            "perf trace -s",
            "calls, errors, time",
            "perf",
            words(&["trace", "-s", "-p", &process]),
            "epoll_wait",
        ),
        peer(
            "strace -c",
            "calls, errors, time",
            "strace",
            words(&["-c", "-f", "-p", &process]),
            "epoll_wait",
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tool_looks_at_the_process_only() {
        for peer in all(4242, 5, Err("not built".to_owned())) {
            let arguments = peer.arguments.join(" ");
            assert!(arguments.contains("4242") || peer.name == "empty pair", "{}: {arguments}", peer.name);
        }
    }

    #[test]
    fn an_absent_program_keeps_its_reason() {
        let peers = all(1, 5, Err("not built".to_owned()));
        let netscope = peers.iter().find(|peer| peer.name == "netscope report").unwrap();
        assert_eq!(netscope.program, Err("not built".to_owned()));
    }
}
