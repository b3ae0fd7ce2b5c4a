//! netscope doctor: each probe, active or not, by which hook, why not, and what would enable it.

use std::{io::IsTerminal, process::ExitCode};

use crate::{args::DoctorArgs, kernel::Kernel, sample::ProbeState, view::text};

use super::{EXIT_FINDING, live::colours, output, session};

/// Runs the command; exits with 1 if a probe cannot run here.
///
/// # Errors
/// The output cannot be written.
pub fn run(arguments: &DoctorArgs) -> anyhow::Result<ExitCode> {
    let mut kernel = Kernel::start(&session::kernel_options(&arguments.sources));
    // Any process will do to see whether the probes of a process attach; this one has nothing to hide.
    kernel.select(&[i32::try_from(std::process::id())?]);
    let statuses = kernel.statuses();
    let text = if arguments.json {
        serde_json::to_string_pretty(&statuses)? + "\n"
    } else {
        text::doctor(&statuses, text::Style { colour: colours(std::io::stdout().is_terminal()) })
    };
    let all = statuses.iter().all(|status| matches!(status.state, ProbeState::Active { .. }));
    output::deliver(&text, if all { ExitCode::SUCCESS } else { ExitCode::from(EXIT_FINDING) })
}
