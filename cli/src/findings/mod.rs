//! Findings: pure functions of a model and a declared load.
//!
//! A [`Rule`] is data and one function. [`assess`] runs all of them, puts causes before their consequences
//! and the worst first, and says the verdict in one sentence. [`explain`] gives the page of a rule.

mod assess;
mod client;
mod cpu;
mod fd;
mod fix;
mod folklore;
mod listener;
mod order;
mod page;
mod registry;
mod rule;
mod runtime;
mod subject;
#[cfg(test)]
mod tests;
mod text;
mod threads;
mod types;
mod verdict;

pub use assess::{Options, assess};
pub use page::{explain, index, page};
pub use registry::{RULES, rule, similar};
pub use rule::{ByHand, Found, Group, Outcome, Rule, Source, Verified};
pub use subject::{Subject, endpoint, listener_name};
pub use types::*;
