//! Connections on their way through the accept queue, against the test's own counts and clock.

use std::net::TcpStream;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::netns::{in_namespace, measured};
use crate::traffic::{Listener, PORT, loopback, reset, start_clients};
use crate::truth::Counters;
use crate::watch::Watch;

/// What the server sleeps between learning of a connection and accept().
const DELAY: Duration = Duration::from_millis(100);
/// How far the report may be from the test's clock.
const TOLERANCE_US: f64 = 5000.0;
const CONNECTIONS: usize = 30;

/// One connection after the other, each taken late. Returns how long each waited, in order of length.
fn serve_late(listener: &Listener) -> Vec<Duration> {
    let mut waits: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let client = std::thread::spawn(|| (TcpStream::connect(loopback()).unwrap(), Instant::now()));
            let mut ready = [PollFd::new(listener.socket().as_fd(), PollFlags::POLLIN)];
            assert_eq!(poll(&mut ready, PollTimeout::NONE), Ok(1));
            std::thread::sleep(DELAY);
            let accepted = listener.socket().accept().unwrap();
            let taken = Instant::now();
            // On loopback the connection is in the queue before connect() returns.
            let (client, queued) = client.join().unwrap();
            drop((client, accepted));
            taken.duration_since(queued)
        })
        .collect();
    waits.sort_unstable();
    waits
}

#[test]
fn accept_wait_is_the_time_in_the_queue() {
    in_namespace(|_| {
        let listener = Listener::open(loopback(), 16);
        let watch = Watch::port(PORT);
        let before = Counters::settled();
        let waits = serve_late(&listener);
        let truth = Counters::settled().since(&before);
        let report = watch.finish();

        let connections = u64::try_from(CONNECTIONS).unwrap();
        assert_eq!(truth.row(["PassiveOpens", "ListenDrops"]), [connections, 0]);
        let median_us = waits[CONNECTIONS / 2].as_secs_f64() * 1e6;
        measured(&format!("median wait {median_us:.0} us by the test's clock"));
        assert!(median_us >= DELAY.as_secs_f64() * 1e6 - 1000.0, "the server took connections early");
        let Some(report) = report else { return };
        report.assert_ledger(&truth);
        let listener = report.listener("127.0.0.1", PORT);
        listener.assert_number("entered", connections);
        listener.assert_number("accepted", connections);
        let Some(wait) = listener.part("accept_wait_us") else { return };
        wait.assert_number("count", connections);
        let reported_us = wait.value["p50"].as_f64().unwrap();
        measured(&format!("median wait {reported_us:.0} us in the report"));
        assert!((reported_us - median_us).abs() <= TOLERANCE_US, "{reported_us} us against {median_us} us");
    });
}

#[test]
fn a_filled_queue_is_taken_whole() {
    in_namespace(|_| {
        let listener = Listener::open(loopback(), 4);
        let watch = Watch::port(PORT);
        let before = Counters::settled();
        let clients = start_clients(loopback(), 5);
        std::thread::sleep(Duration::from_millis(500));
        let accepted = listener.accept_all();
        assert_eq!(accepted.len(), 5);
        let truth = Counters::settled().since(&before);
        let report = watch.finish();
        assert_eq!(truth.row(["PassiveOpens", "ListenDrops"]), [5, 0]);
        drop((clients, accepted));
        let Some(report) = report else { return };
        report.assert_ledger(&truth);
        let taken = report.listener("127.0.0.1", PORT);
        taken.assert_drops([0; 5]);
        for (name, expected) in
            [("entered", 5), ("accepted", 5), ("dead_before_accept", 0), ("never_accepted", 0)]
        {
            taken.assert_number(name, expected);
        }
        taken.part("accept_queue").unwrap().assert_number("max", 5);
        if let Some(wait) = taken.part("accept_wait_us") {
            wait.assert_number("count", 5);
            assert!(wait.value["max"].as_f64().unwrap() >= 500_000.0, "{:#}", wait.value);
        }
        // The call that found the queue empty is the sixth.
        let process = report.process(std::process::id());
        if let Some(calls) = process.part("accept") {
            calls.assert_number("ok", 5);
            calls.assert_number("eagain", 1);
            calls.assert_number("emfile", 0);
        }
    });
}

#[test]
fn resets_in_the_queue_are_dead_before_accept() {
    in_namespace(|_| {
        let listener = Listener::open(loopback(), 8);
        let watch = Watch::port(PORT);
        let before = Counters::settled();
        let mut clients = start_clients(loopback(), 5);
        clients.drain(..3).for_each(reset);
        // The kernel hands out a connection that its peer has reset.
        let accepted = listener.accept_all();
        assert_eq!(accepted.len(), 5);
        let truth = Counters::settled().since(&before);
        let report = watch.finish();
        assert_eq!(truth.get("PassiveOpens"), 5);
        let Some(report) = report else { return };
        report.assert_ledger(&truth);
        let listener = report.listener("127.0.0.1", PORT);
        for (name, expected) in
            [("entered", 5), ("accepted", 5), ("dead_before_accept", 3), ("never_accepted", 0)]
        {
            listener.assert_number(name, expected);
        }
    });
}

#[test]
fn connections_in_the_queue_of_a_closed_listener_are_never_accepted() {
    in_namespace(|_| {
        let listener = Listener::open(loopback(), 8);
        let watch = Watch::port(PORT);
        let before = Counters::settled();
        let clients = start_clients(loopback(), 5);
        drop(listener);
        // The report names listeners that exist at its end.
        let reopened = Listener::open(loopback(), 8);
        let truth = Counters::settled().since(&before);
        let report = watch.finish();
        assert_eq!(truth.get("PassiveOpens"), 5);
        drop((clients, reopened));
        let Some(report) = report else { return };
        report.assert_ledger(&truth);
        let listener = report.listener("127.0.0.1", PORT);
        for (name, expected) in
            [("entered", 5), ("accepted", 0), ("dead_before_accept", 0), ("never_accepted", 5)]
        {
            listener.assert_number(name, expected);
        }
    });
}

/// Calls that find no free descriptor.
const FAILURES: usize = 7;

#[test]
fn accept_without_a_free_descriptor_takes_nothing() {
    in_namespace(|_| {
        let listener = Listener::open(loopback(), 8);
        let watch = Watch::port(PORT);
        let before = Counters::settled();
        let clients = start_clients(loopback(), 5);
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        // Every descriptor below it is in use.
        setrlimit(Resource::RLIMIT_NOFILE, 3, hard).unwrap();
        let failures: Vec<_> = (0..FAILURES).map(|_| listener.socket().accept().err()).collect();
        setrlimit(Resource::RLIMIT_NOFILE, soft, hard).unwrap();
        for failure in failures {
            assert_eq!(failure.and_then(|error| error.raw_os_error()), Some(libc::EMFILE));
        }
        let accepted = listener.accept_all();
        assert_eq!(accepted.len(), 5);
        let truth = Counters::settled().since(&before);
        let report = watch.finish();
        assert_eq!(truth.row(["PassiveOpens", "ListenDrops"]), [5, 0]);
        drop((clients, accepted));
        let Some(report) = report else { return };
        report.assert_ledger(&truth);
        report.listener("127.0.0.1", PORT).assert_number("accepted", 5);
        let process = report.process(std::process::id());
        let Some(calls) = process.part("accept") else { return };
        calls.assert_number("ok", 5);
        calls.assert_number("eagain", 1);
        calls.assert_number("emfile", u64::try_from(FAILURES).unwrap());
    });
}
