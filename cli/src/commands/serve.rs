//! netscope serve: the instrumented server.

use std::{io::IsTerminal, process::ExitCode, time::Duration};

use anyhow::Context;
use demo_server::{
    Stop,
    server::{self, Options, Stall},
};
use nix::sys::prctl;

use crate::args::ServeArgs;

use super::{children, flags, output};

/// Runs the command: prints the bound addresses as one line of JSON, and what was really done at the end.
///
/// # Errors
/// The server cannot be started.
pub fn run(arguments: ServeArgs) -> anyhow::Result<ExitCode> {
    if let Some(parent) = arguments.die_with_parent {
        children::die_with_parent(parent)?;
    }
    if arguments.scenario.is_some() {
        // Otherwise every screen would show netscope finding fault with netscope.
        prctl::set_name(c"netscope-demo").context("prctl(PR_SET_NAME)")?;
    }
    if arguments.new_netns {
        children::enter_new_netns()?;
    }
    let stop = Stop::new()?;
    stop.request_on_signals()?;
    if let Some(time) = arguments.r#for {
        stop_after(stop.clone(), time)?;
    }
    let server = server::Server::bind(&options(arguments)).map_err(flags::named)?;
    let bound = server.bound();
    output::print(&(serde_json::to_string(&bound)? + "\n"))?;
    if std::io::stderr().is_terminal() {
        let address = bound.listen;
        output::complain(&format!(
            "serving; `netscope load {address}` loads it, `netscope attach {}` watches it, Ctrl-C ends it",
            std::process::id()
        ));
    }
    let truth = server.run(&stop)?;
    output::print(&(serde_json::to_string_pretty(&truth)? + "\n"))?;
    Ok(ExitCode::SUCCESS)
}

fn options(arguments: ServeArgs) -> Options {
    if let Some(scenario) = arguments.scenario {
        return Options { listen: arguments.listen, ..scenario.server };
    }
    Options {
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
    }
}

fn stop_after(stop: Stop, time: Duration) -> anyhow::Result<()> {
    let timer = move || {
        std::thread::sleep(time);
        stop.request();
    };
    std::thread::Builder::new().name("demo-timer".to_owned()).spawn(timer).context("starting the timer")?;
    Ok(())
}
