//! Processes that a command starts and that end with it, however it ends.

use std::{
    io::{BufRead, BufReader, Read},
    os::unix::fs::MetadataExt,
    process::{Child, Command, Stdio},
};

use anyhow::{Context, bail};
use nix::{
    sched::{CloneFlags, unshare},
    sys::{prctl, signal::Signal},
    unistd::getppid,
};

/// A child that is ended and waited for when this value goes.
pub struct Owned(Child);

/// What becomes of a child's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// It is read, see [`Owned::first_line`].
    Read,
    /// Nobody sees it.
    Discarded,
}

impl Owned {
    /// Starts this very program with `arguments`; the child ends when the calling thread does.
    ///
    /// # Errors
    /// The program file is not found or cannot be started.
    pub fn start(arguments: &[&str], output: Output) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("finding the own program file")?;
        let pipe = || match output {
            Output::Read => Stdio::piped(),
            Output::Discarded => Stdio::null(),
        };
        let child = Command::new(&program)
            .args(arguments)
            .arg(format!("--die-with-parent={}", std::process::id()))
            .stdin(Stdio::null())
            .stdout(pipe())
            .stderr(pipe())
            .spawn()
            .with_context(|| format!("starting {} {}", program.display(), arguments.join(" ")))?;
        Ok(Self(child))
    }

    /// Process id.
    pub fn pid(&self) -> i32 {
        i32::try_from(self.0.id()).unwrap_or(0)
    }

    /// The first line that the child prints.
    ///
    /// # Errors
    /// The child ended before; the message is what it complained of.
    pub fn first_line(&mut self) -> anyhow::Result<String> {
        let output = self.0.stdout.take().context("the child's output is not read")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line).context("reading from the child")?;
        // Closed once the child is ready: complaints that nobody reads must not block it.
        let complaints = self.0.stderr.take();
        if line.is_empty() {
            let mut text = String::new();
            if let Some(mut complaints) = complaints {
                complaints.read_to_string(&mut text).context("reading from the child")?;
            }
            let status = self.0.wait().context("waiting for the child")?;
            match text.trim().trim_start_matches("netscope: ") {
                "" => bail!("the child ended before it was ready ({status})"),
                text => bail!("{text}"),
            }
        }
        Ok(line)
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.0.try_wait(), Ok(None))
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        // Both fail only when the child has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Makes the kernel end this process when its parent `expected` ends (prctl(2), PR_SET_PDEATHSIG).
///
/// # Errors
/// The parent ended already.
pub fn die_with_parent(expected: i32) -> anyhow::Result<()> {
    prctl::set_pdeathsig(Signal::SIGKILL).context("prctl(PR_SET_PDEATHSIG)")?;
    // It may have ended before the call; then this process has another parent, which is none of our business. 0
    // is a parent outside of our PID namespace (getppid(2)), which cannot be compared.
    let parent = getppid().as_raw();
    if parent != expected && parent != 0 {
        bail!("the parent process {expected} ended");
    }
    Ok(())
}

/// Moves this process into a network namespace of its own with the loopback interface up.
pub fn enter_new_netns() -> anyhow::Result<()> {
    let before = netns_inode()?;
    unshare(CloneFlags::CLONE_NEWNET).context("unshare(CLONE_NEWNET), needs CAP_SYS_ADMIN")?;
    if netns_inode()? == before {
        bail!("the network namespace did not change");
    }
    crate::host::loopback_up().context("bringing up the loopback interface of the new network namespace")
}

fn netns_inode() -> anyhow::Result<u64> {
    Ok(std::fs::metadata("/proc/self/ns/net").context("/proc/self/ns/net")?.ino())
}
