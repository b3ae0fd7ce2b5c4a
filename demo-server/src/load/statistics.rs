//! The counters of a running load.

use std::time::Duration;

use hdrhistogram::Histogram;
use nix::errno::Errno;

use super::summary::{Failures, Percentiles, Progress, Summary};
use crate::Error;

/// Largest duration that is told apart, in microseconds: one hour.
const LONGEST_US: u64 = 3_600_000_000;

/// A histogram of durations with an exact sum.
#[derive(Debug)]
pub(super) struct Durations {
    histogram: Histogram<u64>,
    sum: u64,
}

impl Durations {
    fn new() -> Result<Self, Error> {
        let histogram = Histogram::new_with_bounds(1, LONGEST_US, 3)
            .map_err(|error| Error::Option { option: "histogram", reason: format!("{error:?}") })?;
        Ok(Self { histogram, sum: 0 })
    }

    /// Adds one duration.
    pub(super) fn record(&mut self, duration: Duration) {
        let microseconds = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.histogram.saturating_record(microseconds);
        self.sum = self.sum.saturating_add(microseconds);
    }

    fn percentiles(&self) -> Option<Percentiles> {
        let at = |quantile| self.histogram.value_at_quantile(quantile).min(self.histogram.max());
        (!self.histogram.is_empty()).then(|| Percentiles {
            count: self.histogram.len(),
            sum: self.sum,
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: self.histogram.max(),
        })
    }

    fn reset(&mut self) {
        self.histogram.reset();
        self.sum = 0;
    }
}

/// Why an attempt or a request failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    TimedOut,
    Incomplete,
    Protocol,
    Unfinished,
    System(Errno),
}

/// Adds one failure to the counts of its kind.
pub(super) fn count(failures: &mut Failures, failure: Failure) {
    let counter = match failure {
        Failure::TimedOut | Failure::System(Errno::ETIMEDOUT) => &mut failures.timed_out,
        Failure::Incomplete => &mut failures.incomplete,
        Failure::Protocol => &mut failures.protocol,
        Failure::Unfinished => &mut failures.unfinished,
        Failure::System(Errno::ECONNREFUSED) => &mut failures.refused,
        Failure::System(Errno::ECONNRESET | Errno::ECONNABORTED | Errno::EPIPE) => &mut failures.reset,
        Failure::System(Errno::EADDRNOTAVAIL) => &mut failures.address_unavailable,
        Failure::System(Errno::EMFILE | Errno::ENFILE) => &mut failures.too_many_files,
        Failure::System(errno) => failures.other.entry(format!("{errno:?}")).or_default(),
    };
    *counter += 1;
}

/// Everything that is counted and measured. `summary` holds the counts; its distributions are filled at the end.
#[derive(Debug)]
pub(super) struct Statistics {
    pub(super) summary: Summary,
    pub(super) connect: Durations,
    pub(super) start_delay: Durations,
    latency: Durations,
    recent_latency: Durations,
}

impl Statistics {
    /// Nothing counted yet.
    pub(super) fn new() -> Result<Self, Error> {
        Ok(Self {
            summary: Summary::default(),
            connect: Durations::new()?,
            start_delay: Durations::new()?,
            latency: Durations::new()?,
            recent_latency: Durations::new()?,
        })
    }

    /// One request whose response is complete.
    pub(super) fn complete(&mut self, status: u16, latency: Duration) {
        self.summary.completed += 1;
        if status >= 400 {
            self.summary.error_responses += 1;
        }
        self.latency.record(latency);
        self.recent_latency.record(latency);
    }

    /// The state of now; starts the next interval.
    pub(super) fn progress(&mut self, elapsed: Duration, in_flight: usize) -> Progress {
        let counts = &self.summary;
        let progress = Progress {
            seconds: elapsed.as_secs_f64(),
            attempts: counts.attempts,
            not_started: counts.not_started,
            connected: counts.connected,
            completed: counts.completed,
            failed: counts.connect_failures.total() + counts.request_failures.total(),
            in_flight: u64::try_from(in_flight).unwrap_or(u64::MAX),
            latency_us: self.recent_latency.percentiles(),
        };
        self.recent_latency.reset();
        progress
    }

    /// The final result.
    pub(super) fn finish(self, elapsed: Duration) -> Summary {
        Summary {
            seconds: elapsed.as_secs_f64(),
            scheduled: self.summary.attempts + self.summary.not_started,
            connect_us: self.connect.percentiles(),
            latency_us: self.latency.percentiles(),
            start_delay_us: self.start_delay.percentiles(),
            ..self.summary
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_measured_is_absent() {
        let summary = Statistics::new().unwrap().finish(Duration::from_secs(1));
        assert_eq!((summary.connect_us, summary.latency_us, summary.start_delay_us), (None, None, None));
    }

    #[test]
    fn percentiles_of_known_values() {
        let mut statistics = Statistics::new().unwrap();
        for milliseconds in 1..=1000 {
            statistics.complete(200, Duration::from_millis(milliseconds));
        }
        statistics.complete(503, Duration::from_millis(1000));
        let summary = statistics.finish(Duration::from_secs(1));
        let latency = summary.latency_us.unwrap();
        let near = |value: u64, wanted: u64| value.abs_diff(wanted) <= wanted / 500;
        assert_eq!((latency.count, latency.sum), (1001, 501_500_000));
        assert!(near(latency.p50, 501_000) && near(latency.p99, 991_000), "{latency:?}");
        assert!(near(latency.max, 1_000_000), "{latency:?}");
        assert_eq!((summary.completed, summary.error_responses), (1001, 1));
    }

    #[test]
    fn progress_forgets_the_latencies_of_the_interval_before() {
        let mut statistics = Statistics::new().unwrap();
        statistics.complete(200, Duration::from_millis(5));
        assert_eq!(
            statistics.progress(Duration::from_secs(1), 3).latency_us.map(|latency| latency.count),
            Some(1)
        );
        let second = statistics.progress(Duration::from_secs(2), 0);
        assert_eq!((second.latency_us, second.completed), (None, 1));
    }

    #[test]
    fn every_failure_is_in_the_total_once() {
        let mut failures = Failures::default();
        let all = [
            Failure::TimedOut,
            Failure::Incomplete,
            Failure::Protocol,
            Failure::Unfinished,
            Failure::System(Errno::ECONNREFUSED),
            Failure::System(Errno::EPIPE),
            Failure::System(Errno::EADDRNOTAVAIL),
            Failure::System(Errno::EMFILE),
            Failure::System(Errno::EHOSTUNREACH),
            Failure::System(Errno::ETIMEDOUT),
        ];
        for failure in all {
            count(&mut failures, failure);
        }
        assert_eq!(failures.total(), 10);
        assert_eq!((failures.timed_out, failures.other["EHOSTUNREACH"]), (2, 1));
    }
}
