//! The sysctl that everybody raises, and that does nothing.

use super::{backlog, over_window, syn_queue};
use crate::findings::rule::{ByHand, Found, Group, Outcome, Rule, Source, Verified};
use crate::findings::subject::{endpoint, why};
use crate::findings::text::{list, number, plural};
use crate::findings::{DeclaredLoad, Origin, Severity, Subject, fix};
use crate::model::{Listener, Model};

/// tcp_max_syn_backlog without effect.
pub(in crate::findings) const LSN_016: Rule = Rule {
    id: "LSN-016",
    title: "Raising tcp_max_syn_backlog would do nothing here",
    group: Group::Listener,
    rank: 30,
    origin: Origin::Configured,
    reads: &[
        "netns.tcp_syncookies",
        "netns.tcp_max_syn_backlog",
        "netns.window_drops",
        "netns.totals",
        "listeners[].syn_queue",
        "listeners[].drops",
    ],
    applies: "tcp_syncookies is not 0, and somebody has a reason to reach for that sysctl: the SYN queue \
              is or was under pressure, or drops are measured.",
    formula: "info: tcp_syncookies != 0 and (TCPReqQFullDoCookies or SyncookiesSent or ListenDrops above \
              0, or more than half of a SYN queue taken)",
    explanation: "The kernel reads tcp_max_syn_backlog only while tcp_syncookies is 0. The SYN queue of a \
                  listener ends where its accept queue ends, at the backlog of listen(): that is the \
                  number to raise.",
    mechanism: "tcp_conn_request() (net/ipv4/tcp_input.c) is the only reader of sysctl_max_syn_backlog, in \
                the branch for tcp_syncookies == 0. Whether the SYN queue is full is decided before, by \
                inet_csk_reqsk_queue_is_full() (include/net/inet_connection_sock.h), which compares with \
                sk_max_ack_backlog of the listener: the backlog argument, cut to net.core.somaxconn.",
    by_hand: &[
        ByHand {
            command: "sysctl net.ipv4.tcp_syncookies net.ipv4.tcp_max_syn_backlog",
            shows: "cookies 1 or 2: the second value is not used",
        },
        ByHand {
            command: "ss -ltn 'sport = :PORT'",
            shows: "Send-Q: the limit of the SYN queue and of the accept queue",
        },
    ],
    not_when: "tcp_syncookies is 0 on purpose (behind a scrubbing proxy): there the sysctl counts, and \
               three quarters of it are open to unknown clients.",
    sources: &[
        Source { reference: "net/ipv4/tcp_input.c tcp_conn_request()", verified: Verified::Source },
        Source {
            reference: "tcp_max_syn_backlog 64: 100 half-open and no drop with cookies 1; 49 accepted and \
                        51 dropped with cookies 0",
            verified: Verified::Experiment,
        },
    ],
    caused_by: &["LSN-002", "LSN-005", "LSN-008", "LSN-004"],
    assess,
};

fn assess(model: &Model, load: &DeclaredLoad) -> Vec<Outcome> {
    let outcome = match model.netns.tcp_syncookies {
        None => Outcome::Skip(why(model, "netns", "tcp_syncookies", "not read")),
        Some(0) => {
            Outcome::Skip("tcp_syncookies = 0: here tcp_max_syn_backlog does count (BAD-005)".to_owned())
        }
        Some(cookies) => judge(model, load, cookies),
    };
    vec![outcome]
}

fn judge(model: &Model, load: &DeclaredLoad, cookies: u64) -> Outcome {
    let reasons = reasons(model);
    let value = model.netns.tcp_max_syn_backlog;
    let named = value
        .map_or_else(|| "tcp_max_syn_backlog".to_owned(), |value| format!("tcp_max_syn_backlog ({value})"));
    if reasons.is_empty() {
        return Outcome::pass(
            Subject::Netns,
            format!("{named} is not in use and no SYN queue is short of room"),
        );
    }
    let harmed = model.listeners.iter().find(|listener| has_reason(listener));
    let harmed = harmed.or_else(|| model.listeners.first().filter(|_| model.listeners.len() == 1));
    let limit = harmed.map_or_else(String::new, |listener| {
        format!("; the limit of both queues of {} is its backlog, {}", endpoint(listener), listener.limit)
    });
    let mut evidence =
        vec![fix::exact("tcp_syncookies", number(cookies), "", "/proc/sys/net/ipv4/tcp_syncookies")];
    evidence.extend(value.map(|value| {
        fix::exact(
            "tcp_max_syn_backlog",
            number(value),
            "connections",
            "/proc/sys/net/ipv4/tcp_max_syn_backlog",
        )
    }));
    Found {
        severity: Severity::Info,
        origin: Origin::Configured,
        subject: Subject::Netns,
        title: format!("raising {named} would do nothing here: tcp_syncookies = {cookies}"),
        evidence,
        threshold: format!("tcp_syncookies {cookies} != 0, and {}", list(&reasons)),
        detail: format!("This sysctl is usually raised at such a moment ({}){limit}.", list(&reasons)),
        fixes: harmed.map(|listener| backlog::leading(model, load, listener)).unwrap_or_default(),
    }
    .into()
}

/// Why somebody would reach for the sysctl.
fn reasons(model: &Model) -> Vec<String> {
    let counters = if model.window.is_some() { over_window(model) } else { model.netns.totals };
    let counters = counters.unwrap_or_default();
    let mut reasons = Vec::new();
    if counters.SyncookiesSent > 0 {
        reasons.push(format!("{} sent", plural(counters.SyncookiesSent, "SYN cookie")));
    } else if counters.TCPReqQFullDoCookies > 0 {
        reasons.push(format!("the SYN queue overflowed {} times", counters.TCPReqQFullDoCookies));
    }
    let dropped: u64 =
        model.listeners.iter().filter_map(|listener| listener.drops).map(|drops| drops.total).sum();
    let dropped = dropped.max(counters.ListenDrops);
    if dropped > 0 {
        reasons.push(format!("{} dropped", plural(dropped, "packet")));
    }
    let pressed = model.listeners.iter().find(|listener| syn_queue::under_pressure(listener));
    if let Some(listener) = pressed {
        let half_open = listener.syn_queue.max.max(listener.syn_queue.now);
        reasons.push(format!("{half_open} of {} half-open at {}", listener.capacity, endpoint(listener)));
    }
    reasons
}

fn has_reason(listener: &Listener) -> bool {
    let hinted = listener.drops_hint.is_some_and(|hint| hint > 0);
    listener.drops.map_or(hinted, |drops| drops.total > 0) || syn_queue::under_pressure(listener)
}
