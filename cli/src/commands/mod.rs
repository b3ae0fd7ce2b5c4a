//! One file per command: each is a composition of the stages.

mod audit;
mod children;
mod completions;
mod demo;
mod doctor;
mod explain;
mod flags;
mod guard;
mod interrupts;
mod live;
mod load;
mod load_summary;
mod manual;
mod output;
mod own;
mod progress;
mod report;
mod serve;
mod session;

use std::{process::ExitCode, sync::LazyLock};

use crate::args::{Cli, Command};

/// Exit code for wrong usage, or when nothing could be measured.
const EXIT_UNUSABLE: u8 = 2;
/// Exit code when a finding reached the threshold.
const EXIT_FINDING: u8 = 1;

/// Runs a command; errors are printed, never panicked.
#[must_use]
pub fn run(cli: Cli) -> ExitCode {
    let outcome = match cli.command {
        Command::Live(arguments) => live::run(arguments),
        Command::Attach(arguments) => live::run(arguments.into()),
        Command::Report(arguments) => report::run(&arguments),
        Command::Audit(arguments) => audit::run(&arguments),
        Command::Doctor(arguments) => doctor::run(&arguments),
        Command::Explain { id } => explain::run(id),
        Command::Serve(arguments) => serve::run(arguments),
        Command::Load(arguments) => load::run(arguments),
        Command::Completions { shell } => completions::run(shell),
        Command::Man => manual::run(),
        Command::GuardTerminal => guard::run(),
    };
    match outcome {
        Ok(code) => code,
        Err(error) if output::is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            output::complain(&format!("{error:#}"));
            ExitCode::from(EXIT_UNUSABLE)
        }
    }
}

/// What `--version` prints: the version of the program and of the eBPF object inside.
#[must_use]
pub fn version() -> &'static str {
    static VERSION: LazyLock<String> =
        LazyLock::new(|| format!("{} ({})", env!("CARGO_PKG_VERSION"), crate::kernel::object_version()));
    VERSION.as_str()
}
