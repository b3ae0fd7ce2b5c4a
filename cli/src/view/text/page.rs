//! Lines of 80 columns.

use super::Style;
use super::units::TIE;

/// Columns of the page.
pub(super) const WIDTH: usize = 80;

/// How a piece of text is set off, if colours are wanted (ECMA-48, select graphic rendition).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Paint {
    /// As it is.
    Plain,
    /// Bold.
    Bold,
    /// Bold red: damage.
    Red,
    /// Bold yellow.
    Yellow,
    /// Cyan.
    Cyan,
    /// Green.
    Green,
}

impl Paint {
    const fn code(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Bold => Some("1"),
            Self::Red => Some("1;31"),
            Self::Yellow => Some("1;33"),
            Self::Cyan => Some("36"),
            Self::Green => Some("32"),
        }
    }
}

/// The text written so far.
pub(super) struct Page {
    text: String,
    style: Style,
}

impl Page {
    pub const fn new(style: Style) -> Self {
        Self { text: String::new(), style }
    }

    pub fn finish(self) -> String {
        self.text
    }

    /// An empty line, unless the page is empty or the last line is.
    pub fn gap(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
    }

    /// The title of a section.
    pub fn heading(&mut self, title: &str) {
        self.gap();
        self.line(title, Paint::Bold);
    }

    /// One line that is never broken: a command stays one that can be copied.
    pub fn line(&mut self, line: &str, paint: Paint) {
        let line = printable(line);
        let line = line.trim_end();
        match paint.code().filter(|_| self.style.colour && !line.is_empty()) {
            Some(code) => self.text.push_str(&format!("\u{1b}[{code}m{line}\u{1b}[0m\n")),
            None => self.text.push_str(&format!("{line}\n")),
        }
    }

    /// Words, broken into lines; the first begins with `first`, the others are indented to the same column.
    pub fn paragraph(&mut self, first: &str, words: &str, paint: Paint) {
        let indent = " ".repeat(first.chars().count());
        for (index, line) in broken(words, WIDTH.saturating_sub(indent.len())).iter().enumerate() {
            let start = if index == 0 { first } else { &indent };
            self.line(&format!("{start}{line}"), paint);
        }
    }

    /// A labelled paragraph.
    pub fn entry(&mut self, label: &str, words: &str) {
        self.paragraph(&label_column(label), words, Paint::Plain);
    }
}

/// A label, padded to the column where the text of all entries begins.
pub(super) fn label_column(label: &str) -> String {
    format!("  {label:<9} ")
}

/// `words` in lines of at most `width` characters. A word that is longer has a line of its own.
fn broken(words: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in words.split([' ', '\n']).filter(|word| !word.is_empty()) {
        let Some(line) = lines.last_mut() else { continue };
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

/// Without control characters: a process may choose a name that would move the cursor.
fn printable(line: &str) -> String {
    let shown = |character: char| match character {
        TIE => ' ',
        other if other.is_control() => '?',
        other => other,
    };
    line.chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(colour: bool, write: impl FnOnce(&mut Page)) -> String {
        let mut page = Page::new(Style { colour });
        write(&mut page);
        page.finish()
    }

    #[test]
    fn words_are_broken_and_indented() {
        let text = page(false, |page| page.entry("why", &"word ".repeat(30)));
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[0].starts_with("  why       word") && lines[1].starts_with("            word"));
        assert!(lines.iter().all(|line| line.chars().count() <= WIDTH));
    }

    #[test]
    fn a_number_is_not_broken() {
        let words = format!("{} 12{TIE}345 end", "x".repeat(74));
        let text = page(false, |page| page.paragraph("", &words, Paint::Plain));
        assert_eq!(text.lines().nth(1), Some("12 345 end"));
    }

    #[test]
    fn a_long_word_stays_whole() {
        let long = "/".repeat(100);
        let text = page(false, |page| page.paragraph("  ", &format!("a {long} b"), Paint::Plain));
        assert_eq!(text.lines().collect::<Vec<_>>(), ["  a", &format!("  {long}"), "  b"]);
    }

    #[test]
    fn no_escape_sequence_gets_through() {
        let text = page(false, |page| page.line("evil\u{1b}[2J\rname", Paint::Red));
        assert_eq!(text, "evil?[2J?name\n");
    }

    #[test]
    fn colours_only_on_request() {
        assert_eq!(page(true, |page| page.line("bad", Paint::Red)), "\u{1b}[1;31mbad\u{1b}[0m\n");
        assert_eq!(page(true, |page| page.line("plain", Paint::Plain)), "plain\n");
    }

    #[test]
    fn sections_are_one_line_apart() {
        let text = page(false, |page| {
            page.heading("One");
            page.gap();
            page.heading("Two");
        });
        assert_eq!(text, "One\n\nTwo\n");
    }
}
