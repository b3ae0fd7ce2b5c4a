//! What the screen looks like, at four sizes.

use crossterm::event::KeyCode;
use insta::assert_snapshot;
use ratatui::style::{Color, Modifier};

use super::{Bench, FULL, key, letter, models};
use crate::view::tui::{Snapshot, Theme};
use crossterm::event::Event;

const SIZES: [(u16, u16); 4] = [(40, 12), (80, 24), (120, 40), (200, 60)];

/// Draws `snapshot` after `keys` at every size.
fn check(name: &str, snapshot: &Snapshot, keys: &[Event]) {
    for size in SIZES {
        let mut bench = Bench::new(size, FULL);
        bench.draw(snapshot);
        for event in keys {
            bench.press(snapshot, event);
        }
        assert_snapshot!(format!("{name}_{}x{}", size.0, size.1), bench.terminal.backend());
    }
}

#[test]
fn overload() {
    check("overload", &models::overload(), &[]);
}

#[test]
fn healthy() {
    check("healthy", &models::healthy(), &[]);
}

#[test]
fn unprivileged() {
    check("unprivileged", &models::unprivileged(), &[]);
}

#[test]
fn first_frame() {
    check("first_frame", &models::first_frame(), &[]);
}

#[test]
fn partly_blind() {
    check("partly_blind", &models::partly_blind(), &[]);
}

#[test]
fn help() {
    check("help", &models::overload(), &[letter('?')]);
}

#[test]
fn finding_detail() {
    check("finding", &models::overload(), &[key(KeyCode::BackTab), key(KeyCode::Enter)]);
}

#[test]
fn listener_detail() {
    check("listener", &models::overload(), &[key(KeyCode::Enter)]);
}

#[test]
fn measured() {
    check("measured", &models::partly_blind(), &[letter('i')]);
}

#[test]
fn filter_being_typed() {
    let keys: Vec<Event> = "/nginx".chars().map(letter).collect();
    check("filter", &models::overload(), &keys);
}

#[test]
fn filter_without_a_match() {
    let mut keys: Vec<Event> = "/zzz".chars().map(letter).collect();
    keys.push(key(KeyCode::Enter));
    check("filter_nothing", &models::overload(), &keys);
}

#[test]
fn frozen() {
    for size in SIZES {
        let mut bench = Bench::new(size, FULL);
        bench.draw(&models::overload());
        bench.press(&models::overload(), &letter(' '));
        let mut later = models::healthy();
        later.unix_ms += 72_000;
        bench.draw(&later);
        assert_snapshot!(format!("frozen_{}x{}", size.0, size.1), bench.terminal.backend());
    }
}

#[test]
fn plain_ascii() {
    let mut bench = Bench::new((80, 24), Theme { colour: false, unicode: false });
    bench.draw(&models::overload());
    assert_snapshot!("ascii_80x24", bench.terminal.backend());
    let buffer = bench.terminal.backend().buffer();
    assert!(buffer.content.iter().all(|cell| cell.symbol().is_ascii()));
    assert!(buffer.content.iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset));
}

#[test]
fn below_the_smallest_size_the_verdict_is_all() {
    let mut bench = Bench::new((10, 3), FULL);
    bench.draw(&models::overload());
    assert_eq!(bench.text(), "127.0.0.1:\n8080\n(demo, pi…");
    let mut bench = Bench::new((1, 1), FULL);
    bench.draw(&models::overload());
    assert_eq!(bench.text(), "…");
    let mut bench = Bench::new((39, 11), FULL);
    bench.draw(&models::overload());
    assert!(bench.text().starts_with(" FAIL  127.0.0.1:8080"));
}

#[test]
fn the_verdict_is_the_first_thing_seen() {
    for size in SIZES {
        let mut bench = Bench::new(size, FULL);
        bench.draw(&models::overload());
        let buffer = bench.terminal.backend().buffer();
        let tag = buffer.cell((1, 0)).unwrap();
        assert_eq!((tag.symbol(), tag.fg), ("F", Color::Red));
        assert!(tag.modifier.contains(Modifier::REVERSED | Modifier::BOLD));
        assert_eq!(buffer.cell((8, 0)).unwrap().fg, Color::Red);
    }
}
