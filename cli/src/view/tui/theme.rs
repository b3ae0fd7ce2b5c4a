//! Styles and symbols. Every meaning is in the text as well: colours and bold only help the eye.

use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Span;

use crate::findings::Severity;

/// What the terminal can show; chosen by the caller from NO_COLOR, the locale and the options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Theme {
    /// Whether colours are used; bold, dim and reversed text stay.
    pub colour: bool,
    /// Whether characters outside ASCII are shown; otherwise each is replaced by an ASCII one.
    pub unicode: bool,
}

impl Theme {
    /// Text that the eye must find.
    pub(super) fn strong() -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// Labels, units and qualities.
    pub(super) fn dim() -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    /// The selected row of the focused panel.
    pub(super) fn selected() -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// Damage: drops, full queues, lost events.
    pub(super) fn harm() -> Style {
        Style::new().fg(Color::Red).add_modifier(Modifier::BOLD)
    }

    /// Something to look at: a missing probe, a limit that comes near.
    pub(super) fn caution() -> Style {
        Style::new().fg(Color::Yellow)
    }

    /// Titles of panels.
    pub(super) fn title(focused: bool) -> Style {
        if focused { Style::new().fg(Color::Cyan).add_modifier(Modifier::BOLD) } else { Self::dim() }
    }

    /// Keys in hints.
    pub(super) fn key() -> Style {
        Style::new().fg(Color::Cyan).add_modifier(Modifier::BOLD)
    }

    /// Text about a severity; `None` when nothing was checked.
    pub(super) fn severity(severity: Option<Severity>) -> Style {
        let colour = match severity {
            Some(Severity::Fail) => Color::Red,
            Some(Severity::Warn) => Color::Yellow,
            Some(Severity::Info) => Color::Cyan,
            Some(Severity::Pass) => Color::Green,
            None => Color::Reset,
        };
        Style::new().fg(colour).add_modifier(Modifier::BOLD)
    }

    /// The word for a severity as a reversed tag, six columns wide.
    pub(super) fn tag(severity: Option<Severity>) -> Span<'static> {
        Span::styled(tag_text(severity), Self::severity(severity).add_modifier(Modifier::REVERSED))
    }

    /// Takes out of a drawn buffer what this terminal cannot show.
    pub(super) fn finish(self, buffer: &mut Buffer) {
        for cell in &mut buffer.content {
            if !self.colour {
                cell.fg = Color::Reset;
                cell.bg = Color::Reset;
            }
            if !self.unicode && !cell.symbol().is_ascii() {
                let replacement = cell.symbol().chars().next().map_or(' ', ascii);
                cell.set_char(replacement);
            }
        }
    }
}

/// The word for a severity with a blank on both sides.
const fn tag_text(severity: Option<Severity>) -> &'static str {
    match severity {
        Some(Severity::Fail) => " FAIL ",
        Some(Severity::Warn) => " WARN ",
        Some(Severity::Info) => " INFO ",
        Some(Severity::Pass) => "  OK  ",
        None => "  --  ",
    }
}

/// The nearest ASCII character.
const fn ascii(symbol: char) -> char {
    match symbol {
        '─' | '━' | '–' | '—' => '-',
        '│' => '|',
        '█' => '#',
        '▒' => '+',
        '░' | '·' => '.',
        '▸' => '>',
        '…' => '~',
        'µ' | 'μ' => 'u',
        '≤' => '<',
        '↑' => '^',
        '↓' => 'v',
        '“' | '”' => '"',
        '‘' | '’' => '\'',
        '×' => 'x',
        '\u{a0}' | '\u{202f}' => ' ',
        _ => '?',
    }
}

/// A gauge of `width` cells: in use now, highest in the window, free. It is full only when nothing is free,
/// and empty only when nothing is in use.
pub(super) fn gauge(now: u64, peak: u64, capacity: u64, width: u16) -> String {
    let width = u64::from(width);
    let cells = |value: u64| -> u64 {
        if value == 0 || capacity == 0 || width == 0 {
            0
        } else if value >= capacity {
            width
        } else {
            let scaled = u128::from(value) * u128::from(width) / u128::from(capacity);
            u64::try_from(scaled).unwrap_or(width).max(1)
        }
    };
    let used = cells(now);
    let seen = cells(peak.max(now));
    (0..width)
        .map(|cell| {
            if cell < used {
                '█'
            } else if cell < seen {
                '▒'
            } else {
                '░'
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::layout::Rect;

    #[test]
    fn a_gauge_shows_use_and_peak() {
        assert_eq!(gauge(0, 0, 129, 10), "░░░░░░░░░░");
        assert_eq!(gauge(1, 1, 4097, 10), "█░░░░░░░░░");
        assert_eq!(gauge(128, 129, 129, 10), "█████████▒");
        assert_eq!(gauge(129, 129, 129, 10), "██████████");
        assert_eq!(gauge(30, 60, 100, 10), "███▒▒▒░░░░");
        assert_eq!(gauge(5, 9, 0, 4), "░░░░");
        assert_eq!(gauge(u64::MAX - 1, u64::MAX, u64::MAX, 3), "██▒");
        assert_eq!(gauge(5, 9, 10, 0), "");
    }

    #[test]
    fn a_plain_terminal_gets_ascii_without_colours() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 12, 1));
        buffer.set_string(0, 0, "█▒░ …µs 漢 é", Theme::harm());
        Theme { colour: false, unicode: false }.finish(&mut buffer);
        assert!(buffer.content.iter().all(|cell| cell.symbol().is_ascii()));
        assert!(buffer.content.iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset));
        let text: String = buffer.content.iter().map(ratatui::buffer::Cell::symbol).collect();
        assert_eq!(text, "#+. ~us ?  ?");
    }
}
