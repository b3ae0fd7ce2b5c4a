//! What a run of the tests came to: the harness's own result lines, and the skips that tests report.

use std::collections::{BTreeMap, BTreeSet};

/// Start of the line by which a test says that it could not run here; `name: reason` follows.
const SKIPPED: &str = "SKIPPED ";

/// Results of one or several runs of the test harness.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// The lines `test result: …`, in order.
    pub results: Vec<String>,
    /// Tests that ran and passed, skips not counted.
    pub passed: u64,
    /// Tests that failed.
    pub failed: u64,
    /// Names of tests marked `#[ignore]`; they are among the skips.
    pub ignored: BTreeSet<String>,
    /// Reason by name of what was skipped.
    pub skips: BTreeMap<String, String>,
    /// Names of failed tests.
    pub failures: BTreeSet<String>,
}

impl Summary {
    /// Reads the output of `cargo test -- --show-output`. A test that skips passes for the harness and prints
    /// its line; it is counted as skipped here. A test that runs a harness of its own in another process shows
    /// that one's output inside its own, which counts for nothing.
    #[must_use]
    pub fn of(output: &str) -> Self {
        let mut summary = Self::default();
        // How many tests each harness announced whose result is still to come, outermost first.
        let mut open: Vec<u64> = Vec::new();
        for line in output.lines() {
            if let Some(announced) = line.strip_prefix("running ") {
                open.extend(announced.split(' ').next().and_then(|number| number.parse::<u64>().ok()));
            } else if line.starts_with("test result: ") {
                let count = |word| number_before(line, word);
                let ran = count("passed") + count("failed") + count("ignored") + count("measured");
                // A harness that died printed no result: those inside the one that ends here are over too.
                open.truncate(open.iter().rposition(|announced| *announced == ran).unwrap_or_default());
                if open.is_empty() {
                    summary.results.push(line.to_owned());
                    summary.passed += count("passed");
                    summary.failed += count("failed");
                }
            } else if let Some((name, outcome)) =
                line.strip_prefix("test ").and_then(|rest| rest.split_once(" ... "))
            {
                if open.len() == 1 {
                    summary.add_test(name, outcome);
                }
            } else {
                summary.add_skip(line);
            }
        }
        // The harness has counted the tests that skip themselves as passed, the ignored ones not.
        let passed_by_skipping = summary.skips.len().saturating_sub(summary.ignored.len());
        summary.passed = summary.passed.saturating_sub(u64::try_from(passed_by_skipping).unwrap_or(u64::MAX));
        summary
    }

    /// Takes note of one test's line. An ignored test is a skip like any other, unless its reason says that it
    /// is none: the entry point of a helper process has to look like a test.
    fn add_test(&mut self, name: &str, outcome: &str) {
        if outcome == "FAILED" {
            self.failures.insert(name.to_owned());
        } else if let Some(reason) = outcome.strip_prefix("ignored") {
            let reason = reason.trim_start_matches([',', ' ']);
            if !reason.starts_with("not a test") {
                self.ignored.insert(name.to_owned());
                self.skips.insert(name.to_owned(), format!("ignored: {reason}"));
            }
        }
    }

    /// Takes note of `line` if it reports a skip.
    pub fn add_skip(&mut self, line: &str) {
        let skip = line.trim_start().strip_prefix(SKIPPED).and_then(|rest| rest.split_once(": "));
        if let Some((name, reason)) = skip {
            self.skips.insert(name.to_owned(), reason.to_owned());
        }
    }

    /// The lines to end with: every skip, every result line, the total.
    #[must_use]
    pub fn text(&self) -> String {
        let skips = self.skips.iter().map(|(name, reason)| format!("SKIPPED {name}: {reason}\n"));
        let failures = self.failures.iter().map(|name| format!("FAILED {name}\n"));
        let results = self.results.iter().map(|line| format!("{line}\n"));
        skips.chain(failures).chain(results).collect::<String>() + &self.total()
    }

    fn total(&self) -> String {
        format!("{} passed, {} failed, {} skipped", self.passed, self.failed, self.skips.len())
    }

