//! System calls of a process in the window.

use std::collections::BTreeMap;

use nix::errno::Errno;
use nix::libc;

use crate::sample::{ProcessCounters, SyscallCounters};

use super::distribution::{self, NS_PER_US};
use super::window::Ends;
use super::{AcceptCalls, Quality, Syscall, number, syscall_names};

/// Calls of one number in the window.
pub(super) struct Increment {
    number: u32,
    calls: u64,
    errors: BTreeMap<u32, u64>,
    latency_ns: crate::sample::Histogram,
}

/// What was called in the window; `None` unless the probe ran at both ends.
pub(super) fn increments(earlier: &ProcessCounters, later: &ProcessCounters) -> Option<Vec<Increment>> {
    let (before, now) = (earlier.syscalls.as_ref()?, later.syscalls.as_ref()?);
    let increments =
        now.iter().map(|call| increment(before.iter().find(|other| other.number == call.number), call));
    Some(increments.filter(|increment| increment.calls > 0).collect())
}

/// The rows, most time first, then most calls.
pub(super) fn rows(ends: &Ends<'_>, increments: &[Increment]) -> Vec<Syscall> {
    let incomplete = ends.lost_any(&["threads_full"]);
    let mut rows: Vec<Syscall> = increments.iter().map(|increment| row(increment, incomplete)).collect();
    rows.sort_by(|a, b| {
        b.total_us.total_cmp(&a.total_us).then(b.calls.cmp(&a.calls)).then_with(|| a.name.cmp(&b.name))
    });
    rows
}

/// Outcomes of accept() and accept4().
pub(super) fn accept(increments: &[Increment]) -> AcceptCalls {
    let mut outcomes = AcceptCalls::default();
    for increment in increments.iter().filter(|increment| is_accept(increment.number)) {
        let of = |errno: Errno| {
            let errno = u32::try_from(errno as i32).unwrap_or(0);
            increment.errors.get(&errno).copied().unwrap_or(0)
        };
        let failed = increment.errors.values().fold(0_u64, |total, &calls| total.saturating_add(calls));
        outcomes.ok = outcomes.ok.saturating_add(increment.calls.saturating_sub(failed));
        outcomes.eagain = outcomes.eagain.saturating_add(of(Errno::EAGAIN));
        outcomes.emfile = outcomes.emfile.saturating_add(of(Errno::EMFILE).saturating_add(of(Errno::ENFILE)));
    }
    outcomes
}

/// Increment of one number; without a baseline it was first called in the window.
fn increment(before: Option<&SyscallCounters>, now: &SyscallCounters) -> Increment {
    let new = |(&errno, &calls): (&u32, &u64)| {
        let earlier = before.and_then(|before| before.errors.get(&errno)).copied().unwrap_or(0);
        let new = calls.saturating_sub(earlier);
        (new > 0).then_some((errno, new))
    };
    Increment {
        number: now.number,
        calls: now.calls.saturating_sub(before.map_or(0, |before| before.calls)),
        errors: now.errors.iter().filter_map(new).collect(),
        latency_ns: before
            .map_or_else(|| now.latency_ns.clone(), |before| before.latency_ns.until(&now.latency_ns)),
    }
}

/// A call that was already running when the probe was attached is counted and not timed; then, and when events
/// were lost, the times are those of a part of the calls.
fn row(increment: &Increment, incomplete: bool) -> Syscall {
    let all = distribution::count(&increment.latency_ns) >= increment.calls;
    let quality = if all && !incomplete { Quality::Exact } else { Quality::Sampled };
    Syscall {
        name: name(increment.number),
        calls: increment.calls,
        errors: increment.errors.iter().map(|(&errno, &calls)| (errno_name(errno), calls)).collect(),
        total_us: number(increment.latency_ns.sum) / NS_PER_US,
        latency_us: distribution::of(&increment.latency_ns, NS_PER_US, quality)
            .unwrap_or_else(|| distribution::empty(quality)),
    }
}

fn is_accept(number: u32) -> bool {
    [libc::SYS_accept, libc::SYS_accept4].contains(&libc::c_long::from(number))
}

fn name(number: u32) -> String {
    syscall_names::name(number).map_or_else(|| format!("syscall_{number}"), str::to_owned)
}

