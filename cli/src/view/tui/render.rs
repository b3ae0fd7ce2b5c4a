//! Puts the panels where the size of the screen allows.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::state::{Extent, Panel};
use super::text::paint;
use super::view::View;
use super::{compact, findings, footer, header, listeners, numbers, pages, process};

/// From this size on the screen holds more than the verdict.
const SMALL: (u16, u16) = (40, 12);
/// From this size on it holds all panels.
const USUAL: (u16, u16) = (72, 22);
/// From this size on panels stand side by side.
const WIDE: (u16, u16) = (110, 30);
/// Columns between panels that stand side by side.
const GUTTER: usize = 2;
/// Free lines below the process that are worth showing details of the listener.
const ROOM_FOR_DETAILS: usize = 8;

/// Draws one frame.
pub(super) fn render(view: &View<'_>, area: Rect, buffer: &mut Buffer) -> Extent {
    let area = area.intersection(buffer.area);
    let (columns, rows) = (usize::from(area.width), usize::from(area.height));
    if area.width < SMALL.0 || area.height < SMALL.1 {
        paint(&header::verdict(view, columns, rows), area, buffer);
        return Extent { page: rows, scroll: 0 };
    }
    let usual = area.width >= USUAL.0 && area.height >= USUAL.1;
    let mut top = header::verdict(
        view,
        columns,
        match (usual, rows) {
            (false, _) => 4,
            (true, ..30) => 2,
            (true, _) => 3,
        },
    );
    top.push(header::badge(view, columns));
    if usual {
        top.extend(header::missing(view, columns));
    }
    paint(&top, area, buffer);
    let bottom = strip(area, rows - 1, 1);
    paint(&[footer::line(view, columns)], bottom, buffer);
    let body = strip(area, top.len(), rows.saturating_sub(top.len() + 1));
    let height = usize::from(body.height);
    if let Some(page) = view.state.page {
        let (lines, extent) = pages::lines(view, page, columns, height);
        paint(&lines, body, buffer);
        return extent;
    }
    if !usual {
        let (lines, scroll) = compact::lines(view, columns, height);
        paint(&lines, body, buffer);
        return Extent { page: height / 2, scroll };
    }
    let numbers = numbers::lines(view, columns);
    paint(&numbers, body, buffer);
    let body = strip(body, numbers.len().min(height), height.saturating_sub(numbers.len()));
    if area.width >= WIDE.0 && area.height >= WIDE.1 {
        side_by_side(view, body, buffer)
    } else {
        stacked(view, body, buffer)
    }
}

/// All panels below each other.
fn stacked(view: &View<'_>, area: Rect, buffer: &mut Buffer) -> Extent {
    let columns = usize::from(area.width);
    let wanted = [listeners::wanted(view, columns), process::wanted(view, columns), findings::wanted(view)];
    let [first, second, third] = share(usize::from(area.height), wanted, least(view.state.panel, wanted));
    let list = listeners::lines(view, columns, first);
    let (calls, scroll) = process::lines(view, columns, second);
    let (found, found_rows) = findings::lines(view, columns, third);
    paint(&list, strip(area, 0, first), buffer);
    paint(&calls, strip(area, first, second), buffer);
    paint(&found, strip(area, first + second, third), buffer);
    extent(view, [first, second, found_rows], scroll)
}

