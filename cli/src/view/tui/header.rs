//! The verdict, and what the instrument says of itself.

use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::state::worst;
use super::text::{ends, fit, wrap_to};
use super::theme::Theme;
use super::view::{View, dim, raw, strong, styled};
use super::words;

/// Width of the severity tag with the blank behind it.
const TAG: usize = 7;

/// The verdict in at most `most` lines, worst severity in front.
pub(super) fn verdict(view: &View<'_>, columns: usize, most: usize) -> Vec<Line<'static>> {
    let severity = worst(view.snapshot);
    let text = words::clean(&view.snapshot.assessment.verdict);
    let text = if text.is_empty() { "no verdict yet".to_owned() } else { text };
    let style = Theme::severity(severity);
    let tag = Theme::tag(severity);
    if columns < 3 * TAG {
        // Too narrow for a hanging indent: the sentence itself matters more than its tag.
        let lines = wrap_to(&text, columns, most).into_iter();
        return lines.map(|line| styled(line, style)).collect();
    }
    if columns < 72 {
        // The tag's place is kept by blanks that do not break; the following lines use the whole width.
        let lines = wrap_to(&format!("{}{text}", "\u{a0}".repeat(TAG)), columns, most).into_iter();
        return lines
            .map(|line| match line.strip_prefix(&"\u{a0}".repeat(TAG)) {
                Some(first) => tagged(tag.clone(), first, style),
                None => styled(line, style),
            })
            .collect();
    }
    let lines = wrap_to(&text, columns - TAG, most).into_iter().enumerate();
    lines
        .map(|(index, line)| {
            tagged(if index == 0 { tag.clone() } else { raw(" ".repeat(TAG - 1)) }, &line, style)
        })
        .collect()
}

fn tagged(lead: Span<'static>, text: &str, style: Style) -> Line<'static> {
    Line::from(vec![lead, raw(" "), Span::styled(text.to_owned(), style)])
}

/// The badge line: frozen or not, probes, losses, own cost, window; the host where there is room.
pub(super) fn badge(view: &View<'_>, columns: usize) -> Line<'static> {
    let mut parts = vec![probes(view), lost(view), own(view), window(view)];
    if parts.iter().map(|part| part.width() + 3).sum::<usize>() > columns {
        parts = vec![probes(view), lost(view), own_short(view), window_short(view)];
    }
    let mut spans = Vec::new();
    if view.state.frozen {
        let age = view.live_unix_ms.saturating_sub(view.snapshot.unix_ms) / 1000;
        let text = format!(" FROZEN {}:{:02} ", age / 60, age % 60);
        spans.push(Span::styled(text, Theme::caution().patch(Theme::selected())));
        spans.push(raw(" "));
    }
    for (index, part) in parts.into_iter().enumerate() {
        if index > 0 {
            spans.push(dim(" · "));
        }
        spans.extend(part.spans);
    }
    let host = &view.model().host;
    let plural = if host.cpus == 1 { "" } else { "s" };
    let host = dim(format!("Linux {} · {} CPU{plural}", words::clean(&host.kernel), host.cpus));
    fit(ends(Line::from(spans), Line::from(host), columns), columns)
}

/// What is missing, in one line: the first reason, and how many more there are.
pub(super) fn missing(view: &View<'_>, columns: usize) -> Option<Line<'static>> {
    let text = match view.unavailable().as_slice() {
        [] if view.model().probes.is_empty() => {
            "no probe has reported yet: these numbers come from sock_diag and /proc".to_owned()
        }
        [] => return None,
        all @ [(first, reason, remedy), ..] => {
            // Before the reason, which is longer and may be cut.
            let remedy = remedy.map_or_else(String::new, |remedy| format!(", {remedy}"));
            let same = all.iter().all(|(_, other, _)| other == reason);
            let (who, more) = match (same, all.len()) {
                (_, 1) => (format!("probe {}", first.name), String::new()),
                (true, count) => (format!("{count} probes"), String::new()),
                (false, count) => {
                    (format!("probe {}", first.name), format!(" (+{} more, press i)", count - 1))
                }
            };
            format!("{who} unavailable{more}{remedy}: {reason}")
        }
    };
    Some(fit(styled(format!("! {}", words::clean(&text)), Theme::caution()), columns))
}

fn probes(view: &View<'_>) -> Line<'static> {
    let (active, all) = view.probe_counts();
    let text = if all == 0 { words::DASH.to_owned() } else { format!("{active}/{all}") };
    let value = if active == all && all > 0 {
        strong(text)
    } else {
        Span::styled(text, Theme::caution().patch(Theme::strong()))
    };
    Line::from(vec![dim("probes "), value])
}

fn lost(view: &View<'_>) -> Line<'static> {
    let value = match &view.model().lost {
        None => dim(words::DASH),
        Some(lost) => {
            let sum = lost.reasons.values().fold(lost.recursion, |sum, more| sum.saturating_add(*more));
            let style = if sum == 0 { Theme::strong() } else { Theme::harm() };
            Span::styled(words::count(sum), style)
        }
    };
    Line::from(vec![dim("lost "), value])
}

fn own(view: &View<'_>) -> Line<'static> {
    let own = view.snapshot.own;
    let cpu = own.cpu_percent.map_or_else(|| words::DASH.to_owned(), words::percent);
    let run = view.model().own_cost.map(|cost| cost.ns_per_run);
    let run = run.map_or_else(|| words::DASH.to_owned(), words::short);
    Line::from(vec![dim("own "), strong(cpu), dim(" CPU "), strong(run), dim(" ns/run")])
}

fn own_short(view: &View<'_>) -> Line<'static> {
    let cpu = view.snapshot.own.cpu_percent.map_or_else(|| words::DASH.to_owned(), words::percent);
    Line::from(vec![dim("own "), strong(cpu)])
}

/// The window asked for; how much of it was watched so far when that is less.
fn window(view: &View<'_>) -> Line<'static> {
    let mut line = Line::from(vec![dim("window "), strong(format!("{} s", view.state.window_seconds))]);
    let asked = f64::from(view.state.window_seconds);
    match view.seconds() {
        None => line.push_span(dim(" (none yet)")),
        Some(watched) if watched < asked - 0.5 => {
            line.push_span(dim(format!(" ({} so far)", words::micros(watched * 1e6))));
        }
        Some(_) => {}
    }
    line
}

fn window_short(view: &View<'_>) -> Line<'static> {
    Line::from(strong(format!("{} s", view.state.window_seconds)))
}
