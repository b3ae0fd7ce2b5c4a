//! Listeners and connections of a network namespace, from dumps of sock_diag.

use std::collections::BTreeMap;
use std::net::IpAddr;

use netlink_packet_sock_diag::constants::{TCP_CLOSE_WAIT, TCP_ESTABLISHED, TCP_SYN_RECV, TCP_TIME_WAIT};
use netlink_packet_sock_diag::inet::{ExtensionFlags, StateFlags};

use super::diag_message::DiagSocket;
use super::diag_request::Request;
use super::pace::Pace;
use super::sock_diag::SockDiag;
use crate::sample::{Established, Listener, SocketMemory};

/// Names of the TCP states by number (include/net/tcp_states.h), as ss prints them.
const STATES: [&str; 12] = [
    "UNKNOWN",
    "ESTAB",
    "SYN-SENT",
    "SYN-RECV",
    "FIN-WAIT-1",
    "FIN-WAIT-2",
    "TIME-WAIT",
    "UNCONN",
    "CLOSE-WAIT",
    "LAST-ACK",
    "LISTEN",
    "CLOSING",
];

/// Above this many connections their round-trip times are asked for once in a while only ([`Pace`]):
/// INET_DIAG_INFO takes the lock of each socket and is a third of the cost of a dump.
const FEW: u64 = 2_000;

/// Every state of a connection: all but LISTEN and CLOSE.
fn connected() -> StateFlags {
    StateFlags::all().difference(StateFlags::LISTEN | StateFlags::CLOSE)
}

/// Listening sockets by port and address, without holders and half-open requests.
pub(super) fn listeners(diag: &mut SockDiag) -> Result<Vec<Listener>, String> {
    let request = Request { states: StateFlags::LISTEN, extensions: ExtensionFlags::SKMEMINFO, ports: None };
    let mut listeners = BTreeMap::new();
    diag.dump(&request, |socket| {
        let Some(address) = socket.address() else { return };
        let listener = Listener {
            address,
            port: socket.port(),
            v6_only: socket.v6_only().unwrap_or(false),
            inode: socket.inode(),
            cookie: socket.cookie(),
            waiting: socket.waiting(),
            limit: socket.limit(),
            drops_hint: socket.drops(),
            half_open: 0,
            uid: socket.uid(),
            pids: Vec::new(),
        };
        listeners.insert((listener.port, listener.address, listener.cookie), listener);
    })?;
    Ok(listeners.into_values().collect())
}

/// Reads connections, and remembers the round-trip times when there are many.
#[derive(Default)]
pub(super) struct ConnectionReader {
    last: Option<(Pace, Vec<Established>)>,
}

impl ConnectionReader {
    /// Connections of the ports that `listeners` listen on, one entry for each port; counts the half-open
    /// requests of each listener on the way. The round-trip times of more than [`FEW`] connections are
    /// as old as [`Pace`] allows.
    pub(super) fn read(
        &mut self,
        diag: &mut SockDiag,
        listeners: &mut [Listener],
    ) -> Result<Vec<Established>, String> {
        let fresh = self.last.as_ref().filter(|(pace, groups)| {
            groups.iter().map(|group| group.rtt_samples).sum::<u64>() > FEW && !pace.due()
        });
        let Some((_, known)) = fresh else {
            let everything = ExtensionFlags::SKMEMINFO | ExtensionFlags::INFO;
            let (groups, pace) = Pace::time(|| connections(diag, listeners, everything));
            let groups = groups?;
            self.last = Some((pace, groups.clone()));
            return Ok(groups);
        };
        let mut groups = connections(diag, listeners, ExtensionFlags::SKMEMINFO)?;
        for group in &mut groups {
            if let Some(known) = known.iter().find(|known| known.port == group.port) {
                (group.rtt_sum_us, group.rtt_samples) = (known.rtt_sum_us, known.rtt_samples);
            }
        }
        Ok(groups)
    }
}

