//! `unsafe` and aya stay where the kernel is: one folder of the tool and the programs themselves.

use super::Violation;
use super::source::Source;

/// Where both are allowed.
const ALLOWED: [&str; 2] = ["cli/src/kernel/", "probe-ebpf/"];
/// The crates of aya that the tool could name.
const AYA: [&str; 3] = ["aya", "aya_obj", "aya_log"];

/// Checks one file, tests included.
#[must_use]
pub fn check(source: &Source) -> Vec<Violation> {
    let allowed = ALLOWED.iter().any(|folder| source.path.starts_with(folder));
    let mut found = Vec::new();
    for (index, token) in source.tokens.iter().enumerate() {
        // `unsafe(no_mangle)` is an attribute, not a block.
        if token.text != "unsafe" || source.text(index + 1) == "(" {
            continue;
        }
        if !allowed {
            found.push(
                source.violation(
                    token.line,
                    "unsafe outside cli/src/kernel and probe-ebpf: use a safe wrapper",
                ),
            );
        } else if matches!(source.text(index + 1), "{" | "impl") && !is_explained(source, token.line) {
            found.push(
                source.violation(token.line, "unsafe without a // SAFETY: comment that says why it holds"),
            );
        }
    }
    if !allowed {
        let named = source
            .paths()
            .into_iter()
            .filter(|path| path.segments.first().is_some_and(|first| AYA.contains(&first.as_str())));
        found.extend(named.map(|path| {
            source.violation(
                path.line,
                "aya outside cli/src/kernel: that room is the only one that loads programs",
            )
        }));
    }
    found
}

/// Whether a comment with `SAFETY:` belongs to the statement on `line`: on the same line, or above it with
/// nothing but comments, attributes and the statement's own earlier lines in between.
fn is_explained(source: &Source, line: usize) -> bool {
    let explains = |line: usize| {
        source.comments.iter().any(|comment| comment.line == line && comment.text.contains("SAFETY:"))
    };
    let mut current = line;
    loop {
        if explains(current) {
            return true;
        }
        current -= 1;
        let commented = source.comments.iter().any(|comment| comment.line == current);
        let last = source.tokens.iter().rev().find(|token| token.line == current);
        match last.map(|token| token.text.as_str()) {
            // A comment between two statements may be the one; an empty line ends the search.
            None if !commented => return false,
            Some(";" | "{" | "}" | ",") => return false,
            _ if current == 0 => return false,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(path: &str, text: &str) -> Vec<(usize, bool)> {
        let source = Source::new(path, text);
        check(&source).into_iter().map(|found| (found.line, found.message.contains("outside"))).collect()
    }

    #[test]
    fn unsafe_and_aya_outside() {
        let text = "use aya::Ebpf;\nfn f() { unsafe { g() } }\nfn h() { aya::features(); }\n";
        assert_eq!(messages("cli/src/host/limits.rs", text), [(2, true), (1, true), (3, true)]);
        assert_eq!(messages("cli/tests/kernel.rs", "unsafe impl X for Y {}"), [(1, true)]);
    }

    #[test]
    fn words_in_text_are_no_code() {
        assert_eq!(
            messages("cli/src/host/a.rs", "// unsafe aya::x\nconst A: &str = \"unsafe { aya::x }\";\n"),
            []
        );
        assert_eq!(messages("cli/src/host/a.rs", "mod aya_notes;\nfn f(is_unsafe: bool) {}\n"), []);
    }

    #[test]
    fn blocks_are_explained() {
        let path = "cli/src/kernel/ring.rs";
        for text in [
            "// SAFETY: yes\nlet a = unsafe { b() };",
            "// SAFETY: yes,\n// and more\n#[expect(x)]\nlet a =\n    unsafe { b() };",
            "let a = unsafe { b() }; // SAFETY: yes",
            "let a = unsafe {\n    // SAFETY: inside is not beside\n    b()\n}; // SAFETY: neither\n",
            "// SAFETY: yes\nunsafe impl A for B {}",
            "unsafe fn f() {}",
            "#[unsafe(no_mangle)]\nstatic A: u8 = 0;",
        ] {
            let expected = usize::from(text.contains("inside"));
            assert_eq!(messages(path, text).len(), expected, "{text}");
        }
        for text in [
            "unsafe { b() }",
            "// SAFETY: of another\nlet x = 1;\nunsafe { b() }",
            "// SAFETY: too far away\n\nunsafe { b() }",
            "// harmless\nunsafe { b() }",
            "// SAFETY: of the function\nfn f() {\n    unsafe { b() }\n}",
        ] {
            assert_eq!(messages(path, text).len(), 1, "{text}");
        }
    }
}
