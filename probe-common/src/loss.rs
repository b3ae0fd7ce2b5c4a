//! What a program could not record, one counter per reason.

/// Reasons in the order of [`NAMES`]; the index into the `LOSS` map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Loss {
    /// More connections in accept queues than the map holds: their wait is not measured.
    QueuedFull = 0,
    /// More histogram buckets in use than the map holds.
    HistogramFull = 1,
    /// More threads than the map holds: run-queue latency and blocked system calls are not timed.
    ThreadsFull = 2,
    /// More pairs of system call and errno than the map holds.
    ErrorsFull = 3,
    /// More listening sockets than the map holds.
    ListenersFull = 4,
    /// A drop was seen on a CPU without a baseline: the packet is not attributed.
    NoBaseline = 5,
    /// A connection entered the accept queue without its child socket being known.
    NoChild = 6,
    /// Kernel memory could not be read.
    ReadFailed = 7,
    /// A drop at a socket that no known listener owns.
    UnknownListener = 8,
}

/// Number of reasons.
pub const COUNT: u32 = 9;

/// A name for each reason, in order.
pub const NAMES: [&str; COUNT as usize] = [
    "queued_full",
    "histogram_full",
    "threads_full",
    "errors_full",
    "listeners_full",
    "no_baseline",
    "no_child",
    "read_failed",
    "unknown_listener",
];
