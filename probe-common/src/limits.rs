//! Bounds of the maps. Whatever does not fit is counted in [`crate::loss`].

/// Processes that can be traced at once (a pre-fork server counts one per worker).
pub const TARGETS: u32 = 16;
/// System call numbers counted per process; x86-64 and arm64 of Linux 7.2 stay below it.
pub const SYSCALL_NUMBERS: u32 = 512;
/// Listening addresses.
pub const LISTENERS: u32 = 1024;
/// Listening sockets (a `SO_REUSEPORT` group has several per address).
pub const LISTENING_SOCKETS: u32 = 4096;
/// Connections that wait in accept queues at the same time.
pub const QUEUED_CONNECTIONS: u32 = 65_536;
/// Distinct refused 4-tuples remembered; beyond it the oldest is forgotten and may count again.
pub const REFUSED_TUPLES: u32 = 65_536;
/// Buckets of all listener histograms together.
pub const HISTOGRAM_BUCKETS: u32 = 32_768;
/// Threads of the traced processes.
pub const THREADS: u32 = 16_384;
/// Pairs of system call and errno per traced process.
pub const SYSCALL_ERRORS: u32 = 1024;
/// CPUs whose SNMP counters can be read.
pub const CPUS: u32 = 1024;
/// Network namespaces watched at once.
pub const NAMESPACES: u32 = 64;
/// Pairs of network namespace and CPU with a baseline.
pub const BASELINES: u32 = 8192;
