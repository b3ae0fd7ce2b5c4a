//! `cargo xtask setup`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::packages::{self, BPF_LINKER, LLVM_PREFIX, Package, Purpose};
use crate::step;
use crate::workspace::Workspace;

/// Debian's switch for starting services: its exit code 101 forbids it (invoke-rc.d(8)).
const SERVICE_POLICY: &str = "/usr/sbin/policy-rc.d";

/// What to install.
#[derive(Debug, Default, Args)]
pub struct Arguments {
    /// Also the tools that `cargo xtask bench` compares with
    #[arg(long)]
    pub bench: bool,
    /// Print the list and install nothing
    #[arg(long)]
    pub print: bool,
}

/// Runs `cargo xtask setup`.
pub fn run(workspace: &Workspace, arguments: &Arguments) -> Result<()> {
    if arguments.print {
        print_list(&packages::wanted(arguments.bench));
        return Ok(());
    }
    let missing = packages::missing(arguments.bench);
    let linker_is_missing = packages::bpf_linker(workspace).is_none();
    if missing.is_empty() && !linker_is_missing {
        println!("  everything is installed");
        return Ok(());
    }
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    if !missing.is_empty() {
        if !is_debian(&release) || !nix::unistd::geteuid().is_root() {
            print_list(&missing);
            bail!("packages are missing; setup installs them on Debian and Ubuntu, as root");
        }
        install(&missing)?;
    }
    if linker_is_missing {
        install_linker(workspace);
    }
    for package in packages::missing(arguments.bench) {
        println!("  warning: {} is not installed: {}", package.name, consequence(package));
    }
    Ok(())
}

/// Prints what to install, by purpose.
fn print_list(packages: &[Package]) {
    for (purpose, title) in [
        (Purpose::Tests, "for the tests"),
        (Purpose::Object, "for rebuilding the eBPF object (optional: it is committed)"),
        (Purpose::Bench, "for cargo xtask bench"),
    ] {
        let names: Vec<_> =
            packages.iter().filter(|package| package.purpose == purpose).map(|p| p.name).collect();
        if !names.is_empty() {
            println!("{title}, by their names in Debian:\n  {}", names.join(" "));
        }
        if purpose == Purpose::Object {
            println!("  and: {}", step::describe(&linker_command(Path::new("target/tools"))));
            println!("       with LLVM_PREFIX={LLVM_PREFIX}, or of the LLVM that your rustc uses");
        }
    }
}

/// Installs `packages` with apt-get; what cannot be had is left for the caller to report.
fn install(packages: &[Package]) -> Result<()> {
    let _policy = ServicePolicy::forbid()?;
    if let Err(error) = step::run(apt_get().arg("update")) {
        println!("  warning: {error:#}; the lists that are here are used");
    }
    let known: Vec<&Package> = packages.iter().filter(|package| is_available(package.name)).collect();
    let names = known.iter().map(|package| package.name);
    if known.is_empty()
        || step::run(apt_get().args(["install", "--yes", "--no-install-recommends"]).args(names)).is_ok()
    {
        return Ok(());
    }
    // One package that cannot be installed must not keep the others away.
    for package in known {
        if let Err(error) =
            step::run(apt_get().args(["install", "--yes", "--no-install-recommends", package.name]))
        {
            println!("  warning: {error:#}");
        }
    }
    Ok(())
}

fn apt_get() -> Command {
    let mut command = step::clean("apt-get");
    command.args(["-o", "DPkg::Lock::Timeout=300", "-q"]).env("DEBIAN_FRONTEND", "noninteractive");
    command
}

/// Whether apt has a version of `package` to install.
fn is_available(package: &str) -> bool {
    let policy = step::output(step::clean("apt-cache").args(["policy", package]).env("LC_ALL", "C"));
    policy.is_ok_and(|text| has_candidate(&text))
}

