//! Findings with their proof and their remedy.

use super::page::{Page, Paint, WIDTH, label_column};
use super::units::{TIE, quantity};
use crate::findings::{Assessment, Evidence, Finding, Fix, FixKind, Origin, Scope, Severity};
use crate::model::Quality;

/// What was found, worst first, and what was checked and is fine.
pub(super) fn section(page: &mut Page, assessment: &Assessment) {
    page.heading("Findings");
    if assessment.findings.is_empty() {
        page.line("  none", Paint::Plain);
    }
    for (index, finding) in assessment.findings.iter().enumerate() {
        if index > 0 {
            page.gap();
        }
        block(page, finding);
    }
    if !assessment.passed.is_empty() {
        page.heading("Checked and fine");
        for finding in &assessment.passed {
            page.paragraph(&format!("  {:<9} ", finding.id), &finding.title, Paint::Plain);
        }
    }
}

fn block(page: &mut Page, finding: &Finding) {
    let (severity, paint) = match finding.severity {
        Severity::Fail => ("FAIL", Paint::Red),
        Severity::Warn => ("WARN", Paint::Yellow),
        Severity::Info => ("INFO", Paint::Cyan),
        Severity::Pass => ("PASS", Paint::Green),
    };
    let origin = match finding.origin {
        Origin::Configured => "[CONFIGURED]",
        Origin::Computed => "[COMPUTED]",
        Origin::Measured => "[MEASURED]",
    };
    page.paragraph(&format!("{severity} {} ", finding.id), &format!("{} {origin}", finding.title), paint);
    page.entry("on", &finding.subject);
    let evidence: Vec<_> = finding.evidence.iter().map(proof).collect();
    if !evidence.is_empty() {
        page.entry("read", &evidence.join("; "));
    }
    if !finding.threshold.is_empty() {
        page.entry("threshold", &finding.threshold);
    }
    if !finding.explanation.is_empty() {
        page.entry("why", &finding.explanation);
    }
    for fix in &finding.fixes {
        remedy(page, fix);
    }
    if !finding.see.is_empty() {
        page.entry("more", &finding.see.replace(' ', &TIE.to_string()));
    }
}

fn proof(evidence: &Evidence) -> String {
    let Evidence { name, value, unit, source, quality } = evidence;
    let value = quantity(*value);
    let value = if unit.is_empty() { value } else { format!("{value}{TIE}{unit}") };
    let quality = match quality {
        Quality::Exact => "",
        Quality::Sampled => ", sampled",
        Quality::Estimated => ", estimated",
    };
    format!("{name} {value} ({source}{quality})")
}

fn remedy(page: &mut Page, fix: &Fix) {
    let kind = match fix.kind {
        FixKind::Sysctl => "sysctl",
        FixKind::Prlimit => "prlimit",
        FixKind::Systemd => "systemd",
        FixKind::Kubernetes => "Kubernetes",
        FixKind::Docker => "Docker",
        FixKind::Application => "application",
    };
    let scope = match (fix.scope, fix.restart_needed) {
        (Scope::Now, false) => "at once, until it is restarted",
        (Scope::Now, true) => "after a restart of the target, once",
        (Scope::Lasting, false) => "lasting",
        (Scope::Lasting, true) => "lasting, after a restart of the target",
    };
    page.entry("fix", &format!("{kind}, {scope}:"));
    change(page, fix);
    page.line(&format!("{}verify: {}", label_column(""), fix.verify), Paint::Plain);
    if !fix.risk.is_empty() {
        page.paragraph(&label_column(""), &format!("risk: {}", fix.risk), Paint::Plain);
    }
}

/// The change itself. A command is not broken; what an application is to do may be a sentence.
fn change(page: &mut Page, fix: &Fix) {
    let indent = format!("{}  ", label_column(""));
    for line in fix.text.lines() {
        let fits = indent.len() + line.chars().count() <= WIDTH;
        if fits || fix.kind != FixKind::Application {
            page.line(&format!("{indent}{line}"), Paint::Plain);
        } else {
            page.paragraph(&indent, line, Paint::Plain);
        }
    }
}
