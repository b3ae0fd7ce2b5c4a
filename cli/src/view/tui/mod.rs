//! The live screen: a state that keys change, and a picture of one snapshot.
//!
//! Everything but [`terminal`] is pure: a [`Snapshot`] is handed in, lines come out. The command owns the
//! poll loop, the sampling and the files:
//!
//! ```text
//! let mut guard = terminal::enter()?;
//! let mut screen = Screen::new(theme);
//! loop {
//!     screen.draw(guard.terminal(), &snapshot)?;
//!     // wait for the timer, a signal or the terminal
//!     while let Some(event) = terminal::next_event(Duration::ZERO)? {
//!         match screen.handle(&event) { ... }
//!     }
//! }
//! ```

mod compact;
mod filter;
mod findings;
mod footer;
mod header;
mod keys;
mod listeners;
mod numbers;
mod pages;
mod process;
mod render;
mod state;
mod table;
pub mod terminal;
mod text;
mod theme;
mod update;
mod view;
mod words;

#[cfg(test)]
mod tests;

use crossterm::event::Event;
use ratatui::Terminal;
use ratatui::backend::Backend;

use crate::findings::Assessment;
use crate::model::Model;

pub use state::{FindingKey, ListenerKey, Page, Panel, Selection, State, WINDOWS};
pub use theme::Theme;
pub use update::{Action, update};

/// What netscope itself costs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Own {
    /// Processor time of netscope over the last refresh, per cent of one CPU.
    pub cpu_percent: Option<f64>,
    /// Resident memory of netscope, bytes.
    pub rss_bytes: Option<u64>,
}

/// Everything one frame shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// The report.
    pub model: Model,
    /// What the rules said of it.
    pub assessment: Assessment,
    /// What netscope itself costs.
    pub own: Own,
    /// When it was taken, milliseconds since the epoch.
    pub unix_ms: u64,
}

/// The screen: the user's choices, and the snapshot that stays while it is frozen.
#[derive(Debug)]
pub struct Screen {
    theme: Theme,
    state: State,
    frozen: Option<Box<Snapshot>>,
    repaint: bool,
}

impl Screen {
    /// A screen with a window of ten seconds.
    #[must_use]
    pub fn new(theme: Theme) -> Self {
        Self { theme, state: State::new(), frozen: None, repaint: false }
    }

    /// What the user chose.
    #[must_use]
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// Sets the length of the window, seconds, as the command line asked for it.
    pub const fn set_window(&mut self, seconds: u32) {
        self.state.window_seconds = seconds;
    }

    /// Shows one line for the user until the next key.
    pub fn set_message(&mut self, message: String) {
        self.state.message = Some(message);
    }

    /// The snapshot that is on the screen: the kept one while frozen, else `live`. A report is written of it.
    #[must_use]
    pub fn shown<'a>(&'a self, live: &'a Snapshot) -> &'a Snapshot {
        self.frozen.as_deref().unwrap_or(live)
    }

    /// Draws a frame of `live`, or of the snapshot that was on the screen when it was frozen.
    ///
    /// # Errors
    ///
    /// When the terminal cannot be written.
    pub fn draw<B: Backend>(&mut self, terminal: &mut Terminal<B>, live: &Snapshot) -> Result<(), B::Error> {
        if !self.state.frozen {
            self.frozen = None;
        } else if self.frozen.is_none() {
            self.frozen = Some(Box::new(live.clone()));
        }
        if std::mem::take(&mut self.repaint) {
            // `Terminal::clear` would ask the terminal for its cursor and wait for the answer.
            let area = terminal.current_buffer_mut().area;
            terminal.resize(area)?;
        }
        let snapshot = self.frozen.as_deref().unwrap_or(live);
        self.state.observe(snapshot);
        let view = view::View { snapshot, state: &self.state, live_unix_ms: live.unix_ms };
        let mut extent = state::Extent::default();
        terminal.draw(|frame| {
            let area = frame.area();
            extent = render::render(&view, area, frame.buffer_mut());
            self.theme.finish(frame.buffer_mut());
        })?;
        self.state.extent = extent;
        self.state.scroll = self.state.scroll.min(extent.scroll);
        Ok(())
    }

    /// Applies one event and says what the command must do.
    pub fn handle(&mut self, event: &Event) -> Action {
        self.repaint |= update::asks_for_repaint(event);
        update(&mut self.state, event)
    }
}
