//! The SYN queue: against a declared rate, and what the kernel counted.

use super::{backlog, over_window, sockets};
use crate::findings::rule::{ByHand, Found, Group, Outcome, Rule, Source, Verified};
use crate::findings::subject::{endpoint, targets, why};
use crate::findings::text::{duration, list, number, plural, short};
use crate::findings::{DeclaredLoad, Evidence, Fix, Origin, Severity, Subject, fix};
use crate::model::{KernelDrops, Listener, Model, Quality};

/// Round trip over the loopback interface.
const LOOPBACK_RTT_SECONDS: f64 = 0.000_1;

/// SYN queue too short.
pub(in crate::findings) const LSN_007: Rule = Rule {
    id: "LSN-007",
    title: "The SYN queue is too short for the declared rate and round-trip time",
    group: Group::Listener,
    rank: 17,
    origin: Origin::Computed,
    reads: &[
        "listeners[].capacity",
        "listeners[].handshake_us",
        "netns.tcp_syncookies",
        "netns.tcp_max_syn_backlog",
    ],
    applies: "The rate is declared, the target is known, and the round-trip time is declared, measured, or \
              that of loopback.",
    formula: "half-open = rate of one socket * round-trip time (Little's law)\n\
              capacity = limit + 1; with tcp_syncookies = 0 at most three quarters of tcp_max_syn_backlog\n\
              fail: half-open > capacity\n\
              warn: half-open > capacity / 2, since arrivals come in bursts",
    explanation: "Every SYN waits in the SYN queue for one round trip until the client's final ACK \
                  arrives. Beyond the capacity the kernel answers with SYN cookies, or drops the SYN when \
                  cookies are off.",
    mechanism: "inet_csk_reqsk_queue_is_full() (include/net/inet_connection_sock.h) compares the half-open \
                requests of the listener with sk_max_ack_backlog: the limit of the SYN queue is the \
                listen() backlog, not tcp_max_syn_backlog. That sysctl is read in one place, \
                tcp_conn_request() (net/ipv4/tcp_input.c), and only while tcp_syncookies is 0; then a \
                quarter of it is kept for peers that are known.",
    by_hand: &[
        ByHand {
            command: "ss -tn state syn-recv 'sport = :PORT' | wc -l",
            shows: "half-open requests, and one heading",
        },
        ByHand { command: "ss -ltn 'sport = :PORT'", shows: "Send-Q is the limit of both queues" },
    ],
    not_when: "The rate is that of attackers and not of users: SYN cookies are the right answer to a flood.",
    sources: &[
        Source {
            reference: "include/net/inet_connection_sock.h inet_csk_reqsk_queue_is_full()",
            verified: Verified::Source,
        },
        Source { reference: "net/ipv4/tcp_input.c tcp_conn_request()", verified: Verified::Source },
        Source {
            reference: "backlog 16: 17 half-open fit on 6.1 to 7.2, 16 on 5.10; 100 fit with \
                        tcp_max_syn_backlog 64 and cookies on",
            verified: Verified::Experiment,
        },
    ],
    caused_by: &["LSN-002"],
    assess: half_open,
};

fn half_open(model: &Model, load: &DeclaredLoad) -> Vec<Outcome> {
    let Some(rate) = load.rate.filter(|rate| *rate > 0.0) else {
        return vec![Outcome::Skip("no rate of new connections declared: add --rate R".to_owned())];
    };
    match targets(model) {
        Err(reason) => vec![Outcome::Skip(reason)],
        Ok(targets) => targets
            .into_iter()
            .map(|(subject, listener)| fits(model, load, rate, subject, listener))
            .collect(),
    }
}

/// How long a request stays half-open: seconds, source and quality.
fn round_trip(load: &DeclaredLoad, listener: &Listener) -> Option<(f64, &'static str, Quality)> {
    if let Some(seconds) = load.rtt_seconds {
        return Some((seconds, "--rtt", Quality::Exact));
    }
    if let Some(handshakes) = listener.handshake_us.as_ref().filter(|handshakes| handshakes.count > 0) {
        let mean = handshakes.sum / number(handshakes.count) / 1e6;
        return Some((mean, "mean handshake, listener probe", handshakes.quality));
    }
    load.local_clients.then_some((LOOPBACK_RTT_SECONDS, "assumed for loopback", Quality::Estimated))
}

