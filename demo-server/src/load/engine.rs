//! The event loop of the load generator.

use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::socket::SockaddrStorage;
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

use super::connection::{Connection, Event, Phase};
use super::options::Options;
use super::plan::{Model, Plan};
use super::schedule::{Alarm, Random, Timers};
use super::statistics::{Failure, Statistics, count};
use super::summary::{Progress, Summary};
use crate::limit::Changed;
use crate::{Error, Stop};

/// Most events of one wait, and most arrivals and alarms that are served before events are looked at again.
const BATCH: usize = 256;

/// Tokens that are no place in the table of connections.
const TIMER: u64 = u64::MAX;
const STOP: u64 = u64::MAX - 1;

/// Produces the load until it is done or the stop is requested, and calls `progress` once a second. The soft limit
/// on descriptors of this process is raised as far as the options need and the hard limit allows.
///
/// # Errors
/// An option that cannot work, or no descriptors for the generator itself. What the server does is never an error.
pub fn run(options: &Options, stop: &Stop, mut progress: impl FnMut(&Progress)) -> Result<Summary, Error> {
    options.check()?;
    let _raised = Changed::at_least(options.descriptors())?;
    let mut engine = Engine::new(options, stop)?;
    let second = Duration::from_secs(1);
    let mut next_progress = engine.started + second;
    while !stop.requested() && !engine.finished() {
        engine.start_due();
        let now = Instant::now();
        if now >= next_progress {
            progress(&engine.statistics.progress(now - engine.started, engine.in_flight));
            while next_progress <= now {
                next_progress += second;
            }
        }
        engine.wait(next_progress)?;
    }
    Ok(engine.end())
}

struct Engine<'a> {
    options: &'a Options,
    started: Instant,
    /// By then everything has ended by its own timeouts.
    hard_end: Instant,
    model: Model,
    random: Random,
    timers: Timers,
    statistics: Statistics,
    address: SockaddrStorage,
    request: Vec<u8>,
    epoll: Epoll,
    timer: TimerFd,
    events: Vec<EpollEvent>,
    buffer: Vec<u8>,
    connections: Vec<Option<Connection>>,
    free: Vec<usize>,
    in_flight: usize,
    serials: u64,
}

/// What becomes of a connection after an event.
enum Next {
    Keep,
    /// It is closed; its user wanted to send the next request at this time, if known.
    End {
        failed: bool,
        not_before: Option<Instant>,
    },
}

impl<'a> Engine<'a> {
    fn new(options: &'a Options, stop: &Stop) -> Result<Self, Error> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)
            .map_err(Error::system("make", "an epoll instance"))?;
        let flags = TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK;
        let timer =
            TimerFd::new(ClockId::CLOCK_MONOTONIC, flags).map_err(Error::system("make", "a timer"))?;
        epoll
            .add(&timer, EpollEvent::new(EpollFlags::EPOLLIN, TIMER))
            .map_err(Error::system("watch", "the timer"))?;
        epoll
            .add(stop, EpollEvent::new(EpollFlags::EPOLLIN, STOP))
            .map_err(Error::system("watch", "the request to stop"))?;
        let statistics = Statistics::new()?;
        let (started, mut random, mut timers) =
            (Instant::now(), Random::new(options.seed), Timers::default());
        let model = Model::new(options, started, &mut random, &mut timers);
        let (path, target) = (&options.path, options.target);
        Ok(Self {
            options,
            started,
            hard_end: model.ends() + options.connect_timeout + options.request_timeout,
            model,
            random,
            timers,
            statistics,
            address: SockaddrStorage::from(target),
            request: format!("GET {path} HTTP/1.1\r\nHost: {target}\r\nUser-Agent: netscope-load\r\n\r\n")
                .into_bytes(),
            epoll,
            timer,
            events: vec![EpollEvent::empty(); BATCH],
            buffer: vec![0; 64 * 1024],
            connections: Vec::new(),
            free: Vec::new(),
            in_flight: 0,
            serials: 0,
        })
    }

    fn finished(&self) -> bool {
        let now = Instant::now();
        let over = now >= self.model.ends() && self.model.next_arrival().is_none_or(|due| due > now);
        now >= self.hard_end || (self.in_flight == 0 && (over || self.model.exhausted()))
    }

