//! What the load generator is told before it starts.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::duration;

/// Longest duration of any option: a week.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

/// The load. `Options::default()` is 100 connections per second with one request each, for 10 s.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// The server.
    pub target: SocketAddr,
    /// Path of the requests, from the first slash on.
    pub path: String,
    /// Which model produces the requests.
    pub mode: Mode,
    /// How long new work is started. What is under way then may take `connect_timeout` and `request_timeout` more.
    #[serde(rename = "duration_ms", with = "duration")]
    pub duration: Duration,
    /// Longest time from connect(2) to an established connection.
    #[serde(rename = "connect_timeout_ms", with = "duration")]
    pub connect_timeout: Duration,
    /// Longest time from sending a request to the end of its response.
    #[serde(rename = "request_timeout_ms", with = "duration")]
    pub request_timeout: Duration,
    /// Start of the random numbers of arrivals and think times: equal seeds give equal schedules.
    pub seed: u64,
}

/// Where requests come from.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "model", rename_all = "snake_case", deny_unknown_fields)]
pub enum Mode {
    /// Connections arrive at a rate of their own, however slow the server is: the internet.
    Open {
        /// New connections per second.
        rate_per_s: f64,
        /// Requests on each connection, one after the other; the client then closes it.
        requests_per_connection: u32,
        /// Most connections at a time. Arrivals beyond it are counted as `not_started`, never postponed.
        max_in_flight: u32,
        /// How arrivals are spaced.
        #[serde(default)]
        arrivals: Arrivals,
    },
    /// A fixed number of users, each of whom waits for the answer before the next request: a pool, a test bench.
    Closed {
        /// Users.
        users: u32,
        /// Mean time from an answer to the user's next request; each is drawn between half and one and a half of it.
        #[serde(rename = "think_ms", with = "duration")]
        think: Duration,
        /// Requests after which a user takes a new connection; never if absent.
        #[serde(default)]
        requests_per_connection: Option<u32>,
        /// Age at which a user takes a new connection, looked at after each answer; never if absent.
        #[serde(rename = "lifetime_ms", with = "duration::option", default)]
        lifetime: Option<Duration>,
    },
    /// So many requests over so many connections, as fast as the answers come, then the end: for tests that
    /// compare counts. `duration` stays the bound in time.
    Exact {
        /// Connections in total.
        connections: u32,
        /// Requests in total, spread evenly; the first connections make one more where it does not divide.
        requests: u64,
        /// Connections at a time: 1 makes them one after the other.
        parallel: u32,
    },
}

/// How open arrivals are spaced.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arrivals {
    /// All intervals equal.
    #[default]
    Even,
    /// Exponential intervals: independent clients.
    Poisson,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            target: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            path: String::from("/"),
            mode: Mode::Open {
                rate_per_s: 100.0,
                requests_per_connection: 1,
                max_in_flight: 1000,
                arrivals: Arrivals::Even,
            },
            duration: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(5),
            seed: 1,
        }
    }
}

impl Options {
    /// Descriptors that the load may need at a time, with some for the rest of the process.
    pub(super) fn descriptors(&self) -> u64 {
        let connections = match self.mode {
            Mode::Open { max_in_flight, .. } => max_in_flight,
            Mode::Closed { users, .. } => users,
            Mode::Exact { parallel, .. } => parallel,
        };
        u64::from(connections) + 64
    }

