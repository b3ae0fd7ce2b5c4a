//! The instrumented HTTP/1.1 epoll server and the load generator that netscope is measured against.
//!
//! [`server`] answers requests from a hand-written event loop and keeps its own exact account of what it
//! did ([`server::Truth`]): connections, requests, bytes, loop passes, and every system call of the loop.
//! [`load`] produces traffic on a schedule and measures from the intended start of each request.
//! [`scenario`] names pairs of both that show one effect reliably.
//!
//! Nothing here logs, reads a configuration or handles a signal unless asked to; the callers own the process.

mod duration;
mod error;
mod limit;
mod stop;

pub mod load;
pub mod scenario;
pub mod server;

pub use error::Error;
pub use stop::Stop;