    /// Starts what is due by now.
    fn start_due(&mut self) {
        for _ in 0..BATCH {
            let Some((due, plan)) = self.model.arrive(Instant::now(), self.in_flight, &mut self.random)
            else {
                break;
            };
            match plan {
                Some(plan) => self.start(plan, due),
                None => self.statistics.summary.not_started += 1,
            }
        }
        for _ in 0..BATCH {
            let now = Instant::now();
            match self.timers.take(now) {
                Some((due, Alarm::Start { user })) => {
                    if let Some(plan) = self.model.plan(user, now) {
                        self.start(plan, due);
                    }
                }
                Some((_, Alarm::Send { slot, serial })) => self.send(slot, serial),
                Some((due, Alarm::Deadline { slot, serial })) => {
                    self.look_at_deadline(slot, serial, due, now)
                }
                None => break,
            }
        }
    }

    fn start(&mut self, plan: Plan, intended: Instant) {
        let now = Instant::now();
        self.statistics.summary.attempts += 1;
        self.statistics.start_delay.record(now.saturating_duration_since(intended));
        let slot = self.free.pop().unwrap_or(self.connections.len());
        if slot == self.connections.len() {
            self.connections.push(None);
        }
        let token = u64::try_from(slot).unwrap_or(STOP);
        match Connection::open(&self.address, &self.epoll, token, plan, intended) {
            Ok(mut connection) => {
                self.serials += 1;
                connection.serial = self.serials;
                self.in_flight += 1;
                self.arm(slot, &mut connection, now + self.options.connect_timeout);
                self.put(slot, connection);
            }
            Err(failure) => {
                count(&mut self.statistics.summary.connect_failures, failure);
                self.free.push(slot);
                self.model.ended(&plan, true, None, now, &mut self.random, &mut self.timers);
            }
        }
    }

    fn put(&mut self, slot: usize, connection: Connection) {
        if let Some(place) = self.connections.get_mut(slot) {
            *place = Some(connection);
        }
    }

    /// Takes a connection out of the table while something is done with it.
    fn take(&mut self, slot: usize, serial: Option<u64>) -> Option<Connection> {
        let place = self.connections.get_mut(slot)?;
        place.take_if(|connection| serial.is_none_or(|serial| connection.serial == serial))
    }

    /// Watches a deadline. One alarm per connection is enough while deadlines only move on.
    fn arm(&mut self, slot: usize, connection: &mut Connection, deadline: Instant) {
        connection.deadline = Some(deadline);
        if connection.alarm_at.is_none_or(|alarm| alarm > deadline) {
            connection.alarm_at = Some(deadline);
            self.timers.set(deadline, Alarm::Deadline { slot, serial: connection.serial });
        }
    }

    fn look_at_deadline(&mut self, slot: usize, serial: u64, due: Instant, now: Instant) {
        let Some(mut connection) = self.take(slot, Some(serial)) else { return };
        if connection.alarm_at == Some(due) {
            connection.alarm_at = None;
        }
        match connection.deadline {
            Some(deadline) if deadline <= now => {
                self.settle(slot, connection, Event::Failed(Failure::TimedOut))
            }
            Some(deadline) => {
                self.arm(slot, &mut connection, deadline);
                self.put(slot, connection);
            }
            None => self.put(slot, connection),
        }
    }

    fn send(&mut self, slot: usize, serial: u64) {
        if let Some(mut connection) = self.take(slot, Some(serial)) {
            let event = self.begin(slot, &mut connection);
            self.settle(slot, connection, event);
        }
    }

    fn begin(&mut self, slot: usize, connection: &mut Connection) -> Event {
        self.arm(slot, connection, Instant::now() + self.options.request_timeout);
        connection.begin(&self.epoll, &self.request, &mut self.statistics.summary)
    }

