//! netscope load: the load generator.

use std::process::ExitCode;

use anyhow::{Context, bail};
use demo_server::{
    Stop,
    load::{self, Arrivals, Mode, Options, Progress, Summary},
    scenario,
};

use crate::{
    args::LoadArgs,
    host::{NetnsRef, Roots},
};

use super::{children, output, serve::unknown_scenario};

/// Most connections that the open model holds at a time.
const MAX_IN_FLIGHT: u32 = 10_000;

/// Runs the command: progress once a second to standard error, the summary to standard output.
///
/// # Errors
/// The target is not on this host, or the generator cannot work.
pub fn run(arguments: LoadArgs) -> anyhow::Result<ExitCode> {
    if arguments.die_with_parent {
        children::die_with_parent()?;
    }
    if !arguments.target.ip().is_loopback() && arguments.netns_of.is_none() {
        bail!(
            "{} is not a loopback address: netscope load is for servers on this host, it never loads others",
            arguments.target
        );
    }
    let stop = Stop::new()?;
    stop.request_on_signals()?;
    let options = options(&arguments)?;
    let quiet = arguments.quiet;
    let progress = |progress: &Progress| {
        if !quiet {
            output::complain(&progress_line(progress));
        }
    };
    let summary = match arguments.netns_of {
        Some(pid) => {
            let netns = NetnsRef::of_process(&Roots::default(), pid)?;
            netns.run_inside(|| load::run(&options, &stop, progress))??
        }
        None => load::run(&options, &stop, progress)?,
    };
    let text = if arguments.json { serde_json::to_string_pretty(&summary)? } else { render(&summary) };
    output::print(&(text + "\n"))?;
    Ok(ExitCode::SUCCESS)
}

fn options(arguments: &LoadArgs) -> anyhow::Result<Options> {
    if let Some(name) = &arguments.scenario {
        let mut options = scenario::find(name).with_context(|| unknown_scenario(name))?.load;
        options.target = arguments.target;
        options.duration = arguments.r#for;
        return Ok(options);
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
    Ok(Options {
        target: arguments.target,
        mode,
        duration: arguments.r#for,
        connect_timeout: arguments.connect_timeout,
        request_timeout: arguments.request_timeout,
        ..Options::default()
    })
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

fn render(summary: &Summary) -> String {
    let mut lines = vec![
        format!(
            "{:.1} s, {} connections attempted, {} connected",
            summary.seconds, summary.attempts, summary.connected
        ),
        format!("requests   {} sent, {} completed", summary.requests, summary.completed),
        format!(
            "failures   connect: {} refused, {} timed out, {} reset; request: {} timed out, {} reset",
            summary.connect_failures.refused,
            summary.connect_failures.timed_out,
            summary.connect_failures.reset,
            summary.request_failures.timed_out,
            summary.request_failures.reset,
        ),
    ];
    let rows = [("connect", &summary.connect_us), ("latency", &summary.latency_us)];
    for (name, percentiles) in rows {
        if let Some(found) = percentiles {
            lines.push(format!(
                "{name:<10} p50 {} us, p90 {} us, p99 {} us, p99.9 {} us, max {} us",
                found.p50, found.p90, found.p99, found.p999, found.max
            ));
        }
    }
    lines.push("latency counts from the intended start of each request".to_owned());
    lines.join("\n")
}
