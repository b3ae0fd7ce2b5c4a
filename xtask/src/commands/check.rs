//! `cargo xtask check`.

use std::process::Command;

use anyhow::Result;

use crate::lint;
use crate::object::verify;
use crate::step::{self, Steps};
use crate::workspace::Workspace;

/// Whether the unit tests run too: `cargo xtask test` runs them with all the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnitTests {
    /// Run them.
    Run,
    /// The caller does.
    Leave,
}

/// Runs `cargo xtask check`.
pub fn run(workspace: &Workspace) -> Result<()> {
    let mut steps = Steps::default();
    add(workspace, &mut steps, UnitTests::Run);
    steps.finish()
}

/// Adds the steps of `check` to those of another command.
pub fn add(workspace: &Workspace, steps: &mut Steps, unit_tests: UnitTests) {
    steps.run("format", || step::run(cargo(workspace, "fmt").args(["--all", "--check"])));
    steps.run("habits", || lint::run(workspace));
    steps.run("clippy", || {
        let lints = ["--", "-D", "warnings", "-D", "clippy::too_many_lines"];
        step::run(host(&mut cargo(workspace, "clippy")).arg("--all-targets").args(lints))
    });
    steps.run("documentation", || {
        let mut command = cargo(workspace, "doc");
        step::run(host(&mut command).arg("--no-deps").env("RUSTDOCFLAGS", "-D warnings"))
    });
    if unit_tests == UnitTests::Run {
        steps.run("unit tests", || step::run(host(&mut cargo(workspace, "test")).args(["--lib", "--quiet"])));
    }
    steps.run("object manifest", || verify::semantic(workspace));
}

/// A cargo command in the workspace that keeps to the lock file.
pub fn cargo(workspace: &Workspace, subcommand: &str) -> Command {
    let mut command = step::cargo();
    command.arg(subcommand).current_dir(workspace.root());
    command
}

/// Selects the packages that compile for this machine: all but the eBPF programs.
pub fn host(command: &mut Command) -> &mut Command {
    command.args(["--workspace", "--exclude", "probe-ebpf", "--locked"])
}
