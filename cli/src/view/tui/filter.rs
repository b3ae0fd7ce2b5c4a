//! The filter: words that must all match. `port:`, `pid:` and `comm:` look at one field.

use crate::findings::Finding;
use crate::model::Listener;

use super::words::endpoint;

/// One condition.
enum Term {
    Port(String),
    Pid(String),
    Comm(String),
    Text(String),
}

/// A parsed filter text.
pub(super) struct Filter {
    terms: Vec<Term>,
}

impl Filter {
    /// Reads a filter text; upper and lower case are the same.
    pub(super) fn new(text: &str) -> Self {
        let term = |word: &str| {
            let word = word.to_lowercase();
            match word.split_once(':') {
                Some(("port", value)) => Term::Port(value.to_owned()),
                Some(("pid", value)) => Term::Pid(value.to_owned()),
                Some(("comm", value)) => Term::Comm(value.to_owned()),
                _ => Term::Text(word),
            }
        };
        Self { terms: text.split_whitespace().map(term).collect() }
    }

    /// Whether a listener is shown.
    pub(super) fn takes_listener(&self, listener: &Listener) -> bool {
        let comms = || listener.comms.iter().map(|comm| comm.to_lowercase());
        let pids = || listener.pids.iter().map(ToString::to_string);
        self.terms.iter().all(|term| match term {
            Term::Port(port) => port.is_empty() || listener.port.to_string() == *port,
            Term::Pid(pid) => pid.is_empty() || pids().any(|own| own == *pid),
            Term::Comm(comm) => comms().any(|own| own.contains(comm)),
            Term::Text(text) => {
                endpoint(&listener.address, listener.port).contains(text)
                    || comms().any(|own| own.contains(text))
                    || pids().any(|own| own == *text)
            }
        })
    }

    /// Whether a finding is shown.
    pub(super) fn takes_finding(&self, finding: &Finding) -> bool {
        let subject = finding.subject.to_lowercase();
        self.terms.iter().all(|term| match term {
            Term::Port(port) => port.is_empty() || has_number(&subject, ":", port),
            Term::Pid(pid) => pid.is_empty() || has_number(&subject, "pid ", pid),
            Term::Comm(comm) => subject.contains(comm),
            Term::Text(text) => {
                subject.contains(text)
                    || finding.id.to_lowercase().contains(text)
                    || finding.title.to_lowercase().contains(text)
            }
        })
    }
}

/// Whether `text` has `number` right after `before`, and no further digit behind it.
fn has_number(text: &str, before: &str, number: &str) -> bool {
    text.split(before).skip(1).any(|rest| {
        rest.strip_prefix(number).is_some_and(|rest| !rest.starts_with(|next: char| next.is_ascii_digit()))
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::models;
    use super::*;

    fn takes(filter: &str) -> (bool, bool) {
        let snapshot = models::overload();
        let filter = Filter::new(filter);
        let listener = &snapshot.model.listeners[0];
        let finding = &snapshot.assessment.findings[0];
        (filter.takes_listener(listener), filter.takes_finding(finding))
    }

    #[test]
    fn all_words_must_match() {
        assert_eq!(takes(""), (true, true));
        assert_eq!(takes("  "), (true, true));
        assert_eq!(takes("DEMO 8080"), (true, true));
        assert_eq!(takes("demo 9999"), (false, false));
    }

    #[test]
    fn fields_match_whole_numbers() {
        assert_eq!(takes("port:8080"), (true, true));
        assert_eq!(takes("port:80"), (false, false));
        assert_eq!(takes("pid:4242"), (true, true));
        assert_eq!(takes("pid:42"), (false, false));
        assert_eq!(takes("comm:dem"), (true, true));
        assert_eq!(takes("port:"), (true, true));
    }
}
