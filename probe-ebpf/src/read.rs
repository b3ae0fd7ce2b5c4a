//! The one file that reads kernel memory and map values through pointers.

use aya_ebpf::helpers::bpf_probe_read_kernel;
use probe_common::{fields::MISSING, listener::BindKey};

use crate::config;

/// Field at `offset` of the kernel struct that the verifier knows `base` to point to. The verifier checks
/// type, offset and width when the program is loaded; `None` when this kernel lacks the field.
#[inline(always)]
pub fn direct<T: Copy>(base: *const u8, offset: u32) -> Option<T> {
    if offset == MISSING {
        return None;
    }
    // SAFETY: `base` is a typed BTF pointer from the program's arguments; the verifier refuses any access
    // outside the struct, and the kernel handles a fault in such a load.
    Some(unsafe { core::ptr::read_volatile(base.add(offset as usize).cast::<T>()) })
}

/// Field at `offset` of whatever lies at `address`; `None` when it cannot be read.
#[inline(always)]
pub fn probe<T: Copy>(address: u64, offset: u32) -> Option<T> {
    if offset == MISSING || address == 0 {
        return None;
    }
    // SAFETY: the helper reads fault-safe from any address.
    unsafe { bpf_probe_read_kernel((address + u64::from(offset)) as *const T) }.ok()
}

/// Adds to a counter of this CPU's copy of a map value.
#[inline(always)]
pub fn add(counter: *mut u64, amount: u64) {
    // SAFETY: `counter` comes from a map lookup that the verifier has seen to be non-null; per-CPU values are
    // only written on their own CPU.
    unsafe { *counter = (*counter).wrapping_add(amount) }
}

/// Value behind a pointer from a map lookup.
#[inline(always)]
pub fn value<T: Copy>(pointer: *const T) -> T {
    // SAFETY: as for `add`; a torn read of a value shared between CPUs yields a wrong sample, never a fault.
    unsafe { core::ptr::read(pointer) }
}

/// Writes one member of a map value.
#[inline(always)]
pub fn store<T>(pointer: *mut T, value: T) {
    // SAFETY: as for `add`.
    unsafe { core::ptr::write(pointer, value) }
}

/// The network namespace of a socket, as an address and as an inode number.
#[inline(always)]
pub fn netns_of(socket: *const u8) -> Option<(u64, u32)> {
    let net: *const u8 = direct(socket, config::OFF_SKC_NET.load())?;
    let inode = direct(net, config::OFF_NET_INUM.load())?;
    Some((net as u64, inode))
}

/// The local address and port of a socket in namespace `netns`.
#[inline(always)]
pub fn bind_key(socket: u64, netns: u32) -> Option<BindKey> {
    let family: u16 = probe(socket, config::OFF_SKC_FAMILY.load())?;
    let port: u16 = probe(socket, config::OFF_SKC_NUM.load())?;
    let address = if family == AF_INET6 {
        probe(socket, config::OFF_SKC_V6_RCV_SADDR.load())?
    } else {
        probe_common::listener::mapped(probe(socket, config::OFF_SKC_RCV_SADDR.load())?)
    };
    Some(BindKey { netns, port, pad: 0, address })
}

/// Address family of IPv6 (include/linux/socket.h).
pub const AF_INET6: u16 = 10;
/// Socket states of include/net/tcp_states.h, which are user-space ABI (sock_diag, /proc/net/tcp).
pub const TCP_ESTABLISHED: i32 = 1;
/// A request was answered with a SYN-ACK.
pub const TCP_SYN_RECV: i32 = 3;
/// Closed.
pub const TCP_CLOSE: i32 = 7;
/// Listening.
pub const TCP_LISTEN: i32 = 10;
