//! What tracing one process costs it: a saturated nginx worker, untraced and under each tool in turn.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::child::Child;
use super::document::{self, Ratios, Row};
use super::load::{self, CONNECTIONS, Load, Measurement};
use super::peers::{self, Peer};
use super::server::Server;
use super::tracefs::Tracefs;
use super::{machine, median};
use crate::step;
use crate::workspace::{self, Workspace};

/// How long a tool has to attach before the load starts.
const ATTACH: Duration = Duration::from_secs(3);

/// Load average above which a measurement is doubtful: half a CPU is busy with something else.
const QUIET: f64 = 0.5;

/// How to measure.
#[derive(Clone, Debug)]
pub struct Options {
    /// Rounds; in each every tool is measured once, after an untraced measurement of its own.
    pub rounds: u32,
    /// Length of a measurement, seconds.
    pub seconds: u32,
    /// The program under test; built from the workspace if absent.
    pub netscope: Option<PathBuf>,
    /// Whether the table goes into docs/benchmarks.md.
    pub write: bool,
    /// The command line, for the table.
    pub command: String,
}

/// One round of one tool.
#[derive(Clone, Copy, Debug)]
struct Pair {
    untraced: Measurement,
    traced: Measurement,
}

/// Measures and prints the table.
pub fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    if let Some(busy) = machine::load_average().filter(|busy| *busy > QUIET) {
        println!(
            "  warning: the load average is {busy:.2}: other work on this machine makes the ratios noisy"
        );
    }
    let nginx = program("nginx")?;
    let wrk = program("wrk")?;
    let netscope = match &options.netscope {
        Some(path) => Ok(path.clone()),
        None => build(workspace).map_err(|error| format!("{error:#}")),
    };
    let folder = workspace.target().join(format!("bench-{}", std::process::id()));
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let outcome = measure(&folder, &nginx, wrk, netscope, options);
    fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    let text = outcome?;
    println!("\n{text}");
    if options.write {
        document::write(workspace, "overhead", &text)?;
        println!("  written to {}", document::DOCUMENT);
    }
    Ok(())
}

/// Starts the server, measures every round, and returns the text of the section.
fn measure(
    folder: &Path,
    nginx: &Path,
    wrk: PathBuf,
    netscope: Result<PathBuf, String>,
    options: &Options,
) -> Result<String> {
    let _tracefs = Tracefs::mount().inspect_err(|error| {
        println!("  warning: {error:#}; tools that look for tracepoints there have no row")
    });
    let cpus = machine::cpus();
    let server = Server::start(nginx, folder, cpus)?;
    let perf = workspace::executable("perf").filter(load::counts_instructions);
    let counters = folder.join("counters");
    let load = Load { wrk, seconds: options.seconds, cpu: (cpus > 1).then_some(1), perf, counters };
    let attach = u32::try_from(ATTACH.as_secs())?;
    // netscope still watches when the load ends: it is interrupted like the others.
    let peers = peers::all(server.worker, attach + options.seconds + 5, netscope);
    let mut pairs: Vec<Result<Vec<Pair>, String>> =
        peers.iter().map(|peer| peer.program.clone().map(|_| Vec::new())).collect();
    for round in 1..=options.rounds {
        for (peer, pairs) in peers.iter().zip(&mut pairs) {
            let Ok(done) = pairs else { continue };
            match pair(peer, &server, &load, folder) {
                Ok(pair) => {
                    let ratio = pair.traced.rate / pair.untraced.rate;
                    println!(
                        "  round {round}/{}: {}: {:.0} requests/s, ratio {ratio:.3}",
                        options.rounds, peer.name, pair.traced.rate
                    );
                    done.push(pair);
                }
                Err(error) => {
                    println!("  round {round}/{}: {}: {error:#}", options.rounds, peer.name);
                    *pairs = Err(format!("{error:#}").replace(['|', '\n'], " "));
                }
            }
        }
    }
    server.stop()?;
    Ok(section(&peers, &pairs, &load, options))
}

/// An untraced measurement and one under `peer`, one right after the other.
fn pair(peer: &Peer, server: &Server, load: &Load, folder: &Path) -> Result<Pair> {
    let untraced = load.measure(server).context("untraced")?;
    let program = peer.program.as_ref().map_err(|reason| anyhow::anyhow!(reason.clone()))?;
    let mut tool = Child::start(program, &peer.arguments, &folder.join("tool.out"))?;
    thread::sleep(ATTACH);
    tool.expect_running()?;
    let traced = load.measure(server)?;
    tool.expect_running()?;
    let output = tool.interrupt()?;
    if !output.contains(peer.proof) {
        bail!("saw no system calls of the server: \"{}\" is not in its output", peer.proof);
    }
    Ok(Pair { untraced, traced })
}

