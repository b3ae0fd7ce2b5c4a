//! When things are due: random numbers, arrivals, timers.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use super::options::Arrivals;

/// SplitMix64 (Steele, Lea, Flood 2014): small, repeatable, good enough to space arrivals.
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

impl Random {
    /// Numbers that depend on the seed only.
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Between 0 and 1, 1 excluded.
    pub(super) fn fraction(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        // The upper 53 bits are what an f64 holds exactly.
        (mixed >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Between half and one and a half of the mean.
    pub(super) fn around(&mut self, mean: Duration) -> Duration {
        mean.mul_f64(0.5 + self.fraction())
    }
}

/// The arrivals of an open model, one after the other.
#[derive(Debug, Clone)]
pub(super) struct Schedule {
    start: Instant,
    rate_per_s: f64,
    spacing: Arrivals,
    number: u64,
    offset_s: f64,
}

impl Schedule {
    /// The first arrival is one interval after the start. The rate is above 0.
    pub(super) fn new(start: Instant, rate_per_s: f64, spacing: Arrivals, random: &mut Random) -> Self {
        let mut schedule = Self { start, rate_per_s, spacing, number: 0, offset_s: 0.0 };
        schedule.advance(random);
        schedule
    }

    /// When the next arrival is due.
    pub(super) fn due(&self) -> Instant {
        let offset = Duration::try_from_secs_f64(self.offset_s).unwrap_or(Duration::MAX);
        // A time beyond what the clock can tell is never reached; a day is as good.
        self.start.checked_add(offset).unwrap_or(self.start + Duration::from_secs(86_400))
    }

    /// Goes on to the arrival after it.
    pub(super) fn advance(&mut self, random: &mut Random) {
        self.number += 1;
        match self.spacing {
            // From the number, not from the last one: rounding errors must not add up to another rate.
            Arrivals::Even => self.offset_s = self.number as f64 / self.rate_per_s,
            Arrivals::Poisson => self.offset_s -= (1.0 - random.fraction()).ln() / self.rate_per_s,
        }
    }
}

/// What a timer is for. Connections are named by slot and serial number: the timer of one that is gone is void.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Alarm {
    /// Look at the deadline of this connection.
    Deadline { slot: usize, serial: u64 },
    /// Send the next request on this connection.
    Send { slot: usize, serial: u64 },
    /// Start a connection for this user.
    Start { user: u32 },
}

/// Alarms in the order in which they are due.
#[derive(Debug, Default)]
pub(super) struct Timers {
    heap: BinaryHeap<Reverse<(Instant, Alarm)>>,
}

impl Timers {
    /// Adds one.
    pub(super) fn set(&mut self, due: Instant, alarm: Alarm) {
        self.heap.push(Reverse((due, alarm)));
    }

    /// When the first is due.
    pub(super) fn first(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((due, _))| *due)
    }

    /// Takes one that is due.
    pub(super) fn take(&mut self, now: Instant) -> Option<(Instant, Alarm)> {
        self.first().filter(|due| *due <= now)?;
        self.heap.pop().map(|Reverse(first)| first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn even_arrivals_keep_the_rate_without_drift() {
        let start = Instant::now();
        let mut random = Random::new(1);
        let mut schedule = Schedule::new(start, 3.0, Arrivals::Even, &mut random);
        assert_eq!(schedule.due() - start, Duration::from_secs_f64(1.0 / 3.0));
        for _ in 1..3_000_000 {
            schedule.advance(&mut random);
        }
        assert_eq!(schedule.due() - start, Duration::from_secs(1_000_000));
    }

    #[test]
    fn poisson_arrivals_have_the_rate_as_mean_and_follow_the_seed() {
        let start = Instant::now();
        let after = |seed, number| {
            let mut random = Random::new(seed);
            let mut schedule = Schedule::new(start, 1000.0, Arrivals::Poisson, &mut random);
            for _ in 1..number {
                schedule.advance(&mut random);
            }
            (schedule.due() - start).as_secs_f64()
        };
        // 100,000 exponential intervals: the standard error of the mean is 0.3 %.
        assert!((after(7, 100_000) - 100.0).abs() < 1.5, "{}", after(7, 100_000));
        assert_eq!(after(7, 10).to_bits(), after(7, 10).to_bits());
        assert_ne!(after(7, 10).to_bits(), after(8, 10).to_bits());
    }

    #[test]
    fn think_times_stay_around_the_mean() {
        let mut random = Random::new(3);
        let mean = Duration::from_millis(100);
        for _ in 0..1000 {
            let drawn = random.around(mean);
            assert!((mean / 2..mean * 3 / 2).contains(&drawn), "{drawn:?}");
        }
    }

    #[test]
    fn timers_come_in_order_and_not_early() {
        let now = Instant::now();
        let later = now + Duration::from_secs(1);
        let mut timers = Timers::default();
        timers.set(later, Alarm::Start { user: 2 });
        timers.set(now, Alarm::Start { user: 1 });
        assert_eq!(timers.take(now), Some((now, Alarm::Start { user: 1 })));
        assert_eq!(timers.take(now), None);
        assert_eq!(timers.first(), Some(later));
        assert_eq!(timers.take(later), Some((later, Alarm::Start { user: 2 })));
    }
}
