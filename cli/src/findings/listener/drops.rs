//! Drops: of the namespace and of each listener.

use super::{backlog, each};
use crate::findings::rule::{ByHand, Found, Group, Outcome, Rule, Source, Verified};
use crate::findings::subject::{any_listener, why};
use crate::findings::text::{list, number, percent, plural, short};
use crate::findings::{DeclaredLoad, Evidence, Fix, Origin, Severity, Subject, fix};
use crate::model::{Causes, Drops, KernelDrops, Listener, Model};

/// Overflows of the namespace.
pub(in crate::findings) const LSN_004: Rule = Rule {
    id: "LSN-004",
    title: "The kernel counted accept queue overflows",
    group: Group::Listener,
    rank: 9,
    origin: Origin::Measured,
    reads: &["netns.window_drops", "ledger.kernel", "netns.totals"],
    applies: "Always. Over a window only the increments count; without one (audit) the totals are history.",
    formula: "over a window, fail: ListenOverflows rose; warn: only ListenDrops rose\n\
              audit, warn: ListenOverflows or ListenDrops above 0 since the namespace exists",
    explanation: "ListenOverflows rises by one for every SYN and every final ACK of a handshake that met a \
                  full accept queue. It counts packets, so a client that keeps trying counts several \
                  times, and it does not say which listener: LSN-005 does.",
    mechanism: "tcp_conn_request() (net/ipv4/tcp_input.c) and tcp_v4_syn_recv_sock() (net/ipv4/tcp_ipv4.c) \
                increment LINUX_MIB_LISTENOVERFLOWS, then tcp_listendrop() increments \
                LINUX_MIB_LISTENDROPS. ListenDrops is the larger set: it also rises for a full SYN queue \
                with SYN cookies off, for the tcp_max_syn_backlog rule, and when memory, route or a \
                security module refuses. No packet of these is visible to tools that trace kfree_skb at \
                the SYN stage: a dropped SYN ends in consume_skb().",
    by_hand: &[ByHand {
        command: "nsenter -t PID -n nstat -az TcpExtListenOverflows TcpExtListenDrops",
        shows: "totals of the namespace: call it twice and subtract",
    }],
    not_when: "In an audit the totals may be from last month: look again under load before changing \
               anything.",
    sources: &[
        Source { reference: "net/ipv4/tcp_input.c tcp_conn_request()", verified: Verified::Source },
        Source { reference: "net/ipv4/tcp_ipv4.c tcp_v4_syn_recv_sock()", verified: Verified::Source },
        Source {
            reference: "12 SYNs at backlog 4: ListenOverflows +7, ListenDrops +7, again after 1 s",
            verified: Verified::Experiment,
        },
    ],
    caused_by: &["LSN-005", "FD-012", "LSN-002"],
    assess: of_netns,
};

/// The kernel's drop counters over the window.
pub(in crate::findings) fn over_window(model: &Model) -> Option<KernelDrops> {
    model.window?;
    model.netns.window_drops.or_else(|| model.ledger.as_ref().map(|ledger| ledger.kernel))
}

/// Whether the counters of the window (or, without one, the totals) show accept queue overflows.
pub(super) fn overflowed(model: &Model) -> bool {
    let counters = if model.window.is_some() { over_window(model) } else { model.netns.totals };
    counters.is_some_and(|counters| counters.ListenOverflows > 0)
}

/// Judges the counters of the namespace.
pub(super) fn of_netns(model: &Model, load: &DeclaredLoad) -> Vec<Outcome> {
    let unreadable =
        || vec![Outcome::Skip(why(model, "netns", "counters", "the drop counters were not read"))];
    let outcome = match model.window {
        Some(window) => match over_window(model) {
            None => return unreadable(),
            Some(counters) => {
                let span = format!("in {} s", short(window.seconds));
                let severity = if counters.ListenOverflows > 0 { Severity::Fail } else { Severity::Warn };
                netns_outcome(model, load, &counters, severity, &span)
            }
        },
        None => match model.netns.totals {
            None => return unreadable(),
            Some(counters) => {
                let span = "since the namespace exists (history, may be old)";
                netns_outcome(model, load, &counters, Severity::Warn, span)
            }
        },
    };
    vec![outcome]
}

