//! The verdict: one sentence.

use super::listener::{constraint_phrase, over_window};
use super::order::Entry;
use super::subject::{listener_name, no_listeners};
use super::text::{list, percent, plural, short};
use super::{DeclaredLoad, Finding, Origin, Severity, Skipped, Subject};
use crate::model::{Drops, Listener, Model};

/// One sentence about everything that was found. Never an all-clear for what was not looked at.
pub(super) fn verdict(
    model: &Model,
    load: &DeclaredLoad,
    entries: &[Entry],
    passed: &[Finding],
    skipped: &[Skipped],
) -> String {
    if entries.is_empty() && passed.is_empty() {
        let reason = skipped.first().map_or_else(|| no_listeners(model), |skipped| skipped.reason.clone());
        return format!("Nothing could be checked: {reason}");
    }
    let first = entries.iter().find(|entry| entry.found.severity >= Severity::Warn);
    match (first, model.window) {
        (Some(first), _) if forecast(first) && asked(load) => breaks_first(model, load, first, entries),
        (Some(first), Some(_)) => watched(model, first, entries),
        (Some(first), None) => audited(model, load, first),
        (None, Some(window)) => nobody_refused(model, window.seconds),
        (None, None) => nothing_found(model, load, entries, passed, skipped),
    }
}

/// Whether the finding compares a limit with the declared load.
fn forecast(entry: &Entry) -> bool {
    entry.found.origin == Origin::Computed
}

fn asked(load: &DeclaredLoad) -> bool {
    load.connections.is_some() || load.rate.is_some()
}

/// "10000 connections at 2000/s".
fn load_text(load: &DeclaredLoad) -> String {
    match (load.connections, load.rate) {
        (Some(connections), Some(rate)) => {
            format!("{} at {}/s", plural(connections, "connection"), short(rate))
        }
        (Some(connections), None) => plural(connections, "connection"),
        (None, Some(rate)) => format!("{} new connections per second", short(rate)),
        (None, None) => "this load".to_owned(),
    }
}

fn name(model: &Model, subject: Subject) -> String {
    match subject {
        Subject::Host => "the host".to_owned(),
        Subject::Netns => "the network namespace".to_owned(),
        Subject::Listener(_) | Subject::Process(_) => subject.name(model),
    }
}

/// The title of a finding; a limit that binds (LSN-002) is named after what it causes.
fn title(model: &Model, first: &Entry, entries: &[Entry]) -> String {
    if first.rule.id != "LSN-002" {
        return first.found.title.clone();
    }
    let listener = listener_of(model, first.found.subject);
    let phrase =
        listener.map_or_else(String::new, |listener| format!(", {}", constraint_phrase(model, listener)));
    let of_same = |entry: &&Entry| entry.found.subject == first.found.subject && entry.rule.id != "LSN-002";
    let effect =
        entries.iter().find(of_same).or_else(|| entries.iter().find(|entry| entry.rule.id == "LSN-004"));
    effect.map_or_else(|| first.found.title.clone(), |effect| format!("{}{phrase}", effect.found.title))
}

fn listener_of(model: &Model, subject: Subject) -> Option<&Listener> {
    match subject {
        Subject::Listener(index) => model.listeners.get(index),
        Subject::Process(_) | Subject::Netns | Subject::Host => None,
    }
}

fn breaks_first(model: &Model, load: &DeclaredLoad, first: &Entry, entries: &[Entry]) -> String {
    let (name, title) = (name(model, first.found.subject), title(model, first, entries));
    let load = load_text(load);
    if first.found.severity == Severity::Fail {
        format!("{load}: {name} breaks first: {title}")
    } else {
        format!("{load}: nothing breaks for certain, {name} comes closest: {title}")
    }
}

fn audited(model: &Model, load: &DeclaredLoad, first: &Entry) -> String {
    let (name, title) = (name(model, first.found.subject), &first.found.title);
    if asked(load) && first.found.severity < Severity::Fail {
        format!("No limit found that stops {}, but {name}: {title}", load_text(load))
    } else {
        format!("{name}: {title}")
    }
}

fn watched(model: &Model, first: &Entry, entries: &[Entry]) -> String {
    if let Some(listener) = listener_of(model, first.found.subject) {
        let refuses = entries
            .iter()
            .any(|entry| entry.rule.id == "LSN-005" && entry.found.subject == first.found.subject);
        if refuses {
            return refused(model, listener);
        }
    }
    let (name, title) = (name(model, first.found.subject), title(model, first, entries));
    let clean = over_window(model).is_some_and(|counters| counters.ListenDrops == 0);
    if first.found.severity < Severity::Fail && clean {
        format!("No listener refuses anyone, but {name}: {title}")
    } else {
        format!("{name}: {title}")
    }
}

