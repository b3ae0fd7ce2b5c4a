//! The keys, and what the marks mean.

use ratatui::text::{Line, Span};

use super::super::keys::KEYS;
use super::{Theme, heading, labelled, raw, text};

/// Marks and words of the screen.
const MARKS: [(&str, &str); 11] = [
    ("WAITING", "connections in the accept queue / what it holds: the backlog + 1"),
    ("██▒▒░░", "accept queue: waiting now, highest in the window, free"),
    ("SYN Q", "half-open requests (SYN_RECV)"),
    ("DROPS", "packets that the kernel refused at the listener; ~ is the kernel's hint, no count"),
    ("REFUSED", "distinct clients that met at least one drop"),
    ("NEW/s", "connections that entered the accept queue"),
    ("WAIT", "time in the accept queue until accept(), without the handshake"),
    ("run queue", "time a thread was ready to run and waited for a CPU"),
    ("exact e", "every event counted, or the kernel's own value"),
    ("sampled s", "a part of the events was looked at; estimated ~: derived from something else"),
    ("-", "nothing measured; press i for the reason"),
];

/// The page.
pub(super) fn lines(columns: usize) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    for (keys, does) in KEYS {
        lines.extend(entry(keys, does, columns));
    }
    lines.push(Line::default());
    lines.push(heading("Marks"));
    for (mark, means) in MARKS {
        lines.extend(entry(mark, means, columns));
    }
    lines
}

fn entry(name: &str, means: &str, columns: usize) -> Vec<Line<'static>> {
    let lead = 17_usize;
    let blank = " ".repeat(lead.saturating_sub(text::width(name)));
    let mut lines = labelled(&" ".repeat(lead), means, columns);
    if let Some(first) = lines.first_mut() {
        let mut spans = vec![Span::styled(name.to_owned(), Theme::key()), raw(blank)];
        spans.extend(first.spans.drain(..).skip(1));
        *first = Line::from(spans);
    }
    lines
}
