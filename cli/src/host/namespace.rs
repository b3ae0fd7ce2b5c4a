//! Everything that is read of one network namespace.

use std::collections::{BTreeMap, HashSet};

use super::netns::{NetnsError, NetnsRef};
use super::owners::{Owners, comm, socket_owners};
use super::pace::Pace;
use super::sock_diag::SockDiag;
use super::sockets::ConnectionReader;
use super::sysctl::sysctls;
use super::{Roots, netstat, sockets};
use crate::sample::{Established, Listener, Namespace, Reading, Sysctls, TcpCounters};

/// Reads a network namespace again and again.
pub struct NamespaceReader {
    roots: Roots,
    netns: NetnsRef,
    /// A process in the namespace; its /proc/PID/net spares entering a foreign namespace.
    pid: Option<i32>,
    /// Opened inside the namespace once, and used from outside.
    diag: Result<SockDiag, String>,
    connections: ConnectionReader,
    owners: Option<KnownOwners>,
}

/// Holders of listening sockets, as found by a search; repeated even while no listener changes, since workers
/// may be forked later.
struct KnownOwners {
    inodes: HashSet<u64>,
    owners: Owners,
    pace: Pace,
}

impl NamespaceReader {
    /// Prepares to read `netns`. With a process of the namespace as `pid`, counters are read without entering
    /// it; without the right to enter a foreign namespace they are all that can be read.
    ///
    /// # Errors
    /// [`NetnsError`] when the namespace cannot be entered and no process of it is known.
    pub fn open(roots: &Roots, netns: NetnsRef, pid: Option<i32>) -> Result<Self, NetnsError> {
        let diag = match netns.run_inside(SockDiag::open) {
            Ok(diag) => diag,
            Err(error) if pid.is_some() => Err(error.to_string()),
            Err(error) => return Err(error),
        };
        Ok(Self {
            roots: roots.clone(),
            netns,
            pid,
            diag,
            connections: ConnectionReader::default(),
            owners: None,
        })
    }

    /// Inode number of the namespace.
    #[must_use]
    pub const fn inode(&self) -> u64 {
        self.netns.inode()
    }

    /// The namespace.
    #[must_use]
    pub const fn netns(&self) -> &NetnsRef {
        &self.netns
    }

    /// Reads sysctls, counters, listeners with their holders, and connections. The holders, and the round-trip
    /// times of more than 2,000 connections, may be some seconds old. [`Namespace::counters_after`] is the
    /// caller's to fill, through [`Self::counters`].
    pub fn read(&mut self) -> Namespace {
        let (listeners, established) = self.sockets();
        let sysctls = self
            .netns
            .run_inside(|| sysctls(&self.roots))
            .unwrap_or_else(|error| unreadable_sysctls(&error.to_string()));
        let hidden_owners = self.hidden_owners(&listeners);
        Namespace {
            inode: Reading::Value(self.inode()),
            sysctls,
            counters: self.counters(),
            counters_after: None,
            listeners,
            owner_names: self.owner_names(),
            hidden_owners,
            established,
            time_wait: self.inside_net(|net| match netstat::time_wait(net) {
                Reading::Value(value) => Ok(value),
                Reading::Unreadable { unreadable } => Err(unreadable),
            }),
        }
    }

    /// The TCP counters alone: two small files.
    pub fn counters(&self) -> Reading<TcpCounters> {
        self.inside_net(netstat::counters)
    }

    /// Inodes of all TCP sockets of the namespace that a descriptor can belong to, for
    /// [`super::ProcessReader::read`]. Costs a dump of all sockets.
    pub fn tcp_inodes(&mut self) -> Reading<HashSet<u64>> {
        let inodes = match &mut self.diag {
            Ok(diag) => sockets::inodes(diag),
            Err(reason) => Err(reason.clone()),
        };
        inodes.map(HashSet::from_iter).into()
    }

