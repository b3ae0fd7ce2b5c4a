//! Printing that survives a closed pipe.

use std::io::{self, Write};

/// Writes to standard output.
///
/// # Errors
/// What write(2) returns; see [`is_closed_pipe`].
pub fn print(text: &str) -> anyhow::Result<()> {
    print_bytes(text.as_bytes())
}

/// Writes bytes to standard output.
///
/// # Errors
/// What write(2) returns.
pub fn print_bytes(bytes: &[u8]) -> anyhow::Result<()> {
    let mut output = io::stdout().lock();
    output.write_all(bytes)?;
    output.flush()?;
    Ok(())
}

/// Prints one line of progress or trouble to standard error; nobody reading it is no reason to stop.
pub fn complain(text: &str) {
    let _ = writeln!(io::stderr().lock(), "netscope: {text}");
}

/// Whether the reader of our output went away, which ends the program quietly.
pub fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let broken = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    };
    error.chain().any(broken)
}
