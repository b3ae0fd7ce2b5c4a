//! Any keys in any order at any size.

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use proptest::prelude::*;

use super::{Bench, FULL, models};
use crate::view::tui::{Action, Snapshot, WINDOWS};

/// What can happen to a screen.
#[derive(Clone, Debug)]
enum Step {
    Key(KeyEvent),
    Size(u16, u16),
    Data(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let code = prop_oneof![
        6 => proptest::sample::select(vec!['q', '?', 'i', 'h', 'j', 'k', 'l', 'g', 'G', '/', ' ', '+', '-', 'w'])
            .prop_map(KeyCode::Char),
        1 => any::<char>().prop_map(KeyCode::Char),
        6 => proptest::sample::select(vec![
            KeyCode::Tab, KeyCode::BackTab, KeyCode::Enter, KeyCode::Esc, KeyCode::Up, KeyCode::Down,
            KeyCode::Left, KeyCode::Right, KeyCode::PageUp, KeyCode::PageDown, KeyCode::Home, KeyCode::End,
            KeyCode::Backspace, KeyCode::Delete, KeyCode::F(1), KeyCode::Null,
        ]),
    ];
    let modifiers = prop_oneof![8 => Just(KeyModifiers::NONE), 1 => Just(KeyModifiers::CONTROL), 1 => Just(KeyModifiers::SHIFT)];
    prop_oneof![
        8 => (code, modifiers).prop_map(|(code, modifiers)| Step::Key(KeyEvent::new(code, modifiers))),
        2 => (0_u16..220, 0_u16..70).prop_map(|(width, height)| Step::Size(width, height)),
        2 => (0_usize..6).prop_map(Step::Data),
    ]
}

fn data(which: usize) -> Snapshot {
    let mut empty = models::first_frame();
    empty.model.listeners.clear();
    let mut sorted = models::overload();
    sorted.model.listeners.reverse();
    sorted.assessment.findings.reverse();
    match which {
        0 => models::overload(),
        1 => models::healthy(),
        2 => models::unprivileged(),
        3 => models::first_frame(),
        4 => sorted,
        _ => empty,
    }
}

/// Whether everything that is selected is there.
fn check(bench: &Bench, live: &Snapshot) -> Result<(), TestCaseError> {
    let state = bench.screen.state();
    let snapshot = bench.screen.shown(live);
    if let Some(selected) = state.listener.key() {
        prop_assert!(snapshot.model.listeners.iter().any(|listener| listener.port == selected.port));
    } else {
        prop_assert!(snapshot.model.listeners.is_empty() || !state.filter.is_empty());
    }
    if let Some(selected) = state.finding.key() {
        prop_assert!(snapshot.assessment.findings.iter().any(|finding| finding.id == selected.id));
    }
    if let Some(pid) = state.pid() {
        let of_listener = snapshot.model.listeners.iter().any(|listener| listener.pids.contains(&pid));
        prop_assert!(of_listener || snapshot.model.processes.iter().any(|process| process.pid == pid));
    }
    prop_assert!(WINDOWS.contains(&state.window_seconds));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_sequence_breaks_the_screen(steps in proptest::collection::vec(step(), 1..40)) {
        let mut live = data(0);
        let mut bench = Bench::new((80, 24), FULL);
        bench.draw(&live);
        for step in steps {
            match step {
                Step::Key(key) => {
                    if let Action::SelectProcess(pid) = bench.screen.handle(&Event::Key(key)) {
                        let shown = bench.screen.shown(&live);
                        let known = shown.model.listeners.iter().any(|listener| listener.pids.contains(&pid));
                        prop_assert!(known || shown.model.processes.iter().any(|process| process.pid == pid));
                    }
                }
                Step::Size(width, height) => {
                    bench.terminal.backend_mut().resize(width, height);
                    bench.screen.handle(&Event::Resize(width, height));
                }
                Step::Data(which) => live = data(which),
            }
            bench.draw(&live);
            check(&bench, &live)?;
        }
    }

    #[test]
    fn every_size_can_be_drawn(width in 0_u16..230, height in 0_u16..80, which in 0_usize..6) {
        let mut bench = Bench::new((width, height), FULL);
        bench.draw(&data(which));
    }
}