/// The listeners over the whole width, process and findings next to each other.
fn side_by_side(view: &View<'_>, area: Rect, buffer: &mut Buffer) -> Extent {
    let (columns, rows) = (usize::from(area.width), usize::from(area.height));
    let first = listeners::wanted(view, columns).min((rows * 2 / 5).max(4));
    let list = listeners::lines(view, columns, first);
    paint(&list, strip(area, 0, first), buffer);
    // A blank line apart: the eye separates the table from what belongs to its selected row.
    let first = first + 1;
    let below = strip(area, first, rows.saturating_sub(first));
    let height = usize::from(below.height);
    let left = columns * 11 / 20;
    let narrow = left.saturating_sub(GUTTER);
    let wanted = process::wanted(view, narrow);
    let for_process = if height >= wanted + ROOM_FOR_DETAILS { wanted } else { height };
    let (calls, scroll) = process::lines(view, narrow, for_process);
    paint(&calls, side(below, 0, narrow), buffer);
    if for_process < height {
        let rest = strip(side(below, 0, narrow), for_process + 1, height);
        paint(&pages::excerpt(view, narrow, usize::from(rest.height)), rest, buffer);
    }
    let (found, found_rows) = findings::lines(view, columns - left, height);
    paint(&found, side(below, left, columns - left), buffer);
    extent(view, [first, for_process, found_rows], scroll)
}

/// How far the keys can go in the focused panel.
const fn extent(view: &View<'_>, rows: [usize; 3], scroll: usize) -> Extent {
    let [listeners, process, findings] = rows;
    let page = match view.state.panel {
        Panel::Listeners => listeners.saturating_sub(2),
        Panel::Process => process.saturating_sub(4),
        Panel::Findings => findings,
    };
    Extent { page, scroll }
}

/// What each panel gets first. The findings and the process grow when the user goes there.
const fn least(panel: Panel, wanted: [usize; 3]) -> [usize; 3] {
    let [_, process, findings] = wanted;
    match panel {
        Panel::Listeners => [4, 5, 5],
        Panel::Process => [4, if process < 9 { process } else { 9 }, 3],
        Panel::Findings => [4, 4, if findings < 9 { findings } else { 9 }],
    }
}

/// Divides `height` lines: everyone's least, then one line each in turn until all have what they want.
fn share(height: usize, wanted: [usize; 3], least: [usize; 3]) -> [usize; 3] {
    let mut given = [0_usize; 3];
    let mut free = height;
    for (slot, (wanted, least)) in given.iter_mut().zip(wanted.into_iter().zip(least)) {
        *slot = wanted.min(least).min(free);
        free -= *slot;
    }
    while free > 0 {
        let before = free;
        for (slot, wanted) in given.iter_mut().zip(wanted) {
            if free > 0 && *slot < wanted {
                *slot += 1;
                free -= 1;
            }
        }
        if free == before {
            break;
        }
    }
    given
}

/// `height` rows of `area`, `skip` rows down, cut at its end.
fn strip(area: Rect, skip: usize, height: usize) -> Rect {
    let skip = u16::try_from(skip).unwrap_or(u16::MAX).min(area.height);
    let height = u16::try_from(height).unwrap_or(u16::MAX).min(area.height - skip);
    Rect { y: area.y.saturating_add(skip), height, ..area }
}

/// `width` columns of `area`, `skip` columns in, cut at its end.
fn side(area: Rect, skip: usize, width: usize) -> Rect {
    let skip = u16::try_from(skip).unwrap_or(u16::MAX).min(area.width);
    let width = u16::try_from(width).unwrap_or(u16::MAX).min(area.width - skip);
    Rect { x: area.x.saturating_add(skip), width, ..area }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everyone_gets_the_least_before_anyone_gets_more() {
        assert_eq!(share(14, [20, 20, 20], [4, 4, 3]), [5, 5, 4]);
        assert_eq!(share(10, [3, 20, 2], [4, 4, 3]), [3, 5, 2]);
        assert_eq!(share(5, [9, 9, 9], [4, 4, 3]), [4, 1, 0]);
        assert_eq!(share(100, [3, 4, 5], [4, 4, 3]), [3, 4, 5]);
    }

    #[test]
    fn areas_never_leave_their_parent() {
        let area = Rect::new(2, 3, 10, 5);
        assert_eq!(strip(area, 4, 9), Rect::new(2, 7, 10, 1));
        assert_eq!(strip(area, 9, 9).height, 0);
        assert_eq!(side(area, 8, 9), Rect::new(10, 3, 2, 5));
    }
}
