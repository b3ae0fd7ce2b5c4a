//! The server and the load of `live --demo`, each in a process of its own that ends with this one.

use std::net::SocketAddr;

use anyhow::Context;
use demo_server::{scenario::Scenario, server::Bound};
use nix::unistd::geteuid;

use super::{
    children::{Output, Owned},
    output,
};

/// How long the load runs at most, should nobody end it.
const BOUND: &str = "1h";

/// A running scenario; both processes end when this value goes, and when this process is killed.
pub struct Demo {
    load: Owned,
    server: Owned,
}

impl Demo {
    /// Starts the scenario: as root in a network namespace of its own, so that nothing of the host is touched.
    ///
    /// # Errors
    /// A process cannot be started.
    pub fn start(scenario: &Scenario) -> anyhow::Result<Self> {
        let serve = ["serve", "--scenario", scenario.name, "--listen"];
        let mut found = None;
        if geteuid().is_root() {
            found = started(&[serve.as_slice(), &["127.0.0.1:8080", "--new-netns"]].concat())
                .inspect_err(|error| {
                    output::complain(&format!(
                        "the demo runs in the present network namespace, it cannot have its own: {error:#}"
                    ));
                })
                .ok();
        }
        let private = found.is_some();
        let (server, bound) = match found {
            Some(found) => found,
            None => started(&[serve.as_slice(), &["127.0.0.1:0"]].concat())?,
        };
        let (target, pid) = (bound.to_string(), server.pid().to_string());
        let mut load = vec!["load", target.as_str(), "--scenario", scenario.name, "--for", BOUND, "--quiet"];
        if private {
            load.extend(["--netns-of", pid.as_str()]);
        }
        Ok(Self { load: Owned::start(&load, Output::Discarded)?, server })
    }

    /// Process id of the server.
    pub fn pid(&self) -> i32 {
        self.server.pid()
    }

    /// Whether both processes still run.
    pub fn is_running(&mut self) -> bool {
        self.server.is_running() && self.load.is_running()
    }
}

/// A server and the address that it says it is bound to.
fn started(arguments: &[&str]) -> anyhow::Result<(Owned, SocketAddr)> {
    let mut server = Owned::start(arguments, Output::Read)?;
    let line = server.first_line()?;
    let bound: Bound =
        serde_json::from_str(&line).with_context(|| format!("the demo server said {line:?}"))?;
    Ok((server, bound.listen))
}
