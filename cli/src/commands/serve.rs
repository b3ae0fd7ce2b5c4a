//! netscope serve: the instrumented server.

use std::{process::ExitCode, time::Duration};

use anyhow::Context;
use demo_server::{
    Stop, scenario,
    server::{self, Options, Stall},
};

use crate::args::ServeArgs;

use super::{children, output};

/// Runs the command: prints the bound addresses as one line of JSON, and what was really done at the end.
///
/// # Errors
/// The server cannot be started.
pub fn run(arguments: ServeArgs) -> anyhow::Result<ExitCode> {
    if arguments.die_with_parent {
        children::die_with_parent()?;
    }
    if arguments.new_netns {
        children::enter_new_netns()?;
    }
    let stop = Stop::new()?;
    stop.request_on_signals()?;
    if let Some(time) = arguments.r#for {
        stop_after(stop.clone(), time)?;
    }
    let server = server::Server::bind(&options(arguments)?)?;
    output::print(&(serde_json::to_string(&server.bound())? + "\n"))?;
    let truth = server.run(&stop)?;
    output::print(&(serde_json::to_string_pretty(&truth)? + "\n"))?;
    Ok(ExitCode::SUCCESS)
}

fn options(arguments: ServeArgs) -> anyhow::Result<Options> {
    if let Some(name) = &arguments.scenario {
        let mut options = scenario::find(name).with_context(|| unknown_scenario(name))?.server;
        options.listen = arguments.listen;
        return Ok(options);
    }
    Ok(Options {
        listen: arguments.listen,
        truth: arguments.truth,
        backlog: arguments.backlog,
        workers: arguments.workers,
        stall: arguments.stall.map(|(duration, every)| Stall { duration, every }),
        accept_delay: arguments.accept_delay,
        max_fds: arguments.max_fds,
        emfile_backoff: arguments.emfile_backoff,
        body_bytes: arguments.body_bytes,
        ..Options::default()
    })
}

/// A sentence that names the scenarios there are.
pub fn unknown_scenario(name: &str) -> String {
    let names: Vec<&str> = scenario::list().iter().map(|scenario| scenario.name).collect();
    format!("no scenario is named {name:?}; there are: {}", names.join(", "))
}

fn stop_after(stop: Stop, time: Duration) -> anyhow::Result<()> {
    let timer = move || {
        std::thread::sleep(time);
        stop.request();
    };
    std::thread::Builder::new().name("demo-timer".to_owned()).spawn(timer).context("starting the timer")?;
    Ok(())
}
