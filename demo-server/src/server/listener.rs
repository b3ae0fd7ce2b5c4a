//! Listening sockets, made with the backlog that was asked for.

use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrLike, SockaddrStorage, bind, getsockname, listen,
    setsockopt, socket, sockopt,
};

use crate::Error;

/// The ceiling for backlogs, of the network namespace of the thread that reads it.
const SOMAXCONN: &str = "/proc/sys/net/core/somaxconn";

/// A non-blocking listener on `address` and the address it really has.
///
/// # Errors
/// EADDRINUSE, EADDRNOTAVAIL, EACCES and the like, by the call that failed.
pub(super) fn open(address: SocketAddr, backlog: i32, shared: bool) -> Result<(OwnedFd, SocketAddr), Error> {
    let backlog = accepted_backlog(backlog)?;
    let family = if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let fd =
        socket(family, SockType::Stream, flags, None).map_err(Error::system("make a socket for", address))?;
    setsockopt(&fd, sockopt::ReuseAddr, &true).map_err(Error::system("set SO_REUSEADDR for", address))?;
    if shared {
        setsockopt(&fd, sockopt::ReusePort, &true).map_err(Error::system("set SO_REUSEPORT for", address))?;
    }
    // Accepted sockets inherit it: no setsockopt for each, and no answer that waits for an acknowledgement.
    setsockopt(&fd, sockopt::TcpNoDelay, &true).map_err(Error::system("set TCP_NODELAY for", address))?;
    bind(fd.as_raw_fd(), &SockaddrStorage::from(address)).map_err(Error::system("bind to", address))?;
    listen(&fd, backlog).map_err(Error::system("listen on", address))?;
    let bound = bound_address(&fd).map_err(Error::system("read the address of the listener on", address))?;
    Ok((fd, bound))
}

/// The address a socket is bound to, getsockname(2).
fn bound_address(fd: &OwnedFd) -> nix::Result<SocketAddr> {
    let address: SockaddrStorage = getsockname(fd.as_raw_fd())?;
    let v4 = address.as_sockaddr_in().map(|v4| SocketAddr::V4(SocketAddrV4::from(*v4)));
    let v6 = || address.as_sockaddr_in6().map(|v6| SocketAddr::V6(SocketAddrV6::from(*v6)));
    v4.or_else(v6).ok_or(match address.family() {
        Some(_) => nix::errno::Errno::EAFNOSUPPORT,
        None => nix::errno::Errno::EINVAL,
    })
}

/// nix refuses to ask for more than its constant of 4096, but -1 asks for somaxconn (`__sys_listen`), which is
/// what the kernel makes of every larger number.
fn accepted_backlog(backlog: i32) -> Result<Backlog, Error> {
    if let Ok(known) = Backlog::new(backlog) {
        return Ok(known);
    }
    let ceiling = std::fs::read_to_string(SOMAXCONN).ok().and_then(|text| text.trim().parse::<i32>().ok());
    match ceiling {
        Some(ceiling) if backlog >= ceiling => Ok(Backlog::MAXALLOWABLE),
        Some(ceiling) => Err(Error::Option {
            option: "backlog",
            reason: format!(
                "{backlog} is possible up to 4096 or from net.core.somaxconn on, which is {ceiling}"
            ),
        }),
        None => Err(Error::Option {
            option: "backlog",
            reason: format!(
                "{backlog} is above 4096 and net.core.somaxconn cannot be read: use at most 4096"
            ),
        }),
    }
}
