//! The command line.

mod demo;
mod measure;
mod quantity;

pub use demo::{LoadArgs, ServeArgs};
pub use measure::{AttachArgs, AuditArgs, DeclaredArgs, LiveArgs, ReportArgs, TargetArgs};
pub use quantity::{count, duration, rate};

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

use crate::findings::Severity;

/// netscope tells why a Linux server stops at N connections, proves it with numbers from the kernel, and
/// hands over the exact change.
#[derive(Debug, Parser)]
#[command(name = "netscope", version = crate::commands::version(), max_term_width = 100, subcommand_required = true, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Where to read.
    #[command(flatten)]
    pub sources: Sources,
}

/// Where to read, and how much to say.
#[derive(Clone, Debug, clap::Args)]
pub struct Sources {
    /// Read processes and counters from this procfs mount
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        default_value = "/proc",
        hide_default_value = true,
        help_heading = "Sources"
    )]
    pub procfs: PathBuf,
    /// Read cgroups from this sysfs mount
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        default_value = "/sys",
        hide_default_value = true,
        help_heading = "Sources"
    )]
    pub sysfs: PathBuf,
    /// Read the kernel's type information from FILE [default: SYSFS/kernel/btf/vmlinux]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Sources")]
    pub btf: Option<PathBuf>,
    /// Say more: the whole verifier log of a refused program
    #[arg(short, long, global = true)]
    pub verbose: bool,
    /// Bound of the probes' hash maps, to see what happens when one is full
    #[arg(long, global = true, value_name = "N", hide = true)]
    pub map_entries: Option<u32>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Watch live: the verdict first, then queues, drops, system calls and what to change
    Live(LiveArgs),
    /// Watch one process live (short for: live --pid PID)
    Attach(AttachArgs),
    /// Watch for a while, then print what was measured and found
    Report(ReportArgs),
    /// Preflight without probes: will this host and this process carry the declared load?
    Audit(AuditArgs),
    /// Say of each probe whether it runs here, by which hook, and what would enable it
    Doctor {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Explain a finding: mechanism, kernel source, how to check by hand, when not to act
    Explain {
        /// Id of the finding, such as LSN-001; all ids without one
        #[arg(value_parser = clap::builder::PossibleValuesParser::new(crate::findings::RULES.iter().map(|rule| rule.id)), ignore_case = true)]
        id: Option<String>,
    },
    /// Run the instrumented epoll server
    Serve(ServeArgs),
    /// Run the load generator
    Load(LoadArgs),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page in roff
    Man,
    /// Give the terminal back when the live screen is killed
    #[command(hide = true)]
    GuardTerminal,
}

/// A severity as a threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    /// Exit with 1 if anything fails
    Fail,
    /// ... or warns
    Warn,
    /// ... or informs
    Info,
    /// Never exit with 1
    Never,
}

impl FailOn {
    /// Whether a finding of this severity makes the command exit with 1.
    #[must_use]
    pub fn reached(self, severity: Severity) -> bool {
        match self {
            Self::Fail => severity >= Severity::Fail,
            Self::Warn => severity >= Severity::Warn,
            Self::Info => severity >= Severity::Info,
            Self::Never => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn thresholds_include_what_is_worse() {
        assert!(FailOn::Warn.reached(Severity::Fail));
        assert!(!FailOn::Fail.reached(Severity::Warn));
        assert!(!FailOn::Never.reached(Severity::Fail));
    }
}
