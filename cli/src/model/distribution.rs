//! Percentiles of a raw histogram.

use probe_common::histogram::{RUN_QUEUE_BUCKETS, RUN_QUEUE_SUB_BITS, SYSCALL_BUCKETS};

use crate::sample::{Histogram, Scale};

use super::{Distribution, Quality, number};

/// Nanoseconds in a microsecond.
pub(super) const NS_PER_US: f64 = 1000.0;

/// The distribution of `histogram`, its values divided by `unit`; `None` without samples.
///
/// The percentile p is the nearest rank, ceil(p * count). The samples of a bucket are taken as spread evenly over
/// its values, so a bucket that holds one value is exact and another one errs by less than its width. The exact
/// sum narrows the buckets: no sample is further above the start of its bucket than all of them together.
pub(super) fn of(histogram: &Histogram, unit: f64, quality: Quality) -> Option<Distribution> {
    let buckets = buckets(histogram);
    let count = count(histogram);
    let max = buckets.last()?.last;
    let lone = (count == 1).then(|| number(max));
    let at = |permille: u64| lone.unwrap_or_else(|| percentile(&buckets, count, permille)) / unit;
    Some(Distribution {
        count,
        sum: number(histogram.sum) / unit,
        p50: at(500),
        p90: at(900),
        p99: at(990),
        p999: at(999),
        max: number(max) / unit,
        quality,
    })
}

/// A distribution without samples: something was counted, nothing was timed.
pub(super) const fn empty(quality: Quality) -> Distribution {
    Distribution { count: 0, sum: 0.0, p50: 0.0, p90: 0.0, p99: 0.0, p999: 0.0, max: 0.0, quality }
}

/// Number of samples.
pub(super) fn count(histogram: &Histogram) -> u64 {
    histogram.counts.values().fold(0, |total, &samples| total.saturating_add(samples))
}

/// Smallest value that the highest sample can have; `None` without samples.
pub(super) fn highest_at_least(histogram: &Histogram) -> Option<u64> {
    let (&highest, _) = histogram.counts.iter().rfind(|&(_, &samples)| samples > 0)?;
    Some(start(histogram, highest))
}

/// A bucket in use and the values its samples can have, both ends included.
struct Bucket {
    samples: u64,
    first: u64,
    last: u64,
}

fn buckets(histogram: &Histogram) -> Vec<Bucket> {
    let in_use = || histogram.counts.iter().filter(|&(_, &samples)| samples > 0);
    let least_sum = in_use().fold(0_u64, |sum, (&index, &samples)| {
        sum.saturating_add(start(histogram, index).saturating_mul(samples))
    });
    // Absent when bucket and sum were read at different moments and do not match.
    let slack = histogram.sum.checked_sub(least_sum);
    let bucket = |(&index, &samples): (&u32, &u64)| {
        let first = start(histogram, index);
        let end = start(histogram, index.saturating_add(1)).saturating_sub(1).max(first);
        let last = match slack {
            Some(slack) if is_open(histogram, index) => first.saturating_add(slack),
            Some(slack) => end.min(first.saturating_add(slack)),
            None => end,
        };
        Bucket { samples, first, last }
    };
    in_use().map(bucket).collect()
}

/// Whether the bucket takes every greater value as well.
fn is_open(histogram: &Histogram, index: u32) -> bool {
    let last = match histogram.scale {
        Scale::Syscall => SYSCALL_BUCKETS,
        Scale::Linear(RUN_QUEUE_SUB_BITS) => RUN_QUEUE_BUCKETS,
        Scale::Linear(_) => return false,
    };
    index.saturating_add(1) >= last
}

/// [`Histogram::start`], total: also for indices and scales that no reader of ours writes.
fn start(histogram: &Histogram, index: u32) -> u64 {
    match histogram.scale {
        Scale::Syscall => histogram.start(index.min(SYSCALL_BUCKETS)),
        Scale::Linear(sub_bits) if sub_bits < u32::BITS => histogram.start(index),
        Scale::Linear(_) => u64::from(index),
    }
}

