//! netscope load: the load generator.

use std::process::ExitCode;

use anyhow::bail;
use demo_server::{
    Stop,
    load::{self, Arrivals, Mode, Options, Progress},
};

use crate::{
    args::LoadArgs,
    host::{NetnsRef, Roots},
};

use super::{EXIT_UNUSABLE, children, flags, load_summary, output};

/// Most connections that the open model holds at a time.
const MAX_IN_FLIGHT: u32 = 10_000;

/// Runs the command: progress once a second to standard error, the summary to standard output.
///
/// # Errors
/// The target is not on this host, or the generator cannot work.
pub fn run(arguments: LoadArgs) -> anyhow::Result<ExitCode> {
    if let Some(parent) = arguments.die_with_parent {
        children::die_with_parent(parent)?;
    }
    if !arguments.target.ip().to_canonical().is_loopback() {
        bail!(
            "{} is not a loopback address: netscope load is for servers on this host, it never loads others",
            arguments.target
        );
    }
    let stop = Stop::new()?;
    stop.request_on_signals()?;
    let options = options(&arguments);
    let quiet = arguments.quiet;
    let progress = |progress: &Progress| {
        if !quiet {
            output::complain(&progress_line(progress));
        }
    };
    let summary = match arguments.netns_of {
        Some(pid) => {
            let netns = NetnsRef::of_process(&Roots::default(), pid)?;
            netns.run_inside(|| load::run(&options, &stop, progress))?
        }
        None => load::run(&options, &stop, progress),
    }
    .map_err(flags::named)?;
    let text =
        if arguments.json { serde_json::to_string_pretty(&summary)? } else { load_summary::render(&summary) };
    let nobody = summary.attempts > 0 && summary.connected == 0;
    if nobody {
        output::complain(&format!("nobody answered at {}; `ss -ltn` lists who listens", arguments.target));
    }
    output::deliver(&(text + "\n"), if nobody { ExitCode::from(EXIT_UNUSABLE) } else { ExitCode::SUCCESS })
}

fn options(arguments: &LoadArgs) -> Options {
    if let Some(scenario) = &arguments.scenario {
        return scenario.load_on(arguments.target, arguments.r#for);
    }
    let mode = match (arguments.users, arguments.requests) {
        (Some(users), Some(requests)) => Mode::Exact { connections: users, requests, parallel: users },
        (Some(users), None) => Mode::Closed {
            users,
            think: arguments.think,
            requests_per_connection: arguments.requests_per_connection,
            lifetime: None,
        },
        (None, _) => Mode::Open {
            rate_per_s: arguments.rate.unwrap_or(100.0),
            requests_per_connection: arguments.requests_per_connection.unwrap_or(1),
            max_in_flight: MAX_IN_FLIGHT,
            arrivals: Arrivals::Poisson,
        },
    };
    Options {
        target: arguments.target,
        mode,
        duration: arguments.r#for,
        connect_timeout: arguments.connect_timeout,
        request_timeout: arguments.request_timeout,
        ..Options::default()
    }
}

fn progress_line(progress: &Progress) -> String {
    format!(
        "{:>5.0} s  connected {}  completed {}  failed {}  in flight {}{}",
        progress.seconds,
        progress.connected,
        progress.completed,
        progress.failed,
        progress.in_flight,
        progress.latency_us.as_ref().map(|latency| format!("  p99 {} us", latency.p99)).unwrap_or_default(),
    )
}
