//! The terminal comes back as it was, whichever way netscope leaves: on a real pseudo-terminal, which
//! script(1) makes, with this test binary as the program that takes it.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test stops at the first surprise")]

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use netscope::view::tui::terminal;

/// Tells the child which way out to take.
const WAY: &str = "NETSCOPE_TEST_WAY_OUT";
/// Enter and leave the alternate screen, show the cursor (xterm control sequences).
const ALTERNATE: &str = "\u{1b}[?1049h";
const NORMAL: &str = "\u{1b}[?1049l";
const CURSOR: &str = "\u{1b}[?25h";

/// What ran on the pseudo-terminal.
struct Session {
    /// Everything written to it.
    screen: String,
    /// `stty -a` before and after.
    modes: [String; 2],
}

/// Runs the child on a pseudo-terminal between two looks at its modes; `None` without script(1).
fn session(test: &str, way: &str) -> Option<Session> {
    if Command::new("script").arg("--version").stdout(Stdio::null()).status().is_err() {
        eprintln!("SKIPPED {test}: script(1) is not installed (package bsdutils)");
        return None;
    }
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| -> PathBuf { directory.path().join(name) };
    let line = format!(
        "stty -a > '{}'; {WAY}={way} '{}' --ignored --exact takes_the_terminal --nocapture; stty -a > '{}'",
        file("before").display(),
        std::env::current_exe().unwrap().display(),
        file("after").display(),
    );
    let status = Command::new("script")
        .args(["--quiet", "--command", &line])
        .arg(file("screen"))
        .env("SHELL", "/bin/sh")
        .env("TERM", "xterm-256color")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "script: {status}");
    let read = |name: &str| String::from_utf8_lossy(&std::fs::read(file(name)).unwrap()).into_owned();
    Some(Session { screen: read("screen"), modes: [read("before"), read("after")] })
}

/// The terminal was taken, and is as it was.
fn check(session: &Session) {
    let taken = session.screen.find(ALTERNATE).expect("the child took the terminal");
    let given = session.screen.rfind(NORMAL).expect("the child gave the terminal back");
    assert!(taken < given);
    assert!(session.screen[given..].contains(CURSOR));
    assert!(session.screen.contains("raw: true"), "{}", session.screen);
    let [before, after] = &session.modes;
    assert!(before.contains(" icanon"), "{before}");
    assert_eq!(before, after);
}

/// The child of the other tests: takes the terminal and leaves by the way it was told.
#[test]
#[ignore = "not a test: the other tests start it as their child"]
fn takes_the_terminal() {
    let Ok(way) = std::env::var(WAY) else { return };
    let guard = terminal::enter().unwrap();
    println!("raw: {}", crossterm::terminal::is_raw_mode_enabled().unwrap());
    assert!(terminal::next_event(Duration::ZERO).is_ok());
    match way.as_str() {
        "return" => drop(guard),
        "panic" => panic!("on purpose"),
        "thread" => {
            let _ = std::thread::spawn(|| panic!("on purpose")).join();
            std::process::exit(0);
        }
        "exit" => {
            terminal::restore();
            terminal::restore();
            std::process::exit(0);
        }
        other => unreachable!("way {other}"),
    }
}

#[test]
fn a_return_gives_the_terminal_back() {
    if let Some(session) = session("a_return_gives_the_terminal_back", "return") {
        check(&session);
    }
}

#[test]
fn a_panic_gives_the_terminal_back_before_its_message() {
    if let Some(session) = session("a_panic_gives_the_terminal_back_before_its_message", "panic") {
        check(&session);
        let given = session.screen.find(NORMAL).unwrap();
        assert!(session.screen.find("on purpose").expect("the message is printed") > given);
    }
}

#[test]
fn a_panic_of_another_thread_gives_the_terminal_back() {
    if let Some(session) = session("a_panic_of_another_thread_gives_the_terminal_back", "thread") {
        check(&session);
    }
}

#[test]
fn a_way_out_without_destructors_gives_the_terminal_back_once() {
    if let Some(session) = session("a_way_out_without_destructors_gives_the_terminal_back_once", "exit") {
        check(&session);
        assert_eq!(session.screen.matches(NORMAL).count(), 1);
    }
}
