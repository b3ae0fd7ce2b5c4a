//! What became of each probe, in words that tell what to do.

use std::{collections::HashMap, fmt::Write, io, os::fd::AsFd, os::fd::AsRawFd, path::Path};

use aya::{
    EbpfError,
    programs::{Program, ProgramError},
};

use nix::errno::Errno;

use super::{
    Kernel,
    catalogue::{PROBES, Probe, When},
};
use crate::sample::{Lost, ProbeState, ProbeStatus, Via};

/// What became of a probe before it was attached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Its programs are loaded.
    Ready,
    /// It cannot run here.
    Failed {
        /// Why.
        reason: String,
        /// What would help.
        remedy: Option<String>,
    },
}

/// Lines of a verifier log that say what is wrong.
const LOG_TAIL: usize = 12;

impl Outcome {
    fn failed(reason: impl Into<String>, remedy: Option<&str>) -> Self {
        Self::Failed { reason: reason.into(), remedy: remedy.map(str::to_owned) }
    }

    /// The kernel's type information cannot be used.
    pub fn no_btf(path: &Path, error: &str) -> Self {
        Self::failed(
            format!("no kernel type information: {}: {error}", path.display()),
            Some(
                "run a kernel built with CONFIG_DEBUG_INFO_BTF=y, mount /sys in this container, or name the file \
                 with --btf",
            ),
        )
    }

    /// The kernel has no such tracepoint.
    pub fn no_tracepoint(name: &str) -> Self {
        Self::failed(format!("this kernel has no tracepoint {name}"), None)
    }

    /// The kernel lacks a field or value, or it has another width.
    pub fn no_field(name: &str) -> Self {
        Self::failed(format!("this kernel's type information has no {name} of the expected width"), None)
    }

    /// The process ids in `procfs` are those of PID namespace `inode`, not of the initial one.
    pub fn foreign_pids(inode: u64, procfs: &Path) -> Self {
        Self::failed(
            format!(
                "{} shows the process ids of a PID namespace of its own, {inode}, but the kernel's programs see \
                 those of the initial one: they would count nothing, or another process",
                procfs.display()
            ),
            Some(
                "run netscope on the host, or in its PID namespace (docker run --pid=host; hostPID: true), or \
                 mount the host's /proc and name it with --procfs",
            ),
        )
    }

    /// The object as a whole was refused.
    pub fn from_object(error: &EbpfError) -> Self {
        let text = chain(error);
        if is_permission(error) { Self::permission(&text) } else { Self::failed(text, None) }
    }

    /// A program was refused.
    pub fn from_program(error: &ProgramError, verbose: bool) -> Self {
        match error {
            ProgramError::LoadError { io_error, verifier_log } => {
                if io_error.raw_os_error() == Some(nix::libc::EPERM) {
                    return Self::permission(&format!("BPF_PROG_LOAD: {}", errno(io_error)));
                }
                Self::refused(io_error, &verifier_log.to_string(), verbose)
            }
            other if is_permission(other) => Self::permission(&chain(other)),
            other => Self::failed(chain(other), None),
        }
    }

    /// The verifier said no; its last lines tell what to, all of them if `verbose`.
    fn refused(error: &io::Error, log: &str, verbose: bool) -> Self {
        let lines: Vec<&str> = log.lines().collect();
        let left_out = if verbose { 0 } else { lines.len().saturating_sub(LOG_TAIL) };
        let mut reason = format!("the kernel refused the program: {}", errno(error));
        for line in lines.iter().skip(left_out) {
            let _ = write!(reason, "\n  {line}");
        }
        Self::failed(reason, Some("report this with the output of `netscope doctor --verbose`"))
    }

    fn permission(what: &str) -> Self {
        Self::failed(
            format!("not permitted, needs root or CAP_BPF and CAP_PERFMON ({what})"),
            Some(
                "run as root, or give the binary CAP_BPF and CAP_PERFMON (and CAP_SYS_ADMIN for other network namespaces)",
            ),
        )
    }
}

/// The error and its sources, without repetition; what a system call returned by the errno's name.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let message = inner.downcast_ref().map_or_else(|| inner.to_string(), errno);
        if !text.contains(&message) {
            let _ = write!(text, ": {message}");
        }
        source = inner.source();
    }
    text
}

/// "EPERM: Operation not permitted".
pub fn errno(error: &io::Error) -> String {
    error.raw_os_error().map_or_else(|| error.to_string(), |code| Errno::from_raw(code).to_string())
}

