//! One file per subcommand.

pub mod bench;
pub mod check;
pub mod ci;
pub mod object;
pub mod setup;
pub mod test;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::workspace::Workspace;

/// Developer commands of netscope.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Install what the other commands need (Debian and Ubuntu, as root), or print the list
    Setup(setup::Arguments),
    /// Build, verify or show the committed eBPF object
    #[command(subcommand)]
    Object(object::Command),
    /// Format, lints, layers, documentation, unit tests, object manifest; no privileges needed
    Check,
    /// Check, then every test; as root the kernel tests run too
    Test,
    /// Measure side by side with other tools
    #[command(subcommand)]
    Bench(bench::Command),
    /// Setup, test, object verify: everything that continuous integration runs
    Ci,
}

impl Arguments {
    /// Runs the chosen command in the workspace of the current directory.
    pub fn run(self) -> Result<()> {
        let workspace = Workspace::find()?;
        match self.command {
            Command::Setup(arguments) => setup::run(&workspace, &arguments),
            Command::Object(command) => object::run(&workspace, &command),
            Command::Check => check::run(&workspace),
            Command::Test => test::run(&workspace),
            Command::Bench(command) => bench::run(&workspace, &command),
            Command::Ci => ci::run(&workspace),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Arguments;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
