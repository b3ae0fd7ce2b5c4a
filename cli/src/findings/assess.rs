//! Runs the rules and makes one assessment of what they say.

use super::order::{Entry, in_causal_order};
use super::registry::RULES;
use super::rule::{Found, Outcome, Rule};
use super::verdict::verdict;
use super::{Assessment, DeclaredLoad, Finding, Severity, Skipped, Subject};
use crate::model::Model;

/// Which rules to run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Rules that are not run: ids ("LSN-011") or groups ("LSN"), in either case.
    pub ignore: Vec<String>,
    /// The only rules to run, in the same form; empty for all.
    pub only: Vec<String>,
}

/// Judges a model against a declared load.
#[must_use]
pub fn assess(model: &Model, load: &DeclaredLoad, options: &Options) -> Assessment {
    let mut entries = Vec::new();
    let mut passed = Vec::new();
    let mut skipped = Vec::new();
    for rule in RULES.iter().filter(|rule| options.only.is_empty() || selects(&options.only, rule.id)) {
        if selects(&options.ignore, rule.id) {
            skip(&mut skipped, rule, "ignored on request".to_owned());
            continue;
        }
        for outcome in (rule.assess)(model, load) {
            match outcome {
                Outcome::Finding(found) => entries.push(Entry { rule, found: *found }),
                Outcome::Pass { subject, number } => passed.push(pass(model, rule, subject, number)),
                Outcome::Skip(reason) => skip(&mut skipped, rule, reason),
            }
        }
    }
    absorb(&mut entries, &mut skipped, model);
    let entries = in_causal_order(entries, model);
    let verdict = verdict(model, load, &entries, &passed, &skipped);
    let findings = entries.into_iter().map(|entry| finding(model, entry)).collect();
    Assessment { findings, passed, skipped, verdict }
}

fn selects(names: &[String], id: &str) -> bool {
    let group = id.split('-').next().unwrap_or(id);
    names
        .iter()
        .map(|name| name.trim().trim_end_matches(['*', '-']))
        .any(|name| name.eq_ignore_ascii_case(id) || name.eq_ignore_ascii_case(group))
}

fn skip(skipped: &mut Vec<Skipped>, rule: &Rule, reason: String) {
    let entry = Skipped { id: rule.id, reason };
    if !skipped.contains(&entry) {
        skipped.push(entry);
    }
}

/// Forecasts that a measurement of the same process has already proved.
fn absorb(entries: &mut Vec<Entry>, skipped: &mut Vec<Skipped>, model: &Model) {
    let proved: Vec<Subject> =
        entries.iter().filter(|entry| entry.rule.id == "FD-012").map(|entry| entry.found.subject).collect();
    entries.retain(|entry| {
        let absorbed = entry.rule.id == "FD-001" && proved.contains(&entry.found.subject);
        if absorbed {
            let name = entry.found.subject.name(model);
            skip(skipped, entry.rule, format!("{name}: FD-012 measured what this rule would forecast"));
        }
        !absorbed
    });
}

fn see(id: &str) -> String {
    format!("netscope explain {id}")
}

fn finding(model: &Model, Entry { rule, found }: Entry) -> Finding {
    let Found { severity, origin, subject, title, evidence, threshold, detail, fixes } = found;
    let mut detail = detail.trim().to_owned();
    if !detail.is_empty() && !detail.ends_with(['.', '!', '?']) {
        detail.push('.');
    }
    Finding {
        id: rule.id,
        severity,
        origin,
        subject: subject.name(model),
        title,
        evidence,
        threshold,
        explanation: format!("{detail} {}", rule.explanation).trim_start().to_owned(),
        fixes,
        see: see(rule.id),
    }
}

fn pass(model: &Model, rule: &Rule, subject: Subject, number: String) -> Finding {
    Finding {
        id: rule.id,
        severity: Severity::Pass,
        origin: rule.origin,
        subject: subject.name(model),
        title: number,
        evidence: Vec::new(),
        threshold: String::new(),
        explanation: String::new(),
        fixes: Vec::new(),
        see: see(rule.id),
    }
}
