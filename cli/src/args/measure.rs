//! Arguments of the commands that measure.

use std::time::Duration;

use clap::Args;

use super::{FailOn, quantity};

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
    #[arg(long, value_name = "N", value_parser = quantity::count)]
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
pub struct LiveArgs {
    /// What to look at; every listener of this network namespace without one
    #[command(flatten)]
    pub target: TargetArgs,
    /// Start a server and its load, and watch them
    #[arg(long, value_name = "SCENARIO", num_args = 0..=1, default_missing_value = "stall", require_equals = true, conflicts_with_all = ["pid", "port"])]
    pub demo: Option<String>,
    /// Length of the window that the numbers are taken over
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = quantity::duration)]
    pub window: Duration,
    /// End after this time
    #[arg(long, value_name = "TIME", value_parser = quantity::duration)]
    pub r#for: Option<Duration>,
}

/// netscope attach.
#[derive(Clone, Debug, Args)]
pub struct AttachArgs {
    /// The process
    #[arg(value_name = "PID", value_parser = clap::value_parser!(i32).range(1..))]
    pub pid: i32,
    /// Length of the window that the numbers are taken over
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = quantity::duration)]
    pub window: Duration,
    /// End after this time
    #[arg(long, value_name = "TIME", value_parser = quantity::duration)]
    pub r#for: Option<Duration>,
}

/// netscope report.
#[derive(Clone, Debug, Args)]
pub struct ReportArgs {
    /// What to look at; every listener of this network namespace without one
    #[command(flatten)]
    pub target: TargetArgs,
    /// How long to watch; Ctrl-C ends it early and prints what was measured
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = quantity::duration)]
    pub r#for: Duration,
    /// The load that the target is to carry
    #[command(flatten)]
    pub declared: DeclaredArgs,
    /// Print JSON (docs/schema/report.v1.json)
    #[arg(long)]
    pub json: bool,
    /// Exit with 1 at a finding of this severity or worse
    #[arg(long, value_name = "SEVERITY", value_enum, default_value = "fail")]
    pub fail_on: FailOn,
}

/// netscope audit.
#[derive(Clone, Debug, Args)]
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
    /// Exit with 1 at a finding of this severity or worse
    #[arg(long, value_name = "SEVERITY", value_enum, default_value = "fail")]
    pub fail_on: FailOn,
}
