//! netscope report: watch for a while, then print what was measured and found.

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use crate::{
    args::ReportArgs,
    collect::Collector,
    model::{Model, Peaks},
    sample::Sample,
};

use super::{interrupts::Interrupts, output, progress::Progress, session};

/// How often the queues are looked at between the ends of the window.
const LOOK: Duration = Duration::from_millis(500);
/// For how long of each look the kernel times the probes' runs.
const TIMED: Duration = Duration::from_millis(25);

/// Runs the command.
///
/// # Errors
/// The target cannot be opened, or the output not be written.
pub fn run(arguments: &ReportArgs) -> anyhow::Result<ExitCode> {
    let mut interrupts = Interrupts::block()?;
    let mut collector = session::open(&arguments.sources.trees, &arguments.target)?;
    collector.start_probes(&session::kernel_options(&arguments.sources));
    let first = collector.sample();
    for notice in collector.take_notices() {
        output::complain(&notice);
    }
    output::complain(&format!(
        "measuring {} for {:?}; Ctrl-C ends it early",
        collector.display(),
        arguments.r#for
    ));
    let (last, peaks) =
        watch(&mut collector, &mut interrupts, Progress::of(arguments.r#for), arguments.r#for, &first);
    let model = Model::between(&first, &last, &peaks);
    let assessment = session::judge(&model, &session::declared(arguments.declared));
    session::finish(&model, &assessment, arguments.json, arguments.fail_on)
}

/// Looks at the queues until the time is over or somebody asks for the end; gives the last sample.
pub fn watch(
    collector: &mut Collector,
    interrupts: &mut Interrupts,
    mut progress: Progress,
    time: Duration,
    first: &Sample,
) -> (Sample, Peaks) {
    let start = Instant::now();
    let end = start + time;
    let mut peaks = Peaks::default();
    peaks.observe(first);
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        progress.show(start.elapsed());
        collector.time_runs(true);
        let asked = interrupts.sleep(left.min(TIMED));
        collector.time_runs(false);
        if asked || interrupts.sleep(left.min(LOOK).saturating_sub(TIMED)) {
            break;
        }
        if !end.saturating_duration_since(Instant::now()).is_zero() {
            peaks.observe(&collector.sample());
        }
    }
    let last = collector.sample();
    peaks.observe(&last);
    (last, peaks)
}
