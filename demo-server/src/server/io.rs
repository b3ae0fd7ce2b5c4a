//! The system calls of a loop, each made in exactly one place and counted there, and the loop's buffers.

use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::epoll::{self, Epoll, EpollEvent, EpollFlags, EpollOp, EpollTimeout};
use nix::sys::socket::{self, MsgFlags, SockFlag};
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, ClockNanosleepFlags, clock_gettime, clock_nanosleep};
use nix::unistd;

use super::counts::{Call, Counts, add};
use super::http::Answers;

/// Bytes of answers gathered before they are written; what is asked beyond waits for the next write.
pub(super) const OUTPUT_BYTES: usize = 256 * 1024;

/// Buffers for rests of requests that are made in advance, and kept.
const SPARE_INPUTS: usize = 64;

/// Buffers for rests of answers that are made in advance, and kept. Memory that is never touched costs nothing.
const SPARE_OUTPUTS: usize = 16;

/// What a loop needs to serve any of its connections.
#[derive(Debug)]
pub(super) struct Io {
    pub(super) epoll: Epoll,
    pub(super) counts: Arc<Counts>,
    pub(super) answers: Arc<Answers>,
    /// Bytes to be parsed: the rest kept for the connection being served, then what was read.
    pub(super) input: Vec<u8>,
    /// Answers to be written to the connection being served. Empty between connections.
    pub(super) output: Vec<u8>,
    spare_inputs: Vec<Vec<u8>>,
    spare_outputs: Vec<Vec<u8>>,
    output_capacity: usize,
}

impl Io {
    /// Allocates everything that serving needs.
    pub(super) fn new(
        epoll: Epoll,
        counts: Arc<Counts>,
        answers: Arc<Answers>,
        read_buffer_bytes: usize,
    ) -> Self {
        let output_capacity = OUTPUT_BYTES + answers.longest();
        let spare = |number, bytes| {
            let mut buffers = Vec::with_capacity(number);
            buffers.resize_with(number, || Vec::with_capacity(bytes));
            buffers
        };
        Self {
            epoll,
            counts,
            answers,
            input: vec![0; read_buffer_bytes],
            output: Vec::with_capacity(output_capacity),
            spare_inputs: spare(SPARE_INPUTS, read_buffer_bytes),
            spare_outputs: spare(SPARE_OUTPUTS, output_capacity),
            output_capacity,
        }
    }

    /// epoll_wait(2): how many of `events` were filled.
    pub(super) fn wait(&self, events: &mut [EpollEvent], timeout: EpollTimeout) -> nix::Result<usize> {
        self.counts.call(Call::EpollWait, self.epoll.wait(events, timeout))
    }

    /// accept4(2): the descriptor of a connection, non-blocking and closed on exec.
    pub(super) fn accept(&self, listener: RawFd) -> nix::Result<RawFd> {
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let result = self.counts.call(Call::Accept4, socket::accept4(listener, flags));
        match result {
            Ok(_) => add(&self.counts.accepted, 1),
            Err(Errno::EMFILE) => add(&self.counts.emfile, 1),
            Err(Errno::EAGAIN) => add(&self.counts.accept_eagain, 1),
            Err(_) => {}
        }
        result
    }

    /// epoll_ctl(2) with EPOLL_CTL_ADD.
    pub(super) fn watch(&self, fd: RawFd, interest: EpollFlags, token: u64) -> nix::Result<()> {
        self.control(EpollOp::EpollCtlAdd, fd, interest, token)
    }

    /// epoll_ctl(2) with EPOLL_CTL_MOD.
    pub(super) fn rewatch(&self, fd: RawFd, interest: EpollFlags, token: u64) -> nix::Result<()> {
        self.control(EpollOp::EpollCtlMod, fd, interest, token)
    }

