//! Raw histograms, as the kernel side counts them.

use std::collections::BTreeMap;

use probe_common::histogram;
use serde::{Deserialize, Serialize};

/// How bucket indices map to values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// [`histogram::bucket`] with this many sub-bucket bits.
    Linear(u32),
    /// [`histogram::syscall_bucket`], nanoseconds.
    Syscall,
}

/// Cumulative samples by bucket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Histogram {
    /// Meaning of the indices.
    pub scale: Scale,
    /// Samples per bucket index; empty buckets are left out.
    pub counts: BTreeMap<u32, u64>,
    /// Sum of the samples, in the unit of the measure.
    pub sum: u64,
}

impl Histogram {
    /// An empty histogram.
    #[must_use]
    pub const fn new(scale: Scale) -> Self {
        Self { scale, counts: BTreeMap::new(), sum: 0 }
    }

    /// Number of samples.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.values().sum()
    }

    /// Smallest value of bucket `index`.
    #[must_use]
    pub const fn start(&self, index: u32) -> u64 {
        match self.scale {
            Scale::Linear(sub_bits) => histogram::bucket_start(index, sub_bits),
            Scale::Syscall => histogram::syscall_bucket_start(index),
        }
    }

    /// The samples that `later` has and `self` has not.
    #[must_use]
    pub fn until(&self, later: &Self) -> Self {
        let mut counts = BTreeMap::new();
        for (&index, &count) in &later.counts {
            let new = count.saturating_sub(self.counts.get(&index).copied().unwrap_or(0));
            if new > 0 {
                counts.insert(index, new);
            }
        }
        Self { scale: later.scale, counts, sum: later.sum.saturating_sub(self.sum) }
    }
}
