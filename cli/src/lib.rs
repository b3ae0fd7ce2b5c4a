//! netscope: why a Linux server stops at N connections, with numbers from the kernel.
//!
//! The stages, each of which uses only those before it: `sample` (raw, dated data) is filled by the readers
//! `kernel` and `host` through `collect`; `model` turns two samples into rates and distributions, `findings`
//! turns a model into advice, `view` prints. `commands` are compositions of these stages.

pub mod args;
pub mod collect;
pub mod commands;
pub mod findings;
pub mod host;
pub mod kernel;
pub mod model;
pub mod sample;
pub mod target;
pub mod view;
