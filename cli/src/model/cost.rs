//! What the instrument itself lost and cost.

use std::collections::BTreeMap;

use crate::sample::{Lost, ProbeState, ProbeStatus};

use super::window::Ends;
use super::{OwnCost, Quality, number};

/// The reason that is a state: a listener that did not fit when it was found stays unknown, in every window.
const LASTING: &str = "listeners_full";

/// Events that could not be recorded in the window, and listeners that are unknown in it; `None` unless a probe ran at both ends: nothing was counted,
/// so nothing was found to be lost either.
pub(super) fn lost(ends: &Ends<'_>) -> Option<Lost> {
    let (earlier, later) = ends.probes()?;
    let any_active = |statuses: &[ProbeStatus]| {
        statuses.iter().any(|status| matches!(status.state, ProbeState::Active { .. }))
    };
    if !any_active(&earlier.statuses) || !any_active(&later.statuses) {
        return None;
    }
    let mut reasons = BTreeMap::new();
    for (reason, &count) in &later.lost.reasons {
        let before = earlier.lost.reasons.get(reason).filter(|_| reason != LASTING).copied().unwrap_or(0);
        let new = count.saturating_sub(before);
        if new > 0 {
            reasons.insert(reason.clone(), new);
        }
    }
    Some(Lost { reasons, recursion: later.lost.recursion.saturating_sub(earlier.lost.recursion) })
}

/// Mean run time of the programs over the runs that the kernel timed in the window; `None` when it timed none.
pub(super) fn own(ends: &Ends<'_>) -> Option<OwnCost> {
    let (earlier, later) = ends.probes()?;
    let (mut timed_runs, mut run_ns) = (0_u64, 0_u64);
    for status in &later.statuses {
        let before = earlier.statuses.iter().find(|other| other.name == status.name);
        if let Some((runs, nanoseconds)) = before.and_then(|before| timed(before, status)) {
            timed_runs = timed_runs.saturating_add(runs);
            run_ns = run_ns.saturating_add(nanoseconds);
        }
    }
    let ns_per_run = number(run_ns) / number(timed_runs);
    (timed_runs > 0).then_some(OwnCost { ns_per_run, timed_runs, quality: Quality::Sampled })
}

fn timed(before: &ProbeStatus, now: &ProbeStatus) -> Option<(u64, u64)> {
    let runs = now.timed_runs?.saturating_sub(before.timed_runs?);
    Some((runs, now.timed_run_ns?.saturating_sub(before.timed_run_ns?)))
}

#[cfg(test)]
mod tests {
    use crate::model::{Model, Peaks, testing};

    #[test]
    fn without_an_active_probe_nothing_is_known_to_be_lost() {
        let (mut earlier, mut later) = testing::pair_with_probes(1.0);
        for sample in [&mut earlier, &mut later] {
            sample.probes.as_mut().unwrap().statuses.clear();
        }
        assert_eq!(Model::between(&earlier, &later, &Peaks::default()).lost, None);
    }

    #[test]
    fn losses_of_the_window_only() {
        let (mut earlier, mut later) = testing::pair_with_probes(1.0);
        let before = &mut earlier.probes.as_mut().unwrap().lost;
        before.reasons.insert("queued_full".to_owned(), 5);
        before.recursion = 2;
        let now = &mut later.probes.as_mut().unwrap().lost;
        now.reasons.insert("queued_full".to_owned(), 5);
        now.reasons.insert("errors_full".to_owned(), 3);
        now.recursion = 4;
        let lost = Model::between(&earlier, &later, &Peaks::default()).lost.unwrap();
        assert_eq!(lost.recursion, 2);
        assert_eq!(lost.reasons.into_iter().collect::<Vec<_>>(), [("errors_full".to_owned(), 3)]);
    }

    #[test]
    fn a_listener_that_did_not_fit_before_the_window_is_still_unknown_in_it() {
        let (mut earlier, mut later) = testing::pair_with_probes(1.0);
        for sample in [&mut earlier, &mut later] {
            let lost = &mut sample.probes.as_mut().unwrap().lost;
            lost.reasons.insert("listeners_full".to_owned(), 3);
        }
        let lost = Model::between(&earlier, &later, &Peaks::default()).lost.unwrap();
        assert_eq!(lost.reasons.into_iter().collect::<Vec<_>>(), [("listeners_full".to_owned(), 3)]);
    }

    #[test]
    fn without_a_window_nothing_is_known_to_be_lost() {
        let (_, later) = testing::pair_with_probes(1.0);
        let model = Model::at(&later);
        assert_eq!((model.lost, model.own_cost), (None, None));
    }

    #[test]
    fn cost_is_the_mean_over_the_timed_runs_of_all_programs() {
        let (mut earlier, mut later) = testing::pair_with_probes(1.0);
        let mut timed = |name: &str, before: (u64, u64), now: (u64, u64)| {
            for (sample, (runs, nanoseconds)) in [(&mut earlier, before), (&mut later, now)] {
                let mut status = testing::active(name);
                status.timed_runs = Some(runs);
                status.timed_run_ns = Some(nanoseconds);
                sample.probes.as_mut().unwrap().statuses.push(status);
            }
        };
        timed("first", (10, 1000), (20, 3000));
        timed("second", (0, 0), (30, 2000));
        let cost = Model::between(&earlier, &later, &Peaks::default()).own_cost.unwrap();
        assert_eq!((cost.timed_runs, cost.ns_per_run), (40, 100.0));
    }

    #[test]
    fn no_timed_run_no_cost() {
        let (mut earlier, mut later) = testing::pair_with_probes(1.0);
        for sample in [&mut earlier, &mut later] {
            sample.probes.as_mut().unwrap().statuses.push(testing::active("first"));
        }
        assert_eq!(Model::between(&earlier, &later, &Peaks::default()).own_cost, None);
    }
}
