//! The wish to end: SIGINT, SIGTERM and SIGHUP, read from a descriptor instead of caught in a handler.

use std::{os::fd::AsFd, time::Duration};

use anyhow::Context;
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        signal::{SigSet, Signal},
        signalfd::{SfdFlags, SignalFd},
    },
};

/// Blocked signals and the descriptor that tells of them.
pub struct Interrupts {
    descriptor: SignalFd,
    seen: bool,
}

impl Interrupts {
    /// Blocks the signals in the calling thread; call it before any other thread exists.
    ///
    /// # Errors
    /// signalfd(2) failed: EMFILE, ENFILE, ENOMEM.
    pub fn block() -> anyhow::Result<Self> {
        let signals = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP]);
        signals.thread_block().context("blocking SIGINT, SIGTERM and SIGHUP")?;
        let descriptor = SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
            .context("signalfd(2)")?;
        Ok(Self { descriptor, seen: false })
    }

    /// Whether somebody asked for the end.
    pub fn requested(&mut self) -> bool {
        self.seen |= matches!(self.descriptor.read_signal(), Ok(Some(_)));
        self.seen
    }

    /// Sleeps for `time`, or until somebody asks for the end; says whether that was so.
    pub fn sleep(&mut self, time: Duration) -> bool {
        let milliseconds = u16::try_from(time.as_millis()).unwrap_or(u16::MAX);
        if !self.requested() {
            let mut descriptors = [PollFd::new(self.descriptor.as_fd(), PollFlags::POLLIN)];
            match poll(&mut descriptors, PollTimeout::from(milliseconds)) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(_) => std::thread::sleep(time),
            }
        }
        self.requested()
    }
}
