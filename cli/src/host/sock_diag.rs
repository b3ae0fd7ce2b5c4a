//! The sock_diag netlink socket: dumps of TCP sockets.

use std::io;

use netlink_packet_core::{Emitable, NLM_F_DUMP, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR, NetlinkHeader};
use netlink_packet_sock_diag::constants::{AF_INET, AF_INET6, IPPROTO_TCP, SOCK_DIAG_BY_FAMILY};
use netlink_packet_sock_diag::inet::{ExtensionFlags, InetRequest, SocketId, StateFlags};
use netlink_sys::protocols::NETLINK_SOCK_DIAG;
use netlink_sys::{Socket, SocketAddr};
use nix::errno::Errno;
use nix::sys::socket::{setsockopt, sockopt::ReceiveTimeout};
use nix::sys::time::{TimeVal, TimeValLike};

use super::diag_message::{DiagSocket, Messages};
use super::files::errno_name;

/// Size of the receive buffer. The kernel fills datagrams of up to 32 KiB when it sees that much room
/// (net/netlink/af_netlink.c, netlink_dump).
const BUFFER: usize = 256 * 1024;

/// Longest wait for the next datagram of a dump. The kernel answers inside the call; this only keeps a broken
/// sandbox from blocking the tool.
const PATIENCE_SECONDS: i64 = 2;

/// INET_DIAG_REQ_BYTECODE of include/uapi/linux/inet_diag.h: the attribute with a filter program.
const REQUEST_BYTECODE: u16 = 1;
/// INET_DIAG_BC_JMP.
const JUMP: u8 = 1;
/// INET_DIAG_BC_S_EQ: the local port equals the `no` field of the operation behind.
const LOCAL_PORT_IS: u8 = 11;
/// Bytes that the test of one port takes in the filter program.
const PORT_TEST: u16 = 12;
/// Ports beyond which no filter is sent: its length and its jumps are 16 bits wide.
const MOST_PORTS: usize = 2_000;

/// What to dump.
pub(super) struct Request<'a> {
    /// States to include.
    pub(super) states: StateFlags,
    /// Attributes to add to each socket.
    pub(super) extensions: ExtensionFlags,
    /// Local ports to include, unless there are too many to filter by; `None` for all.
    pub(super) ports: Option<&'a [u16]>,
}

/// An open sock_diag socket. It belongs to the network namespace that it was opened in, for its whole life and
/// in whichever thread it is used.
pub(super) struct SockDiag {
    socket: Socket,
    buffer: Vec<u8>,
    sequence: u32,
}

impl SockDiag {
    /// Opens the socket in the network namespace of the calling thread. Errors are sentences.
    pub(super) fn open() -> Result<Self, String> {
        let open = || -> io::Result<Socket> {
            let mut socket = Socket::new(NETLINK_SOCK_DIAG)?;
            socket.bind_auto()?;
            socket.connect(&SocketAddr::new(0, 0))?;
            setsockopt(&socket, ReceiveTimeout, &TimeVal::seconds(PATIENCE_SECONDS))?;
            Ok(socket)
        };
        let socket = open().map_err(|error| {
            let name = errno_name(&error);
            format!(
                "cannot open a sock_diag netlink socket: {name}; does a sandbox (seccomp, gVisor) forbid it?"
            )
        })?;
        Ok(Self { socket, buffer: Vec::with_capacity(BUFFER), sequence: 0 })
    }

