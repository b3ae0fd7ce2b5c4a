//! The listeners, most harmed first.

use ratatui::text::{Line, Span};

use crate::model::{Causes, Listener};

use super::state::Panel;
use super::table::{Cell, Column, shows, table};
use super::text::{Align, fit, rule};
use super::theme::Theme;
use super::view::{View, dim, first_row, raw, row, strong, styled};
use super::words;

/// Rank of the columns with the causes of drops.
const CAUSES: u8 = 6;

const fn column(title: &'static str, least: usize, most: usize, align: Align, rank: u8) -> Column {
    Column { title, least, most, align, rank }
}

/// Columns; the last rank that fits decides which are shown.
const COLUMNS: [Column; 15] = [
    column("LISTENER", 14, 47, Align::Left, 0),
    column("WAITING", 7, 13, Align::Right, 0),
    column("", 5, 10, Align::Left, 1),
    column("PEAK", 4, 9, Align::Right, 4),
    column("SYN Q", 5, 7, Align::Right, 5),
    column("DROPS", 6, 9, Align::Right, 0),
    column("FULL:SYN", 8, 9, Align::Right, CAUSES),
    column("FULL:ACK", 8, 9, Align::Right, CAUSES),
    column("SYN Q FULL", 10, 10, Align::Right, CAUSES),
    column("SYN BACKLOG", 11, 11, Align::Right, CAUSES),
    column("OTHER", 5, 9, Align::Right, CAUSES),
    column("REFUSED", 7, 9, Align::Right, 1),
    column("NEW/s", 5, 7, Align::Right, 3),
    column("WAIT p50/p99", 12, 16, Align::Right, 2),
    column("OWNER", 14, 40, Align::Left, 2),
];

/// Lines that would show every listener.
pub(super) fn wanted(view: &View<'_>, columns: usize) -> usize {
    if view.state.shown.listeners.is_empty() {
        return 2;
    }
    let causes = usize::from(!shows(&COLUMNS, columns.saturating_sub(2), CAUSES));
    2 + view.state.shown.listeners.len() + causes
}

