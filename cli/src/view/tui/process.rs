//! The process of the selected listener: where its time goes.

use ratatui::text::{Line, Span};

use crate::model::{Process, Syscall};

use super::numbers::{fds_text, pressure};
use super::state::Panel;
use super::table::{Cell, Column, table};
use super::text::{Align, fit, rule, wrap_to};
use super::theme::{Theme, gauge};
use super::view::{View, dim, raw, strong, styled};
use super::words;

const fn column(title: &'static str, least: usize, most: usize, align: Align, rank: u8) -> Column {
    Column { title, least, most, align, rank }
}

const COLUMNS: [Column; 6] = [
    column("SYSTEM CALL", 11, 24, Align::Left, 0),
    column("CALLS/s", 7, 9, Align::Right, 0),
    column("TOTAL", 7, 9, Align::Right, 0),
    column("P50", 7, 9, Align::Right, 2),
    column("P99", 7, 9, Align::Right, 1),
    column("ERRORS", 10, 60, Align::Left, 3),
];

/// Lines that would show everything.
pub(super) fn wanted(view: &View<'_>, columns: usize) -> usize {
    1 + summary(view, columns).len() + calls(view).map_or(1, |calls| 1 + calls.len())
}

/// The panel in at most `height` lines, and the largest useful scroll offset of its table.
pub(super) fn lines(view: &View<'_>, columns: usize, height: usize) -> (Vec<Line<'static>>, usize) {
    let mut lines = vec![rule(title(view, columns), view.focused(Panel::Process), columns)];
    let summary = summary(view, columns);
    // The table of system calls gets its heading and two rows before the summary gets a second line: the
    // descriptors are among the six numbers already.
    let room = height.saturating_sub(1 + 3).max(1);
    lines.extend(summary.into_iter().take(room));
    let mut furthest = 0;
    match calls(view) {
        Some(calls) if !calls.is_empty() => {
            let fitting = height.saturating_sub(lines.len() + 1);
            furthest = calls.len().saturating_sub(fitting);
            let first = if view.state.page.is_none() { view.state.scroll.min(furthest) } else { 0 };
            let rows: Vec<Vec<Cell>> =
                calls.iter().skip(first).take(fitting).map(|call| cells(view, call)).collect();
            for line in table(&COLUMNS, &rows, columns.saturating_sub(2)) {
                let mut spans = vec![raw("  ")];
                spans.extend(line.spans);
                lines.push(fit(Line::from(spans), columns));
            }
        }
        Some(_) => lines.push(Line::from(dim("  no system call returned in the window"))),
        None => lines.extend(invitation(view, columns, height.saturating_sub(lines.len()))),
    }
    lines.truncate(height);
    (lines, furthest)
}

fn calls<'a>(view: &View<'a>) -> Option<&'a [Syscall]> {
    view.process().and_then(|process| process.syscalls.as_deref())
}

