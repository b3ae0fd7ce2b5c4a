//! What a finding is about, and what it is called.

use super::text::plural;
use crate::model::{Listener, Model, Process};

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// A listening address: index into [`Model::listeners`].
    Listener(usize),
    /// A process.
    Process(i32),
    /// The network namespace of the target.
    Netns,
    /// The host.
    Host,
}

impl Subject {
    /// Its name: "127.0.0.1:8080 (nginx, pid 4242)", "pid 4242 (java)", "netns 4026531840", "host".
    #[must_use]
    pub fn name(self, model: &Model) -> String {
        match self {
            Self::Listener(index) => {
                model.listeners.get(index).map_or_else(|| "listener".to_owned(), listener_name)
            }
            Self::Process(pid) => process_name(model, pid),
            Self::Netns => model
                .netns
                .inode
                .map_or_else(|| "network namespace".to_owned(), |inode| format!("netns {inode}")),
            Self::Host => "host".to_owned(),
        }
    }

    /// Whether a fault of one can be the cause of a fault of the other.
    pub(super) fn relates(self, other: Self, model: &Model) -> bool {
        match (self, other) {
            (Self::Netns | Self::Host, _) | (_, Self::Netns | Self::Host) => true,
            (Self::Listener(index), Self::Process(pid)) | (Self::Process(pid), Self::Listener(index)) => {
                model.listeners.get(index).is_some_and(|listener| listener.pids.contains(&pid))
            }
            (one, another) => one == another,
        }
    }
}

/// "127.0.0.1:8080", with IPv6 addresses in brackets.
#[must_use]
pub fn endpoint(listener: &Listener) -> String {
    if listener.address.contains(':') {
        format!("[{}]:{}", listener.address, listener.port)
    } else {
        format!("{}:{}", listener.address, listener.port)
    }
}

/// "127.0.0.1:8080 (nginx, pid 4242)"; several processes are listed up to three, then counted.
#[must_use]
pub fn listener_name(listener: &Listener) -> String {
    let owners = match listener.pids.as_slice() {
        [] => None,
        [pid] => Some(format!("pid {pid}")),
        pids if pids.len() <= 3 => {
            Some(format!("pids {}", pids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")))
        }
        pids => u64::try_from(pids.len()).ok().map(|count| plural(count, "process")),
    };
    let comms = (!listener.comms.is_empty()).then(|| listener.comms.join("/"));
    let within: Vec<String> = comms.into_iter().chain(owners).collect();
    if within.is_empty() {
        endpoint(listener)
    } else {
        format!("{} ({})", endpoint(listener), within.join(", "))
    }
}

fn process_name(model: &Model, pid: i32) -> String {
    process(model, pid)
        .map_or_else(|| format!("pid {pid}"), |process| format!("pid {pid} ({})", process.comm))
}

/// The traced process with this pid.
pub(super) fn process(model: &Model, pid: i32) -> Option<&Process> {
    model.processes.iter().find(|process| process.pid == pid)
}

/// Listeners with their subjects.
pub(super) fn listeners(model: &Model) -> impl Iterator<Item = (Subject, &Listener)> {
    model.listeners.iter().enumerate().map(|(index, listener)| (Subject::Listener(index), listener))
}

/// The listeners that a declared load goes to: those of the traced processes, or the only port there is.
/// Otherwise the reason why the target is unknown.
pub(super) fn targets(model: &Model) -> Result<Vec<(Subject, &Listener)>, String> {
    if model.listeners.is_empty() {
        return Err(no_listeners(model));
    }
    let held =
        |listener: &Listener| model.processes.iter().any(|process| listener.pids.contains(&process.pid));
    let of_processes: Vec<_> = listeners(model).filter(|(_, listener)| held(listener)).collect();
    if !of_processes.is_empty() {
        return Ok(of_processes);
    }
    if let Some(process) = model.processes.first()
        && model.listeners.iter().all(|listener| !listener.pids.is_empty())
    {
        return Err(format!("pid {} ({}) holds no listener", process.pid, process.comm));
    }
    let mut ports: Vec<u16> = model.listeners.iter().map(|listener| listener.port).collect();
    ports.sort_unstable();
    ports.dedup();
    if ports.len() == 1 {
        return Ok(listeners(model).collect());
    }
    Err(format!("{} ports listen and no target was named: add --port or --pid", ports.len()))
}

/// The first listener.
pub(super) fn any_listener(model: &Model) -> Option<&Listener> {
    model.listeners.first()
}

/// Why there is no listener to judge.
pub(super) fn no_listeners(model: &Model) -> String {
    if let Some(reason) = model.why_unread("listeners") {
        return format!("listeners could not be read: {reason}");
    }
    match model.processes.first() {
        Some(process) => format!("pid {} ({}) has no TCP listener", process.pid, process.comm),
        None => "no TCP listener in this network namespace".to_owned(),
    }
}

/// Why `leaf` under `scope` ("host", "netns", "process.4242") is absent, or `otherwise`.
pub(super) fn why(model: &Model, scope: &str, leaf: &str, otherwise: &str) -> String {
    let dotted = format!(".{leaf}");
    let within = |what: &str| {
        what == scope
            || what.strip_prefix(scope).is_some_and(|rest| rest.starts_with('.') && rest.ends_with(&dotted))
    };
    model.unread.iter().find(|entry| within(&entry.what)).map_or_else(
        || format!("{scope}.{leaf}: {otherwise}"),
        |entry| format!("{}: {}", entry.what, entry.reason),
    )
}
