//! Globals that the loader sets before loading, read-only and frozen afterwards: the verifier takes them for
//! constants and prunes what depends on a missing one. The table is `probe_common::fields`.

use aya_ebpf::Global;
use probe_common::fields::MISSING;

macro_rules! fields {
    ($($name:ident)*) => {
        $(
            #[unsafe(no_mangle)]
            pub static $name: Global<u32> = Global::new(MISSING);
        )*
    };
}

fields! {
    OFF_SKC_STATE OFF_SKC_FAMILY OFF_SKC_NUM OFF_SKC_NET OFF_SKC_RCV_SADDR OFF_SKC_V6_RCV_SADDR
    OFF_SK_PROTOCOL OFF_SK_ACK_BACKLOG OFF_SRTT_US OFF_SYN_QUEUE_LEN OFF_ACCEPT_TAIL OFF_REQUEST_SK
    OFF_NET_INUM OFF_NET_STATISTICS OFF_NET_SYNCOOKIES OFF_NET_MAX_SYN_BACKLOG OFF_MIB OFF_ARRAY_PPTRS
    OFF_SKB_HEAD OFF_SKB_PROTOCOL OFF_SKB_TRANSPORT OFF_SKB_NETWORK OFF_SKB_REFDST OFF_DST_DEV OFF_DEV_NET
    OFF_TASK_PID OFF_TASK_TGID OFF_TASK_NVCSW OFF_TASK_NIVCSW OFF_TASK_FILES
    OFF_FILES_FDT OFF_FDT_FD OFF_FDT_MAX_FDS OFF_FILE_PRIVATE OFF_FILE_INODE OFF_INODE_MODE OFF_SOCKET_SK
    OFF_REGS_NUMBER
    MIB_LISTEN_OVERFLOWS MIB_LISTEN_DROPS MIB_REQQ_FULL_DROP MIB_REQQ_FULL_DO_COOKIES MIB_SYNCOOKIES_SENT
}

/// First address of `tcp_rcv_state_process`, 0 when unknown: a SYN is consumed there.
#[unsafe(no_mangle)]
pub static SYN_CONSUMER_START: Global<u64> = Global::new(0);
/// First address behind `tcp_rcv_state_process`.
#[unsafe(no_mangle)]
pub static SYN_CONSUMER_END: Global<u64> = Global::new(0);
/// CPUs that may exist: how many copies a per-CPU counter has.
#[unsafe(no_mangle)]
pub static POSSIBLE_CPUS: Global<u32> = Global::new(1);
/// Whether tp_btf/sched_switch passes the previous state as its fourth argument (Linux 5.19 and later).
#[unsafe(no_mangle)]
pub static HAS_PREV_STATE: Global<u32> = Global::new(0);
/// Whether tp_btf/consume_skb passes the caller's address (Linux 6.9 and later).
#[unsafe(no_mangle)]
pub static HAS_CONSUME_LOCATION: Global<u32> = Global::new(0);
/// Number of the system call accept on this architecture.
#[unsafe(no_mangle)]
pub static NUMBER_ACCEPT: Global<u32> = Global::new(MISSING);
/// Number of the system call accept4 on this architecture.
#[unsafe(no_mangle)]
pub static NUMBER_ACCEPT4: Global<u32> = Global::new(MISSING);
