//! `live` where its target or its terminal changes under it.

use std::time::Duration;

use crate::cleanup::without_binary;
use crate::helper::Helper;
use crate::netns::{in_namespace, measured};
use crate::terminal::{Session, children};
use crate::traffic::{Listener, PORT, loopback};
use crate::watch::{Ended, Running, netscope, run};

fn assert_plain(ended: &Ended) {
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    assert!(!ended.stdout.contains('\u{1b}'), "control sequences:\n{}", ended.stdout);
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
}

#[test]
fn without_a_terminal_it_prints_a_report_for_each_window() {
    in_namespace(|_| {
        if without_binary() {
            return;
        }
        let ended = run(&["live", "--demo", "--window", "2s", "--for", "7s"]);
        assert_plain(&ended);
        let verdicts = ended.stdout.lines().filter(|line| line.contains("refuses")).count();
        let windows = ended.stdout.matches("\nWatched ").count();
        measured(&format!("{windows} windows, {verdicts} of which with refused attempts"));
        assert!(windows >= 2 && verdicts >= 2, "{}", ended.stdout);
        assert!(ended.stdout.contains("the application asked for 128"), "{}", ended.stdout);
        assert!(ended.stdout.contains("Unattributed: 0"), "{}", ended.stdout);
    });
}

#[test]
fn the_process_ends_while_plain_text_is_printed() {
    in_namespace(|_| {
        if without_binary() {
            return;
        }
        let child = Helper::start(&["idle"]);
        assert_eq!(child.hear(), "ready");
        let pid = child.pid().to_string();
        let mut running =
            Running::start(netscope(&["live", "--pid", &pid, "--window", "1s", "--for", "6s"]), true);
        running.await_line("netscope: no terminal");
        child.stop();
        let ended = running.ended();
        assert_plain(&ended);
        assert!(ended.stdout.contains(&format!("pid {pid} ")), "{}", ended.stdout);
        assert!(ended.stdout.contains("ended"), "{}", ended.stdout);
    });
}

/// `live` on a terminal, measuring.
fn measuring(arguments: &[&str]) -> Session {
    let session = Session::start(arguments);
    // Before the probes are attached it says "none yet".
    session.await_text("so far");
    session
}

/// Lets at least two frames pass, and leaves by q: it still listens, and nothing went wrong.
fn assert_still_listens(mut session: Session) -> String {
    std::thread::sleep(Duration::from_millis(2500));
    session.press(b"q");
    assert_eq!(session.exit_code(), 0);
    session.assert_given_back();
    let screen = session.screen();
    assert!(!screen.contains("panicked"), "{screen}");
    screen
}

#[test]
fn the_process_ends_on_the_screen() {
    in_namespace(|_| {
        if without_binary() {
            return;
        }
        let child = Helper::start(&["idle"]);
        assert_eq!(child.hear(), "ready");
        let session = measuring(&["live", "--pid", &child.pid().to_string()]);
        let pid = child.pid();
        child.stop();
        session.await_text(&format!("process {pid} has ended"));
        assert!(assert_still_listens(session).contains("ENDED"), "not said of the process");
    });
}

#[test]
fn the_demo_is_killed_under_it() {
    in_namespace(|_| {
        if without_binary() {
            return;
        }
        let session = measuring(&["live", "--demo"]);
        session.await_text("refuses");
        for pid in children(session.pid()) {
            let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap();
            if words.split(|byte| *byte == 0).nth(1) == Some(b"serve") {
                let pid = nix::unistd::Pid::from_raw(i32::try_from(pid).unwrap());
                nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
            }
        }
        session.await_text("the demo has ended");
        assert_still_listens(session);
    });
}

#[test]
fn the_terminal_changes_its_size() {
    in_namespace(|_| {
        if without_binary() {
            return;
        }
        let _listener = Listener::open(loopback(), 4);
        let session = measuring(&["live", "--port", &PORT.to_string()]);
        for (rows, columns) in [(3, 10), (1, 1), (12, 40), (60, 200), (24, 80)] {
            let before = session.screen().len();
            session.resize(rows, columns);
            // A new size is drawn at once.
            session.await_growth(before);
        }
        assert_still_listens(session);
    });
}
