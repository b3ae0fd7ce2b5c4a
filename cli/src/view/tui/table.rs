//! Columns that appear by rank as the width allows.

use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::text::{Align, pad, width};
use super::theme::{Theme, gauge};
use super::view::styled;
use super::words;

/// One column.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    /// Heading.
    pub title: &'static str,
    /// Narrowest useful width.
    pub least: usize,
    /// Widest useful width.
    pub most: usize,
    /// Where its text stands.
    pub align: Align,
    /// Columns of a low rank come first; those of one rank appear together or not at all.
    pub rank: u8,
}

/// What stands in a cell.
#[derive(Clone, Debug)]
pub(super) enum Cell {
    /// Text, cut at the end.
    Text(Line<'static>),
    /// An address with its port, which is never cut.
    Endpoint(String, u16),
    /// A gauge over the whole width: in use, highest, all, and its style.
    Gauge(u64, u64, u64, Style),
}

impl Cell {
    /// Width it would like.
    fn wish(&self) -> usize {
        match self {
            Self::Text(line) => line.width(),
            Self::Endpoint(address, port) => width(&words::endpoint(address, *port)),
            Self::Gauge(..) => usize::MAX,
        }
    }

    /// The cell in `columns` columns.
    fn line(&self, columns: usize) -> Line<'static> {
        match self {
            Self::Text(line) => line.clone(),
            Self::Endpoint(address, port) => {
                styled(words::short_endpoint(&words::clean(address), *port, columns), Theme::strong())
            }
            Self::Gauge(now, peak, capacity, style) => {
                let columns = u16::try_from(columns).unwrap_or(u16::MAX);
                styled(gauge(*now, *peak, *capacity, columns), *style)
            }
        }
    }
}

impl<T: Into<Line<'static>>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::Text(text.into())
    }
}

/// The table as lines of at most `columns_wide`: the heading, then the rows.
pub(super) fn table(columns: &[Column], rows: &[Vec<Cell>], wide: usize) -> Vec<Line<'static>> {
    let gap = if wide < 100 { 1 } else { 2 };
    let widths = widths(columns, rows, wide, gap);
    let heading =
        columns.iter().map(|column| Cell::Text(styled(column.title, Theme::dim()))).collect::<Vec<_>>();
    std::iter::once(&heading).chain(rows).map(|row| join(columns, &widths, row, gap)).collect()
}

/// Whether the columns of `rank` have room.
pub(super) fn shows(columns: &[Column], wide: usize, rank: u8) -> bool {
    let gap = if wide < 100 { 1 } else { 2 };
    least_sum(columns, rank, gap) <= wide
}

/// Width that all columns up to `rank` need.
fn least_sum(columns: &[Column], rank: u8, gap: usize) -> usize {
    let wanted = columns.iter().filter(|column| column.rank <= rank);
    wanted.map(|column| least(column) + gap).sum::<usize>().saturating_sub(gap)
}

/// A column is never narrower than its heading.
fn least(column: &Column) -> usize {
    column.least.max(width(column.title))
}

/// Width of each column; 0 leaves it out.
fn widths(columns: &[Column], rows: &[Vec<Cell>], wide: usize, gap: usize) -> Vec<usize> {
    let last_rank = columns.iter().map(|column| column.rank).max().unwrap_or(0);
    let rank = (0..=last_rank).rev().find(|rank| least_sum(columns, *rank, gap) <= wide).unwrap_or(0);
    let mut widths: Vec<usize> =
        columns.iter().map(|column| if column.rank <= rank { least(column) } else { 0 }).collect();
    let mut free = wide.saturating_sub(least_sum(columns, rank, gap));
    for growing in 0..=rank {
        for (index, column) in columns.iter().enumerate().filter(|(_, column)| column.rank == growing) {
            let content = rows.iter().filter_map(|row| row.get(index)).map(Cell::wish).max().unwrap_or(0);
            if let Some(width) = widths.get_mut(index) {
                let more = content.min(column.most).saturating_sub(*width).min(free);
                *width += more;
                free -= more;
            }
        }
    }
    widths
}

/// One row.
fn join(columns: &[Column], widths: &[usize], row: &[Cell], gap: usize) -> Line<'static> {
    let mut spans: Vec<Span<'static>> = Vec::new();
    for ((column, width), cell) in columns.iter().zip(widths).zip(row) {
        if *width == 0 {
            continue;
        }
        if !spans.is_empty() {
            spans.push(Span::raw(" ".repeat(gap)));
        }
        spans.extend(pad(cell.line(*width), *width, column.align).spans);
    }
    Line::from(spans)
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 3] = [
        Column { title: "NAME", least: 4, most: 10, align: Align::Left, rank: 0 },
        Column { title: "COUNT", least: 3, most: 8, align: Align::Right, rank: 0 },
        Column { title: "NOTE", least: 4, most: 20, align: Align::Left, rank: 1 },
    ];

    fn print(wide: usize) -> Vec<String> {
        let rows = vec![vec![Cell::from("epoll_wait"), Cell::from("12"), Cell::from("EAGAIN 3")]];
        let lines = table(&COLUMNS, &rows, wide);
        lines.iter().map(|line| line.spans.iter().map(|span| span.content.as_ref()).collect()).collect()
    }

    #[test]
    fn columns_grow_then_appear_then_vanish() {
        assert_eq!(print(30), ["NAME       COUNT NOTE    ", "epoll_wait    12 EAGAIN 3"]);
        assert_eq!(print(16), ["NAME  COUNT NOTE", "epol…    12 EAG…"]);
        assert_eq!(print(14), ["NAME     COUNT", "epoll_w…    12"]);
        assert!(shows(&COLUMNS, 15, 1) && !shows(&COLUMNS, 14, 1));
    }
}
