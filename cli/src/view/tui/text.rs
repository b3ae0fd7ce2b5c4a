//! Lines that fit: cutting, padding and wrapping by display width.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::theme::Theme;

/// Where a cell's text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Align {
    /// At the left edge.
    Left,
    /// At the right edge.
    Right,
}

/// Columns that `text` takes.
pub(super) fn width(text: &str) -> usize {
    Span::raw(text).width()
}

/// The line in at most `columns` columns; what was cut shows as "…".
pub(super) fn fit(line: Line<'static>, columns: usize) -> Line<'static> {
    if line.width() <= columns {
        return line;
    }
    let mut kept: Vec<Span<'static>> = Vec::new();
    let mut used = 0;
    for grapheme in line.styled_graphemes(Style::new()) {
        let wide = width(grapheme.symbol);
        if used + wide > columns.saturating_sub(1) {
            break;
        }
        used += wide;
        match kept.last_mut() {
            Some(last) if last.style == grapheme.style => last.content.to_mut().push_str(grapheme.symbol),
            _ => kept.push(Span::styled(grapheme.symbol.to_owned(), grapheme.style)),
        }
    }
    if columns > 0 {
        let style = kept.last().map_or_else(Style::new, |span| span.style);
        kept.push(Span::styled("…", style));
    }
    Line::from(kept)
}

/// The line in exactly `columns` columns.
pub(super) fn pad(line: Line<'static>, columns: usize, align: Align) -> Line<'static> {
    let line = fit(line, columns);
    let blank = " ".repeat(columns.saturating_sub(line.width()));
    let mut spans = line.spans;
    match align {
        Align::Left => spans.push(Span::raw(blank)),
        Align::Right => spans.insert(0, Span::raw(blank)),
    }
    Line::from(spans)
}

/// `left` and `right` at the two ends of a line of `columns`; the right one gives way.
pub(super) fn ends(left: Line<'static>, right: Line<'static>, columns: usize) -> Line<'static> {
    let free = columns.saturating_sub(left.width());
    if right.width() + 2 > free {
        return fit(left, columns);
    }
    let mut spans = left.spans;
    spans.push(Span::raw(" ".repeat(free - right.width())));
    spans.extend(right.spans);
    Line::from(spans)
}

/// A titled rule that starts a panel. The focused one is marked by its symbol too.
pub(super) fn rule(title: Line<'static>, focused: bool, columns: usize) -> Line<'static> {
    let style = Theme::title(focused);
    let mut spans = vec![Span::styled(if focused { "━▸ " } else { "── " }, style)];
    spans.extend(fit(title, columns.saturating_sub(5)).spans);
    spans.push(Span::raw(" "));
    let used = Line::from(spans.clone()).width();
    let stroke = if focused { "━" } else { "─" };
    spans.push(Span::styled(stroke.repeat(columns.saturating_sub(used)), style));
    fit(Line::from(spans), columns)
}

/// Breaks text at blanks into lines of at most `columns`; longer words are split. Keeps inner blanks and line
/// breaks, so that commands stay what they are.
pub(super) fn wrap(text: &str, columns: usize) -> Vec<String> {
    let mut lines = Vec::new();
    if columns == 0 {
        return lines;
    }
    for paragraph in text.split('\n') {
        let mut line = String::new();
        let mut used = 0;
        for word in paragraph.split_inclusive(' ') {
            let bare = width(word.trim_end_matches(' '));
            if used > 0 && used + bare > columns {
                lines.push(line.trim_end().to_owned());
                line.clear();
                used = 0;
            }
            for grapheme in Span::raw(word).styled_graphemes(Style::new()) {
                let wide = width(grapheme.symbol);
                if used > 0 && used + wide > columns && grapheme.symbol != " " {
                    lines.push(line.trim_end().to_owned());
                    line.clear();
                    used = 0;
                }
                line.push_str(grapheme.symbol);
                used += wide;
            }
        }
        lines.push(line.trim_end().to_owned());
    }
    lines
}

/// Wraps into at most `most` lines; when that is not enough the last one ends in "…".
pub(super) fn wrap_to(text: &str, columns: usize, most: usize) -> Vec<String> {
    let mut lines = wrap(text, columns);
    if lines.len() > most {
        lines.truncate(most);
        if let Some(last) = lines.last_mut() {
            let open = format!("{last} …");
            let open = if width(&open) > columns { format!("{last}…") } else { open };
            *last = fit(Line::raw(open), columns).spans.iter().map(|span| span.content.as_ref()).collect();
        }
    }
    lines
}

/// Writes `lines` into `area` from the top; what does not fit is left out.
pub(super) fn paint(lines: &[Line<'_>], area: Rect, buffer: &mut Buffer) {
    let area = area.intersection(buffer.area);
    for (line, row) in lines.iter().zip(area.rows()) {
        buffer.set_line(row.x, row.y, line, row.width);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(line: &Line<'_>) -> String {
        line.spans.iter().map(|span| span.content.as_ref()).collect()
    }

    #[test]
    fn cut_text_says_so() {
        assert_eq!(text(&fit(Line::raw("accept queue"), 12)), "accept queue");
        assert_eq!(text(&fit(Line::raw("accept queue"), 7)), "accept…");
        assert_eq!(text(&fit(Line::raw("accept"), 0)), "");
        assert_eq!(text(&fit(Line::raw("漢字漢字"), 4)), "漢…");
    }

    #[test]
    fn styles_survive_the_cut() {
        let line = Line::from(vec![Span::styled("ab", Theme::harm()), Span::raw("cdef")]);
        let cut = fit(line, 4);
        assert_eq!(text(&cut), "abc…");
        assert_eq!(cut.spans.first().map(|span| span.style), Some(Theme::harm()));
    }

    #[test]
    fn wrapping_keeps_words_and_breaks() {
        assert_eq!(wrap("raise the limit", 9), ["raise the", "limit"]);
        assert_eq!(wrap("a\n  b", 9), ["a", "  b"]);
        assert_eq!(wrap("abcdefghij", 4), ["abcd", "efgh", "ij"]);
        assert_eq!(wrap_to("raise the limit now", 9, 1), ["raise th…"]);
        assert_eq!(wrap_to("one two three", 8, 1), ["one two…"]);
    }

    #[test]
    fn the_two_ends_never_overlap() {
        assert_eq!(text(&ends(Line::raw("left"), Line::raw("right"), 12)), "left   right");
        assert_eq!(text(&ends(Line::raw("left"), Line::raw("right"), 10)), "left");
    }

    proptest! {
        #[test]
        fn nothing_is_wider_than_asked(words in "[a-z漢é ]{0,60}", columns in 0_usize..30) {
            prop_assert!(fit(Line::raw(words.clone()), columns).width() <= columns);
            prop_assert_eq!(pad(Line::raw(words.clone()), columns, Align::Right).width(), columns);
            if columns > 1 {
                for line in wrap_to(&words, columns, 2) {
                    prop_assert!(width(&line) <= columns);
                }
            }
        }
    }
}