    fn sockets(&mut self) -> (Reading<Vec<Listener>>, Reading<Vec<Established>>) {
        let diag = match &mut self.diag {
            Ok(diag) => diag,
            Err(reason) => return (Reading::unreadable(&*reason), Reading::unreadable(&*reason)),
        };
        let mut listeners = match sockets::listeners(diag) {
            Ok(listeners) => listeners,
            Err(reason) => {
                let connections = format!("the ports that are listened on are unknown: {reason}");
                return (Reading::unreadable(reason), Reading::unreadable(connections));
            }
        };
        let established = self.connections.read(diag, &mut listeners);
        self.fill_owners(&mut listeners);
        (Reading::Value(listeners), established.into())
    }

    fn fill_owners(&mut self, listeners: &mut [Listener]) {
        let inodes: HashSet<u64> = listeners.iter().map(|listener| listener.inode).collect();
        let usable =
            self.owners.as_ref().is_some_and(|known| known.inodes.is_superset(&inodes) && !known.pace.due());
        if !usable {
            let (owners, pace) = Pace::time(|| socket_owners(&self.roots, &inodes));
            self.owners = Some(KnownOwners { inodes, owners, pace });
        }
        let Some(known) = &self.owners else { return };
        for listener in listeners {
            if let Some(pids) = known.owners.by_inode.get(&listener.inode) {
                listener.pids.clone_from(pids);
            }
        }
    }

    /// Names of the processes that hold listeners.
    fn owner_names(&self) -> BTreeMap<i32, String> {
        let pids = self.owners.as_ref().map(|known| known.owners.pids()).unwrap_or_default();
        pids.into_iter().filter_map(|pid| Some((pid, comm(&self.roots, pid)?))).collect()
    }

    /// A sentence when a listener without a visible holder may belong to a process that hides its descriptors.
    fn hidden_owners(&self, listeners: &Reading<Vec<Listener>>) -> Option<String> {
        let hidden = self.owners.as_ref()?.owners.unreadable;
        let orphans = listeners.value()?.iter().filter(|listener| listener.pids.is_empty()).count();
        (hidden > 0 && orphans > 0).then(|| {
            format!(
                "who holds {orphans} of the listeners is not visible: the descriptors of {hidden} processes \
                 cannot be read (EACCES), needs the same user or CAP_SYS_PTRACE"
            )
        })
    }

    /// Reads a file of /proc/PID/net: of the known process while it is there and still in the namespace, else
    /// of a thread inside the namespace.
    fn inside_net<T: Send>(&self, read: impl Fn(&std::path::Path) -> Result<T, String> + Sync) -> Reading<T> {
        if let Some(pid) = self.pid
            && let Ok(value) = read(&self.roots.process(pid).join("net"))
            && self.still_inside(pid)
        {
            return Reading::Value(value);
        }
        let own = self.roots.procfs.join("thread-self/net");
        self.netns.run_inside(|| read(&own)).unwrap_or_else(|error| Err(error.to_string())).into()
    }

    /// Whether the process has not moved to another namespace. Without the right to look, it is trusted.
    fn still_inside(&self, pid: i32) -> bool {
        NetnsRef::of_process(&self.roots, pid).map_or_else(
            |error| !matches!(error, NetnsError::Gone { .. }),
            |netns| netns.inode() == self.inode(),
        )
    }
}

fn unreadable_sysctls(reason: &str) -> Sysctls {
    Sysctls {
        somaxconn: Reading::unreadable(reason),
        tcp_max_syn_backlog: Reading::unreadable(reason),
        tcp_syncookies: Reading::unreadable(reason),
        tcp_abort_on_overflow: Reading::unreadable(reason),
        port_range: Reading::unreadable(reason),
        reserved_ports: Reading::unreadable(reason),
        tcp_tw_reuse: Reading::unreadable(reason),
    }
}

#[cfg(test)]
#[path = "namespace_tests.rs"]
mod tests;
