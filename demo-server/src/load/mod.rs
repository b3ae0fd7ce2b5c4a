//! The load generator: one thread, one epoll instance, as many connections as asked for.
//!
//! It keeps its schedule whatever the server does. The latency of a request counts from the moment at which it
//! should have started, so that a stalled server cannot hide the requests that it kept from being sent
//! (coordinated omission). Every attempt ends in exactly one count:
//!
//! - `scheduled = attempts + not_started`
//! - `attempts = connected + connect_failures.total()`
//! - `requests = completed + request_failures.total()`
//!
//! It ends in bounded time: no new work after [`Options::duration`], and what is under way then ends
//! by its own timeouts.

mod connection;
mod engine;
mod options;
mod plan;
mod response;
mod schedule;
mod statistics;
mod summary;

pub use engine::run;
pub use options::{Arrivals, Mode, Options};
pub use summary::{Failures, Percentiles, Progress, Summary};
