//! Printing that survives a closed pipe.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use nix::errno::Errno;

/// Standard output takes no more.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to standard output: {0}")]
struct NotWritten(Errno);

/// Writes to standard output.
///
/// # Errors
/// What write(2) returns; a pipe that nobody reads any more ends the program quietly, see [`is_closed_pipe`].
pub fn print(text: &str) -> anyhow::Result<()> {
    print_bytes(text.as_bytes())
}

/// Writes bytes to standard output.
///
/// # Errors
/// As [`print`].
pub fn print_bytes(bytes: &[u8]) -> anyhow::Result<()> {
    let mut output = io::stdout().lock();
    output
        .write_all(bytes)
        .and_then(|()| output.flush())
        .map_err(|error| NotWritten(error.raw_os_error().map_or(Errno::UnknownErrno, Errno::from_raw)).into())
}

/// Writes what a command found, and gives its exit code: that does not change when the reader has seen enough.
///
/// # Errors
/// As [`print`], but for a closed pipe.
pub fn deliver(text: &str, code: ExitCode) -> anyhow::Result<ExitCode> {
    match print(text) {
        Err(error) if !is_closed_pipe(&error) => Err(error),
        _ => Ok(code),
    }
}

/// Prints one line of progress or trouble to standard error; nobody reading it is no reason to stop.
pub fn complain(text: &str) {
    let _ = writeln!(io::stderr().lock(), "netscope: {text}");
}

/// Whether the reader of our output went away, which ends the program quietly.
pub fn is_closed_pipe(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(NotWritten(Errno::EPIPE)))
}
