//! The list of all rules.

use super::rule::Rule;
use super::{client, cpu, fd, folklore, listener, threads};

/// Every rule, by group.
pub static RULES: &[Rule] = &[
    fd::FD_001,
    fd::FD_002,
    fd::FD_003,
    fd::FD_004,
    fd::FD_012,
    fd::FD_013,
    listener::LSN_001,
    listener::LSN_002,
    listener::LSN_004,
    listener::LSN_005,
    listener::LSN_006,
    listener::LSN_007,
    listener::LSN_008,
    listener::LSN_011,
    listener::LSN_016,
    client::CLI_001,
    threads::THR_001,
    cpu::CPU_005,
    folklore::BAD_005,
];

/// The rule with this id, in either case.
#[must_use]
pub fn rule(id: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.id.eq_ignore_ascii_case(id.trim()))
}

/// Ids that look like `id`, best first: for "did you mean".
#[must_use]
pub fn similar(id: &str) -> Vec<&'static str> {
    let wanted = plain(id);
    if wanted.is_empty() {
        return Vec::new();
    }
    let mut scored: Vec<(usize, &'static str)> =
        RULES.iter().map(|rule| (distance(&wanted, &plain(rule.id)), rule.id)).collect();
    scored.sort_unstable();
    let group: String = wanted.chars().take_while(char::is_ascii_alphabetic).collect();
    let close = |id: &str| !group.is_empty() && plain(id).starts_with(&group);
    scored
        .into_iter()
        .filter(|(distance, id)| *distance <= 2 || close(id))
        .map(|(_, id)| id)
        .take(5)
        .collect()
}

/// Letters and digits in upper case: "lsn2" and "LSN-002" differ by the zeros only.
fn plain(id: &str) -> String {
    id.chars().filter(char::is_ascii_alphanumeric).map(|character| character.to_ascii_uppercase()).collect()
}

/// Insertions, deletions and replacements between two short words.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, from) in one.chars().enumerate() {
        let mut next = vec![index + 1];
        for ((to, &diagonal), &above) in other.iter().zip(&row).zip(row.iter().skip(1)) {
            let left = next.last().copied().unwrap_or(usize::MAX - 1);
            let replaced = diagonal + usize::from(from != *to);
            next.push(replaced.min(above + 1).min(left + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}
