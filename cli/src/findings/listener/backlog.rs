//! Which limit binds the accept queue, and what to set it to.

use super::{accept_queue, drops, sockets};
use crate::findings::fd::exhausted;
use crate::findings::fix::{Setting, application, exact, show_listener};
use crate::findings::rule::{ByHand, Found, Group, Outcome, Rule, Source, Verified};
use crate::findings::runtime::backlog_setting;
use crate::findings::subject::{listeners, no_listeners, why};
use crate::findings::text::{ceil, list, number, short};
use crate::findings::{DeclaredLoad, Evidence, Fix, Origin, Severity, Subject};
use crate::model::{Listener, Model};

/// The binding limit.
pub(in crate::findings) const LSN_002: Rule = Rule {
    id: "LSN-002",
    title: "Which limit binds the accept queue: the application's backlog or net.core.somaxconn",
    group: Group::Listener,
    rank: 5,
    origin: Origin::Configured,
    reads: &["listeners[].limit", "netns.somaxconn", "listeners[].comms", "listeners[].entered"],
    applies: "LSN-001, LSN-004, LSN-005 or LSN-006 found something at this listener; it has their severity.",
    formula: "limit < somaxconn: the backlog argument of listen() binds, somaxconn does nothing\n\
              limit = somaxconn: the kernel clipped the argument, or both are equal; raise somaxconn, then \
              listen() again\n\
              limit > somaxconn: somaxconn was lowered after listen()\n\
              proposal = the next power of two above one second of arrivals per socket (and above twice \
              the capacity when it overflowed), between 1024 and 65535",
    explanation: "The limit is fixed when the application calls listen(backlog): the kernel silently takes \
                  the smaller of the argument and net.core.somaxconn, and a later change of the sysctl \
                  does not reach a socket that listens already.",
    mechanism: "__sys_listen() (net/socket.c) cuts the argument to sysctl_somaxconn of the socket's \
                network namespace; inet_listen() (net/ipv4/af_inet.c) stores it in sk_max_ack_backlog. \
                Calling listen() again on the same socket only rewrites that field, at once and without \
                losing a connection. The default of somaxconn is 4096; a new network namespace starts with \
                the default, not with the host's value.",
    by_hand: &[
        ByHand { command: "ss -ltn 'sport = :PORT'", shows: "Send-Q is the limit in force" },
        ByHand {
            command: "nsenter -t PID -n sysctl -n net.core.somaxconn",
            shows: "the sysctl that applies to the target; equal to Send-Q: it binds, larger: the \
                    application does",
        },
    ],
    not_when: "The queue is full all the time because the application accepts slower than clients arrive. \
               A longer queue then only makes every client wait longer: accept faster, or turn load away.",
    sources: &[
        Source {
            reference: "net/socket.c __sys_listen(); net/ipv4/af_inet.c inet_listen()",
            verified: Verified::Source,
        },
        Source {
            reference: "listen(100000) with somaxconn 4096 gives Send-Q 4096; raising somaxconn changes \
                        nothing until listen() is called again",
            verified: Verified::Experiment,
        },
        Source {
            reference: "defaults seen with ss: nginx 511, node 511, http.server 5, asyncio 100, \
                        create_server 128, Rust std 128",
            verified: Verified::Experiment,
        },
        Source {
            reference: "Go reads net.core.somaxconn (net/sock_linux.go); PostgreSQL asks for min(2 × server \
                        processes, 10000) (pqcomm.c)",
            verified: Verified::Source,
        },
        Source { reference: "listen(2), NOTES", verified: Verified::Documentation },
    ],
    caused_by: &["FD-012"],
    assess,
};

/// What decides the limit of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Constraint {
    Application(u64),
    Somaxconn,
    LoweredSince(u64),
    Unknown,
}

fn constraint(model: &Model, listener: &Listener) -> Constraint {
    let limit = u64::from(listener.limit);
    match model.netns.somaxconn {
        None => Constraint::Unknown,
        Some(somaxconn) if limit < somaxconn => Constraint::Application(somaxconn),
        Some(somaxconn) if limit == somaxconn => Constraint::Somaxconn,
        Some(somaxconn) => Constraint::LoweredSince(somaxconn),
    }
}

/// The binding limit in a few words, for the verdict.
pub(in crate::findings) fn constraint_phrase(model: &Model, listener: &Listener) -> String {
    let limit = listener.limit;
    match constraint(model, listener) {
        Constraint::Application(_) => format!("the application asked for {limit}"),
        Constraint::Somaxconn => format!("net.core.somaxconn allows {limit}"),
        Constraint::LoweredSince(_) | Constraint::Unknown => format!("its limit is {limit}"),
    }
}

