//! One Rust file as the lints see it: tokens that know whether a test owns them, comments, and the paths of
//! modules that the code names.

use std::collections::BTreeSet;

use super::Violation;
use super::lexer::{self, Comment, Token};

/// A path such as `crate::model::Model`, from a `use` (each branch of its tree) or from the code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// Its identifiers; `*` for a glob.
    pub segments: Vec<String>,
    /// Line, from 1.
    pub line: usize,
    /// Whether only tests compile it.
    pub in_test: bool,
}

/// A Rust file.
#[derive(Clone, Debug)]
pub struct Source {
    /// Relative to the workspace, with slashes.
    pub path: String,
    /// Lines of the file.
    pub lines: usize,
    /// Code.
    pub tokens: Vec<Token>,
    /// Comments, in order.
    pub comments: Vec<Comment>,
    /// For each token whether only tests compile it.
    in_test: Vec<bool>,
    /// Modules declared by `#[cfg(test)] mod name;`.
    test_modules: Vec<String>,
}

impl Source {
    /// Reads `text`.
    #[must_use]
    pub fn new(path: &str, text: &str) -> Self {
        let (tokens, comments) = lexer::split(text);
        let mut source = Self {
            path: path.to_owned(),
            lines: text.lines().count(),
            in_test: vec![false; tokens.len()],
            tokens,
            comments,
            test_modules: Vec::new(),
        };
        source.mark_test_items();
        source
    }

    /// A violation in this file.
    #[must_use]
    pub fn violation(&self, line: usize, message: impl Into<String>) -> Violation {
        Violation { path: self.path.clone(), line, message: message.into() }
    }

    /// The text of token `index`; empty outside the file.
    #[must_use]
    pub fn text(&self, index: usize) -> &str {
        self.tokens.get(index).map_or("", |token| token.text.as_str())
    }

    /// Whether only tests compile token `index`.
    #[must_use]
    pub fn is_test(&self, index: usize) -> bool {
        self.in_test.get(index).copied().unwrap_or_default()
    }

    /// Whether the whole file belongs to tests or benchmarks by its place.
    #[must_use]
    pub fn is_test_file(&self) -> bool {
        let inside = |folder: &str| self.path.split('/').any(|part| part == folder);
        inside("tests") || inside("benches") || self.path.ends_with("/tests.rs")
    }

    /// The files, and folders with a slash at the end, that belong to modules only tests declare.
    #[must_use]
    pub fn test_files(&self) -> Vec<String> {
        let (folder, file) = self.path.rsplit_once('/').unwrap_or(("", &self.path));
        let base = match file {
            "mod.rs" | "lib.rs" | "main.rs" => folder.to_owned(),
            _ => format!("{folder}/{}", file.trim_end_matches(".rs")),
        };
        self.test_modules
            .iter()
            .flat_map(|name| [format!("{base}/{name}.rs"), format!("{base}/{name}/")])
            .collect()
    }

    /// Marks everything as test code if the file is one of `tests` ([`Self::test_files`] of all sources).
    pub fn mark_test_file(&mut self, tests: &BTreeSet<String>) {
        let declared = tests.contains(&self.path)
            || tests.iter().any(|folder| folder.ends_with('/') && self.path.starts_with(folder.as_str()));
        if declared || self.is_test_file() {
            self.in_test.fill(true);
        }
    }

    /// Lines that belong to no test.
    #[must_use]
    pub fn lines_outside_tests(&self) -> usize {
        if !self.in_test.is_empty() && self.in_test.iter().all(|test| *test) {
            return 0;
        }
        let mut inside = 0;
        let mut start = None;
        for (token, test) in self.tokens.iter().zip(&self.in_test) {
            match (start, test) {
                (None, true) => start = Some((token.line, token.line)),
                (Some((first, _)), true) => start = Some((first, token.line)),
                (Some((first, last)), false) => {
                    inside += last + 1 - first;
                    start = None;
                }
                (None, false) => {}
            }
        }
        if let Some((first, last)) = start {
            inside += last + 1 - first;
        }
        self.lines.saturating_sub(inside)
    }

