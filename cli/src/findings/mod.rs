//! Findings: pure functions of a model and a declared load.

mod types;

pub use types::*;