fn fits(model: &Model, load: &DeclaredLoad, rate: f64, subject: Subject, listener: &Listener) -> Outcome {
    let Some((seconds, source, quality)) = round_trip(load, listener) else {
        return Outcome::Skip(
            "no round-trip time: add --rtt, or watch the listener with the probes".to_owned(),
        );
    };
    let mut capacity = listener.capacity;
    let mut bound = "the listen() backlog";
    if model.netns.tcp_syncookies == Some(0) {
        let Some(sysctl) = model.netns.tcp_max_syn_backlog else {
            return Outcome::Skip(why(model, "netns", "tcp_max_syn_backlog", "not read"));
        };
        let open_to_all = sysctl - sysctl / 4;
        if open_to_all < capacity {
            (capacity, bound) =
                (open_to_all, "three quarters of tcp_max_syn_backlog, since tcp_syncookies = 0");
        }
    }
    let of_socket = rate / sockets(listener);
    let needed = of_socket * seconds;
    let arithmetic = format!("{}/s * {} = {} half-open", short(of_socket), duration(seconds), short(needed));
    let severity = if needed > number(capacity) {
        Severity::Fail
    } else if needed > number(capacity) / 2.0 {
        Severity::Warn
    } else {
        return Outcome::pass(subject, format!("{arithmetic}, room for {capacity}"));
    };
    Found {
        severity,
        origin: Origin::Computed,
        subject,
        title: format!("{} half-open requests expected, the SYN queue holds {capacity}", short(needed)),
        evidence: vec![
            fix::estimated("half-open requests", needed, "connections", "rate per socket * round-trip time"),
            fix::exact("SYN queue capacity", number(capacity), "connections", bound),
            Evidence { quality, ..fix::exact("round-trip time", seconds * 1e3, "ms", source) },
        ],
        threshold: format!("{} of {capacity}", short(needed)),
        detail: format!("{arithmetic}; {capacity} fit, bound by {bound}."),
        fixes: backlog::leading(model, load, listener),
    }
    .into()
}

/// SYN queue overflowed.
pub(in crate::findings) const LSN_008: Rule = Rule {
    id: "LSN-008",
    title: "The SYN queue overflowed: cookies sent or SYNs dropped",
    group: Group::Listener,
    rank: 18,
    origin: Origin::Measured,
    reads: &[
        "netns.window_drops",
        "ledger.kernel",
        "netns.totals",
        "netns.tcp_syncookies",
        "listeners[].syn_queue",
    ],
    applies: "Always. With tcp_syncookies = 2 a cookie is sent for every connection: then only drops count.",
    formula: "over a window, fail: TCPReqQFullDrop rose; warn: SyncookiesSent rose\n\
              audit, info: one of them above 0 since the namespace exists",
    explanation: "More handshakes were open at once than the listen() backlog holds. With SYN cookies the \
                  clients still connect, but lose window scaling and SACK unless they sent TCP timestamps; \
                  without cookies the SYN is dropped and the client waits at least 1 s.",
    mechanism: "tcp_conn_request() (net/ipv4/tcp_input.c) calls tcp_syn_flood_action() when the SYN queue \
                is full: with cookies allowed it counts TCPReqQFullDoCookies and sends a cookie \
                (SyncookiesSent), otherwise it counts TCPReqQFullDrop and drops. The kernel logs \
                \"Possible SYN flooding\" once per listener. A cookie is still refused when the accept \
                queue is full at that moment.",
    by_hand: &[
        ByHand {
            command: "nsenter -t PID -n nstat -az TcpExtSyncookiesSent TcpExtTCPReqQFullDoCookies \
                      TcpExtTCPReqQFullDrop",
            shows: "totals of the namespace: call it twice and subtract",
        },
        ByHand { command: "dmesg | grep 'SYN flooding'", shows: "which port" },
    ],
    not_when: "A real SYN flood: cookies do their work then. Look where the SYNs come from first.",
    sources: &[
        Source { reference: "net/ipv4/tcp_input.c tcp_syn_flood_action()", verified: Verified::Source },
        Source {
            reference: "Documentation/networking/ip-sysctl.rst, tcp_syncookies",
            verified: Verified::Documentation,
        },
        Source {
            reference: "counters per event on 5.10, 6.1, 6.12, 6.18 and 7.2",
            verified: Verified::Experiment,
        },
    ],
    caused_by: &["LSN-007", "BAD-005", "LSN-005"],
    assess: overflowed,
};

