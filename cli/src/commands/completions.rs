//! netscope completions: a script for the shell.

use std::process::ExitCode;

use clap::{Command, CommandFactory};
use clap_complete::Shell;

use crate::{
    args::Cli,
    findings::{RULES, Rule},
};

use super::output;

/// Prints the script.
///
/// # Errors
/// The output cannot be written.
pub fn run(shell: Shell) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut visible(&Cli::command()), "netscope", &mut script);
    if shell == Shell::Fish {
        script.extend(finding_ids().bytes());
    }
    output::print_bytes(&script)?;
    Ok(ExitCode::SUCCESS)
}

/// The ids for `explain`: the generator for fish leaves out the values of arguments that are no options.
fn finding_ids() -> String {
    let line = |rule: &Rule| {
        let title = rule.title.replace('\'', "\\'");
        format!(
            "complete -c netscope -n '__fish_seen_subcommand_from explain' -f -a '{}' -d '{title}'\n",
            rule.id
        )
    };
    RULES.iter().map(line).collect()
}

/// The command line without what is hidden: the generators would offer it.
fn visible(command: &Command) -> Command {
    let mut shown = Command::new(command.get_name().to_owned());
    if let Some(about) = command.get_about() {
        shown = shown.about(about.clone());
    }
    if let Some(version) = command.get_version() {
        shown = shown.version(version.to_owned());
    }
    shown
        .args(command.get_arguments().filter(|argument| !argument.is_hide_set()).cloned())
        .subcommands(command.get_subcommands().filter(|one| !one.is_hide_set()).map(visible))
}
