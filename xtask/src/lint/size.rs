//! A file answers one question: at most 400 lines outside its tests. Functions are counted by clippy
//! (`too_many_lines`, clippy.toml).

use super::Violation;
use super::source::Source;

/// Lines of a file, tests not counted.
const LIMIT: usize = 400;

/// Checks one file.
#[must_use]
pub fn check(source: &Source) -> Vec<Violation> {
    let lines = source.lines_outside_tests();
    if lines <= LIMIT {
        return Vec::new();
    }
    vec![
        source.violation(
            source.lines,
            format!("{lines} lines outside tests, at most {LIMIT}: split by question"),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_code_outside_tests_counts() {
        let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "fn f() {}\n".repeat(300));
        let code = "fn f() {}\n".repeat(400);
        assert_eq!(check(&Source::new("a.rs", &format!("{code}{tests}"))), []);
        assert_eq!(check(&Source::new("a.rs", &format!("{code}\n{tests}"))).len(), 1);
    }
}