    /// Counts what happened, does what comes next, and puts the connection back or ends it.
    fn settle(&mut self, slot: usize, mut connection: Connection, first: Event) {
        let mut event = first;
        let next = loop {
            let now = Instant::now();
            event = match event {
                Event::Nothing => break Next::Keep,
                Event::Connected => {
                    self.statistics.summary.connected += 1;
                    self.statistics.connect.record(now.saturating_duration_since(connection.opened));
                    if connection.plan.requests_left == Some(0) {
                        break Next::End { failed: false, not_before: None };
                    }
                    self.begin(slot, &mut connection)
                }
                Event::Complete { status, reusable } => {
                    self.statistics.complete(status, now.saturating_duration_since(connection.intended));
                    match self.next_request(slot, &mut connection, reusable, now) {
                        Some(next) => break next,
                        None => self.begin(slot, &mut connection),
                    }
                }
                Event::Failed(failure) => {
                    self.fail(&connection, failure);
                    break Next::End { failed: true, not_before: None };
                }
                Event::ClosedIdle => {
                    self.statistics.summary.closed_by_server += 1;
                    break Next::End { failed: false, not_before: Some(connection.intended) };
                }
            };
        };
        match next {
            Next::Keep => self.put(slot, connection),
            Next::End { failed, not_before } => {
                self.in_flight -= 1;
                self.free.push(slot);
                let now = Instant::now();
                self.model.ended(
                    &connection.plan,
                    failed,
                    not_before,
                    now,
                    &mut self.random,
                    &mut self.timers,
                );
            }
        }
    }

    fn fail(&mut self, connection: &Connection, failure: Failure) {
        let summary = &mut self.statistics.summary;
        match connection.phase {
            Phase::Connecting => count(&mut summary.connect_failures, failure),
            Phase::Sending | Phase::Waiting => count(&mut summary.request_failures, failure),
            Phase::Thinking => {}
        }
    }

    /// What follows a response; `None` to send the next request at once.
    fn next_request(
        &mut self,
        slot: usize,
        connection: &mut Connection,
        reusable: bool,
        now: Instant,
    ) -> Option<Next> {
        let plan = connection.plan;
        let retired = plan.requests_left == Some(0) || plan.retire_at.is_some_and(|retire| retire <= now);
        let pause = if plan.think.is_zero() { Duration::ZERO } else { self.random.around(plan.think) };
        let intended = now + pause;
        if retired || intended >= self.model.ends() {
            return Some(Next::End { failed: false, not_before: Some(intended) });
        }
        if !reusable {
            self.statistics.summary.closed_by_server += 1;
            return Some(Next::End { failed: false, not_before: Some(intended) });
        }
        connection.intended = intended;
        if pause.is_zero() {
            return None;
        }
        connection.phase = Phase::Thinking;
        connection.deadline = None;
        self.timers.set(intended, Alarm::Send { slot, serial: connection.serial });
        Some(Next::Keep)
    }

    /// Waits for the first of events, arrivals, alarms and the next progress, and serves the events.
    fn wait(&mut self, next_progress: Instant) -> Result<(), Error> {
        let now = Instant::now();
        let ends = Some(self.model.ends()).filter(|ends| *ends > now);
        let due =
            [Some(next_progress), Some(self.hard_end), ends, self.model.next_arrival(), self.timers.first()];
        let due = due.into_iter().flatten().min().unwrap_or(self.hard_end);
        // A timer of zero would be off; one nanosecond rings at once.
        let left = due.saturating_duration_since(now).max(Duration::from_nanos(1));
        self.timer
            .set(Expiration::OneShot(TimeSpec::from(left)), TimerSetTimeFlags::empty())
            .map_err(Error::system("set", "the timer of the load"))?;
        let ready = match self.epoll.wait(&mut self.events, EpollTimeout::NONE) {
            Ok(ready) => ready,
            Err(Errno::EINTR) => 0,
            Err(errno) => return Err(Error::system("wait on", "the connections of the load")(errno)),
        };
        for place in 0..ready {
            let token = self.events.get(place).map_or(TIMER, EpollEvent::data);
            let Some(slot) = usize::try_from(token).ok().filter(|_| token < STOP) else { continue };
            if let Some(mut connection) = self.take(slot, None) {
                let counts = &mut self.statistics.summary;
                let event = connection.ready(&self.epoll, &self.request, &mut self.buffer, counts);
                self.settle(slot, connection, event);
            }
        }
        Ok(())
    }

    /// Counts what was not done, and sums up.
    fn end(mut self) -> Summary {
        while let Some((_, _)) = self.model.arrive(Instant::now(), usize::MAX, &mut self.random) {
            self.statistics.summary.not_started += 1;
        }
        for connection in std::mem::take(&mut self.connections).into_iter().flatten() {
            self.fail(&connection, Failure::Unfinished);
        }
        self.statistics.finish(self.started.elapsed())
    }
}
