//! Options of the demo server under the names that they have on the command line.

use demo_server::Error;

/// An error of the demo server; an option that cannot work is named as its flag.
pub fn named(error: Error) -> anyhow::Error {
    let Error::Option { option, reason } = error else { return error.into() };
    let flag = match option {
        "target" => "ADDR:PORT".to_owned(),
        "duration" => "--for".to_owned(),
        "rate_per_s" => "--rate".to_owned(),
        "connections" | "parallel" => "--users".to_owned(),
        other => format!("--{}", other.replace('_', "-")),
    };
    anyhow::anyhow!("{flag}: {reason}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_have_the_names_of_their_flags() {
        for (option, flag) in
            [("rate_per_s", "--rate: x"), ("body_bytes", "--body-bytes: x"), ("target", "ADDR:PORT: x")]
        {
            assert_eq!(named(Error::Option { option, reason: "x".to_owned() }).to_string(), flag);
        }
    }
}
