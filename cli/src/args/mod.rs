//! The command line.

mod demo;
mod finding;
mod measure;
mod quantity;
mod scenario;

pub use demo::{LoadArgs, ServeArgs};
pub use measure::{AttachArgs, AuditArgs, DeclaredArgs, DoctorArgs, LiveArgs, ReportArgs, TargetArgs};
pub use quantity::{count, duration, rate};

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

use crate::findings::Severity;

const FIRST_STEPS: &str = "\
Begin with:
  netscope live --demo      a server that loses clients under load, and what saves it
  netscope live             every listener of this host; root sees the most
  netscope audit --port 8080 --connections 10k --rate 2k
                            will this server carry that load?";

/// Tells why a Linux server stops at N connections, proves it with numbers from the kernel, and hands over the
/// exact change.
#[derive(Debug, Parser)]
#[command(
    name = "netscope",
    version = crate::commands::version(),
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = FIRST_STEPS
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Where to read.
#[derive(Clone, Debug, clap::Args)]
pub struct Trees {
    /// Read processes and counters from this procfs mount
    #[arg(long, value_name = "DIR", default_value = "/proc", help_heading = "Sources")]
    pub procfs: PathBuf,
    /// Read processors and cgroups from this sysfs mount
    #[arg(long, value_name = "DIR", default_value = "/sys", help_heading = "Sources")]
    pub sysfs: PathBuf,
}

/// Where to read, and how to load the probes.
#[derive(Clone, Debug, clap::Args)]
pub struct Sources {
    /// Where to read.
    #[command(flatten)]
    pub trees: Trees,
    /// Read the kernel's type information from FILE [default: SYSFS/kernel/btf/vmlinux]
    #[arg(long, value_name = "FILE", help_heading = "Sources")]
    pub btf: Option<PathBuf>,
    /// Say more: the whole verifier log of a refused program
    #[arg(short, long)]
    pub verbose: bool,
    /// Bound of the probes' hash maps, to see what happens when one is full
    #[arg(long, value_name = "N", hide = true)]
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
    Doctor(DoctorArgs),
    /// Explain a finding: mechanism, kernel source, how to check by hand, when not to act
    Explain {
        /// Id of the finding, such as LSN-001; lists all of them without one
        #[arg(value_parser = finding::FindingId, hide_possible_values = true)]
        id: Option<&'static str>,
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
    /// Print the manual page in roff, for `man -l`
    Man,
    /// Give the terminal back when the live screen is killed
    #[command(hide = true)]
    GuardTerminal,
}

/// A severity as a threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    /// The declared load cannot work, or damage was measured
    Fail,
    /// It works by luck or without pauses, or worse
    Warn,
    /// Anything that is worth telling
    Info,
    /// Nothing
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
