//! Causes before consequences, the worst first.

use std::cmp::Reverse;

use super::rule::{Found, Rule};
use super::{Origin, Severity};
use crate::model::Model;

/// A finding with its rule.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// The rule.
    pub rule: &'static Rule,
    /// What it found.
    pub found: Found,
}

impl Entry {
    /// Smaller is first: severity, measured before computed, rank, then the order of the subjects.
    fn key(&self) -> (Reverse<Severity>, bool, u32, super::Subject) {
        let computed = self.found.origin == Origin::Computed;
        (Reverse(self.found.severity), computed, self.rule.rank, self.found.subject)
    }
}

/// Sorts the findings: the worst first, and each consequence right after its cause.
pub(super) fn in_causal_order(mut entries: Vec<Entry>, model: &Model) -> Vec<Entry> {
    entries.sort_by_key(Entry::key);
    let parents: Vec<Option<usize>> = entries.iter().map(|entry| cause(entry, &entries, model)).collect();
    let mut order = Vec::with_capacity(entries.len());
    for (index, parent) in parents.iter().enumerate() {
        if parent.is_none() {
            place(index, &parents, &mut order);
        }
    }
    let mut slots: Vec<Option<Entry>> = entries.into_iter().map(Some).collect();
    order.into_iter().filter_map(|index| slots.get_mut(index).and_then(Option::take)).collect()
}

fn place(index: usize, parents: &[Option<usize>], order: &mut Vec<usize>) {
    order.push(index);
    let children = parents.iter().enumerate().filter(|(_, parent)| **parent == Some(index));
    for (child, _) in children {
        place(child, parents, order);
    }
}

/// The finding that causes `entry`: of the nearest cause that is present, about something related, and at
/// least as bad, so that the first finding is always one of the worst.
fn cause(entry: &Entry, entries: &[Entry], model: &Model) -> Option<usize> {
    entry.rule.caused_by.iter().find_map(|id| {
        entries.iter().position(|other| {
            other.rule.id == *id
                && other.found.severity >= entry.found.severity
                && other.found.subject.relates(entry.found.subject, model)
        })
    })
}
