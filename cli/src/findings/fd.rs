//! File descriptors: limits of the process, of the host, and what was measured.

mod exhausted;
mod host;
mod inventory;
mod limits;
mod need;

pub(super) use exhausted::{FD_012, exhausted};
pub(super) use host::FD_004;
pub(super) use inventory::FD_013;
pub(super) use limits::{FD_001, FD_002, FD_003};

use super::text::number;