/// Reads the output of `apt-cache policy`.
fn has_candidate(policy: &str) -> bool {
    let candidate = policy.lines().find_map(|line| line.trim().strip_prefix("Candidate:"));
    candidate.is_some_and(|version| version.trim() != "(none)")
}

/// Builds bpf-linker; without it only the rebuild of the object is skipped, so a failure is a warning.
fn install_linker(workspace: &Workspace) {
    if !Path::new(LLVM_PREFIX).is_dir() {
        println!("  warning: no {LLVM_PREFIX}: bpf-linker is not built, the object cannot be rebuilt here");
        return;
    }
    let mut command = linker_command(&workspace.tools());
    // Its build folder is thrown away: it is large and never needed again.
    let build = workspace.path("target/tools-build");
    command.env("LLVM_PREFIX", LLVM_PREFIX).env("CARGO_TARGET_DIR", &build).current_dir(workspace.root());
    if let Err(error) = step::run(&mut command) {
        println!("  warning: {error:#}; the object cannot be rebuilt here");
    }
    let _ = fs::remove_dir_all(build);
}

fn linker_command(root: &Path) -> Command {
    let mut command = step::clean("cargo");
    command
        .args([
            "install",
            "bpf-linker",
            "--version",
            BPF_LINKER,
            "--no-default-features",
            "--features",
            "llvm-22",
        ])
        .args(["--locked", "--force", "--root"])
        .arg(root);
    command
}

/// Whether `os-release` (os-release(5)) is of Debian, Ubuntu or a system made from them.
fn is_debian(release: &str) -> bool {
    let values =
        release.lines().filter_map(|line| line.strip_prefix("ID=").or_else(|| line.strip_prefix("ID_LIKE=")));
    values
        .flat_map(|value| value.trim_matches('"').split_whitespace())
        .any(|name| name == "debian" || name == "ubuntu")
}

fn consequence(package: Package) -> &'static str {
    match package.purpose {
        Purpose::Tests => "the tests that use it are skipped",
        Purpose::Object => "the object cannot be rebuilt here",
        Purpose::Bench => "its row of the benchmark is absent",
    }
}

/// While it lives, packages start no service (nginx and redis would listen on their ports). A policy that was
/// there before stays untouched.
struct ServicePolicy {
    ours: bool,
}

impl ServicePolicy {
    fn forbid() -> Result<Self> {
        if Path::new(SERVICE_POLICY).exists() {
            return Ok(Self { ours: false });
        }
        fs::write(SERVICE_POLICY, "#!/bin/sh\nexit 101\n")
            .with_context(|| format!("cannot write {SERVICE_POLICY}"))?;
        let policy = Self { ours: true };
        fs::set_permissions(SERVICE_POLICY, fs::Permissions::from_mode(0o755))
            .with_context(|| format!("cannot make {SERVICE_POLICY} executable"))?;
        Ok(policy)
    }
}

impl Drop for ServicePolicy {
    fn drop(&mut self) {
        if self.ours
            && let Err(error) = fs::remove_file(SERVICE_POLICY)
        {
            println!("  warning: cannot remove {SERVICE_POLICY}: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systems_with_apt() {
        assert!(is_debian("NAME=x\nID=debian\n"));
        assert!(is_debian("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n"));
        assert!(!is_debian("ID=\"rhel\"\nID_LIKE=\"fedora\"\nHOME_URL=debian\n"));
        assert!(!is_debian(""));
    }

    #[test]
    fn candidates_of_apt() {
        assert!(has_candidate("wrk:\n  Installed: (none)\n  Candidate: 4.1.0-3\n"));
        assert!(!has_candidate("wrk:\n  Installed: (none)\n  Candidate: (none)\n"));
        assert!(!has_candidate(""));
    }

    #[test]
    fn the_linker_is_pinned() {
        let text = step::describe(&linker_command(Path::new("target/tools")));
        assert!(text.contains("--version 0.13.0") && text.contains("--locked"), "{text}");
    }
}
