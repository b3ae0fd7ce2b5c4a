//! The habits of the project that neither rustc nor clippy knows (docs/architecture.md), as functions of
//! source text. Code of tests is held to the boundaries of the kernel, not to layers and sizes.

pub mod boundary;
pub mod layers;
pub mod lexer;
pub mod size;
pub mod source;
pub mod text;

use std::collections::BTreeSet;
use std::fmt;
use std::fs;

use anyhow::{Context, Result, bail};

use crate::workspace::Workspace;
use source::Source;

/// One place that breaks a habit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// File, relative to the workspace.
    pub path: String,
    /// Line, from 1.
    pub line: usize,
    /// What is wrong and what to do.
    pub message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}: {}", self.path, self.line, self.message)
    }
}

/// Checks every file of the workspace; the error lists what was found.
pub fn run(workspace: &Workspace) -> Result<()> {
    let mut texts = Vec::new();
    for path in workspace.files()? {
        if text::is_checked(&path) {
            let bytes = fs::read(workspace.path(&path)).with_context(|| format!("cannot read {path}"))?;
            texts.push((path, String::from_utf8_lossy(&bytes).into_owned()));
        }
    }
    let folders = [workspace.root().display().to_string()];
    let violations = check(&texts, &folders);
    for violation in &violations {
        println!("  {violation}");
    }
    if !violations.is_empty() {
        bail!("{} places break a habit of docs/architecture.md", violations.len());
    }
    println!("  {} files", texts.len());
    Ok(())
}

/// Checks `texts` (path and content). `folders` are folders of this machine that no file may name.
#[must_use]
pub fn check(texts: &[(String, String)], folders: &[String]) -> Vec<Violation> {
    let mut sources: Vec<Source> = texts
        .iter()
        .filter(|(path, _)| path.ends_with(".rs"))
        .map(|(path, text)| Source::new(path, text))
        .collect();
    let tests: BTreeSet<String> = sources.iter().flat_map(Source::test_files).collect();
    for source in &mut sources {
        source.mark_test_file(&tests);
    }
    let mut found: Vec<Violation> =
        texts.iter().flat_map(|(path, content)| text::check(path, content, folders)).collect();
    for source in &sources {
        found.extend(text::check_comments(source));
        found.extend(boundary::check(source));
        found.extend(layers::check(source));
        found.extend(size::check(source));
    }
    found.sort();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn violations(files: &[(&str, &str)]) -> Vec<String> {
        let texts: Vec<_> =
            files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
        check(&texts, &["/srv/build".to_owned()]).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn clean_files_pass() {
        assert_eq!(
            violations(&[("cli/src/model/mod.rs", "//! Rates.\nuse crate::sample::Sample;\n")]),
            [""; 0]
        );
    }

    #[test]
    fn each_lint_is_run() {
        let found = violations(&[
            ("cli/src/model/rate.rs", "use crate::host::limits;\n"),
            ("cli/src/view/text.rs", "fn f() { unsafe { g() } }\n"),
            ("demo-server/src/long.rs", &"\n".repeat(401)),
            ("cli/src/args/mod.rs", &format!("// {}: later\n", "TODO")),
            ("docs/testing.md", "see /srv/build/x\n"),
        ]);
        assert_eq!(found.len(), 5, "{found:?}");
    }

    /// A module that only tests declare is a test file, wherever it lies.
    #[test]
    fn modules_declared_by_tests_are_tests() {
        let fixture = "use crate::host::limits;\n";
        let found = violations(&[
            ("cli/src/model/mod.rs", "#[cfg(test)]\nmod fixture;\nmod rate;\n"),
            ("cli/src/model/fixture.rs", fixture),
            ("cli/src/model/rate.rs", fixture),
        ]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("cli/src/model/rate.rs:1:"), "{found:?}");
    }
}
