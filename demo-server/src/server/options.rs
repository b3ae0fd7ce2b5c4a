//! What the server is told before it starts.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::duration;

/// How the server behaves. `Options::default()` is a healthy server with one loop on a free port of 127.0.0.1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Address to serve; port 0 takes a free one, which [`super::Server::bound`] tells.
    pub listen: SocketAddr,
    /// Address that serves [`super::Truth`] as JSON to any HTTP GET; none if absent.
    pub truth: Option<SocketAddr>,
    /// Argument of listen(2): the accept queue holds one more, unless net.core.somaxconn is smaller. -1 asks
    /// for somaxconn.
    pub backlog: i32,
    /// Event loops, each in its own thread. More than one: each has its own listener in a SO_REUSEPORT group.
    pub workers: usize,
    /// Blocks every loop periodically; never if absent.
    pub stall: Option<Stall>,
    /// Sleep between the moment a listener becomes readable and the accept4 calls that follow: a known wait
    /// in the accept queue. Zero for none. It blocks the loop, as a slow handler would.
    #[serde(rename = "accept_delay_ms", with = "duration")]
    pub accept_delay: Duration,
    /// Most connections accepted in one loop pass. Absent: one if there is no accept delay, so that the number
    /// of accept4 calls is the number of connections; otherwise all that wait, until EAGAIN, so that one
    /// delay is the wait of all that arrived together.
    pub accept_batch: Option<u32>,
    /// Soft RLIMIT_NOFILE of this process while the server runs; unchanged if absent. Counts every
    /// descriptor of the process, not connections only.
    pub max_fds: Option<u64>,
    /// After EMFILE, stop watching the listener for 10 ms. Otherwise the loop is woken at once again, as in
    /// most servers, and each accept4 fails again.
    pub emfile_backoff: bool,
    /// Size in bytes of the buffer that one read fills, and the largest request head that is answered. The rest
    /// of a request that came in parts, or of an answer that did not fit the socket, is kept in a buffer
    /// of its own: each loop has 64 for requests and 16 for answers from the start. What it needs beyond them at
    /// a time, and beyond 131,072 connections, comes from the allocator, whose own system calls (brk, mmap,
    /// mprotect) are not in the truth.
    pub read_buffer_bytes: usize,
    /// Size of the answer's body in bytes.
    pub body_bytes: usize,
}

/// A periodic stall: a loop that computes or waits instead of serving.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stall {
    /// How long the loop is blocked each time. Shorter than `every`.
    #[serde(rename = "duration_ms", with = "duration")]
    pub duration: Duration,
    /// Time from the start of one stall to the start of the next. The first comes after this time.
    #[serde(rename = "every_ms", with = "duration")]
    pub every: Duration,
}

impl Stall {
    fn possible(&self) -> bool {
        !self.duration.is_zero() && self.duration < self.every && self.every <= Duration::from_secs(3600)
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            truth: None,
            backlog: 511,
            workers: 1,
            stall: None,
            accept_delay: Duration::ZERO,
            accept_batch: None,
            max_fds: None,
            emfile_backoff: false,
            read_buffer_bytes: 16 * 1024,
            body_bytes: 13,
        }
    }
}

impl Options {
    /// Says which option cannot work, if one cannot.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let refuse = |option, reason: String| Err(Error::Option { option, reason });
        if !(1..=256).contains(&self.workers) {
            return refuse("workers", format!("{} is not between 1 and 256", self.workers));
        }
        if !(512..=1 << 20).contains(&self.read_buffer_bytes) {
            return refuse(
                "read_buffer_bytes",
                format!("{} is not between 512 and 1048576", self.read_buffer_bytes),
            );
        }
        if self.body_bytes > 16 << 20 {
            return refuse("body_bytes", format!("{} is more than 16777216", self.body_bytes));
        }
        if self.backlog < -1 {
            return refuse("backlog", format!("{} is less than -1, which asks for somaxconn", self.backlog));
        }
        if self.accept_delay > Duration::from_secs(60) {
            return refuse("accept_delay", format!("{:?} is longer than a minute", self.accept_delay));
        }
        if self.accept_batch == Some(0) {
            return refuse("accept_batch", String::from("0 would never accept"));
        }
        match self.stall {
            Some(stall) if !stall.possible() => refuse(
                "stall",
                format!(
                    "{:?} every {:?}: must be longer than 0, and shorter than a period of at most an hour",
                    stall.duration, stall.every
                ),
            ),
            _ => Ok(()),
        }
    }

    /// Most accept4 calls in one loop pass; see `accept_batch`.
    pub(super) fn accepts_per_pass(&self) -> u32 {
        self.accept_batch.unwrap_or(if self.accept_delay.is_zero() { 1 } else { u32::MAX })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(options: Options) -> &'static str {
        match options.check() {
            Err(Error::Option { option, .. }) => option,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn defaults_are_accepted() {
        assert!(Options::default().check().is_ok());
    }

    #[test]
    fn each_impossible_value_is_named() {
        let base = Options::default;
        let stall = |duration, every| {
            Some(Stall { duration: Duration::from_millis(duration), every: Duration::from_millis(every) })
        };
        assert_eq!(refused(Options { workers: 0, ..base() }), "workers");
        assert_eq!(refused(Options { workers: 257, ..base() }), "workers");
        assert_eq!(refused(Options { read_buffer_bytes: 511, ..base() }), "read_buffer_bytes");
        assert_eq!(refused(Options { body_bytes: (16 << 20) + 1, ..base() }), "body_bytes");
        assert_eq!(refused(Options { backlog: -2, ..base() }), "backlog");
        assert_eq!(refused(Options { accept_batch: Some(0), ..base() }), "accept_batch");
        assert_eq!(refused(Options { stall: stall(0, 10), ..base() }), "stall");
        assert_eq!(refused(Options { stall: stall(10, 10), ..base() }), "stall");
        assert!(Options { stall: stall(9, 10), ..base() }.check().is_ok());
    }

    #[test]
    fn one_accept_per_pass_unless_a_delay_or_a_batch_is_asked_for() {
        assert_eq!(Options::default().accepts_per_pass(), 1);
        assert_eq!(
            Options { accept_delay: Duration::from_millis(1), ..Options::default() }.accepts_per_pass(),
            u32::MAX
        );
        assert_eq!(Options { accept_batch: Some(7), ..Options::default() }.accepts_per_pass(), 7);
    }

    #[test]
    fn options_survive_json() {
        let options = Options {
            stall: Some(Stall { duration: Duration::from_millis(400), every: Duration::from_secs(1) }),
            ..Options::default()
        };
        let json = serde_json::to_string(&options).unwrap();
        assert!(json.contains(r#""duration_ms":400"#), "{json}");
        assert_eq!(serde_json::from_str::<Options>(&json).unwrap(), options);
        assert_eq!(serde_json::from_str::<Options>("{}").unwrap(), Options::default());
    }
}
