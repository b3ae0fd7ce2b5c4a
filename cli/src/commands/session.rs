//! What the measuring commands share: from arguments to a collector, and from findings to output and exit code.

use std::{io::IsTerminal, process::ExitCode};

use crate::{
    args::{DeclaredArgs, FailOn, Sources, TargetArgs, Trees},
    collect::Collector,
    findings::{Assessment, DeclaredLoad, Options as AssessOptions, assess},
    host::Roots,
    kernel,
    model::Model,
    target::{self, Selector},
    view::{json, text},
};

use super::{EXIT_FINDING, output};

/// Where the trees are mounted.
pub fn roots(trees: &Trees) -> Roots {
    Roots { procfs: trees.procfs.clone(), sysfs: trees.sysfs.clone() }
}

/// How to load the probes.
pub fn kernel_options(sources: &Sources) -> kernel::Options {
    kernel::Options {
        btf: sources.btf.clone().unwrap_or_else(|| sources.trees.sysfs.join("kernel/btf/vmlinux")),
        procfs: sources.trees.procfs.clone(),
        map_entries: sources.map_entries,
        verbose: sources.verbose,
    }
}

/// Opens what the arguments name.
///
/// # Errors
/// The target does not exist or cannot be read.
pub fn open(trees: &Trees, target: &TargetArgs) -> anyhow::Result<Collector> {
    let selector = match (target.pid, target.port) {
        (Some(pid), _) => Selector::Pid(pid),
        (None, Some(port)) => Selector::Port(port),
        (None, None) => Selector::All,
    };
    let roots = roots(trees);
    let target = target::resolve(&roots, &selector)?;
    Collector::open(&roots, target)
}

/// The load that the arguments declare.
pub fn declared(arguments: DeclaredArgs) -> DeclaredLoad {
    DeclaredLoad {
        connections: arguments.connections,
        rate: arguments.rate,
        rtt_seconds: arguments.rtt.map(|rtt| rtt.as_secs_f64()),
        local_clients: arguments.local_clients,
    }
}

/// What all rules say.
pub fn judge(model: &Model, load: &DeclaredLoad) -> Assessment {
    assess(model, load, &AssessOptions::default())
}

/// Prints the report, and gives the exit code.
///
/// # Errors
/// The output cannot be written.
pub fn finish(
    model: &Model,
    assessment: &Assessment,
    as_json: bool,
    fail_on: FailOn,
) -> anyhow::Result<ExitCode> {
    let text = if as_json {
        json::to_json(model, assessment)? + "\n"
    } else {
        let style = text::Style { colour: super::live::colours(std::io::stdout().is_terminal()) };
        text::render(model, assessment, style)
    };
    let reached = assessment.findings.iter().any(|finding| fail_on.reached(finding.severity));
    output::deliver(&text, if reached { ExitCode::from(EXIT_FINDING) } else { ExitCode::SUCCESS })
}
