//! One measurement: wrk saturates the server for some seconds while its CPU time and instructions are counted.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::server::Server;
use crate::step;

/// Keep-alive connections of the load.
pub const CONNECTIONS: u32 = 64;

/// What one measurement gave.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measurement {
    /// Requests answered in a second.
    pub rate: f64,
    /// CPU time of the server's worker for one request, nanoseconds.
    pub cpu_ns: f64,
    /// Instructions of the worker for one request, user and kernel; absent without hardware counters.
    pub instructions: Option<f64>,
}

/// The load generator.
#[derive(Debug)]
pub struct Load {
    /// wrk.
    pub wrk: PathBuf,
    /// Length of a measurement, seconds.
    pub seconds: u32,
    /// The CPU that wrk runs on, if it has one of its own.
    pub cpu: Option<usize>,
    /// perf, if it can count instructions here.
    pub perf: Option<PathBuf>,
    /// Where perf writes.
    pub counters: PathBuf,
}

impl Load {
    /// Measures `server` once.
    pub fn measure(&self, server: &Server) -> Result<Measurement> {
        let before = cpu_time(server.worker)?;
        let text = step::output(&mut self.command(server))?;
        let busy = cpu_time(server.worker)?.saturating_sub(before);
        let (rate, requests) = parse_wrk(&text)?;
        let instructions = match self.perf {
            Some(_) => {
                let text = fs::read_to_string(&self.counters).context("cannot read what perf stat wrote")?;
                Some(parse_perf(&text).context("perf stat counted no instructions")? / requests)
            }
            None => None,
        };
        Ok(Measurement { rate, cpu_ns: busy as f64 / requests, instructions })
    }

    /// `[perf stat -p WORKER] [taskset -c CPU] wrk …`: perf counts for as long as wrk runs.
    fn command(&self, server: &Server) -> Command {
        let mut words: Vec<String> = Vec::new();
        if let Some(perf) = &self.perf {
            let worker = server.worker.to_string();
            let output = self.counters.display().to_string();
            let perf = perf.display().to_string();
            let options = [&perf, "stat", "-x,", "-e", "instructions", "-p", &worker, "-o", &output, "--"];
            words.extend(options.map(str::to_owned));
        }
        if let Some(cpu) = self.cpu {
            words.extend(["taskset".to_owned(), "-c".to_owned(), cpu.to_string()]);
        }
        let url = format!("http://127.0.0.1:{}/", server.port);
        words.push(self.wrk.display().to_string());
        words.extend([format!("-c{CONNECTIONS}"), "-t1".to_owned(), format!("-d{}s", self.seconds), url]);
        let mut command = Command::new(words.remove(0));
        command.args(words);
        command
    }
}

/// Whether `perf stat` counts instructions here: many virtual machines have no counters.
#[must_use]
pub fn counts_instructions(perf: &PathBuf) -> bool {
    let output = Command::new(perf).args(["stat", "-x,", "-e", "instructions", "--", "true"]).output();
    output.is_ok_and(|output| parse_perf(&String::from_utf8_lossy(&output.stderr)).is_some())
}

/// CPU time of a single-threaded process, nanoseconds (Documentation/scheduler/sched-stats.rst).
fn cpu_time(process: u32) -> Result<u64> {
    let path = format!("/proc/{process}/schedstat");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let first = text.split_whitespace().next().and_then(|field| field.parse().ok());
    first.with_context(|| format!("{path} holds no CPU time"))
}

/// Rate and number of requests in the output of wrk; an error if any request failed.
fn parse_wrk(text: &str) -> Result<(f64, f64)> {
    if let Some(line) = text.lines().find(|line| line.contains("Socket errors") || line.contains("Non-2xx")) {
        bail!("wrk met errors: {}", line.trim());
    }
    let rate = text.lines().find_map(|line| line.trim().strip_prefix("Requests/sec:")?.trim().parse().ok());
    let requests = text.lines().find_map(|line| line.trim().split_once(" requests in ")?.0.parse().ok());
    rate.zip(requests).filter(|(_, requests)| *requests > 0.0).context("wrk printed no request rate")
}

/// The counter in the output of `perf stat -x,`; `None` if it was not counted.
fn parse_perf(text: &str) -> Option<f64> {
    let line = text.lines().find(|line| line.split(',').any(|field| field.starts_with("instructions")))?;
    line.split(',').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRK: &str = "\
Running 3s test @ http://127.0.0.1:8080/
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.20ms  200.00us   9.10ms   90.00%
  150310 requests in 3.00s, 22.79MB read
Requests/sec:  50101.73
Transfer/sec:      7.60MB
";

    #[test]
    fn the_output_of_wrk() {
        assert_eq!(parse_wrk(WRK).unwrap(), (50101.73, 150_310.0));
        assert!(parse_wrk("unable to connect").is_err());
        assert!(parse_wrk("  0 requests in 3.00s\nRequests/sec: 0.00\n").is_err());
    }

    #[test]
    fn failed_requests_are_no_measurement() {
        let text = format!("{WRK}  Socket errors: connect 0, read 3, write 0, timeout 0\n");
        assert!(parse_wrk(&text).unwrap_err().to_string().contains("read 3"));
    }

    #[test]
    fn the_output_of_perf() {
        assert_eq!(parse_perf("# started on x\n\n123456,,instructions,1000,100.00,,\n"), Some(123_456.0));
        assert_eq!(parse_perf("5,,instructions:u,1000,100.00,,\n"), Some(5.0));
        assert_eq!(parse_perf("<not supported>,,instructions,0,100.00,,\n"), None);
        assert_eq!(parse_perf(""), None);
    }

    #[test]
    fn own_cpu_time_is_readable() {
        assert!(cpu_time(std::process::id()).unwrap() > 0);
        assert!(cpu_time(u32::MAX).is_err());
    }
}
