//! What a key does to the state, and what it asks of the command.

use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::keys::{self, Intent};
use super::state::{Page, Panel, State, WINDOWS};

/// Longest filter text, characters.
const FILTER_MOST: usize = 60;

/// What the command must do after an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing changed.
    None,
    /// Leave.
    Quit,
    /// Trace this process instead of the present one, then draw.
    SelectProcess(i32),
    /// Compute over a window of so many seconds, then draw.
    WindowChanged(u32),
    /// Write what is shown as a report, put the path or the error into the message line, then draw.
    WriteReport,
    /// Draw.
    Redraw,
}

/// Applies one event.
pub fn update(state: &mut State, event: &Event) -> Action {
    match event {
        Event::Key(key) if key.kind != KeyEventKind::Release => {
            let had_message = state.message.take().is_some();
            let action = if state.typing { type_filter(state, *key) } else { press(state, *key) };
            if action == Action::None && had_message { Action::Redraw } else { action }
        }
        Event::Resize(_, _) => Action::Redraw,
        _ => Action::None,
    }
}

/// A key while the filter is typed.
fn type_filter(state: &mut State, key: KeyEvent) -> Action {
    let control = key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT);
    match key.code {
        KeyCode::Char('c') if control => return Action::Quit,
        KeyCode::Char('u') if control => state.filter.clear(),
        KeyCode::Char(_) if control => return Action::None,
        KeyCode::Char(letter) if !letter.is_control() => {
            if state.filter.chars().count() < FILTER_MOST {
                state.filter.push(letter);
            }
        }
        KeyCode::Backspace => {
            if state.filter.pop().is_none() {
                state.typing = false;
            }
        }
        KeyCode::Enter => state.typing = false,
        KeyCode::Esc => {
            state.filter.clear();
            state.typing = false;
        }
        _ => return Action::None,
    }
    Action::Redraw
}

/// A key at any other time.
fn press(state: &mut State, key: KeyEvent) -> Action {
    let Some(intent) = keys::intent(key) else {
        return Action::None;
    };
    match intent {
        Intent::Quit => return Action::Quit,
        Intent::Write => return Action::WriteReport,
        Intent::Open => return open(state),
        Intent::Wider => return change_window(state, true),
        Intent::Narrower => return change_window(state, false),
        Intent::Repaint => {}
        Intent::Help => toggle(state, Page::Help),
        Intent::Measured => toggle(state, Page::Measured),
        Intent::Freeze => state.frozen = !state.frozen,
        Intent::Back => back(state),
        Intent::Filter => {
            state.page = None;
            state.typing = true;
        }
        Intent::NextPanel => focus(state, state.panel.next()),
        Intent::PreviousPanel => focus(state, state.panel.previous()),
        Intent::Left => choose_process(state, false),
        Intent::Right => choose_process(state, true),
        Intent::Up => travel(state, -1),
        Intent::Down => travel(state, 1),
        Intent::PageUp => travel(state, -page(state)),
        Intent::PageDown => travel(state, page(state)),
        Intent::First => travel(state, isize::MIN),
        Intent::Last => travel(state, isize::MAX),
    }
    Action::Redraw
}

/// Opens a page over the panels, or closes it.
fn toggle(state: &mut State, page: Page) {
    state.page = if state.page == Some(page) { None } else { Some(page) };
    state.scroll = 0;
}

/// Enter: the page of the selected row; a process that is not traced yet is asked for.
fn open(state: &mut State) -> Action {
    if state.page.is_some() {
        return Action::None;
    }
    let page = match state.panel {
        Panel::Listeners => state.listener.key().map(|_| Page::Listener),
        Panel::Findings => state.finding.key().map(|_| Page::Finding),
        Panel::Process => None,
    };
    if page.is_some() {
        state.page = page;
        state.scroll = 0;
    }
    let untraced = state.pid().filter(|pid| !state.shown.traced.contains(pid));
    match (state.panel, untraced) {
        (Panel::Listeners | Panel::Process, Some(pid)) => {
            state.chosen_pid = Some(pid);
            Action::SelectProcess(pid)
        }
        _ if page.is_some() => Action::Redraw,
        _ => Action::None,
    }
}

/// Esc: one step back.
fn back(state: &mut State) {
    state.scroll = 0;
    if state.page.take().is_some() {
        return;
    }
    if state.filter.is_empty() {
        state.panel = Panel::Listeners;
    } else {
        state.filter.clear();
    }
}

/// Moves the focus; a page is closed.
const fn focus(state: &mut State, panel: Panel) {
    state.panel = panel;
    state.page = None;
    state.scroll = 0;
}

/// Steps through [`WINDOWS`]; a window from elsewhere steps to its neighbour.
fn change_window(state: &mut State, wider: bool) -> Action {
    let now = state.window_seconds;
    let next = if wider {
        WINDOWS.into_iter().find(|seconds| *seconds > now)
    } else {
        WINDOWS.into_iter().rev().find(|seconds| *seconds < now)
    };
    next.map_or(Action::None, |seconds| {
        state.window_seconds = seconds;
        Action::WindowChanged(seconds)
    })
}

/// Shows the next or previous process of the selected listener.
fn choose_process(state: &mut State, forward: bool) {
    let pids = &state.shown.pids;
    let place = state.pid().and_then(|shown| pids.iter().position(|pid| *pid == shown));
    let Some(place) = place else { return };
    let next = if forward { place.saturating_add(1) } else { place.saturating_sub(1) };
    if let Some(pid) = pids.get(next) {
        state.chosen_pid = Some(*pid);
        if state.page.is_none() {
            state.scroll = 0;
        }
    }
}

/// Moves the selection, or scrolls where there is none.
fn travel(state: &mut State, delta: isize) {
    if state.page.is_some() {
        state.scroll = state.scroll.saturating_add_signed(delta).min(state.extent.scroll);
        return;
    }
    match state.panel {
        Panel::Listeners => state.listener.step(&state.shown.listeners, delta),
        Panel::Findings => state.finding.step(&state.shown.findings, delta),
        Panel::Process => {
            state.scroll = state.scroll.saturating_add_signed(delta).min(state.extent.scroll);
        }
    }
}

/// Rows that one page key moves.
fn page(state: &State) -> isize {
    isize::try_from(state.extent.page.saturating_sub(1).max(1)).unwrap_or(1)
}

/// Whether the whole terminal is to be painted anew; a change of its size does that by itself.
pub(super) fn asks_for_repaint(event: &Event) -> bool {
    matches!(event, Event::Key(key) if keys::intent(*key) == Some(Intent::Repaint))
}