/// The medians over the rounds.
fn ratios(pairs: &[Pair]) -> Option<Ratios> {
    let each = |value: fn(&Pair) -> Option<f64>| pairs.iter().filter_map(value).collect::<Vec<_>>();
    let rates = each(|pair| Some(pair.traced.rate / pair.untraced.rate));
    let cpu = each(|pair| Some(pair.traced.cpu_ns / pair.untraced.cpu_ns));
    let instructions = each(|pair| Some(pair.traced.instructions? / pair.untraced.instructions?));
    Some(Ratios {
        rate: median(&rates)?,
        lowest: rates.iter().copied().fold(f64::INFINITY, f64::min),
        highest: rates.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        cpu: median(&cpu)?,
        instructions: median(&instructions),
    })
}

/// The table with what is needed to repeat it.
fn section(peers: &[Peer], pairs: &[Result<Vec<Pair>, String>], load: &Load, options: &Options) -> String {
    let untraced: Vec<&Measurement> = pairs.iter().flatten().flatten().map(|pair| &pair.untraced).collect();
    let middle = |values: Vec<f64>| median(&values).unwrap_or_default();
    let rate = middle(untraced.iter().map(|each| each.rate).collect());
    let cpu = middle(untraced.iter().map(|each| each.cpu_ns).collect()) / 1000.0;
    let instructions: Vec<f64> = untraced.iter().filter_map(|each| each.instructions).collect();
    let counted = match median(&instructions) {
        Some(count) => format!(", {count:.0} instructions of the worker (user and kernel) for each"),
        None => "; this machine has no hardware counters for instructions".to_owned(),
    };
    let rows: Vec<Row> = peers
        .iter()
        .zip(pairs)
        .map(|(peer, pairs)| Row {
            name: peer.name.to_owned(),
            records: peer.records.to_owned(),
            outcome: pairs
                .as_ref()
                .map_err(Clone::clone)
                .and_then(|pairs| ratios(pairs).ok_or_else(|| "no round".to_owned())),
        })
        .collect();
    let versions =
        [("nginx", "-v"), ("wrk", "-v"), ("bpftrace", "--version"), ("perf", "--version"), ("strace", "-V")];
    let versions: Vec<_> =
        versions.iter().filter_map(|(name, option)| machine::version(name, option)).collect();
    let pinned = load.cpu.map_or("", |_| ", the worker on CPU 0 and wrk on CPU 1");
    format!(
        "## What tracing a saturated server costs it\n\n\
         nginx with one worker and `return 200`, wrk with {CONNECTIONS} keep-alive connections{pinned}. Each figure is \
         the worker under the tool divided by the worker untraced, measured one right after the other; the median of \
         all rounds ({} of {} s). Untraced: {rate:.0} requests/s, {cpu:.1} µs of the worker's CPU time for each{counted}.\n\n\
         {}\n\
         Machine: {}. {}.\n\nCommand: `{}`",
        options.rounds,
        options.seconds,
        document::table(&rows),
        machine::describe(),
        versions.join("; "),
        options.command
    )
}

/// The release build of netscope.
fn build(workspace: &Workspace) -> Result<PathBuf> {
    step::run(
        step::cargo()
            .args(["build", "--release", "--locked", "--package", "netscope"])
            .current_dir(workspace.root()),
    )?;
    let program = workspace.target().join("release/netscope");
    if !workspace::is_executable(&program) {
        bail!("{} was not built", program.display());
    }
    Ok(program)
}

fn program(name: &str) -> Result<PathBuf> {
    workspace::executable(name).with_context(|| format!("{name} is not installed: cargo xtask setup --bench"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measurement(rate: f64, instructions: Option<f64>) -> Measurement {
        Measurement { rate, cpu_ns: 1e9 / rate, instructions }
    }

    #[test]
    fn ratios_are_of_pairs_and_their_median() {
        let pair = |before, after| Pair {
            untraced: measurement(before, Some(100.0)),
            traced: measurement(after, Some(110.0)),
        };
        // The machine became twice as fast between the rounds: the ratios do not notice.
        let ratios = ratios(&[pair(100.0, 90.0), pair(200.0, 180.0), pair(200.0, 100.0)]).unwrap();
        assert!((ratios.rate - 0.9).abs() < 1e-9 && (ratios.lowest - 0.5).abs() < 1e-9);
        assert!((ratios.instructions.unwrap() - 1.1).abs() < 1e-9);
        assert!((ratios.cpu - 1.0 / 0.9).abs() < 1e-9);
    }

    #[test]
    fn uncounted_instructions_stay_absent() {
        let pair = Pair { untraced: measurement(1.0, None), traced: measurement(1.0, Some(1.0)) };
        assert_eq!(ratios(&[pair]).unwrap().instructions, None);
        assert_eq!(ratios(&[]), None);
    }
}
