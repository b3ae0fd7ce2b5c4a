//! What the server answers, and that its truth is what clients see.

#![cfg(test)]

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use common::{Running, connect, exact, produce, read_truth};
use demo_server::server::{Options, Stall, Truth};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: demo\r\n\r\n";
const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\nHello, world\n";

fn expect(stream: &mut TcpStream, wanted: &[u8]) {
    let mut bytes = vec![0; wanted.len()];
    stream.read_exact(&mut bytes).unwrap();
    assert_eq!(String::from_utf8_lossy(&bytes), String::from_utf8_lossy(wanted));
}

fn rest(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

fn calls(truth: &Truth, name: &str) -> u64 {
    truth.syscalls.get(name).copied().unwrap_or(0)
}

/// The calls whose number the client determines: one request at a time on each connection.
fn check_calls(truth: &Truth, connections: u64, requests: u64) {
    assert_eq!(calls(truth, "accept4"), connections);
    assert_eq!(calls(truth, "epoll_ctl"), connections);
    assert_eq!(calls(truth, "close"), connections);
    // One read per request, and one per connection that finds the end of the stream.
    assert_eq!(calls(truth, "recvfrom"), requests + connections);
    assert_eq!(calls(truth, "sendto"), requests);
    assert_eq!(truth.syscall_errors.len(), 0, "{truth:?}");
}

#[test]
fn requests_over_sequential_connections_are_counted_alike_on_both_sides() {
    let server = Running::start(&Options::default());
    let summary = produce(&exact(server.bound.listen, 25, 1003, 1));
    assert_eq!((summary.connected, summary.completed, summary.closed_by_server), (25, 1003, 0));
    let truth = server.end();
    assert_eq!((truth.accepted, truth.closed, truth.active, truth.requests), (25, 25, 0, 1003));
    assert_eq!((truth.bytes_read, truth.bytes_written), (summary.bytes_written, summary.bytes_read));
    check_calls(&truth, 25, 1003);
    assert_eq!(summary.latency_us.unwrap().count, 1003);
}

#[test]
fn parallel_connections_over_several_loops_are_counted_alike_on_both_sides() {
    let server = Running::start(&Options { workers: 3, ..Options::default() });
    let summary = produce(&exact(server.bound.listen, 300, 1200, 30));
    assert_eq!((summary.connected, summary.completed), (300, 1200));
    let truth = server.end();
    check_calls(&truth, 300, 1200);
    assert_eq!(truth.threads.len(), 3);
    assert_eq!(truth.threads.iter().map(|thread| thread.accepted).sum::<u64>(), truth.accepted);
    assert_eq!(truth.threads.iter().map(|thread| thread.requests).sum::<u64>(), truth.requests);
    assert_eq!(truth.events_per_wait.iter().sum::<u64>(), truth.loop_passes);
    assert_eq!(calls(&truth, "epoll_wait") + calls(&truth, "epoll_pwait"), truth.loop_passes);
}

#[test]
fn pipelined_requests_get_as_many_answers_in_one_write() {
    let server = Running::start(&Options::default());
    let mut stream = server.connect();
    stream.write_all(&REQUEST.repeat(50)).unwrap();
    expect(&mut stream, &ANSWER.repeat(50));
    drop(stream);
    server.wait_for(|truth| truth.closed == 1);
    let truth = server.end();
    assert_eq!((truth.requests, calls(&truth, "recvfrom"), calls(&truth, "sendto")), (50, 2, 1));
}

#[test]
fn request_in_parts_is_answered_when_it_is_complete() {
    let server = Running::start(&Options::default());
    let mut stream = server.connect();
    stream.set_nodelay(true).unwrap();
    let (last, parts) = REQUEST.split_last().unwrap();
    let mut sent = 0;
    for part in parts.chunks(7) {
        stream.write_all(part).unwrap();
        sent += u64::try_from(part.len()).unwrap();
        assert_eq!(server.wait_for(|truth| truth.bytes_read == sent).requests, 0);
    }
    // The last byte comes together with a second request and a part of a third.
    stream.write_all(&[&[*last], REQUEST, &REQUEST[..9]].concat()).unwrap();
    expect(&mut stream, &ANSWER.repeat(2));
    stream.write_all(&REQUEST[9..]).unwrap();
    expect(&mut stream, ANSWER);
    assert_eq!(server.wait_for(|truth| truth.requests == 3).accepted, 1);
}

#[test]
fn connection_stays_or_closes_as_the_client_asks() {
    let server = Running::start(&Options::default());
    let mut stream = server.connect();
    for _ in 0..3 {
        stream.write_all(REQUEST).unwrap();
        expect(&mut stream, ANSWER);
    }
    stream.write_all(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n").unwrap();
    let last = rest(&mut stream);
    assert!(last.contains("\r\nConnection: close\r\n") && last.ends_with("Hello, world\n"), "{last}");
    let mut old = server.connect();
    old.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    assert!(rest(&mut old).ends_with("Hello, world\n"));
    let truth = server.wait_for(|truth| truth.closed == 2);
    assert_eq!((truth.accepted, truth.requests, truth.active), (2, 5, 0));
}

#[test]
fn bodies_of_requests_are_skipped_and_heads_answered_without_body() {
    let server = Running::start(&Options::default());
    let mut stream = server.connect();
    stream.write_all(b"POST / HTTP/1.1\r\nContent-Length: 40000\r\n\r\n").unwrap();
    stream.write_all(&[b'x'; 39_999]).unwrap();
    assert_eq!(server.wait_for(|truth| truth.bytes_read > 39_999).requests, 0);
    stream.write_all(&[b"x", REQUEST, b"HEAD / HTTP/1.1\r\n\r\n", REQUEST].concat()).unwrap();
    expect(&mut stream, &[ANSWER, ANSWER, &ANSWER[..ANSWER.len() - 13], ANSWER].concat());
}

#[test]
fn answers_that_do_not_fit_the_socket_are_completed_later() {
    let body = 1 << 20;
    let server = Running::start(&Options { body_bytes: body, ..Options::default() });
    let mut stream = server.connect();
    // 32 MiB of answers: more than the socket buffers of both sides hold.
    stream.write_all(&REQUEST.repeat(32)).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n").unwrap();
    server.wait_for(|truth| calls(truth, "epoll_ctl") > 1);
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let truth = server.wait_for(|truth| truth.closed == 1);
    assert_eq!((truth.requests, truth.bytes_written), (33, u64::try_from(bytes.len()).unwrap()));
    assert_eq!(bytes.windows(15).filter(|window| window == b"HTTP/1.1 200 OK").count(), 33);
    assert!(bytes.len() > 33 * body);
}

#[test]
fn what_is_no_request_is_refused_and_counted() {
    let server = Running::start(&Options { read_buffer_bytes: 512, ..Options::default() });
    let long = format!("GET / HTTP/1.1\r\nA: {}", "b".repeat(512 - 19));
    for (text, status) in [("nonsense\r\n\r\n", "400"), (long.as_str(), "431")] {
        let mut stream = server.connect();
        stream.write_all(text.as_bytes()).unwrap();
        let answer = rest(&mut stream);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    }
    let truth = server.wait_for(|truth| truth.closed == 2);
    assert_eq!((truth.requests, truth.refused_requests), (0, 2));
}

#[test]
fn truth_port_tells_what_the_observer_sees_without_disturbing_the_loops() {
    let server = Running::start(&Options { truth: Some(([127, 0, 0, 1], 0).into()), ..Options::default() });
    produce(&exact(server.bound.listen, 3, 30, 1));
    let quiet = server.wait_for(|truth| truth.closed == 3);
    let address = server.bound.truth.unwrap();
    for _ in 0..3 {
        assert_eq!(read_truth(address), server.observer.truth());
    }
    let mut wrong = connect(address);
    wrong.write_all(b"POST / HTTP/1.1\r\n\r\n").unwrap();
    assert!(rest(&mut wrong).starts_with("HTTP/1.1 405 "));
    // The pass in which the last close happened is over; the only later one is that of the stop.
    let end = server.end();
    assert_eq!((end.accepted, end.requests, end.bytes_read), (3, 30, quiet.bytes_read));
    check_calls(&end, 3, 30);
}

#[test]
fn accept_delay_is_a_wait_of_at_least_that_long_before_each_batch() {
    let delay = Duration::from_millis(30);
    let server = Running::start(&Options { accept_delay: delay, ..Options::default() });
    let summary = produce(&exact(server.bound.listen, 5, 5, 1));
    let latency = summary.latency_us.unwrap();
    assert!(u128::from(latency.sum) >= 5 * delay.as_micros(), "{latency:?}");
    let truth = server.end();
    // Each batch lasts until the queue is empty.
    assert_eq!((calls(&truth, "clock_nanosleep"), calls(&truth, "accept4"), truth.accept_eagain), (5, 10, 5));
    assert_eq!(truth.syscall_errors["accept4"]["EAGAIN"], 5);
}

#[test]
fn stalls_happen_without_traffic_and_are_counted() {
    let stall = Stall { duration: Duration::from_millis(5), every: Duration::from_millis(20) };
    let server = Running::start(&Options { stall: Some(stall), ..Options::default() });
    server.wait_for(|truth| truth.stalls >= 3);
    let truth = server.end();
    assert_eq!(calls(&truth, "clock_nanosleep"), truth.stalls);
}

#[test]
fn end_closes_what_is_open() {
    let server = Running::start(&Options::default());
    let mut streams: Vec<_> = (0..4).map(|_| server.connect()).collect();
    assert_eq!(server.wait_for(|truth| truth.accepted == 4).active, 4);
    let truth = server.end();
    assert_eq!((truth.active, truth.closed, calls(&truth, "close")), (0, 4, 4));
    assert_eq!(streams.iter_mut().map(rest).collect::<String>(), "");
}

#[test]
fn address_in_use_is_an_error_that_names_it() {
    let server = Running::start(&Options::default());
    let error =
        demo_server::server::Server::bind(&Options { listen: server.bound.listen, ..Options::default() });
    let text = error.unwrap_err().to_string();
    assert!(text.contains(&server.bound.listen.to_string()) && text.contains("EADDRINUSE"), "{text}");
}
