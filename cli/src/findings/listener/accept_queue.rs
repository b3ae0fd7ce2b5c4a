//! The accept queue against a declared rate, and as it is now.

use super::{backlog, each, sockets};
use crate::findings::rule::{ByHand, Found, Group, Outcome, Rule, Source, Verified};
use crate::findings::subject::targets;
use crate::findings::text::{duration, number, short};
use crate::findings::{DeclaredLoad, Origin, Severity, Subject, fix};
use crate::model::{Distribution, Listener, Model};

/// A container throttled by the default cpu.max stands still for up to one period.
const SHORTEST_PAUSE_SECONDS: f64 = 0.1;
/// The first retransmission of a SYN: what one drop costs the client.
const SYN_TIMEOUT_SECONDS: f64 = 1.0;

/// Accept queue too short for the declared rate.
pub(in crate::findings) const LSN_001: Rule = Rule {
    id: "LSN-001",
    title: "The accept queue is too short for the declared arrival rate",
    group: Group::Listener,
    rank: 6,
    origin: Origin::Computed,
    reads: &[
        "listeners[].limit",
        "listeners[].capacity",
        "listeners[].sockets",
        "listeners[].accept_wait_us",
    ],
    applies: "The rate of new connections is declared (--rate) and the listener of the target is known.",
    formula: "capacity = limit + 1\n\
              rate of one socket = declared rate / sockets that share the address (SO_REUSEPORT)\n\
              pause = capacity / rate of one socket: how long nobody may call accept() before drops begin\n\
              fail: pause < 100 ms, or < the longest wait in the accept queue that was measured\n\
              warn: pause < 1 s, or < twice that wait",
    explanation: "When the application pauses (garbage collection, CPU throttling, one long callback), \
                  connections that the kernel has completed wait in the accept queue. When it is full the \
                  kernel drops new ones without a word: clients try again after 1 s, so the slowest \
                  requests jump to whole seconds while the log of the server stays clean.",
    mechanism: "A SYN that arrives while sk_acceptq_is_full() (include/net/sock.h: sk_ack_backlog > \
                sk_max_ack_backlog) is dropped in tcp_conn_request() (net/ipv4/tcp_input.c); so is the \
                final ACK of a handshake in tcp_v4_syn_recv_sock() (net/ipv4/tcp_ipv4.c). The comparison \
                is \">\", so limit + 1 connections fit. 100 ms is one default period of cpu.max, in which \
                a throttled container may stand still; 1 s is TCP_TIMEOUT_INIT, the first retry of a SYN.",
    by_hand: &[ByHand {
        command: "ss -ltn 'sport = :PORT'",
        shows: "Send-Q is the limit, Recv-Q how many wait; (Send-Q + 1) / rate is the pause",
    }],
    not_when: "A long queue hides overload: requests older than the client's timeout are served for \
               nobody. Keep the pause below that timeout. A listener behind a proxy that keeps its \
               connections open sees few new ones.",
    sources: &[
        Source { reference: "include/net/sock.h sk_acceptq_is_full()", verified: Verified::Source },
        Source { reference: "net/ipv4/tcp_input.c tcp_conn_request()", verified: Verified::Source },
        Source {
            reference: "backlog 4: exactly 5 connections queue, 7 of 12 SYNs dropped, all 7 retried after \
                        1 s",
            verified: Verified::Experiment,
        },
    ],
    caused_by: &["LSN-002"],
    assess: pauses,
};

fn pauses(model: &Model, load: &DeclaredLoad) -> Vec<Outcome> {
    if load.rate.is_none() {
        return vec![Outcome::Skip("no rate of new connections declared: add --rate R".to_owned())];
    }
    match targets(model) {
        Err(reason) => vec![Outcome::Skip(reason)],
        Ok(targets) => {
            targets.into_iter().map(|(subject, listener)| pause(model, load, subject, listener)).collect()
        }
    }
}