fn netns_outcome(
    model: &Model,
    load: &DeclaredLoad,
    counters: &KernelDrops,
    severity: Severity,
    span: &str,
) -> Outcome {
    let (overflows, drops) = (counters.ListenOverflows, counters.ListenDrops);
    if overflows == 0 && drops == 0 {
        return Outcome::pass(Subject::Netns, format!("ListenOverflows 0 and ListenDrops 0 {span}"));
    }
    let others = drops.saturating_sub(overflows);
    let title = if overflows > 0 {
        format!("{} dropped at full accept queues {span}", plural(overflows, "packet"))
    } else {
        format!("{} dropped at listeners {span}, none by a full accept queue", plural(drops, "packet"))
    };
    let detail = match (overflows, others) {
        (0, _) => {
            "All of them for another reason: a full SYN queue, memory, route or a security module.".to_owned()
        }
        (_, 0) => {
            format!("ListenOverflows and ListenDrops rose alike, by {overflows}: every drop was an overflow.")
        }
        _ => format!("{overflows} were overflows; {others} more were dropped for another reason."),
    };
    let only = any_listener(model).filter(|_| model.listeners.len() == 1 && overflows > 0);
    let source = "/proc/net/netstat of the target's namespace";
    Found {
        severity,
        origin: Origin::Measured,
        subject: Subject::Netns,
        title,
        evidence: vec![
            fix::exact("ListenOverflows", number(overflows), "packets", source),
            fix::exact("ListenDrops", number(drops), "packets", source),
        ],
        threshold: format!("ListenOverflows {overflows}, ListenDrops {drops}: above 0"),
        detail,
        fixes: only.map(|listener| backlog::leading(model, load, listener)).unwrap_or_default(),
    }
    .into()
}

/// Drops of each listener.
pub(in crate::findings) const LSN_005: Rule = Rule {
    id: "LSN-005",
    title: "A listener drops connection attempts",
    group: Group::Listener,
    rank: 7,
    origin: Origin::Measured,
    reads: &[
        "listeners[].drops",
        "listeners[].refused_attempts",
        "listeners[].drops_hint",
        "netns.window_drops",
    ],
    applies: "Over a window with the drop probes (exact, by cause); without them from the socket's own \
              counter (estimated); in an audit from its total.",
    formula: "over a window, fail: drops > 0\n\
              without probes, fail: sk_drops rose while ListenDrops of the namespace rose too\n\
              audit, warn: sk_drops > 0 while ListenDrops > 0\n\
              refused share = refused attempts / (refused attempts + connections that entered the accept \
              queue)",
    explanation: "A drop is silent: no RST, no log line; the client tries again after 1 s, and again \
                  later. A refused attempt is one client whose packets met at least one drop; it may \
                  succeed at a later try, a second or more too late.",
    mechanism: "netscope reads this CPU's copy of the namespace's counters in the consume_skb and \
                kfree_skb tracepoints and takes the difference since the last packet on this CPU: the \
                difference belongs to exactly this packet, so every drop has one cause and one listener, \
                and the sum equals the kernel's own counters. Without probes there is sk_drops of the \
                socket (tcp_listendrop(), include/net/tcp.h), which is a hint only: a dropped final ACK \
                counts twice, and a repeated SYN of a half-open request counts although nothing was \
                dropped.",
    by_hand: &[
        ByHand {
            command: "ss -ltmn 'sport = :PORT'",
            shows: "d<N> at the end of skmem is sk_drops of the listener",
        },
        ByHand { command: "nstat -az TcpExtListenDrops", shows: "the namespace's count of the same time" },
    ],
    not_when: "A port scan or a health checker that opens and never finishes handshakes also counts. Look \
               at the cause before changing a limit.",
    sources: &[
        Source { reference: "include/net/tcp.h tcp_listendrop()", verified: Verified::Source },
        Source {
            reference: "147150 of 147150 overflows of a two-CPU storm attributed to their listener",
            verified: Verified::Experiment,
        },
        Source {
            reference: "sk_drops +1 per dropped SYN, +2 per dropped final ACK, +1 per repeated SYN, on \
                        5.10 to 7.2",
            verified: Verified::Experiment,
        },
    ],
    caused_by: &["FD-012", "LSN-002", "BAD-005"],
    assess: |model, load| each(model, |subject, listener| of_listener(model, load, subject, listener)),
};

