//! netscope audit: the preflight. No probes, no privileges needed to start.

use std::{io::IsTerminal, process::ExitCode};

use crate::{
    args::{AuditArgs, Sources},
    model::Model,
    view::{json, text},
};

use super::{live::colours, output, session};

/// Runs the command.
///
/// # Errors
/// The target cannot be opened, or the output not be written.
pub fn run(sources: &Sources, arguments: &AuditArgs) -> anyhow::Result<ExitCode> {
    let mut collector = session::open(sources, &arguments.target)?;
    let sample = collector.sample();
    for notice in collector.take_notices() {
        output::complain(&notice);
    }
    let model = Model::at(&sample);
    let assessment = session::judge(&model, &session::declared(arguments.declared));
    if arguments.json {
        output::print(&(json::to_json(&model, &assessment)? + "\n"))?;
    } else {
        let style = text::Style { colour: colours(std::io::stdout().is_terminal()) };
        output::print(&text::render(&model, &assessment, style))?;
    }
    Ok(session::exit_code(&assessment, arguments.fail_on))
}
