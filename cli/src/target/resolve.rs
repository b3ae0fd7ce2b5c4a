//! From what the user pointed at to processes and ports.

use std::collections::HashSet;

use super::{Selector, Target, TargetError};
use crate::host::{
    ListeningSocket, NetnsError, NetnsRef, ProcessError, ProcessReader, Roots, comm, held_sockets,
    listening_sockets, socket_owners, thread_group,
};

/// Finds the processes, ports and namespace of a selection.
///
/// # Errors
/// [`TargetError::NoSuchProcess`], [`TargetError::NobodyListens`], [`TargetError::Permission`] when the
/// namespace of another user's process may not be opened, [`TargetError::Unreadable`] without a usable procfs.
pub fn resolve(roots: &Roots, selector: &Selector) -> Result<Target, TargetError> {
    match *selector {
        Selector::Pid(pid) => process(roots, pid),
        Selector::Port(port) => listener(roots, port),
        Selector::All => {
            let netns = NetnsRef::own(roots).map_err(namespace_error)?;
            Ok(Target { pids: Vec::new(), ports: None, netns, display: "all listeners".to_owned() })
        }
    }
}

fn process(roots: &Roots, id: i32) -> Result<Target, TargetError> {
    let pid = thread_group(roots, id).map_err(process_error)?;
    ProcessReader::open(roots, pid).map_err(process_error)?;
    let netns = NetnsRef::of_process(roots, pid).map_err(namespace_error)?;
    let name = comm(roots, pid).unwrap_or_else(|| "?".to_owned());

    let sockets = listening_sockets(&roots.process(pid).join("net")).unwrap_or_default();
    let inodes: HashSet<u64> = sockets.iter().map(|socket| socket.inode).collect();
    let Ok(held) = held_sockets(roots, pid, &inodes) else {
        let display = format!("{name} (pid {pid}), its sockets are not visible: needs the same user or root");
        return Ok(Target { pids: vec![pid], ports: None, netns, display });
    };
    let mut pids = socket_owners(roots, &held).pids();
    if let Err(place) = pids.binary_search(&pid) {
        pids.insert(place, pid);
    }
    let ports = ports_of(sockets.iter().filter(|socket| held.contains(&socket.inode)));
    let display = format!("{name} (pid {pid}{}), {}", others(&pids), ports_text(&ports));
    Ok(Target { pids, ports: Some(ports), netns, display })
}

fn listener(roots: &Roots, port: u16) -> Result<Target, TargetError> {
    let netns = NetnsRef::own(roots).map_err(namespace_error)?;
    let sockets = listening_sockets(&roots.procfs.join("thread-self/net"))
        .map_err(|reason| TargetError::Unreadable { reason })?;
    let inodes: HashSet<u64> =
        sockets.iter().filter(|socket| socket.port == port).map(|socket| socket.inode).collect();
    if inodes.is_empty() {
        return Err(TargetError::NobodyListens { port, ports: ports_of(sockets.iter()) });
    }
    let pids = socket_owners(roots, &inodes).pids();
    let display = match pids.first() {
        Some(&first) => {
            let name = comm(roots, first).unwrap_or_else(|| "?".to_owned());
            format!("port {port}: {name} (pid {first}{})", others(&pids))
        }
        None => format!("port {port}, its process is not visible: needs the same user or root"),
    };
    Ok(Target { pids, ports: Some(vec![port]), netns, display })
}

fn ports_of<'a>(sockets: impl Iterator<Item = &'a ListeningSocket>) -> Vec<u16> {
    let mut ports: Vec<u16> = sockets.map(|socket| socket.port).collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}

fn others(pids: &[i32]) -> String {
    match pids.len() {
        0 | 1 => String::new(),
        count => format!(" and {} more", count - 1),
    }
}

fn ports_text(ports: &[u16]) -> String {
    let list: Vec<String> = ports.iter().map(u16::to_string).collect();
    match ports.len() {
        0 => "listens on no TCP port".to_owned(),
        1 => format!("port {}", list.join("")),
        _ => format!("ports {}", list.join(", ")),
    }
}

fn process_error(error: ProcessError) -> TargetError {
    match error {
        ProcessError::Gone { pid } => TargetError::NoSuchProcess { pid },
        ProcessError::Unreadable { .. } => TargetError::Unreadable { reason: error.to_string() },
    }
}

fn namespace_error(error: NetnsError) -> TargetError {
    match error {
        NetnsError::Gone { pid } => TargetError::NoSuchProcess { pid },
        NetnsError::Open { .. } if error.is_permission() => {
            TargetError::Permission { reason: error.to_string() }
        }
        _ => TargetError::Unreadable { reason: error.to_string() },
    }
}

#[cfg(test)]
#[path = "resolve_tests.rs"]
mod tests;