fn connections(
    diag: &mut SockDiag,
    listeners: &mut [Listener],
    extensions: ExtensionFlags,
) -> Result<Vec<Established>, String> {
    let mut ports: Vec<u16> = listeners.iter().map(|listener| listener.port).collect();
    ports.sort_unstable();
    ports.dedup();
    if ports.is_empty() {
        return Ok(Vec::new());
    }
    let request = Request { states: connected(), extensions, ports: Some(&ports) };
    let mut totals: Vec<Totals> = ports.iter().map(|_| Totals::default()).collect();
    let mut half_open: BTreeMap<(IpAddr, u16), u32> = BTreeMap::new();
    diag.dump(&request, |socket| {
        let port = socket.port();
        let Some(totals) = ports.binary_search(&port).ok().and_then(|index| totals.get_mut(index)) else {
            return;
        };
        totals.add(&socket);
        if socket.state() == TCP_SYN_RECV
            && let Some(address) = socket.address()
        {
            *half_open.entry((address.to_canonical(), port)).or_default() += 1;
        }
    })?;
    for ((address, port), count) in half_open {
        count_half_open(listeners, address, port, count);
    }
    Ok(ports.into_iter().zip(totals).map(|(port, totals)| totals.finish(port)).collect())
}

/// Inodes of all TCP sockets that a descriptor can belong to: listening or connected.
pub(super) fn inodes(diag: &mut SockDiag) -> Result<Vec<u64>, String> {
    let states =
        StateFlags::all().difference(StateFlags::CLOSE | StateFlags::TIME_WAIT | StateFlags::SYN_RECV);
    let mut inodes = Vec::new();
    diag.dump(&Request { states, extensions: ExtensionFlags::empty(), ports: None }, |socket| {
        if socket.inode() != 0 {
            inodes.push(socket.inode());
        }
    })?;
    Ok(inodes)
}

/// Gives the requests for `address`:`port` to the listener that the kernel would look up: the one bound to the
/// address, else the wildcard of its family, else the IPv6 wildcard that takes IPv4 as well. The sockets of a
/// SO_REUSEPORT group share an address; sock_diag does not tell whose request it is, so each shows the
/// requests of the group.
fn count_half_open(listeners: &mut [Listener], address: IpAddr, port: u16, count: u32) {
    let rank = |listener: &Listener| {
        if listener.port != port {
            return 0;
        }
        let local = listener.address.to_canonical();
        match (local.is_unspecified(), local.is_ipv4() == address.is_ipv4()) {
            _ if local == address => 3,
            (true, true) => 2,
            (true, false) if address.is_ipv4() && !listener.v6_only => 1,
            _ => 0,
        }
    };
    let best = listeners.iter().map(rank).max().unwrap_or(0);
    for listener in listeners.iter_mut().filter(|listener| best > 0 && rank(listener) == best) {
        listener.half_open = listener.half_open.saturating_add(count);
    }
}

/// Sums over the connections of one port.
#[derive(Default)]
struct Totals {
    states: [u64; STATES.len()],
    unaccepted: u64,
    memory: SocketMemory,
    /// Sockets that should have said how much memory they take, and did not.
    silent: u64,
    rtt_sum_us: u64,
    rtt_samples: u64,
}

impl Totals {
    fn add(&mut self, socket: &DiagSocket<'_>) {
        let state = socket.state();
        if let Some(count) = self.states.get_mut(usize::from(state)) {
            *count += 1;
        }
        // After close() a socket has no inode either, but has left these states.
        if matches!(state, TCP_ESTABLISHED | TCP_CLOSE_WAIT) && socket.inode() == 0 {
            self.unaccepted += 1;
        }
        // Both are stubs of a socket, without buffers.
        if matches!(state, TCP_TIME_WAIT | TCP_SYN_RECV) {
            return;
        }
        match socket.memory() {
            Some(memory) => self.add_memory(&memory),
            None => self.silent += 1,
        }
        if let Some(rtt_us) = socket.rtt_us() {
            self.rtt_sum_us += u64::from(rtt_us);
            self.rtt_samples += 1;
        }
    }

    const fn add_memory(&mut self, memory: &SocketMemory) {
        self.memory.sockets += memory.sockets;
        self.memory.receive_allocated += memory.receive_allocated;
        self.memory.receive_limit += memory.receive_limit;
        self.memory.send_queued += memory.send_queued;
        self.memory.send_limit += memory.send_limit;
        self.memory.forward_allocated += memory.forward_allocated;
    }

    fn finish(self, port: u16) -> Established {
        let states = STATES.iter().zip(self.states).filter(|(_, count)| *count > 0);
        Established {
            port,
            states: states.map(|(name, count)| ((*name).to_owned(), count)).collect(),
            memory: (self.silent == 0).then_some(self.memory),
            unaccepted: self.unaccepted,
            rtt_sum_us: self.rtt_sum_us,
            rtt_samples: self.rtt_samples,
        }
    }
}

#[cfg(test)]
#[path = "sockets_tests.rs"]
mod tests;
