//! What a rule is: data for the page and the documentation, and one pure function.

use super::{DeclaredLoad, Evidence, Fix, Origin, Severity, Subject};
use crate::model::Model;

/// The area a rule belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// File descriptors.
    Descriptors,
    /// Accept queue and SYN queue of a listener.
    Listener,
    /// Ports of the connecting side.
    Client,
    /// Threads and their limits.
    Threads,
    /// Processor and scheduler.
    Processor,
    /// Settings that are popular and harmful.
    Folklore,
}

impl Group {
    /// The heading of the group.
    #[must_use]
    pub const fn heading(self) -> &'static str {
        match self {
            Self::Descriptors => "File descriptors",
            Self::Listener => "Listener: accept queue and SYN queue",
            Self::Client => "Client side",
            Self::Threads => "Threads",
            Self::Processor => "Processor",
            Self::Folklore => "Folklore",
        }
    }

    /// All groups, in the order of the documentation.
    #[must_use]
    pub const fn all() -> &'static [Self] {
        &[Self::Descriptors, Self::Listener, Self::Client, Self::Threads, Self::Processor, Self::Folklore]
    }
}

/// A way to check a finding without netscope.
#[derive(Clone, Copy, Debug)]
pub struct ByHand {
    /// The command.
    pub command: &'static str,
    /// What to look at in its output.
    pub shows: &'static str,
}

/// How a source was verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verified {
    /// Read in the kernel's source.
    Source,
    /// Reproduced on a running kernel.
    Experiment,
    /// Stated by the documentation.
    Documentation,
    /// Follows from arithmetic.
    Formula,
}

impl Verified {
    /// How the documentation says it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Source => "read in the source",
            Self::Experiment => "reproduced",
            Self::Documentation => "documentation",
            Self::Formula => "arithmetic",
        }
    }
}

/// Where a statement comes from.
#[derive(Clone, Copy, Debug)]
pub struct Source {
    /// Kernel file and function, man page, or experiment.
    pub reference: &'static str,
    /// How it was verified.
    pub verified: Verified,
}

/// A rule. Its page, its documentation and the text of its findings come from these fields.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Stable id.
    pub id: &'static str,
    /// What it looks for, one line.
    pub title: &'static str,
    /// Its area.
    pub group: Group,
    /// Order among findings of the same severity, smaller first.
    pub rank: u32,
    /// Where its verdict usually comes from; used for passes.
    pub origin: Origin,
    /// Fields of the model that it reads.
    pub reads: &'static [&'static str],
    /// When it applies.
    pub applies: &'static str,
    /// The formula and its thresholds.
    pub formula: &'static str,
    /// What breaks and what the user sees. Follows the numbers in every finding.
    pub explanation: &'static str,
    /// How the kernel does it, with file and function.
    pub mechanism: &'static str,
    /// How to check it by hand.
    pub by_hand: &'static [ByHand],
    /// When not to act on it.
    pub not_when: &'static str,
    /// Where the statements come from.
    pub sources: &'static [Source],
    /// Ids of rules whose finding is the cause of this one, nearest cause first.
    pub caused_by: &'static [&'static str],
    /// The rule itself: one outcome per subject.
    pub assess: fn(&Model, &DeclaredLoad) -> Vec<Outcome>,
}

/// What a rule says about one subject.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Something is wrong, or worth knowing.
    Finding(Box<Found>),
    /// Checked and fine.
    Pass {
        /// What was checked.
        subject: Subject,
        /// A sentence with the number that was seen.
        number: String,
    },
    /// Not applicable, or not readable.
    Skip(String),
}

/// The part of a [`super::Finding`] that depends on the model.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// How bad.
    pub severity: Severity,
    /// Where it comes from.
    pub origin: Origin,
    /// What it is about.
    pub subject: Subject,
    /// One line with the decisive number.
    pub title: String,
    /// The numbers.
    pub evidence: Vec<Evidence>,
    /// The threshold that was crossed.
    pub threshold: String,
    /// A sentence with the numbers of this case; the explanation of the rule follows it.
    pub detail: String,
    /// Changes, best first.
    pub fixes: Vec<Fix>,
}

impl From<Found> for Outcome {
    fn from(found: Found) -> Self {
        Self::Finding(Box::new(found))
    }
}

impl Outcome {
    /// A pass with its number.
    pub(super) fn pass(subject: Subject, number: impl Into<String>) -> Self {
        Self::Pass { subject, number: number.into() }
    }

    /// The finding, if there is one.
    pub(super) fn found(&self) -> Option<&Found> {
        match self {
            Self::Finding(found) => Some(found),
            Self::Pass { .. } | Self::Skip(_) => None,
        }
    }
}
