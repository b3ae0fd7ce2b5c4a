//! What the report does not know, and why; and what looking cost.

use super::doctor;
use super::page::{Page, Paint};
use super::units::{count, quantity};
use crate::findings::Assessment;
use crate::model::{Model, ProbeState};

/// How many probes run, what they lost and cost, and why the others do not.
pub(super) fn probes(page: &mut Page, model: &Model) {
    page.heading("Probes");
    let active = model.probes.iter().filter(|probe| matches!(probe.state, ProbeState::Active { .. })).count();
    if model.probes.is_empty() {
        page.line("  none attached: nothing above was counted by one", Paint::Plain);
        return;
    }
    let mut text = format!("{active} of {} active", model.probes.len());
    if let Some(lost) = model.lost.as_ref().filter(|_| active > 0) {
        text.push_str(&format!("; {}", losses(&lost.reasons, lost.recursion)));
    }
    if let Some(cost) = model.own_cost {
        let runs = count(cost.timed_runs);
        text.push_str(&format!(
            "; {} ns a run, mean of {runs} timed runs",
            quantity(cost.ns_per_run.round())
        ));
    }
    page.paragraph("  ", &format!("{text}."), Paint::Plain);
    doctor::why_not(page, &model.probes);
}

fn losses(reasons: &std::collections::BTreeMap<String, u64>, recursion: u64) -> String {
    let mut parts: Vec<_> =
        reasons.iter().map(|(reason, &events)| format!("{} {reason}", count(events))).collect();
    if recursion > 0 {
        parts.push(format!("{} recursion", count(recursion)));
    }
    if parts.is_empty() { "no event lost".to_owned() } else { format!("events lost: {}", parts.join(", ")) }
}

/// Values that could not be read.
pub(super) fn unread(page: &mut Page, model: &Model) {
    if model.unread.is_empty() {
        return;
    }
    page.heading("Not read");
    for entry in &model.unread {
        page.paragraph("  ", &format!("{}: {}", entry.what, entry.reason), Paint::Plain);
    }
}

/// Rules that did not apply.
pub(super) fn skipped(page: &mut Page, assessment: &Assessment) {
    if assessment.skipped.is_empty() {
        return;
    }
    page.heading("Not checked");
    for skipped in &assessment.skipped {
        page.paragraph(&format!("  {:<9} ", skipped.id), &skipped.reason, Paint::Plain);
    }
}
