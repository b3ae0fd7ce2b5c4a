//! The traced processes.

use crate::sample::{self, CgroupLimits, ThreadSwitches};

use super::distribution::{self, NS_PER_US};
use super::window::Ends;
use super::{CpuSeconds, Distribution, Limits, Process, Quality, Switches, fds, memory, number, syscalls};

/// CAP_SYS_ADMIN in a capability set (include/uapi/linux/capability.h).
const CAP_SYS_ADMIN: u64 = 1 << 21;

/// One row for each process of the later sample, then those that ended in the window.
pub(super) fn rows(ends: &Ends<'_>) -> Vec<Process> {
    let alive = &ends.later.processes;
    let mut rows: Vec<Process> = alive.iter().map(|process| row(ends, process)).collect();
    let earlier = ends.earlier().map_or(&[][..], |sample| &sample.processes);
    let ended = earlier.iter().filter(|process| alive.iter().all(|other| other.pid != process.pid));
    rows.extend(ended.map(|process| last_row(ends, process)));
    rows
}

fn row(ends: &Ends<'_>, process: &sample::Process) -> Process {
    let baseline = ends.baseline(process);
    let counters = baseline.and_then(|_| ends.process_counters(process.pid));
    let calls = counters.and_then(|(earlier, later)| syscalls::increments(earlier, later));
    let cgroup = process.cgroup.value();
    Process {
        pid: process.pid,
        comm: process.comm.clone(),
        exe: process.exe.value().cloned(),
        unit: process.unit.clone(),
        cgroup: cgroup.map(|cgroup| cgroup.path.clone()),
        netns: process.netns.value().copied(),
        ended: false,
        threads: process.threads,
        cpu_seconds: baseline.map(|earlier| cpu_seconds(earlier, process)),
        switches: baseline.and_then(|earlier| switches(ends, earlier, process)),
        run_queue_us: counters.and_then(|_| run_queue(ends, process.pid)),
        syscalls: calls.as_deref().map(|calls| syscalls::rows(ends, calls)),
        accept: calls.as_deref().map(syscalls::accept),
        fds: fds::fds(process, baseline, ends.window()),
        memory: memory::memory(ends.later, process),
        limits: limits(process, cgroup),
    }
}

/// The row of a process that is gone: its name and limits, and what the probes counted until its end.
fn last_row(ends: &Ends<'_>, process: &sample::Process) -> Process {
    let counters = ends.process_counters(process.pid);
    let calls = counters.and_then(|(earlier, later)| syscalls::increments(earlier, later));
    let cgroup = process.cgroup.value();
    Process {
        pid: process.pid,
        comm: process.comm.clone(),
        exe: process.exe.value().cloned(),
        unit: process.unit.clone(),
        cgroup: cgroup.map(|cgroup| cgroup.path.clone()),
        netns: process.netns.value().copied(),
        ended: true,
        threads: 0,
        cpu_seconds: None,
        switches: probed_switches(ends, process.pid),
        run_queue_us: run_queue(ends, process.pid),
        syscalls: calls.as_deref().map(|calls| syscalls::rows(ends, calls)),
        accept: calls.as_deref().map(syscalls::accept),
        fds: None,
        memory: super::Memory::default(),
        limits: limits(process, cgroup),
    }
}

fn cpu_seconds(earlier: &sample::Process, later: &sample::Process) -> CpuSeconds {
    CpuSeconds {
        user: number(later.cpu_user_us.saturating_sub(earlier.cpu_user_us)) / 1e6,
        system: number(later.cpu_system_us.saturating_sub(earlier.cpu_system_us)) / 1e6,
    }
}

/// Switches as the scheduler probe counted them, else as /proc did.
fn switches(ends: &Ends<'_>, earlier: &sample::Process, later: &sample::Process) -> Option<Switches> {
    probed_switches(ends, later.pid).or_else(|| {
        let (before, now) = (earlier.switches.value()?, later.switches.value()?);
        Some(switches_of_threads(before, now))
    })
}

