//! The sock_diag netlink socket: dumps of TCP sockets.

use std::io;

use netlink_packet_core::{NLMSG_DONE, NLMSG_ERROR};
use netlink_packet_sock_diag::constants::{AF_INET, AF_INET6, SOCK_DIAG_BY_FAMILY};
use netlink_sys::protocols::NETLINK_SOCK_DIAG;
use netlink_sys::{Socket, SocketAddr};
use nix::errno::Errno;
use nix::sys::socket::{setsockopt, sockopt::ReceiveTimeout};
use nix::sys::time::{TimeVal, TimeValLike};

use super::diag_message::{DiagSocket, Messages};
use super::diag_request::{BOTH_FAMILIES, Request};
use super::files::errno_name;

/// Size of the receive buffer. The kernel fills datagrams of up to 32 KiB when it sees that much room
/// (net/netlink/af_netlink.c, netlink_dump).
const BUFFER: usize = 64 * 1024;

/// Longest wait for the next datagram of a dump. The kernel answers inside the call; this only keeps a broken
/// sandbox from blocking the tool.
const PATIENCE_SECONDS: i64 = 2;

/// An open sock_diag socket. It belongs to the network namespace that it was opened in, for its whole life and
/// in whichever thread it is used.
pub(super) struct SockDiag {
    socket: Socket,
    buffer: Vec<u8>,
    sequence: u32,
    /// Whether the kernel takes the request for both families at once.
    both_families: bool,
}

/// How a dump failed.
struct Failure {
    reason: String,
    /// Whether sockets were visited before.
    partial: bool,
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
        Ok(Self { socket, buffer: Vec::with_capacity(BUFFER), sequence: 0, both_families: true })
    }

    /// Calls `visit` with every TCP socket of both families that the request covers, and with others when it
    /// names too many ports to filter by. A dump is not atomic: a socket that comes, goes or moves meanwhile
    /// may be missed or seen twice. Errors are sentences.
    pub(super) fn dump(
        &mut self,
        request: &Request<'_>,
        mut visit: impl FnMut(DiagSocket<'_>),
    ) -> Result<(), String> {
        if self.both_families {
            match self.ask(|sequence| request.both_families(sequence), BOTH_FAMILIES, &mut visit) {
                Ok(()) => return Ok(()),
                Err(failure) if failure.partial => return Err(failure.reason),
                // One dump for each family costs a second walk, and says why if it fails as well.
                Err(_) => self.both_families = false,
            }
        }
        for family in [AF_INET, AF_INET6] {
            self.ask(|sequence| request.family(family, sequence), SOCK_DIAG_BY_FAMILY, &mut visit)
                .map_err(|failure| failure.reason)?;
        }
        Ok(())
    }

    /// Sends a request and visits the sockets in messages of type `kind`.
    fn ask(
        &mut self,
        request: impl FnOnce(u32) -> Vec<u8>,
        kind: u16,
        visit: &mut impl FnMut(DiagSocket<'_>),
    ) -> Result<(), Failure> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut partial = false;
        let failed =
            |attempt, error: &io::Error, partial| Failure { reason: failure(attempt, error), partial };
        self.socket.send(&request(self.sequence), 0).map_err(|error| failed("ask", &error, partial))?;
        loop {
            self.buffer.clear();
            match self.socket.recv(&mut self.buffer, 0) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(failed("read the answer of", &error, partial)),
            }
            for message in Messages(&self.buffer).filter(|message| message.sequence == self.sequence) {
                if message.kind == kind {
                    partial = true;
                    DiagSocket::parse(message.payload).into_iter().for_each(&mut *visit);
                } else if matches!(message.kind, NLMSG_DONE | NLMSG_ERROR) {
                    return match message.errno() {
                        0 => Ok(()),
                        errno => Err(failed("dump through", &io::Error::from_raw_os_error(errno), partial)),
                    };
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

#[cfg(test)]
#[path = "sock_diag_tests.rs"]
mod tests;
