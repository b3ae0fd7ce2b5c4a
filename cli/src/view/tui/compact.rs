//! The body of a small screen: the selected listener, then the selected finding.

use ratatui::text::{Line, Span};

use crate::model::Listener;

use super::state::Panel;
use super::text::{fit, wrap_to};
use super::theme::{Theme, gauge};
use super::view::{View, dim, raw, strong};
use super::{findings, listeners, process, words};

/// The body in at most `height` lines.
pub(super) fn lines(view: &View<'_>, columns: usize, height: usize) -> (Vec<Line<'static>>, usize) {
    if view.focused(Panel::Process) {
        return process::lines(view, columns, height);
    }
    let mut lines = match view.listener() {
        Some(listener) => of_listener(view, listener, columns),
        None => {
            let (mut empty, _) = (listeners::lines(view, columns, 2), 0);
            if empty.is_empty() { Vec::new() } else { empty.split_off(1) }
        }
    };
    let fixed = lines.len();
    let rest = height.saturating_sub(fixed);
    match view.finding() {
        Some(finding) if rest < 12 => {
            lines.extend(of_finding(view, finding, columns, rest));
        }
        _ => lines.extend(findings::list(view, columns, rest).0),
    }
    lines.truncate(height);
    (lines, 0)
}

/// Three lines: who, how full, how many were turned away.
fn of_listener(view: &View<'_>, listener: &Listener, columns: usize) -> Vec<Line<'static>> {
    let focused = view.focused(Panel::Listeners);
    let count = view.state.shown.listeners.len();
    let place = view.state.listener.index().map_or(1, |index| index + 1);
    let mut who = vec![
        Span::styled(if focused { "▸ " } else { "  " }, Theme::title(true)),
        strong(words::endpoint(&listener.address, listener.port)),
        raw(format!(" {}", words::owner(listener))),
    ];
    if count > 1 {
        who.push(dim(format!(" {place}/{count}")));
    }
    let queue = &listener.accept_queue;
    let full = queue.now >= listener.capacity && listener.capacity > 0;
    let style = if full { Theme::harm() } else { Theme::strong() };
    let waiting = format!("{}/{}", words::short_count(queue.now), words::short_count(listener.capacity));
    let depth = Line::from(vec![
        dim("  waiting "),
        Span::styled(waiting, style),
        Span::styled(format!(" {}", gauge(queue.now, queue.max, listener.capacity, 10)), style),
        dim(format!(" peak {}", words::short_count(queue.max))),
    ]);
    let mut harm = vec![dim("  drops ")];
    harm.extend(listeners::drops(listener).spans);
    harm.push(dim(" refused "));
    harm.push(strong(listener.refused_attempts.map_or_else(|| words::DASH.to_owned(), words::short_count)));
    harm.push(dim(" wait "));
    let wait = listener.accept_wait_us.as_ref().filter(|wait| wait.count > 0);
    harm.push(strong(wait.map_or_else(|| words::DASH.to_owned(), |wait| words::micros(wait.p99))));
    harm.push(dim(if wait.is_some() { " p99" } else { "" }));
    [Line::from(who), depth, Line::from(harm)].into_iter().map(|line| fit(line, columns)).collect()
}

/// The finding that matters, wrapped instead of cut.
fn of_finding(
    view: &View<'_>,
    finding: &crate::findings::Finding,
    columns: usize,
    height: usize,
) -> Vec<Line<'static>> {
    let focused = view.focused(Panel::Findings);
    let lead = if focused { "▸" } else { " " };
    let inner = columns.saturating_sub(8).max(1);
    let fix = finding.fixes.first().map(|fix| words::clean(fix.text.lines().next().unwrap_or_default()));
    let for_fix = if fix.is_some() { (height / 2).clamp(1, 3) } else { 0 };
    let mut lines = Vec::new();
    let titles = wrap_to(&words::clean(&finding.title), inner, height.saturating_sub(for_fix).max(1));
    for (index, title) in titles.into_iter().enumerate() {
        lines.push(if index == 0 {
            let tag = Theme::tag(Some(finding.severity));
            Line::from(vec![Span::styled(lead, Theme::title(true)), tag, raw(" "), strong(title)])
        } else {
            Line::from(vec![raw("        "), strong(title)])
        });
    }
    if let Some(fix) = fix {
        let room = height.saturating_sub(lines.len()).min(3);
        for (index, piece) in wrap_to(&fix, inner, room).into_iter().enumerate() {
            let lead = if index == 0 { "   fix: " } else { "        " };
            lines.push(Line::from(vec![dim(lead), raw(piece)]));
        }
    }
    lines.into_iter().map(|line| fit(line, columns)).collect()
}
