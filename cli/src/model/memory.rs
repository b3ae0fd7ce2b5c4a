//! Memory of a process and of its connections.

use std::collections::BTreeSet;

use crate::sample::{Listener, Process, Sample};

use super::{Memory, number};

/// Memory of `process` in `sample`.
pub(super) fn memory(sample: &Sample, process: &Process) -> Memory {
    let rss_bytes = process.rss_bytes.value().copied();
    let sockets = sockets(sample, process);
    let bytes_per_connection = rss_bytes.zip(sockets).and_then(|(resident, sockets)| {
        let bytes = number(resident.saturating_add(sockets.bytes));
        (sockets.connections > 0).then(|| bytes / number(sockets.connections))
    });
    Memory {
        rss_bytes,
        pss_bytes: process.pss_bytes.value().copied(),
        kernel_socket_bytes: sockets.map(|sockets| sockets.bytes),
        bytes_per_connection,
    }
}

#[derive(Clone, Copy)]
struct Sockets {
    bytes: u64,
    connections: u64,
}

/// Socket buffers of the accepted connections of the process. `None` when the kernel did not say, or when they
/// cannot be told from those of another process that holds the same listener.
fn sockets(sample: &Sample, process: &Process) -> Option<Sockets> {
    let listeners = sample.namespace.listeners.value()?;
    let established = sample.namespace.established.value()?;
    let held = listeners.iter().filter(|listener| listener.pids.contains(&process.pid));
    let ports: BTreeSet<u16> = held.map(|listener| listener.port).collect();
    let alone = |listener: &Listener| {
        let mut others = listener.pids.iter().filter(|&&pid| pid != process.pid);
        !listener.pids.is_empty() && others.all(|&pid| holds_no_connection(sample, listeners, pid))
    };
    let shared = listeners.iter().any(|listener| ports.contains(&listener.port) && !alone(listener));
    if ports.is_empty() || shared {
        return None;
    }
    let mut total = Sockets { bytes: 0, connections: 0 };
    for group in established.iter().filter(|group| ports.contains(&group.port)) {
        let memory = group.memory?;
        let held = memory.receive_allocated.saturating_add(memory.send_queued);
        total.bytes = total.bytes.saturating_add(held.saturating_add(memory.forward_allocated));
        let open: u64 = ["ESTAB", "CLOSE-WAIT"].iter().filter_map(|&state| group.states.get(state)).sum();
        total.connections = total.connections.saturating_add(open.saturating_sub(group.unaccepted));
    }
    Some(total)
}

/// Whether a process has no TCP descriptors but listeners, as the master of a pre-fork server.
fn holds_no_connection(sample: &Sample, listeners: &[Listener], pid: i32) -> bool {
    let process = sample.processes.iter().find(|process| process.pid == pid);
    let tcp = process.and_then(|process| process.fds.value()).and_then(|fds| fds.tcp_connections);
    let listening = listeners.iter().filter(|listener| listener.pids.contains(&pid)).count();
    tcp.is_some_and(|tcp| usize::try_from(tcp).is_ok_and(|tcp| tcp <= listening))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing;
    use crate::sample::{Established, Reading, SocketMemory};

    fn connected(port: u16, sockets: u64) -> Established {
        Established {
            port,
            states: [("ESTAB".to_owned(), sockets), ("TIME-WAIT".to_owned(), 99)].into(),
            memory: Some(SocketMemory {
                sockets,
                receive_allocated: 1000,
                receive_limit: 90_000,
                send_queued: 200,
                send_limit: 90_000,
                forward_allocated: 34,
            }),
            unaccepted: 0,
            rtt_sum_us: 0,
            rtt_samples: 0,
        }
    }

    fn server() -> Sample {
        let mut sample = testing::sample();
        let mut listener = testing::listener("0.0.0.0", 80, 128);
        listener.pids = vec![42];
        sample.namespace.listeners = Reading::Value(vec![listener]);
        sample.namespace.established = Reading::Value(vec![connected(80, 10), connected(5432, 7)]);
        sample.processes = vec![testing::process(42)];
        sample.processes[0].rss_bytes = Reading::Value(8766);
        sample
    }

    fn listeners(sample: &mut Sample) -> &mut Vec<Listener> {
        let Reading::Value(listeners) = &mut sample.namespace.listeners else { panic!() };
        listeners
    }

    fn established(sample: &mut Sample) -> &mut Vec<Established> {
        let Reading::Value(established) = &mut sample.namespace.established else { panic!() };
        established
    }

    #[test]
    fn resident_and_buffers_over_connections() {
        let sample = server();
        let memory = memory(&sample, &sample.processes[0]);
        assert_eq!(memory.kernel_socket_bytes, Some(1234));
        assert_eq!(memory.bytes_per_connection, Some(1000.0));
    }

    #[test]
    fn connections_that_wait_in_the_accept_queue_are_not_the_process_s() {
        let mut sample = server();
        established(&mut sample)[0].unaccepted = 5;
        assert_eq!(memory(&sample, &sample.processes[0]).bytes_per_connection, Some(2000.0));
        established(&mut sample)[0].unaccepted = 10;
        assert_eq!(memory(&sample, &sample.processes[0]).bytes_per_connection, None);
    }

    #[test]
    fn workers_that_share_a_listener_cannot_be_told_apart() {
        let mut sample = server();
        listeners(&mut sample)[0].pids.push(43);
        assert_eq!(memory(&sample, &sample.processes[0]).kernel_socket_bytes, None);
    }

    #[test]
    fn a_master_without_connections_does_not_hide_its_worker() {
        let mut sample = server();
        listeners(&mut sample)[0].pids.push(41);
        let mut master = testing::process(41);
        let mut fds = testing::fds(8);
        fds.tcp_connections = Some(1);
        master.fds = Reading::Value(fds);
        sample.processes.push(master);
        assert_eq!(memory(&sample, &sample.processes[0]).kernel_socket_bytes, Some(1234));
        let Reading::Value(fds) = &mut sample.processes[1].fds else { panic!() };
        fds.tcp_connections = Some(2);
        assert_eq!(memory(&sample, &sample.processes[0]).kernel_socket_bytes, None);
    }

    #[test]
    fn another_address_on_the_same_port_must_be_its_own_too() {
        let mut sample = server();
        let mut other = testing::listener("10.0.0.1", 80, 128);
        other.pids = vec![];
        listeners(&mut sample).push(other);
        assert_eq!(memory(&sample, &sample.processes[0]).kernel_socket_bytes, None);
    }

    #[test]
    fn absent_when_the_kernel_did_not_say() {
        let mut sample = server();
        established(&mut sample)[0].memory = None;
        assert_eq!(memory(&sample, &sample.processes[0]).kernel_socket_bytes, None);
        sample.namespace.established = Reading::unreadable("EPERM");
        let result = memory(&sample, &sample.processes[0]);
        assert_eq!((result.kernel_socket_bytes, result.rss_bytes), (None, Some(8766)));
    }

    #[test]
    fn a_client_has_no_listener_and_no_share() {
        let mut sample = server();
        sample.processes.push(testing::process(50));
        assert_eq!(memory(&sample, &sample.processes[1]).kernel_socket_bytes, None);
    }
}