/// Whether the drops of a listener are for want of queue space, as far as their causes are known.
pub(super) fn by_queue(listener: &Listener) -> bool {
    listener.drops.is_none_or(|drops| {
        let causes = drops.by_cause;
        causes.accept_queue_full_syn + causes.accept_queue_full_ack + causes.syn_queue_full > 0
    })
}

/// Judges the drops of one listener.
pub(super) fn of_listener(
    model: &Model,
    load: &DeclaredLoad,
    subject: Subject,
    listener: &Listener,
) -> Outcome {
    let Some(window) = model.window else {
        return history(model, load, subject, listener);
    };
    let seconds = short(window.seconds);
    match (listener.drops, listener.drops_hint) {
        (Some(drops), _) if drops.total == 0 => {
            let entered = listener.entered.map_or_else(String::new, |count| format!(", {count} entered"));
            Outcome::pass(subject, format!("0 packets dropped in {seconds} s{entered}"))
        }
        (Some(drops), _) => counted(model, load, subject, listener, drops, &seconds),
        (None, Some(hint)) => {
            let span = format!("in {seconds} s");
            hinted(model, load, subject, listener, (hint, over_window(model)), (Severity::Fail, &span))
        }
        (None, None) => {
            Outcome::Skip(why(model, "listeners", "drops", "neither the probes nor the kernel counted drops"))
        }
    }
}

fn counted(
    model: &Model,
    load: &DeclaredLoad,
    subject: Subject,
    listener: &Listener,
    drops: Drops,
    seconds: &str,
) -> Outcome {
    let share = refused_share(listener);
    let refused = match (listener.refused_attempts, share) {
        (Some(refused), Some(share)) => {
            format!(", {} refused ({})", plural(refused, "attempt"), percent(share))
        }
        (Some(refused), None) => format!(", {} refused", plural(refused, "attempt")),
        _ => String::new(),
    };
    let mut evidence = vec![fix::exact("drops", number(drops.total), "packets", "listener probe")];
    evidence.extend(cause_evidence(&drops.by_cause));
    evidence.extend(listener.refused_attempts.map(|refused| {
        fix::exact(
            "refused attempts",
            number(refused),
            "attempts",
            "listener probe, distinct client 4-tuples",
        )
    }));
    evidence.extend(listener.entered.map(|entered| {
        fix::exact("entered the accept queue", number(entered), "connections", "listener probe")
    }));
    Found {
        severity: Severity::Fail,
        origin: Origin::Measured,
        subject,
        title: format!("{} dropped in {seconds} s{refused}", plural(drops.total, "packet")),
        evidence,
        threshold: format!("{} > 0 drops", drops.total),
        detail: format!("{}.", cause_sentence(&drops.by_cause)),
        fixes: cause_fixes(model, load, listener, &drops.by_cause),
    }
    .into()
}

/// refused attempts / (refused attempts + entered), when both were measured and something arrived.
pub(in crate::findings) fn refused_share(listener: &Listener) -> Option<f64> {
    let (refused, entered) = (listener.refused_attempts?, listener.entered?);
    let attempts = refused.saturating_add(entered);
    (attempts > 0).then(|| number(refused) / number(attempts))
}

