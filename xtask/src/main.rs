//! `cargo xtask`: the developer commands of netscope.

use std::process::ExitCode;

use clap::Parser;
use xtask::commands::Arguments;

fn main() -> ExitCode {
    match Arguments::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
