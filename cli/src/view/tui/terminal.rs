//! The terminal itself: the only file here that touches the outside.

use std::io::{self, Stdout, stdout};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossterm::event::{self, Event};
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use crossterm::{cursor, execute};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;

/// Whether the terminal is ours at the moment.
static TAKEN: AtomicBool = AtomicBool::new(false);
static HOOK: Once = Once::new();

/// The terminal in raw mode on its alternate screen with a hidden cursor. Dropping it gives the terminal back.
pub struct TerminalGuard {
    terminal: Terminal<CrosstermBackend<Stdout>>,
}

impl TerminalGuard {
    /// The terminal to draw on.
    pub const fn terminal(&mut self) -> &mut Terminal<CrosstermBackend<Stdout>> {
        &mut self.terminal
    }
}

impl Drop for TerminalGuard {
    fn drop(&mut self) {
        restore();
    }
}

/// Takes the terminal. From here on a panic of any thread gives it back before its message is printed.
///
/// # Errors
///
/// When the terminal's mode cannot be changed or standard output cannot be written; the terminal is then as
/// it was.
pub fn enter() -> io::Result<TerminalGuard> {
    HOOK.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            restore();
            previous(panic);
        }));
    });
    TAKEN.store(true, Ordering::SeqCst);
    take().inspect_err(|_| restore())
}

fn take() -> io::Result<TerminalGuard> {
    enable_raw_mode()?;
    execute!(stdout(), EnterAlternateScreen, cursor::Hide)?;
    let terminal = Terminal::new(CrosstermBackend::new(stdout()))?;
    Ok(TerminalGuard { terminal })
}

/// Gives the terminal back, once, however often it is called. For the ways out that run no destructor; not for
/// a signal handler itself (it takes locks), but for the loop that learned of the signal.
pub fn restore() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        // Nothing is left to be done for a terminal that is gone.
        let _ = execute!(stdout(), LeaveAlternateScreen, cursor::Show);
        let _ = disable_raw_mode();
    }
}

/// The next event, waiting at most `timeout`. Several can be buffered behind one readable standard input: ask
/// with a zero timeout until there is none.
///
/// # Errors
///
/// When the terminal cannot be read.
pub fn next_event(timeout: Duration) -> io::Result<Option<Event>> {
    if event::poll(timeout)? { event::read().map(Some) } else { Ok(None) }
}
