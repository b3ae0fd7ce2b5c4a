//! One accepted connection: what it still owes and what becomes of it at each event.

use std::os::fd::RawFd;

use nix::errno::Errno;
use nix::sys::epoll::EpollFlags;

use super::counts::add;
use super::http::{self, Answer, Code, Parsed, Persistence};
use super::io::{Io, OUTPUT_BYTES};

/// State between two events. The descriptor is open until [`Connection::end`].
#[derive(Debug)]
pub(super) struct Connection {
    fd: RawFd,
    token: u64,
    /// Bytes that were read and not understood yet.
    input: Option<Vec<u8>>,
    /// Answers that the socket did not take, and how much of them it did.
    output: Option<(Vec<u8>, usize)>,
    /// A request whose body is still arriving: bytes to come, and its answer.
    body: Option<(u64, Answer)>,
    /// To be closed once everything is written.
    closing: bool,
}

/// Whether the connection lives on after an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Keep,
    Close,
}

impl Connection {
    /// A fresh connection, known to epoll by this token.
    pub(super) fn new(fd: RawFd, token: u64) -> Self {
        Self { fd, token, input: None, output: None, body: None, closing: false }
    }

    /// Serves one readiness event: one read, or one write of what is left.
    pub(super) fn serve(&mut self, io: &mut Io) -> Fate {
        match self.output.take() {
            Some((rest, written)) => self.write_rest(io, rest, written),
            None => self.read(io),
        }
    }

    /// Closes the connection and gives its buffers back.
    pub(super) fn end(&mut self, io: &mut Io) {
        io.close(self.fd);
        io.release(self.input.take(), self.output.take().map(|(rest, _)| rest));
    }

    fn read(&mut self, io: &mut Io) -> Fate {
        let kept = io.restore_input(self.input.take());
        match io.recv(self.fd, kept) {
            Ok(0) => Fate::Close,
            Ok(bytes) => self.answer(io, kept + bytes),
            Err(Errno::EAGAIN | Errno::EINTR) => {
                self.input = io.keep_input(0, kept);
                Fate::Keep
            }
            Err(_) => Fate::Close,
        }
    }

    fn write_rest(&mut self, io: &mut Io, rest: Vec<u8>, written: usize) -> Fate {
        let sent = io.send(self.fd, rest.get(written..).unwrap_or_default());
        let written = written + sent.unwrap_or(0);
        if sent.is_err() || written < rest.len() {
            self.output = Some((rest, written));
            return if sent.is_err() { Fate::Close } else { Fate::Keep };
        }
        io.release_output(rest);
        if self.closing || io.rewatch(self.fd, EpollFlags::EPOLLIN, self.token).is_err() {
            return Fate::Close;
        }
        // Requests that arrived before the socket was full will cause no event of their own.
        let kept = io.restore_input(self.input.take());
        self.answer(io, kept)
    }

    /// Answers the requests in the first `end` bytes of the input, in as few writes as the output buffer allows.
    fn answer(&mut self, io: &mut Io, end: usize) -> Fate {
        let mut start = 0;
        loop {
            io.output.clear();
            start = self.gather(io, start, end);
            if io.output.is_empty() {
                self.input = io.keep_input(start, end);
                return Fate::Keep;
            }
            let Ok(written) = io.send(self.fd, &io.output) else {
                return Fate::Close;
            };
            if written < io.output.len() {
                self.output = Some((io.keep_output(), written));
                self.input = if self.closing { None } else { io.keep_input(start, end) };
                let waits = io.rewatch(self.fd, EpollFlags::EPOLLOUT, self.token);
                return if waits.is_ok() { Fate::Keep } else { Fate::Close };
            }
            if self.closing {
                return Fate::Close;
            }
        }
    }

    /// Fills the output with answers until the input or the room ends; returns where the input is not used yet.
    fn gather(&mut self, io: &mut Io, mut start: usize, end: usize) -> usize {
        let capacity = io.input.len();
        let Io { input, output, answers, counts, .. } = io;
        while output.len() < OUTPUT_BYTES && !self.closing {
            let bytes = input.get(start..end).unwrap_or_default();
            let answer = if let Some((missing, answer)) = self.body.take() {
                let here = usize::try_from(missing).map_or(bytes.len(), |missing| missing.min(bytes.len()));
                let left = missing.saturating_sub(u64::try_from(here).unwrap_or(u64::MAX));
                start += here;
                if left > 0 {
                    self.body = Some((left, answer));
                    break;
                }
                answer
            } else {
                match http::parse(bytes) {
                    Parsed::Partial if bytes.len() == capacity => Answer::refusal(Code::HeadTooLarge),
                    Parsed::Partial => break,
                    Parsed::Request { head_bytes, body_bytes, answer } => {
                        start += head_bytes;
                        if body_bytes > 0 {
                            self.body = Some((body_bytes, answer));
                            continue;
                        }
                        answer
                    }
                    Parsed::Refused(answer) => answer,
                }
            };
            add(if answer.status == Code::Ok { &counts.requests } else { &counts.refused_requests }, 1);
            self.closing = answer.persistence == Persistence::Close;
            answers.write(answer, output);
        }
        start
    }
}
