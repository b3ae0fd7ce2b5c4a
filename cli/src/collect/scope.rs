//! What of a network namespace belongs to the target, from one sample to the next.

use std::collections::BTreeSet;

use crate::sample::{Listener, Namespace, Reading};

/// Ports and processes of the target. Processes join while it is watched: a server forks workers, or ends and is
/// started again on its port.
#[derive(Debug)]
pub struct Scope {
    /// Listeners on other ports do not belong to it; `None` if all do.
    ports: Option<BTreeSet<u16>>,
    /// Processes that listened on nothing when they were named: the ports that they open belong to the target.
    listening_soon: Vec<i32>,
    /// Every process that ever belonged to it: one that ended or could not be read is not tried again.
    seen: BTreeSet<i32>,
    /// Whether processes that hold its listeners join it.
    grows: bool,
}

impl Scope {
    /// The scope of a [`crate::target::Target`] with these processes and ports.
    pub fn new(pids: &[i32], ports: Option<Vec<u16>>) -> Self {
        let silent = ports.as_ref().is_some_and(Vec::is_empty);
        Self {
            grows: ports.is_some(),
            ports: ports.map(BTreeSet::from_iter),
            listening_soon: if silent { pids.to_vec() } else { Vec::new() },
            seen: pids.iter().copied().collect(),
        }
    }

    /// From now on somebody else says which processes belong to it.
    pub const fn keep_processes(&mut self) {
        self.grows = false;
    }

    /// Tells which processes joined: those that hold one of the target's listeners and were never seen before.
    pub fn follow(&mut self, listeners: &[Listener]) -> Vec<i32> {
        let Some(ports) = &mut self.ports else { return Vec::new() };
        let opened = |listener: &&Listener| listener.pids.iter().any(|pid| self.listening_soon.contains(pid));
        ports.extend(listeners.iter().filter(opened).map(|listener| listener.port));
        if !self.grows {
            return Vec::new();
        }
        let ours = listeners.iter().filter(|listener| ports.contains(&listener.port));
        let holders: BTreeSet<i32> = ours.flat_map(|listener| listener.pids.iter().copied()).collect();
        holders.into_iter().filter(|&pid| self.seen.insert(pid)).collect()
    }

    /// Keeps the listeners and connections of the target's ports. The probes record every listener of the
    /// namespace all the same, so that the ledger adds up.
    pub fn restrict(&self, namespace: &mut Namespace) {
        let Some(ports) = &self.ports else { return };
        if let Reading::Value(listeners) = &mut namespace.listeners {
            listeners.retain(|listener| ports.contains(&listener.port));
        }
        if let Reading::Value(established) = &mut namespace.established {
            established.retain(|entry| ports.contains(&entry.port));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing;

    fn held(port: u16, pids: &[i32]) -> Listener {
        Listener { pids: pids.to_vec(), ..testing::listener("127.0.0.1", port, 128) }
    }

    fn ports_left(scope: &Scope, listeners: Vec<Listener>) -> Vec<u16> {
        let mut namespace = testing::namespace();
        namespace.established =
            Reading::Value(vec![testing::established(80, 1), testing::established(90, 1)]);
        namespace.listeners = Reading::Value(listeners);
        scope.restrict(&mut namespace);
        assert_eq!(
            namespace.established.value().unwrap().iter().map(|entry| entry.port).collect::<Vec<_>>(),
            [80, 90]
                .into_iter()
                .filter(|port| scope.ports.as_ref().is_none_or(|all| all.contains(port)))
                .collect::<Vec<_>>()
        );
        namespace.listeners.value().unwrap().iter().map(|listener| listener.port).collect()
    }

    #[test]
    fn without_a_target_everything_belongs_and_nobody_joins() {
        let mut scope = Scope::new(&[], None);
        assert_eq!(scope.follow(&[held(80, &[7])]), Vec::<i32>::new());
        assert_eq!(ports_left(&scope, vec![held(80, &[7]), held(90, &[])]), [80, 90]);
    }

    #[test]
    fn workers_and_successors_on_the_port_join_once() {
        let mut scope = Scope::new(&[7], Some(vec![80]));
        assert_eq!(scope.follow(&[held(80, &[7]), held(90, &[5, 7])]), Vec::<i32>::new());
        assert_eq!(scope.follow(&[held(80, &[7, 8, 9]), held(90, &[5])]), [8, 9]);
        assert_eq!(scope.follow(&[held(80, &[9])]), Vec::<i32>::new());
        assert_eq!(scope.follow(&[held(80, &[9, 11])]), [11]);
        assert_eq!(ports_left(&scope, vec![held(80, &[9]), held(90, &[9])]), [80]);
    }

    #[test]
    fn nobody_joins_processes_that_the_user_chose() {
        let mut scope = Scope::new(&[7], Some(vec![80]));
        scope.keep_processes();
        assert_eq!(scope.follow(&[held(80, &[7, 8])]), Vec::<i32>::new());
    }

    #[test]
    fn a_process_that_listens_on_nothing_has_no_listener_until_it_opens_one() {
        let mut scope = Scope::new(&[7], Some(Vec::new()));
        assert_eq!(ports_left(&scope, vec![held(80, &[5]), held(90, &[])]), Vec::<u16>::new());
        assert_eq!(scope.follow(&[held(80, &[7]), held(90, &[5])]), Vec::<i32>::new());
        assert_eq!(ports_left(&scope, vec![held(80, &[7]), held(90, &[5])]), [80]);
    }
}
