//! Rules as data, and their pages.

use super::*;
use crate::findings::{RULES, explain, index, similar};

#[test]
fn ids_are_unique_and_causes_exist_without_a_circle() {
    let mut ids: Vec<&str> = RULES.iter().map(|rule| rule.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), RULES.len());
    for start in RULES {
        let mut reached: Vec<&str> = start.caused_by.to_vec();
        let mut index = 0;
        while let Some(id) = reached.get(index).copied() {
            for cause in rule(id).unwrap().caused_by {
                if !reached.contains(cause) {
                    reached.push(cause);
                }
            }
            index += 1;
        }
        assert!(!reached.contains(&start.id), "{} causes itself", start.id);
    }
}

#[test]
fn every_rule_is_fully_described() {
    for rule in RULES {
        for text in [rule.title, rule.applies, rule.formula, rule.explanation, rule.mechanism, rule.not_when]
        {
            assert!(!text.trim().is_empty(), "{}", rule.id);
        }
        assert!(rule.explanation.len() > 60 && rule.mechanism.len() > 60, "{}", rule.id);
        assert!(
            !rule.reads.is_empty() && !rule.by_hand.is_empty() && !rule.sources.is_empty(),
            "{}",
            rule.id
        );
        let sentences = rule.explanation.matches(". ").count() + 1;
        assert!(sentences <= 3, "{}: {sentences} sentences", rule.id);
    }
}

#[test]
fn explain_finds_ids_in_either_case_and_prints_the_texts_of_the_rule() {
    let page = explain("lsn-002").unwrap();
    assert!(page.starts_with("# LSN-002: "));
    assert_contains(&page, "sk_max_ack_backlog");
    assert_eq!(explain("XYZ-999"), None);
    assert_contains(
        &index(),
        "| [LSN-016](LSN-016.md) | Raising tcp_max_syn_backlog would do nothing here |",
    );
}

#[test]
fn mistyped_ids_are_recognised() {
    assert_eq!(similar("LSN-02").first(), Some(&"LSN-002"));
    assert_eq!(similar("lsn002").first(), Some(&"LSN-002"));
    assert_eq!(similar("FD-1").first(), Some(&"FD-001"));
    assert!(similar("CPU").contains(&"CPU-005"));
    assert!(similar("tcp").is_empty());
    assert!(similar("").is_empty());
}
