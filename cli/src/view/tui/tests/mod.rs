//! Tests of the whole screen on models made by hand.

mod golden;
pub(super) mod models;
mod random;
mod session;

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Cell;

use super::{Screen, Snapshot, Theme};

/// A theme with everything.
const FULL: Theme = Theme { colour: true, unicode: true };

fn key(code: KeyCode) -> Event {
    Event::Key(code.into())
}

fn letter(letter: char) -> Event {
    key(KeyCode::Char(letter))
}

fn control(letter: char) -> Event {
    Event::Key(KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL))
}

/// A screen of one size with what it shows.
struct Bench {
    screen: Screen,
    terminal: Terminal<TestBackend>,
}

impl Bench {
    fn new(size: (u16, u16), theme: Theme) -> Self {
        let terminal = Terminal::new(TestBackend::new(size.0, size.1)).unwrap();
        Self { screen: Screen::new(theme), terminal }
    }

    fn draw(&mut self, snapshot: &Snapshot) {
        self.screen.draw(&mut self.terminal, snapshot).unwrap();
    }

    fn press(&mut self, snapshot: &Snapshot, event: &Event) -> super::Action {
        let action = self.screen.handle(event);
        self.draw(snapshot);
        action
    }

    /// The screen as text, one line per row, without trailing blanks.
    fn text(&self) -> String {
        let buffer = self.terminal.backend().buffer();
        let columns = usize::from(buffer.area.width).max(1);
        let rows = buffer.content.chunks(columns);
        let rows = rows.map(|row| row.iter().map(Cell::symbol).collect::<String>().trim_end().to_owned());
        rows.collect::<Vec<_>>().join("\n")
    }
}
