//! The command line of the built binary: help, errors, exit codes, and what happens when the world around it is
//! not as it should be.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test stops at the first surprise")]

#[path = "cli/places.rs"]
mod places;
#[path = "cli/processes.rs"]
mod processes;
#[path = "cli/terminal.rs"]
mod terminal;
#[path = "cli/usage.rs"]
mod usage;

use std::{
    io::{BufRead, BufReader},
    net::{Ipv4Addr, TcpListener},
    process::{Child, Command, Output, Stdio},
    sync::mpsc::channel,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

/// Longest time that anything here may take before the test is given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// The built binary with these arguments; assert_cmd ends it when it takes too long.
fn netscope(arguments: &[&str]) -> assert_cmd::Command {
    let mut command = assert_cmd::cargo::cargo_bin_cmd!("netscope");
    command.args(arguments).env_remove("NO_COLOR").env("COLUMNS", "100").timeout(PATIENCE);
    command
}

/// The built binary, to be started in special circumstances.
fn program() -> &'static str {
    env!("CARGO_BIN_EXE_netscope")
}

/// What a finished command said and how it ended.
#[derive(Debug)]
struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Ended {
    fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let ended =
            Self { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) };
        assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
        ended
    }

    fn json(&self) -> Value {
        let parsed = serde_json::from_str(&self.stdout);
        assert!(parsed.is_ok(), "{parsed:?}: {self:?}");
        parsed.unwrap()
    }
}

/// Runs the binary to its end.
fn run(arguments: &[&str]) -> Ended {
    Ended::of(&netscope(arguments).output().unwrap())
}

/// Runs a line of shell in which $NETSCOPE is the binary.
fn shell(line: &str) -> Ended {
    let mut command = assert_cmd::Command::new("sh");
    command.args(["-c", line]).env("NETSCOPE", program()).timeout(PATIENCE);
    Ended::of(&command.output().unwrap())
}

/// Says why a test cannot run here.
fn skip(test: &str, reason: &str) {
    eprintln!("SKIPPED {test}: {reason}");
}

/// Whether this test may do what root may; says so if not.
fn is_root(test: &str) -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        skip(test, "needs root");
    }
    root
}

/// A listener on a free port of the loopback interface.
fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// A port that nobody listens on: it was free a moment ago.
fn free_port() -> u16 {
    listener().1
}

/// An id that no process has any more.
fn gone_pid() -> i32 {
    let mut child = Command::new("true").spawn().unwrap();
    let pid = i32::try_from(child.id()).unwrap();
    child.wait().unwrap();
    pid
}

/// Waits until `condition` holds; the test fails when it does not for too long.
fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A child that is killed and waited for, however the test ends.
struct Running(Option<Child>);

impl Running {
    /// Starts a command with its output in pipes.
    fn start(command: &mut Command) -> Self {
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self(Some(command.spawn().unwrap()))
    }

    /// Starts the binary.
    fn netscope(arguments: &[&str]) -> Self {
        Self::start(Command::new(program()).args(arguments))
    }

    /// Starts the binary and waits until the window of its report is open.
    fn measuring(arguments: &[&str]) -> Self {
        let mut running = Self::netscope(arguments);
        let mut lines = BufReader::new(running.child().stderr.take().unwrap()).lines().map_while(Result::ok);
        assert!(lines.any(|line| line.starts_with("netscope: measuring ")), "{arguments:?} did not measure");
        running
    }

    /// Starts the binary's server on `port` and waits until it listens.
    fn server(port: u16, more: &[&str]) -> Self {
        let listen = format!("127.0.0.1:{port}");
        let mut running = Self::netscope(&[&["serve", "--listen", &listen], more].concat());
        let mut line = String::new();
        // The descriptor stays open, so that the server can print what it did.
        BufReader::new(running.child().stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert!(line.contains(&listen), "{line}");
        running
    }

    fn child(&mut self) -> &mut Child {
        self.0.as_mut().unwrap()
    }

    fn pid(&mut self) -> i32 {
        i32::try_from(self.child().id()).unwrap()
    }

    fn signal(&mut self, signal: Signal) {
        kill(Pid::from_raw(self.pid()), signal).unwrap();
    }

    /// Waits for the end.
    fn ended(mut self) -> Ended {
        let pid = Pid::from_raw(self.pid());
        let child = self.0.take().unwrap();
        let (sender, output) = channel();
        let reader = std::thread::spawn(move || sender.send(child.wait_with_output()));
        let found = output.recv_timeout(PATIENCE);
        if found.is_err() {
            let _ = kill(pid, Signal::SIGKILL);
        }
        let _ = reader.join();
        Ended::of(&found.expect("the process did not end").unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
