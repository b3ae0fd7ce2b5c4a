//! The full text of a finding.

use ratatui::text::{Line, Span};

use crate::findings::{Evidence, Fix, FixKind, Origin, Scope};

use super::super::view::View;
use super::{Theme, dim, heading, labelled, raw, strong, text, words};

/// The page.
pub(super) fn lines(view: &View<'_>, columns: usize) -> Vec<Line<'static>> {
    let Some(finding) = view.finding() else { return Vec::new() };
    let mut lines = Vec::new();
    let titles = text::wrap(&words::clean(&finding.title), columns.saturating_sub(7).max(8));
    for (index, title) in titles.into_iter().enumerate() {
        let lead = if index == 0 { Theme::tag(Some(finding.severity)) } else { raw("      ") };
        lines.push(Line::from(vec![lead, raw(" "), strong(title)]));
    }
    let origin = match finding.origin {
        Origin::Configured => "configured",
        Origin::Computed => "computed from the declared load",
        Origin::Measured => "measured",
    };
    lines.extend(labelled("", &format!("{} · {} · {origin}", finding.id, finding.subject), columns));
    lines.push(Line::default());
    lines.extend(labelled("", &finding.explanation, columns));
    lines.push(Line::default());
    if !finding.evidence.is_empty() {
        lines.push(heading("Evidence"));
        lines.extend(finding.evidence.iter().flat_map(|evidence| of_evidence(evidence, columns)));
    }
    if !finding.threshold.is_empty() {
        lines.extend(labelled("  threshold: ", &finding.threshold, columns));
    }
    lines.push(Line::default());
    for (index, fix) in finding.fixes.iter().enumerate() {
        lines.extend(of_fix(index + 1, fix, columns));
        lines.push(Line::default());
    }
    if !finding.see.is_empty() {
        lines.extend(labelled("see: ", &finding.see, columns));
    }
    lines
}

fn of_evidence(evidence: &Evidence, columns: usize) -> Vec<Line<'static>> {
    let value = format!(
        "{} {}  ({}, {})",
        words::plain(evidence.value),
        evidence.unit,
        evidence.source,
        words::quality(evidence.quality)
    );
    labelled(&format!("  {:<28} ", words::clean(&evidence.name)), &value, columns)
}

fn of_fix(number: usize, fix: &Fix, columns: usize) -> Vec<Line<'static>> {
    let kind = match fix.kind {
        FixKind::Sysctl => "sysctl",
        FixKind::Prlimit => "prlimit",
        FixKind::Systemd => "systemd",
        FixKind::Kubernetes => "Kubernetes",
        FixKind::Docker => "Docker",
        FixKind::Application => "the application",
    };
    let scope = match fix.scope {
        Scope::Now => "in force at once, gone after a restart",
        Scope::Lasting => "survives a restart",
    };
    let restart = if fix.restart_needed { "; the target must restart" } else { "" };
    let mut lines = vec![Line::from(vec![
        Span::styled(format!("Fix {number}"), Theme::title(true)),
        dim(format!("  {kind}; {scope}{restart}")),
    ])];
    lines.extend(labelled("    ", &fix.text, columns));
    if !fix.verify.is_empty() {
        lines.extend(labelled("  verify: ", &fix.verify, columns));
    }
    if !fix.risk.is_empty() {
        lines.extend(labelled("  risk: ", &fix.risk, columns));
    }
    lines
}
