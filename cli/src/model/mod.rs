//! Rates, distributions and attributions over a window: a pure function of two samples.
//!
//! [`Model`] is what `report --json` prints (docs/schema/report.v1.json). A field that was not measured is
//! absent, never zero; [`Model::unread`] says why.

mod types;

pub use types::*;
