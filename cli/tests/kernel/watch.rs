//! Runs the built binary.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::netns::skip;
use crate::report::Report;

/// Set to run the scenarios without netscope.
const SCENARIO_ONLY: &str = "NETSCOPE_TEST_SCENARIO_ONLY";
/// Start of the line that says that every probe is attached.
const READY: &str = "netscope: measuring";
/// The window ends by itself after this, should the test die.
const WINDOW: &str = "120s";
const START_LIMIT: Duration = Duration::from_secs(15);
const END_LIMIT: Duration = Duration::from_secs(30);

/// A command that calls the built binary.
pub fn netscope(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_netscope"));
    command.args(arguments).stdin(Stdio::null());
    command
}

/// Whether the scenarios run without netscope.
pub fn scenario_only() -> bool {
    std::env::var_os(SCENARIO_ONLY).is_some()
}

/// What a finished process left.
pub struct Ended {
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output, empty if the test closed it.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Ended {
    /// The JSON object on standard output, if it is one and the exit code says that something was measured.
    pub fn report(&self) -> Report {
        let code = self.status.code();
        assert!(matches!(code, Some(0 | 1)), "netscope ended with {}:\n{}", self.status, self.stderr);
        let json = serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error} in the report:\n{}\n{}", self.stdout, self.stderr));
        Report::new(json)
    }
}

/// A netscope process whose output is being collected.
pub struct Running {
    child: Child,
    stdout: Option<JoinHandle<String>>,
    lines: Receiver<String>,
    stderr: String,
}

impl Running {
    /// Starts `command`. Its standard output is collected, or closed at once.
    pub fn start(mut command: Command, collect_stdout: bool) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        let stdout = collect_stdout.then(|| {
            std::thread::spawn(move || {
                let mut bytes = Vec::new();
                let _ = stdout.read_to_end(&mut bytes);
                String::from_utf8_lossy(&bytes).into_owned()
            })
        });
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, stdout, lines, stderr: String::new() }
    }

    /// Waits until the probes are attached.
    pub fn await_ready(&mut self) {
        self.await_line(READY);
    }

    /// Waits for the line on standard error that starts with `start`.
    pub fn await_line(&mut self, start: &str) {
        let deadline = Instant::now() + START_LIMIT;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    self.stderr.push_str(&line);
                    self.stderr.push('\n');
                    if line.starts_with(start) {
                        return;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    panic!("netscope did not say {start:?} within {START_LIMIT:?}:\n{}", self.stderr)
                }
                Err(RecvTimeoutError::Disconnected) => {
                    let status = self.child.wait().unwrap();
                    panic!("netscope ended with {status} before it said {start:?}:\n{}", self.stderr)
                }
            }
        }
    }

    /// Ends the window early, as Ctrl-C does.
    pub fn interrupt(&self) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), Signal::SIGINT).unwrap();
    }

    /// Waits for the end of the process.
    pub fn ended(mut self) -> Ended {
        let deadline = Instant::now() + END_LIMIT;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < deadline, "netscope did not end within {END_LIMIT:?}:\n{}", self.stderr);
            std::thread::sleep(Duration::from_millis(10));
        };
        self.stderr.extend(self.lines.iter().map(|line| line + "\n"));
        let stdout = self.stdout.take().map(|reader| reader.join().unwrap()).unwrap_or_default();
        Ended { status, stdout, stderr: std::mem::take(&mut self.stderr) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs the binary to its end.
pub fn run(arguments: &[&str]) -> Ended {
    Running::start(netscope(arguments), true).ended()
}

/// `netscope report` over a window that the test opens and closes.
pub struct Watch {
    running: Option<Running>,
}

impl Watch {
    /// Watches the listener on `port`; returns when the window is open.
    pub fn port(port: u16) -> Self {
        Self::with(&["--port", &port.to_string()])
    }

    /// Watches the process `pid`; returns when the window is open.
    pub fn pid(pid: u32) -> Self {
        Self::with(&["--pid", &pid.to_string()])
    }

    /// Watches what these arguments say; returns when the window is open.
    pub fn with(target: &[&str]) -> Self {
        if scenario_only() {
            return Self { running: None };
        }
        let arguments = [&["report", "--json", "--for", WINDOW], target].concat();
        let mut running = Running::start(netscope(&arguments), true);
        running.await_ready();
        Self { running: Some(running) }
    }

    /// Closes the window and reads the report. `None` when there is nothing to compare, which is then said
    /// on stderr: the scenario runs alone, or this kernel takes none of the probes.
    pub fn finish(self) -> Option<Report> {
        let Some(running) = self.running else {
            skip("the report is not compared, NETSCOPE_TEST_SCENARIO_ONLY is set");
            return None;
        };
        running.interrupt();
        let ended = running.ended();
        let report = ended.report();
        if report.active_probes().is_empty() {
            skip(&format!("no probe is active here: {}", report.why_unavailable()));
            return None;
        }
        Some(report)
    }
}