fn title(view: &View<'_>, columns: usize) -> Line<'static> {
    let mut spans = vec![strong("PROCESS")];
    if let Some(name) = view.process_name() {
        spans.push(strong(format!(" {name}")));
    }
    let pids = &view.state.shown.pids;
    if pids.len() > 1 {
        let place = view.state.pid().and_then(|shown| pids.iter().position(|pid| *pid == shown));
        spans.push(dim(format!(" {} of {}, h l", place.map_or(1, |place| place + 1), pids.len())));
    }
    let Some(process) = view.process() else { return Line::from(spans) };
    if process.ended {
        spans.push(Span::styled(" ENDED", Theme::harm()));
    }
    let plural = if process.threads == 1 { "" } else { "s" };
    spans.push(dim(format!(" · {} thread{plural}", words::count(process.threads))));
    if let Some((user, system)) = view.cpu_percent() {
        let both = words::percent(user + system);
        spans.push(dim(if columns < 76 {
            format!(" · CPU {both}")
        } else {
            format!(" · CPU {} user + {} kernel", words::percent(user), words::percent(system))
        }));
    }
    Line::from(spans)
}

/// Switches, run queue, descriptors, accept() and memory.
fn summary(view: &View<'_>, columns: usize) -> Vec<Line<'static>> {
    let Some(process) = view.process() else { return Vec::new() };
    let mut lines = Vec::new();
    let joined = |with_source: bool, in_full: bool| {
        let mut line = switches(view, process, with_source);
        line.push_span(dim(" · "));
        line.spans.extend(run_queue(process, in_full).spans);
        (line.width() <= columns).then_some(line)
    };
    match joined(true, true).or_else(|| joined(false, true)).or_else(|| joined(false, false)) {
        Some(line) => lines.push(line),
        None => {
            lines.push(switches(view, process, true));
            let mut line = Line::from(dim("  "));
            line.spans.extend(run_queue(process, true).spans);
            lines.push(line);
        }
    }
    lines.extend(descriptors(process));
    lines.extend(calls_of_accept(process));
    lines.into_iter().map(|line| fit(line, columns)).collect()
}

fn switches(view: &View<'_>, process: &Process, with_source: bool) -> Line<'static> {
    let rate = |count: u64| {
        words::per_second(count, view.seconds()).map_or_else(|| words::DASH.to_owned(), words::short)
    };
    let (voluntary, involuntary, source) = match process.switches {
        Some(found) => {
            let source = if found.source == "probe" { " exact" } else { " (procfs: ended threads missing)" };
            (rate(found.voluntary), rate(found.involuntary), source)
        }
        None => (words::DASH.to_owned(), words::DASH.to_owned(), ""),
    };
    Line::from(vec![
        dim("  switches/s "),
        strong(voluntary),
        dim(" voluntary, "),
        strong(involuntary),
        dim(format!(" involuntary{}", if with_source { source } else { "" })),
    ])
}

/// Median and 99th percentile of the run-queue latency; their names and the word of the quality only in full.
fn run_queue(process: &Process, in_full: bool) -> Line<'static> {
    let waits = process.run_queue_us.as_ref().filter(|waits| waits.count > 0);
    let word = if in_full { words::quality } else { words::quality_letter };
    let quality = waits.map_or_else(String::new, |waits| format!(" {}", word(waits.quality)));
    let label = if in_full { "run queue p50/p99 " } else { "run queue " };
    Line::from(vec![dim(label), strong(words::median_and_tail(waits)), dim(quality)])
}

fn descriptors(process: &Process) -> Option<Line<'static>> {
    let fds = process.fds.as_ref()?;
    let used = fds.soft_limit.and_then(|limit| words::share(fds.open, limit));
    let mut spans = vec![dim("  fds "), Span::styled(fds_text(process), pressure(used))];
    if let Some(limit) = fds.soft_limit {
        spans.push(raw(format!(" {}", gauge(fds.open, fds.open, limit, 10))));
    }
    if let Some(slope) = fds.slope_per_s.filter(|slope| slope.abs() >= 0.05) {
        let sign = if slope > 0.0 { "+" } else { "" };
        spans.push(dim(format!(" {sign}{}/s", words::short(slope))));
    }
    let mut kinds: Vec<(&String, &u64)> = fds.by_kind.iter().filter(|(_, count)| **count > 0).collect();
    kinds.sort_by(|left, right| right.1.cmp(left.1).then(left.0.cmp(right.0)));
    let kinds: Vec<String> =
        kinds.into_iter().map(|(kind, count)| format!("{kind} {}", words::count(*count))).collect();
    if !kinds.is_empty() {
        spans.push(dim(format!(" · {}", kinds.join(", "))));
    }
    Some(Line::from(spans))
}

fn calls_of_accept(process: &Process) -> Option<Line<'static>> {
    let mut spans = Vec::new();
    if let Some(accept) = process.accept {
        spans.extend([
            dim("  accept() "),
            strong(words::short_count(accept.ok)),
            dim(" taken, "),
            strong(words::short_count(accept.eagain)),
            dim(" found nothing, "),
        ]);
        let style = if accept.emfile > 0 { Theme::harm() } else { Theme::strong() };
        spans.push(Span::styled(words::short_count(accept.emfile), style));
        spans.push(dim(" out of fds"));
    }
    if let Some(resident) = process.memory.rss_bytes {
        let lead = if spans.is_empty() { "  " } else { " · " };
        spans.push(dim(format!("{lead}resident ")));
        spans.push(strong(words::bytes(resident as f64)));
    }
    (!spans.is_empty()).then(|| Line::from(spans))
}

/// What stands in place of the system calls.
fn invitation(view: &View<'_>, columns: usize, most: usize) -> Vec<Line<'static>> {
    if view.state.pid().is_none() {
        let text = if view.listener().is_some() {
            "no visible process holds this listener: other users' processes need root or CAP_SYS_PTRACE"
        } else {
            "no process selected"
        };
        return wrap_to(text, columns.saturating_sub(2), most)
            .into_iter()
            .map(|line| Line::from(format!("  {line}")))
            .collect();
    }
    let syscalls = view.unavailable().into_iter().find(|(probe, ..)| probe.name.contains("syscall"));
    if let Some((_, reason, remedy)) = syscalls {
        let remedy = remedy.map_or_else(String::new, |remedy| format!("; {remedy}"));
        let text = words::clean(&format!("system calls not traced: {reason}{remedy}"));
        let lines = wrap_to(&text, columns.saturating_sub(2), most).into_iter();
        return lines.map(|line| styled(format!("  {line}"), Theme::caution())).collect();
    }
    vec![Line::from(vec![
        dim("  system calls not traced.  "),
        Span::styled("Enter", Theme::key()),
        raw(": trace this process"),
    ])]
}

fn cells(view: &View<'_>, call: &Syscall) -> Vec<Cell> {
    let rate = words::per_second(call.calls, view.seconds());
    let latency = Some(&call.latency_us).filter(|latency| latency.count > 0);
    let time = |value: Option<f64>| Cell::from(value.map_or_else(|| words::DASH.to_owned(), words::micros));
    vec![
        words::clean(&call.name).into(),
        rate.map_or_else(|| words::DASH.to_owned(), words::short).into(),
        time(Some(call.total_us)),
        time(latency.map(|latency| latency.p50)),
        time(latency.map(|latency| latency.p99)),
        errors(call).into(),
    ]
}

/// Errors, the most frequent first.
fn errors(call: &Syscall) -> String {
    let mut errors: Vec<(&String, &u64)> = call.errors.iter().filter(|(_, count)| **count > 0).collect();
    errors.sort_by(|left, right| right.1.cmp(left.1).then(left.0.cmp(right.0)));
    let errors: Vec<String> =
        errors.into_iter().map(|(name, count)| format!("{name} {}", words::short_count(*count))).collect();
    errors.join(", ")
}
