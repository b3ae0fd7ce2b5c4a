//! The models: who starts a connection when, and what is to be done on it.

use std::time::{Duration, Instant};

use super::options::{Mode, Options};
use super::schedule::{Alarm, Random, Schedule, Timers};

/// Shortest time after which a user tries again after a failure: refusals come back at once, and must not make
/// the generator spin.
const RETRY: Duration = Duration::from_millis(10);

/// What is to be done on one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Plan {
    /// Who asked for it; 0 for arrivals of the open model.
    pub(super) user: u32,
    /// Requests still to be started; any number if absent.
    pub(super) requests_left: Option<u64>,
    /// No further request from then on.
    pub(super) retire_at: Option<Instant>,
    /// Mean pause before each further request.
    pub(super) think: Duration,
}

/// A model at work.
#[derive(Debug)]
pub(super) struct Model {
    mode: Mode,
    ends: Instant,
    schedule: Option<Schedule>,
    /// Connections that were planned.
    planned: u32,
}

impl Model {
    /// Prepares the model, and sets the alarms of its first connections.
    pub(super) fn new(options: &Options, start: Instant, random: &mut Random, timers: &mut Timers) -> Self {
        let mut schedule = None;
        match options.mode {
            Mode::Open { rate_per_s, arrivals, .. } => {
                schedule = Some(Schedule::new(start, rate_per_s, arrivals, random));
            }
            Mode::Closed { users, think, .. } => {
                for user in 0..users {
                    // Spread over one think time: users do not arrive in step.
                    timers.set(start + think.mul_f64(random.fraction()), Alarm::Start { user });
                }
            }
            Mode::Exact { connections, parallel, .. } => {
                for user in 0..parallel.min(connections) {
                    timers.set(start, Alarm::Start { user });
                }
            }
        }
        Self { mode: options.mode, ends: start + options.duration, schedule, planned: 0 }
    }

    /// When new work ends.
    pub(super) fn ends(&self) -> Instant {
        self.ends
    }

    /// When the next connection of the open model is due, if there is one before the end.
    pub(super) fn next_arrival(&self) -> Option<Instant> {
        self.schedule.as_ref().map(Schedule::due).filter(|due| *due < self.ends)
    }

    /// Takes the arrival that is due at `now`: its intended start, and its plan unless too many are in flight.
    pub(super) fn arrive(
        &mut self,
        now: Instant,
        in_flight: usize,
        random: &mut Random,
    ) -> Option<(Instant, Option<Plan>)> {
        let due = self.next_arrival().filter(|due| *due <= now)?;
        if let Some(schedule) = &mut self.schedule {
            schedule.advance(random);
        }
        let room = match self.mode {
            Mode::Open { max_in_flight, .. } => {
                usize::try_from(max_in_flight).is_ok_and(|most| in_flight < most)
            }
            _ => false,
        };
        Some((due, if room { self.plan(0, now) } else { None }))
    }

    /// The plan of a connection that this user starts now; `None` once all are planned.
    pub(super) fn plan(&mut self, user: u32, now: Instant) -> Option<Plan> {
        let idle = Plan { user, requests_left: None, retire_at: None, think: Duration::ZERO };
        let number = self.planned;
        let plan = match self.mode {
            Mode::Open { requests_per_connection, .. } => {
                Plan { requests_left: Some(u64::from(requests_per_connection)), ..idle }
            }
            Mode::Closed { think, requests_per_connection, lifetime, .. } => Plan {
                requests_left: requests_per_connection.map(u64::from),
                retire_at: lifetime.map(|lifetime| now + lifetime),
                think,
                ..idle
            },
            Mode::Exact { connections, requests, .. } if number < connections => {
                let (number, connections) = (u64::from(number), u64::from(connections));
                let extra = u64::from(number < requests % connections);
                Plan { requests_left: Some(requests / connections + extra), ..idle }
            }
            Mode::Exact { .. } => return None,
        };
        self.planned = self.planned.saturating_add(1);
        Some(plan)
    }

