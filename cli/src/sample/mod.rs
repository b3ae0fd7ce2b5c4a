//! Raw data of one moment, as read: no rates, no verdicts. Live reading, replay and tests produce the same
//! type. Counters are cumulative; [`crate::model`] subtracts.

mod histogram;
mod host;
mod namespace;
mod probes;
mod process;

pub use histogram::{Histogram, Scale};
pub use host::Host;
pub use namespace::{Established, Listener, Namespace, SocketMemory, Sysctls, TcpCounters};
pub use probes::{
    ListenerCounters, ListenerValues, Lost, ProbeState, ProbeStatus, Probes, ProcessCounters,
    SyscallCounters, Via,
};
pub use process::{CgroupLimits, Fds, Limit, Process, ThreadSwitches};

use serde::{Deserialize, Serialize};

/// A value, or the reason why it could not be read. Unreadable is never zero.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Reading<T> {
    /// Why not, in words a user understands ("/proc/42/fd: EACCES, needs the same user or CAP_SYS_PTRACE").
    // The first variant, because a struct whose fields are all optional (`Limit`) would be read from it as well.
    Unreadable {
        /// The sentence.
        unreadable: String,
    },
    /// What was read.
    Value(T),
}

impl<T> Reading<T> {
    /// An unreadable value with its reason.
    pub fn unreadable(reason: impl Into<String>) -> Self {
        Self::Unreadable { unreadable: reason.into() }
    }

    /// The value, if it was read.
    pub const fn value(&self) -> Option<&T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Unreadable { .. } => None,
        }
    }

    /// The reason, if it was not read.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Value(_) => None,
            Self::Unreadable { unreadable } => Some(unreadable),
        }
    }
}

impl<T> From<Result<T, String>> for Reading<T> {
    fn from(result: Result<T, String>) -> Self {
        result.map_or_else(Self::unreadable, Self::Value)
    }
}

/// Everything that was read at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Wall clock, milliseconds since the epoch.
    pub unix_ms: u64,
    /// Monotonic clock, nanoseconds; rates use this one.
    pub monotonic_ns: u64,
    /// The host.
    pub host: Host,
    /// The network namespace of the target.
    pub namespace: Namespace,
    /// The traced processes; empty when none is selected.
    pub processes: Vec<Process>,
    /// What the eBPF programs counted; `None` before they are attached or without privileges.
    pub probes: Option<Probes>,
}
