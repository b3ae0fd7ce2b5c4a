//! What the user chose, independent of any one snapshot. Selections are kept by identity, so that a new order
//! of the rows does not move them.

use crate::findings::{Finding, Severity};
use crate::model::{Listener, Model};

use super::Snapshot;
use super::filter::Filter;

/// Windows that + and - step through, seconds.
pub const WINDOWS: [u32; 6] = [1, 2, 5, 10, 30, 60];

/// A part of the screen that takes keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Panel {
    /// The listeners.
    #[default]
    Listeners,
    /// The process of the selected listener.
    Process,
    /// The findings.
    Findings,
}

impl Panel {
    /// The panel after this one.
    pub(super) const fn next(self) -> Self {
        match self {
            Self::Listeners => Self::Process,
            Self::Process => Self::Findings,
            Self::Findings => Self::Listeners,
        }
    }

    /// The panel before this one.
    pub(super) const fn previous(self) -> Self {
        self.next().next()
    }
}

/// A page that covers the panels; the verdict stays visible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// The keys and the marks.
    Help,
    /// Everything known about the selected listener.
    Listener,
    /// The full text of the selected finding.
    Finding,
    /// What is measured here, and what is not and why.
    Measured,
}

/// Identity of a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerKey {
    /// Local address.
    pub address: String,
    /// Local port.
    pub port: u16,
    /// Network namespace, when it is known.
    pub netns: Option<u64>,
}

impl ListenerKey {
    /// The identity of `listener`.
    #[must_use]
    pub fn of(listener: &Listener) -> Self {
        Self { address: listener.address.clone(), port: listener.port, netns: listener.netns }
    }
}

/// Identity of a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FindingKey {
    /// Rule.
    pub id: &'static str,
    /// What it is about.
    pub subject: String,
}

impl FindingKey {
    /// The identity of `finding`.
    #[must_use]
    pub fn of(finding: &Finding) -> Self {
        Self { id: finding.id, subject: finding.subject.clone() }
    }
}

/// A selected row. It stays at the top, where the worst one is, until the user moves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection<K> {
    key: Option<K>,
    index: usize,
    moved: bool,
}

impl<K> Default for Selection<K> {
    fn default() -> Self {
        Self { key: None, index: 0, moved: false }
    }
}

impl<K: Clone + PartialEq> Selection<K> {
    /// The selected identity; `None` when there is no row.
    #[must_use]
    pub const fn key(&self) -> Option<&K> {
        self.key.as_ref()
    }

    /// Row of the selection among the rows last observed; `None` when there is none.
    #[must_use]
    pub const fn index(&self) -> Option<usize> {
        if self.key.is_some() { Some(self.index) } else { None }
    }

    /// Finds the selected identity among new rows; a vanished one leaves the selection at its place.
    pub(super) fn observe(&mut self, rows: &[K]) {
        if !self.moved {
            self.select(rows, 0);
            return;
        }
        let in_place = rows.get(self.index).is_some_and(|row| Some(row) == self.key.as_ref());
        if in_place {
            return;
        }
        let found = rows.iter().position(|row| Some(row) == self.key.as_ref());
        self.select(rows, found.unwrap_or(self.index));
    }

    /// Moves by `rows.len()`-bounded steps.
    pub(super) fn step(&mut self, rows: &[K], delta: isize) {
        self.moved = true;
        self.select(rows, self.index.saturating_add_signed(delta));
    }

    /// Selects row `index`, or the last one.
    fn select(&mut self, rows: &[K], index: usize) {
        self.index = index.min(rows.len().saturating_sub(1));
        self.key = rows.get(self.index).cloned();
    }
}

/// What was on the screen when it was last drawn: keys act on that.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Shown {
    /// Listeners that pass the filter, in order.
    pub listeners: Vec<ListenerKey>,
    /// Their places in the model.
    pub listener_places: Vec<usize>,
    /// Findings that pass the filter, in order.
    pub findings: Vec<FindingKey>,
    /// Their places in the assessment.
    pub finding_places: Vec<usize>,
    /// Processes of the selected listener, or all processes without one.
    pub pids: Vec<i32>,
    /// Processes whose system calls are traced.
    pub traced: Vec<i32>,
}

/// How far the last drawing could scroll.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Extent {
    /// Rows of the focused list or page that fit.
    pub page: usize,
    /// Largest useful scroll offset of the page, or of the process panel without one.
    pub scroll: usize,
}

/// Everything the user can change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The panel that takes keys.
    pub panel: Panel,
    /// The selected listener.
    pub listener: Selection<ListenerKey>,
    /// The selected finding.
    pub finding: Selection<FindingKey>,
    /// The process the user chose; [`State::pid`] is the one that is shown.
    pub chosen_pid: Option<i32>,
    /// The filter text.
    pub filter: String,
    /// Whether the filter is being typed.
    pub typing: bool,
    /// Whether the screen stands still.
    pub frozen: bool,
    /// Length of the window, seconds.
    pub window_seconds: u32,
    /// The page that covers the panels.
    pub page: Option<Page>,
    /// First line of the page that is shown, or first system call without a page.
    pub scroll: usize,
    /// One line for the user: the path of a report, or an error. Gone with the next key.
    pub message: Option<String>,
    pub(super) shown: Shown,
    pub(super) extent: Extent,
}