    /// Every path that the code names.
    #[must_use]
    pub fn paths(&self) -> Vec<Path> {
        let mut paths = Vec::new();
        let mut index = 0;
        while index < self.tokens.len() {
            index = if self.text(index) == "use" && is_item_start(self.text(index.wrapping_sub(1))) {
                self.use_tree(index + 1, &mut Vec::new(), &mut paths)
            } else {
                self.plain_path(index, &mut paths)
            };
        }
        paths
    }

    fn path_at(&self, index: usize, segments: Vec<String>) -> Path {
        let line = self.tokens.get(index).map_or(1, |token| token.line);
        Path { segments, line, in_test: self.is_test(index) }
    }

    /// Reads one branch of a `use` tree from `index`; returns where reading goes on.
    fn use_tree(&self, mut index: usize, prefix: &mut Vec<String>, paths: &mut Vec<Path>) -> usize {
        let depth = prefix.len();
        let start = index;
        loop {
            match self.text(index) {
                "::" => index += 1,
                "{" => {
                    index += 1;
                    while !matches!(self.text(index), "}" | ";" | "") {
                        index = self.use_tree(index, prefix, paths);
                        index += usize::from(self.text(index) == ",");
                    }
                    prefix.truncate(depth);
                    return index + 1;
                }
                "as" => index += 2,
                text if text == "*" || is_identifier(text) => {
                    prefix.push(text.to_owned());
                    index += 1;
                }
                _ => break,
            }
        }
        if prefix.len() > depth {
            paths.push(self.path_at(start, prefix.clone()));
        }
        prefix.truncate(depth);
        // The delimiter after the branch belongs to the caller; anything else is skipped.
        index.max(start + usize::from(!matches!(self.text(start), "," | "}" | ";")))
    }

    /// Reads a path of at least two identifiers at `index`, if there is one; returns where reading goes on.
    fn plain_path(&self, index: usize, paths: &mut Vec<Path>) -> usize {
        if !is_identifier(self.text(index)) || self.text(index + 1) != "::" {
            return index + 1;
        }
        let mut segments = vec![self.text(index).to_owned()];
        let mut next = index + 1;
        while self.text(next) == "::" && is_identifier(self.text(next + 1)) {
            segments.push(self.text(next + 1).to_owned());
            next += 2;
        }
        paths.push(self.path_at(index, segments));
        next
    }

    /// Marks the items that `#[cfg(test)]` or `#[test]` guards.
    fn mark_test_items(&mut self) {
        let mut index = 0;
        while index < self.tokens.len() {
            let Some(end) = self.attribute(index).filter(|end| self.is_test_attribute(index, *end)) else {
                index += 1;
                continue;
            };
            let mut item = end;
            while let Some(end) = self.attribute(item) {
                item = end;
            }
            if self.text(item) == "mod" && self.text(item + 2) == ";" {
                self.test_modules.push(self.text(item + 1).to_owned());
            }
            let after = self.item_end(item);
            for flag in self.in_test.iter_mut().take(after).skip(index) {
                *flag = true;
            }
            index = after;
        }
    }

    /// The index after the attribute that starts at `index`.
    fn attribute(&self, index: usize) -> Option<usize> {
        if self.text(index) != "#" || self.text(index + 1) != "[" {
            return None;
        }
        let mut depth = 0_usize;
        for position in index + 1..self.tokens.len() {
            match self.text(position) {
                "[" => depth += 1,
                "]" if depth == 1 => return Some(position + 1),
                "]" => depth -= 1,
                _ => {}
            }
        }
        None
    }

    fn is_test_attribute(&self, start: usize, end: usize) -> bool {
        let words: Vec<&str> = (start + 2..end).map(|index| self.text(index)).collect();
        match words.first() {
            Some(&"test") => true,
            Some(&"cfg") => words.contains(&"test") && !words.contains(&"not"),
            _ => false,
        }
    }

