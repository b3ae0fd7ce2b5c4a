//! One file per command: each is a composition of the stages.

mod audit;
mod children;
mod demo;
mod doctor;
mod explain;
mod guard;
mod interrupts;
mod live;
mod load;
mod output;
mod own;
mod report;
mod serve;
mod session;

use std::{process::ExitCode, sync::LazyLock};

use clap::CommandFactory;

use crate::args::{Cli, Command};

/// Exit code for wrong usage, or when nothing could be measured.
const EXIT_UNUSABLE: u8 = 2;
/// Exit code when a finding reached the threshold.
const EXIT_FINDING: u8 = 1;

/// Runs a command; errors are printed, never panicked.
#[must_use]
pub fn run(cli: Cli) -> ExitCode {
    let outcome = match cli.command {
        Command::Live(arguments) => live::run(&cli.sources, arguments),
        Command::Attach(arguments) => live::run(&cli.sources, arguments.into()),
        Command::Report(arguments) => report::run(&cli.sources, &arguments),
        Command::Audit(arguments) => audit::run(&cli.sources, &arguments),
        Command::Doctor { json } => doctor::run(&cli.sources, json),
        Command::Explain { id } => explain::run(id.as_deref()),
        Command::Serve(arguments) => serve::run(arguments),
        Command::Load(arguments) => load::run(arguments),
        Command::Completions { shell } => completions(shell),
        Command::Man => manual(),
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

fn completions(shell: clap_complete::Shell) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "netscope", &mut script);
    output::print_bytes(&script)?;
    Ok(ExitCode::SUCCESS)
}

fn manual() -> anyhow::Result<ExitCode> {
    let mut page = Vec::new();
    clap_mangen::Man::new(Cli::command()).render(&mut page)?;
    for command in Cli::command().get_subcommands().filter(|command| !command.is_hide_set()) {
        clap_mangen::Man::new(command.clone()).render_synopsis_section(&mut page)?;
        clap_mangen::Man::new(command.clone()).render_options_section(&mut page)?;
    }
    output::print_bytes(&page)?;
    Ok(ExitCode::SUCCESS)
}