impl State {
    /// The state at start.
    #[must_use]
    pub fn new() -> Self {
        Self { window_seconds: 10, ..Self::default() }
    }

    /// Takes note of the rows of `snapshot` and keeps every selection valid.
    pub(super) fn observe(&mut self, snapshot: &Snapshot) {
        let filter = Filter::new(&self.filter);
        let mut shown = Shown::default();
        for (place, listener) in snapshot.model.listeners.iter().enumerate() {
            if filter.takes_listener(listener) {
                shown.listeners.push(ListenerKey::of(listener));
                shown.listener_places.push(place);
            }
        }
        for (place, finding) in snapshot.assessment.findings.iter().enumerate() {
            if filter.takes_finding(finding) {
                shown.findings.push(FindingKey::of(finding));
                shown.finding_places.push(place);
            }
        }
        self.listener.observe(&shown.listeners);
        self.finding.observe(&shown.findings);
        let traced = snapshot.model.processes.iter().filter(|process| process.syscalls.is_some());
        shown.traced = traced.map(|process| process.pid).collect();
        self.shown = shown;
        self.shown.pids = self.pids_of_selection(&snapshot.model);
        if self.page == Some(Page::Finding) && self.finding.key().is_none()
            || self.page == Some(Page::Listener) && self.listener.key().is_none()
        {
            self.page = None;
        }
    }

    /// The process that is shown: the one the user chose if it belongs to the selected listener, else the
    /// traced one, else the first.
    #[must_use]
    pub fn pid(&self) -> Option<i32> {
        let pids = &self.shown.pids;
        let chosen = self.chosen_pid.filter(|pid| pids.contains(pid));
        chosen
            .or_else(|| pids.iter().find(|pid| self.shown.traced.contains(pid)).copied())
            .or_else(|| pids.first().copied())
    }

    /// Place of the selected listener in the model.
    pub(super) fn listener_place(&self) -> Option<usize> {
        self.listener.index().and_then(|index| self.shown.listener_places.get(index).copied())
    }

    /// Place of the selected finding in the assessment.
    pub(super) fn finding_place(&self) -> Option<usize> {
        self.finding.index().and_then(|index| self.shown.finding_places.get(index).copied())
    }

    /// Processes that the process panel can show.
    fn pids_of_selection(&self, model: &Model) -> Vec<i32> {
        let listener = self.listener_place().and_then(|place| model.listeners.get(place));
        match listener {
            Some(listener) if !listener.pids.is_empty() => listener.pids.clone(),
            Some(_) => Vec::new(),
            None => model.processes.iter().map(|process| process.pid).collect(),
        }
    }
}

/// The worst severity of an assessment; `None` when no rule could check anything.
pub(super) fn worst(snapshot: &Snapshot) -> Option<Severity> {
    let worst = snapshot.assessment.findings.iter().map(|finding| finding.severity).max();
    worst.or_else(|| (!snapshot.assessment.passed.is_empty()).then_some(Severity::Pass))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_untouched_selection_follows_the_worst_row() {
        let mut selection = Selection::default();
        selection.observe(&["a", "b"]);
        assert_eq!(selection.key(), Some(&"a"));
        selection.observe(&["b", "a"]);
        assert_eq!(selection.key(), Some(&"b"));
    }

    #[test]
    fn a_moved_selection_follows_its_row() {
        let rows = ["a", "b", "c"];
        let mut selection = Selection::default();
        selection.observe(&rows);
        selection.step(&rows, 1);
        selection.observe(&["c", "a", "b"]);
        assert_eq!((selection.key(), selection.index()), (Some(&"b"), Some(2)));
    }

    #[test]
    fn a_vanished_row_leaves_the_nearest_one() {
        let rows = ["a", "b", "c"];
        let mut selection = Selection::default();
        selection.observe(&rows);
        selection.step(&rows, 2);
        selection.observe(&["a", "b"]);
        assert_eq!(selection.key(), Some(&"b"));
        selection.observe(&[]);
        assert_eq!((selection.key(), selection.index()), (None, None));
        selection.step(&[], 1);
        assert_eq!(selection.index(), None);
        selection.observe(&["z"]);
        assert_eq!(selection.key(), Some(&"z"));
    }

    #[test]
    fn rows_with_the_same_identity_can_be_passed() {
        let rows = ["a", "a", "b"];
        let mut selection = Selection::default();
        selection.observe(&rows);
        selection.step(&rows, 1);
        selection.observe(&rows);
        assert_eq!(selection.index(), Some(1));
        selection.step(&rows, 1);
        assert_eq!(selection.key(), Some(&"b"));
    }

    #[test]
    fn panels_go_round() {
        let panel = Panel::Listeners;
        assert_eq!(panel.next().next().next(), panel);
        assert_eq!(panel.next().previous(), panel);
    }
}