fn is_permission(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut current: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(inner) = current {
        if let Some(found) = inner.downcast_ref::<io::Error>() {
            return matches!(found.raw_os_error(), Some(nix::libc::EPERM | nix::libc::EACCES));
        }
        current = inner.source();
    }
    false
}

/// State and cost of every probe.
pub fn statuses(kernel: &Kernel) -> Vec<ProbeStatus> {
    PROBES.iter().zip(&kernel.outcomes).map(|(probe, outcome)| status(kernel, probe, outcome)).collect()
}

fn status(kernel: &Kernel, probe: &Probe, outcome: &Outcome) -> ProbeStatus {
    let state = match outcome {
        Outcome::Failed { reason, remedy } => {
            ProbeState::Unavailable { reason: reason.clone(), remedy: remedy.clone() }
        }
        Outcome::Ready if kernel.is_active(probe.name) => ProbeState::Active { via: Via::TpBtf },
        Outcome::Ready => ProbeState::Unavailable {
            reason: match probe.when {
                When::Selected => "no process is selected".to_owned(),
                When::Always => "not attached".to_owned(),
            },
            remedy: Some(
                "name one with --pid or --port, or press Enter on a listener in `netscope live`".to_owned(),
            ),
        },
    };
    let costs: Vec<Cost> = probe.programs.iter().filter_map(|program| cost(kernel, program.name)).collect();
    let sum = |field: fn(&Cost) -> Option<u64>| {
        costs.iter().map(field).sum::<Option<u64>>().filter(|_| !costs.is_empty())
    };
    ProbeStatus {
        name: probe.name.to_owned(),
        question: probe.question.to_owned(),
        state,
        timed_runs: sum(|cost| cost.runs),
        timed_run_ns: sum(|cost| cost.run_ns),
        misses: sum(|cost| cost.misses),
    }
}

/// What the kernel says of a program in the fdinfo of its descriptor (kernel/bpf/syscall.c,
/// bpf_prog_show_fdinfo).
struct Cost {
    runs: Option<u64>,
    run_ns: Option<u64>,
    misses: Option<u64>,
}

fn cost(kernel: &Kernel, name: &str) -> Option<Cost> {
    let Some(Program::BtfTracePoint(program)) = kernel.ebpf.as_ref()?.program(name) else { return None };
    let descriptor = program.fd().ok()?.as_fd().as_raw_fd();
    let text = std::fs::read_to_string(format!("/proc/self/fdinfo/{descriptor}")).ok()?;
    let values: HashMap<&str, u64> = text
        .lines()
        .filter_map(|line| line.split_once(':'))
        .filter_map(|(key, value)| Some((key, value.trim().parse().ok()?)))
        .collect();
    Some(Cost {
        runs: values.get("run_cnt").copied(),
        run_ns: values.get("run_time_ns").copied(),
        misses: values.get("recursion_misses").copied(),
    })
}

/// Runs that the recursion guards of all programs skipped.
pub fn recursion_misses(kernel: &Kernel) -> u64 {
    let programs = PROBES.iter().flat_map(|probe| probe.programs);
    programs.filter_map(|program| cost(kernel, program.name)?.misses).sum()
}

/// Loss counters by name, those above zero.
pub fn lost(kernel: &Kernel, counters: &[u64]) -> Lost {
    let reasons = probe_common::loss::NAMES.iter().zip(counters).filter(|(_, count)| **count > 0);
    Lost {
        reasons: reasons.map(|(name, &count)| ((*name).to_owned(), count)).collect(),
        recursion: recursion_misses(kernel),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(verbose: bool) -> String {
        let log: String = (0..100).map(|line| format!("{line}: (b7) r0 = {line}\n")).collect();
        match Outcome::refused(&io::Error::from_raw_os_error(nix::libc::EINVAL), &log, verbose) {
            Outcome::Failed { reason, .. } => reason,
            Outcome::Ready => panic!("a refused program is not ready"),
        }
    }

    #[test]
    fn a_refused_program_shows_the_last_lines_of_the_verifier() {
        let text = reason(false);
        assert!(text.starts_with("the kernel refused the program: EINVAL"), "{text}");
        assert!(text.ends_with("99: (b7) r0 = 99"), "{text}");
        assert_eq!(text.lines().count(), 1 + LOG_TAIL);
        assert_eq!(reason(true).lines().count(), 101);
    }
}
