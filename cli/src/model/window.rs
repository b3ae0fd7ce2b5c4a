//! The two ends of a window, and what of them may be subtracted.

use crate::sample::{Namespace, Probes, Process, ProcessCounters, Sample};

use super::{Peaks, Window, number};

/// Two samples of one boot, or a single one.
pub(super) struct Ends<'a> {
    /// The state that is shown.
    pub later: &'a Sample,
    earlier: Option<&'a Sample>,
    peaks: Option<&'a Peaks>,
}

impl<'a> Ends<'a> {
    /// A single sample.
    pub const fn at(later: &'a Sample) -> Self {
        Self { later, earlier: None, peaks: None }
    }

    /// Two samples; the earlier one is left out when it is of another boot or not earlier.
    pub fn between(earlier: &'a Sample, later: &'a Sample, peaks: &'a Peaks) -> Self {
        let comparable =
            earlier.host.boot_id == later.host.boot_id && earlier.monotonic_ns < later.monotonic_ns;
        Self { later, earlier: comparable.then_some(earlier), peaks: comparable.then_some(peaks) }
    }

    /// The earlier end, if there is one.
    pub const fn earlier(&self) -> Option<&'a Sample> {
        self.earlier
    }

    /// Maxima that were seen inside the window.
    pub const fn peaks(&self) -> Option<&'a Peaks> {
        self.peaks
    }

    /// Start by the wall clock, length by the monotonic one.
    pub fn window(&self) -> Option<Window> {
        let earlier = self.earlier?;
        let nanoseconds = self.later.monotonic_ns.saturating_sub(earlier.monotonic_ns);
        Some(Window { start_unix_ms: earlier.unix_ms, seconds: number(nanoseconds) / 1e9 })
    }

    /// The namespace at both ends, if it is the same one. An inode that could not be read at either end counts
    /// as the same: the target did not change.
    pub fn namespaces(&self) -> Option<(&'a Namespace, &'a Namespace)> {
        let earlier = &self.earlier?.namespace;
        let later = &self.later.namespace;
        let moved = match (earlier.inode.value(), later.inode.value()) {
            (Some(before), Some(now)) => before != now,
            _ => false,
        };
        (!moved).then_some((earlier, later))
    }

    /// The probes at both ends: a first sample is only a baseline.
    pub fn probes(&self) -> Option<(&'a Probes, &'a Probes)> {
        Some((self.earlier?.probes.as_ref()?, self.later.probes.as_ref()?))
    }

    /// The same process in the earlier sample; a reused pid has another start time.
    pub fn baseline(&self, process: &Process) -> Option<&'a Process> {
        let same = |other: &&Process| other.pid == process.pid && other.start_ticks == process.start_ticks;
        self.earlier?.processes.iter().find(same)
    }

    /// The probes' counters of a process at both ends.
    pub fn process_counters(&self, pid: i32) -> Option<(&'a ProcessCounters, &'a ProcessCounters)> {
        let (earlier, later) = self.probes()?;
        let of = |probes: &'a Probes| probes.processes.iter().find(|counters| counters.pid == pid);
        Some((of(earlier)?, of(later)?))
    }

    /// Whether events were lost in the window for one of `reasons` (names of `probe_common::loss`) or to the
    /// recursion guard. A distribution over the others is a sample.
    pub fn lost_any(&self, reasons: &[&str]) -> bool {
        let to_recursion = super::cost::lost(self).is_some_and(|lost| lost.recursion > 0);
        to_recursion || reasons.iter().any(|&reason| self.lost_for(reason))
    }

    /// Whether something was lost in the window for `reason`.
    pub fn lost_for(&self, reason: &str) -> bool {
        super::cost::lost(self).is_some_and(|lost| lost.reasons.contains_key(reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing;

    #[test]
    fn a_window_is_as_long_as_the_monotonic_clock_says() {
        let (mut earlier, later) = testing::pair(2.5);
        earlier.unix_ms = 7;
        let peaks = Peaks::default();
        let window = Ends::between(&earlier, &later, &peaks).window().unwrap();
        assert_eq!(window, Window { start_unix_ms: 7, seconds: 2.5 });
    }

    #[test]
    fn another_boot_is_no_baseline() {
        let (earlier, mut later) = testing::pair(1.0);
        later.host.boot_id = "other".to_owned();
        let peaks = Peaks::default();
        let ends = Ends::between(&earlier, &later, &peaks);
        assert!(ends.window().is_none());
        assert!(ends.namespaces().is_none() && ends.probes().is_none() && ends.peaks().is_none());
    }

    #[test]
    fn a_clock_that_stands_still_gives_no_window() {
        let (earlier, _) = testing::pair(1.0);
        assert!(Ends::between(&earlier, &earlier, &Peaks::default()).window().is_none());
    }

    #[test]
    fn a_reused_pid_is_another_process() {
        let (mut earlier, mut later) = testing::pair(1.0);
        earlier.processes = vec![testing::process(42)];
        later.processes = vec![testing::process(42)];
        let peaks = Peaks::default();
        assert!(Ends::between(&earlier, &later, &peaks).baseline(&later.processes[0]).is_some());
        later.processes[0].start_ticks += 1;
        assert!(Ends::between(&earlier, &later, &peaks).baseline(&later.processes[0]).is_none());
    }

    #[test]
    fn an_unreadable_inode_is_not_a_change() {
        let (earlier, mut later) = testing::pair(1.0);
        let peaks = Peaks::default();
        later.namespace.inode = crate::sample::Reading::unreadable("EACCES");
        assert!(Ends::between(&earlier, &later, &peaks).namespaces().is_some());
        later.namespace.inode = crate::sample::Reading::Value(1);
        assert!(Ends::between(&earlier, &later, &peaks).namespaces().is_none());
    }
}
