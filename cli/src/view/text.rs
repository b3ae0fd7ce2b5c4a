//! Plain text: the verdict, the numbers behind it, what to change.
//!
//! 80 columns. Commands and paths are never broken, so that they can be copied; a line that holds one may be
//! longer.

mod doctor;
mod findings;
mod listeners;
mod notes;
mod page;
mod processes;
mod units;

pub use doctor::doctor;

use crate::findings::Assessment;
use crate::model::{Model, number};
use page::{Page, Paint};
use units::{bytes, count, quantity, utc};

/// How the text is set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// Whether the terminal shows colours. Nothing is said by a colour alone.
    pub colour: bool,
}

/// `model` and `assessment` as text, with a newline at the end.
#[must_use]
pub fn render(model: &Model, assessment: &Assessment, style: Style) -> String {
    let mut page = Page::new(style);
    page.paragraph("", &assessment.verdict, Paint::Bold);
    page.gap();
    scene(&mut page, model);
    listeners::section(&mut page, model);
    listeners::ledger(&mut page, model);
    processes::section(&mut page, model);
    findings::section(&mut page, assessment);
    notes::probes(&mut page, model);
    notes::unread(&mut page, model);
    notes::skipped(&mut page, assessment);
    page.finish()
}

/// Which host, which namespace, for how long.
fn scene(page: &mut Page, model: &Model) {
    let host = &model.host;
    let cpus = if host.cpus == 1 { "CPU" } else { "CPUs" };
    let own = match model.netns.own {
        Some(true) => " (netscope's own)",
        Some(false) => " (not netscope's own)",
        None => "",
    };
    let netns = model.netns.inode.map(|inode| format!(", network namespace {inode}{own}"));
    let memory = bytes(number(host.memory_bytes));
    let netns = netns.unwrap_or_default();
    let host = format!("Linux {}, {} {cpus}, {memory}{netns}.", host.kernel, count(u64::from(host.cpus)));
    page.paragraph("", &host, Paint::Plain);
    let watched = model.window.map_or_else(
        || "One look, without a window: no counters and no rates.".to_owned(),
        |window| format!("Watched {} s from {}.", quantity(window.seconds), utc(window.start_unix_ms)),
    );
    page.paragraph("", &watched, Paint::Plain);
}

#[cfg(test)]
mod tests;