/// "127.0.0.1:8080 (demo, pid 4242) refuses 14 % of attempts: accept queue 129/129, the application asked for
/// 128".
fn refused(model: &Model, listener: &Listener) -> String {
    let seconds = model.window.map_or(0.0, |window| window.seconds);
    let share = super::listener::refused_share(listener).filter(|share| *share > 0.0);
    let what = match (share, listener.drops) {
        (Some(share), _) => format!("refuses {} of attempts", percent(share)),
        (None, Some(drops)) => format!("dropped {} in {} s", plural(drops.total, "packet"), short(seconds)),
        (None, None) => {
            let hint = listener.drops_hint.unwrap_or(0);
            format!("dropped about {} in {} s (estimated)", plural(hint, "packet"), short(seconds))
        }
    };
    format!("{} {what}: {}", listener_name(listener), obstacle(model, listener))
}

/// What most of the dropped packets met.
fn obstacle(model: &Model, listener: &Listener) -> String {
    let most = listener.accept_queue.max.max(listener.accept_queue.now);
    let accept_queue =
        format!("accept queue {most}/{}, {}", listener.capacity, constraint_phrase(model, listener));
    let Some(Drops { by_cause: causes, .. }) = listener.drops else {
        return accept_queue;
    };
    let sysctl = model.netns.tcp_max_syn_backlog.map_or_else(String::new, |value| format!(" ({value})"));
    let candidates = [
        (causes.accept_queue_full_syn.saturating_add(causes.accept_queue_full_ack), accept_queue),
        (causes.syn_queue_full, format!("SYN queue full at {}, SYN cookies are off", listener.capacity)),
        (
            causes.max_syn_backlog,
            format!("three quarters of tcp_max_syn_backlog{sysctl} are taken, SYN cookies are off"),
        ),
        (causes.other, "neither queue was full: memory, route or a security module".to_owned()),
    ];
    let [first, rest @ ..] = candidates;
    rest.into_iter().fold(first, |most, next| if next.0 > most.0 { next } else { most }).1
}

fn nobody_refused(model: &Model, seconds: f64) -> String {
    if model.listeners.is_empty() {
        return format!("No listener was watched: {}", no_listeners(model));
    }
    let count = plural(u64::try_from(model.listeners.len()).unwrap_or(u64::MAX), "listener");
    let seconds = short(seconds);
    let counted = model.listeners.iter().all(|listener| listener.drops.is_some_and(|drops| drops.total == 0));
    match over_window(model).map(|counters| counters.ListenDrops) {
        Some(0) => format!("No listener refuses anyone: {count} watched for {seconds} s"),
        None if counted => format!("No listener refuses anyone: {count} watched for {seconds} s"),
        Some(drops) => {
            format!("{} in {seconds} s, and the rules that explain drops are switched off", dropped(drops))
        }
        None => format!(
            "{count} watched for {seconds} s, but drops could not be read: nothing is known about refusals"
        ),
    }
}

fn dropped(drops: u64) -> String {
    format!("{} dropped", plural(drops, "packet"))
}

/// The rules without which nothing can be said about a load: id and what it stands for.
fn decisive(load: &DeclaredLoad) -> Vec<(&'static str, &'static str)> {
    let mut rules = Vec::new();
    if load.connections.is_some() {
        rules.push(("FD-001", "open files"));
    }
    if load.rate.is_some() {
        rules.push(("LSN-001", "accept queue"));
    }
    rules
}

fn nothing_found(
    model: &Model,
    load: &DeclaredLoad,
    entries: &[Entry],
    passed: &[Finding],
    skipped: &[Skipped],
) -> String {
    if !asked(load) {
        let count = plural(u64::try_from(model.listeners.len()).unwrap_or(u64::MAX), "listener");
        return format!(
            "Nothing stands out on {count}; add --connections and --rate to learn what breaks first"
        );
    }
    let load_text = load_text(load);
    let decisive = decisive(load);
    let unchecked: Vec<String> = decisive
        .iter()
        .filter(|(id, _)| !passed.iter().any(|pass| pass.id == *id))
        .map(|(id, what)| format!("{what} ({})", reason(id, entries, skipped)))
        .collect();
    if unchecked.is_empty() {
        format!("Nothing found that stops {load_text}")
    } else if unchecked.len() == decisive.len() {
        format!("{load_text}: cannot tell, not checked: {}", list(&unchecked))
    } else {
        format!("Nothing found that stops {load_text}, but not checked: {}", list(&unchecked))
    }
}

fn reason(id: &str, entries: &[Entry], skipped: &[Skipped]) -> String {
    let skipped = skipped.iter().find(|skipped| skipped.id == id).map(|skipped| skipped.reason.clone());
    let found = || entries.iter().find(|entry| entry.rule.id == id).map(|entry| entry.found.title.clone());
    skipped.or_else(found).unwrap_or_else(|| "rule switched off".to_owned())
}
