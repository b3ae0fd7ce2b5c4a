//! netscope explain: one finding in full.

use std::{fmt::Write, process::ExitCode};

use crate::findings;

use super::output;

/// Prints the page of a finding, or the list of all.
///
/// # Errors
/// The id is unknown, or the output cannot be written.
pub fn run(id: Option<&str>) -> anyhow::Result<ExitCode> {
    let Some(id) = id else {
        let mut text = String::from("netscope explain ID, with one of:\n\n");
        for rule in findings::RULES {
            let _ = writeln!(text, "  {:<8} {}", rule.id, rule.title);
        }
        output::print(&text)?;
        return Ok(ExitCode::SUCCESS);
    };
    match findings::explain(id) {
        Some(page) => {
            output::print(&page)?;
            Ok(ExitCode::SUCCESS)
        }
        None => anyhow::bail!("no finding has the id {id}; `netscope explain` lists them all"),
    }
}
