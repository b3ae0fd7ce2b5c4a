//! `cargo xtask test`.

use std::collections::BTreeMap;
use std::env;
use std::fs;

use anyhow::{Context, Result, anyhow, bail};

use super::check::{self, UnitTests};
use crate::step::{self, Steps};
use crate::summary::{Summary, allowed_skips};
use crate::workspace::Workspace;

/// The skips that continuous integration accepts, relative to the workspace.
const ALLOWED_SKIPS: &str = "xtask/allowed-skips.txt";

/// Runs `cargo xtask test`.
pub fn run(workspace: &Workspace) -> Result<()> {
    let mut steps = Steps::default();
    let summary = add(workspace, &mut steps);
    steps.run("skips", || judge(workspace, &summary));
    println!("{}", summary.text());
    steps.finish()
}

/// Adds the steps of `test` to those of another command; returns what the tests came to.
pub fn add(workspace: &Workspace, steps: &mut Steps) -> Summary {
    check::add(workspace, steps, UnitTests::Leave);
    let mut summary = Summary::default();
    steps.run("tests", || {
        let mut command = check::cargo(workspace, "test");
        // The harness hides what passing tests print unless it is asked, and a skip is a passing test.
        check::host(&mut command).args(["--no-fail-fast", "--", "--show-output"]);
        let (status, text) = step::run_captured(&mut command)?;
        summary = Summary::of(&text);
        if !status.success() {
            bail!("{status}");
        }
        if summary.results.is_empty() {
            bail!("the tests printed no result");
        }
        Ok(())
    });
    summary
}

/// With `CI=true` a skip must be on the list.
pub fn judge(workspace: &Workspace, summary: &Summary) -> Result<()> {
    let text = fs::read_to_string(workspace.path(ALLOWED_SKIPS))
        .with_context(|| format!("cannot read {ALLOWED_SKIPS}"))?;
    let allowed = allowed_skips(&text).map_err(|line| anyhow!("{ALLOWED_SKIPS}: no reason in \"{line}\""))?;
    verdict(summary, &allowed, env::var("CI").is_ok_and(|value| value == "true"))
}

fn verdict(summary: &Summary, allowed: &BTreeMap<String, String>, strict: bool) -> Result<()> {
    let unexpected = summary.unexpected_skips(allowed);
    if strict && !unexpected.is_empty() {
        bail!("skipped and not in {ALLOWED_SKIPS}: {}", unexpected.join(", "));
    }
    println!("  {} skipped, {} of them not in {ALLOWED_SKIPS}", summary.skips.len(), unexpected.len());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_continuous_integration_fails_on_a_skip() {
        let mut summary = Summary::default();
        summary.add_skip("SKIPPED kernel::drops: needs root");
        let none = BTreeMap::new();
        assert!(verdict(&summary, &none, false).is_ok());
        assert!(verdict(&summary, &none, true).unwrap_err().to_string().contains("kernel::drops"));
        let allowed = allowed_skips("kernel::drops: no root here").unwrap();
        assert!(verdict(&summary, &allowed, true).is_ok());
    }
}
