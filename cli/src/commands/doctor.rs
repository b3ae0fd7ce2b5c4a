//! netscope doctor: each probe, active or not, by which hook, why not, and what would enable it.

use std::{fmt::Write, process::ExitCode};

use crate::{
    args::Sources,
    kernel::Kernel,
    sample::{ProbeState, ProbeStatus},
};

use super::{EXIT_FINDING, output, session};

/// Runs the command; exits with 1 if a probe cannot run here.
///
/// # Errors
/// The output cannot be written.
pub fn run(sources: &Sources, as_json: bool) -> anyhow::Result<ExitCode> {
    let mut kernel = Kernel::start(&session::kernel_options(sources));
    // Any process will do to see whether the probes of a process attach; this one has nothing to hide.
    kernel.select(&[i32::try_from(std::process::id())?]);
    let statuses = kernel.statuses();
    if as_json {
        output::print(&(serde_json::to_string_pretty(&statuses)? + "\n"))?;
    } else {
        output::print(&render(&statuses))?;
    }
    let all = statuses.iter().all(|status| matches!(status.state, ProbeState::Active { .. }));
    Ok(if all { ExitCode::SUCCESS } else { ExitCode::from(EXIT_FINDING) })
}

fn render(statuses: &[ProbeStatus]) -> String {
    let mut text = String::new();
    let active = statuses.iter().filter(|status| matches!(status.state, ProbeState::Active { .. })).count();
    let _ = writeln!(text, "{active} of {} probes run here.\n", statuses.len());
    for status in statuses {
        match &status.state {
            ProbeState::Active { via } => {
                let hook = serde_json::to_string(via).unwrap_or_default();
                let _ = writeln!(text, "  active       {:<15} via {}", status.name, hook.trim_matches('"'));
                let _ = writeln!(text, "               {}", status.question);
            }
            ProbeState::Unavailable { reason, remedy } => {
                let _ = writeln!(text, "  unavailable  {:<15} {}", status.name, status.question);
                let _ = writeln!(
                    text,
                    "               why:  {}",
                    reason.replace('\n', "\n                     ")
                );
                if let Some(remedy) = remedy {
                    let _ = writeln!(text, "               then: {remedy}");
                }
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Via;

    #[test]
    fn says_what_is_missing_and_what_helps() {
        let status = |state| ProbeStatus {
            name: "syn-drops".to_owned(),
            question: "which SYNs does a listener refuse".to_owned(),
            state,
            timed_runs: None,
            timed_run_ns: None,
            misses: None,
        };
        let text = render(&[
            status(ProbeState::Active { via: Via::TpBtf }),
            status(ProbeState::Unavailable {
                reason: "not permitted".into(),
                remedy: Some("run as root".into()),
            }),
        ]);
        assert!(text.starts_with("1 of 2 probes run here."), "{text}");
        assert!(
            text.contains("via tp_btf")
                && text.contains("why:  not permitted")
                && text.contains("then: run as root")
        );
    }
}
