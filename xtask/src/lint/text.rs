//! What no file of the project holds, whatever its language: marks of unfinished work, folders of one machine,
//! and package indexes other than the public one.

use super::Violation;
use super::source::Source;

/// Words that mark unfinished work.
const MARKS: [&str; 3] = ["TODO", "FIXME", "XXX"];
/// Starts of a private folder. Written in two halves: this file is checked like any other.
pub const PRIVATE: [&str; 3] = [concat!("/home", "/"), concat!("/root", "/"), concat!("/Users", "/")];
/// The one package index that the lock file may name.
const INDEX: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Whether the file called `path` is text that is written by hand or by cargo.
#[must_use]
pub fn is_checked(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    ["rs", "toml", "lock", "md", "json", "sh", "yml", "yaml", "txt", "snap", "html"].contains(&extension)
        || !name.contains('.')
        || path.starts_with(".ci/")
}

/// Checks one file of any language. Marks in Rust code are looked for in comments only, see
/// [`check_comments`].
#[must_use]
pub fn check(path: &str, content: &str, folders: &[String]) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut complain = |line: usize, message: String| {
        found.push(Violation { path: path.to_owned(), line: line + 1, message });
    };
    for (index, line) in content.lines().enumerate() {
        let private =
            PRIVATE.into_iter().chain(folders.iter().map(String::as_str)).find(|folder| names(line, folder));
        if let Some(folder) = private {
            complain(index, format!("a folder of one machine: {folder}"));
        }
        if path.ends_with(".lock") && line.contains("registry+") && !line.contains(INDEX) {
            complain(index, "a package index other than crates.io".to_owned());
        }
        if !path.ends_with(".rs")
            && !path.ends_with(".lock")
            && let Some(mark) = mark(line)
        {
            complain(index, format!("{mark}: finish it or open an issue"));
        }
    }
    found
}

/// Checks the comments of one Rust file.
#[must_use]
pub fn check_comments(source: &Source) -> Vec<Violation> {
    let marked = source.comments.iter().filter_map(|comment| Some((comment.line, mark(&comment.text)?)));
    marked.map(|(line, mark)| source.violation(line, format!("{mark}: finish it or open an issue"))).collect()
}

/// Whether `line` holds `folder` at the start of a path, not inside one.
fn names(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(position, _)| {
        let before = line.get(..position).and_then(|text| text.chars().next_back());
        !before.is_some_and(|character| character.is_alphanumeric() || "_-.}>/".contains(character))
    })
}

/// The first mark in `text` that is a word of its own.
fn mark(text: &str) -> Option<&'static str> {
    let words = text.split(|character: char| !character.is_alphanumeric() && character != '_');
    words.into_iter().find_map(|word| MARKS.into_iter().find(|mark| *mark == word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(path: &str, content: &str) -> usize {
        check(path, content, &["/srv/build".to_owned()]).len()
    }

    #[test]
    fn marks_of_unfinished_work() {
        for mark in MARKS {
            assert_eq!(count("a.md", &format!("later ({mark}: more)")), 1);
            assert_eq!(count("a.rs", &format!("const A: &str = \"{mark}\";")), 0);
            assert_eq!(check_comments(&Source::new("a.rs", &format!("let a = 1; // {mark}"))).len(), 1);
        }
        assert_eq!(count("a.md", "clippy::todo, XXXL, TODOS"), 0);
    }

    #[test]
    fn folders_of_one_machine() {
        for folder in PRIVATE {
            assert_eq!(count("a.rs", &format!("const A: &str = \"{folder}somebody/x\";")), 1, "{folder}");
            assert_eq!(count("a.rs", &format!("// DIR{folder}x")), 0, "{folder}");
        }
        assert_eq!(count("a.md", "built in /srv/build/x"), 1);
        assert_eq!(count("a.md", "/proc/1/root, /usr/bin/rustc, /srv"), 0);
    }

    #[test]
    fn package_indexes() {
        assert_eq!(count("Cargo.lock", &format!("source = \"{INDEX}\"")), 0);
        assert_eq!(count("Cargo.lock", "source = \"registry+https://mirror.example/index\""), 1);
    }

    #[test]
    fn binaries_are_left_alone() {
        assert!(is_checked("LICENSE") && is_checked(".ci/run") && is_checked("docs/testing.md"));
        assert!(!is_checked("cli/bpf/netscope.bpf.o") && !is_checked("docs/live.png"));
    }
}
