//! The accept queue and the SYN queue of a listener.

mod accept_queue;
mod backlog;
mod drops;
mod reset;
mod syn_backlog;
mod syn_queue;

pub(super) use accept_queue::{LSN_001, LSN_006};
pub(super) use backlog::{LSN_002, constraint_phrase};
pub(super) use drops::{LSN_004, LSN_005, over_window, refused_share};
pub(super) use reset::LSN_011;
pub(super) use syn_backlog::LSN_016;
pub(super) use syn_queue::{LSN_007, LSN_008};

use super::subject::{listeners, no_listeners};
use super::{Outcome, Subject};
use crate::model::{Listener, Model};

/// One outcome for every listener, or the reason why there is none.
fn each(model: &Model, judge: impl Fn(Subject, &Listener) -> Outcome) -> Vec<Outcome> {
    if model.listeners.is_empty() {
        return vec![Outcome::Skip(no_listeners(model))];
    }
    listeners(model).map(|(subject, listener)| judge(subject, listener)).collect()
}

/// Sockets of the address as a number to divide by.
fn sockets(listener: &Listener) -> f64 {
    f64::from(listener.sockets.max(1))
}
