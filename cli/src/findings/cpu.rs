//! The scheduler's view of the target.

use super::rule::{ByHand, Found, Group, Outcome, Rule, Source, Verified};
use super::subject::why;
use super::text::{number, percent, plural, short};
use super::{DeclaredLoad, Evidence, Origin, Severity, Subject, fix};
use crate::model::{Model, Process, Quality, Switches};

/// Fewer switches than this say nothing.
const ENOUGH_SWITCHES: u64 = 100;

/// Switched out against its will.
pub(super) const CPU_005: Rule = Rule {
    id: "CPU-005",
    title: "The process is switched out although it could run on",
    group: Group::Processor,
    rank: 21,
    origin: Origin::Measured,
    reads: &["processes[].switches", "processes[].cpu_seconds", "processes[].threads"],
    applies: "A process was watched over a window with at least 100 switches.",
    formula: "share = involuntary / (involuntary + voluntary)\n\
              warn: share > 0.5 and the process used less than 95 % of one processor per thread\n\
              info: share > 0.5 and it used more: it is busy by itself",
    explanation: "An event loop gives the processor away when it waits in epoll_wait(): its switches are \
                  voluntary. Mostly involuntary ones mean that others want the same processor, or that \
                  callbacks compute for whole time slices; every connection of that loop waits meanwhile.",
    mechanism: "__schedule() (kernel/sched/core.c) counts nvcsw when a task leaves because it sleeps \
                (prev_state is not 0 and it is no preemption), and nivcsw otherwise. \
                /proc/PID/task/TID/status shows both as voluntary_ctxt_switches and \
                nonvoluntary_ctxt_switches.",
    by_hand: &[
        ByHand {
            command: "grep ctxt /proc/PID/task/*/status",
            shows: "both counters per thread: read twice, subtract",
        },
        ByHand { command: "pidstat -wt -p PID 1", shows: "cswch/s and nvcswch/s" },
    ],
    not_when: "A batch job that computes all the time is preempted by design. With a CPU quota the \
               switches come from throttling: raise the quota instead.",
    sources: &[
        Source { reference: "kernel/sched/core.c __schedule()", verified: Verified::Source },
        Source {
            reference: "rusage nvcsw 300, nivcsw 130: the scheduler probe counts 300 and 129",
            verified: Verified::Experiment,
        },
        Source { reference: "proc(5), /proc/PID/status", verified: Verified::Documentation },
    ],
    caused_by: &[],
    assess,
};

fn assess(model: &Model, _load: &DeclaredLoad) -> Vec<Outcome> {
    if model.processes.is_empty() {
        return vec![Outcome::Skip("no process traced: add --pid".to_owned())];
    }
    let Some(window) = model.window else {
        return vec![Outcome::Skip("needs a window: use live or report".to_owned())];
    };
    let judge = |process: &Process| match process.switches {
        None => Outcome::Skip(why(model, &format!("process.{}", process.pid), "switches", "not read")),
        Some(switches) => of_process(model, process, switches, window.seconds),
    };
    model.processes.iter().map(judge).collect()
}

fn of_process(model: &Model, process: &Process, switches: Switches, seconds: f64) -> Outcome {
    let subject = Subject::Process(process.pid);
    let total = switches.voluntary.saturating_add(switches.involuntary);
    if total < ENOUGH_SWITCHES {
        let seen = plural(total, "switch");
        return Outcome::Skip(format!("pid {}: only {seen} in {} s", process.pid, short(seconds)));
    }
    let share = number(switches.involuntary) / number(total);
    let text = format!("{} of {total} switches in {} s were involuntary", percent(share), short(seconds));
    if share <= 0.5 {
        return Outcome::pass(subject, text);
    }
    let Some(used) = process.cpu_seconds.map(|cpu| cpu.user + cpu.system).filter(|_| seconds > 0.0) else {
        return Outcome::Skip(why(
            model,
            &format!("process.{}", process.pid),
            "cpu_seconds",
            "processor time not read",
        ));
    };
    let per_thread = used / seconds / number(process.threads.max(1));
    let busy = per_thread >= 0.95;
    let cores = used / seconds;
    let (severity, detail) = if busy {
        (
            Severity::Info,
            format!("Its threads used {} of a processor each: it computes by itself.", percent(per_thread)),
        )
    } else {
        let detail =
            format!("It used {} processors: it was pushed aside before its work was done.", short(cores));
        (Severity::Warn, detail)
    };
    Found {
        severity,
        origin: Origin::Measured,
        subject,
        title: text.clone(),
        evidence: evidence(switches, cores),
        threshold: format!("{} > 50 %", percent(share)),
        detail,
        fixes: vec![fix::application(
            format!(
                "run no more busy threads than the {} processors of this host, or give the process \
                 processors of its own (AllowedCPUs=, taskset); move long computations out of the event \
                 loop",
                model.host.cpus
            ),
            format!("grep ctxt /proc/{}/task/*/status", process.pid),
            "",
        )],
    }
    .into()
}

fn evidence(switches: Switches, cores: f64) -> Vec<Evidence> {
    let source = switches.source;
    vec![
        fix::exact("involuntary switches", number(switches.involuntary), "switches", source),
        fix::exact("voluntary switches", number(switches.voluntary), "switches", source),
        Evidence {
            quality: Quality::Sampled,
            ..fix::exact("processors used", cores, "processors", "/proc/PID/stat")
        },
    ]
}