fn cause_evidence(causes: &Causes) -> Vec<Evidence> {
    let named = [
        ("SYN at a full accept queue", causes.accept_queue_full_syn),
        ("final ACK at a full accept queue", causes.accept_queue_full_ack),
        ("SYN at a full SYN queue", causes.syn_queue_full),
        ("SYN by the tcp_max_syn_backlog rule", causes.max_syn_backlog),
        ("other", causes.other),
    ];
    let counted = named.into_iter().filter(|(_, count)| *count > 0);
    counted.map(|(name, count)| fix::exact(name, number(count), "packets", "listener probe")).collect()
}

fn cause_sentence(causes: &Causes) -> String {
    let mut parts = Vec::new();
    let mut say = |count: u64, noun: &str, what: &str| {
        if count > 0 {
            parts.push(format!("{} {what}", plural(count, noun)));
        }
    };
    match (causes.accept_queue_full_syn, causes.accept_queue_full_ack) {
        (syns, 0) => say(syns, "SYN", "met a full accept queue"),
        (0, acks) => say(acks, "final ACK", "of a handshake met a full accept queue"),
        (syns, acks) => {
            say(syns, "SYN", &format!("and {} met a full accept queue", plural(acks, "final ACK")))
        }
    }
    say(causes.syn_queue_full, "SYN", "met a full SYN queue while SYN cookies are off");
    say(
        causes.max_syn_backlog,
        "SYN",
        "met the three-quarters rule of tcp_max_syn_backlog while SYN cookies are off",
    );
    say(causes.other, "packet", "met another obstacle: memory, route or a security module");
    list(&parts)
}

fn cause_fixes(model: &Model, load: &DeclaredLoad, listener: &Listener, causes: &Causes) -> Vec<Fix> {
    let pid = listener.pids.first().copied();
    let queue = causes.accept_queue_full_syn + causes.accept_queue_full_ack + causes.syn_queue_full;
    let mut fixes = if queue > 0 { backlog::leading(model, load, listener) } else { Vec::new() };
    if causes.max_syn_backlog + causes.syn_queue_full > 0 {
        let setting =
            fix::Setting { key: "net.ipv4.tcp_syncookies", value: "1", restart_needed: false, risk: "" };
        fixes.extend(setting.of_netns(model, pid));
    }
    fixes
}

fn history(model: &Model, load: &DeclaredLoad, subject: Subject, listener: &Listener) -> Outcome {
    match listener.drops_hint_total {
        None => Outcome::Skip(why(model, "listeners", "drops", "the kernel did not say")),
        Some(hint) => {
            let span = "since it listens (history, may be old)";
            hinted(model, load, subject, listener, (hint, model.netns.totals), (Severity::Warn, span))
        }
    }
}

fn hinted(
    model: &Model,
    load: &DeclaredLoad,
    subject: Subject,
    listener: &Listener,
    (hint, counters): (u64, Option<KernelDrops>),
    (severity, span): (Severity, &str),
) -> Outcome {
    if hint == 0 {
        return Outcome::pass(subject, format!("sk_drops 0 {span}"));
    }
    if let Some(KernelDrops { ListenDrops: 0, .. }) = counters {
        let text =
            format!("sk_drops {hint} {span}, but ListenDrops 0: repeated or stray packets, nothing dropped");
        return Outcome::pass(subject, text);
    }
    let mut evidence =
        vec![fix::estimated("sk_drops", number(hint), "packets", "sock_diag SK_MEMINFO_DROPS")];
    evidence.extend(counters.map(|counters| {
        fix::exact("ListenDrops", number(counters.ListenDrops), "packets", "/proc/net/netstat, all listeners")
    }));
    Found {
        severity,
        origin: Origin::Measured,
        subject,
        title: format!("about {} dropped {span}", plural(hint, "packet")),
        evidence,
        threshold: format!("sk_drops {hint} > 0"),
        detail: "Estimated from the socket's own counter, which counts a dropped final ACK twice; the drop \
                 probes would count exactly and name the cause."
            .to_owned(),
        fixes: backlog::leading(model, load, listener),
    }
    .into()
}
