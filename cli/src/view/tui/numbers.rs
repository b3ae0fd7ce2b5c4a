//! The six numbers that matter for concurrency, of the selected listener and its process.

use ratatui::text::{Line, Span};

use crate::model::{Process, Quality};

use super::text::{Align, fit, pad, rule};
use super::theme::Theme;
use super::view::{View, dim, raw, strong};
use super::words;

/// A number with its name.
struct Tile {
    label: &'static str,
    value: Line<'static>,
    /// Quality of the whole value; `None` without a value, or when its parts say their own.
    quality: Option<Quality>,
}

impl Tile {
    /// A value with its quality, or a dash.
    fn new(label: &'static str, value: Option<String>, quality: Quality) -> Self {
        let quality = value.is_some().then_some(quality);
        Self { label, value: Line::from(value.map_or_else(|| dim(words::DASH), strong)), quality }
    }

    /// The value, and its quality as a word or, where that has no room, as a letter.
    fn line(self, columns: usize) -> Line<'static> {
        let mut line = self.value;
        if let Some(quality) = self.quality {
            let word = words::quality(quality);
            let fits = line.width() + 1 + word.len() <= columns;
            line.push_span(dim(format!(" {}", if fits { word } else { words::quality_letter(quality) })));
        }
        line
    }
}