fn overflowed(model: &Model, load: &DeclaredLoad) -> Vec<Outcome> {
    let (counters, span) = match model.window {
        Some(window) => (over_window(model), format!("in {} s", short(window.seconds))),
        None => (model.netns.totals, "since the namespace exists (history, may be old)".to_owned()),
    };
    let Some(counters) = counters else {
        return vec![Outcome::Skip(why(model, "netns", "counters", "the drop counters were not read"))];
    };
    let forced = model.netns.tcp_syncookies == Some(2);
    let cookies = if forced { 0 } else { counters.SyncookiesSent };
    let dropped = counters.TCPReqQFullDrop;
    if dropped == 0 && cookies == 0 {
        if forced {
            return vec![Outcome::Skip(
                "tcp_syncookies = 2 sends a cookie for every connection (BAD-005)".to_owned(),
            )];
        }
        return vec![Outcome::pass(
            Subject::Netns,
            format!("0 SYN cookies sent and TCPReqQFullDrop 0 {span}"),
        )];
    }
    let severity = match (model.window, dropped) {
        (None, _) => Severity::Info,
        (Some(_), 0) => Severity::Warn,
        (Some(_), _) => Severity::Fail,
    };
    let title = if dropped > 0 {
        format!("{} dropped at a full SYN queue {span}", plural(dropped, "SYN"))
    } else {
        format!("{} sent {span}: the SYN queue was full", plural(cookies, "SYN cookie"))
    };
    let (detail, fixes) = fullest(model, load);
    let found = Found {
        severity,
        origin: Origin::Measured,
        subject: Subject::Netns,
        title,
        evidence: evidence(&counters),
        threshold: format!("SyncookiesSent {}, TCPReqQFullDrop {dropped}: above 0", counters.SyncookiesSent),
        detail,
        fixes,
    };
    vec![found.into()]
}

fn evidence(counters: &KernelDrops) -> Vec<Evidence> {
    let source = "/proc/net/netstat of the target's namespace";
    vec![
        fix::exact("TCPReqQFullDrop", number(counters.TCPReqQFullDrop), "packets", source),
        fix::exact("TCPReqQFullDoCookies", number(counters.TCPReqQFullDoCookies), "packets", source),
        fix::exact("SyncookiesSent", number(counters.SyncookiesSent), "packets", source),
    ]
}

/// The listeners whose SYN queue was under pressure, and the change for the first of them.
fn fullest(model: &Model, load: &DeclaredLoad) -> (String, Vec<Fix>) {
    let pressed: Vec<&Listener> =
        model.listeners.iter().filter(|listener| under_pressure(listener)).collect();
    let Some(first) = pressed.first() else {
        let only = model.listeners.first().filter(|_| model.listeners.len() == 1);
        let fixes = only.map(|listener| backlog::leading(model, load, listener)).unwrap_or_default();
        return (
            "The counter is for the whole namespace; no listener's SYN queue is near its limit now."
                .to_owned(),
            fixes,
        );
    };
    let queues: Vec<String> = pressed
        .iter()
        .map(|listener| {
            format!(
                "{} with {} of {} half-open",
                endpoint(listener),
                listener.syn_queue.max,
                listener.capacity
            )
        })
        .collect();
    (format!("Seen at {}.", list(&queues)), backlog::leading(model, load, first))
}

/// Whether a listener's SYN queue was more than half full, or it sent cookies.
pub(super) fn under_pressure(listener: &Listener) -> bool {
    let queue = listener.syn_queue;
    let half_open = queue.max.max(queue.now);
    half_open.saturating_mul(2) > listener.capacity
        || listener.cookies.is_some_and(|cookies| cookies.sent > 0)
}
