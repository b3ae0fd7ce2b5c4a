//! What a panel sees: the snapshot, the state, and the rows both select.

use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

use crate::findings::Finding;
use crate::model::{Listener, Model, Process};
use crate::sample::{ProbeState, ProbeStatus};

use super::state::{Panel, State};
use super::text::{Align, pad};
use super::theme::Theme;
use super::{Snapshot, words};

/// Everything a panel is drawn from.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    /// What is shown.
    pub snapshot: &'a Snapshot,
    /// What the user chose.
    pub state: &'a State,
    /// Time of the newest snapshot, which is later than the shown one while the screen is frozen.
    pub live_unix_ms: u64,
}

impl<'a> View<'a> {
    /// The model.
    pub(super) const fn model(&self) -> &'a Model {
        &self.snapshot.model
    }

    /// The listeners that pass the filter.
    pub(super) fn listeners(&self) -> Vec<&'a Listener> {
        let places = self.state.shown.listener_places.iter();
        places.filter_map(|place| self.model().listeners.get(*place)).collect()
    }

    /// The findings that pass the filter.
    pub(super) fn findings(&self) -> Vec<&'a Finding> {
        let places = self.state.shown.finding_places.iter();
        places.filter_map(|place| self.snapshot.assessment.findings.get(*place)).collect()
    }

    /// The selected listener.
    pub(super) fn listener(&self) -> Option<&'a Listener> {
        self.state.listener_place().and_then(|place| self.model().listeners.get(place))
    }

    /// The selected finding.
    pub(super) fn finding(&self) -> Option<&'a Finding> {
        self.state.finding_place().and_then(|place| self.snapshot.assessment.findings.get(place))
    }

    /// The process that is shown, if the model knows more of it than its number.
    pub(super) fn process(&self) -> Option<&'a Process> {
        let pid = self.state.pid()?;
        self.model().processes.iter().find(|process| process.pid == pid)
    }

    /// Name and number of the process that is shown.
    pub(super) fn process_name(&self) -> Option<String> {
        let pid = self.state.pid()?;
        let comm = self.process().map(|process| process.comm.as_str());
        let comm = comm.or_else(|| match self.listener()?.comms.as_slice() {
            [only] => Some(only),
            _ => None,
        });
        Some(comm.map_or_else(|| format!("pid {pid}"), |comm| format!("{} (pid {pid})", words::clean(comm))))
    }

    /// Length of the window that was really watched, seconds.
    pub(super) fn seconds(&self) -> Option<f64> {
        self.model().window.map(|window| window.seconds).filter(|seconds| *seconds > 0.0)
    }

    /// Share of one CPU that the process used in user and in kernel mode, per cent.
    pub(super) fn cpu_percent(&self) -> Option<(f64, f64)> {
        let seconds = self.seconds()?;
        let used = self.process()?.cpu_seconds?;
        Some((used.user / seconds * 100.0, used.system / seconds * 100.0))
    }

    /// Probes that run, and all probes.
    pub(super) fn probe_counts(&self) -> (usize, usize) {
        let probes = &self.model().probes;
        (probes.len() - self.unavailable().len(), probes.len())
    }

    /// Probes that do not run, with the reason and what would enable them.
    pub(super) fn unavailable(&self) -> Vec<(&'a ProbeStatus, &'a str, Option<&'a str>)> {
        let reason = |status: &'a ProbeStatus| match &status.state {
            ProbeState::Active { .. } => None,
            ProbeState::Unavailable { reason, remedy } => Some((status, reason.as_str(), remedy.as_deref())),
        };
        self.model().probes.iter().filter_map(reason).collect()
    }

    /// Whether `panel` takes the keys.
    pub(super) fn focused(&self, panel: Panel) -> bool {
        self.state.panel == panel && self.state.page.is_none()
    }
}

/// Text of the second rank.
pub(super) fn dim(text: impl Into<String>) -> Span<'static> {
    Span::styled(text.into(), Theme::dim())
}

/// Text of the first rank.
pub(super) fn strong(text: impl Into<String>) -> Span<'static> {
    Span::styled(text.into(), Theme::strong())
}

/// Text as it is.
pub(super) fn raw(text: impl Into<String>) -> Span<'static> {
    Span::raw(text.into())
}

/// A line in one style.
pub(super) fn styled(text: impl Into<String>, style: Style) -> Line<'static> {
    Line::from(Span::styled(text.into(), style))
}

/// A row of a list: marked when selected, reversed over its whole width when its panel takes the keys too.
pub(super) fn row(line: Line<'static>, selected: bool, focused: bool, columns: usize) -> Line<'static> {
    let mut spans = vec![raw(if selected { "▸ " } else { "  " })];
    spans.extend(line.spans);
    let line = Line::from(spans);
    if !selected || !focused {
        return super::text::fit(line, columns);
    }
    let mut line = pad(line, columns, Align::Left);
    for span in &mut line.spans {
        span.style = span.style.remove_modifier(Modifier::DIM).patch(Theme::selected());
    }
    line
}

/// First row to show so that `selected` is among `fit` rows.
pub(super) const fn first_row(selected: Option<usize>, fit: usize) -> usize {
    match selected {
        Some(selected) => (selected + 1).saturating_sub(fit),
        None => 0,
    }
}
