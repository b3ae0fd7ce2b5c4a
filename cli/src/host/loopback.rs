//! Brings up the loopback interface of a new network namespace.

use std::io;

use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

/// `struct nlmsghdr` and `struct ifinfomsg` together (include/uapi/linux/netlink.h, rtnetlink.h).
const MESSAGE_BYTES: u32 = 32;
/// RTM_NEWLINK: change a link.
const RTM_NEWLINK: u16 = 16;
/// NLM_F_REQUEST | NLM_F_ACK: answer with an error code, 0 for success.
const FLAGS: u16 = 1 | 4;
/// The loopback interface is the first of every namespace (net/core/dev.c, dev_new_index).
const LOOPBACK_INDEX: u32 = 1;
/// IFF_UP of include/uapi/linux/if.h.
const IFF_UP: u32 = 1;

/// Sets the loopback interface of the calling thread's network namespace up (rtnetlink(7), RTM_NEWLINK).
///
/// # Errors
/// The kernel's refusal: EPERM without CAP_NET_ADMIN in the namespace.
pub fn loopback_up() -> io::Result<()> {
    let socket = Socket::new(NETLINK_ROUTE)?;
    socket.connect(&SocketAddr::new(0, 0))?;
    let mut message = Vec::new();
    message.extend(MESSAGE_BYTES.to_ne_bytes());
    message.extend(RTM_NEWLINK.to_ne_bytes());
    message.extend(FLAGS.to_ne_bytes());
    message.extend([0; 8]); // sequence number and port: one question, one answer
    message.extend([0; 4]); // family, padding, type
    for word in [LOOPBACK_INDEX, IFF_UP, IFF_UP] {
        message.extend(word.to_ne_bytes());
    }
    socket.send(&message, 0)?;
    let (answer, _) = socket.recv_from_full()?;
    // `struct nlmsgerr` follows the 16 bytes of the header; its first word is the negative errno.
    let code = answer.get(16..20).and_then(|bytes| bytes.try_into().ok()).map(i32::from_ne_bytes);
    match code {
        Some(0) => Ok(()),
        Some(code) => Err(io::Error::from_raw_os_error(-code)),
        None => Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
    }
}
