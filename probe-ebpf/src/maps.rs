//! Every map. Counters are per CPU, only ever grow and are never reset; user space subtracts.

use aya_ebpf::{
    macros::map,
    maps::{Array, HashMap, LruHashMap, PerCpuArray, PerCpuHashMap},
};
use probe_common::{
    limits,
    listener::{
        Baseline, BaselineKey, Bind, BindKey, Bucket, BucketKey, ListenerStats, Queued, Socket, Tuple,
    },
    loss,
    process::{ErrorKey, Running, SchedStats, SyscallStats, Thread},
};

/// Network namespaces (inode number) whose listeners are recorded; filled by the loader.
#[map]
pub static NAMESPACES: HashMap<u32, u32> = HashMap::with_max_entries(limits::NAMESPACES, 0);
/// Listening addresses.
#[map]
pub static BINDS: HashMap<BindKey, Bind> = HashMap::with_max_entries(limits::LISTENERS, 0);
/// Listening sockets by cookie.
#[map]
pub static SOCKETS: HashMap<u64, Socket> = HashMap::with_max_entries(limits::LISTENING_SOCKETS, 0);
/// Counters by [`Bind::id`].
#[map]
pub static LISTENERS: PerCpuHashMap<u64, ListenerStats> =
    PerCpuHashMap::with_max_entries(limits::LISTENERS, 0);
/// Histograms of the listeners, sparse.
#[map]
pub static BUCKETS: PerCpuHashMap<BucketKey, Bucket> =
    PerCpuHashMap::with_max_entries(limits::HISTOGRAM_BUCKETS, 0);
/// Connections in accept queues, by the address of their `struct sock`.
#[map]
pub static QUEUED: HashMap<u64, Queued> = HashMap::with_max_entries(limits::QUEUED_CONNECTIONS, 0);
/// Clients that met a drop.
#[map]
pub static REFUSED: LruHashMap<Tuple, u32> = LruHashMap::with_max_entries(limits::REFUSED_TUPLES, 0);
/// SNMP counters as last seen, per namespace and CPU; an entry is written by its own CPU only, but for the
/// first value.
#[map]
pub static BASELINES: HashMap<BaselineKey, Baseline> = HashMap::with_max_entries(limits::BASELINES, 0);
/// Distance of each CPU's per-CPU area, as `__per_cpu_offset`; filled by `setup::cpu_offset`.
#[map]
pub static CPU_OFFSETS: Array<u64> = Array::with_max_entries(limits::CPUS, 0);
/// Two words of scratch whose own address tells this CPU's offset, see `setup`.
#[map]
pub static SELF: PerCpuArray<[u64; 2]> = PerCpuArray::with_max_entries(1, 0);
/// The child socket that just became ESTABLISHED on this CPU, on its way into an accept queue.
#[map]
pub static CHILD: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);
/// Slot + 1 of each traced process, one byte per process id, eight to an element; sized to pid_max by the
/// loader. One array load decides for every system call of the host whether it is of interest.
#[map]
pub static TARGETS: Array<u64> = Array::with_max_entries(1, 0);
/// Scheduler counters by slot.
#[map]
pub static SCHED: PerCpuArray<SchedStats> = PerCpuArray::with_max_entries(limits::TARGETS, 0);
/// System call counters by slot and number.
#[map]
pub static SYSCALLS: PerCpuArray<SyscallStats> =
    PerCpuArray::with_max_entries(limits::TARGETS * limits::SYSCALL_NUMBERS, 0);
/// Failed system calls.
#[map]
pub static ERRORS: PerCpuHashMap<ErrorKey, u64> = PerCpuHashMap::with_max_entries(limits::SYSCALL_ERRORS, 0);
/// The traced system call that runs on this CPU.
#[map]
pub static RUNNING: PerCpuArray<Running> = PerCpuArray::with_max_entries(1, 0);
/// Threads of the traced processes by thread id.
#[map]
pub static THREADS: HashMap<u32, Thread> = HashMap::with_max_entries(limits::THREADS, 0);
/// What could not be recorded, by `probe_common::loss::Loss`.
#[map]
pub static LOSS: PerCpuArray<u64> = PerCpuArray::with_max_entries(loss::COUNT, 0);
