//! The findings, worst first, each with the change that helps.

use ratatui::text::{Line, Span};

use crate::findings::Finding;

use super::state::Panel;
use super::text::{fit, rule, wrap, wrap_to};
use super::theme::Theme;
use super::view::{View, dim, raw, row, strong};
use super::words;

/// How much of a finding is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Depth {
    /// The title and the first line of the fix.
    Short,
    /// The selected one in full, the others in short.
    LongSelected,
    /// The whole title, the explanation, the fix and its check.
    Long,
}

/// Lines that would show every finding in short.
pub(super) fn wanted(view: &View<'_>) -> usize {
    1 + (2 * view.state.shown.findings.len()).max(1)
}

/// The panel in at most `height` lines, and the number of findings that fit.
pub(super) fn lines(view: &View<'_>, columns: usize, height: usize) -> (Vec<Line<'static>>, usize) {
    let mut lines = vec![rule(title(view), view.focused(Panel::Findings), columns)];
    let (mut list, fitting) = list(view, columns, height.saturating_sub(1));
    lines.append(&mut list);
    lines.truncate(height);
    (lines, fitting)
}

/// The findings without a title in at most `height` lines, the selected one among them.
pub(super) fn list(view: &View<'_>, columns: usize, height: usize) -> (Vec<Line<'static>>, usize) {
    let findings = view.findings();
    if findings.is_empty() {
        return (vec![fit(Line::from(raw(empty(view))), columns)], 0);
    }
    let fits = |blocks: &Vec<Vec<Line<'_>>>| blocks.iter().map(Vec::len).sum::<usize>() <= height;
    let blocks = [Depth::Long, Depth::LongSelected, Depth::Short]
        .map(|depth| blocks(view, &findings, columns, depth))
        .into_iter()
        .find(fits)
        .unwrap_or_else(|| blocks(view, &findings, columns, Depth::Short));
    let selected = view.state.finding.index().unwrap_or(0);
    let mut first = selected.min(blocks.len().saturating_sub(1));
    let mut used = blocks.get(first).map_or(0, Vec::len);
    while let Some(before) = first.checked_sub(1).and_then(|index| blocks.get(index)) {
        if used + before.len() > height {
            break;
        }
        used += before.len();
        first -= 1;
    }
    let mut lines = Vec::new();
    let mut fitting = 0;
    for block in blocks.into_iter().skip(first) {
        let whole = lines.len() + block.len() <= height;
        fitting += usize::from(whole);
        lines.extend(block);
        if lines.len() >= height {
            break;
        }
    }
    lines.truncate(height);
    (lines, fitting)
}

fn title(view: &View<'_>) -> Line<'static> {
    let all = view.snapshot.assessment.findings.len();
    let shown = view.state.shown.findings.len();
    let count = if shown == all { all.to_string() } else { format!("{shown} of {all}, filtered") };
    Line::from(vec![strong("FINDINGS "), dim(count)])
}

/// Why there is no finding: all is well, nothing could be checked, or the filter hides them.
fn empty(view: &View<'_>) -> String {
    let assessment = &view.snapshot.assessment;
    match (assessment.findings.len(), assessment.passed.len(), assessment.skipped.len()) {
        (0, 0, 0) => "  nothing checked yet".to_owned(),
        (0, 0, skipped) => {
            format!("  no rule could check anything: {skipped} skipped; press i for the reasons")
        }
        (0, passed, skipped) => {
            format!("  nothing found: {passed} rules passed, {skipped} skipped; press i for both")
        }
        (hidden, ..) => format!("  no finding matches the filter ({hidden} hidden; Esc clears it)"),
    }
}

fn blocks(view: &View<'_>, findings: &[&Finding], columns: usize, depth: Depth) -> Vec<Vec<Line<'static>>> {
    let selected = view.state.finding.index();
    let focused = view.focused(Panel::Findings);
    let block = |(index, finding): (usize, &&Finding)| {
        let is_selected = selected == Some(index);
        if depth == Depth::Long || depth == Depth::LongSelected && is_selected {
            long(finding, is_selected, focused, columns)
        } else {
            short(finding, is_selected, focused, columns)
        }
    };
    findings.iter().enumerate().map(block).collect()
}

/// Two lines: what, and what to do.
fn short(finding: &Finding, selected: bool, focused: bool, columns: usize) -> Vec<Line<'static>> {
    let title = Line::from(vec![
        Theme::tag(Some(finding.severity)),
        raw(" "),
        strong(words::clean(&finding.title)),
        dim(format!("  {}", finding.id)),
    ]);
    let mut lines = vec![row(title, selected, focused, columns)];
    let fix = match finding.fixes.first() {
        Some(fix) => {
            let first = fix.text.lines().next().unwrap_or_default();
            let more = if fix.text.lines().count() > 1 { " …" } else { "" };
            Line::from(vec![dim("         fix: "), raw(format!("{}{more}", words::clean(first)))])
        }
        None => Line::from(vec![dim("         "), dim(words::clean(&finding.explanation))]),
    };
    lines.push(fit(fix, columns));
    lines
}

/// Everything that fits into a wide pane.
fn long(finding: &Finding, selected: bool, focused: bool, columns: usize) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    let indent = 9;
    let inner = columns.saturating_sub(indent).max(1);
    for (index, title) in wrap(&words::clean(&finding.title), inner).into_iter().enumerate() {
        let lead = if index == 0 { Theme::tag(Some(finding.severity)) } else { raw("      ") };
        let line = Line::from(vec![lead, raw(" "), strong(title)]);
        if index == 0 {
            lines.push(row(line, selected, focused, columns));
        } else {
            lines.push(row(line, false, false, columns));
        }
    }
    let mut block = |label: &'static str, text: &str| {
        let room = inner.saturating_sub(label.len()).max(1);
        for (index, piece) in wrap_to(&clean_lines(text), room, 6).into_iter().enumerate() {
            let lead = if index == 0 { label.to_owned() } else { " ".repeat(label.len()) };
            lines.push(Line::from(vec![raw(" ".repeat(indent)), dim(lead), Span::raw(piece)]));
        }
    };
    block("", &format!("{}  {}", finding.id, finding.subject));
    block("", &finding.explanation);
    if let Some(fix) = finding.fixes.first() {
        block("fix:   ", &fix.text);
        block("check: ", &fix.verify);
    }
    lines.push(Line::default());
    lines.into_iter().map(|line| fit(line, columns)).collect()
}

/// Text of several lines, each without control characters.
pub(super) fn clean_lines(text: &str) -> String {
    text.lines().map(words::clean).collect::<Vec<_>>().join("\n")
}