    #[expect(
        deprecated,
        reason = "the successor wants an owned descriptor, and accept4 of this library returns a raw one"
    )]
    fn control(&self, operation: EpollOp, fd: RawFd, interest: EpollFlags, token: u64) -> nix::Result<()> {
        let mut event = EpollEvent::new(interest, token);
        self.counts
            .call(Call::EpollCtl, epoll::epoll_ctl(self.epoll.0.as_raw_fd(), operation, fd, &mut event))
    }

    /// recv(3) into `input` behind its first `kept` bytes: how many bytes came, 0 at the end of the stream.
    pub(super) fn recv(&mut self, fd: RawFd, kept: usize) -> nix::Result<usize> {
        let room = self.input.get_mut(kept..).unwrap_or_default();
        let result = self.counts.call(Call::RecvFrom, socket::recv(fd, room, MsgFlags::empty()));
        if let Ok(bytes) = result {
            add(&self.counts.bytes_read, bytes);
        }
        result
    }

    /// send(3): how many bytes the kernel took; none where the socket is full.
    pub(super) fn send(&self, fd: RawFd, bytes: &[u8]) -> nix::Result<usize> {
        match self.counts.call(Call::SendTo, socket::send(fd, bytes, MsgFlags::MSG_NOSIGNAL)) {
            Ok(written) => {
                add(&self.counts.bytes_written, written);
                Ok(written)
            }
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(0),
            Err(errno) => Err(errno),
        }
    }

    /// close(2) of an accepted connection.
    pub(super) fn close(&self, fd: RawFd) {
        // Linux frees the descriptor even where close reports an error.
        let _ = self.counts.call(Call::Close, unistd::close(fd));
        add(&self.counts.closed, 1);
    }

    /// Blocks the loop for this long, as clock_nanosleep(2) until a point of CLOCK_MONOTONIC; signals do not
    /// shorten it.
    pub(super) fn sleep(&self, duration: Duration) -> nix::Result<()> {
        let until = clock_gettime(ClockId::CLOCK_MONOTONIC)? + TimeSpec::from(duration);
        loop {
            let slept = clock_nanosleep(ClockId::CLOCK_MONOTONIC, ClockNanosleepFlags::TIMER_ABSTIME, &until);
            match self.counts.call(Call::ClockNanosleep, slept) {
                Err(Errno::EINTR) => {}
                other => return other.map(drop),
            }
        }
    }

    /// Keeps a part of `input` for the connection's next event; `None` if there is nothing to keep.
    pub(super) fn keep_input(&mut self, from: usize, to: usize) -> Option<Vec<u8>> {
        let rest = self.input.get(from..to).filter(|rest| !rest.is_empty())?;
        let mut buffer = self.spare_inputs.pop().unwrap_or_else(|| Vec::with_capacity(self.input.len()));
        buffer.extend_from_slice(rest);
        Some(buffer)
    }

    /// Puts a kept rest back to the front of `input`, and says how long it is.
    pub(super) fn restore_input(&mut self, rest: Option<Vec<u8>>) -> usize {
        let Some(mut rest) = rest else { return 0 };
        let bytes = rest.len();
        if let Some(front) = self.input.get_mut(..bytes) {
            front.copy_from_slice(&rest);
        }
        if self.spare_inputs.len() < SPARE_INPUTS {
            rest.clear();
            self.spare_inputs.push(rest);
        }
        bytes
    }

    /// Hands the output to a connection whose socket is full, and goes on with another buffer.
    pub(super) fn keep_output(&mut self) -> Vec<u8> {
        let fresh = self.spare_outputs.pop().unwrap_or_else(|| Vec::with_capacity(self.output_capacity));
        std::mem::replace(&mut self.output, fresh)
    }

    /// Takes back what [`Self::keep_output`] handed out.
    pub(super) fn release_output(&mut self, mut buffer: Vec<u8>) {
        if self.spare_outputs.len() < SPARE_OUTPUTS {
            buffer.clear();
            self.spare_outputs.push(buffer);
        }
    }

    /// Takes back the buffers of a connection that ended.
    pub(super) fn release(&mut self, input: Option<Vec<u8>>, output: Option<Vec<u8>>) {
        self.restore_input(input);
        if let Some(output) = output {
            self.release_output(output);
        }
    }
}
