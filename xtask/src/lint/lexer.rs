//! Rust source as tokens and comments: enough of the language to tell code from text. Strings and characters
//! become one opaque token, so that nothing inside them is taken for code.

/// A piece of code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Identifier, keyword, number, `::`, one character of punctuation, or `""` for any literal text.
    pub text: String,
    /// Line, from 1.
    pub line: usize,
}

/// A comment, or one line of a block comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    /// With its slashes.
    pub text: String,
    /// Line, from 1.
    pub line: usize,
}

/// The stand-in for string, byte string and character literals.
pub const LITERAL: &str = "\"\"";

/// Splits `source`. Never fails: an unfinished literal or comment runs to the end of the file.
#[must_use]
pub fn split(source: &str) -> (Vec<Token>, Vec<Comment>) {
    let mut lexer = Lexer { rest: source, line: 1, tokens: Vec::new(), comments: Vec::new() };
    while lexer.step() {}
    (lexer.tokens, lexer.comments)
}

struct Lexer<'a> {
    rest: &'a str,
    line: usize,
    tokens: Vec<Token>,
    comments: Vec<Comment>,
}

impl<'a> Lexer<'a> {
    /// Consumes one token, comment or blank; false at the end.
    fn step(&mut self) -> bool {
        let rest = self.rest;
        let Some(first) = rest.chars().next() else { return false };
        if first.is_whitespace() {
            self.take(first.len_utf8());
        } else if rest.starts_with("//") {
            self.comment(rest.find('\n').unwrap_or(rest.len()));
        } else if rest.starts_with("/*") {
            self.comment(block_comment(rest));
        } else if let Some(length) = literal(rest) {
            self.token(LITERAL.to_owned(), length);
        } else if first.is_alphanumeric() || first == '_' {
            let raw = if rest.starts_with("r#") { 2 } else { 0 };
            let word: String =
                rest.chars().skip(raw).take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            let length = raw + word.len();
            self.token(word, length);
        } else if rest.starts_with("::") {
            self.token("::".to_owned(), 2);
        } else {
            self.token(first.to_string(), first.len_utf8());
        }
        true
    }

    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, ""));
        self.rest = rest;
        self.line += taken.matches('\n').count();
        taken
    }

    fn token(&mut self, text: String, length: usize) {
        self.tokens.push(Token { text, line: self.line });
        self.take(length);
    }

    fn comment(&mut self, length: usize) {
        let first = self.line;
        let lines = self.take(length).lines().enumerate();
        self.comments
            .extend(lines.map(|(index, text)| Comment { text: text.trim().to_owned(), line: first + index }));
    }
}

/// Length of the block comment that `rest` starts with; they nest.
fn block_comment(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut position = 0;
    while let Some(tail) = rest.get(position..) {
        if tail.starts_with("/*") {
            depth += 1;
            position += 2;
        } else if tail.starts_with("*/") {
            depth -= 1;
            position += 2;
            if depth == 0 {
                return position;
            }
        } else {
            let Some(next) = tail.chars().next() else { break };
            position += next.len_utf8();
        }
    }
    rest.len()
}

/// Length of the string, byte string, C string or character literal that `rest` starts with.
fn literal(rest: &str) -> Option<usize> {
    let prefix = ["br", "cr", "b", "c", "r", ""].into_iter().find(|prefix| {
        let tail = rest.strip_prefix(prefix).unwrap_or_default();
        tail.starts_with('"')
            || (prefix.ends_with('r')
                && tail.trim_start_matches('#').starts_with('"')
                && tail.starts_with('#'))
            || (*prefix == "b" && tail.starts_with('\''))
    });
    let Some(prefix) = prefix else { return character(rest) };
    let tail = rest.strip_prefix(prefix)?;
    let length = if prefix.ends_with('r') {
        raw_string(tail)
    } else if tail.starts_with('\'') {
        character(tail)?
    } else {
        escaped(tail, '"')
    };
    Some(prefix.len() + length)
}

/// Length of a raw string without its `r`.
fn raw_string(tail: &str) -> usize {
    let hashes = tail.len() - tail.trim_start_matches('#').len();
    let end = format!("\"{}", "#".repeat(hashes));
    let body = tail.get(hashes + 1..).unwrap_or_default();
    body.find(&end).map_or(tail.len(), |position| hashes + 1 + position + end.len())
}

/// Length of a literal between two `quote`s with backslash escapes.
fn escaped(tail: &str, quote: char) -> usize {
    let mut escape = false;
    for (position, character) in tail.char_indices().skip(1) {
        if escape {
            escape = false;
        } else if character == '\\' {
            escape = true;
        } else if character == quote {
            return position + 1;
        }
    }
    tail.len()
}

/// Length of a character literal; `None` for a lifetime.
fn character(rest: &str) -> Option<usize> {
    let mut inside = rest.strip_prefix('\'')?.chars();
    match inside.next()? {
        '\\' => Some(escaped(rest, '\'')),
        first => (inside.next() == Some('\'')).then_some(first.len_utf8() + 2),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(source: &str) -> Vec<String> {
        split(source).0.into_iter().map(|token| token.text).collect()
    }

    #[test]
    fn code_without_text() {
        assert_eq!(words("use std::fs;"), ["use", "std", "::", "fs", ";"]);
        assert_eq!(words(r#"f("unsafe {", 'x', '\'', b'"', "a\"b")"#).len(), 12);
        assert_eq!(words("r#\"unsafe \" {\"# x"), [LITERAL, "x"]);
        assert_eq!(words("br##\"a\"# b\"## x"), [LITERAL, "x"]);
        assert_eq!(words("&'a str 'b: loop"), ["&", "'", "a", "str", "'", "b", ":", "loop"]);
        assert_eq!(words("r#type r b"), ["type", "r", "b"]);
        assert_eq!(words("c\"text\" 'ä' x"), [LITERAL, LITERAL, "x"]);
    }

    #[test]
    fn comments_are_kept_apart() {
        let (tokens, comments) = split("a // one\n/* two\n /* nested */ three */ b\n/// doc\nc");
        assert_eq!(
            tokens.iter().map(|token| (token.text.as_str(), token.line)).collect::<Vec<_>>(),
            [("a", 1), ("b", 3), ("c", 5)]
        );
        assert_eq!(comments.iter().map(|comment| comment.line).collect::<Vec<_>>(), [1, 2, 3, 4]);
    }

    #[test]
    fn lines_are_counted_inside_strings() {
        let (tokens, _) = split("\"a\nb\n\" x");
        assert_eq!(tokens[1], Token { text: "x".into(), line: 3 });
    }

    #[test]
    fn unfinished_text_ends_with_the_file() {
        for source in ["\"abc", "r#\"abc", "/* abc", "'\\", "b\"", "'"] {
            assert!(words(source).len() <= 1, "{source}");
        }
    }
}
