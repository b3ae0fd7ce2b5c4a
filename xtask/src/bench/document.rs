//! docs/benchmarks.md: each benchmark owns the text between its two markers.

use std::fmt::Write;
use std::fs;

use anyhow::{Context, Result};

use crate::workspace::Workspace;

/// The document, relative to the workspace.
pub const DOCUMENT: &str = "docs/benchmarks.md";
/// What the document starts with when it does not exist yet.
const PREFACE: &str = "# Benchmarks\n\nEvery figure is a ratio measured side by side in one run, by the command beside it, on the machine \
that is named. None is asserted by a test.\n";

/// One row of the overhead table.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Tool.
    pub name: String,
    /// What it records.
    pub records: String,
    /// The ratios, or why there are none.
    pub outcome: Result<Ratios, String>,
}

/// With the tool divided by without it: the median over the rounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratios {
    /// Requests a second, with the smallest and the largest of the rounds.
    pub rate: f64,
    /// Smallest ratio of requests a second.
    pub lowest: f64,
    /// Largest ratio of requests a second.
    pub highest: f64,
    /// CPU time of the server for one request.
    pub cpu: f64,
    /// Instructions of the server for one request; absent without hardware counters.
    pub instructions: Option<f64>,
}

/// The rows as a Markdown table.
#[must_use]
pub fn table(rows: &[Row]) -> String {
    let mut text = "| tool | records | request rate | lowest to highest | server CPU per request | server instructions per request |\n\
                    |---|---|---|---|---|---|\n"
        .to_owned();
    for Row { name, records, outcome } in rows {
        let cells = match outcome {
            Ok(Ratios { rate, lowest, highest, cpu, instructions }) => {
                let instructions =
                    instructions.map_or_else(|| "not counted".to_owned(), |ratio| format!("{ratio:.3}"));
                format!(
                    "{} | {} to {} | {cpu:.2} | {instructions}",
                    short(*rate),
                    short(*lowest),
                    short(*highest)
                )
            }
            Err(reason) => format!("absent: {reason} | | |"),
        };
        let _ = writeln!(text, "| {name} | {records} | {cells} |");
    }
    text
}

/// Two digits after the point, three below a tenth.
fn short(ratio: f64) -> String {
    if ratio < 0.1 { format!("{ratio:.3}") } else { format!("{ratio:.2}") }
}

/// Puts `text` between the markers of benchmark `name`, and writes the document.
pub fn write(workspace: &Workspace, name: &str, text: &str) -> Result<()> {
    let path = workspace.path(DOCUMENT);
    let old = if path.exists() {
        fs::read_to_string(&path).with_context(|| format!("cannot read {DOCUMENT}"))?
    } else {
        PREFACE.to_owned()
    };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    }
    fs::write(&path, replace(&old, name, text)).with_context(|| format!("cannot write {DOCUMENT}"))
}

/// `document` with `text` between the markers of `name`; they are added at the end if they are missing.
fn replace(document: &str, name: &str, text: &str) -> String {
    let (begin, end) = (format!("<!-- begin {name} -->"), format!("<!-- end {name} -->"));
    let block = format!("{begin}\n{}\n{end}", text.trim());
    let parts =
        document.split_once(&begin).and_then(|(before, rest)| Some((before, rest.split_once(&end)?.1)));
    match parts {
        Some((before, after)) => format!("{before}{block}{after}"),
        None => format!("{}\n\n{block}\n", document.trim_end()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_between_markers_is_replaced_and_nothing_else() {
        let first = replace("# Title\n", "overhead", "one\n");
        assert_eq!(first, "# Title\n\n<!-- begin overhead -->\none\n<!-- end overhead -->\n");
        let more = format!("{first}\nafter\n");
        assert_eq!(replace(&more, "overhead", "two"), more.replace("one", "two"));
        assert!(replace(&more, "audit", "three").contains("one"));
    }

    #[test]
    fn absent_tools_keep_their_row() {
        let ratios =
            Ratios { rate: 0.0251, lowest: 0.02, highest: 0.9, cpu: 1.5, instructions: Some(1.0551) };
        let row = |outcome| Row { name: "t".into(), records: "r".into(), outcome };
        let text = table(&[
            row(Ok(ratios)),
            row(Ok(Ratios { instructions: None, ..ratios })),
            row(Err("no t".into())),
        ]);
        let lines: Vec<_> = text.lines().skip(2).collect();
        assert_eq!(lines[0], "| t | r | 0.025 | 0.020 to 0.90 | 1.50 | 1.055 |");
        assert!(lines[1].ends_with("| not counted |"));
        assert_eq!(lines[2], "| t | r | absent: no t | | | |");
        let columns = |line: &str| line.matches('|').count();
        assert!(text.lines().all(|line| columns(line) == columns(lines[0])), "{text}");
    }

    #[test]
    fn the_document_is_created() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("Cargo.toml"), "[workspace]\n").unwrap();
        let workspace = Workspace::above(directory.path()).unwrap();
        write(&workspace, "overhead", "text").unwrap();
        write(&workspace, "overhead", "other").unwrap();
        let text = fs::read_to_string(workspace.path(DOCUMENT)).unwrap();
        assert!(
            text.starts_with("# Benchmarks") && text.contains("other") && !text.contains("text\n<"),
            "{text}"
        );
    }
}