    /// Calls `visit` with every TCP socket of both families that the request covers. A dump is not atomic: a
    /// socket that comes, goes or moves meanwhile may be missed or seen twice. Errors are sentences.
    pub(super) fn dump(
        &mut self,
        request: &Request<'_>,
        mut visit: impl FnMut(DiagSocket<'_>),
    ) -> Result<(), String> {
        for (family, id) in [(AF_INET, SocketId::new_v4()), (AF_INET6, SocketId::new_v6())] {
            self.dump_family(request, family, id, &mut visit)?;
        }
        Ok(())
    }

    fn dump_family(
        &mut self,
        request: &Request<'_>,
        family: u8,
        socket_id: SocketId,
        visit: &mut impl FnMut(DiagSocket<'_>),
    ) -> Result<(), String> {
        self.sequence = self.sequence.wrapping_add(1);
        let body = InetRequest {
            family,
            protocol: IPPROTO_TCP,
            extensions: request.extensions.clone(),
            states: request.states.clone(),
            socket_id,
        };
        let bytes = encode(&body, request.ports, self.sequence);
        self.socket.send(&bytes, 0).map_err(|error| failure("ask", &error))?;
        loop {
            self.buffer.clear();
            match self.socket.recv(&mut self.buffer, 0) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(failure("read the answer of", &error)),
            }
            for message in Messages(&self.buffer).filter(|message| message.sequence == self.sequence) {
                match message.kind {
                    SOCK_DIAG_BY_FAMILY => {
                        DiagSocket::parse(message.payload).into_iter().for_each(&mut *visit)
                    }
                    NLMSG_DONE | NLMSG_ERROR if message.errno() != 0 => {
                        return Err(failure("dump through", &io::Error::from_raw_os_error(message.errno())));
                    }
                    NLMSG_DONE => return Ok(()),
                    _ => {}
                }
            }
        }
    }
}

fn failure(attempt: &str, error: &io::Error) -> String {
    let remedy = match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ENOENT) => {
            "; load the kernel modules inet_diag and tcp_diag (modprobe tcp_diag). /proc/net/tcp does not \
             replace them: it has no limit of the accept queue"
        }
        Some(Errno::EPERM | Errno::EACCES) => "; does a sandbox or a security module forbid it?",
        Some(Errno::EAGAIN) => "; the kernel did not answer",
        _ => "",
    };
    format!("cannot {attempt} sock_diag: {}{remedy}", errno_name(error))
}

/// The netlink message of a dump request.
fn encode(request: &InetRequest, ports: Option<&[u16]>, sequence: u32) -> Vec<u8> {
    let filter = ports.filter(|ports| ports.len() <= MOST_PORTS).map(filter).unwrap_or_default();
    let mut attribute = Vec::new();
    if let Ok(length) = u16::try_from(4 + filter.len())
        && !filter.is_empty()
    {
        attribute.extend(length.to_ne_bytes());
        attribute.extend(REQUEST_BYTECODE.to_ne_bytes());
        attribute.extend(filter);
    }
    let mut header = NetlinkHeader::default();
    let length = header.buffer_len() + request.buffer_len() + attribute.len();
    header.length = u32::try_from(length).unwrap_or(u32::MAX);
    header.message_type = SOCK_DIAG_BY_FAMILY;
    header.flags = NLM_F_REQUEST | NLM_F_DUMP;
    header.sequence_number = sequence;
    let mut bytes = vec![0; header.buffer_len() + request.buffer_len()];
    let (head, body) = bytes.split_at_mut(header.buffer_len());
    header.emit(head);
    request.emit(body);
    bytes.extend(attribute);
    bytes
}

/// A program that accepts the sockets with one of these local ports (net/ipv4/inet_diag.c,
/// inet_diag_bc_run): a jump to exactly its end accepts, one beyond rejects. For each port: equal goes on with
/// the jump behind the test, to the end; different skips that jump. The last port needs no jump.
fn filter(ports: &[u16]) -> Vec<u8> {
    let mut program = Vec::new();
    for (index, &port) in ports.iter().enumerate() {
        let after = u16::try_from(ports.len() - index - 1).unwrap_or(0);
        program.extend([LOCAL_PORT_IS, 8]);
        program.extend(PORT_TEST.to_ne_bytes());
        program.extend([0, 0]);
        program.extend(port.to_ne_bytes());
        if after > 0 {
            // To the end: the jump itself is as long as the one that the last test lacks.
            program.extend([JUMP, 4]);
            program.extend((after * PORT_TEST).to_ne_bytes());
        }
    }
    program
}

#[cfg(test)]
#[path = "sock_diag_tests.rs"]
mod tests;
