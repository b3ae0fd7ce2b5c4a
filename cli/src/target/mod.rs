//! Which processes, ports and network namespace are looked at.

mod resolve;

pub use resolve::resolve;

use crate::host::NetnsRef;

/// What the user pointed at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selector {
    /// A process, and those that share its listeners.
    Pid(i32),
    /// A listening TCP port of netscope's own network namespace.
    Port(u16),
    /// Every listener of netscope's own network namespace.
    All,
}

/// What is looked at.
#[derive(Debug)]
pub struct Target {
    /// Process ids, ascending: with a process, itself and every process that holds one of its listening
    /// sockets (the workers of a server that forks them); with a port, every process that holds a listener of
    /// it. Empty without a selection, or when the holders are not visible.
    pub pids: Vec<i32>,
    /// TCP ports, ascending; `None` means all: nothing was selected, or the sockets of the selected process are
    /// not visible. Empty when the selected process listens on none.
    pub ports: Option<Vec<u16>>,
    /// Their network namespace.
    pub netns: NetnsRef,
    /// For people: "nginx (pid 4242 and 2 more), ports 80, 443".
    pub display: String,
}

/// Why there is no target.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// No such process.
    #[error("no process has id {pid} (or /proc hides it: mount option hidepid); see ps -e")]
    NoSuchProcess {
        /// Process id.
        pid: i32,
    },
    /// Nobody listens on the port in netscope's own network namespace.
    #[error(
        "nobody listens on TCP port {port} in netscope's own network namespace{}; a server in another namespace \
         (a container) is selected by --pid",
        listened(.ports)
    )]
    NobodyListens {
        /// The port.
        port: u16,
        /// Ports that are listened on, ascending.
        ports: Vec<u16>,
    },
    /// Something that is needed may not be read.
    #[error("not permitted: {reason}")]
    Permission {
        /// What, with the errno and what would help.
        reason: String,
    },
    /// Something that is needed cannot be read.
    #[error("{reason}")]
    Unreadable {
        /// What, and why.
        reason: String,
    },
}

/// Ports shown in an error message.
const PORTS_SHOWN: usize = 8;

fn listened(ports: &[u16]) -> String {
    if ports.is_empty() {
        return ", which has no TCP listener at all".to_owned();
    }
    let shown: Vec<String> = ports.iter().take(PORTS_SHOWN).map(u16::to_string).collect();
    let more = ports.len().saturating_sub(PORTS_SHOWN);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    format!(" (listened on: {}{more})", shown.join(", "))
}
