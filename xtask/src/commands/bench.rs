//! `cargo xtask bench`.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::bench::overhead::{self, Options};
use crate::workspace::Workspace;

/// What to measure.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// What tracing costs a saturated nginx worker, beside syscount, bpftrace, perf trace and strace
    Overhead(Overhead),
}

/// How to measure the overhead.
#[derive(Debug, Args)]
pub struct Overhead {
    /// Rounds; each measures every tool once
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Length of one measurement in seconds
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=60))]
    seconds: u32,
    /// One round of one second, printed and not written to docs/benchmarks.md
    #[arg(long, conflicts_with_all = ["rounds", "seconds"])]
    quick: bool,
    /// Measure this program instead of building the workspace's
    #[arg(long, value_name = "PROGRAM")]
    netscope: Option<PathBuf>,
}

/// Runs `cargo xtask bench`.
pub fn run(workspace: &Workspace, command: &Command) -> Result<()> {
    match command {
        Command::Overhead(arguments) => overhead::run(workspace, &options(arguments)),
    }
}

fn options(arguments: &Overhead) -> Options {
    let Overhead { rounds, seconds, quick, netscope } = arguments;
    let (rounds, seconds) = if *quick { (1, 1) } else { (*rounds, *seconds) };
    Options {
        rounds,
        seconds,
        netscope: netscope.clone(),
        write: !quick,
        command: format!("cargo xtask bench overhead --rounds {rounds} --seconds {seconds}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quick_run_is_not_published() {
        let quick = Overhead { rounds: 5, seconds: 4, quick: true, netscope: None };
        let options = options(&quick);
        assert!(!options.write);
        assert_eq!((options.rounds, options.seconds), (1, 1));
    }
}
