//! Runs a command and says which, how it ended and how long it took.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Variables that `cargo run` sets for xtask itself and that would mislead another cargo or rustc: the library
/// path of this toolchain, its own name, and the package that is running.
const INHERITED: [&str; 8] = [
    "LD_LIBRARY_PATH",
    "RUSTUP_TOOLCHAIN",
    "RUSTC",
    "RUSTC_WRAPPER",
    "RUSTFLAGS",
    "CARGO",
    "CARGO_MANIFEST_DIR",
    "CARGO_MANIFEST_PATH",
];

/// The outcome of the steps of one command, in order; failures do not stop the steps after them.
#[derive(Debug, Default)]
pub struct Steps {
    failed: Vec<String>,
}

impl Steps {
    /// Runs `step`, prints its name, how it ended and how long it took, and remembers a failure.
    pub fn run(&mut self, name: &str, step: impl FnOnce() -> Result<()>) {
        println!("==> {name}");
        let start = Instant::now();
        match step() {
            Ok(()) => println!("==> {name}: ok, {}", seconds(start.elapsed())),
            Err(error) => {
                println!("==> {name}: FAILED, {}: {error:#}", seconds(start.elapsed()));
                self.failed.push(name.to_owned());
            }
        }
    }

    /// An error that names the steps that failed, if any did.
    pub fn finish(self) -> Result<()> {
        if self.failed.is_empty() {
            return Ok(());
        }
        bail!("failed: {}", self.failed.join(", "))
    }
}

/// The cargo that runs xtask, or the one of `PATH`.
#[must_use]
pub fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// `program` without the variables that belong to the toolchain running xtask.
#[must_use]
pub fn clean(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for name in INHERITED {
        command.env_remove(name);
    }
    command
}

/// Prints the command, runs it with this terminal, and fails unless it succeeds.
pub fn run(command: &mut Command) -> Result<()> {
    let start = Instant::now();
    println!("  $ {}", describe(command));
    let status = command
        .stdin(Stdio::null())
        .status()
        .with_context(|| format!("cannot start {}", program(command)))?;
    finish(command, status, start)
}

/// Like [`run`], and also returns what the command printed, standard output and error in one text.
pub fn run_captured(command: &mut Command) -> Result<(ExitStatus, String)> {
    let start = Instant::now();
    println!("  $ {}", describe(command));
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", program(command)))?;
    let text = Arc::new(Mutex::new(String::new()));
    let readers = [
        child.stdout.take().map(|pipe| copy(pipe, std::io::stdout(), Arc::clone(&text))),
        child.stderr.take().map(|pipe| copy(pipe, std::io::stderr(), Arc::clone(&text))),
    ];
    let status = child.wait().with_context(|| format!("cannot wait for {}", program(command)))?;
    for reader in readers.into_iter().flatten() {
        if reader.join().is_err() {
            bail!("the output of {} could not be read", program(command));
        }
    }
    println!("  {} after {}", status, seconds(start.elapsed()));
    let text = text.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Ok((status, text))
}

/// Runs the command silently and returns its standard output; fails with its standard error.
pub fn output(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {}", program(command)))?;
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        bail!("{}: {}: {}", describe(command), output.status, complaint.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The command as one would type it, without the environment.
#[must_use]
pub fn describe(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| quote(&word.to_string_lossy()))
        .collect::<Vec<_>>()
        .join(" ")
}

/// A duration as `1.2 s`.
#[must_use]
pub fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

fn finish(command: &Command, status: ExitStatus, start: Instant) -> Result<()> {
    if !status.success() {
        bail!("{}: {status} after {}", describe(command), seconds(start.elapsed()));
    }
    println!("  done in {}", seconds(start.elapsed()));
    Ok(())
}

fn program(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}

fn quote(word: &str) -> String {
    let plain = |character: char| character.is_ascii_alphanumeric() || "-_./:=,+@%".contains(character);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Copies lines to `to` and into `text` until the pipe closes.
fn copy(
    pipe: impl Read + Send + 'static,
    mut to: impl Write + Send + 'static,
    text: Arc<Mutex<String>>,
) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        let mut reader = BufReader::new(pipe);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
            // A closed terminal must not stop the collecting.
            let _ = to.write_all(&line).and_then(|()| to.flush());
            let mut text = text.lock().unwrap_or_else(PoisonError::into_inner);
            text.push_str(&String::from_utf8_lossy(&line));
            line.clear();
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_shown_as_typed() {
        let mut command = Command::new("wrk");
        command.args(["-c", "64", "it's", ""]);
        assert_eq!(describe(&command), r"wrk -c 64 'it'\''s' ''");
    }

    #[test]
    fn both_streams_are_captured() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo one; echo two >&2; exit 3"]);
        let (status, text) = run_captured(&mut command).unwrap();
        assert_eq!(status.code(), Some(3));
        let mut lines: Vec<_> = text.lines().collect();
        lines.sort_unstable();
        assert_eq!(lines, ["one", "two"]);
    }

    #[test]
    fn a_failing_command_says_why() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo broken >&2; exit 1"]);
        assert!(output(&mut command).unwrap_err().to_string().contains("broken"));
        assert!(output(&mut Command::new("no-such-program-of-netscope")).is_err());
    }

    #[test]
    fn later_steps_run_after_a_failure() {
        let mut steps = Steps::default();
        let mut reached = false;
        steps.run("a step that an example breaks", || bail!("on purpose"));
        steps.run("the step after it", || {
            reached = true;
            Ok(())
        });
        assert!(reached);
        assert_eq!(steps.finish().unwrap_err().to_string(), "failed: a step that an example breaks");
    }
}
