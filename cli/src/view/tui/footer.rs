//! The last line: a message, the filter being typed, or the keys.

use ratatui::text::{Line, Span};

use super::keys::HINTS;
use super::state::Page;
use super::text::fit;
use super::theme::Theme;
use super::view::{View, dim, raw};
use super::words;

/// The line.
pub(super) fn line(view: &View<'_>, columns: usize) -> Line<'static> {
    if let Some(message) = &view.state.message {
        let style = Theme::caution().patch(Theme::strong());
        return fit(Line::from(Span::styled(words::clean(message), style)), columns);
    }
    if view.state.typing {
        let mut line = Line::from(vec![
            Span::styled("/", Theme::key()),
            raw(view.state.filter.clone()),
            Span::styled(" ", Theme::selected()),
        ]);
        let hint = "  Enter keeps, Esc clears; port: pid: comm:";
        if line.width() + hint.len() <= columns {
            line.push_span(dim(hint));
        }
        return fit(line, columns);
    }
    match view.state.page {
        None => hints(&HINTS, columns),
        Some(Page::Listener | Page::Finding | Page::Help | Page::Measured) => {
            hints(&[("Esc", "back"), ("j k", "scroll"), ("PgUp PgDn", "page"), ("q", "quit")], columns)
        }
    }
}

/// As many hints as fit whole.
fn hints(all: &[(&'static str, &'static str)], columns: usize) -> Line<'static> {
    let mut line = Line::default();
    for (key, does) in all {
        let lead = if line.spans.is_empty() { "" } else { "  " };
        if line.width() + lead.len() + key.len() + 1 + does.len() > columns {
            break;
        }
        line.push_span(raw(lead));
        line.push_span(Span::styled(*key, Theme::key()));
        line.push_span(dim(format!(" {does}")));
    }
    line
}
