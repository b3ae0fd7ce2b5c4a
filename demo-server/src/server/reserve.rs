//! One descriptor held back for the truth port, so that the truth can be read while the loops are out of them.

use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::{hint, io};

use crate::Stop;

/// Keeps accept4 calls of the loops out of the instants in which the reserved descriptor is free for the taking.
/// Costs a loop two atomic operations per accept4 and no system call.
#[derive(Debug)]
pub(super) struct Gate {
    shut: AtomicBool,
    inside: Vec<AtomicBool>,
}

impl Gate {
    /// An open gate for this many loops.
    pub(super) fn new(loops: usize) -> Self {
        Self { shut: AtomicBool::new(false), inside: (0..loops).map(|_| AtomicBool::new(false)).collect() }
    }

    /// Runs `accept` for this loop, or returns `None` if the gate is shut just now.
    pub(super) fn pass<T>(&self, number: usize, accept: impl FnOnce() -> T) -> Option<T> {
        let Some(inside) = self.inside.get(number) else { return Some(accept()) };
        // Sequentially consistent on both sides: either this loop sees the gate shut, or the other side sees
        // this loop inside.
        inside.store(true, Ordering::SeqCst);
        let result = (!self.shut.load(Ordering::SeqCst)).then(accept);
        inside.store(false, Ordering::SeqCst);
        result
    }

    /// Runs `action` while no loop is in an accept4 call. One caller at a time.
    fn alone<T>(&self, action: impl FnOnce() -> T) -> T {
        self.shut.store(true, Ordering::SeqCst);
        // An accept4 call on a non-blocking listener is over within microseconds.
        while self.inside.iter().any(|inside| inside.load(Ordering::SeqCst)) {
            hint::spin_loop();
        }
        let result = action();
        self.shut.store(false, Ordering::SeqCst);
        result
    }
}

/// The descriptor held back.
#[derive(Debug)]
pub(super) struct Reserve {
    gate: Arc<Gate>,
    stop: Stop,
    held: Option<OwnedFd>,
}

impl Reserve {
    /// Takes one descriptor now.
    pub(super) fn new(gate: Arc<Gate>, stop: Stop) -> Self {
        let held = stop.as_fd().try_clone_to_owned().ok();
        Self { gate, stop, held }
    }

    /// Accepts with the held descriptor's number.
    pub(super) fn accept(&mut self, listener: &TcpListener) -> io::Result<TcpStream> {
        let held = self.held.take();
        self.gate.alone(|| {
            drop(held);
            listener.accept().map(|(stream, _)| stream)
        })
    }

    /// Closes the connection, if there is one, and holds its number again.
    pub(super) fn restore(&mut self, stream: Option<TcpStream>) {
        let stop = &self.stop;
        self.held = self.gate.alone(|| {
            drop(stream);
            stop.as_fd().try_clone_to_owned().ok()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn a_shut_gate_lets_no_loop_in() {
        let gate = Gate::new(1);
        assert_eq!(gate.pass(0, || 1), Some(1));
        assert_eq!(gate.alone(|| gate.pass(0, || 1)), None);
        assert_eq!(gate.pass(0, || 1), Some(1));
    }

    #[test]
    fn loops_and_the_holder_are_never_inside_together() {
        let gate = Gate::new(2);
        let alone = AtomicBool::new(false);
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            for number in 0..2 {
                let (gate, alone, done) = (&gate, &alone, &done);
                scope.spawn(move || {
                    while !done.load(Ordering::SeqCst) {
                        gate.pass(number, || assert!(!alone.load(Ordering::SeqCst)));
                    }
                });
            }
            for _ in 0..2_000 {
                gate.alone(|| {
                    alone.store(true, Ordering::SeqCst);
                    alone.store(false, Ordering::SeqCst);
                });
            }
            done.store(true, Ordering::SeqCst);
        });
    }
}
