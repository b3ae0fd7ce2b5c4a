//! What the load generator found out, as plain data.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The result of a run. The three sums in the documentation of [`crate::load`] hold exactly.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Wall-clock time from the start to the end, in seconds.
    pub seconds: f64,
    /// Connections that the model asked for.
    pub scheduled: u64,
    /// Of these, not attempted because `max_in_flight` connections were open or time was up.
    pub not_started: u64,
    /// Connections attempted, each with one call of connect(2) or a socket that could not be made.
    pub attempts: u64,
    /// Connections established, as seen by this side.
    pub connected: u64,
    /// Attempts that did not become connections.
    pub connect_failures: Failures,
    /// Requests that were to be sent on established connections.
    pub requests: u64,
    /// Requests whose response arrived completely, whatever its status.
    pub completed: u64,
    /// Of these, with a status of 400 or more.
    pub error_responses: u64,
    /// Requests without a complete response.
    pub request_failures: Failures,
    /// Connections that the server closed before this side wanted to, outside of any request.
    pub closed_by_server: u64,
    /// Bytes handed to the kernel.
    pub bytes_written: u64,
    /// Bytes received.
    pub bytes_read: u64,
    /// From connect(2) to the established connection, in microseconds, of those established.
    pub connect_us: Option<Percentiles>,
    /// From the intended start to the end of the response, in microseconds, of completed requests. The intended
    /// start of the first request on a connection is that of the connection, so it contains the handshake.
    pub latency_us: Option<Percentiles>,
    /// How late this generator itself started its attempts, in microseconds: where this is not small against
    /// `latency_us`, the generator is what limits.
    pub start_delay_us: Option<Percentiles>,
}

/// Why attempts or requests failed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failures {
    /// ECONNREFUSED: nobody listens, or the listener answers an overflow by a reset.
    pub refused: u64,
    /// Our own timeout, or ETIMEDOUT of the kernel.
    pub timed_out: u64,
    /// ECONNRESET, ECONNABORTED or EPIPE.
    pub reset: u64,
    /// EADDRNOTAVAIL: no free local port towards the target.
    pub address_unavailable: u64,
    /// EMFILE or ENFILE: this generator is out of descriptors.
    pub too_many_files: u64,
    /// The connection ended before the response was complete.
    pub incomplete: u64,
    /// The response was no HTTP.
    pub protocol: u64,
    /// Under way when the generator was stopped.
    pub unfinished: u64,
    /// Anything else, by name of the errno.
    pub other: BTreeMap<String, u64>,
}

impl Failures {
    /// Sum over all causes.
    pub fn total(&self) -> u64 {
        let named = [
            self.refused,
            self.timed_out,
            self.reset,
            self.address_unavailable,
            self.too_many_files,
            self.incomplete,
            self.protocol,
            self.unfinished,
        ];
        named.iter().chain(self.other.values()).sum()
    }
}

/// A distribution, to three significant digits. Absent as a whole where nothing was measured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Percentiles {
    /// Number of values.
    pub count: u64,
    /// Their exact sum.
    pub sum: u64,
    /// Median.
    pub p50: u64,
    /// 90th percentile.
    pub p90: u64,
    /// 99th percentile.
    pub p99: u64,
    /// 99.9th percentile.
    pub p999: u64,
    /// Largest value.
    pub max: u64,
}

/// The state of a run, told once a second. Counts since the start.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Time since the start, in seconds.
    pub seconds: f64,
    /// Connections attempted.
    pub attempts: u64,
    /// Attempts that the model asked for and that were not made.
    pub not_started: u64,
    /// Connections established.
    pub connected: u64,
    /// Requests completed.
    pub completed: u64,
    /// Failed attempts and failed requests together.
    pub failed: u64,
    /// Connections open or being opened now.
    pub in_flight: u64,
    /// Latency of the requests completed since the last progress, in microseconds.
    pub latency_us: Option<Percentiles>,
}