    /// The skips that `allowed` does not list.
    #[must_use]
    pub fn unexpected_skips(&self, allowed: &BTreeMap<String, String>) -> Vec<String> {
        self.skips.keys().filter(|name| !allowed.contains_key(*name)).cloned().collect()
    }
}

/// Reads a list of allowed skips: `name: reason` on each line, `#` starts a comment. A name without a reason
/// is an error, given back as the line.
pub fn allowed_skips(text: &str) -> Result<BTreeMap<String, String>, String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let pair = line.split_once(": ").filter(|(_, reason)| !reason.trim().is_empty());
            pair.map(|(name, reason)| (name.to_owned(), reason.to_owned())).ok_or_else(|| line.to_owned())
        })
        .collect()
}

/// The number in front of `word` in a line of the harness; 0 when there is none.
fn number_before(line: &str, word: &str) -> u64 {
    let words: Vec<&str> = line.split([' ', ';', '.']).filter(|word| !word.is_empty()).collect();
    let position = words.iter().position(|candidate| *candidate == word);
    position
        .and_then(|position| words.get(position.checked_sub(1)?))
        .and_then(|number| number.parse().ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "\
running 3 tests
test a::one ... ok
test a::two ... ok
test a::three ... FAILED

---- a::two stdout ----
SKIPPED a::two: needs root

test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.02s
running 3 tests
test b::slow ... ignored, takes an hour
test helper ... ignored, not a test: the entry point of helper processes
SKIPPED a::two: needs root
test result: ok. 1 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.10s
";

    #[test]
    fn results_are_summed_and_skips_do_not_count_as_passed() {
        let summary = Summary::of(OUTPUT);
        assert_eq!((summary.passed, summary.failed), (2, 1));
        assert_eq!(summary.skips.keys().collect::<Vec<_>>(), ["a::two", "b::slow"]);
        assert_eq!(summary.skips["b::slow"], "ignored: takes an hour");
        assert!(summary.failures.contains("a::three"));
        let text = summary.text();
        assert_eq!(text.lines().last(), Some("2 passed, 1 failed, 2 skipped"));
        assert_eq!(text.lines().filter(|line| line.starts_with("test result: ")).count(), 2);
    }

    #[test]
    fn a_harness_inside_a_test_counts_for_nothing() {
        let inner = "running 1 test\ntest inner ... FAILED\ntest result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured;\n";
        let outer = |inner: &str| {
            format!(
                "running 2 tests\ntest a ... ok\ntest b ... FAILED\n---- b stdout ----\n{inner}\
                 test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured;\n"
            )
        };
        // The second one died before it printed its result.
        for inner in [inner, "running 1 test\n"] {
            let summary = Summary::of(&outer(inner).repeat(2));
            assert_eq!((summary.passed, summary.failed, summary.results.len()), (2, 2, 2), "{inner}");
            assert_eq!(summary.failures.iter().collect::<Vec<_>>(), ["b"]);
        }
    }

    #[test]
    fn only_listed_skips_are_expected() {
        let mut summary = Summary::default();
        summary.add_skip("  SKIPPED kernel::lsm: no lsm=bpf");
        summary.add_skip("SKIPPED object rebuild: no compiler: none");
        summary.add_skip("it was SKIPPED: never mind");
        let allowed = allowed_skips("# why\n\nobject rebuild: optional\n").unwrap();
        assert_eq!(summary.unexpected_skips(&allowed), ["kernel::lsm"]);
        assert_eq!(summary.skips.get("object rebuild").unwrap(), "no compiler: none");
    }

    #[test]
    fn an_allowed_skip_needs_a_reason() {
        assert_eq!(allowed_skips("object rebuild\n"), Err("object rebuild".to_owned()));
        assert_eq!(allowed_skips("object rebuild: \n"), Err("object rebuild:".to_owned()));
    }

    /// The committed list is readable.
    #[test]
    fn the_committed_list_is_valid() {
        assert!(allowed_skips(include_str!("../allowed-skips.txt")).is_ok());
    }
}
