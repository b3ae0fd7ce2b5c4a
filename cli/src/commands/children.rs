//! Processes that a command starts and that end with it, however it ends.

use std::{
    io::{BufRead, BufReader},
    os::unix::fs::MetadataExt,
    process::{Child, Command, Stdio},
};

use anyhow::{Context, bail};
use nix::{
    sched::{CloneFlags, unshare},
    sys::{prctl, signal::Signal},
    unistd::{Pid, getppid},
};

/// A child that is ended and waited for when this value goes.
pub struct Owned(Child);

impl Owned {
    /// Starts this very program with `arguments`; its standard output is `output`.
    pub fn start(arguments: &[&str], output: Stdio) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("finding the own program file")?;
        let child = Command::new(&program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("starting {} {}", program.display(), arguments.join(" ")))?;
        Ok(Self(child))
    }

    /// Process id.
    pub fn pid(&self) -> i32 {
        i32::try_from(self.0.id()).unwrap_or(0)
    }

    /// The first line that the child prints.
    pub fn first_line(&mut self) -> anyhow::Result<String> {
        let output = self.0.stdout.take().context("the child's output is not captured")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line).context("reading from the child")?;
        if line.is_empty() {
            let status = self.0.wait().context("waiting for the child")?;
            bail!("the child ended before it was ready ({status}); run the same command by hand to see why");
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

/// Makes the kernel end this process when its parent ends (prctl(2), PR_SET_PDEATHSIG).
pub fn die_with_parent() -> anyhow::Result<()> {
    let parent = getppid();
    prctl::set_pdeathsig(Signal::SIGKILL).context("prctl(PR_SET_PDEATHSIG)")?;
    // The parent may have ended before the call.
    if getppid() != parent || parent == Pid::from_raw(1) {
        bail!("the parent process ended");
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
