//! What keys do, over several frames.

use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::{Bench, FULL, control, key, letter, models};
use crate::view::tui::{Action, Page, Panel};

fn bench() -> Bench {
    let mut bench = Bench::new((120, 40), FULL);
    bench.draw(&models::overload());
    bench
}

fn selected_port(bench: &Bench) -> Option<u16> {
    bench.screen.state().listener.key().map(|key| key.port)
}

#[test]
fn quitting() {
    let snapshot = models::overload();
    assert_eq!(bench().press(&snapshot, &letter('q')), Action::Quit);
    assert_eq!(bench().press(&snapshot, &control('c')), Action::Quit);
    let mut typing = bench();
    typing.press(&snapshot, &letter('/'));
    assert_eq!(typing.press(&snapshot, &letter('q')), Action::Redraw);
    assert_eq!(typing.press(&snapshot, &control('c')), Action::Quit);
}

#[test]
fn a_released_key_does_nothing() {
    let mut released = KeyEvent::new(KeyCode::Char('q'), KeyModifiers::NONE);
    released.kind = KeyEventKind::Release;
    assert_eq!(bench().screen.handle(&Event::Key(released)), Action::None);
}

#[test]
fn sorting_anew_keeps_the_selected_listener() {
    let mut bench = bench();
    let snapshot = models::overload();
    bench.press(&snapshot, &letter('j'));
    assert_eq!(selected_port(&bench), Some(443));
    let mut sorted = snapshot.clone();
    sorted.model.listeners.reverse();
    bench.draw(&sorted);
    assert_eq!(selected_port(&bench), Some(443));
    sorted.model.listeners.retain(|listener| listener.port != 443);
    bench.draw(&sorted);
    assert!(selected_port(&bench).is_some());
}

#[test]
fn enter_traces_the_process_of_another_listener_once() {
    let mut bench = bench();
    let mut snapshot = models::overload();
    assert_eq!(bench.press(&snapshot, &key(KeyCode::Enter)), Action::Redraw);
    assert_eq!(bench.screen.state().page, Some(Page::Listener));
    bench.press(&snapshot, &key(KeyCode::Esc));
    bench.press(&snapshot, &letter('j'));
    assert_eq!(bench.press(&snapshot, &key(KeyCode::Enter)), Action::SelectProcess(811));
    bench.press(&snapshot, &key(KeyCode::Esc));
    bench.press(&snapshot, &key(KeyCode::Tab));
    bench.press(&snapshot, &letter('l'));
    assert_eq!(bench.press(&snapshot, &key(KeyCode::Enter)), Action::SelectProcess(812));
    assert!(bench.text().contains("Enter: trace this process"));
    snapshot.model.processes[0].pid = 812;
    bench.draw(&snapshot);
    assert_eq!(bench.press(&snapshot, &key(KeyCode::Enter)), Action::None);
    assert!(bench.text().contains("clock_nanosleep"));
}

#[test]
fn the_process_shown_is_the_traced_one_unless_the_user_chose() {
    let mut bench = bench();
    let mut snapshot = models::overload();
    snapshot.model.listeners[0].pids = vec![1, 4242, 4243];
    bench.draw(&snapshot);
    assert_eq!(bench.screen.state().pid(), Some(4242));
    bench.press(&snapshot, &letter('h'));
    assert_eq!(bench.screen.state().pid(), Some(1));
    bench.press(&snapshot, &letter('h'));
    assert_eq!(bench.screen.state().pid(), Some(1));
    bench.press(&snapshot, &letter('j'));
    assert_eq!(bench.screen.state().pid(), Some(811));
}

#[test]
fn the_window_has_two_ends() {
    let mut bench = bench();
    let snapshot = models::overload();
    assert_eq!(bench.press(&snapshot, &letter('+')), Action::WindowChanged(30));
    assert_eq!(bench.press(&snapshot, &letter('=')), Action::WindowChanged(60));
    assert_eq!(bench.press(&snapshot, &letter('+')), Action::None);
    for seconds in [30, 10, 5, 2, 1] {
        assert_eq!(bench.press(&snapshot, &letter('-')), Action::WindowChanged(seconds));
    }
    assert_eq!(bench.press(&snapshot, &letter('-')), Action::None);
    bench.screen.set_window(7);
    assert_eq!(bench.press(&snapshot, &letter('+')), Action::WindowChanged(10));
}