/// The panel in at most `height` lines.
pub(super) fn lines(view: &View<'_>, columns: usize, height: usize) -> Vec<Line<'static>> {
    let focused = view.focused(Panel::Listeners);
    let mut lines = vec![rule(title(view), focused, columns)];
    let listeners = view.listeners();
    if listeners.is_empty() {
        lines.push(fit(Line::from(raw(empty(view))), columns));
        lines.truncate(height);
        return lines;
    }
    let selected = view.state.listener.index();
    let inner = columns.saturating_sub(2);
    let extra = usize::from(!shows(&COLUMNS, inner, CAUSES) && height > 3);
    let fitting = height.saturating_sub(2 + extra).max(1);
    let first = first_row(selected, fitting);
    let shown: Vec<(usize, &&Listener)> = listeners.iter().enumerate().skip(first).take(fitting).collect();
    let rows: Vec<Vec<Cell>> = shown.iter().map(|(_, listener)| cells(view, listener)).collect();
    let mut table = table(&COLUMNS, &rows, inner).into_iter();
    if let Some(heading) = table.next() {
        lines.push(row(heading, false, false, columns));
    }
    for ((index, listener), line) in shown.into_iter().zip(table) {
        let is_selected = selected == Some(index);
        lines.push(row(line, is_selected, focused, columns));
        if is_selected && extra > 0 {
            lines.push(fit(Line::from(vec![raw("    "), dim(drops_text(listener))]), columns));
        }
    }
    lines.truncate(height);
    lines
}

fn title(view: &View<'_>) -> Line<'static> {
    let all = view.model().listeners.len();
    let shown = view.state.shown.listeners.len();
    let mut spans = vec![strong("LISTENERS ")];
    if view.state.filter.is_empty() {
        spans.push(dim(all.to_string()));
    } else {
        spans.push(dim(format!("{shown} of {all}, filter ")));
        spans.push(Span::styled(view.state.filter.clone(), Theme::caution()));
    }
    Line::from(spans)
}

/// Why there is no row.
fn empty(view: &View<'_>) -> String {
    let all = view.model().listeners.len();
    if all > 0 {
        return format!("  no listener matches the filter ({all} hidden; Esc clears it)");
    }
    view.model().why_unread("listeners").map_or_else(
        || "  no listening TCP socket in this network namespace".to_owned(),
        |reason| format!("  cannot list the listening sockets: {}", words::clean(reason)),
    )
}

fn cells(view: &View<'_>, listener: &Listener) -> Vec<Cell> {
    let queue = &listener.accept_queue;
    let full = queue.now >= listener.capacity;
    let queue_style = if full && listener.capacity > 0 { Theme::harm() } else { Theme::strong() };
    let waiting = format!("{}/{}", words::short_count(queue.now), words::short_count(listener.capacity));
    let cause = |pick: fn(&Causes) -> u64| match &listener.drops {
        Some(drops) => Cell::from(harm_count(pick(&drops.by_cause))),
        None => Cell::from(dash()),
    };
    let entered = listener.entered.and_then(|entered| words::per_second(entered, view.seconds()));
    vec![
        Cell::Endpoint(listener.address.clone(), listener.port),
        styled(waiting, queue_style).into(),
        Cell::Gauge(queue.now, queue.max, listener.capacity, queue_style),
        words::short_count(queue.max).into(),
        words::short_count(listener.syn_queue.now).into(),
        drops(listener).into(),
        cause(|causes| causes.accept_queue_full_syn),
        cause(|causes| causes.accept_queue_full_ack),
        cause(|causes| causes.syn_queue_full),
        cause(|causes| causes.max_syn_backlog),
        cause(|causes| causes.other),
        listener.refused_attempts.map_or_else(dash, harm_count).into(),
        entered.map_or_else(dash, |rate| Line::from(words::short(rate))).into(),
        words::median_and_tail(listener.accept_wait_us.as_ref()).into(),
        words::owner(listener).into(),
    ]
}

/// Dropped packets; without probes the kernel's hint, marked as no count.
pub(super) fn drops(listener: &Listener) -> Line<'static> {
    match (&listener.drops, listener.drops_hint) {
        (Some(drops), _) => harm_count(drops.total),
        (None, Some(hint)) if hint > 0 => styled(format!("~{}", words::short_count(hint)), Theme::harm()),
        (None, Some(_)) => Line::from(dim("~0")),
        (None, None) => dash(),
    }
}

/// The drops of one listener by cause, in one sentence.
pub(super) fn drops_text(listener: &Listener) -> String {
    let Some(drops) = &listener.drops else {
        return match listener.drops_hint {
            Some(hint) => format!(
                "drops by cause not measured; without probes the kernel hints at {}",
                words::count(hint)
            ),
            None => "drops not measured yet".to_owned(),
        };
    };
    let peak = words::count(listener.accept_queue.max);
    if drops.total == 0 {
        return format!("no drop in the window; peak {peak}");
    }
    let cause = drops.by_cause;
    let full = [(cause.accept_queue_full_syn, "SYN"), (cause.accept_queue_full_ack, "final ACK")];
    let full: Vec<String> = full
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{} {what}", words::count(*count)))
        .collect();
    let mut parts = Vec::new();
    if !full.is_empty() {
        parts.push(format!("accept queue full {}", full.join(" + ")));
    }
    let others = causes(&drops.by_cause).into_iter().skip(2).filter(|(_, count)| *count > 0);
    parts.extend(others.map(|(name, count)| format!("{name} {}", words::count(count))));
    format!("drops: {}; peak {peak}", parts.join(", "))
}

/// Causes in words.
pub(super) fn causes(causes: &Causes) -> [(&'static str, u64); 5] {
    [
        ("accept queue full, SYN", causes.accept_queue_full_syn),
        ("accept queue full, ACK", causes.accept_queue_full_ack),
        ("SYN queue full", causes.syn_queue_full),
        ("tcp_max_syn_backlog", causes.max_syn_backlog),
        ("other", causes.other),
    ]
}

fn harm_count(count: u64) -> Line<'static> {
    if count == 0 { Line::from("0") } else { styled(words::short_count(count), Theme::harm()) }
}

fn dash() -> Line<'static> {
    Line::from(dim(words::DASH))
}
