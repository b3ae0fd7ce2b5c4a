//! Listeners and clients whose outcome the test determines.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::libc;
use nix::sched::{sched_getaffinity, sched_getcpu, sched_setaffinity};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrStorage, bind, connect, listen, setsockopt, socket,
    sockopt,
};
use nix::unistd::Pid;

use crate::helper::stay_on;

/// Port of every listener under test; the namespace is private, so it is free.
pub const PORT: u16 = 7777;

/// 127.0.0.1 at [`PORT`].
pub fn loopback() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, PORT).into()
}

/// [::1] at [`PORT`].
pub fn loopback6() -> SocketAddr {
    (Ipv6Addr::LOCALHOST, PORT).into()
}

fn stream_socket(address: SocketAddr, flags: SockFlag) -> OwnedFd {
    let family = if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    socket(family, SockType::Stream, flags | SockFlag::SOCK_CLOEXEC, None).unwrap()
}

/// A listening socket with a chosen backlog.
pub struct Listener {
    socket: TcpListener,
}

impl Listener {
    /// Listens at `address`; a wildcard [::] takes IPv4 as well.
    pub fn open(address: SocketAddr, backlog: i32) -> Self {
        Self::with_options(address, backlog, false)
    }

    /// Listens at `address` beside other sockets (SO_REUSEPORT).
    pub fn open_shared(address: SocketAddr, backlog: i32) -> Self {
        Self::with_options(address, backlog, true)
    }

    fn with_options(address: SocketAddr, backlog: i32, shared: bool) -> Self {
        let socket = stream_socket(address, SockFlag::empty());
        setsockopt(&socket, sockopt::ReuseAddr, &true).unwrap();
        setsockopt(&socket, sockopt::ReusePort, &shared).unwrap();
        if address.is_ipv6() {
            setsockopt(&socket, sockopt::Ipv6V6Only, &false).unwrap();
        }
        bind(socket.as_raw_fd(), &SockaddrStorage::from(address)).unwrap();
        listen(&socket, Backlog::new(backlog).unwrap()).unwrap();
        Self { socket: TcpListener::from(socket) }
    }

    /// Calls listen() once more, which only changes the limit.
    pub fn change_backlog(&self, backlog: i32) {
        listen(&self.socket.as_fd(), Backlog::new(backlog).unwrap()).unwrap();
    }

    /// Takes everything that waits, without waiting itself.
    pub fn accept_all(&self) -> Vec<TcpStream> {
        self.socket.set_nonblocking(true).unwrap();
        std::iter::from_fn(|| self.accept_one()).collect()
    }

    /// Takes one connection if one waits. The socket must be non-blocking.
    pub fn accept_one(&self) -> Option<TcpStream> {
        match self.socket.accept() {
            Ok((stream, _)) => Some(stream),
            Err(error) if error.kind() == ErrorKind::WouldBlock => None,
            Err(error) => panic!("accept: {error}"),
        }
    }

    /// The port that it listens on.
    pub fn port(&self) -> u16 {
        self.socket.local_addr().unwrap().port()
    }

    /// The socket itself.
    pub fn socket(&self) -> &TcpListener {
        &self.socket
    }
}

/// A client whose connect() does not wait.
pub fn start_connect(address: SocketAddr) -> OwnedFd {
    let socket = stream_socket(address, SockFlag::SOCK_NONBLOCK);
    match connect(socket.as_raw_fd(), &SockaddrStorage::from(address)) {
        Ok(()) | Err(Errno::EINPROGRESS) => socket,
        Err(errno) => panic!("connect to {address}: {errno}"),
    }
}

/// `count` clients, one after the other: on loopback the kernel finishes each handshake inside connect(). They
/// stay on one processor: a second one could take the last place of an accept queue at the same time.
pub fn start_clients(address: SocketAddr, count: usize) -> Vec<OwnedFd> {
    let thread = Pid::from_raw(0);
    let before = sched_getaffinity(thread).unwrap();
    stay_on(sched_getcpu().unwrap());
    let clients = (0..count).map(|_| start_connect(address)).collect();
    sched_setaffinity(thread, &before).unwrap();
    clients
}

/// Closes with a reset instead of a FIN.
pub fn reset(socket: OwnedFd) {
    setsockopt(&socket, sockopt::Linger, &libc::linger { l_onoff: 1, l_linger: 0 }).unwrap();
    drop(socket);
}

/// The life of one client process of a storm: connects and resets as fast as it can, until `over`.
pub fn storm(address: SocketAddr, over: impl Fn() -> bool) {
    while !over() {
        let clients = start_clients(address, 40);
        std::thread::sleep(Duration::from_micros(300));
        clients.into_iter().for_each(reset);
    }
}
