//! netscope audit: the preflight. No probes, no privileges needed to start.

use std::process::ExitCode;

use crate::{args::AuditArgs, model::Model};

use super::{output, session};

/// Runs the command.
///
/// # Errors
/// The target cannot be opened, or the output not be written.
pub fn run(arguments: &AuditArgs) -> anyhow::Result<ExitCode> {
    let mut collector = session::open(&arguments.trees, &arguments.target)?;
    let sample = collector.sample();
    for notice in collector.take_notices() {
        output::complain(&notice);
    }
    let model = Model::at(&sample);
    let assessment = session::judge(&model, &session::declared(arguments.declared));
    session::finish(&model, &assessment, arguments.json, arguments.fail_on)
}