fn probed_switches(ends: &Ends<'_>, pid: i32) -> Option<Switches> {
    let (earlier, later) = ends.process_counters(pid)?;
    Some(Switches {
        voluntary: later.voluntary?.saturating_sub(earlier.voluntary?),
        involuntary: later.involuntary?.saturating_sub(earlier.involuntary?),
        source: "probe",
    })
}

/// Sum over the threads that are alive. A thread that is new in the window started at zero; the last switches of
/// a thread that ended are lost, because /proc keeps nothing of it.
fn switches_of_threads(before: &[ThreadSwitches], now: &[ThreadSwitches]) -> Switches {
    let mut switches = Switches { voluntary: 0, involuntary: 0, source: "procfs" };
    for thread in now {
        let earlier = before.iter().find(|other| other.tid == thread.tid);
        let (voluntary, involuntary) =
            earlier.map_or((0, 0), |earlier| (earlier.voluntary, earlier.involuntary));
        let new =
            (thread.voluntary.saturating_sub(voluntary), thread.involuntary.saturating_sub(involuntary));
        switches.voluntary = switches.voluntary.saturating_add(new.0);
        switches.involuntary = switches.involuntary.saturating_add(new.1);
    }
    switches
}

fn run_queue(ends: &Ends<'_>, pid: i32) -> Option<Distribution> {
    let (earlier, later) = ends.process_counters(pid)?;
    let window = earlier.run_queue_ns.as_ref()?.until(later.run_queue_ns.as_ref()?);
    let quality = if ends.lost_any(&["threads_full"]) { Quality::Sampled } else { Quality::Exact };
    distribution::of(&window, NS_PER_US, quality)
}