/// Judges one listener against the declared rate.
pub(super) fn pause(model: &Model, load: &DeclaredLoad, subject: Subject, listener: &Listener) -> Outcome {
    let Some(rate) = load.rate.filter(|rate| *rate > 0.0) else {
        return Outcome::Skip("no rate of new connections declared: add --rate R".to_owned());
    };
    let of_socket = rate / sockets(listener);
    let pause = number(listener.capacity) / of_socket;
    let longest =
        listener.accept_wait_us.as_ref().filter(|waits| waits.count > 0).map(|waits| waits.max / 1e6);
    let fail_below = longest.unwrap_or(0.0).max(SHORTEST_PAUSE_SECONDS);
    let warn_below = (2.0 * longest.unwrap_or(0.0)).max(SYN_TIMEOUT_SECONDS);
    let (covered, at) = (duration(pause), short(rate));
    let title = format!("the accept queue of {} covers a pause of {covered} at {at}/s", listener.capacity);
    let (severity, needed) = if pause < fail_below {
        (Severity::Fail, duration(fail_below))
    } else if pause < warn_below {
        (Severity::Warn, duration(warn_below))
    } else {
        return Outcome::pass(subject, title);
    };
    let shared = if listener.sockets > 1 {
        format!(" on each of {} sockets", listener.sockets)
    } else {
        String::new()
    };
    let mut evidence = vec![
        fix::exact("accept queue capacity", number(listener.capacity), "connections", "sock_diag, limit + 1"),
        fix::exact("declared rate", rate, "connections/s", "--rate"),
        fix::estimated("covered pause", pause * 1e3, "ms", "capacity / rate per socket"),
    ];
    if let Some(waits) = listener.accept_wait_us.as_ref().filter(|waits| waits.count > 0) {
        evidence.push(measured(waits, "longest wait in the accept queue"));
    }
    Found {
        severity,
        origin: Origin::Computed,
        subject,
        title,
        evidence,
        threshold: format!("{covered} < {needed}"),
        detail: format!(
            "{} connections fit and {}/s arrive{shared}: after {covered} without accept() the queue is \
             full; at least {needed} should be covered.",
            listener.capacity,
            short(of_socket)
        ),
        fixes: backlog::leading(model, load, listener),
    }
    .into()
}

fn measured(distribution: &Distribution, name: &str) -> crate::findings::Evidence {
    crate::findings::Evidence {
        quality: distribution.quality,
        ..fix::exact(name, distribution.max / 1e3, "ms", "listener probe")
    }
}

/// Accept queue filling.
pub(in crate::findings) const LSN_006: Rule = Rule {
    id: "LSN-006",
    title: "The accept queue is filling",
    group: Group::Listener,
    rank: 8,
    origin: Origin::Measured,
    reads: &["listeners[].accept_queue", "listeners[].capacity", "listeners[].accept_wait_us"],
    applies: "The listener was watched over a window; a single look (audit) counts only when the queue is \
              full.",
    formula: "fail: waiting >= capacity (limit + 1)\n\
              warn: it was full at some moment of the window, or more than half of it is taken now and was \
              at the median of all entries\n\
              wait = waiting / rate of accept() (Little's law), unless it was measured",
    explanation: "Connections in the accept queue are complete for their clients and unknown to the \
                  application: it calls accept() too rarely. Every one of them waits there before its \
                  first byte is read, and the application's own latency figures do not contain that time.",
    mechanism: "inet_csk_reqsk_queue_add() (net/ipv4/inet_connection_sock.c) appends the child socket and \
                increments sk_ack_backlog of the listener; inet_csk_accept() takes it off. sock_diag \
                reports the length as idiag_rqueue and the limit as idiag_wqueue, which ss prints as \
                Recv-Q and Send-Q of a LISTEN socket.",
    by_hand: &[ByHand {
        command: "watch -n 0.2 \"ss -ltn 'sport = :PORT'\"",
        shows: "Recv-Q near Send-Q: the application is behind",
    }],
    not_when: "A short peak right after start or deploy that drains at once. A server that accepts in \
               batches fills and empties the queue all the time; look at the wait, not at the length.",
    sources: &[
        Source { reference: "net/ipv4/inet_connection_sock.c inet_csk_accept()", verified: Verified::Source },
        Source {
            reference: "ss shows Recv-Q 5, Send-Q 4 for a full queue of backlog 4",
            verified: Verified::Experiment,
        },
        Source { reference: "Little's law", verified: Verified::Formula },
    ],
    caused_by: &["FD-012", "LSN-002"],
    assess: |model, load| each(model, |subject, listener| filling(model, load, subject, listener)),
};