    /// Says which option cannot work, if one cannot.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let refuse = |option, reason: String| Err(Error::Option { option, reason });
        let printable = self.path.bytes().all(|byte| byte.is_ascii_graphic());
        if !self.path.starts_with('/') || !printable || self.path.len() > 2048 {
            return refuse(
                "path",
                format!("{:?} is no path of at most 2048 characters without spaces", self.path),
            );
        }
        if self.target.port() == 0 {
            return refuse("target", format!("{} has no port", self.target));
        }
        for (option, duration) in [
            ("duration", self.duration),
            ("connect_timeout", self.connect_timeout),
            ("request_timeout", self.request_timeout),
        ] {
            if duration.is_zero() || duration > LONGEST {
                return refuse(option, format!("{duration:?} is not between 1 ms and a week"));
            }
        }
        match self.mode {
            Mode::Closed { think, .. } if think > LONGEST => {
                refuse("think", format!("{think:?} is more than a week"))
            }
            Mode::Closed { lifetime: Some(lifetime), .. } if lifetime > LONGEST => {
                refuse("lifetime", format!("{lifetime:?} is more than a week"))
            }
            Mode::Open { rate_per_s, .. } if !(rate_per_s > 0.0 && rate_per_s <= 1_000_000.0) => {
                refuse("rate_per_s", format!("{rate_per_s} is not above 0 and at most 1000000"))
            }
            Mode::Open { max_in_flight: 0, .. } => {
                refuse("max_in_flight", String::from("0 would start nothing"))
            }
            Mode::Open { requests_per_connection: 0, .. }
            | Mode::Closed { requests_per_connection: Some(0), .. } => {
                refuse("requests_per_connection", String::from("0 would ask for nothing"))
            }
            Mode::Closed { users: 0, .. } => refuse("users", String::from("0 would start nothing")),
            Mode::Exact { connections: 0, .. } => {
                refuse("connections", String::from("0 would start nothing"))
            }
            Mode::Exact { parallel: 0, .. } => refuse("parallel", String::from("0 would start nothing")),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(options: Options) -> &'static str {
        match options.check() {
            Err(Error::Option { option, .. }) => option,
            other => panic!("{other:?}"),
        }
    }

    fn open(rate_per_s: f64, requests_per_connection: u32, max_in_flight: u32) -> Options {
        let arrivals = Arrivals::Poisson;
        let mode = Mode::Open { rate_per_s, requests_per_connection, max_in_flight, arrivals };
        Options { mode, ..Options::default() }
    }

    #[test]
    fn each_impossible_value_is_named() {
        assert!(Options::default().check().is_ok());
        assert!(open(1.0, 1, 1).check().is_ok());
        assert_eq!(refused(open(0.0, 1, 1)), "rate_per_s");
        assert_eq!(refused(open(f64::NAN, 1, 1)), "rate_per_s");
        assert_eq!(refused(open(1.0, 0, 1)), "requests_per_connection");
        assert_eq!(refused(open(1.0, 1, 0)), "max_in_flight");
        assert_eq!(refused(Options { path: String::from("x"), ..Options::default() }), "path");
        assert_eq!(refused(Options { path: String::from("/ HTTP/1.1\r\n"), ..Options::default() }), "path");
        assert_eq!(refused(Options { duration: Duration::ZERO, ..Options::default() }), "duration");
        let mode = Mode::Exact { connections: 1, requests: 0, parallel: 0 };
        assert_eq!(refused(Options { mode, ..Options::default() }), "parallel");
    }

    #[test]
    fn modes_are_written_with_units_in_their_names() {
        let mode = Mode::Closed {
            users: 10,
            think: Duration::from_millis(250),
            requests_per_connection: None,
            lifetime: Some(Duration::from_secs(2)),
        };
        let json = serde_json::to_string(&mode).unwrap();
        assert!(json.contains(r#""model":"closed""#) && json.contains(r#""lifetime_ms":2000"#), "{json}");
        assert_eq!(serde_json::from_str::<Mode>(&json).unwrap(), mode);
        let short = r#"{"model":"open","rate_per_s":5.0,"requests_per_connection":1,"max_in_flight":9}"#;
        assert_eq!(serde_json::from_str::<Mode>(short).unwrap(), open(5.0, 1, 9).mode_with(Arrivals::Even));
    }

    impl Options {
        fn mode_with(&self, spacing: Arrivals) -> Mode {
            match self.mode {
                Mode::Open { rate_per_s, requests_per_connection, max_in_flight, .. } => {
                    Mode::Open { rate_per_s, requests_per_connection, max_in_flight, arrivals: spacing }
                }
                other => other,
            }
        }
    }
}
