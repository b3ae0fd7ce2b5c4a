//! Single TCP segments from peers that do not exist, and the SYN-ACKs that answer them.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrStorage, recv, sendto, setsockopt,
    socket, sockopt,
};

const SYN: u8 = 0x02;
const ACK: u8 = 0x10;
/// First source port; peer `n` uses this plus `n`.
const FIRST_PORT: u16 = 10_000;
/// Initial sequence number of every peer.
const SEQUENCE: u32 = 1000;

/// Sends segments of half-connections to one listener. Peer `n` has an address and a port of its own.
pub struct Peers {
    socket: OwnedFd,
    listener: SocketAddr,
}

impl Peers {
    /// Peers of the listener at `listener`, a loopback address.
    pub fn of(listener: SocketAddr) -> Self {
        let family = if listener.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
        let socket = socket(family, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::Raw).unwrap();
        Self { socket, listener }
    }

    /// The first segment of a handshake.
    pub fn syn(&self, peer: u16) {
        self.send(peer, SYN, SEQUENCE, 0);
    }

    /// The third segment, in answer to a SYN-ACK with the sequence number `theirs`.
    pub fn final_ack(&self, peer: u16, theirs: u32) {
        self.send(peer, ACK, SEQUENCE + 1, theirs.wrapping_add(1));
    }

    fn send(&self, peer: u16, flags: u8, sequence: u32, acknowledged: u32) {
        let source = self.address(peer);
        let mut tcp = Vec::with_capacity(20);
        tcp.extend((FIRST_PORT + peer).to_be_bytes());
        tcp.extend(self.listener.port().to_be_bytes());
        tcp.extend(sequence.to_be_bytes());
        tcp.extend(acknowledged.to_be_bytes());
        // Header length in words, flags, window, checksum, urgent pointer.
        tcp.extend([5 << 4, flags, 0xff, 0xff, 0, 0, 0, 0]);
        let checksum = checksum(&[&pseudo_header(source, self.listener.ip()), &tcp]);
        tcp[16..18].copy_from_slice(&checksum.to_be_bytes());
        let packet = [ip_header(source, self.listener.ip()), tcp].concat();
        // The port of a raw IPv6 destination must be zero (ipv6(7)).
        let to = SockaddrStorage::from(SocketAddr::new(self.listener.ip(), 0));
        let sent = sendto(self.socket.as_raw_fd(), &packet, &to, MsgFlags::empty()).unwrap();
        assert_eq!(sent, packet.len());
    }

    fn address(&self, peer: u16) -> IpAddr {
        let last = 1 + peer % 200;
        match self.listener {
            SocketAddr::V4(_) => Ipv4Addr::new(192, 0, 2, u8::try_from(last).unwrap()).into(),
            SocketAddr::V6(_) => Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last).into(),
        }
    }
}

fn ip_header(source: IpAddr, destination: IpAddr) -> Vec<u8> {
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            // Version and header length, service, total length, id, fragment, TTL, protocol; the kernel
            // fills in the checksum (raw(7)).
            let mut header = vec![0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0];
            header.extend(source.octets());
            header.extend(destination.octets());
            header
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            // Version, class and flow, payload length, next header, hop limit.
            let mut header = vec![0x60, 0, 0, 0, 0, 20, 6, 64];
            header.extend(source.octets());
            header.extend(destination.octets());
            header
        }
        _ => panic!("{source} and {destination} are of different families"),
    }
}

/// The part of the IP header that the TCP checksum covers (RFC 9293 3.1, RFC 8200 8.1).
fn pseudo_header(source: IpAddr, destination: IpAddr) -> Vec<u8> {
    let octets = |address| match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    [octets(source), octets(destination), vec![0, 6, 0, 20]].concat()
}

/// The Internet checksum (RFC 1071) over parts of even length.
fn checksum(parts: &[&[u8]]) -> u16 {
    let words = parts.iter().flat_map(|part| part.chunks_exact(2));
    let mut sum: u32 = words.map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap()
}

/// Sees every packet of the namespace.
pub struct Capture {
    socket: OwnedFd,
    /// Sequence number of the SYN-ACK by peer.
    answers: BTreeMap<u16, u32>,
}

impl Capture {
    /// Starts to capture.
    pub fn start() -> Self {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let socket = socket(AddressFamily::Packet, SockType::Datagram, flags, SockProtocol::EthAll).unwrap();
        setsockopt(&socket, sockopt::RcvBuf, &(4 << 20)).unwrap();
        Self { socket, answers: BTreeMap::new() }
    }

    /// Peers that were sent a SYN-ACK, with its sequence number: waits until `expected` were seen or
    /// nothing new came for a fifth of a second.
    pub fn syn_acks(mut self, expected: usize) -> BTreeMap<u16, u32> {
        let mut quiet_since = Instant::now();
        while self.answers.len() < expected && quiet_since.elapsed() < Duration::from_millis(200) {
            let known = self.answers.len();
            self.drain();
            if self.answers.len() > known {
                quiet_since = Instant::now();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        self.answers
    }

    fn drain(&mut self) {
        let mut buffer = [0; 2048];
        loop {
            match recv(self.socket.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
                Ok(length) => self.note(&buffer[..length]),
                Err(Errno::EAGAIN) => return,
                Err(errno) => panic!("capture: {errno}"),
            }
        }
    }

    /// Loopback shows each packet twice, out and in; both say the same.
    fn note(&mut self, packet: &[u8]) {
        let (protocol, tcp) = match packet[0] >> 4 {
            4 => (packet[9], &packet[usize::from(packet[0] & 0xf) * 4..]),
            6 => (packet[6], &packet[40..]),
            _ => return,
        };
        if protocol != 6 || tcp[13] & (SYN | ACK) != SYN | ACK {
            return;
        }
        let port = u16::from_be_bytes([tcp[2], tcp[3]]);
        let sequence = u32::from_be_bytes([tcp[4], tcp[5], tcp[6], tcp[7]]);
        // Peers of this file have ports from FIRST_PORT on, below the ephemeral range of real clients.
        if (FIRST_PORT..FIRST_PORT + 1000).contains(&port) {
            self.answers.insert(port - FIRST_PORT, sequence);
        }
    }
}