/// Judges the queue of one listener as it is.
pub(super) fn filling(model: &Model, load: &DeclaredLoad, subject: Subject, listener: &Listener) -> Outcome {
    let queue = &listener.accept_queue;
    let (now, capacity) = (queue.now, listener.capacity.max(1));
    let peak = queue.max.max(now);
    if model.window.is_none() && now < capacity {
        return Outcome::Skip("one look says little about a queue: use live or report".to_owned());
    }
    let half = number(capacity) / 2.0;
    let usually =
        queue.depth.as_ref().filter(|depth| depth.count > 0).map_or(number(peak), |depth| depth.p50);
    let (severity, threshold) = if now >= capacity {
        (Severity::Fail, format!("waiting {now} >= capacity {capacity}"))
    } else if peak >= capacity {
        (Severity::Warn, format!("waiting reached {peak} of {capacity}"))
    } else if number(now) > half && usually > half {
        (Severity::Warn, format!("waiting {now} > half of {capacity}"))
    } else {
        let text = format!("{now} of {capacity} waiting for accept(), at most {peak}");
        return Outcome::pass(subject, text);
    };
    let title = match severity {
        Severity::Fail => format!("the accept queue is full: {now} of {capacity} wait for accept()"),
        _ => format!("{now} of {capacity} wait for accept(), at most {peak}"),
    };
    Found {
        severity,
        origin: Origin::Measured,
        subject,
        title,
        evidence: evidence(listener, peak),
        threshold,
        detail: waiting_sentence(model, listener),
        fixes: backlog::accept_faster(model, listener)
            .into_iter()
            .chain(backlog::leading(model, load, listener))
            .collect(),
    }
    .into()
}

fn evidence(listener: &Listener, peak: u64) -> Vec<crate::findings::Evidence> {
    let mut evidence = vec![
        fix::exact("waiting", number(listener.accept_queue.now), "connections", "sock_diag idiag_rqueue"),
        fix::exact("most waiting in the window", number(peak), "connections", "listener probe or sock_diag"),
        fix::exact("capacity", number(listener.capacity), "connections", "sock_diag idiag_wqueue + 1"),
    ];
    if let Some(waits) = listener.accept_wait_us.as_ref().filter(|waits| waits.count > 0) {
        evidence.push(measured(waits, "longest wait in the accept queue"));
    }
    evidence
}

fn waiting_sentence(model: &Model, listener: &Listener) -> String {
    let now = listener.accept_queue.now;
    if let Some(waits) = listener.accept_wait_us.as_ref().filter(|waits| waits.count > 0) {
        let (median, worst) = (duration(waits.p50 / 1e6), duration(waits.p99 / 1e6));
        return format!(
            "Connections waited {median} at the median and {worst} at the 99th percentile for accept()."
        );
    }
    let taken = listener.accepted.or(listener.entered).filter(|taken| *taken > 0);
    match (taken, model.window) {
        (Some(taken), Some(window)) if window.seconds > 0.0 => {
            let rate = number(taken) / window.seconds;
            let wait = duration(number(now) / rate);
            format!("At {}/s the {now} that wait now need {wait} to be taken (estimated).", short(rate))
        }
        _ if listener.accepted == Some(0) => "accept() was not called once in the window.".to_owned(),
        _ => format!("{now} connections wait now."),
    }
}
