//! Gives the terminal back when the live screen is killed in a way that lets nobody clean up.
//!
//! A process of its own holds the read end of a pipe. The kernel closes the other end with the live screen,
//! however that ends; unless a farewell was written first, the terminal is restored then.

use std::{
    io::{self, Read, Write},
    process::{Child, Command, ExitCode, Stdio},
};

use anyhow::Context;
use nix::sys::{
    signal::{SigSet, Signal},
    termios::{SetArg, tcgetattr, tcsetattr},
};

/// Written by a live screen that has restored the terminal itself.
const FAREWELL: &[u8] = b"done";
/// Leave the alternate screen (xterm's private mode 1049) and show the cursor.
const RESTORE: &[u8] = b"\x1b[?1049l\x1b[?25h";

/// The running guard.
pub struct Guard(Child);

impl Guard {
    /// Starts the guard; call it before the terminal is changed, for it notes the present mode.
    ///
    /// # Errors
    /// The process cannot be started.
    pub fn start() -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("finding the own program file")?;
        let mut child = Command::new(program)
            .arg("guard-terminal")
            .stdin(Stdio::piped())
            .stdout(Stdio::inherit())
            .stderr(Stdio::piped())
            .spawn()
            .context("starting the guard of the terminal")?;
        // One byte says that the mode has been noted.
        let mut ready = [0];
        if let Some(mut answer) = child.stderr.take() {
            answer.read_exact(&mut ready).context("the guard of the terminal ended early")?;
        }
        Ok(Self(child))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(mut pipe) = self.0.stdin.take() {
            // The guard may be gone already; then nothing is left to tell it.
            let _ = pipe.write_all(FAREWELL);
        }
        let _ = self.0.wait();
    }
}

/// The guard's own life.
///
/// # Errors
/// Standard output is no terminal.
pub fn run() -> anyhow::Result<ExitCode> {
    // The shell that takes the terminal over makes this a background process, whose writes would stop it;
    // and the keys that end the live screen are not meant for its guard.
    SigSet::from_iter([Signal::SIGTTOU, Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGTSTP])
        .thread_block()
        .context("blocking signals")?;
    let mode = tcgetattr(io::stdout()).context("reading the terminal's mode")?;
    io::stderr().write_all(b".").context("reporting to the live screen")?;
    let mut message = Vec::new();
    io::stdin().read_to_end(&mut message).context("waiting for the live screen")?;
    if message != FAREWELL {
        io::stdout().write_all(RESTORE).context("restoring the screen")?;
        io::stdout().flush().context("restoring the screen")?;
        tcsetattr(io::stdout(), SetArg::TCSANOW, &mode).context("restoring the terminal's mode")?;
    }
    Ok(ExitCode::SUCCESS)
}
