//! One connection of the load generator, and what each readiness event makes of it.

use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Instant;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, SockaddrLike, SockaddrStorage, connect, getsockopt, recv,
    send, socket, sockopt,
};

use super::plan::Plan;
use super::response::{Outcome, Reader};
use super::statistics::Failure;
use super::summary::Summary;

/// A connection between its start and its end.
#[derive(Debug)]
pub(super) struct Connection {
    fd: OwnedFd,
    token: u64,
    pub(super) serial: u64,
    pub(super) plan: Plan,
    pub(super) phase: Phase,
    /// When connect(2) was called.
    pub(super) opened: Instant,
    /// When the current request should have started, or the next one should.
    pub(super) intended: Instant,
    /// When the current phase has lasted too long.
    pub(super) deadline: Option<Instant>,
    /// When the alarm that watches the deadline rings.
    pub(super) alarm_at: Option<Instant>,
    sent: usize,
    reader: Reader,
}

/// What a connection is waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Connecting,
    Sending,
    Waiting,
    Thinking,
}

/// What an event brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    Nothing,
    Connected,
    Complete {
        status: u16,
        reusable: bool,
    },
    Failed(Failure),
    /// The server ended a connection on which nothing was asked.
    ClosedIdle,
}

impl Connection {
    /// Starts the handshake, without waiting for it.
    pub(super) fn open(
        address: &SockaddrStorage,
        epoll: &Epoll,
        token: u64,
        plan: Plan,
        intended: Instant,
    ) -> Result<Self, Failure> {
        let family = address.family().unwrap_or(AddressFamily::Inet);
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let opened = Instant::now();
        let fd = socket(family, SockType::Stream, flags, None).map_err(Failure::System)?;
        match connect(fd.as_raw_fd(), address) {
            Ok(()) | Err(Errno::EINPROGRESS | Errno::EINTR) => {}
            Err(errno) => return Err(Failure::System(errno)),
        }
        epoll.add(&fd, EpollEvent::new(EpollFlags::EPOLLOUT, token)).map_err(Failure::System)?;
        Ok(Self {
            fd,
            token,
            serial: 0,
            plan,
            phase: Phase::Connecting,
            opened,
            intended,
            deadline: None,
            alarm_at: None,
            sent: 0,
            reader: Reader::default(),
        })
    }

    /// Serves one readiness event.
    pub(super) fn ready(
        &mut self,
        epoll: &Epoll,
        request: &[u8],
        buffer: &mut [u8],
        counts: &mut Summary,
    ) -> Event {
        let result = match self.phase {
            Phase::Connecting => self.establish(epoll),
            Phase::Sending => self.send(epoll, request, counts),
            Phase::Waiting => self.receive(buffer, counts),
            Phase::Thinking => self.overhear(buffer),
        };
        result.unwrap_or_else(|errno| Event::Failed(Failure::System(errno)))
    }

    /// Starts the next request.
    pub(super) fn begin(&mut self, epoll: &Epoll, request: &[u8], counts: &mut Summary) -> Event {
        counts.requests += 1;
        self.plan.requests_left = self.plan.requests_left.map(|left| left.saturating_sub(1));
        self.sent = 0;
        let before = self.phase;
        // Even a failure of this call is one of the request, not of the connection attempt.
        self.phase = Phase::Waiting;
        if before == Phase::Connecting
            && let Err(errno) = self.watch(epoll, EpollFlags::EPOLLIN)
        {
            return Event::Failed(Failure::System(errno));
        }
        self.send(epoll, request, counts).unwrap_or_else(|errno| Event::Failed(Failure::System(errno)))
    }

    fn establish(&mut self, epoll: &Epoll) -> nix::Result<Event> {
        match getsockopt(&self.fd, sockopt::SocketError)? {
            0 if self.plan.requests_left == Some(0) => {
                self.watch(epoll, EpollFlags::EPOLLIN)?;
                Ok(Event::Connected)
            }
            0 => Ok(Event::Connected),
            error => Err(Errno::from_raw(error)),
        }
    }

    fn watch(&self, epoll: &Epoll, interest: EpollFlags) -> nix::Result<()> {
        epoll.modify(&self.fd, &mut EpollEvent::new(interest, self.token))
    }

    fn send(&mut self, epoll: &Epoll, request: &[u8], counts: &mut Summary) -> nix::Result<Event> {
        let rest = request.get(self.sent..).unwrap_or_default();
        let bytes = match send(self.fd.as_raw_fd(), rest, MsgFlags::MSG_NOSIGNAL) {
            Ok(bytes) => bytes,
            Err(Errno::EAGAIN | Errno::EINTR) => 0,
            Err(errno) => return Err(errno),
        };
        counts.bytes_written += u64::try_from(bytes).unwrap_or(0);
        self.sent += bytes;
        let phase = if self.sent < request.len() { Phase::Sending } else { Phase::Waiting };
        if phase != self.phase {
            self.phase = phase;
            let sending = phase == Phase::Sending;
            self.watch(epoll, if sending { EpollFlags::EPOLLOUT } else { EpollFlags::EPOLLIN })?;
        }
        Ok(Event::Nothing)
    }

    fn receive(&mut self, buffer: &mut [u8], counts: &mut Summary) -> nix::Result<Event> {
        let outcome = match recv(self.fd.as_raw_fd(), buffer, MsgFlags::empty()) {
            Ok(0) => match self.reader.end() {
                Outcome::Partial => return Ok(Event::Failed(Failure::Incomplete)),
                other => other,
            },
            Ok(bytes) => {
                counts.bytes_read += u64::try_from(bytes).unwrap_or(0);
                self.reader.feed(buffer.get(..bytes).unwrap_or_default())
            }
            Err(Errno::EAGAIN | Errno::EINTR) => Outcome::Partial,
            Err(errno) => return Err(errno),
        };
        Ok(match outcome {
            Outcome::Partial => Event::Nothing,
            Outcome::Complete { status, reusable } => Event::Complete { status, reusable },
            Outcome::Broken => Event::Failed(Failure::Protocol),
        })
    }

    /// Whatever comes while nothing was asked ends the connection: its end, a reset, or an unasked response.
    fn overhear(&self, buffer: &mut [u8]) -> nix::Result<Event> {
        match recv(self.fd.as_raw_fd(), buffer, MsgFlags::empty()) {
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(Event::Nothing),
            _ => Ok(Event::ClosedIdle),
        }
    }
}
