//! `cargo xtask ci`.

use anyhow::Result;

use super::{object, setup, test};
use crate::step::Steps;
use crate::workspace::Workspace;

/// Runs `cargo xtask ci`: setup, test, object verify. The last lines are the results of the tests.
pub fn run(workspace: &Workspace) -> Result<()> {
    let mut steps = Steps::default();
    // A machine that setup cannot prepare runs what it can: what it lacks shows up as skips.
    if let Err(error) = setup::run(workspace, &setup::Arguments::default()) {
        println!("  warning: setup: {error:#}");
    }
    let mut summary = test::add(workspace, &mut steps);
    steps.run("object rebuild", || {
        if let Some(line) = object::rebuild(workspace)? {
            println!("{line}");
            summary.add_skip(&line);
        }
        Ok(())
    });
    steps.run("skips", || test::judge(workspace, &summary));
    let outcome = steps.finish();
    println!("{}", summary.text());
    outcome
}
