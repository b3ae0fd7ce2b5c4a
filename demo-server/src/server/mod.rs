//! The instrumented server: one event loop per worker, each with its own epoll instance and listener.
//!
//! What one connection costs is fixed by construction, so that it can be compared with what a tracer sees:
//!
//! | call | when |
//! |---|---|
//! | `accept4` | once for each connection that it returns (`SOCK_NONBLOCK`, so no `fcntl`), and once for each failure |
//! | `epoll_ctl` | one ADD per connection; a MOD only when a write is short, and one when its rest is out; none to remove |
//! | `epoll_wait` | once per loop pass |
//! | `recvfrom` | once per readiness event of a connection, never until EAGAIN |
//! | `sendto` | once per batch of complete requests; again only for what a short write left |
//! | `close` | once per connection |
//! | `clock_nanosleep` | once per stall and per accept delay |
//!
//! The loops run in threads named `demo-loop-N`. [`Truth`] holds these calls and no others: not those that start
//! and end a thread, and not those of `demo-truth`, the thread that serves the truth. Everything a loop needs
//! is allocated before its first pass. The exceptions are documented at [`Options::read_buffer_bytes`].

mod connection;
mod counts;
mod http;
mod io;
mod listener;
mod options;
mod reserve;
mod run;
mod truth;
mod truth_port;
mod worker;

pub use crate::Stop;
pub use options::{Options, Stall};
pub use run::{Bound, Observer, Server, run};
pub use truth::{Thread, Truth};
