//! Pairs of a server and a load that show one effect reliably on two cores, in any network namespace.

use std::net::SocketAddr;
use std::time::Duration;

use crate::load::{self, Arrivals, Mode};
use crate::server::{self, Stall};

/// A server and the load that goes with it.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// What it is called on the command line.
    pub name: &'static str,
    /// What it shows, in one sentence.
    pub about: &'static str,
    /// The server, on a free port of 127.0.0.1.
    pub server: server::Options,
    /// The load. Its target is a placeholder: see [`Scenario::load_on`].
    pub load: load::Options,
}

impl Scenario {
    /// The load against the address that the server was bound to, for this long.
    pub fn load_on(&self, target: SocketAddr, duration: Duration) -> load::Options {
        load::Options { target, duration, ..self.load.clone() }
    }
}

/// Every scenario; the first is what `live --demo` shows without a name.
pub fn list() -> Vec<Scenario> {
    vec![stall(), healthy(), descriptors()]
}

/// The scenario of this name.
pub fn find(name: &str) -> Option<Scenario> {
    list().into_iter().find(|scenario| scenario.name == name)
}

/// Connections that arrive at a rate of their own, one request each.
fn arrivals(rate_per_s: f64) -> load::Options {
    let mode = Mode::Open {
        rate_per_s,
        requests_per_connection: 1,
        max_in_flight: 12_000,
        arrivals: Arrivals::Even,
    };
    load::Options { mode, ..load::Options::default() }
}

/// In 400 ms 800 connections arrive at a queue for 129. The period is not the second after which clients
/// repeat a SYN: their repetitions must not meet every stall again.
fn stall() -> Scenario {
    Scenario {
        name: "stall",
        about: "the loop stalls for 400 ms every 1.1 s and the accept queue overflows",
        server: server::Options {
            backlog: 128,
            stall: Some(Stall { duration: Duration::from_millis(400), every: Duration::from_millis(1100) }),
            ..server::Options::default()
        },
        load: arrivals(2000.0),
    }
}

fn healthy() -> Scenario {
    Scenario {
        name: "healthy",
        about: "the same server without stalls, at a rate that it serves easily",
        server: server::Options { backlog: 128, ..server::Options::default() },
        load: arrivals(500.0),
    }
}

fn descriptors() -> Scenario {
    let think = Duration::from_millis(500);
    Scenario {
        name: "descriptors",
        about: "400 users keep their connections to a server that may have 256 descriptors",
        server: server::Options { max_fds: Some(256), emfile_backoff: true, ..server::Options::default() },
        load: load::Options {
            mode: Mode::Closed { users: 400, think, requests_per_connection: None, lifetime: None },
            ..load::Options::default()
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scenarios_are_found_by_their_names_and_have_possible_options() {
        let target = SocketAddr::from(([127, 0, 0, 1], 80));
        for scenario in list() {
            assert_eq!(find(scenario.name), Some(scenario.clone()));
            assert!(scenario.server.check().is_ok());
            let load = scenario.load_on(target, Duration::from_secs(1));
            assert!(load.check().is_ok());
            assert_eq!((load.target, load.mode), (target, scenario.load.mode));
        }
        assert_eq!(find("nothing"), None);
    }

    #[test]
    fn the_default_overflows_its_queue_at_each_stall() {
        let scenario = list().remove(0);
        let Mode::Open { rate_per_s, .. } = scenario.load.mode else { panic!("{scenario:?}") };
        let arriving = rate_per_s * scenario.server.stall.unwrap().duration.as_secs_f64();
        assert!(arriving > 4.0 * f64::from(scenario.server.backlog + 1));
    }
}
