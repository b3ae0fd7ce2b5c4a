//! netscope man: one manual page with all commands.

use std::process::ExitCode;

use clap::{Command, CommandFactory};
use clap_mangen::Man;

use crate::args::Cli;

use super::output;

const EXIT_STATUS: &str = r#".SH "EXIT STATUS"
.TP
0
Nothing was found at or above \-\-fail\-on.
.TP
1
At least one such finding; of \fBdoctor\fR, at least one probe that cannot run here.
.TP
2
Wrong usage, or nothing could be measured.
.SH ENVIRONMENT
.TP
NO_COLOR
When set and not empty, no colours are used.
.SH "SEE ALSO"
\fBss\fR(8), \fBnstat\fR(8), \fBlisten\fR(2), \fBtcp\fR(7), \fBproc\fR(5), \fBbpf\fR(2)
"#;

/// Prints the page in roff.
///
/// # Errors
/// The output cannot be written.
pub fn run() -> anyhow::Result<ExitCode> {
    output::deliver(&page()?, ExitCode::SUCCESS)
}

fn page() -> anyhow::Result<String> {
    let mut command = Cli::command();
    command.build();
    let mut roff = Vec::new();
    let whole = Man::new(command.clone());
    whole.render_title(&mut roff)?;
    whole.render_name_section(&mut roff)?;
    whole.render_synopsis_section(&mut roff)?;
    let mut page = String::from_utf8(roff)?;
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    page.push_str(&format!(".SH DESCRIPTION\n{}\n", escaped(&about)));
    page.push_str(&verbatim(&command));
    page.push_str(".SH COMMANDS\n");
    for subcommand in command.get_subcommands().filter(|one| !one.is_hide_set() && one.get_name() != "help") {
        page.push_str(&section(subcommand)?);
    }
    page.push_str(EXIT_STATUS);
    Ok(page)
}

/// What one command does, how it is called, its options.
fn section(command: &Command) -> anyhow::Result<String> {
    let mut roff = Vec::new();
    let man = Man::new(command.clone());
    man.render_description_section(&mut roff)?;
    man.render_synopsis_section(&mut roff)?;
    man.render_options_section(&mut roff)?;
    let name = command.get_bin_name().unwrap_or_else(|| command.get_name());
    let mut text = format!(".SS \"{name}\"\n");
    // Sections of the whole page become paragraphs here, without their headings; they print as macros at the
    // start of a line.
    for line in String::from_utf8(roff)?.lines().filter(|line| !is_preamble(line)) {
        text.push_str(if line.starts_with(".SH") { ".PP" } else { line });
        text.push('\n');
    }
    text.push_str(&verbatim(command));
    Ok(text)
}

/// The definition of the apostrophe that every rendering begins with.
fn is_preamble(line: &str) -> bool {
    line.starts_with(".ie ") || line.starts_with(".el ")
}

/// Examples and tables that follow the options in the help, as they are.
fn verbatim(command: &Command) -> String {
    let after = command.get_after_help().map(ToString::to_string);
    after.map(|text| format!(".PP\n.nf\n{}\n.fi\n", escaped(text.trim_end()))).unwrap_or_default()
}

/// Text in which roff sees no escapes and no macros.
fn escaped(text: &str) -> String {
    let line = |line: &str| {
        let line = line.replace('\\', "\\e").replace('-', "\\-");
        if line.starts_with(['.', '\'']) { format!("\\&{line}") } else { line }
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_and_visible_option_is_there_once() {
        let page = page().unwrap();
        let mut command = Cli::command();
        command.build();
        for subcommand in command.get_subcommands().filter(|one| one.get_name() != "help") {
            let heading = format!(".SS \"netscope {}\"\n", subcommand.get_name());
            assert_eq!(page.matches(&heading).count(), usize::from(!subcommand.is_hide_set()), "{heading}");
        }
        assert!(page.contains(r"\-\-fail\-on"));
        assert!(!page.contains("guard") && !page.contains(r"\-\-map\-entries"));
        assert_eq!(page.matches(".TH ").count(), 1);
        assert_eq!(page.matches(".SH NAME").count(), 1);
        assert_eq!(page.matches(".SH SYNOPSIS").count(), 1);
    }

    #[test]
    fn text_cannot_become_a_macro() {
        assert_eq!(escaped(".so /etc\n'x a\\b-c"), "\\&.so /etc\n\\&'x a\\eb\\-c");
    }
}