fn limits(process: &sample::Process, cgroup: Option<&CgroupLimits>) -> Limits {
    Limits {
        nofile: process.nofile.value().copied(),
        nproc: process.nproc.value().copied(),
        pids_max: cgroup.and_then(|cgroup| cgroup.pids_max),
        pids_current: cgroup.and_then(|cgroup| cgroup.pids_current),
        memory_max_bytes: cgroup.and_then(|cgroup| cgroup.memory_max),
        memory_current_bytes: cgroup.and_then(|cgroup| cgroup.memory_current),
        maps: process.maps.value().copied(),
        cap_sys_admin: process.cap_effective.value().map(|set| set & CAP_SYS_ADMIN != 0),
        uid: process.uid,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Model, Peaks, testing};
    use crate::sample::{Reading, Sample};

    fn pair() -> (Sample, Sample) {
        let (mut earlier, mut later) = testing::pair_with_probes(2.0);
        earlier.processes = vec![testing::process(42)];
        later.processes = vec![testing::process(42)];
        (earlier, later)
    }

    fn process((earlier, later): &(Sample, Sample)) -> Process {
        Model::between(earlier, later, &Peaks::default()).processes.remove(0)
    }

    fn threads(counts: &[(i32, u64, u64)]) -> Reading<Vec<ThreadSwitches>> {
        let thread = |&(tid, voluntary, involuntary)| ThreadSwitches { tid, voluntary, involuntary };
        Reading::Value(counts.iter().map(thread).collect())
    }

    #[test]
    fn processor_time_is_that_of_the_window() {
        let mut samples = pair();
        samples.0.processes[0].cpu_user_us = 1_000_000;
        samples.1.processes[0].cpu_user_us = 2_500_000;
        samples.1.processes[0].cpu_system_us = 250_000;
        assert_eq!(process(&samples).cpu_seconds, Some(CpuSeconds { user: 1.5, system: 0.25 }));
    }

    #[test]
    fn switches_of_proc_are_per_thread() {
        let mut samples = pair();
        samples.0.processes[0].switches = threads(&[(42, 100, 10), (43, 500, 50)]);
        samples.1.processes[0].switches = threads(&[(42, 130, 11), (44, 7, 2)]);
        let expected = Switches { voluntary: 37, involuntary: 3, source: "procfs" };
        assert_eq!(process(&samples).switches, Some(expected));
    }

    #[test]
    fn switches_of_the_probe_are_preferred() {
        let mut samples = pair();
        samples.0.processes[0].switches = threads(&[(42, 0, 0)]);
        samples.1.processes[0].switches = threads(&[(42, 9, 9)]);
        for (sample, count) in [(&mut samples.0, 100), (&mut samples.1, 130)] {
            let mut counters = testing::process_counters(42);
            counters.voluntary = Some(count);
            counters.involuntary = Some(count / 10);
            sample.probes.as_mut().unwrap().processes = vec![counters];
        }
        let expected = Switches { voluntary: 30, involuntary: 3, source: "probe" };
        assert_eq!(process(&samples).switches, Some(expected));
        samples.0.probes.as_mut().unwrap().processes[0].voluntary = None;
        let expected = Switches { voluntary: 9, involuntary: 9, source: "procfs" };
        assert_eq!(process(&samples).switches, Some(expected));
    }

    #[test]
    fn a_reused_pid_starts_afresh() {
        let mut samples = pair();
        for sample in [&mut samples.0, &mut samples.1] {
            let mut counters = testing::process_counters(42);
            counters.voluntary = Some(1);
            counters.involuntary = Some(1);
            counters.syscalls = Some(vec![]);
            sample.probes.as_mut().unwrap().processes = vec![counters];
        }
        assert!(process(&samples).syscalls.is_some());
        samples.1.processes[0].start_ticks += 1;
        let row = process(&samples);
        assert!(!row.ended);
        assert_eq!((row.cpu_seconds, row.switches, row.syscalls, row.accept), (None, None, None, None));
        assert_eq!(row.fds.unwrap().slope_per_s, None);
    }

    #[test]
    fn one_sample_has_state_but_no_rates() {
        let samples = pair();
        let row = Model::at(&samples.1).processes.remove(0);
        assert_eq!((row.cpu_seconds, row.switches, row.run_queue_us), (None, None, None));
        assert_eq!((row.threads, row.fds.unwrap().open), (1, 10));
    }

    #[test]
    fn a_process_that_ended_keeps_a_row() {
        let mut samples = pair();
        samples.1.processes.clear();
        for (sample, count) in [(&mut samples.0, 1), (&mut samples.1, 4)] {
            let mut counters = testing::process_counters(42);
            counters.voluntary = Some(count);
            counters.involuntary = Some(0);
            sample.probes.as_mut().unwrap().processes = vec![counters];
        }
        let row = process(&samples);
        assert!(row.ended);
        assert_eq!(row.switches.unwrap().voluntary, 3);
        assert_eq!((row.fds, row.memory.rss_bytes, row.cpu_seconds), (None, None, None));
    }

    #[test]
    fn run_queue_is_in_microseconds() {
        let mut samples = pair();
        for (sample, waits) in [(&mut samples.0, vec![]), (&mut samples.1, vec![50_000; 10])] {
            let mut counters = testing::process_counters(42);
            counters.run_queue_ns = Some(testing::run_queue(&waits));
            sample.probes.as_mut().unwrap().processes = vec![counters];
        }
        let waits = process(&samples).run_queue_us.unwrap();
        assert_eq!((waits.count, waits.sum, waits.quality), (10, 500.0, Quality::Exact));
        assert!((40.0..=60.0).contains(&waits.p50), "{}", waits.p50);
        samples.1.probes.as_mut().unwrap().lost.recursion = 1;
        assert_eq!(process(&samples).run_queue_us.unwrap().quality, Quality::Sampled);
    }

    #[test]
    fn limits_come_from_the_process_and_its_cgroup() {
        let mut sample = testing::sample();
        sample.processes = vec![testing::process(42)];
        sample.processes[0].cap_effective = Reading::Value(CAP_SYS_ADMIN | 1);
        sample.processes[0].cgroup = Reading::Value(CgroupLimits {
            path: "/a.slice".to_owned(),
            pids_max: Some(512),
            pids_current: Some(3),
            memory_max: None,
            memory_current: None,
        });
        let row = Model::at(&sample).processes.remove(0);
        assert_eq!((row.limits.pids_max, row.limits.pids_current), (Some(512), Some(3)));
        assert_eq!((row.limits.memory_max_bytes, row.limits.cap_sys_admin), (None, Some(true)));
        assert_eq!(row.cgroup.as_deref(), Some("/a.slice"));
    }
}
