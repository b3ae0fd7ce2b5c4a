//! How often readings are repeated that cost much.

use std::time::{Duration, Instant};

/// Shortest time between two of them.
const EVERY: Duration = Duration::from_secs(5);

/// One in so many times its own length: half a percent of a processor.
const SHARE: u32 = 200;

/// When a costly reading was taken and how long it took.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    at: Instant,
    took: Duration,
}

impl Pace {
    /// Takes a reading.
    pub(super) fn time<T>(read: impl FnOnce() -> T) -> (T, Self) {
        let start = Instant::now();
        let value = read();
        let at = Instant::now();
        (value, Self { at, took: at.duration_since(start) })
    }

    /// Whether it is time for the next one: after [`EVERY`], or later if one takes long.
    pub(super) fn due(&self) -> bool {
        self.at.elapsed() >= EVERY.max(self.took.saturating_mul(SHARE))
    }

    /// A reading that took no time, so long ago that the next one is due.
    #[cfg(test)]
    pub(super) fn overdue() -> Self {
        Self { at: Instant::now().checked_sub(EVERY).unwrap(), took: Duration::ZERO }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_reading_is_repeated_later_than_a_fast_one() {
        let (value, pace) = Pace::time(|| 7);
        assert_eq!(value, 7);
        assert!(!pace.due());
        let fast = Pace::overdue();
        assert!(fast.due());
        let slow = Pace { took: Duration::from_secs(1), ..fast };
        assert!(!slow.due());
        let endless = Pace { took: Duration::MAX, ..fast };
        assert!(!endless.due());
    }
}
