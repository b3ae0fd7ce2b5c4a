//! On a terminal, which script(1) makes: tiny ones, and the progress of a report.

use std::process::{Command, Stdio};

use crate::{program, skip};

/// What a line of shell, in which $NETSCOPE is the binary, leaves on a terminal of this size, and its exit code.
fn on_terminal(test: &str, columns: u16, rows: u16, line: &str) -> Option<(String, Option<i32>)> {
    if Command::new("script").arg("--version").stdout(Stdio::null()).status().is_err() {
        skip(test, "script(1) is not installed (package bsdutils)");
        return None;
    }
    let directory = tempfile::tempdir().unwrap();
    let screen = directory.path().join("screen");
    let status = Command::new("timeout")
        .args(["60", "script", "--quiet", "--return", "--command"])
        .arg(format!("stty cols {columns} rows {rows}; {line}"))
        .arg(&screen)
        .env("SHELL", "/bin/sh")
        .env("TERM", "xterm-256color")
        .env("NETSCOPE", program())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .unwrap();
    let text = String::from_utf8_lossy(&std::fs::read(screen).unwrap()).into_owned();
    assert!(!text.contains("panicked"), "{text}");
    Some((text, status.code()))
}

#[test]
fn terminals_of_any_size() {
    for (columns, rows) in [(20, 6), (10, 3), (1, 1), (40, 12)] {
        let session =
            on_terminal("terminals_of_any_size", columns, rows, "$NETSCOPE live --for 2s </dev/tty");
        let Some((screen, code)) = session else { return };
        assert_eq!(code, Some(0), "{columns}x{rows}: {screen}");
        let taken = screen.find("\u{1b}[?1049h").expect("the screen is taken");
        assert!(screen.rfind("\u{1b}[?1049l").expect("the screen is given back") > taken);
    }
}

#[test]
fn without_input_there_is_a_plain_text() {
    let line = "$NETSCOPE live --for 1s --window 1s </dev/null";
    let Some((screen, code)) = on_terminal("without_input_there_is_a_plain_text", 80, 24, line) else {
        return;
    };
    assert_eq!(code, Some(0), "{screen}");
    assert!(
        screen.contains("no terminal: a report in text") && !screen.contains("\u{1b}[?1049h"),
        "{screen}"
    );
}

#[test]
fn a_report_shows_its_progress_on_a_terminal_only() {
    let test = "a_report_shows_its_progress_on_a_terminal_only";
    let line = "$NETSCOPE report --for 1s --json --fail-on never >/dev/null";
    let Some((screen, code)) = on_terminal(test, 20, 6, line) else { return };
    assert_eq!(code, Some(0), "{screen}");
    assert!(screen.contains("\r0 s of 1 s"), "{screen}");
    let erased = format!("\r{}\r", " ".repeat("0 s of 1 s".len()));
    assert!(screen.contains(&erased), "{screen}");
    let piped = crate::run(&["report", "--for", "1s", "--fail-on", "never"]);
    assert!(!piped.stderr.contains("s of 1 s"), "{}", piped.stderr);
}

#[test]
fn colours_on_a_terminal_unless_nobody_wants_them() {
    let test = "colours_on_a_terminal_unless_nobody_wants_them";
    let Some((coloured, _)) = on_terminal(test, 80, 24, "unset NO_COLOR; $NETSCOPE doctor") else { return };
    assert!(coloured.contains("\u{1b}[1m"), "{coloured}");
    let (plain, _) = on_terminal(test, 80, 24, "NO_COLOR=1 $NETSCOPE doctor").unwrap();
    assert!(!plain.contains('\u{1b}'), "{plain}");
}