fn assess(model: &Model, load: &DeclaredLoad) -> Vec<Outcome> {
    if model.listeners.is_empty() {
        return vec![Outcome::Skip(no_listeners(model))];
    }
    listeners(model).map(|(subject, listener)| judge(model, load, subject, listener)).collect()
}

fn judge(model: &Model, load: &DeclaredLoad, subject: Subject, listener: &Listener) -> Outcome {
    let Some((severity, origin, reasons)) = trouble(model, load, subject, listener) else {
        return Outcome::Skip("no queue of a listener needs to be longer".to_owned());
    };
    if without_descriptors(model, listener) {
        return Outcome::Skip(
            "accept() fails for want of descriptors (FD-012): a longer queue would not help".to_owned(),
        );
    }
    let limit = listener.limit;
    let (title, cause) = match constraint(model, listener) {
        Constraint::Unknown => return Outcome::Skip(why(model, "netns", "somaxconn", "not read")),
        Constraint::Application(somaxconn) => (
            format!(
                "the application asked for a backlog of {limit}; net.core.somaxconn would allow {somaxconn}"
            ),
            format!(
                "The backlog argument of listen() binds: raising net.core.somaxconn ({somaxconn}) does \
                 nothing here."
            ),
        ),
        Constraint::Somaxconn => (
            format!("net.core.somaxconn = {limit} binds the accept queue"),
            format!(
                "The limit equals net.core.somaxconn ({limit}): the kernel clipped a larger backlog, or the \
                 application asked for exactly this."
            ),
        ),
        Constraint::LoweredSince(somaxconn) => (
            format!("the accept queue holds {limit} + 1, and only {somaxconn} + 1 after the next restart"),
            format!(
                "net.core.somaxconn was lowered to {somaxconn} after listen(); the next listen() is cut to \
                 it."
            ),
        ),
    };
    let proposal = propose(model, load, listener);
    let arithmetic = format!("Proposed: {}, {}.", proposal.value, proposal.because);
    let overload = if overloaded(listener) {
        " The queue was nearly full at the median: the application accepts too slowly, and a longer queue \
         alone only makes clients wait longer."
    } else {
        ""
    };
    Found {
        severity,
        origin,
        subject,
        title,
        evidence: evidence(model, listener),
        threshold: format!("found by {}", list(&reasons)),
        detail: format!("{cause} {arithmetic}{overload}"),
        fixes: fixes(model, load, listener),
    }
    .into()
}

/// Whether a process of the listener ran out of descriptors: then the queue fills whatever its length.
fn without_descriptors(model: &Model, listener: &Listener) -> bool {
    let holders = model.processes.iter().filter(|process| listener.pids.contains(&process.pid));
    holders.filter_map(exhausted).any(|exhausted| exhausted.emfile + exhausted.enfile > 0)
}

/// The worst of what the other rules found at this listener, and their ids.
fn trouble(
    model: &Model,
    load: &DeclaredLoad,
    subject: Subject,
    listener: &Listener,
) -> Option<(Severity, Origin, Vec<String>)> {
    let is_target = crate::findings::subject::targets(model)
        .is_ok_and(|targets| targets.iter().any(|(target, _)| *target == subject));
    let mut outcomes = Vec::new();
    if is_target {
        outcomes.push(("LSN-001", accept_queue::pause(model, load, subject, listener)));
    }
    outcomes.push(("LSN-006", accept_queue::filling(model, load, subject, listener)));
    if drops::by_queue(listener) {
        outcomes.push(("LSN-005", drops::of_listener(model, load, subject, listener)));
    }
    if model.listeners.len() == 1 && drops::overflowed(model) {
        outcomes.extend(drops::of_netns(model, load).into_iter().map(|outcome| ("LSN-004", outcome)));
    }
    let found: Vec<_> =
        outcomes.iter().filter_map(|(id, outcome)| outcome.found().map(|found| (*id, found))).collect();
    let severity = found.iter().map(|(_, found)| found.severity).max()?;
    let measured =
        found.iter().any(|(_, found)| found.severity == severity && found.origin == Origin::Measured);
    let origin = if measured { Origin::Measured } else { Origin::Computed };
    Some((severity, origin, found.iter().map(|(id, _)| (*id).to_owned()).collect()))
}

/// Whether the queue was nearly full at the median of all entries.
fn overloaded(listener: &Listener) -> bool {
    let depth = listener.accept_queue.depth.as_ref().filter(|depth| depth.count >= 20);
    depth.is_some_and(|depth| depth.p50 >= 0.9 * number(listener.capacity))
}

/// A proposed backlog.
struct Proposal {
    /// The value.
    value: u64,
    /// Where it comes from.
    because: String,
}