    /// A connection has ended: sets the alarm of the user's next one. `not_before` is when the user wanted to send
    /// the next request.
    pub(super) fn ended(
        &self,
        plan: &Plan,
        failed: bool,
        not_before: Option<Instant>,
        now: Instant,
        random: &mut Random,
        timers: &mut Timers,
    ) {
        let due = match self.mode {
            Mode::Open { .. } => return,
            Mode::Closed { think, .. } if failed => now + random.around(think).max(RETRY),
            Mode::Closed { think, .. } => not_before.unwrap_or_else(|| now + random.around(think)),
            Mode::Exact { connections, .. } if self.planned >= connections => return,
            Mode::Exact { .. } => now,
        };
        if due < self.ends {
            timers.set(due, Alarm::Start { user: plan.user });
        }
    }

    /// Whether nothing is left to be started, before the end of time.
    pub(super) fn exhausted(&self) -> bool {
        matches!(self.mode, Mode::Exact { connections, .. } if self.planned >= connections)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Arrivals;

    fn model(mode: Mode) -> (Model, Instant, Random, Timers) {
        let (start, mut random, mut timers) = (Instant::now(), Random::new(1), Timers::default());
        let options = Options { mode, duration: Duration::from_secs(10), ..Options::default() };
        let model = Model::new(&options, start, &mut random, &mut timers);
        (model, start, random, timers)
    }

    #[test]
    fn exact_requests_are_spread_and_then_exhausted() {
        let (mut model, start, mut random, mut timers) =
            model(Mode::Exact { connections: 3, requests: 7, parallel: 2 });
        let mut quotas = Vec::new();
        while let Some((_, Alarm::Start { user })) = timers.take(start) {
            // A user whose turn comes when all is planned has nothing to do.
            let Some(plan) = model.plan(user, start) else { continue };
            quotas.push(plan.requests_left.unwrap());
            model.ended(&plan, false, None, start, &mut random, &mut timers);
        }
        assert_eq!(quotas, vec![3, 2, 2]);
        assert!(model.exhausted());
        assert_eq!(model.plan(0, start), None);
    }

    #[test]
    fn open_arrivals_are_neither_postponed_nor_past_the_end() {
        let mode = Mode::Open {
            rate_per_s: 10.0,
            requests_per_connection: 2,
            max_in_flight: 5,
            arrivals: Arrivals::Even,
        };
        let (mut model, start, mut random, _) = model(mode);
        let late = start + Duration::from_secs(3600);
        let (due, plan) = model.arrive(late, 4, &mut random).unwrap();
        assert_eq!(due - start, Duration::from_millis(100));
        assert_eq!(plan.unwrap().requests_left, Some(2));
        let (due, plan) = model.arrive(late, 5, &mut random).unwrap();
        assert_eq!((due - start, plan), (Duration::from_millis(200), None));
        let mut rest = 0;
        while model.arrive(late, 0, &mut random).is_some() {
            rest += 1;
        }
        // 10 per second for 10 s; the one due at the end itself is not started.
        assert_eq!(rest + 2, 99);
    }

    #[test]
    fn users_come_back_before_the_end_only_and_not_at_once_after_a_failure() {
        let mode =
            Mode::Closed { users: 3, think: Duration::ZERO, requests_per_connection: None, lifetime: None };
        let (mut model, start, mut random, mut timers) = model(mode);
        let mut users = Vec::new();
        while let Some((_, Alarm::Start { user })) = timers.take(start) {
            users.push(user);
        }
        assert_eq!(users, vec![0, 1, 2]);
        let plan = model.plan(1, start).unwrap();
        model.ended(&plan, true, None, start, &mut random, &mut timers);
        assert_eq!(timers.first(), Some(start + RETRY));
        model.ended(&plan, false, None, start, &mut random, &mut timers);
        assert_eq!(timers.first(), Some(start));
        let (mut late_timers, late) = (Timers::default(), model.ends());
        model.ended(&plan, false, None, late, &mut random, &mut late_timers);
        assert_eq!(late_timers.first(), None);
    }
}
