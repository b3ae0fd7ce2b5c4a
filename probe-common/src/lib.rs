//! What the eBPF programs and the loader of netscope agree on: map keys and values, counters,
//! histogram buckets, bounds, and the kernel fields whose offsets the loader resolves.
//!
//! Every type that crosses the kernel boundary is a flat `repr(C)` struct of integers with explicit
//! padding and an asserted size, so that any byte pattern is a valid value.
#![no_std]

pub mod fields;
pub mod histogram;
pub mod limits;
pub mod listener;
pub mod loss;
pub mod process;
