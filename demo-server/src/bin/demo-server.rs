//! Runs the server or the load of this crate in a process of their own, for tests and by hand:
//! `demo-server serve OPTIONS` and `demo-server load OPTIONS`, with the options as JSON, `{}` for the defaults.
//! `serve` prints where it listens as one line of JSON; both end at SIGINT or SIGTERM and print what they counted.

use std::error::Error;
use std::io::{Write, stdout};
use std::process::ExitCode;

use demo_server::{Stop, load, server};
use serde::Serialize;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["serve", options] => serve(options),
        ["load", options] => produce(options),
        _ => {
            eprintln!("usage: demo-server serve|load OPTIONS (JSON; {{}} for the defaults)");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("demo-server: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(options: &str) -> Result<(), Box<dyn Error>> {
    let stop = Stop::new()?;
    stop.request_on_signals()?;
    let server = server::Server::bind(&serde_json::from_str(options)?)?;
    print(&server.bound())?;
    print(&server.run(&stop)?)
}

fn produce(options: &str) -> Result<(), Box<dyn Error>> {
    let stop = Stop::new()?;
    stop.request_on_signals()?;
    print(&load::run(&serde_json::from_str(options)?, &stop, |_| {})?)
}

fn print(value: &impl Serialize) -> Result<(), Box<dyn Error>> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    let mut out = stdout().lock();
    out.write_all(&line)?;
    out.flush()?;
    Ok(())
}
