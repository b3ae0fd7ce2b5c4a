//! Parse, run, exit code.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    netscope::commands::run(netscope::args::Cli::parse())
}
