//! Keys and values of the scheduler and system call maps.

use crate::histogram::{RUN_QUEUE_BUCKETS, SYSCALL_BUCKETS};

/// Scheduler counters of one traced process. Monotonic.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SchedStats {
    /// Switches away because a thread waited for something (`task_struct.nvcsw`).
    pub voluntary: u64,
    /// Switches away although a thread could have run on (`task_struct.nivcsw`).
    pub involuntary: u64,
    /// Times a thread was made runnable by a wake-up.
    pub wakeups: u64,
    /// Sum of the run-queue waits, nanoseconds.
    pub run_queue_sum: u64,
    /// Run-queue waits by [`crate::histogram::bucket`] of nanoseconds with
    /// [`crate::histogram::RUN_QUEUE_SUB_BITS`].
    pub run_queue: [u64; RUN_QUEUE_BUCKETS as usize],
}

/// Counters of one system call of one traced process. Monotonic.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyscallStats {
    /// Calls that returned.
    pub calls: u64,
    /// Sum of the time between entry and return, nanoseconds.
    pub total_ns: u64,
    /// Calls by [`crate::histogram::syscall_bucket`].
    pub buckets: [u64; SYSCALL_BUCKETS as usize],
}

/// Key of the error counters.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ErrorKey {
    /// Slot of the traced process.
    pub slot: u16,
    /// System call number.
    pub number: u16,
    /// Positive errno.
    pub errno: u32,
}

/// State of one thread of a traced process.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Thread {
    /// When it became runnable without running; 0 otherwise.
    pub runnable_ns: u64,
    /// Entry of the system call it is in while switched out; 0 otherwise.
    pub syscall_ns: u64,
    /// `task_struct.nvcsw` at the last switch.
    pub voluntary: u64,
    /// `task_struct.nivcsw` at the last switch.
    pub involuntary: u64,
}

/// The system call that runs on a CPU, if it belongs to a traced process.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Running {
    /// Thread id; 0 when none.
    pub thread: u64,
    /// Entry, nanoseconds.
    pub since_ns: u64,
}

const _: () = assert!(size_of::<SchedStats>() == 32 + 8 * RUN_QUEUE_BUCKETS as usize);
const _: () = assert!(size_of::<SyscallStats>() == 16 + 8 * SYSCALL_BUCKETS as usize);
const _: () = assert!(size_of::<ErrorKey>() == 8);
const _: () = assert!(size_of::<Thread>() == 32);
const _: () = assert!(size_of::<Running>() == 16);
