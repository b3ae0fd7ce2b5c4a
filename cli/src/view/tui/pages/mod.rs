//! Pages that cover the panels: each is a list of lines that scrolls.

mod finding;
mod help;
mod listener;
mod measured;

use ratatui::text::Line;

use super::state::{Extent, Page};
use super::text::{fit, rule};
use super::view::{View, dim, raw, strong, styled};
use super::{Theme, text, words};

/// The page in at most `height` lines.
pub(super) fn lines(
    view: &View<'_>,
    page: Page,
    columns: usize,
    height: usize,
) -> (Vec<Line<'static>>, Extent) {
    let inner = columns.saturating_sub(2);
    let (title, body) = match page {
        Page::Help => ("KEYS AND MARKS", help::lines(inner)),
        Page::Listener => ("LISTENER", listener::lines(view, inner)),
        Page::Finding => ("FINDING", finding::lines(view, inner)),
        Page::Measured => ("WHAT IS MEASURED, AND WHAT IS NOT", measured::lines(view, inner)),
    };
    let fitting = height.saturating_sub(1);
    let furthest = body.len().saturating_sub(fitting);
    let first = view.state.scroll.min(furthest);
    let last = (first + fitting).min(body.len());
    let mut heading = Line::from(vec![strong(title)]);
    if furthest > 0 {
        heading.push_span(dim(format!(" lines {}-{last} of {}", first + 1, body.len())));
    }
    let mut lines = vec![rule(heading, true, columns)];
    for line in body.into_iter().skip(first).take(fitting) {
        let mut spans = vec![raw(" ")];
        spans.extend(line.spans);
        lines.push(fit(Line::from(spans), columns));
    }
    lines.truncate(height);
    (lines, Extent { page: fitting, scroll: furthest })
}

/// The beginning of the page of the selected listener, for free room beside the panels.
pub(super) fn excerpt(view: &View<'_>, columns: usize, height: usize) -> Vec<Line<'static>> {
    let body = listener::lines(view, columns.saturating_sub(2));
    if body.is_empty() {
        return Vec::new();
    }
    let fitting = height.saturating_sub(1);
    let more = if body.len() > fitting { "  Enter shows all" } else { "" };
    let mut lines = vec![rule(Line::from(vec![strong("LISTENER"), dim(more)]), false, columns)];
    for line in body.into_iter().take(fitting) {
        let mut spans = vec![raw("  ")];
        spans.extend(line.spans);
        lines.push(fit(Line::from(spans), columns));
    }
    lines
}

/// A heading between parts of a page.
fn heading(text: &'static str) -> Line<'static> {
    styled(text, Theme::title(true))
}

/// Wrapped text behind a label, indented under itself.
fn labelled(label: &str, body: &str, columns: usize) -> Vec<Line<'static>> {
    let lead = text::width(label);
    let room = columns.saturating_sub(lead).max(8);
    let pieces = text::wrap(&super::findings::clean_lines(body), room).into_iter().enumerate();
    pieces
        .map(|(index, piece)| {
            let start = if index == 0 { label.to_owned() } else { " ".repeat(lead) };
            Line::from(vec![dim(start), raw(piece)])
        })
        .collect()
}

/// A value under its name, in two columns.
fn field(name: &str, value: impl Into<String>) -> Line<'static> {
    Line::from(vec![dim(format!("  {name:<26} ")), raw(words::clean(&value.into()))])
}
