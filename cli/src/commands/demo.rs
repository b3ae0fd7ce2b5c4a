//! The server and the load of `live --demo`, each in a process of its own that ends with this one.

use std::{net::SocketAddr, process::Stdio};

use anyhow::Context;
use demo_server::{scenario, server::Bound};
use nix::unistd::geteuid;

use super::{children::Owned, output, serve::unknown_scenario};

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
    /// The scenario does not exist, or a process cannot be started.
    pub fn start(name: &str) -> anyhow::Result<Self> {
        scenario::find(name).with_context(|| unknown_scenario(name))?;
        let private = geteuid().is_root();
        let listen = if private { "127.0.0.1:8080" } else { "127.0.0.1:0" };
        let server = ["serve", "--die-with-parent", "--scenario", name, "--listen", listen];
        let mut found = None;
        if private {
            let arguments = [server.as_slice(), &["--new-netns"]].concat();
            found = started(&arguments)
                .inspect_err(|error| {
                    output::complain(&format!("no network namespace for the demo: {error:#}"))
                })
                .ok();
        }
        let private = found.is_some();
        let (server, bound) = match found {
            Some(found) => found,
            None => started(&["serve", "--die-with-parent", "--scenario", name, "--listen", "127.0.0.1:0"])?,
        };
        let (target, pid) = (bound.to_string(), server.pid().to_string());
        let mut load =
            vec!["load", target.as_str(), "--die-with-parent", "--scenario", name, "--for", BOUND, "--quiet"];
        if private {
            load.extend(["--netns-of", pid.as_str()]);
        }
        Ok(Self { load: Owned::start(&load, Stdio::null())?, server })
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
    let mut server = Owned::start(arguments, Stdio::piped())?;
    let line = server.first_line()?;
    let bound: Bound =
        serde_json::from_str(&line).with_context(|| format!("the demo server said {line:?}"))?;
    Ok((server, bound.listen))
}
