//! The id of a finding, as a value on the command line.

use std::ffi::OsStr;

use clap::{
    Arg, Command, Error,
    builder::{PossibleValue, TypedValueParser},
    error::ErrorKind,
};

use crate::findings::{RULES, rule, similar};

/// Takes the id of a rule in either case and gives it as the registry writes it.
#[derive(Clone, Debug)]
pub struct FindingId;

impl TypedValueParser for FindingId {
    type Value = &'static str;

    fn parse_ref(
        &self,
        command: &Command,
        _argument: Option<&Arg>,
        value: &OsStr,
    ) -> Result<Self::Value, Error> {
        let text = value.to_string_lossy();
        let unknown = || Error::raw(ErrorKind::InvalidValue, unknown(&text)).with_cmd(command);
        rule(&text).map(|rule| rule.id).ok_or_else(unknown)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(RULES.iter().map(|rule| PossibleValue::new(rule.id))))
    }
}

fn unknown(text: &str) -> String {
    let near = similar(text);
    let meant = match near.as_slice() {
        [] => String::new(),
        ids => format!("; did you mean {}?", ids.join(", ")),
    };
    format!("no finding has the id {text:?}{meant}\n`netscope explain` lists them all\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<&'static str, Error> {
        FindingId.parse_ref(&Command::new("test"), None, OsStr::new(text))
    }

    #[test]
    fn either_case_is_an_id() {
        assert_eq!(parse("LSN-001").ok(), Some("LSN-001"));
        assert_eq!(parse("lsn-001").ok(), Some("LSN-001"));
    }

    #[test]
    fn near_misses_are_told_what_is_near() {
        let message = parse("lsn2").unwrap_err().to_string();
        assert!(message.contains("did you mean LSN-002"), "{message}");
        let message = parse("quite else").unwrap_err().to_string();
        assert!(message.contains("quite else") && !message.contains("did you mean"), "{message}");
        assert_eq!(parse("").unwrap_err().kind(), ErrorKind::InvalidValue);
    }

    #[test]
    fn every_id_is_offered_to_completions() {
        let offered: Vec<_> = FindingId.possible_values().unwrap().collect();
        assert_eq!(offered.len(), RULES.len());
    }
}