fn percentile(buckets: &[Bucket], count: u64, permille: u64) -> f64 {
    let rank = (u128::from(count) * u128::from(permille)).div_ceil(1000);
    let rank = u64::try_from(rank).unwrap_or(count).max(1);
    let mut below = 0_u64;
    let mut value = 0.0;
    for bucket in buckets {
        let share = (number(rank.saturating_sub(below)) - 0.5) / number(bucket.samples);
        value = number(bucket.first) + number(bucket.last.saturating_sub(bucket.first)) * share.min(1.0);
        below = below.saturating_add(bucket.samples);
        if below >= rank {
            break;
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use probe_common::histogram::{LISTENER_SUB_BITS, bucket, syscall_bucket};
    use proptest::prelude::*;

    fn linear(values: &[u64]) -> Histogram {
        record(Scale::Linear(LISTENER_SUB_BITS), values, |value| bucket(value, LISTENER_SUB_BITS))
    }

    fn record(scale: Scale, values: &[u64], index: impl Fn(u64) -> u32) -> Histogram {
        let mut histogram = Histogram::new(scale);
        for &value in values {
            *histogram.counts.entry(index(value)).or_default() += 1;
            histogram.sum += value;
        }
        histogram
    }

    #[test]
    fn no_samples_is_absent() {
        assert_eq!(of(&linear(&[]), 1.0, Quality::Exact), None);
        let mut zeros = linear(&[]);
        zeros.counts.insert(3, 0);
        assert_eq!(of(&zeros, 1.0, Quality::Exact), None);
        assert_eq!(highest_at_least(&zeros), None);
    }

    #[test]
    fn small_values_are_exact() {
        let values: Vec<u64> = (1..=10).collect();
        let result = of(&linear(&values), 1.0, Quality::Exact).unwrap();
        assert_eq!((result.count, result.sum), (10, 55.0));
        assert_eq!(
            (result.p50, result.p90, result.p99, result.p999, result.max),
            (5.0, 9.0, 10.0, 10.0, 10.0)
        );
    }

    #[test]
    fn samples_are_spread_over_their_bucket() {
        // The bucket holds the values 128 to 131.
        let result = of(&linear(&[128, 129, 130, 131]), 1.0, Quality::Exact).unwrap();
        assert_eq!(result.p50, 128.0 + 3.0 * 1.5 / 4.0);
        assert_eq!(result.max, 131.0);
    }

    #[test]
    fn nanoseconds_become_microseconds() {
        let result = of(&linear(&[10_000; 7]), NS_PER_US, Quality::Sampled).unwrap();
        assert_eq!(result.sum, 70.0);
        assert!((9.984..10.24).contains(&result.p50), "{}", result.p50);
        assert_eq!(result.quality, Quality::Sampled);
    }

    #[test]
    fn a_lone_sample_is_its_sum() {
        let histogram = record(Scale::Syscall, &[100_000_000], syscall_bucket);
        let result = of(&histogram, 1.0, Quality::Exact).unwrap();
        assert_eq!((result.p50, result.p999, result.max), (1e8, 1e8, 1e8));
    }

    #[test]
    fn the_open_bucket_ends_where_the_sum_does() {
        let ten_minutes = 600_000_000_000;
        let histogram = record(Scale::Syscall, &[500, ten_minutes, 500], syscall_bucket);
        let result = of(&histogram, 1.0, Quality::Exact).unwrap();
        assert!((6e11..6.000_001e11).contains(&result.max), "{}", result.max);
    }

    #[test]
    fn a_sum_that_does_not_match_is_not_used() {
        let mut histogram = linear(&[128, 129]);
        histogram.sum = 5;
        assert_eq!(of(&histogram, 1.0, Quality::Exact).unwrap().max, 131.0);
    }

    #[test]
    fn foreign_indices_do_not_overflow() {
        for scale in [Scale::Syscall, Scale::Linear(0), Scale::Linear(31), Scale::Linear(40)] {
            let mut histogram = Histogram::new(scale);
            histogram.counts.insert(u32::MAX, u64::MAX);
            histogram.counts.insert(1, u64::MAX);
            let result = of(&histogram, 1.0, Quality::Exact).unwrap();
            assert!(result.p50 <= result.max && result.max.is_finite());
        }
    }

    proptest! {
        #[test]
        fn percentiles_rise_and_stay_in_the_bucket_of_the_nearest_rank(
            mut values in prop::collection::vec(0_u64..1 << 48, 1..200),
            syscall: bool,
        ) {
            let histogram = if syscall {
                record(Scale::Syscall, &values, syscall_bucket)
            } else {
                linear(&values)
            };
            let result = of(&histogram, 1.0, Quality::Exact).unwrap();
            prop_assert!(result.p50 <= result.p90 && result.p90 <= result.p99);
            prop_assert!(result.p99 <= result.p999 && result.p999 <= result.max);
            values.sort_unstable();
            let shares = [(500, result.p50), (900, result.p90), (990, result.p99), (999, result.p999)];
            for (permille, value) in shares {
                let truth = values[(values.len() * permille).div_ceil(1000) - 1];
                let index = if syscall { syscall_bucket(truth) } else { bucket(truth, LISTENER_SUB_BITS) };
                let end = start(&histogram, index + 1);
                prop_assert!(number(start(&histogram, index)) <= value);
                prop_assert!(value < number(end) || is_open(&histogram, index));
            }
            prop_assert!(number(values[values.len() - 1]) <= result.max);
        }
    }
}