    /// The index after the item at `index`: after its `;`, or after the brace that closes its first block.
    fn item_end(&self, index: usize) -> usize {
        let mut depth = 0_usize;
        for position in index..self.tokens.len() {
            match self.text(position) {
                ";" if depth == 0 => return position + 1,
                "{" | "(" | "[" => depth += 1,
                "}" | ")" | "]" => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 && self.text(position) == "}" {
                        return position + 1;
                    }
                }
                _ => {}
            }
        }
        self.tokens.len()
    }
}

/// Whether `text` is an identifier or a keyword.
fn is_identifier(text: &str) -> bool {
    text.starts_with(|character: char| character.is_alphabetic() || character == '_')
}

/// Whether a `use` after `before` starts an item (and is not the `use<..>` of a bound).
fn is_item_start(before: &str) -> bool {
    matches!(before, "" | ";" | "}" | "{" | "]" | "pub" | ")")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(text: &str) -> Vec<String> {
        Source::new("a.rs", text).paths().iter().map(|path| path.segments.join("::")).collect()
    }

    #[test]
    fn use_trees_are_flattened() {
        let expected =
            ["std::fs", "std::net::IpAddr", "std::net::TcpStream", "crate::a::self", "crate::a::b::*"];
        assert_eq!(
            paths("use std::{fs, net::{IpAddr, TcpStream as Stream}};\npub use crate::a::{self, b::*};"),
            expected
        );
        assert_eq!(paths("pub(crate) use super::x;"), ["super::x"]);
        assert_eq!(paths("use ::std::io;"), ["std::io"]);
        assert_eq!(paths("use {a::b, c::d,};"), ["a::b", "c::d"]);
        assert_eq!(paths("use a::{b::{c, d}, e}; use f;"), ["a::b::c", "a::b::d", "a::e", "f"]);
    }

    #[test]
    fn broken_trees_end() {
        for text in ["use", "use {", "use a::{b", "use a::{;", "use ;", "use a::{b c"] {
            let _ = paths(text);
        }
    }

    #[test]
    fn paths_in_code() {
        assert_eq!(paths("fn f() -> x::Y<z::W> { a::b::<C>(d.e) }"), ["x::Y", "z::W", "a::b"]);
        assert_eq!(paths("let s = \"std::fs\"; // std::env"), [""; 0]);
    }

    #[test]
    fn test_items_are_marked() {
        let text = "use a::b;\n#[cfg(test)]\nmod tests {\n use c::d;\n fn f() {}\n}\nuse e::f;\n";
        let source = Source::new("a.rs", text);
        let marks: Vec<_> = source.paths().iter().map(|path| path.in_test).collect();
        assert_eq!(marks, [false, true, false]);
        assert_eq!(source.lines_outside_tests(), 2);
    }

    #[test]
    fn attributes_that_are_no_tests() {
        for attribute in ["#[cfg(not(test))]", "#[derive(Debug)]", "#[cfg(feature = \"test\")]"] {
            let source = Source::new("a.rs", &format!("{attribute}\nfn f() {{ a::b() }}\n"));
            assert!(!source.paths()[0].in_test, "{attribute}");
        }
        for attribute in ["#[cfg(all(test, unix))]", "#[test]", "#[cfg(test)] #[expect(x)]"] {
            let source = Source::new("a.rs", &format!("{attribute}\nfn f(x: [u8; 2]) {{ a::b() }}\n"));
            assert!(source.paths()[0].in_test, "{attribute}");
        }
    }

    #[test]
    fn test_modules_name_their_files() {
        let source = Source::new("cli/src/model/rate.rs", "#[cfg(test)]\nmod fixture;");
        assert_eq!(source.test_files(), ["cli/src/model/rate/fixture.rs", "cli/src/model/rate/fixture/"]);
    }

    #[test]
    fn a_test_file_has_no_lines_outside_tests() {
        let mut source = Source::new("cli/tests/kernel.rs", "fn f() {}\n");
        source.mark_test_file(&BTreeSet::new());
        assert_eq!(source.lines_outside_tests(), 0);
    }
}
