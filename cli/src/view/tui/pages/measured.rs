//! Which probes run, what was lost, what could not be read, and which rules passed or were skipped.

use ratatui::text::Line;

use crate::sample::{ProbeState, ProbeStatus, Via};

use super::super::view::View;
use super::{field, heading, labelled, raw, strong, words};

/// The page.
pub(super) fn lines(view: &View<'_>, columns: usize) -> Vec<Line<'static>> {
    let mut lines = vec![heading("Probes")];
    if view.model().probes.is_empty() {
        lines.extend(labelled(
            "  ",
            "none has reported yet; the numbers come from sock_diag and /proc",
            columns,
        ));
    }
    lines.extend(view.model().probes.iter().flat_map(|probe| of_probe(probe, columns)));
    lines.push(Line::default());
    lines.push(heading("The instrument"));
    lines.extend(instrument(view));
    lines.push(Line::default());
    lines.push(heading("Not read"));
    if view.model().unread.is_empty() {
        lines.push(Line::from(raw("  nothing: every value could be read")));
    }
    for entry in &view.model().unread {
        lines.extend(labelled(&format!("  {}: ", words::clean(&entry.what)), &entry.reason, columns));
    }
    let assessment = &view.snapshot.assessment;
    lines.push(Line::default());
    lines.push(heading("Rules skipped"));
    if assessment.skipped.is_empty() {
        lines.push(Line::from(raw("  none")));
    }
    for skipped in &assessment.skipped {
        lines.extend(labelled(&format!("  {}: ", skipped.id), &skipped.reason, columns));
    }
    lines.push(Line::default());
    lines.push(heading("Rules passed"));
    if assessment.passed.is_empty() {
        lines.push(Line::from(raw("  none")));
    }
    for passed in &assessment.passed {
        lines.extend(labelled(&format!("  {}: ", passed.id), &passed.title, columns));
    }
    lines
}

fn of_probe(probe: &ProbeStatus, columns: usize) -> Vec<Line<'static>> {
    let name = format!("  {:<14} ", words::clean(&probe.name));
    match &probe.state {
        ProbeState::Active { via } => {
            let mut text = format!("active by {}", via_word(*via));
            let timed = probe.timed_runs.filter(|runs| *runs > 0).zip(probe.timed_run_ns);
            if let Some((runs, time)) = timed {
                text.push_str(&format!(", {} ns/run", words::short(time as f64 / runs as f64)));
            }
            if let Some(misses) = probe.misses {
                text.push_str(&format!(", {} missed", words::count(misses)));
            }
            let mut lines = vec![Line::from(vec![strong(name), raw(text)])];
            lines.extend(labelled("                 ", &probe.question, columns));
            lines
        }
        ProbeState::Unavailable { reason, remedy } => {
            let mut lines = labelled(&name, &format!("unavailable: {reason}"), columns);
            if let Some(remedy) = remedy {
                lines.extend(labelled("                 enable: ", remedy, columns));
            }
            lines
        }
    }
}

fn instrument(view: &View<'_>) -> Vec<Line<'static>> {
    let own = view.snapshot.own;
    let dash = || words::DASH.to_owned();
    let mut lines = vec![
        field(
            "own CPU",
            own.cpu_percent.map_or_else(dash, |value| format!("{} of one", words::percent(value))),
        ),
        field("own resident memory", own.rss_bytes.map_or_else(dash, |value| words::bytes(value as f64))),
    ];
    let cost = view.model().own_cost.map_or_else(dash, |cost| {
        format!(
            "{} ns per run ({} timed runs, {})",
            words::short(cost.ns_per_run),
            words::count(cost.timed_runs),
            words::quality(cost.quality)
        )
    });
    lines.push(field("probes in the kernel", cost));
    match &view.model().lost {
        None => lines.push(field("lost events", dash())),
        Some(lost) => {
            lines.push(field("lost to recursion", words::count(lost.recursion)));
            lines.extend(
                lost.reasons
                    .iter()
                    .map(|(reason, count)| field(&format!("lost: {reason}"), words::count(*count))),
            );
        }
    }
    if let Some(ledger) = &view.model().ledger {
        let text = format!(
            "kernel {}, attributed {}, unattributed {}",
            words::count(ledger.kernel.ListenDrops),
            words::count(ledger.attributed.ListenDrops),
            ledger.unattributed
        );
        lines.push(field("drop ledger (ListenDrops)", text));
    } else {
        lines.push(field("drop ledger (ListenDrops)", words::DASH));
    }
    let counted = view.model().netns.window_drops.map_or_else(dash, |drops| {
        format!(
            "ListenDrops {}, ListenOverflows {}, TCPReqQFullDrop {}",
            words::count(drops.ListenDrops),
            words::count(drops.ListenOverflows),
            words::count(drops.TCPReqQFullDrop)
        )
    });
    lines.push(field("the kernel's own counters", counted));
    lines
}

/// The hook in the words of `netscope doctor`.
const fn via_word(via: Via) -> &'static str {
    match via {
        Via::TpBtf => "tp_btf",
        Via::RawTp => "raw_tp",
        Via::Tracepoint => "tracepoint",
        Via::Fentry => "fentry",
        Via::Kprobe => "kprobe",
        Via::Iter => "iter",
        Via::PerfEvent => "perf_event",
        Via::Uprobe => "uprobe",
        Via::SockDiag => "sock_diag",
        Via::Procfs => "procfs",
    }
}
