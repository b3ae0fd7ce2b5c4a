//! How a running server or load generator is asked to end.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::signal::{SigSet, Signal};

use crate::Error;

/// A request to end that every event loop sees at once. Clones share the same request, which cannot be withdrawn.
#[derive(Debug, Clone)]
pub struct Stop {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    requested: AtomicBool,
    // Readable once requested and never read again: level-triggered polls of all threads keep seeing it.
    event: EventFd,
}

impl Stop {
    /// A stop that nobody has requested yet. Takes one descriptor (eventfd(2)).
    ///
    /// # Errors
    /// The eventfd cannot be made: EMFILE, ENFILE, ENOMEM.
    pub fn new() -> Result<Self, Error> {
        let event = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)
            .map_err(Error::system("make", "an eventfd"))?;
        Ok(Self { inner: Arc::new(Inner { requested: AtomicBool::new(false), event }) })
    }

    /// Asks for the end. Only one atomic store and one write(2), so that a signal handler may call it.
    pub fn request(&self) {
        self.inner.requested.store(true, Ordering::Release);
        // Fails only when the counter is at its maximum, and then the descriptor is readable already.
        let _ = self.inner.event.write(1);
    }

    /// Whether the end was asked for.
    pub fn requested(&self) -> bool {
        self.inner.requested.load(Ordering::Acquire)
    }

    /// Requests the stop on SIGINT or SIGTERM: blocks both in the calling thread, and waits for them in a
    /// thread named `demo-signals` that lasts as long as the process. Call it before any other thread exists, since threads inherit the mask.
    ///
    /// # Errors
    /// The signal mask cannot be changed or the thread not be started.
    pub fn request_on_signals(&self) -> Result<(), Error> {
        let signals = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM]);
        signals.thread_block().map_err(Error::system("block", "SIGINT and SIGTERM"))?;
        let stop = self.clone();
        let name = String::from("demo-signals");
        thread::Builder::new()
            .name(name.clone())
            .spawn(move || {
                // Without an end: the descriptor is never closed by whichever thread happens to be the last.
                while signals.wait().is_ok() {
                    stop.request();
                }
            })
            .map_err(|source| Error::Thread { name, source })?;
        Ok(())
    }
}

impl AsFd for Stop {
    /// The descriptor that becomes readable when the end is asked for; to be polled, never read.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.event.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

    #[test]
    fn request_is_seen_by_every_clone_and_by_poll() {
        let stop = Stop::new().unwrap();
        let clone = stop.clone();
        assert!(!clone.requested());
        let mut fds = [PollFd::new(clone.as_fd(), PollFlags::POLLIN)];
        assert_eq!(poll(&mut fds, PollTimeout::ZERO).unwrap(), 0);
        stop.request();
        stop.request();
        assert!(clone.requested());
        assert_eq!(poll(&mut fds, PollTimeout::ZERO).unwrap(), 1);
    }
}