#[test]
fn a_frozen_screen_keeps_its_snapshot_until_space() {
    let mut bench = bench();
    let (before, after) = (models::overload(), models::healthy());
    bench.press(&before, &letter(' '));
    bench.draw(&after);
    assert!(bench.text().contains("FROZEN"));
    assert!(bench.text().contains("refuses 14 %"));
    assert_eq!(bench.screen.shown(&after), &before);
    bench.press(&after, &letter(' '));
    assert!(!bench.text().contains("FROZEN"));
    assert!(bench.text().contains("no connection was refused"));
    assert_eq!(bench.screen.shown(&after), &after);
}

#[test]
fn a_message_stays_until_the_next_key() {
    let mut bench = bench();
    let snapshot = models::overload();
    assert_eq!(bench.press(&snapshot, &letter('w')), Action::WriteReport);
    bench.screen.set_message("written: netscope-1.json".into());
    bench.draw(&snapshot);
    assert!(bench.text().ends_with("written: netscope-1.json"));
    assert_eq!(bench.press(&snapshot, &letter('x')), Action::Redraw);
    assert!(!bench.text().contains("written"));
}

#[test]
fn escape_goes_back_step_by_step() {
    let mut bench = bench();
    let snapshot = models::overload();
    for typed in "/8080".chars() {
        bench.press(&snapshot, &letter(typed));
    }
    bench.press(&snapshot, &key(KeyCode::Enter));
    bench.press(&snapshot, &key(KeyCode::Tab));
    bench.press(&snapshot, &letter('?'));
    bench.press(&snapshot, &key(KeyCode::Esc));
    assert_eq!((bench.screen.state().page, bench.screen.state().filter.as_str()), (None, "8080"));
    bench.press(&snapshot, &key(KeyCode::Esc));
    assert_eq!((bench.screen.state().filter.as_str(), bench.screen.state().panel), ("", Panel::Process));
    bench.press(&snapshot, &key(KeyCode::Esc));
    assert_eq!(bench.screen.state().panel, Panel::Listeners);
}

#[test]
fn a_page_scrolls_to_its_end_and_no_further() {
    let mut bench = Bench::new((80, 24), FULL);
    let snapshot = models::overload();
    bench.draw(&snapshot);
    bench.press(&snapshot, &letter('?'));
    let first = bench.text();
    bench.press(&snapshot, &letter('G'));
    let last = bench.text();
    assert_ne!(first, last);
    assert!(last.contains("press i for the reason"));
    bench.press(&snapshot, &letter('j'));
    assert_eq!(bench.text(), last);
    bench.press(&snapshot, &letter('g'));
    assert_eq!(bench.text(), first);
}

#[test]
fn the_page_of_a_finding_that_vanished_closes() {
    let mut bench = bench();
    let snapshot = models::overload();
    bench.press(&snapshot, &key(KeyCode::BackTab));
    bench.press(&snapshot, &key(KeyCode::Enter));
    assert_eq!(bench.screen.state().page, Some(Page::Finding));
    bench.draw(&models::healthy());
    assert_eq!(bench.screen.state().page, None);
}

#[test]
fn names_from_outside_cannot_move_the_cursor() {
    let mut bench = Bench::new((200, 60), FULL);
    let mut snapshot = models::overload();
    bench.draw(&snapshot);
    snapshot.model.listeners[0].comms = vec!["\u{1b}[2Jevil\n".into()];
    snapshot.model.processes[0].comm = "\u{1b}]0;x\u{7}".into();
    snapshot.assessment.findings[0].title = "a\u{1b}[31mb".into();
    for page in [None, Some(letter('?')), Some(letter('i')), Some(key(KeyCode::Enter))] {
        if let Some(event) = page {
            bench.press(&snapshot, &event);
        }
        bench.draw(&snapshot);
        let buffer = bench.terminal.backend().buffer();
        assert!(buffer.content.iter().all(|cell| !cell.symbol().contains(char::is_control)));
        bench.press(&snapshot, &key(KeyCode::Esc));
    }
    assert!(bench.text().contains("?[2Jevil?"));
}
