//! The terminal itself: the only file here that touches the outside.

use std::io::{self, Stdout, stdout};
use std::os::fd::AsFd;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossterm::event::{self, Event};
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use crossterm::{cursor, execute};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
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
/// When the terminal cannot be read; [`io::ErrorKind::BrokenPipe`] when it is gone.
pub fn next_event(timeout: Duration) -> io::Result<Option<Event>> {
    // crossterm takes a read of nothing, which is all that a closed terminal gives, for a reason to read again
    // at once and for ever: it may not be asked to wait, nor at all once the terminal is gone.
    await_input(Duration::ZERO)?;
    if event::poll(Duration::ZERO)? {
        return event::read().map(Some);
    }
    await_input(timeout)?;
    if event::poll(Duration::ZERO)? { event::read().map(Some) } else { Ok(None) }
}

/// Waits until standard input is readable, a signal arrives or the time is over.
fn await_input(timeout: Duration) -> io::Result<()> {
    let input = io::stdin();
    let mut terminal = [PollFd::new(input.as_fd(), PollFlags::POLLIN)];
    match poll(&mut terminal, PollTimeout::try_from(timeout).unwrap_or(PollTimeout::MAX)) {
        // A new size is told by a signal.
        Ok(_) | Err(Errno::EINTR) => {}
        Err(errno) => return Err(errno.into()),
    }
    let gone = PollFlags::POLLHUP | PollFlags::POLLERR | PollFlags::POLLNVAL;
    let [terminal] = terminal;
    if terminal.revents().is_some_and(|events| events.intersects(gone)) {
        return Err(io::Error::new(io::ErrorKind::BrokenPipe, "the terminal is gone"));
    }
    Ok(())
}
