//! The page of a rule: what `netscope explain` prints and docs/findings holds.

use std::fmt::Write;

use super::registry::{RULES, rule};
use super::rule::{Group, Rule};

/// Columns of a page.
const WIDTH: usize = 100;

/// The page of the rule with this id, as Markdown.
#[must_use]
pub fn explain(id: &str) -> Option<String> {
    rule(id).map(page)
}

/// The page of a rule, as Markdown.
#[must_use]
pub fn page(rule: &Rule) -> String {
    let mut page = format!("# {}: {}\n\n{}\n", rule.id, rule.title, wrap(rule.explanation, ""));
    let applies = wrap(rule.applies, "");
    section(
        &mut page,
        "When it applies",
        &format!("{applies}\n\n{}", wrap(&format!("It reads {}.", reads(rule)), "")),
    );
    section(&mut page, "Formula", &code(rule.formula));
    section(&mut page, "How the kernel does it", &wrap(rule.mechanism, ""));
    section(&mut page, "Check it by hand", &by_hand(rule));
    section(&mut page, "When not to act", &wrap(rule.not_when, ""));
    section(&mut page, "Sources", &sources(rule));
    if !rule.caused_by.is_empty() {
        let causes =
            rule.caused_by.iter().map(|id| format!("[{id}]({id}.md)")).collect::<Vec<_>>().join(", ");
        section(&mut page, "Often a consequence of", &causes);
    }
    page
}

/// The index of all pages, as Markdown.
#[must_use]
pub fn index() -> String {
    let mut page = String::from("# Findings\n\n");
    page.push_str(&wrap(
        "One page for each rule, the same text that `netscope explain ID` prints. The pages are generated \
         from the rules in cli/src/findings; after a change run `NETSCOPE_BLESS=1 cargo test -p netscope \
         --test finding_pages`.",
        "",
    ));
    page.push('\n');
    for group in Group::all() {
        let mut rows = String::from("| id | looks for |\n|---|---|\n");
        for rule in RULES.iter().filter(|rule| rule.group == *group) {
            row(&mut rows, rule);
        }
        section(&mut page, group.heading(), rows.trim_end());
    }
    page
}

fn row(rows: &mut String, rule: &Rule) {
    let id = rule.id;
    // Writing to a String cannot fail.
    let _ = writeln!(rows, "| [{id}]({id}.md) | {} |", rule.title);
}

fn section(page: &mut String, heading: &str, body: &str) {
    let _ = write!(page, "\n## {heading}\n\n{body}\n");
}

fn reads(rule: &Rule) -> String {
    let fields: Vec<String> = rule.reads.iter().map(|field| format!("`{field}`")).collect();
    super::text::list(&fields)
}

fn code(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(|line| wrap(line, "  ")).collect();
    format!("```text\n{}\n```", lines.join("\n"))
}

fn by_hand(rule: &Rule) -> String {
    let entries =
        rule.by_hand.iter().map(|entry| format!("```sh\n{}\n```\n{}", entry.command, wrap(entry.shows, "")));
    entries.collect::<Vec<_>>().join("\n\n")
}

fn sources(rule: &Rule) -> String {
    let entries = rule.sources.iter().map(|source| {
        let text = format!("- {} ({})", source.reference, source.verified.word());
        wrap(&text, "  ")
    });
    entries.collect::<Vec<_>>().join("\n")
}

/// Whether Markdown would take a line that begins with this word for a quote, a list or a heading.
fn starts_block(word: &str) -> bool {
    let numbered = || word.strip_suffix('.').is_some_and(|number| number.parse::<u32>().is_ok());
    matches!(word, ">" | "+" | "-" | "*" | "#") || numbered()
}

/// Breaks a paragraph into lines; those after the first get `indent`.
fn wrap(text: &str, indent: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        let length = line.chars().count() + 1 + word.chars().count();
        if !line.trim().is_empty() && length > WIDTH && !starts_block(word) {
            lines.push(std::mem::take(&mut line));
            line.push_str(indent);
        } else if !line.trim().is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines.join("\n")
}