const LEAST_PROPOSAL: u64 = 1024;
const MOST_PROPOSAL: u64 = 65535;

fn propose(model: &Model, load: &DeclaredLoad, listener: &Listener) -> Proposal {
    let declared = load.rate.unwrap_or(0.0);
    let seconds = model.window.map_or(0.0, |window| window.seconds);
    let refused = listener.refused_attempts.unwrap_or(0);
    let arrived = number(listener.entered.unwrap_or(0).saturating_add(refused));
    let measured = if seconds > 0.0 { arrived / seconds } else { 0.0 };
    let rate = declared.max(measured) / sockets(listener);
    let dropped = listener.drops.is_some_and(|drops| drops.total > 0)
        || listener.drops_hint.is_some_and(|hint| hint > 0);
    let grown = if dropped { listener.capacity.saturating_mul(2) } else { 0 };
    let burst = ceil(rate);
    let needed = burst.max(grown).clamp(LEAST_PROPOSAL, MOST_PROPOSAL);
    let rounded = needed.checked_next_power_of_two().unwrap_or(MOST_PROPOSAL).min(MOST_PROPOSAL);
    let value = match model.netns.somaxconn {
        Some(somaxconn) if somaxconn < rounded && somaxconn >= needed => somaxconn,
        _ => rounded,
    };
    let because = if burst >= grown && burst > LEAST_PROPOSAL {
        format!("one second of arrivals at {}/s, rounded up", short(rate))
    } else if grown > LEAST_PROPOSAL {
        format!("twice the {} that overflowed, rounded up", listener.capacity)
    } else if rate > 0.0 {
        format!(
            "which covers a pause of {} at {}/s",
            crate::findings::text::duration(number(value) / rate),
            short(rate)
        )
    } else {
        "a size that costs nothing until it is used".to_owned()
    };
    Proposal { value, because }
}

fn evidence(model: &Model, listener: &Listener) -> Vec<Evidence> {
    let limit = exact("limit", f64::from(listener.limit), "connections", "sock_diag idiag_wqueue");
    let somaxconn = model.netns.somaxconn.map(|value| {
        exact(
            "net.core.somaxconn",
            number(value),
            "connections",
            "/proc/sys/net/core/somaxconn of the target's namespace",
        )
    });
    std::iter::once(limit).chain(somaxconn).collect()
}

/// The changes that give the listener a longer queue, best first.
fn fixes(model: &Model, load: &DeclaredLoad, listener: &Listener) -> Vec<Fix> {
    let value = propose(model, load, listener).value;
    let mut fixes = Vec::new();
    if overloaded(listener) {
        fixes.extend(accept_faster(model, listener));
    }
    let too_low = model.netns.somaxconn.is_none_or(|somaxconn| somaxconn < value);
    if too_low {
        let text = value.to_string();
        let setting = Setting {
            key: "net.core.somaxconn",
            value: &text,
            restart_needed: true,
            risk: "without a new listen() with a backlog at least as large nothing changes",
        };
        fixes.extend(setting.of_netns(model, listener.pids.first().copied()));
    }
    fixes.push(raise_argument(model, listener, value));
    fixes
}

fn raise_argument(model: &Model, listener: &Listener, value: u64) -> Fix {
    let (text, _) = backlog_setting(listener.comms.first().map(String::as_str), value, listener.port);
    let verify = format!("{}   # Send-Q {value}", show_listener(model, listener));
    application(text, verify, "a longer queue hides overload: keep the wait below the client's timeout")
}

/// The first change of [`fixes`], for findings that are consequences of the limit. None when the queue is
/// full for want of descriptors: FD-012 has the change then.
pub(super) fn leading(model: &Model, load: &DeclaredLoad, listener: &Listener) -> Vec<Fix> {
    if without_descriptors(model, listener) {
        return Vec::new();
    }
    let binding = constraint(model, listener);
    let all = fixes(model, load, listener);
    if matches!(binding, Constraint::Application(_)) {
        return all.into_iter().next_back().into_iter().collect();
    }
    all.into_iter().take(1).collect()
}

/// The change that no queue length replaces.
pub(super) fn accept_faster(model: &Model, listener: &Listener) -> Option<Fix> {
    if without_descriptors(model, listener) {
        return None;
    }
    let text = if listener.sockets > 1 {
        "take work out of the loop that calls accept(), and let it accept until EAGAIN each time it wakes up"
    } else {
        "accept in several threads or processes, each with its own SO_REUSEPORT socket, and take work out \
         of the loop that calls accept()"
    };
    let verify = format!("{}   # Recv-Q stays near 0", show_listener(model, listener));
    Some(application(
        text,
        verify,
        "with SO_REUSEPORT each socket has its own queue: one slow worker drops alone",
    ))
}
