//! Rates, distributions and attributions over a window: a pure function of two samples.
//!
//! [`Model`] is what `report --json` prints (docs/schema/report.v1.json). A field that was not measured is
//! absent, never zero; [`Model::unread`] says why.
//!
//! [`Model::at`] looks at one sample: limits, queues and sockets as they are, no counters. [`Model::between`]
//! subtracts the counters of two samples. Whatever has no comparable earlier value (the probes attached in
//! between, the process is another one with the same pid, the network namespace or the boot changed) is absent
//! for this window and becomes the baseline of the next.

mod cost;
mod distribution;
mod fds;
mod host;
mod ledger;
mod listener;
mod memory;
mod peaks;
mod process;
mod syscall_names;
mod syscalls;
#[cfg(test)]
pub(crate) mod testing;
mod types;
mod unread;
mod window;

pub use peaks::Peaks;
pub use types::*;

/// Types of the sample that the report shows as they are.
pub use crate::sample::{Limit, Lost, ProbeState, ProbeStatus, Via};

use crate::sample::Sample;
use window::Ends;

/// Value of [`Model::schema`].
pub const SCHEMA: &str = "netscope.report/1";

/// A count as a floating-point number; exact up to 2^53.
#[must_use]
pub const fn number(value: u64) -> f64 {
    value as f64
}

impl Model {
    /// What one sample shows: no window, no rates, no counters.
    #[must_use]
    pub fn at(sample: &Sample) -> Self {
        Self::of(&Ends::at(sample))
    }

    /// What happened between two samples of the same target.
    ///
    /// `peaks` has observed the samples of the window, so that a queue that filled and drained between its ends
    /// is seen. When the two samples cannot be compared (another boot, or a clock that did not advance) the
    /// result is that of [`Model::at`] on the later one.
    #[must_use]
    pub fn between(earlier: &Sample, later: &Sample, peaks: &Peaks) -> Self {
        Self::of(&Ends::between(earlier, later, peaks))
    }

    fn of(ends: &Ends<'_>) -> Self {
        let later = ends.later;
        Self {
            schema: SCHEMA,
            host: host::host(&later.host),
            window: ends.window(),
            probes: later.probes.as_ref().map_or_else(Vec::new, |probes| probes.statuses.clone()),
            lost: cost::lost(ends),
            own_cost: cost::own(ends),
            netns: host::netns(ends),
            listeners: listener::rows(ends),
            ledger: ledger::ledger(ends),
            processes: process::rows(ends),
            unread: unread::collect(later),
        }
    }

    /// Why `what` is absent, if a reader said so.
    #[must_use]
    pub fn why_unread(&self, what: &str) -> Option<&str> {
        self.unread.iter().find(|entry| entry.what == what).map(|entry| entry.reason.as_str())
    }
}
