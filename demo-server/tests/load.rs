//! That the load generator keeps its schedule, and tells failures apart.

#![cfg(test)]

mod common;

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::thread;
use std::time::Duration;

use common::{PATIENCE, Running, check_sums, exact, produce};
use demo_server::Stop;
use demo_server::load::{self, Arrivals, Mode, Options};
use demo_server::server::{self, Server};

fn open(target: SocketAddr, rate_per_s: f64, requests_per_connection: u32, max_in_flight: u32) -> Options {
    let mode = Mode::Open { rate_per_s, requests_per_connection, max_in_flight, arrivals: Arrivals::Even };
    let duration = Duration::from_secs(1);
    Options {
        target,
        mode,
        duration,
        connect_timeout: PATIENCE,
        request_timeout: PATIENCE,
        ..Options::default()
    }
}

/// A server that answers each connection with these bytes, and closes it, whatever is asked.
fn answering(bytes: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            // The request is read first: closing over unread bytes would be a reset.
            let _ = std::io::Read::read(&mut stream, &mut [0; 4096]);
            let _ = stream.write_all(bytes);
        }
    });
    address
}

#[test]
fn open_model_keeps_its_schedule_though_nobody_accepts() {
    // Bound and never run: the kernel completes handshakes, nobody ever answers.
    let server = Server::bind(&server::Options::default()).unwrap();
    let request_timeout = Duration::from_millis(200);
    let summary = produce(&Options { request_timeout, ..open(server.bound().listen, 100.0, 1, 1000) });
    // The one due at the end itself is not started.
    assert_eq!((summary.scheduled, summary.not_started, summary.connected), (99, 0, 99));
    assert_eq!((summary.request_failures.timed_out, summary.completed), (99, 0));
    assert_eq!(summary.latency_us, None);
}

#[test]
fn arrivals_beyond_the_most_in_flight_are_counted_and_not_postponed() {
    let server = Server::bind(&server::Options::default()).unwrap();
    let options =
        Options { request_timeout: Duration::from_secs(2), ..open(server.bound().listen, 100.0, 1, 10) };
    let summary = produce(&options);
    assert_eq!((summary.scheduled, summary.attempts, summary.not_started), (99, 10, 89));
}

#[test]
fn open_model_makes_its_requests_on_each_connection() {
    let server = Running::start(&server::Options::default());
    let summary = produce(&open(server.bound.listen, 50.0, 3, 1000));
    assert_eq!(summary.connected, 49);
    let truth = server.end();
    assert_eq!((truth.accepted, truth.requests), (49, summary.completed));
    // Only those whose connection outlived the end make fewer.
    assert!(summary.completed > 49 && summary.completed <= 3 * 49, "{summary:?}");
}

#[test]
fn closed_model_reconnects_after_so_many_requests() {
    let server = Running::start(&server::Options::default());
    let mode = Mode::Closed {
        users: 7,
        think: Duration::from_millis(5),
        requests_per_connection: Some(4),
        lifetime: None,
    };
    let summary = produce(&Options { mode, ..open(server.bound.listen, 1.0, 1, 1) });
    let truth = server.end();
    assert_eq!((truth.accepted, truth.requests), (summary.connected, summary.completed));
    assert_eq!(summary.request_failures.total() + summary.connect_failures.total(), 0);
    assert!(summary.connected > 7, "{summary:?}");
    assert!(summary.completed <= 4 * summary.connected && summary.completed > 3 * (summary.connected - 7));
}

#[test]
fn connection_past_its_lifetime_is_not_used_again() {
    let server = Running::start(&server::Options::default());
    let mode = Mode::Closed {
        users: 3,
        think: Duration::from_millis(5),
        requests_per_connection: None,
        lifetime: Some(Duration::ZERO),
    };
    let summary = produce(&Options { mode, ..open(server.bound.listen, 1.0, 1, 1) });
    assert!(summary.connected > 3, "{summary:?}");
    assert_eq!((summary.completed, server.end().accepted), (summary.connected, summary.connected));
}

#[test]
fn users_keep_their_connection_where_nothing_ends_it() {
    let server = Running::start(&server::Options::default());
    let mode = Mode::Closed {
        users: 5,
        think: Duration::from_millis(3),
        requests_per_connection: None,
        lifetime: None,
    };
    let summary = produce(&Options { mode, ..open(server.bound.listen, 1.0, 1, 1) });
    assert_eq!((summary.attempts, server.end().accepted), (5, 5));
    assert!(summary.completed > 5, "{summary:?}");
}

#[test]
fn refused_attempts_are_told_apart() {
    let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let summary = produce(&exact(closed, 20, 20, 4));
    assert_eq!((summary.attempts, summary.connect_failures.refused, summary.requests), (20, 20, 0));
}

#[test]
fn incomplete_and_foreign_responses_are_told_apart() {
    let cut = produce(&exact(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort"), 5, 5, 1));
    assert_eq!((cut.connected, cut.request_failures.incomplete, cut.completed), (5, 5, 0));
    let foreign = produce(&exact(answering(b"SSH-2.0-OpenSSH_9.2\r\n"), 5, 5, 1));
    assert_eq!((foreign.request_failures.protocol, foreign.completed), (5, 0));
}

#[test]
fn responses_that_end_with_the_connection_are_complete_and_errors_counted() {
    let summary = produce(&exact(answering(b"HTTP/1.0 503 Busy\r\n\r\nlater"), 5, 5, 1));
    assert_eq!((summary.completed, summary.error_responses, summary.request_failures.total()), (5, 5, 0));
}

#[test]
fn connection_closed_between_requests_is_the_servers_doing() {
    let address = answering(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    let summary = produce(&exact(address, 4, 12, 1));
    assert_eq!((summary.completed, summary.closed_by_server, summary.connected), (4, 4, 4));
}

#[test]
fn stop_ends_a_load_and_counts_what_is_under_way() {
    let server = Server::bind(&server::Options::default()).unwrap();
    let stop = Stop::new().unwrap();
    let options =
        Options { request_timeout: Duration::from_secs(60), ..exact(server.bound().listen, 3, 3, 3) };
    let own_stop = stop.clone();
    let summary = load::run(&options, &stop, move |progress| {
        if progress.connected == 3 {
            own_stop.request();
        }
    })
    .unwrap();
    check_sums(&summary);
    assert_eq!((summary.connected, summary.request_failures.unfinished), (3, 3));
}

#[test]
fn progress_comes_and_ends_where_the_summary_is() {
    let server = Running::start(&server::Options::default());
    let mut seen = Vec::new();
    let options =
        Options { duration: Duration::from_millis(2500), ..open(server.bound.listen, 40.0, 1, 1000) };
    let summary = load::run(&options, &Stop::new().unwrap(), |progress| seen.push(progress.clone())).unwrap();
    check_sums(&summary);
    assert!(!seen.is_empty());
    for pair in seen.windows(2) {
        assert!(pair[0].attempts <= pair[1].attempts && pair[0].seconds < pair[1].seconds, "{seen:?}");
    }
    assert!(seen.iter().all(|progress| progress.completed <= summary.completed));
}
