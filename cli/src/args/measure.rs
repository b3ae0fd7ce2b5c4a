//! Arguments of the commands that measure.

use std::time::Duration;

use clap::Args;

use demo_server::scenario::Scenario;

use super::{FailOn, Sources, Trees, quantity, scenario};

const REPORT_EXAMPLES: &str = "\
Examples:
  netscope report --port 8080 --for 30s         who waits, who is refused, why
  netscope report --pid 4242 --json | jq .findings
  netscope report --port 8080 --fail-on warn    for a pipeline: exits with 1";

const AUDIT_EXAMPLES: &str = "\
Examples:
  netscope audit --connections 10k --rate 2k    what breaks first on this host
  netscope audit --port 8080 --connections 10k  the same for the server on a port
  netscope audit --pid 4242 --rate 500 --json | jq .findings";

/// What to look at.
#[derive(Clone, Debug, Default, Args)]
pub struct TargetArgs {
    /// Look at this process, and at all that share its listening sockets
    #[arg(long, value_name = "PID", conflicts_with = "port", value_parser = clap::value_parser!(i32).range(1..))]
    pub pid: Option<i32>,
    /// Look at the listeners on this TCP port, and at the processes that hold them
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Option<u16>,
}

/// The load that the target is to carry.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct DeclaredArgs {
    /// Concurrent client connections the target is to carry, such as 10k
    #[arg(long, value_name = "N", value_parser = quantity::positive_count)]
    pub connections: Option<u64>,
    /// New connections per second, such as 2k
    #[arg(long, value_name = "R", value_parser = quantity::rate)]
    pub rate: Option<f64>,
    /// Round-trip time between clients and server, such as 20ms
    #[arg(long, value_name = "TIME", value_parser = quantity::duration)]
    pub rtt: Option<Duration>,
    /// The clients run on this host as well, so its ports and descriptors count twice
    #[arg(long)]
    pub local_clients: bool,
}

/// netscope live.
#[derive(Clone, Debug, Args)]
#[command(after_help = scenario::table())]
pub struct LiveArgs {
    /// What to look at; every listener of this network namespace without one
    #[command(flatten)]
    pub target: TargetArgs,
    /// Start a server and its load, and watch them; what ends netscope ends both
    #[arg(
        long,
        value_name = "SCENARIO",
        num_args = 0..=1,
        default_missing_value = "stall",
        require_equals = true,
        conflicts_with_all = ["pid", "port"],
        value_parser = scenario::parser(),
        hide_possible_values = true
    )]
    pub demo: Option<Scenario>,
    /// Length of the window that the numbers are taken over, 1s to 60s
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = quantity::window)]
    pub window: Duration,
    /// End after this time
    #[arg(long, value_name = "TIME", value_parser = quantity::positive_duration)]
    pub r#for: Option<Duration>,
    /// Where to read, and how to load the probes
    #[command(flatten)]
    pub sources: Sources,
}

/// netscope attach.
#[derive(Clone, Debug, Args)]
pub struct AttachArgs {
    /// The process
    #[arg(value_name = "PID", value_parser = clap::value_parser!(i32).range(1..))]
    pub pid: i32,
    /// Length of the window that the numbers are taken over, 1s to 60s
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = quantity::window)]
    pub window: Duration,
    /// End after this time
    #[arg(long, value_name = "TIME", value_parser = quantity::positive_duration)]
    pub r#for: Option<Duration>,
    /// Where to read, and how to load the probes
    #[command(flatten)]
    pub sources: Sources,
}

/// netscope report.
#[derive(Clone, Debug, Args)]
#[command(after_help = REPORT_EXAMPLES)]
pub struct ReportArgs {
    /// What to look at; every listener of this network namespace without one
    #[command(flatten)]
    pub target: TargetArgs,
    /// How long to watch; Ctrl-C ends it early and prints what was measured
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = quantity::positive_duration)]
    pub r#for: Duration,
    /// The load that the target is to carry
    #[command(flatten)]
    pub declared: DeclaredArgs,
    /// Print JSON (docs/schema/report.v1.json)
    #[arg(long)]
    pub json: bool,
    /// Exit with 1 at a finding of this severity or worse: fail, warn, info or never
    #[arg(long, value_name = "SEVERITY", value_enum, default_value = "fail", hide_possible_values = true)]
    pub fail_on: FailOn,
    /// Where to read, and how to load the probes
    #[command(flatten)]
    pub sources: Sources,
}

/// netscope audit.
#[derive(Clone, Debug, Args)]
#[command(after_help = AUDIT_EXAMPLES)]
pub struct AuditArgs {
    /// What to look at; every listener of this network namespace without one
    #[command(flatten)]
    pub target: TargetArgs,
    /// The load that the target is to carry
    #[command(flatten)]
    pub declared: DeclaredArgs,
    /// Print JSON (docs/schema/report.v1.json)
    #[arg(long)]
    pub json: bool,
    /// Exit with 1 at a finding of this severity or worse: fail, warn, info or never
    #[arg(long, value_name = "SEVERITY", value_enum, default_value = "fail", hide_possible_values = true)]
    pub fail_on: FailOn,
    /// Where to read
    #[command(flatten)]
    pub trees: Trees,
}

/// netscope doctor.
#[derive(Clone, Debug, Args)]
pub struct DoctorArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Where to read, and how to load the probes
    #[command(flatten)]
    pub sources: Sources,
}
