//! The name of a scenario of the demo server, as a value on the command line.

use std::fmt::Write;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use demo_server::scenario::{self, Scenario};

/// Takes the name of a scenario.
pub fn parser() -> impl TypedValueParser<Value = Scenario> {
    PossibleValuesParser::new(scenario::list().iter().map(|scenario| scenario.name))
        .try_map(|name| scenario::find(&name).ok_or("no such scenario"))
}

/// Names and meanings, for the help.
pub fn table() -> String {
    let mut text = String::from("Scenarios of --demo, the first without a name:\n");
    for Scenario { name, about, .. } in scenario::list() {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {name:<12} {about}");
    }
    text
}
