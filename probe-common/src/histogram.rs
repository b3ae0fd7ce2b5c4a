//! Bucket arithmetic of the histograms.
//!
//! A histogram with `SUB_BITS` sub-bucket bits has `2^SUB_BITS` buckets in each power of two, so a bucket is
//! at most `2^-SUB_BITS` of its value wide. Values below `2^SUB_BITS` have a bucket of their own and are exact.

/// Sub-bucket bits of the listener histograms: a bucket is at most 3.1 % wide.
pub const LISTENER_SUB_BITS: u32 = 5;
/// Sub-bucket bits of the run-queue latency histogram: a bucket is at most 12.5 % wide.
pub const RUN_QUEUE_SUB_BITS: u32 = 3;
/// Buckets of the run-queue latency histogram; the last one also takes every longer wait (above 137 s).
pub const RUN_QUEUE_BUCKETS: u32 = 288;
/// Buckets of a system call's latency histogram: powers of two of nanoseconds, see [`syscall_bucket`].
pub const SYSCALL_BUCKETS: u32 = 32;
/// Bit length of the upper end of the first system call bucket: it takes every call below 256 ns.
pub const SYSCALL_FIRST_BITS: u32 = 8;

/// Bucket of `value` in a histogram with `sub_bits` sub-bucket bits.
#[inline(always)]
#[must_use]
pub const fn bucket(value: u64, sub_bits: u32) -> u32 {
    let exact = 1_u64 << sub_bits;
    if value < exact {
        return low_half(value);
    }
    let exponent = 63 - value.leading_zeros();
    let shift = exponent - sub_bits;
    ((shift + 1) << sub_bits) + low_half((value >> shift) & (exact - 1))
}

/// Smallest value that falls into bucket `index`; the inverse of [`bucket`]. Saturates at `u64::MAX`.
#[must_use]
pub const fn bucket_start(index: u32, sub_bits: u32) -> u64 {
    let exact = 1_u32 << sub_bits;
    if index < exact {
        return index as u64;
    }
    let shift = (index >> sub_bits) - 1;
    let mantissa = (exact + (index & (exact - 1))) as u64;
    if shift > mantissa.leading_zeros() { u64::MAX } else { mantissa << shift }
}

/// Bucket of a system call that took `nanoseconds`: 0 below 256 ns, then one bucket for each power of two,
/// the last one open (above 275 s).
#[inline(always)]
#[must_use]
pub const fn syscall_bucket(nanoseconds: u64) -> u32 {
    let bits = 64 - nanoseconds.leading_zeros();
    let index = bits.saturating_sub(SYSCALL_FIRST_BITS);
    if index < SYSCALL_BUCKETS { index } else { SYSCALL_BUCKETS - 1 }
}

/// Smallest duration in nanoseconds that falls into system call bucket `index`.
#[must_use]
pub const fn syscall_bucket_start(index: u32) -> u64 {
    if index == 0 { 0 } else { 1 << (index + SYSCALL_FIRST_BITS - 1) }
}

/// The low 32 bits: the callers pass values that fit.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "callers pass values below 2^32")]
const fn low_half(value: u64) -> u32 {
    value as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn small_values_are_exact() {
        for value in 0..64_u64 {
            assert_eq!(bucket_start(bucket(value, 5), 5), value);
        }
    }

    #[test]
    fn buckets_are_contiguous() {
        for sub_bits in [0, 1, 3, 5] {
            for index in 0..(40 << sub_bits) {
                let start = bucket_start(index, sub_bits);
                assert_eq!(bucket(start, sub_bits), index);
                assert_eq!(bucket(bucket_start(index + 1, sub_bits) - 1, sub_bits), index);
            }
        }
    }

    #[test]
    fn syscall_buckets_are_contiguous() {
        for index in 1..SYSCALL_BUCKETS {
            let start = syscall_bucket_start(index);
            assert_eq!(syscall_bucket(start), index);
            assert_eq!(syscall_bucket(start - 1), index - 1);
        }
        assert_eq!(syscall_bucket(u64::MAX), SYSCALL_BUCKETS - 1);
    }

    #[test]
    fn run_queue_histogram_covers_137_seconds() {
        assert!(bucket(137_000_000_000, RUN_QUEUE_SUB_BITS) < RUN_QUEUE_BUCKETS);
    }

    proptest! {
        #[test]
        fn a_bucket_is_at_most_its_share_wide(value in 1_u64..u64::MAX / 2, sub_bits in 0_u32..8) {
            let index = bucket(value, sub_bits);
            let (start, end) = (bucket_start(index, sub_bits), bucket_start(index + 1, sub_bits));
            prop_assert!(start <= value && value < end);
            prop_assert!(end - start <= (start >> sub_bits).max(1));
        }
    }
}
