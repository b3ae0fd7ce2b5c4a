//! Processes that a benchmark starts: each ends with it, by its own id.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child as Process, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::step;

/// How long a process may take to end after it was asked to.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running process whose output goes to a file.
#[derive(Debug)]
pub struct Child {
    process: Process,
    output: PathBuf,
    name: String,
}

impl Child {
    /// Starts `program` with its output in `output`. The kernel interrupts it if xtask dies first
    /// (setpriv(1), `PR_SET_PDEATHSIG`); an interrupt reaches it even if xtask itself was started with
    /// interrupts ignored, as background jobs of a shell are (env(1)).
    pub fn start(program: &Path, arguments: &[String], output: &Path) -> Result<Self> {
        let file = File::create(output).with_context(|| format!("cannot create {}", output.display()))?;
        let errors = file.try_clone().with_context(|| format!("cannot share {}", output.display()))?;
        let mut command = Command::new("env");
        command
            .args(["--default-signal=INT", "setpriv", "--pdeathsig", "INT", "--"])
            .arg(program)
            .args(arguments);
        command.stdin(Stdio::null()).stdout(file).stderr(errors);
        let process =
            command.spawn().with_context(|| format!("cannot start {}", step::describe(&command)))?;
        Ok(Self { process, output: output.to_path_buf(), name: program.display().to_string() })
    }

    /// Its process id: env and setpriv become the program.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// What it has printed so far.
    #[must_use]
    pub fn output(&self) -> String {
        fs::read(&self.output).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// An error with the end of its output if it has ended already.
    pub fn expect_running(&mut self) -> Result<()> {
        match self.process.try_wait().with_context(|| format!("cannot wait for {}", self.name))? {
            None => Ok(()),
            Some(status) => bail!("ended early ({status}): {}", last_words(&self.output())),
        }
    }

    /// Asks it to end as Ctrl-C does, waits, and returns what it printed.
    pub fn interrupt(mut self) -> Result<String> {
        self.signal(Signal::SIGINT)?;
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if self.process.try_wait().with_context(|| format!("cannot wait for {}", self.name))?.is_some() {
                return Ok(self.output());
            }
            thread::sleep(Duration::from_millis(20));
        }
        bail!("does not end {} after SIGINT", step::seconds(PATIENCE));
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let id = Pid::from_raw(i32::try_from(self.process.id())?);
        kill(id, signal).with_context(|| format!("cannot send {signal} to {}", self.name))
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if !matches!(self.process.try_wait(), Ok(Some(_))) {
            // Nothing can be done about a process that does not take SIGKILL.
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
    }
}

/// The processes that `parent` started (proc_pid_task(5), `children`).
pub fn children(parent: u32) -> Result<Vec<u32>> {
    let path = format!("/proc/{parent}/task/{parent}/children");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    Ok(text.split_whitespace().filter_map(|id| id.parse().ok()).collect())
}

/// The last line with a word in it, for an error message.
fn last_words(output: &str) -> &str {
    let has_words = |line: &&str| line.contains(char::is_alphanumeric);
    output.lines().rev().map(str::trim).find(has_words).unwrap_or("no output")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, directory: &Path) -> Child {
        let arguments = ["-c".to_owned(), script.to_owned()];
        Child::start(Path::new("/bin/sh"), &arguments, &directory.join("out")).unwrap()
    }

    #[test]
    fn an_interrupted_process_gives_its_output() {
        let directory = tempfile::tempdir().unwrap();
        let script = "trap 'echo bye; exit 0' INT; echo ready; while :; do sleep 0.02; done";
        let mut child = shell(script, directory.path());
        while !child.output().contains("ready") {
            child.expect_running().unwrap();
            thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(child.interrupt().unwrap(), "ready\nbye\n");
    }

    #[test]
    fn an_early_end_is_an_error_with_its_last_words() {
        let directory = tempfile::tempdir().unwrap();
        let mut child = shell("echo cannot attach; exit 3", directory.path());
        child.process.wait().unwrap();
        let error = child.expect_running().unwrap_err().to_string();
        assert!(error.contains("cannot attach") && error.contains('3'), "{error}");
    }

    #[test]
    fn a_dropped_process_is_gone() {
        let directory = tempfile::tempdir().unwrap();
        let child = shell("sleep 1000", directory.path());
        let id = child.id();
        drop(child);
        assert!(!Path::new(&format!("/proc/{id}")).exists());
    }
}
