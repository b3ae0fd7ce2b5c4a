//! Keys and values of the listener maps.

/// Index into [`ListenerStats::mib`] and [`Baseline::mib`], and the MIB names of include/uapi/linux/snmp.h.
pub mod mib {
    /// `LINUX_MIB_LISTENOVERFLOWS`: the accept queue was full.
    pub const LISTEN_OVERFLOWS: usize = 0;
    /// `LINUX_MIB_LISTENDROPS`: any drop at a listener; a superset of the others.
    pub const LISTEN_DROPS: usize = 1;
    /// `LINUX_MIB_TCPREQQFULLDROP`: the SYN queue was full and SYN cookies are off.
    pub const REQQ_FULL_DROP: usize = 2;
    /// `LINUX_MIB_TCPREQQFULLDOCOOKIES`: the SYN queue was full (or cookies are forced).
    pub const REQQ_FULL_DO_COOKIES: usize = 3;
    /// `LINUX_MIB_SYNCOOKIESSENT`: a SYN-ACK with a cookie was sent.
    pub const SYNCOOKIES_SENT: usize = 4;
    /// Number of counters.
    pub const COUNT: usize = 5;
}

/// A listening address inside a network namespace: the entity that counters belong to. All sockets of a
/// `SO_REUSEPORT` group share one.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BindKey {
    /// Inode number of the network namespace (`net.ns.inum`).
    pub netns: u32,
    /// Local port, host byte order.
    pub port: u16,
    /// Zero.
    pub pad: u16,
    /// Local address, network byte order; IPv4 as `::ffff:a.b.c.d`, so that `0.0.0.0` and `::` differ.
    pub address: [u8; 16],
}

/// What is known of a listening address.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bind {
    /// Identity of the counters: the socket cookie of the first socket seen on this address.
    pub id: u64,
    /// Kernel address of the socket that listened last; only read through fault-safe helpers.
    pub socket: u64,
}

/// What is known of a listening socket, keyed by its cookie.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Socket {
    /// Identity of its address, [`Bind::id`].
    pub listener: u64,
    /// 1 when a traced process calls accept() on it: only then are waits and departures known.
    pub traced: u64,
}

/// Counters of a listening address. Monotonic; packets unless said otherwise.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListenerStats {
    /// Connections that entered the accept queue.
    pub entered: u64,
    /// Connections taken out by accept(); counted only for traced processes.
    pub accepted: u64,
    /// Connections that the peer had already closed or reset when accept() returned them.
    pub dead_before_accept: u64,
    /// Connections destroyed while still in the accept queue.
    pub never_accepted: u64,
    /// SYNs dropped because the accept queue was full.
    pub accept_queue_full_syn: u64,
    /// Final ACKs of the handshake dropped because the accept queue was full.
    pub accept_queue_full_ack: u64,
    /// SYNs dropped because the SYN queue was full.
    pub syn_queue_full: u64,
    /// SYNs dropped by the three-quarters rule of `tcp_max_syn_backlog` (SYN cookies off).
    pub max_syn_backlog: u64,
    /// Other drops: no memory, no route, refused by a security module.
    pub other: u64,
    /// Distinct client 4-tuples among the dropped packets.
    pub refused_attempts: u64,
    /// Increments of the kernel's own counters attributed to this address, by [`mib`] index.
    pub mib: [u64; mib::COUNT],
}

/// The kernel's per-CPU counters of a namespace as last seen on one CPU.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Baseline {
    /// Values by [`mib`] index.
    pub mib: [u64; mib::COUNT],
}

/// Key of a [`Baseline`].
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct BaselineKey {
    /// Inode number of the network namespace.
    pub netns: u32,
    /// CPU number.
    pub cpu: u32,
}

/// A connection that waits in an accept queue, keyed by the kernel address of its socket.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Queued {
    /// `bpf_ktime_get_ns` when it entered.
    pub since_ns: u64,
    /// Identity of the listening address, [`Bind::id`].
    pub listener: u64,
}

/// Client side and server side of a refused attempt.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Tuple {
    /// Identity of the listening address, [`Bind::id`].
    pub listener: u64,
    /// Client address as in [`BindKey::address`].
    pub client: [u8; 16],
    /// Client port, host byte order.
    pub client_port: u32,
    /// Zero.
    pub pad: u32,
}

/// What a listener histogram measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum Measure {
    /// Accept-queue length at the moment a connection entered, itself included.
    Depth = 0,
    /// Nanoseconds between entering the accept queue and the return of accept().
    AcceptWait = 1,
    /// Nanoseconds between SYN-ACK and final ACK, as sampled by the kernel's RTT estimator.
    Handshake = 2,
}

/// Key of one histogram bucket.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BucketKey {
    /// Identity of the listening address, [`Bind::id`].
    pub listener: u64,
    /// A [`Measure`].
    pub measure: u32,
    /// Index, see [`crate::histogram::bucket`] with [`crate::histogram::LISTENER_SUB_BITS`].
    pub bucket: u32,
}

/// Content of one histogram bucket.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    /// Samples.
    pub count: u64,
    /// Sum of the samples, in the unit of the measure.
    pub sum: u64,
}

const _: () = assert!(size_of::<BindKey>() == 24);
const _: () = assert!(size_of::<Bind>() == 16);
const _: () = assert!(size_of::<Socket>() == 16);
const _: () = assert!(size_of::<ListenerStats>() == 120);
const _: () = assert!(size_of::<Baseline>() == 40);
const _: () = assert!(size_of::<BaselineKey>() == 8);
const _: () = assert!(size_of::<Queued>() == 16);
const _: () = assert!(size_of::<Tuple>() == 32);
const _: () = assert!(size_of::<BucketKey>() == 16);
const _: () = assert!(size_of::<Bucket>() == 16);

/// IPv4 `address` (network byte order) in the form of [`BindKey::address`].
#[inline(always)]
#[must_use]
pub const fn mapped(address: [u8; 4]) -> [u8; 16] {
    let [a, b, c, d] = address;
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d]
}