/// The name of an errno, the codes of a restarted call included (include/linux/errno.h): a signal interrupted
/// it and the kernel is about to repeat it.
fn errno_name(errno: u32) -> String {
    match errno {
        512 => return "ERESTARTSYS".to_owned(),
        513 => return "ERESTARTNOINTR".to_owned(),
        514 => return "ERESTARTNOHAND".to_owned(),
        516 => return "ERESTART_RESTARTBLOCK".to_owned(),
        _ => {}
    }
    match i32::try_from(errno).map(Errno::from_raw) {
        Ok(Errno::UnknownErrno) | Err(_) => format!("errno_{errno}"),
        Ok(known) => format!("{known:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Model, Peaks, Process, testing};
    use crate::sample::Sample;

    fn counters(number: u32, calls: u64, nanoseconds: u64) -> SyscallCounters {
        testing::syscall(number, calls, nanoseconds)
    }

    fn pair(before: Vec<SyscallCounters>, now: Vec<SyscallCounters>) -> (Sample, Sample) {
        let (mut earlier, mut later) = testing::pair_with_probes(1.0);
        for (sample, syscalls) in [(&mut earlier, before), (&mut later, now)] {
            sample.processes = vec![testing::process(42)];
            let mut process = testing::process_counters(42);
            process.syscalls = Some(syscalls);
            sample.probes.as_mut().unwrap().processes = vec![process];
        }
        (earlier, later)
    }

    fn process((earlier, later): &(Sample, Sample)) -> Process {
        Model::between(earlier, later, &Peaks::default()).processes.remove(0)
    }

    #[test]
    fn most_time_first_and_only_what_was_called() {
        let before = vec![counters(0, 10, 500), counters(3, 5, 500)];
        let now = vec![counters(0, 10, 500), counters(3, 15, 500), counters(232, 2, 100_000)];
        let rows = process(&pair(before, now)).syscalls.unwrap();
        let names: Vec<_> = rows.iter().map(|row| (row.name.as_str(), row.calls, row.total_us)).collect();
        assert_eq!(names, [("epoll_wait", 2, 200.0), ("close", 10, 5.0)]);
        assert_eq!(rows[0].latency_us.count, 2);
        assert_eq!(rows[0].latency_us.quality, Quality::Exact);
    }

    #[test]
    fn errors_of_the_window_have_names() {
        let mut before = counters(288, 10, 1000);
        before.errors = [(11, 4), (24, 1)].into();
        let mut now = counters(288, 30, 1000);
        now.errors = [(11, 10), (24, 1), (23, 2), (512, 1), (4000, 1)].into();
        let process = process(&pair(vec![before], vec![now]));
        let errors = &process.syscalls.unwrap()[0].errors;
        let expected = [("EAGAIN", 6), ("ENFILE", 2), ("ERESTARTSYS", 1), ("errno_4000", 1)];
        assert_eq!(errors, &expected.map(|(name, calls)| (name.to_owned(), calls)).into());
        assert_eq!(process.accept, Some(AcceptCalls { ok: 10, eagain: 6, emfile: 2 }));
    }

    #[test]
    fn accept_and_accept4_are_added() {
        let mut failing = counters(43, 5, 1000);
        failing.errors = [(24, 3)].into();
        let process = process(&pair(vec![], vec![failing, counters(288, 7, 1000), counters(0, 9, 1000)]));
        assert_eq!(process.accept, Some(AcceptCalls { ok: 9, eagain: 0, emfile: 3 }));
    }

    #[test]
    fn a_call_that_was_not_timed_is_not_shown_as_zero() {
        let mut untimed = counters(7, 1, 1000);
        untimed.latency_ns.counts.clear();
        untimed.latency_ns.sum = 0;
        let row = process(&pair(vec![], vec![untimed])).syscalls.unwrap().remove(0);
        assert_eq!((row.calls, row.latency_us.count, row.latency_us.quality), (1, 0, Quality::Sampled));
        let json = serde_json::to_value(&row).unwrap();
        assert!(json.get("total_us").is_none() && json.get("latency_us").is_none());
    }

    #[test]
    fn a_partly_timed_call_is_sampled() {
        let mut partly = counters(7, 3, 1000);
        partly.calls += 1;
        let row = process(&pair(vec![], vec![partly])).syscalls.unwrap().remove(0);
        assert_eq!((row.calls, row.latency_us.count, row.latency_us.quality), (4, 3, Quality::Sampled));
    }

    #[test]
    fn absent_without_the_probe_at_both_ends() {
        let mut samples = pair(vec![], vec![counters(0, 1, 1000)]);
        samples.0.probes.as_mut().unwrap().processes[0].syscalls = None;
        let process = process(&samples);
        assert_eq!((process.syscalls, process.accept), (None, None));
    }

    #[test]
    fn unknown_numbers_keep_their_number() {
        assert_eq!(name(400), "syscall_400");
    }
}
