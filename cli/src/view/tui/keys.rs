//! Which key means what, in one table that the help page prints as well.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Intent {
    Quit,
    Help,
    Measured,
    Up,
    Down,
    Left,
    Right,
    PageUp,
    PageDown,
    First,
    Last,
    NextPanel,
    PreviousPanel,
    Open,
    Back,
    Filter,
    Freeze,
    Wider,
    Narrower,
    Write,
    Repaint,
}

/// The keys as the help page lists them.
pub(super) const KEYS: [(&str, &str); 13] = [
    ("Tab, Shift-Tab", "next, previous panel"),
    ("arrows, h j k l", "move; left and right choose among the processes of a listener"),
    ("PgUp PgDn g G", "page up, page down, first, last"),
    ("Enter", "open a listener or a finding; trace the process that is shown"),
    ("Esc", "back: close the page, clear the filter, first panel"),
    ("/", "filter: words, port:8080, pid:42, comm:nginx; Enter keeps it, Esc clears it"),
    ("Space", "freeze the screen; counting goes on"),
    ("+ -", "longer, shorter window: 1, 2, 5, 10, 30, 60 s"),
    ("w", "write what is shown as a JSON report"),
    ("i", "what is measured here, what is not, and why"),
    ("Ctrl-L", "paint the screen anew"),
    ("?", "this page"),
    ("q, Ctrl-C", "quit"),
];

/// Hints for the footer, the most useful first.
pub(super) const HINTS: [(&str, &str); 9] = [
    ("?", "help"),
    ("q", "quit"),
    ("Tab", "panel"),
    ("Enter", "open"),
    ("/", "filter"),
    ("Space", "freeze"),
    ("+-", "window"),
    ("w", "write"),
    ("i", "probes"),
];

/// The meaning of a key outside text input; `None` when it has none.
pub(super) fn intent(key: KeyEvent) -> Option<Intent> {
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return match key.code {
            KeyCode::Char('c') => Some(Intent::Quit),
            KeyCode::Char('l') => Some(Intent::Repaint),
            KeyCode::Char('d') => Some(Intent::PageDown),
            KeyCode::Char('u') => Some(Intent::PageUp),
            _ => None,
        };
    }
    Some(match key.code {
        KeyCode::Char('q') => Intent::Quit,
        KeyCode::Char('?') | KeyCode::F(1) => Intent::Help,
        KeyCode::Char('i') => Intent::Measured,
        KeyCode::Up | KeyCode::Char('k') => Intent::Up,
        KeyCode::Down | KeyCode::Char('j') => Intent::Down,
        KeyCode::Left | KeyCode::Char('h') => Intent::Left,
        KeyCode::Right | KeyCode::Char('l') => Intent::Right,
        KeyCode::PageUp => Intent::PageUp,
        KeyCode::PageDown => Intent::PageDown,
        KeyCode::Home | KeyCode::Char('g') => Intent::First,
        KeyCode::End | KeyCode::Char('G') => Intent::Last,
        KeyCode::BackTab => Intent::PreviousPanel,
        KeyCode::Tab if key.modifiers.contains(KeyModifiers::SHIFT) => Intent::PreviousPanel,
        KeyCode::Tab => Intent::NextPanel,
        KeyCode::Enter => Intent::Open,
        KeyCode::Esc | KeyCode::Backspace => Intent::Back,
        KeyCode::Char('/') => Intent::Filter,
        KeyCode::Char(' ') => Intent::Freeze,
        KeyCode::Char('+' | '=') => Intent::Wider,
        KeyCode::Char('-' | '_') => Intent::Narrower,
        KeyCode::Char('w') => Intent::Write,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_to_quit() {
        assert_eq!(intent(KeyCode::Char('q').into()), Some(Intent::Quit));
        assert_eq!(intent(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)), Some(Intent::Quit));
        assert_eq!(intent(KeyCode::Char('c').into()), None);
    }

    #[test]
    fn h_moves_and_does_not_open_help() {
        assert_eq!(intent(KeyCode::Char('h').into()), Some(Intent::Left));
        assert_eq!(intent(KeyCode::Char('?').into()), Some(Intent::Help));
    }

    #[test]
    fn both_codes_of_shift_tab() {
        assert_eq!(intent(KeyCode::BackTab.into()), Some(Intent::PreviousPanel));
        assert_eq!(intent(KeyEvent::new(KeyCode::Tab, KeyModifiers::SHIFT)), Some(Intent::PreviousPanel));
    }
}