/// The rule with the subject, then the tiles: three to a row, or all six where there is room.
pub(super) fn lines(view: &View<'_>, columns: usize) -> Vec<Line<'static>> {
    let tiles = [active(view), established(view), memory(view), fds(view), buffers(view), waiting(view)];
    // By columns, so that the numbers read in their order from top to bottom and left to right.
    let [active, established, memory, fds, buffers, waiting] = tiles;
    let grid: Vec<Vec<Tile>> = if columns >= 170 {
        vec![vec![active, established, memory, fds, buffers, waiting]]
    } else {
        vec![vec![active, memory, buffers], vec![established, fds, waiting]]
    };
    let mut lines = vec![rule(subject(view), false, columns)];
    for tiles in grid {
        let widths = widths(columns, tiles.len());
        let mut labels = Vec::new();
        let mut values = Vec::new();
        for (tile, width) in tiles.into_iter().zip(widths) {
            labels.push(raw(" "));
            labels.extend(pad(Line::from(dim(tile.label)), width - 1, Align::Left).spans);
            values.push(raw(" "));
            values.extend(pad(tile.line(width.saturating_sub(2)), width - 1, Align::Left).spans);
        }
        lines.push(fit(Line::from(labels), columns));
        lines.push(fit(Line::from(values), columns));
    }
    lines
}

/// The last of three columns holds the longest texts.
fn widths(columns: usize, tiles: usize) -> Vec<usize> {
    if tiles == 6 {
        return vec![columns / 6; 6];
    }
    let side = (columns * 3 / 10).max(2);
    vec![side, side, columns.saturating_sub(2 * side).max(2)]
}

/// Which listener and process the numbers are of.
fn subject(view: &View<'_>) -> Line<'static> {
    let listener = view.listener().map(|listener| words::endpoint(&listener.address, listener.port));
    let process = view.process_name();
    let text = match (listener, process) {
        (Some(listener), Some(process)) => format!("{listener} · {process}"),
        (Some(listener), None) => format!("{listener} · owner not visible"),
        (None, Some(process)) => process,
        (None, None) => "nothing selected".to_owned(),
    };
    Line::from(strong(text))
}

fn active(view: &View<'_>) -> Tile {
    let connections = view.listener().and_then(|listener| listener.connections.as_ref());
    let value = connections.map(|states| states.get("ESTAB").copied().unwrap_or(0));
    Tile::new("active connections", value.map(words::count), Quality::Exact)
}

fn established(view: &View<'_>) -> Tile {
    let times = view.listener().and_then(|listener| listener.handshake_us.as_ref());
    let times = times.filter(|times| times.count > 0);
    let quality = times.map_or(Quality::Exact, |times| times.quality);
    Tile::new("established in p50/p99", times.map(|times| words::micros_pair(times.p50, times.p99)), quality)
}

fn memory(view: &View<'_>) -> Tile {
    let value = view.process().and_then(|process| process.memory.bytes_per_connection);
    let value = value.map(|value| format!("≤ {}", words::bytes(value)));
    Tile::new("memory per connection", value, Quality::Estimated)
}

fn fds(view: &View<'_>) -> Tile {
    let label = "fds in use";
    let Some(process) = view.process() else {
        return Tile::new(label, None, Quality::Exact);
    };
    let Some(fds) = &process.fds else {
        let reason = view.model().why_unread(&format!("process.{}.fds", process.pid)).unwrap_or_default();
        let value = Line::from(vec![dim(words::DASH), dim(format!(" {}", words::clean(reason)))]);
        return Tile { label, value, quality: None };
    };
    let used = fds.soft_limit.and_then(|limit| words::share(fds.open, limit));
    let value = Line::from(Span::styled(fds_text(process), pressure(used)));
    Tile { label, value, quality: Some(Quality::Exact) }
}

/// Open descriptors against the soft limit: "812/1,024 79 %".
pub(super) fn fds_text(process: &Process) -> String {
    let Some(fds) = &process.fds else { return words::DASH.to_owned() };
    let open = words::count(fds.open);
    let unlimited = process.limits.nofile.is_some_and(|limit| limit.soft.is_none());
    match fds.soft_limit {
        Some(limit) => {
            let used = words::share(fds.open, limit)
                .map_or_else(String::new, |used| format!(" {}", words::percent(used)));
            format!("{open}/{}{used}", words::count(limit))
        }
        None if unlimited => format!("{open}/unlimited"),
        None => format!("{open}/{}", words::DASH),
    }
}

/// How a share of a limit looks.
pub(super) fn pressure(used: Option<f64>) -> ratatui::style::Style {
    match used {
        Some(used) if used >= 95.0 => Theme::harm(),
        Some(used) if used >= 80.0 => Theme::caution().patch(Theme::strong()),
        _ => Theme::strong(),
    }
}

fn buffers(view: &View<'_>) -> Tile {
    let buffers = view.listener().and_then(|listener| listener.buffers);
    let value = buffers.map(|buffers| {
        format!(
            "in {}/{} out {}/{}",
            words::short_bytes(buffers.receive_used_bytes),
            words::short_bytes(buffers.receive_limit_bytes),
            words::short_bytes(buffers.send_used_bytes),
            words::short_bytes(buffers.send_limit_bytes)
        )
    });
    Tile::new("socket buffers used/limit", value, Quality::Exact)
}

/// Waiting for accept(), waiting for a CPU, and working; each with the letter of its quality.
fn waiting(view: &View<'_>) -> Tile {
    let accept = view.listener().and_then(|listener| listener.accept_wait_us.as_ref());
    let accept = accept.filter(|wait| wait.count > 0);
    let accept = accept.map(|wait| (words::micros_pair(wait.p50, wait.p99), wait.quality));
    let queue = view.process().and_then(|process| process.run_queue_us.as_ref());
    let queue = queue.filter(|wait| wait.count > 0).map(|wait| (words::micros(wait.p99), wait.quality));
    let cpu = view.cpu_percent().map(|(user, system)| (words::percent(user + system), Quality::Exact));
    let parts = [accept, queue, cpu];
    let qualities: Vec<Quality> = parts.iter().flatten().map(|(_, quality)| *quality).collect();
    let common = qualities.first().copied().filter(|first| qualities.iter().all(|quality| quality == first));
    let mut spans = Vec::new();
    for (index, part) in parts.into_iter().enumerate() {
        if index > 0 {
            spans.push(dim(" · "));
        }
        match part {
            Some((text, quality)) => {
                spans.push(strong(text));
                if common.is_none() {
                    spans.push(dim(format!(" {}", words::quality_letter(quality))));
                }
            }
            None => spans.push(dim(words::DASH)),
        }
    }
    Tile { label: "accept wait · run queue · CPU", value: Line::from(spans), quality: common }
}
