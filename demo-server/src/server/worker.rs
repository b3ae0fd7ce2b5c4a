//! The event loop.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::epoll::{EpollEvent, EpollFlags, EpollTimeout};

use super::connection::{Connection, Fate};
use super::counts::add;
use super::io::Io;
use super::options::{Options, Stall};
use super::reserve::Gate;
use crate::{Error, Stop};

/// Most events that one epoll_wait returns.
const EVENTS: usize = 512;

/// Connections for which there is room before the table must grow.
const ROOM: usize = 1 << 17;

/// How long the listener is left alone after EMFILE, if that was asked for.
const BACKOFF: Duration = Duration::from_millis(10);

/// Tokens that are no place in the table of connections.
const LISTENER: u64 = u64::MAX;
const STOP: u64 = u64::MAX - 1;

/// One loop with its listener and its connections.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) io: Io,
    listener: OwnedFd,
    number: usize,
    gate: Option<Arc<Gate>>,
    accept_delay: Duration,
    accepts_per_pass: u32,
    emfile_backoff: bool,
    stall: Option<(Stall, Instant)>,
    resume_accepting: Option<Instant>,
    connections: Vec<Option<Connection>>,
    free: Vec<usize>,
    events: Vec<EpollEvent>,
}

impl Worker {
    /// A loop that has not started.
    pub(super) fn new(
        number: usize,
        io: Io,
        listener: OwnedFd,
        gate: Option<Arc<Gate>>,
        options: &Options,
    ) -> Self {
        Self {
            io,
            listener,
            number,
            gate,
            accept_delay: options.accept_delay,
            accepts_per_pass: options.accepts_per_pass(),
            emfile_backoff: options.emfile_backoff,
            stall: options.stall.map(|stall| (stall, Instant::now())),
            resume_accepting: None,
            connections: Vec::with_capacity(ROOM),
            free: Vec::with_capacity(ROOM),
            events: vec![EpollEvent::empty(); EVENTS],
        }
    }

    /// Watches the listener and the request to stop. Not counted: it happens before the loop's first pass.
    pub(super) fn prepare(&mut self, stop: &Stop) -> Result<(), Error> {
        let epoll = &self.io.epoll;
        epoll
            .add(&self.listener, EpollEvent::new(EpollFlags::EPOLLIN, LISTENER))
            .map_err(Error::system("watch", "the listener"))?;
        epoll
            .add(stop.as_fd(), EpollEvent::new(EpollFlags::EPOLLIN, STOP))
            .map_err(Error::system("watch", "the request to stop"))?;
        if let Some((stall, next)) = &mut self.stall {
            *next = Instant::now() + stall.every;
        }
        Ok(())
    }

    /// Serves until the stop is requested, then closes all connections.
    pub(super) fn run(&mut self) -> Result<(), Error> {
        let result = self.serve().map_err(Error::system("run", self.io.counts.name()));
        for mut connection in self.connections.drain(..).flatten() {
            connection.end(&mut self.io);
        }
        result
    }

    fn serve(&mut self) -> nix::Result<()> {
        loop {
            self.stall_if_due()?;
            self.resume_if_due()?;
            let timeout = self.timeout();
            let ready = match self.io.wait(&mut self.events, timeout) {
                Ok(ready) => ready,
                Err(Errno::EINTR) => continue,
                Err(errno) => return Err(errno),
            };
            self.io.counts.pass(ready);
            let mut acceptable = false;
            for place in 0..ready {
                match self.events.get(place).map(EpollEvent::data) {
                    Some(LISTENER) => acceptable = true,
                    Some(STOP) => return Ok(()),
                    Some(token) => self.serve_connection(token),
                    None => {}
                }
            }
            if acceptable {
                self.accept()?;
            }
        }
    }

    fn serve_connection(&mut self, token: u64) {
        let Ok(place) = usize::try_from(token) else { return };
        let Some(slot) = self.connections.get_mut(place) else { return };
        if let Some(connection) = slot
            && connection.serve(&mut self.io) == Fate::Close
        {
            // The kernel takes a closed descriptor out of the interest list.
            connection.end(&mut self.io);
            *slot = None;
            self.free.push(place);
        }
    }

    fn accept(&mut self) -> nix::Result<()> {
        if !self.accept_delay.is_zero() {
            self.io.sleep(self.accept_delay)?;
        }
        for _ in 0..self.accepts_per_pass {
            let listener = self.listener.as_raw_fd();
            let accepted = match &self.gate {
                Some(gate) => gate.pass(self.number, || self.io.accept(listener)),
                None => Some(self.io.accept(listener)),
            };
            match accepted {
                Some(Ok(fd)) => self.add_connection(fd),
                Some(Err(Errno::EMFILE)) => return self.pause_accepting(),
                Some(Err(errno @ (Errno::EBADF | Errno::EINVAL | Errno::ENOTSOCK | Errno::EOPNOTSUPP))) => {
                    return Err(errno);
                }
                // Errors of the connection or of the host: the level-triggered listener reports again.
                Some(Err(_)) | None => return Ok(()),
            }
        }
        Ok(())
    }

    fn add_connection(&mut self, fd: i32) {
        let place = self.free.pop().unwrap_or(self.connections.len());
        let token = u64::try_from(place).unwrap_or(STOP);
        if self.io.watch(fd, EpollFlags::EPOLLIN, token).is_err() {
            // ENOSPC (fs.epoll.max_user_watches) or ENOMEM: nobody would ever wake for it.
            self.io.close(fd);
            if place < self.connections.len() {
                self.free.push(place);
            }
            return;
        }
        let connection = Some(Connection::new(fd, token));
        match self.connections.get_mut(place) {
            Some(slot) => *slot = connection,
            None => self.connections.push(connection),
        }
    }

    fn pause_accepting(&mut self) -> nix::Result<()> {
        if !self.emfile_backoff {
            return Ok(());
        }
        self.resume_accepting = Some(Instant::now() + BACKOFF);
        self.io.rewatch(self.listener.as_raw_fd(), EpollFlags::empty(), LISTENER)
    }

    fn resume_if_due(&mut self) -> nix::Result<()> {
        match self.resume_accepting {
            Some(due) if due <= Instant::now() => {
                self.resume_accepting = None;
                self.io.rewatch(self.listener.as_raw_fd(), EpollFlags::EPOLLIN, LISTENER)
            }
            _ => Ok(()),
        }
    }

    fn stall_if_due(&mut self) -> nix::Result<()> {
        let Some((stall, next)) = &mut self.stall else { return Ok(()) };
        let now = Instant::now();
        if *next > now {
            return Ok(());
        }
        // A loop that was held up for longer than a period skips the stalls it missed.
        while *next <= now {
            *next += stall.every;
        }
        add(&self.io.counts.stalls, 1);
        self.io.sleep(stall.duration)
    }

    /// Until the next thing that this loop does by itself; the clock is read only if there is one.
    fn timeout(&self) -> EpollTimeout {
        let stall = self.stall.as_ref().map(|(_, next)| *next);
        match stall.into_iter().chain(self.resume_accepting).min() {
            None => EpollTimeout::NONE,
            Some(due) => {
                let left = due.saturating_duration_since(Instant::now());
                let rounded_up = left.as_nanos().div_ceil(1_000_000);
                EpollTimeout::try_from(rounded_up).unwrap_or(EpollTimeout::MAX)
            }
        }
    }
}
