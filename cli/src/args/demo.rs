//! Arguments of the instrumented server and the load generator.

use std::{net::SocketAddr, time::Duration};

use clap::Args;

use demo_server::scenario::Scenario;

use super::{quantity, scenario};

const SERVE_EXAMPLES: &str = "\
Examples:
  netscope serve --stall 400ms/1s --backlog 128   pauses that fill the accept queue
  netscope serve --workers 4 --max-fds 256        four loops, few descriptors";

const LOAD_EXAMPLES: &str = "\
Examples:
  netscope load 127.0.0.1:8080 --rate 2k --for 30s           clients of the internet
  netscope load 127.0.0.1:8080 --users 500 --think 200ms     a pool with pauses";

/// netscope serve.
#[derive(Clone, Debug, Args)]
#[command(after_help = SERVE_EXAMPLES)]
pub struct ServeArgs {
    /// Address to serve; port 0 takes a free one, which is printed
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// Address that serves what the server really did, as JSON
    #[arg(long, value_name = "ADDR:PORT")]
    pub truth: Option<SocketAddr>,
    /// Argument of listen(2), -1 for net.core.somaxconn; the accept queue holds one more
    #[arg(long, value_name = "N", default_value_t = 511, allow_negative_numbers = true)]
    pub backlog: i32,
    /// Event loops, each in a thread with a listener of its own (SO_REUSEPORT)
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub workers: usize,
    /// Block the loops periodically: 400ms/1s is 400 ms of every second
    #[arg(long, value_name = "TIME/EVERY", value_parser = stall)]
    pub stall: Option<(Duration, Duration)>,
    /// Sleep between the wake-up and accept()
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = quantity::duration)]
    pub accept_delay: Duration,
    /// Soft limit of open files of the server
    #[arg(long, value_name = "N")]
    pub max_fds: Option<u64>,
    /// Stop watching the listener for 10 ms after EMFILE
    #[arg(long)]
    pub emfile_backoff: bool,
    /// Bytes of the answer's body
    #[arg(long, value_name = "BYTES", default_value_t = 13)]
    pub body_bytes: usize,
    /// End after this time
    #[arg(long, value_name = "TIME", value_parser = quantity::positive_duration)]
    pub r#for: Option<Duration>,
    /// Serve the scenario of this name instead of the options above
    #[arg(long, value_name = "NAME", hide = true, value_parser = scenario::parser())]
    pub scenario: Option<Scenario>,
    /// Serve in a network namespace of its own
    #[arg(long, hide = true)]
    pub new_netns: bool,
    /// End when the parent process, which has this id, ends, however it ends
    #[arg(long, value_name = "PID", hide = true)]
    pub die_with_parent: Option<i32>,
}

/// netscope load.
#[derive(Clone, Debug, Args)]
#[command(after_help = LOAD_EXAMPLES)]
pub struct LoadArgs {
    /// Server to load, on this host: a loopback address
    #[arg(value_name = "ADDR:PORT")]
    pub target: SocketAddr,
    /// Open model: new connections per second, kept up whatever the server does [default: 100]
    #[arg(long, value_name = "R", value_parser = quantity::rate, conflicts_with = "users")]
    pub rate: Option<f64>,
    /// Closed model: users who wait for an answer before they ask again
    #[arg(long, value_name = "N", value_parser = quantity::positive_u32)]
    pub users: Option<u32>,
    /// Pause of a user between answer and next request
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = quantity::duration, requires = "users")]
    pub think: Duration,
    /// Requests before a connection is closed [default: 1 with --rate, unlimited with --users]
    #[arg(long, value_name = "N", value_parser = quantity::positive_u32)]
    pub requests_per_connection: Option<u32>,
    /// How long to load
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = quantity::positive_duration)]
    pub r#for: Duration,
    /// Exactly this many requests over --users connections, then stop
    #[arg(long, value_name = "N", value_parser = quantity::positive_count, requires = "users", conflicts_with_all = ["think", "requests_per_connection"])]
    pub requests: Option<u64>,
    /// Give up on a connection after this time
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = quantity::positive_duration)]
    pub connect_timeout: Duration,
    /// Give up on a request after this time
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = quantity::positive_duration)]
    pub request_timeout: Duration,
    /// Print the summary as JSON
    #[arg(long)]
    pub json: bool,
    /// Print no progress
    #[arg(long)]
    pub quiet: bool,
    /// Load with the scenario of this name instead of the options above
    #[arg(long, value_name = "NAME", hide = true, value_parser = scenario::parser())]
    pub scenario: Option<Scenario>,
    /// Load from the network namespace of this process
    #[arg(long, value_name = "PID", hide = true)]
    pub netns_of: Option<i32>,
    /// End when the parent process, which has this id, ends, however it ends
    #[arg(long, value_name = "PID", hide = true)]
    pub die_with_parent: Option<i32>,
}

fn stall(text: &str) -> Result<(Duration, Duration), String> {
    let (length, every) =
        text.split_once('/').ok_or_else(|| format!("{text:?} is no stall; write 400ms/1s"))?;
    let (length, every) = (quantity::duration(length)?, quantity::duration(every)?);
    if length.is_zero() || length >= every {
        return Err(format!("{text:?}: the stall must be longer than zero and shorter than its period"));
    }
    Ok((length, every))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stalls() {
        assert_eq!(stall("400ms/1s"), Ok((Duration::from_millis(400), Duration::from_secs(1))));
        for wrong in ["400ms", "1s/1s", "0s/1s", "/", "x/1s"] {
            assert!(stall(wrong).is_err(), "{wrong}");
        }
    }
}
