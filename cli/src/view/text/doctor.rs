//! Which probes run, and what keeps the others from it.

use super::Style;
use super::page::{Page, Paint};
use crate::model::{ProbeState, ProbeStatus};

/// Every probe with its question, then why some do not run. Ends with a newline.
#[must_use]
pub fn doctor(statuses: &[ProbeStatus], style: Style) -> String {
    let mut page = Page::new(style);
    let active = statuses.iter().filter(|status| hook(status).is_some()).count();
    page.line(&format!("{active} of {} probes run here.", statuses.len()), Paint::Bold);
    page.gap();
    for status in statuses {
        let (state, paint) = match hook(status) {
            Some(hook) => (hook, Paint::Plain),
            None => ("unavailable".to_owned(), Paint::Yellow),
        };
        page.paragraph(&format!("  {:<14} {state:<11}  ", status.name), &status.question, paint);
    }
    if active < statuses.len() {
        page.heading("Why not");
        why_not(&mut page, statuses);
    }
    page.finish()
}

/// The hook of a probe that runs, as in the JSON report.
fn hook(status: &ProbeStatus) -> Option<String> {
    let ProbeState::Active { via } = &status.state else { return None };
    serde_json::to_value(via).ok()?.as_str().map(str::to_owned)
}

/// The reasons of those that do not run, each once with the probes that it holds for.
pub(super) fn why_not(page: &mut Page, statuses: &[ProbeStatus]) {
    let mut groups: Vec<(&String, &Option<String>, Vec<&str>)> = Vec::new();
    for status in statuses {
        let ProbeState::Unavailable { reason, remedy } = &status.state else { continue };
        match groups.iter_mut().find(|(known, help, _)| *known == reason && *help == remedy) {
            Some((_, _, names)) => names.push(&status.name),
            None => groups.push((reason, remedy, vec![&status.name])),
        }
    }
    for (reason, remedy, names) in groups {
        let whom = if names.len() > 1 && names.len() == statuses.len() {
            "all of them".to_owned()
        } else {
            names.join(", ")
        };
        // A verifier log follows its sentence, line by line.
        let (sentence, log) = reason.split_once('\n').unwrap_or((reason, ""));
        page.paragraph("  ", &format!("{whom}: {sentence}"), Paint::Plain);
        for line in log.lines() {
            page.line(&format!("    {line}"), Paint::Plain);
        }
        if let Some(remedy) = remedy {
            let it = if names.len() == 1 { "it" } else { "them" };
            page.paragraph("    ", &format!("to enable {it}: {remedy}"), Paint::Plain);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Via;

    fn status(name: &str, state: ProbeState) -> ProbeStatus {
        ProbeStatus {
            name: name.to_owned(),
            question: "which SYNs does a listener refuse, and why".to_owned(),
            state,
            timed_runs: None,
            timed_run_ns: None,
            misses: None,
        }
    }

    fn missing(reason: &str, remedy: Option<&str>) -> ProbeState {
        ProbeState::Unavailable { reason: reason.to_owned(), remedy: remedy.map(str::to_owned) }
    }

    #[test]
    fn a_probe_that_runs_says_by_which_hook() {
        let text = doctor(&[status("syn-drops", ProbeState::Active { via: Via::TpBtf })], Style::default());
        assert!(text.starts_with("1 of 1 probes run here.\n\n"), "{text}");
        assert!(
            text.contains("  syn-drops      tp_btf       which SYNs") && !text.contains("Why not"),
            "{text}"
        );
    }

    #[test]
    fn the_same_reason_is_given_once_in_80_columns() {
        let long =
            "not permitted, needs root or CAP_BPF and CAP_PERFMON (BPF_PROG_LOAD: Operation not permitted)";
        let names = ["never-accepted", "syn-drops", "syscalls"];
        let statuses = names.map(|name| status(name, missing(long, Some("run as root"))));
        let text = doctor(&statuses, Style::default());
        assert_eq!(text.matches("not permitted, needs").count(), 1, "{text}");
        assert!(
            text.contains("  all of them: not") && text.contains("    to enable them: run as root\n"),
            "{text}"
        );
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    }

    #[test]
    fn different_reasons_name_their_probes_and_a_log_keeps_its_lines() {
        let statuses = [
            status("a", missing("x", None)),
            status("b", ProbeState::Active { via: Via::TpBtf }),
            status("c", missing("refused\n  0: (b7) r0 = 0\n  R1 invalid mem access", Some("report it"))),
            status("d", missing("x", None)),
        ];
        let text = doctor(&statuses, Style::default());
        assert!(text.contains("  a, d: x\n"), "{text}");
        assert!(text.contains("  c: refused\n      0: (b7) r0 = 0\n      R1 invalid mem access\n    to enable it: report it\n"), "{text}");
    }
}
