//! Counts what could not be recorded.

use probe_common::loss::Loss;

use crate::{maps::LOSS, read::add};

/// Counts one event lost for `reason`.
#[inline(always)]
pub fn lost(reason: Loss) {
    if let Some(count) = LOSS.get_ptr_mut(reason as u32) {
        add(count, 1);
    }
}
